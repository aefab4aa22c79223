/* Part of mftd; see LICENSE. */
#include "mftd/outbound/outbound.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/soon.h"
#include "mftd/outbound/due.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/looks.h"
#include "mftd/outbound/pace.h"
#include "mftd/outbound/pulse.h"
#include "mftd/outbound/pulls.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"
#include "mftd/outbound/unseen.h"

#define TICK_MS 500
#define LOOK_MS 5000 /* for a new configuration, and for the counts */
#define SAY_MS 5000
#define RAISE_FIRST_MS 500
#define RAISE_MOST_MS 10000

int
mftd_queue_tell(struct mftd_queue *q, const char *what, int r, const char *why)
{
	char text[MFTD_REASON_BYTES];

	if (r >= 0) {
		if (q->trouble[0] != '\0')
			log_info("the catalog is back");
		q->trouble[0] = '\0';
		return r;
	}
	if (r == -MFTD_E_STALE_EPOCH) {
		log_error("epoch %llu is not current: another owner has "
			  "raised; ending all deliveries",
		    (unsigned long long)q->role.epoch);
		q->stale = true;
		mftd_runners_kill(q, false);
		mftd_looks_kill(q, false);
		mftd_pulls_kill(q, false);
		return r;
	}
	snprintf(text, sizeof(text), "%s: %s: %s", what, mftd_strerror(r), why);
	if (strcmp(text, q->trouble) != 0)
		log_warn("%s", text);
	snprintf(q->trouble, sizeof(q->trouble), "%s", text);
	return r;
}

int
mftd_queue_outcome(struct mftd_queue *q, const char *what, int r)
{
	return mftd_queue_tell(
	    q, what, r, q->catalog != NULL ? mftd_catalog_why(q->catalog) : "");
}

/* ---- the epoch */

static void
later(struct mftd_queue *q)
{
	int64_t ms = RAISE_FIRST_MS;
	uint32_t i;

	for (i = 0; i < q->raises && ms < RAISE_MOST_MS; i++)
		ms *= 2;
	q->raises++;
	q->raise_ms =
	    mftd_clock_ms() + (ms < RAISE_MOST_MS ? ms : RAISE_MOST_MS);
}

/*
 * Becomes the owner.  Only under the lease: a node that lost its quorum before
 * it came so far must not take the queue from whoever has it by then.
 */
static void
raise_epoch(struct mftd_queue *q)
{
	struct mftd_role_row role;
	char name[MFTD_NAME_BYTES * 2];
	int r = 0;

	if (mftd_clock_ms() < q->raise_ms || !mftd_lease_held(q->w->lease))
		return;
	snprintf(name, sizeof(name), "mftd/%s/raising", q->w->instance);
	if (q->catalog == NULL)
		r = mftd_queue_outcome(q, "connect",
		    mftd_catalog_open(q->w->conf->catalog, name, &q->catalog));
	/* on a fresh catalog we may be quicker than the catalog's process */
	if (r == 0)
		r = mftd_queue_outcome(
		    q, "migrate", mftd_catalog_migrate(q->catalog));
	if (r == 0)
		r = mftd_queue_outcome(q, "raise",
		    mftd_catalog_raise(
			q->catalog, q->w->instance, q->owner, &role));
	if (r == 0)
		r = mftd_lanes_open(q);
	if (r < 0) {
		later(q);
		return;
	}
	q->role = role;
	q->inherit = q->reload = true;
	log_info("epoch %llu is ours (%s)", (unsigned long long)role.epoch,
	    q->owner);
}

/* ---- the hooks, which write under the same epoch */

static void
tell_hooks(struct mftd_queue *q)
{
	struct mftd_msg_hooks_role msg = { .epoch = q->role.epoch };

	if (q->hooks == NULL || q->objects == NULL)
		return;
	msg.version = q->objects->version;
	memcpy(msg.queue, q->role.queue, sizeof(msg.queue));
	memcpy(msg.owner, q->role.owner, sizeof(msg.owner));
	mftd_worker_send(
	    q->w, q->hooks, MFTD_MSG_HOOKS_ROLE, 0, &msg, sizeof(msg));
}

static void
on_hooks_up(void *data, struct mftd_chan *c)
{
	struct mftd_queue *q = data;

	if (strcmp(mftd_chan_instance(c), q->w->instance) != 0)
		return;
	q->hooks = c;
	tell_hooks(q);
}

static void
on_hooks_down(void *data, struct mftd_chan *c)
{
	struct mftd_queue *q = data;

	if (q->hooks == c)
		q->hooks = NULL;
}

/* ---- what there is to do */

static void
load_objects(struct mftd_queue *q)
{
	struct mftd_objects *objects, *old = q->objects;

	if (mftd_queue_outcome(
		q, "load", mftd_catalog_load(q->catalog, &objects)) < 0)
		return;
	if (old != NULL)
		mftd_breakers_ask(q);
	mftd_unseen_ask(q);
	q->objects = objects;
	q->reload = false;
	mftd_unknown_forget(q);
	mftd_looks_load(q);
	mftd_pulls_load(q);
	mftd_runners_retire(q, old);
	mftd_objects_free(old);
	tell_hooks(q);
	log_info("configuration version %llu: %zu partners",
	    (unsigned long long)objects->version, objects->n_partners);
}

/* Rows between CLAIMED and DONE that are not in hand: an earlier owner's, or a
 * claim of ours whose answer was lost. */
static void
take_inherited(struct mftd_queue *q)
{
	/* not calloc, which may touch all of it, and mostly none comes */
	struct mftd_delivery *d = malloc(MFTD_JOBS_MAX * sizeof(*d));
	int i, r;

	if (d == NULL)
		return;
	r = mftd_queue_outcome(q, "inherit",
	    mftd_catalog_inherited(q->catalog, &q->role, d, MFTD_JOBS_MAX));
	if (r >= 0)
		q->inherit = r == MFTD_JOBS_MAX;
	for (i = 0; i < r; i++)
		if (!mftd_job_take(q, &d[i]))
			q->inherit = true;
	free(d);
}

/* ---- what is said of it */

static void
count(struct mftd_queue *q, struct mftd_msg_outbound_state *st)
{
	struct mftd_queue_counts c;

	if (mftd_queue_outcome(q, "counts",
		mftd_catalog_counts(q->catalog, q->w->instance, &c)) < 0)
		return;
	st->queued = c.queued;
	st->active = c.active;
	st->in_doubt = c.in_doubt;
	st->failed = c.failed;
}

/* The counts, and whether the objects are still the ones we have. */
static void
look(struct mftd_queue *q)
{
	uint64_t version;

	if (mftd_clock_ms() < q->look_ms)
		return;
	q->look_ms = mftd_clock_ms() + LOOK_MS;
	mftd_hours_read(&q->hours);
	count(q, &q->counts);
	mftd_breakers_read(q);
	if (mftd_queue_outcome(q, "versions",
		mftd_catalog_versions_look(q->catalog, &q->role, q->versions)) >
	    0)
		q->vain_ms = 0;
	/* what a person says arrived is ours to finish; and what was held and
	 * released while we had it in hand we may have claimed, and let go */
	if (q->counts.active > q->n_jobs)
		q->inherit = true;
	if (mftd_queue_outcome(q, "version",
		mftd_catalog_version(q->catalog, &version)) == 0 &&
	    (q->objects == NULL || version != q->objects->version))
		q->reload = true;
}

static void
say(struct mftd_queue *q)
{
	struct mftd_msg_outbound_state st = q->counts;

	st.epoch = q->role.epoch;
	st.config_version = q->objects != NULL ? q->objects->version : 0;
	st.stale = q->stale;
	st.delivered = q->delivered;
	snprintf(st.queue, sizeof(st.queue), "%.*s", (int)sizeof(st.queue) - 1,
	    q->w->instance);
	memset(st.reason, 0, sizeof(st.reason));
	if (q->stale)
		snprintf(st.reason, sizeof(st.reason),
		    "another owner has the queue");
	else if (q->trouble[0] != '\0')
		snprintf(st.reason, sizeof(st.reason), "%s", q->trouble);
	else if (q->role.epoch == 0)
		snprintf(st.reason, sizeof(st.reason), "%s",
		    mftd_lease_held(q->w->lease)
			? "the epoch is not raised yet"
			: "no lease: the epoch is not raised");
	if (memcmp(&st, &q->said, sizeof(st)) == 0 &&
	    mftd_clock_ms() < q->said_ms + SAY_MS)
		return;
	q->said = st;
	q->said_ms = mftd_clock_ms();
	mftd_worker_send(
	    q->w, q->coordinator, MFTD_MSG_OUTBOUND_STATE, 0, &st, sizeof(st));
}

/* ---- the loop */

static void
work(struct mftd_queue *q)
{
	if (q->role.epoch == 0)
		raise_epoch(q);
	if (q->role.epoch != 0 && q->reload)
		load_objects(q);
	if (q->role.epoch != 0 && !q->breakers_read)
		q->breakers_read = mftd_breakers_read(q) == 0;
	if (q->role.epoch == 0 || q->objects == NULL || !q->breakers_read)
		return;
	mftd_lanes_take(q);
	mftd_claim_take(q);
	if (!q->stale)
		mftd_breakers_work(q);
	if (!q->stale && q->inherit && mftd_lease_held(q->w->lease))
		take_inherited(q);
	if (!q->stale && !q->inherit && mftd_lease_held(q->w->lease))
		mftd_claim_begin(q);
	if (!q->stale)
		mftd_jobs_work(q);
	if (!q->stale)
		mftd_looks_work(q);
	if (!q->stale)
		mftd_pulls_work(q);
	if (!q->stale)
		mftd_due_work(q);
	/* that it can be read does not end a trouble with writing */
	if (!q->stale && q->trouble[0] == '\0')
		look(q);
}

static void
on_wake(void *data)
{
	struct mftd_queue *q = data;

	q->awake = false;
	if (!q->stale)
		work(q);
	/* somebody waits for that */
	if (q->objects != NULL && q->objects->version != q->said.config_version)
		say(q);
}

/* Without a timer the next tick does it. */
void
mftd_queue_wake(struct mftd_queue *q)
{
	if (!q->awake)
		q->awake =
		    mftd_soon(q->w->loop, QB_LOOP_MED, q, on_wake, NULL) == 0;
}

static void
tick(void *data)
{
	struct mftd_queue *q = data;

	if (!q->stale)
		work(q);
	say(q);
	if (mftd_worker_timer(q->w, TICK_MS, tick, q) < 0) {
		log_error("no timer");
		mftd_worker_stop(q->w);
	}
}

static int
on_config_poke(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	const struct mftd_msg_config_poke *poke = m->data;
	struct mftd_queue *q = data;

	if (q->objects != NULL && q->objects->version >= poke->version)
		return 0;
	q->reload = true;
	mftd_queue_wake(q);
	return 0;
}

static void
on_coordinator_up(void *data, struct mftd_chan *c)
{
	struct mftd_queue *q = data;

	q->coordinator = c;
	q->said_ms = 0;
	say(q);
}

static void
on_coordinator_down(void *data, struct mftd_chan *c)
{
	struct mftd_queue *q = data;

	if (q->coordinator == c)
		q->coordinator = NULL;
}

static const struct mftd_handler from_coordinator[] = {
	{ MFTD_MSG_CONFIG_POKE, on_config_poke },
	{ 0, NULL },
};

static const struct mftd_handler from_deliver[] = {
	{ MFTD_MSG_DELIVER_STEP, mftd_runner_on_step },
	{ 0, NULL },
};

static const struct mftd_handler from_look[] = {
	{ MFTD_MSG_LOOK_STAGED, mftd_looks_on_question },
	{ MFTD_MSG_LOOK_KNOWN, mftd_looks_on_question },
	{ MFTD_MSG_LOOK_GONE, mftd_looks_on_question },
	{ MFTD_MSG_LOOK_FOUND, mftd_looks_on_question },
	{ MFTD_MSG_LOOK_END, mftd_looks_on_end },
	{ 0, NULL },
};

static const struct mftd_handler from_fetch[] = {
	{ MFTD_MSG_FETCH_PLACE, mftd_pulls_on_question },
	{ MFTD_MSG_FETCH_CALLED, mftd_pulls_on_question },
	{ MFTD_MSG_FETCH_STAGED, mftd_pulls_on_question },
	{ MFTD_MSG_FETCH_ASK, mftd_pulls_on_question },
	{ MFTD_MSG_FETCH_FOUND, mftd_pulls_on_question },
	{ MFTD_MSG_FETCH_LOOKED, mftd_pulls_on_question },
	{ MFTD_MSG_FETCH_NEXT, mftd_pulls_on_question },
	{ MFTD_MSG_FETCH_TIDY, mftd_pulls_on_question },
	{ 0, NULL },
};

/* journal has nothing to say to us: it talks to deposits; and what may be
 * released is the catalog process's to ask. */
static const struct mftd_link links[] = {
	{ MFTD_PROC_COORDINATOR, from_coordinator, on_coordinator_up,
	    on_coordinator_down },
	{ MFTD_PROC_JOURNAL, NULL, mftd_local_journal_up,
	    mftd_local_journal_down },
	{ MFTD_PROC_HOOKS, NULL, on_hooks_up, on_hooks_down },
	{ MFTD_PROC_DELIVER, from_deliver, NULL, mftd_runner_on_down },
	{ MFTD_PROC_LOOK, from_look, NULL, mftd_looks_on_down },
	{ MFTD_PROC_FETCH, from_fetch, NULL, mftd_pulls_on_down },
};

void
mftd_outbound_main(struct mftd_worker *w)
{
	struct mftd_queue *q = calloc(1, sizeof(*q));

	if (q == NULL || (q->paces = mftd_paces_new(MFTD_PACES)) == NULL ||
	    (q->pulses = mftd_pulses_new(MFTD_RUNNERS_MAX)) == NULL ||
	    signal(SIGCHLD, SIG_DFL) == SIG_ERR ||
	    mftd_id_random(w->conf->node, q->owner, sizeof(q->owner)) < 0 ||
	    mftd_worker_init(w, links, sizeof(links) / sizeof(links[0]), q) <
		0) {
		log_error("cannot start");
		exit(1);
	}
	q->w = w;
	q->claiming.fd = -1;
	TAILQ_INIT(&q->jobs);
	TAILQ_INIT(&q->breakers);
	mftd_log_context("queue=%s", w->instance);
	/* at once: promotion does not wait for the catalog */
	mftd_worker_ready(w);
	if (mftd_worker_timer(w, 0, tick, q) < 0)
		exit(1);
	mftd_worker_run(w);
	mftd_runners_kill(q, true);
	mftd_looks_kill(q, true);
	mftd_looks_free(q);
	mftd_pulls_kill(q, true);
	mftd_pulls_free(q);
	mftd_jobs_free(q);
	mftd_breakers_free(q);
	mftd_lanes_close(q);
	mftd_claim_free(q);
	mftd_catalog_close(q->catalog);
	mftd_objects_free(q->objects);
	free(q->unknown);
	free(q->hung);
	free(q);
}
