/* Part of mftd; see LICENSE. */
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/journal/checkpoint.h"
#include "mftd/journal/dormant.h"
#include "mftd/journal/process.h"
#include "mftd/journal/retain.h"

/* What the journal process does now and then; in seconds. */
#define SIGN_EVERY 10 /* and notes how far the catalog is */
#define REAP_EVERY_MAX 3600 /* looks for what expired */
#define RETAIN_EVERY 3600
#define LEFTOVERS_EVERY 3600

/* Removes what was left unfinished and expired; every node does, whichever
 * comes first. */
static void
reap(struct mftd_journal *j)
{
	int64_t now_s = mftd_clock_wall_us() / 1000000;
	int expire_s = j->worker->conf->part_expire_s, r;
	uint32_t every = (uint32_t)expire_s / 8 + 1;

	if (j->ticks % (every < REAP_EVERY_MAX ? every : REAP_EVERY_MAX) != 0)
		return;
	r = mftd_dormant_reap(j->work, now_s - expire_s);
	if (r > 0)
		log_info("volume=%s: %d unfinished uploads expired",
		    j->worker->instance, r);
	else if (r < 0)
		log_warn("volume=%s: unfinished uploads: %s",
		    j->worker->instance, mftd_strerror(r));
	if (r > 0)
		mftd_work_sync(j->work);
}

static void
sign(struct mftd_journal *j)
{
	int r = mftd_stream_sign(j->stream);

	if (r < 0)
		log_warn("volume=%s: the stream's head: %s",
		    j->worker->instance, mftd_strerror(r));
	if (mftd_stream_failed(j->stream))
		j->work->failed = r;
}

/* Says again how far each part in hand is durable.  0 or an error. */
static int
repeat_marks(struct mftd_journal *j)
{
	struct mftd_rec_part rec;
	struct mftd_jsession *s;
	struct mftd_mark *k;
	int r;

	TAILQ_FOREACH(s, &j->sessions, link)
		LIST_FOREACH(k, &s->marks.list, link)
		{
			r = mftd_work_room(j->work, MFTD_OUTCOME_BYTES);
			if (r < 0)
				return r;
			memcpy(rec.part, k->part, sizeof(rec.part));
			rec.durable = k->durable;
			rec.base = k->base;
			mftd_work_part(j->work, &rec);
		}
	return mftd_work_commit(j->work);
}

/* When a segment was begun: no batch is under way here, so that each receipt
 * has its outcome, and its directories are synced. */
static void
checkpoint(struct mftd_journal *j)
{
	uint64_t seq;
	int r;

	if (mftd_stream_segment(j->stream) == j->checkpoint)
		return;
	r = mftd_work_commit(j->work);
	seq = mftd_stream_committed(j->stream);
	if (r == 0)
		r = repeat_marks(j);
	if (r == 0)
		r = mftd_checkpoint_write(mftd_stream_dir(j->stream), seq);
	if (r == 0)
		j->checkpoint = mftd_stream_segment(j->stream);
	else
		log_warn("volume=%s: no checkpoint: %s", j->worker->instance,
		    mftd_strerror(r));
	if (r == -MFTD_E_SYNC)
		j->work->failed = r;
}

/* Drops what is old enough; some of it, if it is much. */
static void
retain(struct mftd_journal *j)
{
	int64_t days = j->worker->conf->journal_keep_days;
	int64_t before_s = mftd_clock_wall_us() / 1000000 - days * 86400;
	int own, dead;

	own = mftd_retain_own(
	    j->work, mftd_forwarder_done(j->forwarder), before_s);
	dead = mftd_retain_dead(j->work, before_s);
	j->old_left = own == MFTD_RETAIN_MAX || dead == MFTD_RETAIN_MAX;
	if (own > 0 || dead > 0)
		log_info("volume=%s: dropped %d segments and %d streams older "
			 "than %lld days",
		    j->worker->instance, own > 0 ? own : 0, dead > 0 ? dead : 0,
		    (long long)days);
	if (own < 0 || dead < 0)
		log_warn("volume=%s: what is old is not dropped: %s",
		    j->worker->instance, mftd_strerror(own < 0 ? own : dead));
}

void
mftd_journal_upkeep(struct mftd_journal *j)
{
	reap(j);
	checkpoint(j);
	if (j->ticks > 0 && j->ticks % LEFTOVERS_EVERY == 0)
		mftd_leftovers_want(j->leftovers);
	if (j->ticks % SIGN_EVERY == 0) {
		sign(j);
		mftd_forwarder_note(j->forwarder);
		mftd_leftovers_work(j->leftovers, j->catalog);
	}
	if (j->ticks % RETAIN_EVERY == 0 || j->old_left)
		retain(j);
}
