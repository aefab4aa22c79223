/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/catalog/person.h"
#include "mftd/outbound/away.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"

void
mftd_job_set_step(struct mftd_job *job, enum mftd_delivery_event event, int err,
    const char *text)
{
	memset(&job->step, 0, sizeof(job->step));
	job->step.event = event;
	job->step.err = err;
	snprintf(job->step.text, sizeof(job->step.text), "%s", text);
	job->pending = true;
	job->unsure = job->not_called = false;
}

void
mftd_job_put_back(struct mftd_job *job, int err, const char *text)
{
	mftd_job_set_step(job,
	    mftd_delivery_is_published(job->d.state) ? MFTD_EVENT_RETRY
						     : MFTD_EVENT_PUT_BACK,
	    err, text);
	job->not_called = true;
}

/* ---- the row */

static int64_t
wait_after(const struct mftd_job *job, enum mftd_delivery_action action)
{
	if (action != MFTD_ACTION_BACKOFF && action != MFTD_ACTION_EVIDENCE)
		return 0;
	if (mftd_away_is_step(job))
		return mftd_away_wait_ms(job->q, &job->d);
	if (job->not_called)
		return mftd_breaker_backoff_ms(job->q, job->d.partner);
	if (job->step.err == -MFTD_E_PARTNER_KEY ||
	    job->step.err == -MFTD_E_AUTH)
		return mftd_delivery_long_ms(mftd_job_any_number());
	return mftd_delivery_backoff_ms(action == MFTD_ACTION_EVIDENCE
		? job->rounds + 1
		: job->d.tries - job->d.tries_before,
	    mftd_job_any_number());
}

/* What counts for the bounds of its tries, and the event that it comes to: what
 * would be tried again is not when they are reached. */
static enum mftd_delivery_event
count_try(const struct mftd_job *job, struct mftd_delivery *d)
{
	enum mftd_delivery_event event =
	    (enum mftd_delivery_event)job->step.event;

	if (event == MFTD_EVENT_PUT_BACK) {
		d->tries -= job->begun;
		return event;
	}
	if (d->first_us == 0)
		d->first_us = job->begin_us;
	if (!mftd_delivery_is_spent(d, mftd_clock_wall_us()))
		return event;
	if (event == MFTD_EVENT_REFUSED)
		return MFTD_EVENT_REJECTED;
	return event == MFTD_EVENT_RETRY &&
		!mftd_delivery_is_published(d->state)
	    ? MFTD_EVENT_FAIL
	    : event;
}

/* Its words: why it is not tried again, where that is not its own. */
static void
put_error(const struct mftd_job *job, enum mftd_delivery_event event,
    struct mftd_delivery *d)
{
	const char *text = job->step.text;

	if (event == (enum mftd_delivery_event)job->step.event)
		snprintf(d->error, sizeof(d->error), "%s", text);
	else
		snprintf(d->error, sizeof(d->error),
		    "given up after %u tries: %.200s",
		    d->tries - d->tries_before, text);
}

/* The row of its try, where the step begins or ends one: a try begins when its
 * partner has let us in. */
static void
put_try(const struct mftd_job *job, enum mftd_delivery_event event,
    struct mftd_attempt *a)
{
	bool ends = a->action == MFTD_ACTION_BACKOFF ||
	    a->action == MFTD_ACTION_END || a->action == MFTD_ACTION_FINISH;

	memset(&a->t, 0, sizeof(a->t));
	if (event == MFTD_EVENT_PUT_BACK || event == MFTD_EVENT_FINISH ||
	    (!ends && event != MFTD_EVENT_BEGIN))
		return;
	a->t.begin_us = job->begin_us;
	snprintf(a->t.host, sizeof(a->t.host), "%s", job->host);
	if (!ends)
		return;
	a->t.end_us = mftd_clock_wall_us();
	a->t.bytes = job->step.bytes;
	/* in PUBLISHING it was sent wholly, be it by an owner that is gone */
	if (job->d.state == MFTD_DELIVERY_PUBLISHING && a->t.bytes == 0)
		a->t.bytes = job->d.size;
	snprintf(a->t.outcome, sizeof(a->t.outcome), "%s",
	    mftd_delivery_event_name(event));
}

/* Whether deliver says with it how far it has come. */
static bool
is_progress(uint32_t event)
{
	return event == MFTD_EVENT_BEGIN || event == MFTD_EVENT_SENT ||
	    event == MFTD_EVENT_PUBLISH || event == MFTD_EVENT_DELIVERED;
}

/* What the job's step makes of the row.  Where nothing comes after DELIVERED
 * the row is DONE with it. */
static int
next_row(struct mftd_job *job, struct mftd_attempt *a)
{
	const struct mftd_msg_step *s = &job->step;
	struct mftd_delivery *d = &a->d;
	enum mftd_delivery_event event;
	enum mftd_delivery_state next;
	int r;

	*d = job->d;
	event = count_try(job, d);
	r = mftd_delivery_step(job->d.state, event, &next, &a->action);
	if (r == 0 && a->action == MFTD_ACTION_FINISH &&
	    job->d.at.trigger[0] == '\0')
		r = mftd_delivery_step(
		    next, MFTD_EVENT_FINISH, &next, &a->action);
	if (r < 0)
		return r;
	a->job = job;
	a->wait_ms = wait_after(job, a->action);
	d->state = next;
	put_error(job, event, d);
	put_try(job, event, a);
	if (a->wait_ms > 0)
		d->due_us = mftd_clock_wall_us() + a->wait_ms * 1000;
	if ((s->event == MFTD_EVENT_SENT || s->event == MFTD_EVENT_PUBLISH) &&
	    !d->has_sha256) {
		d->has_sha256 = s->has_sha256 != 0;
		memcpy(d->sha256, s->sha256, sizeof(d->sha256));
	}
	if (s->event == MFTD_EVENT_PUBLISH)
		d->mtime = s->mtime;
	if (s->event == MFTD_EVENT_BEGIN || s->event == MFTD_EVENT_PUBLISH)
		snprintf(d->host, sizeof(d->host), "%s", job->host);
	if (is_progress(s->event))
		d->has = s->has;
	return 0;
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

/* What follows once the row is written. */
static void
act(const struct mftd_attempt *a)
{
	struct mftd_job *job = a->job;

	mftd_away_note(job);
	set_row(job, &a->d);
	job->pending = job->unsure = false;
	job->seen |= job->step.seen != 0;
	if (a->action == MFTD_ACTION_EVIDENCE) {
		job->rounds += !job->not_called;
		job->start_ms = mftd_clock_ms() + a->wait_ms;
	}
	if (job->step.event == MFTD_EVENT_DELIVERED) {
		job->q->delivered++;
		job->rounds = 0;
	}
	mftd_runner_answer(job, 0,
	    a->action != MFTD_ACTION_GO_ON && a->action != MFTD_ACTION_FINISH);
}

/* Whether somebody cancelled it.  When that cannot be known what is at the
 * partner stays there. */
static bool
is_cancelled(struct mftd_job *job)
{
	struct mftd_delivery_story s;

	return mftd_catalog_delivery(job->q->catalog, job->d.id, &s) == 0 &&
	    s.d.state == MFTD_DELIVERY_CANCELLED;
}

/* Its row is somebody else's now. */
static void
let_go(struct mftd_job *job)
{
	int err =
	    job->runner != NULL && is_cancelled(job) ? -ECANCELED : -ENOENT;

	log_warn("delivery %s is no longer %s: let go", job->d.id,
	    mftd_delivery_state_name(job->d.state));
	job->pending = job->unsure = false;
	job->d.state = MFTD_DELIVERY_HELD; /* not ours, as it were */
	mftd_runner_answer(job, err, true);
}

/* ---- writing */

/* Steps of all n attempts from the states that are thought to be the rows', or,
 * again, from those that they are to have. */
static void
make_rows(
    struct mftd_queue *q, const struct mftd_attempt *a, size_t n, bool again)
{
	size_t i;

	for (i = 0; i < n; i++)
		q->steps[i] = (struct mftd_row_step) { .d = &a[i].d,
			.from = again ? a[i].d.state : a[i].job->d.state,
			.t = a[i].t.begin_us != 0 ? &a[i].t : NULL };
}

static int
write_rows(
    struct mftd_queue *q, const struct mftd_attempt *a, size_t n, bool again)
{
	make_rows(q, a, n, again);
	return mftd_catalog_steps(q->catalog, &q->role, q->steps, n);
}

/*
 * Acts on what was written and keeps the rest at the beginning of a, of which
 * the number is returned: an earlier attempt of theirs may have been committed
 * though its answer never came; then the row is already as we want it.
 */
static size_t
settle(struct mftd_queue *q, struct mftd_attempt *a, size_t n, bool again)
{
	size_t i, left = 0;

	for (i = 0; i < n; i++) {
		if (q->steps[i].result == 0) {
			act(&a[i]);
		} else if (again || !a[i].job->unsure) {
			let_go(a[i].job);
		} else {
			if (left < i)
				a[left] = a[i];
			left++;
		}
	}
	return left;
}

/* What follows of r, what came of q's first n steps, of these attempts.  Where
 * they were refused each is written for itself: one bad row must not hold up
 * the others. */
static int
follow(struct mftd_queue *q, struct mftd_attempt *a, size_t n, int r)
{
	bool again = false;
	size_t i;

	for (;;) {
		if (r == -MFTD_E_CATALOG && n > 1) {
			for (i = 0; i < n; i++)
				r = follow(q, &a[i], 1,
				    write_rows(q, &a[i], 1, false));
			return r;
		}
		mftd_queue_outcome(q, "step", r);
		for (i = 0; r < 0 && i < n; i++)
			a[i].job->unsure = true;
		if (r == 0)
			n = settle(q, a, n, again);
		if (r < 0 || n == 0)
			return r;
		again = true;
		r = write_rows(q, a, n, again);
	}
}

/* Of the statement that is under way. */
static int
on_catalog(int fd, int revents, void *data)
{
	struct mftd_queue *q = data;

	if (q->catalog_fd == fd && mftd_steps_take(q))
		mftd_queue_wake(q);
	return 0;
}

/* The socket is the catalog's, who may close it at any time: a copy of it is
 * watched.  False: its answer has to be waited for. */
static bool
watch(struct mftd_queue *q)
{
	int fd = mftd_catalog_fd(q->catalog);

	fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd < 0)
		return false;
	if (qb_loop_poll_add(
		q->w->loop, QB_LOOP_MED, fd, POLLIN, q, on_catalog) < 0) {
		close(fd);
		return false;
	}
	q->catalog_fd = fd;
	return true;
}

static void
unwatch(struct mftd_queue *q)
{
	qb_loop_poll_del(q->w->loop, q->catalog_fd);
	mftd_fd_close(&q->catalog_fd);
}

/* Writes n attempts at once, or begins to. */
static int
write_some(struct mftd_queue *q, size_t n)
{
	int r;

	make_rows(q, q->attempts, n, false);
	r = mftd_catalog_steps_send(q->catalog, &q->role, q->steps, n);
	if (r == 0 && watch(q)) {
		q->n_writing = n;
		return 0;
	}
	if (r == 0)
		r = mftd_catalog_steps_take(q->catalog, q->steps, n, true);
	return follow(q, q->attempts, n, r);
}

bool
mftd_steps_take(struct mftd_queue *q)
{
	size_t n = q->n_writing;
	int r;

	if (n == 0)
		return true;
	r = mftd_catalog_steps_take(q->catalog, q->steps, n, false);
	if (r == -EAGAIN)
		return false;
	unwatch(q);
	q->n_writing = 0;
	follow(q, q->attempts, n, r);
	return true;
}

void
mftd_steps_write(struct mftd_queue *q)
{
	struct mftd_job *job;
	size_t n = 0;
	int r = 0;

	TAILQ_FOREACH(job, &q->jobs, link) {
		if ((r < 0 && r != -MFTD_E_CATALOG) || q->stale ||
		    q->n_writing > 0)
			return;
		if (!job->pending)
			continue;
		if (next_row(job, &q->attempts[n]) < 0) {
			log_error("delivery %s: %s in %s refused", job->d.id,
			    mftd_delivery_event_name(job->step.event),
			    mftd_delivery_state_name(job->d.state));
			job->pending = false;
			if (job->runner != NULL)
				mftd_runner_kill(job->runner);
			continue;
		}
		if (++n == MFTD_STEPS_MAX) {
			r = write_some(q, n);
			n = 0;
		}
	}
	if (n > 0)
		write_some(q, n);
}
