/* Part of mftd; see LICENSE. */
#include "mftd/hook/hooks.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/hook/state.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/msg_outbound.h"

#define TICK_MS 250 /* how often the lease is looked at */
#define ROUND_MS 1000 /* how often to look for what is due */
#define AWAY_MS 2000 /* with the catalog away */
#define EXPIRE_MS (3600 * 1000)
#define US_PER_S 1000000

int
mftd_hooks_outcome(struct mftd_hooks *hs, const char *what, int r)
{
	char text[MFTD_REASON_BYTES];

	if (r >= 0 || r == -ENOENT) {
		if (hs->trouble[0] != '\0')
			log_info("the catalog is back");
		hs->trouble[0] = '\0';
		return r;
	}
	if (r == -MFTD_E_STALE_EPOCH)
		hs->stale = true;
	/* a claim may have gone through, and a row be what nobody has */
	hs->inherit = true;
	snprintf(text, sizeof(text), "%s: %s: %s", what, mftd_strerror(r),
	    hs->c != NULL ? mftd_catalog_why(hs->c) : "");
	if (strcmp(text, hs->trouble) != 0)
		log_warn("%s", text);
	snprintf(hs->trouble, sizeof(hs->trouble), "%s", text);
	return r;
}

/* ---- the configuration */

/* Its session's name begins as that of its queue's, so that a later owner ends
 * it, too. */
static int
open_catalog(struct mftd_hooks *hs)
{
	char name[2 * MFTD_NAME_BYTES];

	if (hs->c != NULL)
		return 0;
	snprintf(name, sizeof(name), "mftd/%s/hooks", hs->role.queue);
	return mftd_hooks_outcome(hs, "connect",
	    mftd_catalog_open(hs->w->conf->catalog, name, &hs->c));
}

static void
set_objects(struct mftd_hooks *hs, struct mftd_objects *o, int64_t *deadlines)
{
	mftd_objects_free(hs->o);
	free(hs->deadlines);
	hs->o = o;
	hs->deadlines = deadlines;
}

/* Without a hook there is nothing to do, and no session is kept. */
static void
rest(struct mftd_hooks *hs)
{
	set_objects(hs, NULL, NULL);
	mftd_catalog_close(hs->c);
	hs->c = NULL;
}

static int
load(struct mftd_hooks *hs)
{
	struct mftd_objects *o = NULL;
	int64_t *deadlines;
	int r;

	if ((r = open_catalog(hs)) < 0 ||
	    (r = mftd_hooks_outcome(hs, "load", mftd_catalog_load(hs->c, &o))) <
		0)
		return r;
	deadlines = calloc(o->n_routes + 1, sizeof(*deadlines));
	if (deadlines == NULL) {
		mftd_objects_free(o);
		return -ENOMEM;
	}
	set_objects(hs, o, deadlines);
	log_info("configuration version %llu: %zu hooks",
	    (unsigned long long)o->version, o->n_hooks);
	r = mftd_hooks_outcome(hs, "abandon",
	    mftd_runs_abandon(hs->c, &hs->role, mftd_clock_wall_us()));
	if (r < 0)
		return r;
	hs->reload = false;
	return 0;
}

/* ---- a round */

static int
inherit(struct mftd_hooks *hs)
{
	char hand[MFTD_HAND_BYTES];
	int r;

	if (!hs->inherit)
		return 0;
	mftd_tries_hand(hs, hand);
	r = mftd_hooks_outcome(hs, "inherit",
	    mftd_runs_inherit(hs->c, &hs->role, mftd_clock_wall_us(), hand));
	if (r > 0)
		log_warn("%d runs were cut off: they are due again", r);
	hs->inherit = r < 0;
	return r < 0 ? r : 0;
}

/* The hooks with something due. */
struct due {
	const struct mftd_objects *o;
	const struct mftd_hook *list[MFTD_HOOKS_MAX];
	size_t n;
};

/* One that we do not know yet is left until we are told of it. */
static int
take_due(void *data, const char *name)
{
	struct due *due = data;
	const struct mftd_hook *h = mftd_objects_hook(due->o, name);

	if (h != NULL && due->n < MFTD_HOOKS_MAX)
		due->list[due->n++] = h;
	return 0;
}

/* One run of the hook, if there is room for it.  1, 0 or an error. */
static int
claim_one(struct mftd_hooks *hs, const struct mftd_hook *h)
{
	struct mftd_hook_try *t = mftd_try_place(hs);
	struct mftd_run run;
	int r;

	if (t == NULL || mftd_tries_of(hs, h->name) >= MFTD_HOOK_RUNS_ONE_MAX)
		return 0;
	r = mftd_hooks_outcome(hs, "claim",
	    mftd_runs_claim(
		hs->c, &hs->role, h->name, mftd_clock_wall_us(), &run, 1));
	if (r > 0)
		mftd_try_start(hs, t, &run, h);
	return r;
}

/* One of each hook, then another, as long as there is room: so each gets its
 * share. */
static int
claim(struct mftd_hooks *hs)
{
	struct due due = { .o = hs->o };
	size_t i, claimed;
	int r;

	r = mftd_hooks_outcome(hs, "due",
	    mftd_runs_due(hs->c, mftd_clock_wall_us(), take_due, &due));
	do {
		claimed = 0;
		for (i = 0; i < due.n && r >= 0; i++) {
			r = claim_one(hs, due.list[i]);
			claimed += r > 0;
		}
	} while (r >= 0 && claimed > 0);
	return r < 0 ? r : 0;
}

static int
expire(struct mftd_hooks *hs)
{
	int64_t before_us =
	    mftd_clock_wall_us() - (int64_t)MFTD_EVENT_KEEP_S * US_PER_S;
	int r;

	if (mftd_clock_ms() < hs->expire_ms)
		return 0;
	r = mftd_hooks_outcome(
	    hs, "expire", mftd_events_expire(hs->c, &hs->role, before_us));
	if (r == 0) /* else there may be more */
		hs->expire_ms = mftd_clock_ms() + EXPIRE_MS;
	return r < 0 ? r : 0;
}

static int
work(struct mftd_hooks *hs)
{
	int r = hs->reload ? load(hs) : 0;

	if (r < 0 || hs->o == NULL)
		return r;
	if ((r = inherit(hs)) < 0)
		return r;
	if (hs->o->n_hooks == 0 && mftd_tries_of(hs, NULL) == 0) {
		rest(hs);
		return 0;
	}
	if ((r = mftd_hooks_outcome(hs, "late", mftd_hooks_late(hs))) < 0 ||
	    (r = mftd_hooks_outcome(hs, "spread",
		 mftd_runs_spread(hs->c, &hs->role, mftd_clock_wall_us()))) <
		0 ||
	    (r = claim(hs)) < 0)
		return r;
	return expire(hs);
}

/* ---- the loop */

static void
tick(void *data)
{
	struct mftd_hooks *hs = data;
	bool ours = hs->role.epoch != 0 && !hs->stale;

	if (!mftd_lease_held(hs->w->lease)) {
		mftd_tries_stop(hs);
		ours = false;
	}
	mftd_tries_write(hs);
	if (ours && mftd_clock_ms() >= hs->round_ms)
		hs->round_ms =
		    mftd_clock_ms() + (work(hs) < 0 ? AWAY_MS : ROUND_MS);
	if (mftd_worker_timer(hs->w, TICK_MS, tick, hs) < 0) {
		log_error("no timer");
		mftd_worker_stop(hs->w);
	}
}

/* What runs goes on under a new epoch of this node's: it is still ours. */
static int
on_role(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	const struct mftd_msg_hooks_role *msg = m->data;
	struct mftd_hooks *hs = data;

	if (msg->epoch != hs->role.epoch) {
		hs->stale = false;
		hs->inherit = true;
	}
	hs->role.epoch = msg->epoch;
	memcpy(hs->role.queue, msg->queue, sizeof(hs->role.queue));
	memcpy(hs->role.owner, msg->owner, sizeof(hs->role.owner));
	hs->reload = true;
	hs->round_ms = 0;
	return 0;
}

static const struct mftd_handler from_outbound[] = {
	{ MFTD_MSG_HOOKS_ROLE, on_role },
	{ 0, NULL },
};

static const struct mftd_link links[] = {
	{ MFTD_PROC_OUTBOUND, from_outbound, NULL, NULL },
};

/* What is under way may end, and say how. */
static void
finish(struct mftd_hooks *hs)
{
	int64_t until_ms = mftd_clock_ms() + MFTD_HOOK_GRACE_MS;
	int left;

	while (mftd_lease_held(hs->w->lease) && mftd_tries_of(hs, NULL) > 0 &&
	    !hs->stale && (left = mftd_clock_left_ms(until_ms)) > 0) {
		mftd_tries_wait(hs, left < TICK_MS ? left : TICK_MS);
		mftd_tries_write(hs);
	}
	mftd_tries_stop(hs);
}

void
mftd_hooks_main(struct mftd_worker *w)
{
	struct mftd_hooks *hs = calloc(1, sizeof(*hs));

	if (hs == NULL || signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    mftd_worker_init(w, links, sizeof(links) / sizeof(links[0]), hs) <
		0) {
		log_error("cannot start");
		exit(1);
	}
	hs->w = w;
	mftd_worker_ready(w);
	if (mftd_worker_timer(w, 0, tick, hs) < 0)
		exit(1);
	mftd_worker_run(w);
	finish(hs);
	rest(hs);
	free(hs);
}
