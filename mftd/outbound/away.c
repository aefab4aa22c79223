/* Part of mftd; see LICENSE. */
#include "mftd/outbound/away.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/catalog/away.h"

#define PROBE_MS 10000 /* one of each volume comes back then, at most */
#define LONG_MS 300000 /* the others, if nobody has them come */
#define FOLLOW_MS 1000 /* as many as follow at a time come so often */

void
mftd_away_put_back(struct mftd_job *job)
{
	mftd_job_set_step(job,
	    mftd_delivery_is_published(job->d.state) ? MFTD_EVENT_RETRY
						     : MFTD_EVENT_PUT_BACK,
	    MFTD_AWAY_ERR, MFTD_AWAY_TEXT);
}

bool
mftd_away_is_step(const struct mftd_job *job)
{
	return job->step.event == MFTD_EVENT_PUT_BACK &&
	    job->step.err == MFTD_AWAY_ERR;
}

/* What is known of the volume.  NULL: of more than a node may have. */
static struct mftd_away *
find(struct mftd_queue *q, const char *volume)
{
	struct mftd_away *a;

	for (a = q->away; a < q->away + MFTD_VOLUMES_MAX; a++)
		if (a->volume[0] == '\0' || strcmp(a->volume, volume) == 0)
			break;
	if (a == q->away + MFTD_VOLUMES_MAX)
		return NULL;
	snprintf(a->volume, sizeof(a->volume), "%s", volume);
	return a;
}

/* The probe is one of the volume's; another one when that does not come. */
int64_t
mftd_away_wait_ms(struct mftd_queue *q, const struct mftd_delivery *d)
{
	struct mftd_away *a = find(q, d->volume);
	int64_t now_ms = mftd_clock_ms();

	if (a == NULL)
		return PROBE_MS;
	a->back = false;
	if (strcmp(a->probe, d->id) != 0 && now_ms < a->probe_ms + PROBE_MS)
		return LONG_MS;
	snprintf(a->probe, sizeof(a->probe), "%s", d->id);
	a->probe_ms = now_ms + PROBE_MS;
	return PROBE_MS;
}

void
mftd_away_note(const struct mftd_job *job)
{
	struct mftd_away *a;

	if (job->step.event != MFTD_EVENT_BEGIN ||
	    strcmp(job->d.error, MFTD_AWAY_TEXT) != 0)
		return;
	a = find(job->q, job->d.volume);
	if (a == NULL || a->back)
		return;
	a->back = true;
	log_info("volume %s is here: what waited for it goes", a->volume);
}

static int
follow(struct mftd_queue *q, struct mftd_away *a)
{
	int r = mftd_queue_outcome(q, "away",
	    mftd_catalog_away_back(
		q->catalog, &q->role, a->volume, mftd_clock_wall_us()));

	if (r > 0) {
		q->claim_ms = q->vain_ms = 0;
		mftd_queue_wake(q);
	}
	a->back = r < 0 || r == MFTD_AWAY_BACK_MAX;
	return r;
}

void
mftd_away_work(struct mftd_queue *q)
{
	int64_t now_ms = mftd_clock_ms();
	struct mftd_away *a;
	int r = 0;

	if (q->stale || now_ms < q->follow_ms)
		return;
	for (a = q->away; a < q->away + MFTD_VOLUMES_MAX && r >= 0; a++)
		if (a->back)
			r = follow(q, a);
	q->follow_ms = now_ms + FOLLOW_MS;
}
