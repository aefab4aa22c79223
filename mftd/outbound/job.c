/* Part of mftd; see LICENSE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mftd/base/clock.h"
#include "mftd/outbound/queue.h"

/* The mtime that marks a delivery lies up to a day before its first try, so
 * that a file that somebody else made now has another. */
#define MTIME_SPREAD_S 86400

static bool
is_published(enum mftd_delivery_state s)
{
	return s == MFTD_DELIVERY_PUBLISHING || s == MFTD_DELIVERY_DELIVERED;
}

static bool
is_in_hand(enum mftd_delivery_state s)
{
	return s == MFTD_DELIVERY_CLAIMED || s == MFTD_DELIVERY_SENDING ||
	    s == MFTD_DELIVERY_SENT || is_published(s);
}

bool
mftd_job_take(struct mftd_queue *q, const struct mftd_delivery *d)
{
	struct mftd_job *job;

	TAILQ_FOREACH(job, &q->jobs, link)
		if (strcmp(job->d.id, d->id) == 0)
			return true;
	job = q->n_jobs < MFTD_JOBS_MAX ? calloc(1, sizeof(*job)) : NULL;
	if (job == NULL)
		return false;
	job->q = q;
	job->d = *d;
	TAILQ_INSERT_TAIL(&q->jobs, job, link);
	q->n_jobs++;
	return true;
}

size_t
mftd_jobs_unpublished(const struct mftd_queue *q)
{
	const struct mftd_job *job;
	size_t n = 0;

	TAILQ_FOREACH(job, &q->jobs, link)
		n += !is_published(job->d.state);
	return n;
}

/* A partner's jobs that have not come to PUBLISHING. */
static size_t
count_unpublished(const struct mftd_queue *q, const char *partner)
{
	const struct mftd_job *job;
	size_t n = 0;

	TAILQ_FOREACH(job, &q->jobs, link)
		n += !is_published(job->d.state) &&
		    strcmp(job->d.partner, partner) == 0;
	return n;
}

void
mftd_jobs_busy(const struct mftd_queue *q, char *out, size_t size)
{
	const struct mftd_job *job;
	char name[MFTD_TARGET_BYTES + 3];
	size_t len = 1, left = mftd_jobs_unpublished(q);

	snprintf(out, size, " ");
	TAILQ_FOREACH(job, &q->jobs, link) {
		if (left < MFTD_CLAIMED_PARTNER_MAX)
			return;
		snprintf(name, sizeof(name), " %s ", job->d.partner);
		if (is_published(job->d.state) || strstr(out, name) != NULL)
			continue;
		if (count_unpublished(q, job->d.partner) <
		    MFTD_CLAIMED_PARTNER_MAX) {
			left--;
			continue;
		}
		if (len < size)
			len += (size_t)snprintf(
			    out + len, size - len, "%s ", job->d.partner);
		left -= MFTD_CLAIMED_PARTNER_MAX;
	}
}

bool
mftd_job_is_ready(const struct mftd_job *job)
{
	return job->runner == NULL && !job->pending &&
	    is_in_hand(job->d.state) &&
	    job->d.state != MFTD_DELIVERY_DELIVERED &&
	    mftd_clock_ms() >= job->start_ms;
}

void
mftd_job_begin(struct mftd_job *job)
{
	uint32_t n = 0;

	if (job->d.state == MFTD_DELIVERY_PUBLISHING)
		return;
	job->d.tries++;
	job->rounds = 0;
	if (job->d.mtime != 0)
		return;
	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint32_t)mftd_clock_us();
	job->d.mtime = mftd_clock_wall_us() / 1000000 - n % MTIME_SPREAD_S;
}

static void
drop(struct mftd_job *job)
{
	struct mftd_queue *q = job->q;

	TAILQ_REMOVE(&q->jobs, job, link);
	free(job);
	q->n_jobs--;
	q->claim_ms = 0; /* there is room again */
}

/* Lets those go that have come to an end, or wait in the catalog. */
static void
sweep(struct mftd_queue *q)
{
	struct mftd_job *job, *next;

	for (job = TAILQ_FIRST(&q->jobs); job != NULL; job = next) {
		next = TAILQ_NEXT(job, link);
		if (!job->pending && job->runner == NULL &&
		    !is_in_hand(job->d.state))
			drop(job);
	}
}

void
mftd_jobs_work(struct mftd_queue *q)
{
	struct mftd_job *job;

	/* their owner died between the two rows */
	TAILQ_FOREACH(job, &q->jobs, link)
		if (job->d.state == MFTD_DELIVERY_DELIVERED && !job->pending)
			mftd_job_set_step(job, MFTD_EVENT_FINISH, 0, "");
	mftd_locals_examine(q);
	mftd_steps_write(q);
	if (!q->stale)
		mftd_runners_work(q);
	/* for some of them there may have been no deliver to be had */
	if (!q->stale)
		mftd_steps_write(q);
	sweep(q);
}

void
mftd_jobs_free(struct mftd_queue *q)
{
	struct mftd_job *job;

	while ((job = TAILQ_FIRST(&q->jobs)) != NULL)
		drop(job);
}
