/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/outbound/away.h"
#include "mftd/outbound/pace.h"
#include "mftd/outbound/pulse.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/pulls.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"

#define LINGER_MS 3000

void
mftd_runner_kill(struct mftd_runner *rn)
{
	mftd_child_kill(&rn->child);
}

void
mftd_runners_kill(struct mftd_queue *q, bool wait)
{
	struct mftd_runner *rn;

	FOR_EACH_RUNNER(rn, q)
	mftd_runner_kill(rn);
	FOR_EACH_RUNNER(rn, q)
	if (wait)
		mftd_child_wait(&rn->child);
}

/* Whether it is about what is at one host already. */
static bool
is_evidence(const struct mftd_job *job)
{
	return mftd_delivery_is_published(job->d.state);
}

static bool
is_stopped(const struct mftd_job *job)
{
	return mftd_breaker_stops(job->q, job->d.partner) != NULL;
}

/* ---- what it says, and hears */

void
mftd_runner_answer(struct mftd_job *job, int err, bool ended)
{
	struct mftd_runner *rn = job->runner;
	bool asked = job->asked;

	if (rn == NULL)
		return;
	if (asked) {
		job->asked = false;
		rn->answer.err[job->item] = err;
		rn->asked--;
	}
	if (ended) {
		rn->jobs[job->item] = NULL;
		rn->n--;
		job->runner = NULL;
	}
	/* what it did not ask for it would take for its next answer */
	if (!asked || rn->asked > 0 || rn->chan == NULL)
		return;
	mftd_pulse_beat(mftd_runner_pulse(rn), mftd_clock_ms());
	mftd_worker_send(rn->q->w, rn->chan, MFTD_MSG_DELIVER_ANSWER, 0,
	    &rn->answer, sizeof(rn->answer));
}

/* The gate for what follows the message's head: each step about another of its
 * jobs, none of which waits for an answer. */
static bool
is_sound(const struct mftd_runner *rn, const struct mftd_msg *m)
{
	const struct mftd_msg_deliver_step *head = m->data;
	const struct mftd_msg_step *s = (const void *)(head + 1);
	bool seen[MFTD_DELIVER_BATCH_MAX] = { false };
	uint32_t i;

	if (rn->asked > 0 || (head->n == 0) != rn->probe ||
	    head->n > MFTD_DELIVER_BATCH_MAX ||
	    m->len != sizeof(*head) + head->n * sizeof(*s) ||
	    (head->called == MFTD_CALLED_IN_VAIN) != (head->err < 0))
		return false;
	for (i = 0; i < head->n; i++) {
		if (s[i].item >= MFTD_DELIVER_BATCH_MAX || seen[s[i].item] ||
		    rn->jobs[s[i].item] == NULL ||
		    rn->jobs[s[i].item]->pending ||
		    memchr(s[i].text, '\0', sizeof(s[i].text)) == NULL)
			return false;
		seen[s[i].item] = true;
	}
	return true;
}

/* How its call went.  That one host of several is away, where evidence has to
 * be looked for, says nothing of the partner. */
static void
note_call(struct mftd_runner *rn, int err, const char *why)
{
	enum mftd_breaker_event event;

	if (rn->host[0] != '\0' && mftd_breaker_event_of(err, &event) &&
	    event != MFTD_BREAKER_REFUSED)
		return;
	mftd_breakers_called(rn->q, rn->partner, err, why);
}

static void
take_call(struct mftd_runner *rn, const struct mftd_msg_deliver_step *head)
{
	if (head->called != MFTD_CALLED_NOT)
		note_call(rn, head->err, head->why);
	if (!rn->probe)
		return;
	rn->probe = false;
	mftd_worker_send(rn->q->w, rn->chan, MFTD_MSG_DELIVER_ANSWER, 0,
	    &rn->answer, sizeof(rn->answer));
}

int
mftd_runner_on_step(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	const struct mftd_msg_deliver_step *head = m->data;
	const struct mftd_msg_step *s = (const void *)(head + 1);
	struct mftd_runner *rn = mftd_chan_data(c);
	struct mftd_job *job;
	uint32_t i;

	if (rn == NULL || !is_sound(rn, m))
		return -MFTD_E_PROTOCOL;
	snprintf(rn->address, sizeof(rn->address), "%s", head->host);
	memset(&rn->answer, 0, sizeof(rn->answer));
	take_call(rn, head);
	rn->asked = head->n;
	for (i = 0; i < head->n; i++) {
		job = rn->jobs[s[i].item];
		if (s[i].event == MFTD_EVENT_DELIVERED)
			mftd_hung_forget(rn->q, rn->partner);
		mftd_job_said(job, head, &s[i]);
	}
	/* what others say meanwhile is written together with it */
	mftd_queue_wake(rn->q);
	return 0;
}

void
mftd_runner_on_down(void *data, struct mftd_chan *c)
{
	struct mftd_runner *rn = mftd_chan_data(c);

	if (rn == NULL || rn->chan != c)
		return;
	rn->chan = NULL;
	mftd_runner_kill(rn);
}

static void
hang_up(struct mftd_runner *rn)
{
	mftd_chan_set_data(rn->chan, NULL);
	mftd_worker_detach(rn->q->w, rn->chan);
	rn->chan = NULL;
}

/* deliver's watchdog: a call that has no end. */
static bool
is_alarm(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
}

void
mftd_runner_reaped(struct mftd_runner *rn, int status)
{
	struct mftd_job *job;
	struct mftd_msg m;
	bool in_vain; /* it called */
	char text[64];
	uint32_t i;

	if (rn->chan != NULL) {
		/* what it still said counts: read before its end is seen */
		if (rn->asked == 0 && mftd_chan_recv(rn->chan, &m) == 0 &&
		    m.type == MFTD_MSG_DELIVER_STEP)
			mftd_runner_on_step(rn->q, rn->chan, &m);
		if (rn->chan != NULL)
			hang_up(rn);
	}
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "deliver was ended by signal %d",
		    WTERMSIG(status));
	else
		snprintf(text, sizeof(text), "deliver ended with %d",
		    WEXITSTATUS(status));
	in_vain = rn->address[0] == '\0' && (rn->probe || is_alarm(status));
	if (in_vain)
		note_call(rn, -ETIMEDOUT, text);
	for (i = 0; i < MFTD_DELIVER_BATCH_MAX; i++) {
		job = rn->jobs[i];
		rn->jobs[i] = NULL;
		if (job == NULL)
			continue;
		job->runner = NULL;
		job->asked = false;
		if (!job->pending && in_vain &&
		    (is_stopped(job) || !is_evidence(job)))
			mftd_job_put_back(job, -ETIMEDOUT, text);
		else if (!job->pending)
			mftd_job_set_step(job, MFTD_EVENT_RETRY, -ECHILD, text);
	}
	mftd_queue_wake(rn->q);
}

/* ---- batches */

/* Whether the runner's connection is one for the job: evidence is looked for at
 * the host where PUBLISHING happened. */
static bool
suits(const struct mftd_runner *rn, const struct mftd_job *job)
{
	if (strcmp(rn->partner, job->d.partner) != 0)
		return false;
	if (!is_evidence(job) || job->d.host[0] == '\0')
		return rn->host[0] == '\0';
	return strcmp(rn->host, job->d.host) == 0 ||
	    strcmp(rn->address, job->d.host) == 0;
}

/* The jobs of the next batch, in order.  How many. */
static uint32_t
gather(struct mftd_runner *rn, struct mftd_job **batch)
{
	struct mftd_job *job;
	uint64_t bytes = 0;
	uint32_t n = 0;

	TAILQ_FOREACH(job, &rn->q->jobs, link) {
		if (n == MFTD_DELIVER_BATCH_MAX)
			break;
		if (!mftd_job_is_ready(job) || !suits(rn, job))
			continue;
		if (!is_evidence(job)) {
			if (n > 0 &&
			    (job->d.size > MFTD_DELIVER_BATCH_BYTES ||
				bytes + job->d.size > MFTD_DELIVER_BATCH_BYTES))
				break;
			bytes += job->d.size;
		}
		batch[n++] = job;
	}
	return n;
}

static void
send_job(struct mftd_runner *rn, const struct mftd_job *job, uint32_t more)
{
	const struct mftd_delivery *d = &job->d;
	struct mftd_msg_deliver_job msg = { .item = job->item,
		.more = more,
		.evidence = d->state == MFTD_DELIVERY_PUBLISHING,
		.delivered = d->state == MFTD_DELIVERY_DELIVERED,
		.settled = job->rounds >= MFTD_SETTLED_LOOKS,
		.tries = d->tries,
		.has_sha256 = d->has_sha256,
		.seen = job->seen,
		.size = d->size,
		.mtime = d->mtime,
		.at = d->at,
		.has = d->has };

	memcpy(msg.sha256, d->sha256, sizeof(msg.sha256));
	snprintf(msg.id, sizeof(msg.id), "%s", d->id);
	snprintf(msg.receipt, sizeof(msg.receipt), "%s", d->receipt);
	snprintf(msg.volume, sizeof(msg.volume), "%s", d->volume);
	snprintf(msg.directory, sizeof(msg.directory), "%s", d->directory);
	snprintf(msg.name, sizeof(msg.name), "%s", d->name);
	snprintf(msg.host, sizeof(msg.host), "%s", d->host);
	/* what does not go through ends with the channel */
	mftd_worker_send(
	    rn->q->w, rn->chan, MFTD_MSG_DELIVER_JOB, 0, &msg, sizeof(msg));
}

/* Gives the runner its next batch.  False: there is none for it. */
static bool
hand_over(struct mftd_runner *rn)
{
	struct mftd_job *batch[MFTD_DELIVER_BATCH_MAX];
	uint32_t i, n = gather(rn, batch);

	for (i = 0; i < n; i++) {
		mftd_job_begin(batch[i]);
		batch[i]->runner = rn;
		batch[i]->item = i;
		rn->jobs[i] = batch[i];
	}
	rn->n = n;
	rn->idle_ms = 0;
	mftd_pulse_beat(mftd_runner_pulse(rn), mftd_clock_ms());
	for (i = 0; i < n; i++)
		send_job(rn, batch[i], n - i - 1);
	return n > 0;
}

/* ---- who gets a deliver */

static size_t
count(const struct mftd_queue *q, const char *partner)
{
	const struct mftd_runner *rn;
	size_t n = 0;

	FOR_EACH_RUNNER(rn, q)
	n += rn->child.pid != 0 && strcmp(rn->partner, partner) == 0;
	return n;
}

/* How many delivers it may have at once. */
static size_t
most_of(const struct mftd_queue *q, const char *partner)
{
	const struct mftd_partner *p = mftd_known_partner(q, partner);

	if (partner[0] == '@')
		return MFTD_DELIVERS_PARTNER_MAX;
	return p != NULL ? (size_t)p->connections : 0;
}

static bool
is_waited_for(const struct mftd_queue *q, const char *partner)
{
	const struct mftd_job *job;

	TAILQ_FOREACH(job, &q->jobs, link)
		if (strcmp(job->d.partner, partner) == 0 &&
		    mftd_job_is_ready(job))
			return true;
	return false;
}

struct mftd_share
mftd_runners_share(struct mftd_queue *q, const char *partner)
{
	struct mftd_share s = { .most = most_of(q, partner),
		.delivers = count(q, partner),
		.deliver_waits = is_waited_for(q, partner) };

	mftd_pulls_share(q, partner, &s);
	return s;
}

/* Whether the partner may have one more deliver. */
static bool
may_have_more(struct mftd_queue *q, const char *partner)
{
	const struct mftd_share s = mftd_runners_share(q, partner);

	return mftd_share_for_deliver(&s);
}

/* Whether there is a place for one more of the partner's; first: that has none.
 */
static bool
has_place(struct mftd_queue *q, const char *partner, bool first, size_t taken)
{
	size_t own = count(q, partner);

	if (first ? own > 0
		  : mftd_partner_hangs(q, partner) ||
		    mftd_jobs_room(MFTD_DELIVERS_MAX, taken, own) == 0)
		return false;
	return may_have_more(q, partner);
}

/* The first job that is ready, of a partner that may have one more deliver;
 * first: that has none.  What was found of a partner goes for all of its jobs
 * that follow one another, which are mostly all there are. */
static struct mftd_job *
find_waiting(struct mftd_queue *q, bool first)
{
	size_t taken = mftd_places_taken(q);
	const char *refused = NULL;
	struct mftd_job *job;

	TAILQ_FOREACH(job, &q->jobs, link) {
		if ((refused != NULL && strcmp(job->d.partner, refused) == 0) ||
		    !mftd_job_is_ready(job))
			continue;
		if (has_place(q, job->d.partner, first, taken))
			return job;
		refused = job->d.partner;
	}
	return NULL;
}

static bool
has_pace(const struct mftd_queue *q, size_t pace)
{
	const struct mftd_runner *rn;

	FOR_EACH_RUNNER(rn, q)
	if (rn->child.pid != 0 && rn->pace == pace)
		return true;
	return mftd_pulls_have_pace(q, pace);
}

size_t
mftd_runners_pace(struct mftd_queue *q, const char *partner)
{
	const struct mftd_runner *rn;
	size_t i = 0;

	FOR_EACH_RUNNER(rn, q)
	if (rn->child.pid != 0 && strcmp(rn->partner, partner) == 0)
		return rn->pace;
	if (mftd_pulls_pace(q, partner, &i))
		return i;
	while (has_pace(q, i))
		i++;
	mftd_pace_reset(mftd_paces_at(q->paces, i));
	return i;
}

/* A free place, for that partner or account. */
static struct mftd_runner *
take_place(struct mftd_queue *q, const char *partner)
{
	struct mftd_runner *rn = q->runners;

	while (rn->child.pid != 0)
		rn++;
	memset(rn, 0, sizeof(*rn));
	rn->q = q;
	rn->pace = mftd_runners_pace(q, partner);
	mftd_pulse_stop(mftd_runner_pulse(rn), false);
	snprintf(rn->partner, sizeof(rn->partner), "%s", partner);
	mftd_pulse_beat(mftd_runner_pulse(rn), mftd_clock_ms());
	return rn;
}

bool
mftd_runner_may_probe(const struct mftd_queue *q)
{
	const struct mftd_runner *rn;
	int n = 0;

	FOR_EACH_RUNNER(rn, q)
	n += rn->child.pid != 0 && rn->probe;
	return n < MFTD_PROBES_MAX && mftd_places_taken(q) < MFTD_DELIVERS_MAX;
}

int
mftd_runner_probe(struct mftd_queue *q, const char *partner)
{
	const struct mftd_partner *p = mftd_known_partner(q, partner);
	struct mftd_runner *rn;

	if (p == NULL)
		return -ENOENT;
	rn = take_place(q, partner);
	rn->probe = true;
	return mftd_runner_spawn(rn, p);
}

/* Starts a deliver for the job and what may go with it; without one, says so of
 * the job. */
static void
start(struct mftd_queue *q, struct mftd_job *job)
{
	const struct mftd_partner *p = mftd_known_partner(q, job->d.partner);
	const char *why = NULL, *account = mftd_delivery_account(&job->d);
	struct mftd_runner *rn;
	int r = -MFTD_E_AUTH;

	if (mftd_conf_volume(q->w->conf, job->d.volume) == NULL) {
		mftd_away_put_back(job);
		return;
	}
	rn = take_place(q, job->d.partner);
	if (is_evidence(job))
		snprintf(rn->host, sizeof(rn->host), "%s", job->d.host);
	r = account != NULL ? mftd_local_start(rn, job, &why)
			    : mftd_runner_spawn(rn, p);
	if (why == NULL)
		why = mftd_strerror(r);
	if (r == 0) {
		mftd_pulls_deliver_began(q, rn->partner);
		hand_over(rn);
	}
	if (r >= 0)
		return;
	mftd_job_begin(job);
	mftd_job_set_step(job, MFTD_EVENT_RETRY, r, why);
}

/* Its partner's first job that is ready; NULL: none is. */
static struct mftd_job *
first_ready(const struct mftd_runner *rn)
{
	struct mftd_job *job;

	TAILQ_FOREACH(job, &rn->q->jobs, link)
		if (strcmp(job->d.partner, rn->partner) == 0 &&
		    mftd_job_is_ready(job))
			return job;
	return NULL;
}

/* Whether it is to go on: not where another partner has none and all places are
 * taken, nor when it is a fetch's turn. */
static bool
may_go_on(const struct mftd_runner *rn)
{
	struct mftd_queue *q = rn->q;
	const struct mftd_share s = mftd_runners_share(q, rn->partner);

	if (rn->retire || !mftd_lease_held(q->w->lease) ||
	    mftd_share_is_over(&s))
		return false;
	/* some may have been silent, and are heard again */
	if (mftd_places_taken(q) > MFTD_DELIVERS_MAX)
		return false;
	if (mftd_places_taken(q) == MFTD_DELIVERS_MAX &&
	    (find_waiting(q, true) != NULL || mftd_breakers_want_probe(q)))
		return false;
	return !mftd_partner_hangs(q, rn->partner) ||
	    count(q, rn->partner) <= 1;
}

/* Whether it may stay without a batch, for the next one needs no call then: for
 * LINGER_MS, and not where another wants its place or its connection.  What
 * goes to an account calls nobody. */
static bool
may_linger(struct mftd_runner *rn)
{
	struct mftd_queue *q = rn->q;
	const struct mftd_share s = mftd_runners_share(q, rn->partner);

	if (rn->idle_ms == 0)
		rn->idle_ms = mftd_clock_ms();
	return rn->partner[0] != '@' &&
	    mftd_clock_ms() < rn->idle_ms + LINGER_MS &&
	    mftd_places_taken(q) < MFTD_DELIVERS_MAX &&
	    !mftd_share_is_wanted(&s);
}

/* Between two batches.  False: it is to end.  It does not go past an older job
 * of its own that wants another host. */
static bool
go_on(struct mftd_runner *rn)
{
	const struct mftd_job *job = first_ready(rn);

	if (!may_go_on(rn))
		return false;
	if (job == NULL)
		return may_linger(rn);
	return suits(rn, job) && hand_over(rn);
}

void
mftd_runners_work(struct mftd_queue *q)
{
	struct mftd_runner *rn;
	struct mftd_job *job;

	mftd_hung_look(q);
	FOR_EACH_RUNNER(rn, q)
	if (rn->chan != NULL && rn->n == 0 && rn->asked == 0 && !rn->probe &&
	    !go_on(rn))
		hang_up(rn);
	while (mftd_lease_held(q->w->lease) &&
	    mftd_places_taken(q) < MFTD_DELIVERS_MAX) {
		job = find_waiting(q, true); /* each partner its first, then */
		if (job == NULL)
			job = find_waiting(q, false);
		if (job == NULL)
			break;
		start(q, job);
	}
}
