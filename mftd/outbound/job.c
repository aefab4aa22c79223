/* Part of mftd; see LICENSE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "mftd/base/clock.h"
#include "mftd/outbound/away.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"
#include "mftd/outbound/unseen.h"

/* The mtime that marks a delivery lies up to a day before its first try, so
 * that a file that somebody else made now has another. */
#define MTIME_SPREAD_S 86400

/* Delivered, and nothing comes afterwards. */
static bool
is_finished(const struct mftd_delivery *d)
{
	return d->state == MFTD_DELIVERY_DELIVERED && d->at.trigger[0] == '\0';
}

static bool
is_in_hand(enum mftd_delivery_state s)
{
	return s == MFTD_DELIVERY_CLAIMED || s == MFTD_DELIVERY_SENDING ||
	    s == MFTD_DELIVERY_SENT || mftd_delivery_is_published(s);
}

/* Whether it may be at its names at this time. */
static bool
is_at_it(const struct mftd_job *job)
{
	return is_in_hand(job->d.state) &&
	    (job->runner != NULL || job->pending ||
		mftd_delivery_is_published(job->d.state));
}

/* An older one, or one that may be at it, that has a name that it has. */
static const struct mftd_job *
waits_for(const struct mftd_job *job)
{
	const struct mftd_job *other;
	bool older = true;

	if (mftd_delivery_is_published(job->d.state) ||
	    !mftd_places_may_meet(&job->q->places, &job->place))
		return NULL;
	TAILQ_FOREACH(other, &job->q->jobs, link) {
		if (other == job)
			older = false;
		else if (((older && is_in_hand(other->d.state)) ||
			     is_at_it(other)) &&
		    mftd_place_meets(&other->place, &job->place))
			return other;
	}
	return NULL;
}

bool
mftd_job_may_be_called(struct mftd_job *job, uint32_t number)
{
	struct mftd_delivery d = job->d;
	struct mftd_place place;
	const struct mftd_job *other;

	if (d.at.if_exists != MFTD_IF_EXISTS_NUMBER)
		return true;
	d.has.number = number;
	mftd_place_of(&d, &place);
	TAILQ_FOREACH(other, &job->q->jobs, link)
		if (other != job && is_at_it(other) &&
		    mftd_place_meets(&other->place, &place))
			return false;
	mftd_places_leave(&job->q->places, &job->place);
	job->place = place;
	mftd_places_enter(&job->q->places, &job->place);
	return true;
}

bool
mftd_job_take(struct mftd_queue *q, const struct mftd_delivery *d)
{
	struct mftd_job *job, *at;

	TAILQ_FOREACH(job, &q->jobs, link)
		if (strcmp(job->d.id, d->id) == 0)
			return true;
	job = q->n_jobs < MFTD_JOBS_MAX ? calloc(1, sizeof(*job)) : NULL;
	if (job == NULL)
		return false;
	job->q = q;
	job->d = *d;
	mftd_place_of(d, &job->place);
	mftd_places_enter(&q->places, &job->place);
	at = TAILQ_LAST(&q->jobs, mftd_jobs);
	while (at != NULL && at->d.priority < d->priority)
		at = TAILQ_PREV(at, mftd_jobs, link);
	if (at != NULL)
		TAILQ_INSERT_AFTER(&q->jobs, at, job, link);
	else
		TAILQ_INSERT_HEAD(&q->jobs, job, link);
	q->n_jobs++;
	return true;
}

size_t
mftd_jobs_unpublished(const struct mftd_queue *q)
{
	const struct mftd_job *job;
	size_t n = 0;

	TAILQ_FOREACH(job, &q->jobs, link)
		n += !mftd_delivery_is_published(job->d.state);
	return n;
}

size_t
mftd_jobs_room(size_t places, size_t taken, size_t own)
{
	size_t left = places > taken ? places - taken : 0;

	if (own == 0 && left == 1)
		return 1;
	return left > own ? (left - own) / 2 : 0;
}

size_t
mftd_jobs_wanted(const struct mftd_queue *q)
{
	size_t claimed =
	    mftd_jobs_room(MFTD_CLAIMED_MAX, mftd_jobs_unpublished(q), 0);
	size_t all = mftd_jobs_room(MFTD_JOBS_MAX, q->n_jobs, 0);

	return claimed < all ? claimed : all;
}

/* Counts all jobs of first's partner: *unpublished those that have not come to
 * PUBLISHING.  It is the first of them in the list. */
static size_t
count_own(struct mftd_job *first, size_t *unpublished)
{
	struct mftd_job *job;
	size_t n = 0;

	*unpublished = 0;
	for (job = first; job != NULL; job = TAILQ_NEXT(job, link)) {
		if (strcmp(job->d.partner, first->d.partner) != 0)
			continue;
		job->counted = true;
		*unpublished += !mftd_delivery_is_published(job->d.state);
		n++;
	}
	return n;
}

void
mftd_jobs_busy(struct mftd_queue *q, FILE *f)
{
	size_t claimed = mftd_jobs_unpublished(q), own, own_claimed;
	struct mftd_job *job;

	fputc(' ', f);
	/* the usual case: nobody has as much as is free */
	if (2 * claimed < MFTD_CLAIMED_MAX && 2 * q->n_jobs < MFTD_JOBS_MAX &&
	    q->hung == NULL)
		return;
	TAILQ_FOREACH(job, &q->jobs, link)
		job->counted = false;
	TAILQ_FOREACH(job, &q->jobs, link) {
		if (job->counted)
			continue;
		own = count_own(job, &own_claimed);
		if (mftd_jobs_room(MFTD_CLAIMED_MAX, claimed, own_claimed) ==
			0 ||
		    mftd_jobs_room(MFTD_JOBS_MAX, q->n_jobs, own) == 0 ||
		    (own >= MFTD_HUNG_JOBS_MAX &&
			mftd_partner_hangs(q, job->d.partner)))
			fprintf(f, "%s ", job->d.partner);
	}
}

/* Where it goes is configured; what became of one that was published to an
 * account can be told without. */
static bool
has_target(const struct mftd_job *job)
{
	return mftd_unknown(job->q, &job->d) == NULL ||
	    (mftd_delivery_is_published(job->d.state) &&
		mftd_delivery_account(&job->d) != NULL);
}

bool
mftd_job_is_ready(const struct mftd_job *job)
{
	return job->runner == NULL && !job->pending &&
	    is_in_hand(job->d.state) && !is_finished(&job->d) &&
	    mftd_clock_ms() >= job->start_ms && waits_for(job) == NULL &&
	    mftd_breaker_stops(job->q, job->d.partner) == NULL &&
	    has_target(job);
}

uint32_t
mftd_job_any_number(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint32_t)mftd_clock_us();
	return n;
}

void
mftd_job_begin(struct mftd_job *job)
{
	job->begin_us = mftd_clock_wall_us();
	if (mftd_delivery_is_published(job->d.state))
		return;
	job->begun = true;
	job->d.tries++;
	job->rounds = 0;
	job->seen = false;
	if (job->d.mtime != 0)
		return;
	job->d.mtime = mftd_clock_wall_us() / 1000000 -
	    mftd_job_any_number() % MTIME_SPREAD_S;
}

static void
forget(struct mftd_job *job)
{
	mftd_places_leave(&job->q->places, &job->place);
	TAILQ_REMOVE(&job->q->jobs, job, link);
	job->q->n_jobs--;
	free(job);
}

static void
drop(struct mftd_job *job)
{
	struct mftd_queue *q = job->q;

	if (job->d.ordered || mftd_catalog_versions(q->catalog))
		q->vain_ms = 0; /* it is the next one's turn */
	forget(job);
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

/* Why nothing can be sent of it now; NULL: it can. */
static const char *
stops(struct mftd_queue *q, const struct mftd_delivery *d)
{
	const char *why = mftd_unknown(q, d);

	if (why == NULL)
		return mftd_breaker_stops(q, d->partner);
	mftd_unknown_note(q, d->partner);
	return why;
}

/* Behind one that itself waits, for its next look or for its trigger, it does
 * so in its row, where it says why and a person can cancel it. */
static void
wait_behind(struct mftd_job *job)
{
	const struct mftd_job *other = waits_for(job);
	char text[MFTD_REASON_BYTES];
	int64_t wait_ms;

	if (other == NULL || other->pending || other->runner != NULL)
		return;
	wait_ms = other->start_ms - mftd_clock_ms();
	if (wait_ms <= 0)
		return;
	snprintf(text, sizeof(text),
	    "waits for delivery %s, which has a name at the partner that it "
	    "would have: %.150s",
	    other->d.id, other->d.error);
	mftd_job_put_back(job, 0, text);
	job->wait_ms = wait_ms;
}

/* Those that are in hand for nothing: their owner died between the two rows, or
 * their partner was stopped, or taken away, before a deliver got them. */
static void
conclude(struct mftd_queue *q)
{
	struct mftd_job *job;
	const char *why;

	TAILQ_FOREACH(job, &q->jobs, link) {
		if (job->pending || job->runner != NULL)
			continue;
		if (is_finished(&job->d))
			mftd_job_set_step(job, MFTD_EVENT_FINISH, 0, "");
		mftd_unseen_conclude(job);
		if (!is_in_hand(job->d.state) ||
		    mftd_delivery_is_published(job->d.state))
			continue;
		why = stops(q, &job->d);
		if (why != NULL)
			mftd_job_put_back(job, 0, why);
		else
			wait_behind(job);
	}
}

void
mftd_jobs_work(struct mftd_queue *q)
{
	conclude(q);
	mftd_locals_examine(q);
	mftd_lanes_write(q);
	if (!q->stale)
		mftd_runners_work(q);
	/* for some of them there may have been no deliver to be had */
	if (!q->stale)
		mftd_lanes_write(q);
	mftd_away_work(q);
	sweep(q);
}

void
mftd_jobs_free(struct mftd_queue *q)
{
	struct mftd_job *job;

	while ((job = TAILQ_FIRST(&q->jobs)) != NULL)
		forget(job);
}
