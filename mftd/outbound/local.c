/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/catalog/account_policy.h"
#include "mftd/catalog/outcome.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"

/* What goes to an account: its journals, deposits, and what became of them. */

#define AWAY_MS 1000 /* until the catalog, or a journal, is asked again */

/* ---- journals */

/* Where the volume's is kept, or a free place; NULL: nowhere. */
static struct mftd_chan **
place_of(struct mftd_queue *q, const char *volume)
{
	struct mftd_chan **at;

	for (at = q->journals; at < q->journals + MFTD_VOLUMES_MAX; at++)
		if (*at == NULL ? volume == NULL
				: volume != NULL &&
			    strcmp(mftd_chan_instance(*at), volume) == 0)
			return at;
	return NULL;
}

void
mftd_local_journal_up(void *data, struct mftd_chan *c)
{
	struct mftd_queue *q = data;
	struct mftd_chan **at;

	/* a restarted one comes before the end of the old one is seen */
	at = place_of(q, mftd_chan_instance(c));
	if (at == NULL)
		at = place_of(q, NULL);
	if (at != NULL)
		*at = c;
	mftd_queue_wake(q);
}

void
mftd_local_journal_down(void *data, struct mftd_chan *c)
{
	struct mftd_queue *q = data;
	size_t i;

	for (i = 0; i < MFTD_VOLUMES_MAX; i++)
		if (q->journals[i] == c)
			q->journals[i] = NULL;
}

/* ---- a deposit */

/* What journal is told of the session.  Read-only is the account's clients; it
 * is the operator who sends here. */
static int
fill_open(const struct mftd_queue *q, const struct mftd_account *a,
    struct mftd_msg_session_open *o)
{
	uint32_t i;
	int r;

	memset(o, 0, sizeof(*o));
	r = mftd_id_random(q->w->incarnation, o->session, sizeof(o->session));
	if (r == 0)
		r = mftd_account_policy(a, &o->policy);
	if (r < 0)
		return r;
	o->policy.read_only = 0;
	for (i = 0; i < o->policy.n_folders; i++)
		o->policy.folders[i].read_only = 0;
	snprintf(o->account, sizeof(o->account), "%s", a->name);
	snprintf(o->volume, sizeof(o->volume), "%s", a->volume);
	snprintf(o->root, sizeof(o->root), "%s", a->root);
	snprintf(o->peer, sizeof(o->peer), "queue:%.*s",
	    (int)sizeof(o->peer) - 7, q->w->instance);
	return 0;
}

/* A journal that starts again, or has not been introduced yet, comes soon: that
 * is not a try that failed.  Whether it was waited for in vain. */
static bool
has_waited(struct mftd_job *job)
{
	bool waited = job->waited;

	job->waited = true;
	job->start_ms = mftd_clock_ms() + AWAY_MS;
	return waited;
}

int
mftd_local_start(struct mftd_runner *rn, struct mftd_job *job, const char **why)
{
	struct mftd_queue *q = rn->q;
	const struct mftd_account *a =
	    mftd_known_account(q, mftd_delivery_account(&job->d));
	struct mftd_chan **journal;
	struct mftd_msg_session_open open;
	int fds[2] = { -1, -1 }, r;

	*why = NULL;
	if (a == NULL) { /* its journal says what became of it, all the same */
		job->start_ms = mftd_clock_ms() + AWAY_MS;
		return 1;
	}
	journal = place_of(q, a->volume);
	if (journal == NULL && !has_waited(job))
		return 1;
	if (journal == NULL) {
		*why = "no journal of its account's volume is here";
		return -MFTD_E_CLOSED;
	}
	r = fill_open(q, a, &open);
	if (r == 0)
		r = mftd_chan_pair(fds);
	if (r == 0)
		r = mftd_worker_send_fds(q->w, *journal, MFTD_MSG_SESSION_OPEN,
		    0, &open, sizeof(open), &fds[0], 1);
	if (r == 0)
		r = mftd_runner_spawn_deposit(
		    rn, open.session, &open.policy, fds[1]);
	mftd_fd_close(&fds[0]);
	mftd_fd_close(&fds[1]);
	return r;
}

/* ---- what became of them */

/* What follows for a row in PUBLISHING whose deposit is gone. */
static const struct {
	enum mftd_delivery_event event;
	const char *text;
} verdicts[] = {
	[MFTD_PART_UNKNOWN] = { MFTD_EVENT_RETRY,
	    "its journal has not yet said whether it was published" },
	[MFTD_PART_PUBLISHED] = { MFTD_EVENT_DELIVERED, "" },
	[MFTD_PART_ABANDONED] = { MFTD_EVENT_REFUSED,
	    "it was not published when its process ended" },
};

static bool
is_to_examine(const struct mftd_job *job)
{
	return job->d.state == MFTD_DELIVERY_PUBLISHING &&
	    mftd_delivery_account(&job->d) != NULL && mftd_job_is_ready(job);
}

void
mftd_locals_examine(struct mftd_queue *q)
{
	char part[MFTD_ID_BYTES];
	struct mftd_job *job;
	int r = 0;

	TAILQ_FOREACH(job, &q->jobs, link) {
		if (!is_to_examine(job))
			continue;
		if (r >= 0)
			r = mftd_outcome_part(
			    job->d.host, job->d.id, job->d.tries, part);
		if (r >= 0)
			r = mftd_queue_outcome(
			    q, "outcome", mftd_outcome_of(q->catalog, part));
		if (r >= 0)
			mftd_job_set_step(
			    job, verdicts[r].event, 0, verdicts[r].text);
		else
			job->start_ms = mftd_clock_ms() + AWAY_MS;
	}
}
