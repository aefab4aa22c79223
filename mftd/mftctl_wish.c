/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/catalog/person.h"
#include "mftd/mftctl.h"
#include "mftd/outbound/delivery.h"

/*
 * Steers deliveries.  What may become of one in which state is the state
 * machine's to say; the row is moved only if it is in that state still.  So
 * nobody has to be asked: an owner that has the delivery in hand finds it gone
 * at its next step, and before PUBLISHING nothing has happened that matters.
 */

#define RACES_MAX 16 /* steps of its owner that may come between */

#define ONLY_DOUBT                                                       \
	"only what is IN_DOUBT can be resolved; what is PUBLISHING is "  \
	"that once its retry hours are over, or its host is not in the " \
	"configuration any more"

static const struct kind {
	const char *word, *answer; /* answer: what stands behind the id */
	enum mftd_delivery_event event;
	const char *where; /* for whom it was refused */
} kinds[] = {
	{ "hold", NULL, MFTD_EVENT_HOLD,
	    "only what is not at its publishing yet can be held" },
	{ "release", NULL, MFTD_EVENT_RELEASE,
	    "only what is HELD can be released" },
	{ "retry", NULL, MFTD_EVENT_REQUEUE,
	    "only what is FAILED or WAITING can be tried again" },
	{ "cancel", NULL, MFTD_EVENT_CANCEL,
	    "only what is not at its publishing yet, or FAILED, or HELD can be "
	    "cancelled" },
	{ "resolve", "delivered", MFTD_EVENT_ARRIVED, ONLY_DOUBT },
	{ "resolve", "resend", MFTD_EVENT_RESEND, ONLY_DOUBT },
};

/* ---- who */

/* The user who logged in, whatever it became since (proc(5), loginuid); -1
 * when nobody did. */
static uid_t
login_uid(void)
{
	FILE *f = fopen("/proc/self/loginuid", "re");
	unsigned int uid = (unsigned int)-1;

	if (f == NULL)
		return (uid_t)-1;
	if (fscanf(f, "%u", &uid) != 1)
		uid = (unsigned int)-1;
	fclose(f);
	return uid;
}

static void
put_user(uid_t uid, char *out, size_t size)
{
	const struct passwd *pw = getpwuid(uid);

	if (pw != NULL && mftd_id_valid(pw->pw_name))
		snprintf(out, size, "%s", pw->pw_name);
	else
		snprintf(out, size, "uid %u", (unsigned int)uid);
}

void
mftctl_name_me(const struct ctl *ctl, char *out, size_t size)
{
	char me[MFTD_NAME_BYTES], in[MFTD_NAME_BYTES];
	uid_t uid = login_uid();

	put_user(getuid(), me, sizeof(me));
	if (uid == (uid_t)-1 || uid == getuid()) {
		snprintf(out, size, "%.60s@%.30s", me, ctl->conf->node);
		return;
	}
	put_user(uid, in, sizeof(in));
	snprintf(out, size, "%.30s as %.26s@%.30s", in, me, ctl->conf->node);
}

/* ---- what */

/* When it is due: now, if that is what is wanted.  What was held before its
 * first try is still given the time to settle. */
static int64_t
due(const struct kind *k, const struct mftd_delivery *d)
{
	bool now = k->event == MFTD_EVENT_REQUEUE ||
	    k->event == MFTD_EVENT_RESEND ||
	    (k->event == MFTD_EVENT_RELEASE && d->tries > 0);

	return now ? mftd_clock_wall_us() : 0;
}

/* One attempt; *w receives what it would be, *asked whether the database was
 * asked to write it.  -EINVAL: not in that state. */
static int
try_once(struct mftd_catalog *c, const struct kind *k, const char *id,
    struct mftd_wish *w, bool *asked)
{
	struct mftd_delivery_story s;
	enum mftd_delivery_action action;
	int r = mftd_catalog_delivery(c, id, &s);

	*asked = false;
	if (r < 0)
		return r;
	w->from = s.d.state;
	r = mftd_delivery_step(s.d.state, k->event, &w->to, &action);
	if (r < 0)
		return r;
	*asked = true;
	r = mftd_catalog_wish(c, id, w, due(k, &s.d));
	return r == -ENOENT ? -EAGAIN : r;
}

static void
print_done(const struct ctl *ctl, const char *id, const struct mftd_wish *w)
{
	json_t *o;

	if (!ctl->json) {
		printf("%s: %s -> %s\n", id, mftd_delivery_state_name(w->from),
		    mftd_delivery_state_name(w->to));
		return;
	}
	o = json_object();
	mftctl_put(o, "id", id);
	mftctl_put(o, "from", mftd_delivery_state_name(w->from));
	mftctl_put(o, "to", mftd_delivery_state_name(w->to));
	mftctl_print_json(o, JSON_COMPACT);
	json_decref(o);
}

static int
wish(const struct ctl *ctl, struct mftd_catalog *c, const struct kind *k,
    const char *id)
{
	struct mftd_wish w = { .from = MFTD_DELIVERY_QUEUED };
	bool asked;
	int races = 0, r;

	mftctl_name_me(ctl, w.who, sizeof(w.who));
	snprintf(w.what, sizeof(w.what), "%s%s%s", k->word,
	    k->answer != NULL ? " " : "", k->answer != NULL ? k->answer : "");
	do
		r = try_once(c, k, id, &w, &asked);
	while (r == -EAGAIN && ++races < RACES_MAX);
	if (r == 0) {
		print_done(ctl, id, &w);
		return 0;
	}
	if (r == -ENOENT)
		fprintf(stderr, "mftctl: %s: there is no such delivery\n", id);
	else if (r == -EINVAL)
		fprintf(stderr, "mftctl: %s: it is %s: %s\n", id,
		    mftd_delivery_state_name(w.from), k->where);
	else if (r == -EAGAIN)
		fprintf(stderr, "mftctl: %s: it moves on too fast\n", id);
	else
		mftctl_catalog_failed(ctl, c, r);
	if (r == -MFTD_E_CATALOG_AWAY && asked)
		fprintf(stderr,
		    "mftctl: %s: it may have been done all the same: see "
		    "delivery show\n",
		    id);
	return 1;
}

static const struct kind *
find(const char *word, const char *answer)
{
	const struct kind *k = kinds;

	for (; k < kinds + sizeof(kinds) / sizeof(kinds[0]); k++)
		if (strcmp(k->word, word) == 0 &&
		    (k->answer == NULL || strcmp(k->answer, answer) == 0))
			return k;
	return NULL;
}

int
mftctl_wish(
    const struct ctl *ctl, struct mftd_catalog *c, int argc, char **argv)
{
	bool resolve = strcmp(argv[0], "resolve") == 0;
	const struct kind *k;
	int i, r = 0;

	k = resolve && argc != 3 ? NULL : find(argv[0], argv[argc - 1]);
	if (k == NULL) {
		fprintf(stderr,
		    "usage: mftctl delivery resolve ID delivered|resend\n");
		return 2;
	}
	for (i = 1; i < argc - resolve; i++)
		r |= wish(ctl, c, k, argv[i]);
	return r;
}
