/* Part of mftd; see LICENSE. */
#include "mftd/outbound/unseen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/queue.h"

/* Delivered is meant where something comes afterwards: its trigger file. */
static bool
is_meant(const struct mftd_job *job)
{
	return mftd_delivery_is_published(job->d.state) &&
	    (job->d.state == MFTD_DELIVERY_PUBLISHING ||
		job->d.at.trigger[0] != '\0') &&
	    mftd_delivery_account(&job->d) == NULL;
}

void
mftd_unseen_note(struct mftd_job *job)
{
	if (job->step.err == -MFTD_E_NOT_CONFIGURED)
		job->gone++;
	else
		job->gone = 0;
}

void
mftd_unseen_ask(struct mftd_queue *q)
{
	struct mftd_job *job;

	TAILQ_FOREACH(job, &q->jobs, link) {
		if (!is_meant(job))
			continue;
		job->rounds = job->gone = 0;
		job->start_ms = 0;
	}
}

static void
put_text(const struct mftd_job *job, const struct mftd_unseen *u, char *text,
    size_t size)
{
	const char *host = job->d.host, *last = job->d.error;
	const char *what = job->d.state == MFTD_DELIVERY_PUBLISHING
	    ? "it may have arrived"
	    : "it arrived, but perhaps not its trigger file,";
	uint32_t hours = job->d.retry_hours;

	if (u->unknown)
		snprintf(text, size,
		    "%s at %s: its partner is not in the configuration any "
		    "more",
		    what, host);
	else if (u->gone >= MFTD_GONE_LOOKS)
		snprintf(text, size,
		    "%s at %s, which is not in the configuration any more: "
		    "%.100s",
		    what, host, last);
	else
		snprintf(text, size,
		    "%s at %s, which could not be looked at within %u %s: "
		    "%.100s",
		    what, host, hours, hours == 1 ? "hour" : "hours", last);
}

void
mftd_unseen_conclude(struct mftd_job *job)
{
	struct mftd_queue *q = job->q;
	const char *partner = job->d.partner;
	struct mftd_unseen u = { .gone = job->gone, .looks = job->rounds };
	char text[MFTD_REASON_BYTES];

	if (q->objects == NULL || !is_meant(job))
		return;
	u.unknown = mftd_known_partner(q, partner) == NULL;
	u.away = mftd_breaker_is_away(q, partner);
	mftd_hours_read(&q->hours);
	u.late = mftd_delivery_is_late(
	    &job->d, mftd_hours_since_us(&q->hours, job->d.first_us));
	if (!mftd_delivery_is_unseen(&u))
		return;
	put_text(job, &u, text, sizeof(text));
	mftd_job_begin(job);
	mftd_job_set_step(job,
	    job->d.state == MFTD_DELIVERY_PUBLISHING ? MFTD_EVENT_DOUBT
						     : MFTD_EVENT_FAIL,
	    -ETIMEDOUT, text);
	snprintf(job->host, sizeof(job->host), "%s", job->d.host);
}
