/* Part of mftd; see LICENSE. */
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/text.h"
#include "mftd/catalog/found.h"
#include "mftd/catalog/pull.h"
#include "mftd/catalog/handling.h"
#include "mftd/catalog/numbered.h"
#include "mftd/catalog/partner_state.h"
#include "mftd/catalog/person.h"
#include "mftd/catalog/tries.h"
#include "mftd/conf/place.h"
#include "mftd/mftctl.h"
#include "mftd/outbound/names.h"

/* Looks at deliveries. */

#define US_PER_S 1000000

static void
print_json(json_t *o)
{
	mftctl_print_json(o, JSON_COMPACT);
	json_decref(o);
}

static bool
is_to_come(enum mftd_delivery_state s)
{
	return s == MFTD_DELIVERY_QUEUED || s == MFTD_DELIVERY_WAITING ||
	    s == MFTD_DELIVERY_HELD;
}

/* ---- list */

/* Its name at the partner, with the number that it was given. */
static const char *
name_of(const struct mftd_delivery *d, char *out, size_t size)
{
	if (mftd_numbered(d->name, d->has.number, out, size) < 0)
		snprintf(out, size, "%s", d->name);
	return out;
}

/* "controller", "node n1"; or "promoted": wherever the queue is. */
static void
put_queue(json_t *o, const char *queue)
{
	char place[MFTD_QUEUE_BYTES];
	const char *word = mftd_place_word(queue, place);

	mftctl_put(o, "queue", queue);
	mftctl_put(o, "runs_on", word != NULL ? word : "promoted");
}

static void
put_delivery(json_t *o, const struct mftd_delivery *d)
{
	char name[MFTD_NUMBERED_BYTES];

	mftctl_put(o, "id", d->id);
	mftctl_put(o, "receipt", d->receipt);
	mftctl_put(o, "route", d->route);
	mftctl_put(o, "state", mftd_delivery_state_name(d->state));
	mftctl_put_number(o, "tries", d->tries);
	mftctl_put_number(o, "size", d->size);
	if (mftd_delivery_account(d) != NULL)
		mftctl_put(o, "to_account", mftd_delivery_account(d));
	else
		mftctl_put(o, "partner", d->partner);
	mftctl_put(o, "directory", d->directory);
	mftctl_put(o, "name", name_of(d, name, sizeof(name)));
	mftctl_put(o, "error", d->error);
	if (is_to_come(d->state))
		mftctl_put_time(o, "due", d->due_us);
}

static int
print_delivery(void *data, const struct mftd_delivery *d)
{
	const struct ctl *ctl = data;
	char name[MFTD_NUMBERED_BYTES], place[MFTD_QUEUE_BYTES];
	char safe[MFTD_TEXT_GROWS * MFTD_NUMBERED_BYTES];
	const char *word;
	json_t *o;

	if (ctl->json) {
		o = json_object();
		put_delivery(o, d);
		put_queue(o, d->queue);
		print_json(o);
	} else {
		name_of(d, name, sizeof(name));
		word = mftd_place_word(d->queue, place);
		printf("%-28s %-16s %-10s %5u %12" PRIu64 " %s %s%s%s%s\n",
		    d->id, d->route, mftd_delivery_state_name(d->state),
		    d->tries, d->size, mftd_text_safe(name, safe, sizeof(safe)),
		    word != NULL ? "on " : "", word != NULL ? word : "",
		    word != NULL && d->error[0] != '\0' ? ": " : "", d->error);
	}
	return 0;
}

/* Adds "FAILED,in_doubt" to the bits.  -EINVAL when one is no state. */
static int
parse_states(char *text, uint32_t *states)
{
	char *word, *at, *rest = text;
	int s;

	while ((word = strsep(&rest, ",")) != NULL) {
		for (at = word; *at != '\0'; at++)
			*at = (char)toupper((unsigned char)*at);
		s = mftd_delivery_state_of(word);
		if (s < 0)
			return -EINVAL;
		*states |= 1u << s;
	}
	return 0;
}

/* Whether there is such a day: timegm makes another of 30 February. */
static bool
is_time(const struct tm *tm, time_t t)
{
	struct tm is;

	return gmtime_r(&t, &is) != NULL && is.tm_mday == tm->tm_mday &&
	    is.tm_hour == tm->tm_hour && is.tm_min == tm->tm_min &&
	    is.tm_sec == tm->tm_sec;
}

/* "90s", "30m", "12h", "7d" ago, "2026-11-21" or "2026-11-21T15:00:00Z". */
static int
parse_since(const char *text, int64_t *out)
{
	static const char units[] = "smhd";
	static const int64_t seconds[] = { 1, 60, 3600, 86400 };
	static const char *const forms[] = { "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ" };
	const char *unit;
	struct tm tm, given;
	char *end;
	int64_t n;
	time_t t;
	size_t i;

	n = strtoll(text, &end, 10);
	unit = *end != '\0' ? strchr(units, *end) : NULL;
	if (end > text && unit != NULL && end[1] == '\0' && n >= 0 &&
	    n < 1000000) {
		*out =
		    mftd_clock_wall_us() - n * seconds[unit - units] * US_PER_S;
		return *out > 0 ? 0 : -EINVAL;
	}
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(text, forms[i], &tm);
		if (end == NULL || *end != '\0')
			continue;
		given = tm;
		t = timegm(&tm);
		*out = (int64_t)t * US_PER_S;
		return *out > 0 && is_time(&given, t) ? 0 : -EINVAL;
	}
	return -EINVAL;
}

static int
parse_count(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && text[0] != '-' && *out > 0 &&
		*out <= INT64_MAX
	    ? 0
	    : -EINVAL;
}

/* 0, or 2 after a message. */
static int
parse_filter(struct mftd_delivery_filter *f, int argc, char **argv)
{
	const char *wrong = NULL;
	int c;

	optind = 0; /* glibc's way to begin anew */
	while (wrong == NULL && (c = getopt(argc, argv, "a:n:p:r:s:t:")) != -1)
		switch (c) {
		case 'a':
			f->account = optarg;
			break;
		case 'n':
			if (parse_count(optarg, &f->last) < 0)
				wrong = "-n: a number from 1 on";
			break;
		case 'p':
			f->partner = optarg;
			break;
		case 'r':
			f->route = optarg;
			break;
		case 's':
			if (parse_states(optarg, &f->states) < 0)
				wrong = "-s: no such state; see mftctl(8)";
			break;
		case 't':
			if (parse_since(optarg, &f->since_us) < 0)
				wrong = "-t: such as 90s, 30m, 12h, 7d, "
					"2026-11-21, 2026-11-21T15:00:00Z";
			break;
		default:
			return 2;
		}
	if (wrong == NULL && optind != argc)
		wrong = "delivery list: no more than options";
	if (wrong == NULL)
		return 0;
	fprintf(stderr, "mftctl: %s\n", wrong);
	return 2;
}

static int
list(const struct ctl *ctl, struct mftd_catalog *c, int argc, char **argv)
{
	struct mftd_delivery_filter f = { 0 };
	int r = parse_filter(&f, argc, argv);

	if (r != 0)
		return r;
	r = mftd_catalog_deliveries(
	    c, &f, print_delivery, (void *)(uintptr_t)ctl);
	if (r < 0)
		mftctl_catalog_failed(ctl, c, r);
	return r < 0 ? 1 : 0;
}

/* ---- show */

static int
put_wish(void *data, const struct mftd_wish *w)
{
	json_t *o = json_object();

	mftctl_put_time(o, "time", w->time_us);
	mftctl_put(o, "who", w->who);
	mftctl_put(o, "what", w->what);
	mftctl_put(o, "from", mftd_delivery_state_name(w->from));
	mftctl_put(o, "to", mftd_delivery_state_name(w->to));
	json_array_append_new(data, o);
	return 0;
}

/* Where its tries go, and which of them may still be at it. */
struct tries {
	json_t *list;
	const struct mftd_delivery *d;
};

static bool
is_at_it(enum mftd_delivery_state s)
{
	return s == MFTD_DELIVERY_SENDING || s == MFTD_DELIVERY_SENT ||
	    s == MFTD_DELIVERY_PUBLISHING;
}

static bool
is_pending(enum mftd_delivery_state s)
{
	return s == MFTD_DELIVERY_QUEUED || s == MFTD_DELIVERY_WAITING ||
	    s == MFTD_DELIVERY_PUBLISHING;
}

/* One that nobody ended is either at it, or its process was ended. */
static int
put_try(void *data, const struct mftd_try *t)
{
	const struct tries *all = data;
	json_t *o = json_object();

	mftctl_put_number(o, "n", t->n);
	mftctl_put_time(o, "begin", t->begin_us);
	if (t->end_us != 0)
		mftctl_put_time(o, "end", t->end_us);
	mftctl_put(o, "host", t->host);
	mftctl_put_number(o, "bytes", t->bytes);
	if (t->end_us != 0)
		mftctl_put(o, "outcome", t->outcome);
	else if (t->n == all->d->tries && is_at_it(all->d->state))
		mftctl_put(o, "outcome", "under way");
	else
		mftctl_put(o, "outcome", "never ended");
	mftctl_put(o, "error", t->error);
	json_array_append_new(all->list, o);
	return 0;
}

/* What becomes of a fetched file where it is from. */
static void
put_fetched(json_t *o, const struct mftd_delivery_story *s)
{
	mftctl_put(
	    o, "fetched_verified", mftd_verified_name(s->fetch_verified));
	mftctl_put(o, "fetched", s->fetched);
	mftctl_put(o, "fetched_state", s->tidy);
	if (s->tidy_text[0] != '\0')
		mftctl_put(o, "fetched_text", s->tidy_text);
}

/* What is wanted of the source, and what became of it. */
static void
put_source(json_t *o, const struct mftd_delivery_story *s)
{
	mftctl_put(o, "after", s->after);
	mftctl_put(o, "source", s->source);
	mftctl_put(o, "source_is", s->source_text);
}

/* All that put_delivery does not have. */
static void
put_story(json_t *o, const struct mftd_delivery_story *s)
{
	const struct mftd_progress *has = &s->d.has;
	char temp[2 * MFTD_PATH_BYTES];

	put_queue(o, s->queue);
	mftctl_put(o, "host", s->d.host);
	if (s->d.tries > 0 && mftd_delivery_account(&s->d) == NULL &&
	    mftd_deliver_temp_name(&s->d,
		has->temp_try != 0 ? has->temp_try : s->d.tries, temp,
		sizeof(temp)) == 0)
		mftctl_put(o, "temporary", temp);
	if (has->number > 0 &&
	    mftd_deliver_final_name(&s->d, temp, sizeof(temp)) == 0)
		mftctl_put(o, "numbered", temp);
	mftctl_put(o, "verified", mftd_verified_name(has->verified));
	if (has->skipped)
		mftctl_put(o, "skipped", "the partner had it");
	if (s->d.state == MFTD_DELIVERY_QUEUED ||
	    s->d.state == MFTD_DELIVERY_WAITING)
		mftctl_put(o, "behind", s->behind);
	if (s->d.mtime > 0)
		mftctl_put_time(o, "mtime", s->d.mtime * US_PER_S);
	if (s->d.has_sha256)
		mftctl_put_hash(o, "sha256", s->d.sha256);
	mftctl_put_time(o, "received", s->received_us);
	if (strcmp(s->origin, MFTD_ORIGIN_FOLDER) == 0)
		mftctl_put(o, "origin", "folder");
	if (strcmp(s->origin, MFTD_ORIGIN_PARTNER) == 0)
		mftctl_put(o, "origin", "partner");
	if (s->fetched[0] != '\0')
		put_fetched(o, s);
	mftctl_put(o, "account", s->account);
	mftctl_put(o, "session", s->session);
	mftctl_put(o, "volume", s->d.volume);
	mftctl_put(o, "path", s->path);
	if (s->removed)
		mftctl_put(o, "now", "removed");
	else if (strcmp(s->path, s->path_now) != 0)
		mftctl_put(o, "now", s->path_now);
	put_source(o, s);
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text != NULL ? text : "-";
}

static void
print_try(const json_t *t)
{
	printf("%-10s %" JSON_INTEGER_FORMAT ": %s to %s, %s, "
	       "%" JSON_INTEGER_FORMAT " bytes: %s%s%s\n",
	    "try", json_integer_value(json_object_get(t, "n")),
	    text_of(t, "begin"), text_of(t, "end"), text_of(t, "host"),
	    json_integer_value(json_object_get(t, "bytes")),
	    text_of(t, "outcome"),
	    json_object_get(t, "error") != NULL ? ": " : "",
	    json_object_get(t, "error") != NULL ? text_of(t, "error") : "");
}

static void
print_story(json_t *o)
{
	const char *key;
	json_t *v, *w;
	size_t i;

	mftctl_make_safe(o);
	json_object_foreach(o, key, v) if (json_is_string(v))
	    printf("%-10s %s\n", key, json_string_value(v));
	else if (json_is_integer(v)) printf(
	    "%-10s %" JSON_INTEGER_FORMAT "\n", key, json_integer_value(v));
	json_array_foreach(json_object_get(o, "tried"), i, w)
		print_try(w);
	json_array_foreach(json_object_get(o, "wishes"), i, w)
		printf("%-10s %s by %s: %s, %s -> %s\n", "wish",
		    json_string_value(json_object_get(w, "time")),
		    json_string_value(json_object_get(w, "who")),
		    json_string_value(json_object_get(w, "what")),
		    json_string_value(json_object_get(w, "from")),
		    json_string_value(json_object_get(w, "to")));
	json_decref(o);
}

struct stopped {
	json_t *o;
	const struct mftd_delivery *d;
};

/* One that is to go out does not while its partner is stopped. */
static int
put_stopped(void *data, const struct mftd_partner_row *p)
{
	const struct stopped *s = data;

	if (strcmp(p->partner, s->d->partner) == 0 && is_pending(s->d->state))
		mftctl_put(s->o, "stopped", p->reason);
	return 0;
}

/* Nor while the configuration does not have where it goes. */
static void
put_unknown(json_t *o, const struct mftd_delivery_story *s)
{
	const char *account = mftd_delivery_account(&s->d);
	char text[MFTD_TARGET_BYTES + 64];

	if (s->configured || !is_pending(s->d.state))
		return;
	snprintf(text, sizeof(text), "%s %s is not in the configuration",
	    account != NULL ? "account" : "partner",
	    account != NULL ? account : s->d.partner);
	mftctl_put(o, "stopped", text);
}

static int
show_one(const struct ctl *ctl, struct mftd_catalog *c, const char *id)
{
	struct mftd_delivery_story s;
	json_t *o = json_object(), *wishes = json_array();
	struct tries tries = { .d = &s.d, .list = json_array() };
	struct stopped stopped = { .o = o, .d = &s.d };
	int r;

	r = mftd_catalog_delivery(c, id, &s);
	if (r == -ENOENT) {
		fprintf(stderr, "mftctl: %s: there is no such delivery\n", id);
	} else if (r == 0) {
		put_delivery(o, &s.d);
		put_story(o, &s);
		r = mftd_catalog_wishes(c, id, put_wish, wishes);
	}
	if (r == 0)
		r = mftd_catalog_tries(c, id, put_try, &tries);
	if (r == 0)
		r = mftd_catalog_partner_states(
		    c, s.queue, put_stopped, &stopped);
	if (r == 0)
		put_unknown(o, &s);
	if (r < 0 && r != -ENOENT)
		mftctl_catalog_failed(ctl, c, r);
	json_object_set_new(o, "tried", tries.list);
	json_object_set_new(o, "wishes", wishes);
	if (r < 0)
		json_decref(o);
	else if (ctl->json)
		print_json(o);
	else
		print_story(o);
	return r < 0 ? 1 : 0;
}

static int
show(const struct ctl *ctl, struct mftd_catalog *c, int argc, char **argv)
{
	int i, r = 0;

	for (i = 1; i < argc; i++) {
		if (i > 1 && !ctl->json)
			putchar('\n');
		r |= show_one(ctl, c, argv[i]);
	}
	return r;
}

/* ---- which */

static const struct action {
	const char *word;
	int argc_min; /* the word counts */
	int (*fn)(const struct ctl *ctl, struct mftd_catalog *c, int argc,
	    char **argv);
} actions[] = {
	{ "list", 1, list },
	{ "show", 2, show },
	{ "hold", 2, mftctl_wish },
	{ "release", 2, mftctl_wish },
	{ "retry", 2, mftctl_wish },
	{ "cancel", 2, mftctl_wish },
	{ "resolve", 3, mftctl_wish },
};

int
mftctl_delivery(const struct ctl *ctl, int argc, char **argv)
{
	const struct action *a = actions;
	const struct action *end = a + sizeof(actions) / sizeof(actions[0]);
	struct mftd_catalog *c = NULL;
	int r;

	while (a < end && strcmp(argv[1], a->word) != 0)
		a++;
	if (a == end || argc - 1 < a->argc_min) {
		fprintf(stderr,
		    "mftctl: delivery: only list, show|hold|release|retry|"
		    "cancel ID ..., and resolve ID delivered|resend\n");
		return 2;
	}
	r = mftd_catalog_open(ctl->conf->catalog, "mftctl", &c);
	if (r < 0) {
		fprintf(stderr, "mftctl: %s: %s\n", ctl->conf->catalog,
		    mftd_strerror(r));
		return 1;
	}
	r = a->fn(ctl, c, argc - 1, argv + 1);
	mftd_catalog_close(c);
	return r;
}
