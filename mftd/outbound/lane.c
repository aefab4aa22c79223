/* Part of mftd; see LICENSE. */
#include "mftd/outbound/lane.h"

#include <errno.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/catalog/steps.h"
#include "mftd/outbound/answer.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"

#define FOR_EACH_LANE(l, q) \
	for ((l) = (q)->lanes; (l) < (q)->lanes + (q)->n_lanes; (l)++)

int
mftd_lanes_open(struct mftd_queue *q)
{
	struct mftd_lane *l;
	int r = 1;

	mftd_lanes_close(q);
	for (l = q->lanes; r == 1 && q->n_lanes < MFTD_LANES; l++) {
		r = mftd_catalog_beside(q->catalog, &l->catalog);
		if (r < 0) {
			mftd_lanes_close(q);
			return r;
		}
		if (r == 0)
			l->catalog = q->catalog;
		l->q = q;
		l->n = 0;
		l->fd = -1;
		q->n_lanes++;
	}
	return 0;
}

void
mftd_lanes_close(struct mftd_queue *q)
{
	struct mftd_lane *l;

	FOR_EACH_LANE(l, q)
	{
		mftd_answer_unwatch(l->q, &l->fd);
		if (l->catalog != q->catalog)
			mftd_catalog_close(l->catalog);
		l->catalog = NULL;
	}
	q->n_lanes = 0;
}

/* ---- statements */

/* Steps of all n attempts from the states that are thought to be the rows', or,
 * again, from those that they are to have. */
static void
make_rows(
    struct mftd_lane *l, const struct mftd_attempt *a, size_t n, bool again)
{
	size_t i;

	for (i = 0; i < n; i++)
		l->steps[i] = (struct mftd_row_step) { .d = &a[i].d,
			.from = again ? a[i].d.state : a[i].job->d.state,
			.t = a[i].t.begin_us != 0 ? &a[i].t : NULL };
}

static int
write_rows(
    struct mftd_lane *l, const struct mftd_attempt *a, size_t n, bool again)
{
	make_rows(l, a, n, again);
	return mftd_catalog_steps(l->catalog, &l->q->role, l->steps, n);
}

/*
 * Acts on what was written and keeps the rest at the beginning of a, of which
 * the number is returned: an earlier attempt of theirs may have been committed
 * though its answer never came; then the row is already as we want it.
 */
static size_t
settle(struct mftd_lane *l, struct mftd_attempt *a, size_t n, bool again)
{
	size_t i, left = 0;

	for (i = 0; i < n; i++) {
		a[i].job->writing = false;
		if (l->steps[i].result == 0) {
			mftd_step_act(&a[i]);
		} else if (again || !a[i].job->unsure) {
			mftd_step_let_go(a[i].job);
		} else {
			if (left < i)
				a[left] = a[i];
			left++;
		}
	}
	return left;
}

/* What follows of r, what came of the lane's first n steps, of these attempts.
 * Where they were refused each is written for itself: one bad row must not hold
 * up the others. */
static int
follow(struct mftd_lane *l, struct mftd_attempt *a, size_t n, int r)
{
	bool again = false;
	size_t i;

	for (;;) {
		if (r == -MFTD_E_CATALOG && n > 1) {
			for (i = 0; i < n; i++)
				r = follow(l, &a[i], 1,
				    write_rows(l, &a[i], 1, false));
			return r;
		}
		mftd_queue_tell(l->q, "step", r, mftd_catalog_why(l->catalog));
		for (i = 0; r < 0 && i < n; i++) {
			a[i].job->unsure = true;
			a[i].job->writing = false;
		}
		if (r == 0)
			n = settle(l, a, n, again);
		if (r < 0 || n == 0)
			return r;
		again = true;
		r = write_rows(l, a, n, again);
	}
}

static int on_catalog(int fd, int revents, void *data);

/* Whether there is more to be claimed once it is written. */
static bool
frees(const struct mftd_queue *q, const struct mftd_delivery *d)
{
	switch (d->state) {
	case MFTD_DELIVERY_QUEUED:
	case MFTD_DELIVERY_WAITING:
		return true;
	case MFTD_DELIVERY_DONE:
	case MFTD_DELIVERY_CANCELLED:
	case MFTD_DELIVERY_FAILED:
	case MFTD_DELIVERY_HELD:
		return mftd_catalog_versions(q->catalog);
	default:
		return false;
	}
}

/* Writes the lane's first n attempts at once, or begins to. */
static int
write_some(struct mftd_lane *l, size_t n)
{
	size_t i;
	int r;

	l->frees = false;
	for (i = 0; i < n; i++) {
		l->attempts[i].job->writing = true;
		l->frees = l->frees || frees(l->q, &l->attempts[i].d);
	}
	make_rows(l, l->attempts, n, false);
	r = mftd_catalog_steps_send(l->catalog, &l->q->role, l->steps, n);
	l->fd =
	    r == 0 ? mftd_answer_watch(l->q, l->catalog, l, on_catalog) : -1;
	if (l->fd >= 0) {
		l->n = n;
		return 0;
	}
	if (r == 0)
		r = mftd_catalog_steps_take(l->catalog, l->steps, n, true);
	return follow(l, l->attempts, n, r);
}

/* Acts on what came of the lane's statement; false: it is still under way. */
static bool
take(struct mftd_lane *l, bool wait)
{
	size_t n = l->n;
	int r;

	if (n == 0)
		return true;
	r = mftd_catalog_steps_take(l->catalog, l->steps, n, wait);
	if (r == -EAGAIN)
		return false;
	mftd_answer_unwatch(l->q, &l->fd);
	l->n = 0;
	follow(l, l->attempts, n, r);
	return true;
}

static int
on_catalog(int fd, int revents, void *data)
{
	struct mftd_lane *l = data;

	if (l->fd == fd && take(l, false))
		mftd_queue_wake(l->q);
	return 0;
}

void
mftd_lanes_take(struct mftd_queue *q)
{
	struct mftd_lane *l;

	FOR_EACH_LANE(l, q)
	take(l, false);
}

void
mftd_lanes_before_claim(struct mftd_queue *q)
{
	struct mftd_lane *l;

	FOR_EACH_LANE(l, q)
	if (l->frees)
		take(l, true);
}

static struct mftd_lane *
free_lane(struct mftd_queue *q)
{
	struct mftd_lane *l;

	FOR_EACH_LANE(l, q)
	if (l->n == 0)
		return l;
	return NULL;
}

/* Whether the job has a step to be written, in *a then. */
static bool
make_attempt(struct mftd_job *job, struct mftd_attempt *a)
{
	if (!job->pending || job->writing)
		return false;
	/* a claim that is under way might find what is still in hand */
	if (mftd_step_make(job, a) == 0)
		return !job->q->claiming.sent || !frees(job->q, &a->d);
	log_error("delivery %s: %s in %s refused", job->d.id,
	    mftd_delivery_event_name(job->step.event),
	    mftd_delivery_state_name(job->d.state));
	job->pending = false;
	if (job->runner != NULL)
		mftd_runner_kill(job->runner);
	return false;
}

void
mftd_lanes_write(struct mftd_queue *q)
{
	struct mftd_lane *l = free_lane(q);
	struct mftd_job *job;
	size_t n = 0;
	int r = 0;

	TAILQ_FOREACH(job, &q->jobs, link) {
		if (l == NULL || q->stale || (r < 0 && r != -MFTD_E_CATALOG))
			return;
		if (make_attempt(job, &l->attempts[n]) &&
		    ++n == MFTD_STEPS_MAX) {
			r = write_some(l, n);
			l = free_lane(q);
			n = 0;
		}
	}
	if (n > 0)
		write_some(l, n);
}
