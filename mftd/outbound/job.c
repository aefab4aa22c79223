/* Part of mftd; see LICENSE. */
#include "mftd/outbound/queue.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/outbound/delivery.h"

/* The mtime that marks a delivery lies up to a day before its first try, so
 * that a file that somebody else made now has another. */
#define MTIME_SPREAD_S 86400

static uint32_t
any_number(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint32_t)mftd_clock_us();
	return n;
}

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
	struct mftd_job *job, *place = NULL;

	for (job = q->jobs; job < q->jobs + MFTD_JOBS_MAX; job++) {
		if (job->used && strcmp(job->d.id, d->id) == 0)
			return true;
		if (!job->used && place == NULL)
			place = job;
	}
	if (place == NULL)
		return false;
	memset(place, 0, sizeof(*place));
	place->q = q;
	place->used = true;
	place->pidfd = -1;
	place->d = *d;
	return true;
}

size_t
mftd_jobs_free(const struct mftd_queue *q)
{
	size_t i, n = 0;

	for (i = 0; i < MFTD_JOBS_MAX; i++)
		n += !q->jobs[i].used;
	return n;
}

size_t
mftd_jobs_unpublished(const struct mftd_queue *q)
{
	size_t i, n = 0;

	for (i = 0; i < MFTD_JOBS_MAX; i++)
		n += q->jobs[i].used && !is_published(q->jobs[i].d.state);
	return n;
}

/* ---- the row */

/* What step makes of the row. */
static void
next_row(const struct mftd_job *job, enum mftd_delivery_state next,
    int64_t wait_ms, struct mftd_delivery *d)
{
	const struct mftd_msg_deliver_step *s = &job->step;

	*d = job->d;
	d->state = next;
	snprintf(d->error, sizeof(d->error), "%s", s->text);
	if (wait_ms > 0)
		d->due_us = mftd_clock_wall_us() + wait_ms * 1000;
	if (s->event == MFTD_EVENT_SENT && !d->has_sha256) {
		d->has_sha256 = s->has_sha256 != 0;
		memcpy(d->sha256, s->sha256, sizeof(d->sha256));
	}
	if (s->event == MFTD_EVENT_PUBLISH) {
		d->mtime = s->mtime;
		snprintf(d->host, sizeof(d->host), "%s", s->host);
	}
}

/* Writes the row.  -ENOENT: it is somebody else's now. */
static int
write_row(struct mftd_job *job, const struct mftd_delivery *d)
{
	struct mftd_queue *q = job->q;
	int r = mftd_catalog_step(q->catalog, &q->role, d, job->d.state);

	/* an earlier attempt may have been committed though its answer never
	 * came: then the row is already as we want it */
	if (r == -ENOENT && job->unsure)
		r = mftd_catalog_step(q->catalog, &q->role, d, d->state);
	return r;
}

/* The one place where a delivery's state changes. */
static void
set_row(struct mftd_job *job, const struct mftd_delivery *d)
{
	enum mftd_log_level level = MFTD_LOG_INFO;

	if (d->state == MFTD_DELIVERY_FAILED ||
	    d->state == MFTD_DELIVERY_IN_DOUBT)
		level = MFTD_LOG_ERROR;
	mftd_log(level, "delivery %s (%s to %s): %s -> %s%s%s", d->id,
	    d->receipt, d->partner, mftd_delivery_state_name(job->d.state),
	    mftd_delivery_state_name(d->state), d->error[0] != '\0' ? ": " : "",
	    d->error);
	job->d = *d;
}

static void
answer(struct mftd_job *job, int err)
{
	const struct mftd_msg_deliver_answer a = { .err = err };

	if (job->chan != NULL)
		mftd_worker_send(job->q->w, job->chan, MFTD_MSG_DELIVER_ANSWER,
		    0, &a, sizeof(a));
}

static void
dismiss(struct mftd_job *job)
{
	if (job->pid > 0)
		kill(job->pid, SIGKILL);
}

static void
set_step(struct mftd_job *job, enum mftd_delivery_event event, int err,
    const char *text)
{
	memset(&job->step, 0, sizeof(job->step));
	job->step.event = event;
	job->step.err = err;
	snprintf(job->step.text, sizeof(job->step.text), "%s", text);
	job->pending = true;
	job->unsure = false;
}

static int64_t
wait_after(const struct mftd_job *job, enum mftd_delivery_action action)
{
	if (action != MFTD_ACTION_BACKOFF && action != MFTD_ACTION_EVIDENCE)
		return 0;
	if (job->step.err == -MFTD_E_PARTNER_KEY ||
	    job->step.err == -MFTD_E_AUTH)
		return mftd_delivery_long_ms(any_number());
	return mftd_delivery_backoff_ms(
	    action == MFTD_ACTION_EVIDENCE ? job->rounds + 1 : job->d.tries,
	    any_number());
}

/* What follows once the row is written. */
static void
act(struct mftd_job *job, enum mftd_delivery_action action, int64_t wait_ms)
{
	job->pending = job->unsure = false;
	if (action != MFTD_ACTION_GO_ON)
		job->ended = true;
	answer(job, 0);
	if (action == MFTD_ACTION_EVIDENCE) {
		job->rounds++;
		job->start_ms = mftd_clock_ms() + wait_ms;
	}
	if (action == MFTD_ACTION_FINISH) {
		job->q->delivered++;
		set_step(job, MFTD_EVENT_FINISH, 0, "");
	}
}

/* Writes the pending step; leaves it pending while the catalog is away. */
static void
write_step(struct mftd_job *job)
{
	enum mftd_delivery_state next;
	enum mftd_delivery_action action;
	struct mftd_delivery d;
	int64_t wait_ms;
	int r;

	r = mftd_delivery_step(job->d.state,
	    (enum mftd_delivery_event)job->step.event, &next, &action);
	if (r < 0) {
		log_error("delivery %s: %s in %s refused", job->d.id,
		    mftd_delivery_event_name(job->step.event),
		    mftd_delivery_state_name(job->d.state));
		job->pending = false;
		dismiss(job);
		return;
	}
	wait_ms = wait_after(job, action);
	next_row(job, next, wait_ms, &d);
	r = write_row(job, &d);
	mftd_queue_outcome(job->q, "step", r == -ENOENT ? 0 : r);
	if (r == 0) {
		set_row(job, &d);
		act(job, action, wait_ms);
	} else if (r == -ENOENT) {
		log_warn("delivery %s is no longer %s: let go", job->d.id,
		    mftd_delivery_state_name(job->d.state));
		job->pending = false;
		job->ended = true;
		job->d.state = MFTD_DELIVERY_HELD; /* not ours, as it were */
		dismiss(job);
	} else {
		job->unsure = true;
	}
}

/* ---- deliver's side */

int
mftd_job_on_step(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_job *job = mftd_chan_data(c);

	if (job->pending || job->ended)
		return -MFTD_E_PROTOCOL;
	job->step = *(const struct mftd_msg_deliver_step *)m->data;
	job->pending = true;
	job->unsure = false;
	if (!job->q->stale)
		write_step(job);
	return 0;
}

void
mftd_job_on_down(void *data, struct mftd_chan *c)
{
	struct mftd_job *job = mftd_chan_data(c);

	if (job == NULL || job->chan != c)
		return;
	job->chan = NULL;
	dismiss(job);
}

void
mftd_job_reaped(struct mftd_job *job, int status)
{
	char text[64];

	job->pid = 0;
	if (job->chan != NULL) {
		/* what it still said counts: read before its end is seen */
		struct mftd_msg m;

		if (!job->pending && mftd_chan_recv(job->chan, &m) == 0 &&
		    m.type == MFTD_MSG_DELIVER_STEP)
			mftd_job_on_step(job->q, job->chan, &m);
		mftd_chan_set_data(job->chan, NULL);
		mftd_worker_detach(job->q->w, job->chan);
		job->chan = NULL;
	}
	if (!job->ended && !job->pending) {
		if (WIFSIGNALED(status))
			snprintf(text, sizeof(text),
			    "deliver was ended by signal %d", WTERMSIG(status));
		else
			snprintf(text, sizeof(text), "deliver ended with %d",
			    WEXITSTATUS(status));
		set_step(job, MFTD_EVENT_RETRY, -ECHILD, text);
	}
	if (!job->q->stale)
		mftd_jobs_work(job->q);
}

/* ---- all of them */

static const struct mftd_partner *
find_partner(const struct mftd_queue *q, const char *name)
{
	size_t i;

	for (i = 0; q->objects != NULL && i < q->objects->n_partners; i++)
		if (strcmp(q->objects->partners[i].name, name) == 0)
			return &q->objects->partners[i];
	return NULL;
}

static bool
may_start(const struct mftd_job *job)
{
	const struct mftd_partner *p = find_partner(job->q, job->d.partner);
	const struct mftd_job *o;
	int all = 0, same = 0;

	if (mftd_clock_ms() < job->start_ms ||
	    !mftd_lease_held(job->q->w->lease))
		return false;
	for (o = job->q->jobs; o < job->q->jobs + MFTD_JOBS_MAX; o++) {
		if (!o->used || o->pid == 0)
			continue;
		all++;
		same += strcmp(o->d.partner, job->d.partner) == 0;
	}
	return all < MFTD_DELIVERS_MAX && (p == NULL || same < p->connections);
}

static void
start(struct mftd_job *job)
{
	const struct mftd_partner *p = find_partner(job->q, job->d.partner);
	const struct mftd_conf_volume *v =
	    mftd_conf_volume(job->q->w->conf, job->d.volume);
	bool evidence = job->d.state == MFTD_DELIVERY_PUBLISHING;
	int r;

	job->ended = false;
	if (!evidence) {
		job->d.tries++;
		job->rounds = 0;
		if (job->d.mtime == 0)
			job->d.mtime = mftd_clock_wall_us() / 1000000 -
			    any_number() % MTIME_SPREAD_S;
	}
	if (p == NULL || v == NULL) {
		set_step(job, MFTD_EVENT_RETRY, -MFTD_E_AUTH,
		    p == NULL ? "its partner is not configured"
			      : "its volume is not on this node");
		return;
	}
	r = mftd_job_spawn(job, p, v->path);
	if (r < 0)
		set_step(job, MFTD_EVENT_RETRY, r, mftd_strerror(r));
}

/* One job: writes first; then it ends, waits, or gets a deliver. */
static void
work(struct mftd_job *job)
{
	if (job->pending)
		write_step(job);
	if (job->pending && job->d.state == MFTD_DELIVERY_DELIVERED)
		write_step(job);
	if (job->pending || job->pid != 0 || job->q->stale)
		return;
	if (job->d.state == MFTD_DELIVERY_DELIVERED) {
		/* its owner died between the two rows */
		set_step(job, MFTD_EVENT_FINISH, 0, "");
		write_step(job);
	} else if (is_in_hand(job->d.state) && may_start(job)) {
		start(job);
	}
	if (!job->pending && job->pid == 0 && !is_in_hand(job->d.state)) {
		job->used = false;
		job->q->claim_ms = 0; /* there is room again */
	}
}

void
mftd_jobs_work(struct mftd_queue *q)
{
	struct mftd_job *job;

	for (job = q->jobs; job < q->jobs + MFTD_JOBS_MAX && !q->stale; job++)
		if (job->used)
			work(job);
}

void
mftd_jobs_kill(struct mftd_queue *q, bool wait)
{
	struct mftd_job *job;

	for (job = q->jobs; job < q->jobs + MFTD_JOBS_MAX; job++)
		if (job->used)
			dismiss(job);
	for (job = q->jobs; wait && job < q->jobs + MFTD_JOBS_MAX; job++)
		if (job->used && job->pid > 0) {
			waitpid(job->pid, NULL, 0);
			job->pid = 0;
			mftd_fd_close(&job->pidfd);
		}
}
