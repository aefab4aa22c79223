/* Part of mftd; see LICENSE. */
#include "mftd/outbound/unseen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/queue.h"

static bool
is_meant(const struct mftd_job *job)
{
	return job->d.state == MFTD_DELIVERY_PUBLISHING &&
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
	uint32_t hours = job->d.retry_hours;

	if (u->unknown)
		snprintf(text, size,
		    "it may have arrived at %s: its partner is not in the "
		    "configuration any more",
		    host);
	else if (u->gone >= MFTD_GONE_LOOKS)
		snprintf(text, size,
		    "it may have arrived at %s, which is not in the "
		    "configuration any more: %.120s",
		    host, last);
	else
		snprintf(text, size,
		    "it may have arrived at %s, which could not be looked at "
		    "within %u %s: %.120s",
		    host, hours, hours == 1 ? "hour" : "hours", last);
}

void
mftd_unseen_conclude(struct mftd_job *job)
{
	const struct mftd_queue *q = job->q;
	const char *partner = job->d.partner;
	struct mftd_unseen u = { .gone = job->gone, .looks = job->rounds };
	char text[MFTD_REASON_BYTES];

	if (q->objects == NULL || !is_meant(job))
		return;
	u.unknown = mftd_known_partner(q, partner) == NULL;
	u.away = mftd_breaker_is_away(q, partner);
	u.late = mftd_delivery_is_late(&job->d, mftd_clock_wall_us());
	if (!mftd_delivery_is_unseen(&u))
		return;
	put_text(job, &u, text, sizeof(text));
	mftd_job_begin(job);
	mftd_job_set_step(job, MFTD_EVENT_DOUBT, -ETIMEDOUT, text);
	snprintf(job->host, sizeof(job->host), "%s", job->d.host);
}
