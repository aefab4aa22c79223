/* Part of mftd; see LICENSE. */
#include "mftd/outbound/step.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/catalog/person.h"
#include "mftd/outbound/away.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"
#include "mftd/outbound/unseen.h"

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
	job->wait_ms = 0;
}

/* Nothing was renamed yet: what it has sent stays there as if its deliver had
 * died. */
static void
refuse_name(struct mftd_job *job)
{
	job->step.event = MFTD_EVENT_RETRY;
	job->step.err = -EAGAIN;
	snprintf(job->step.text, sizeof(job->step.text), "%s",
	    "another delivery is at the name that it would have");
	mftd_runner_answer(job, -EAGAIN, true);
}

void
mftd_job_said(struct mftd_job *job, const struct mftd_msg_deliver_step *head,
    const struct mftd_msg_step *s)
{
	job->step = *s;
	snprintf(job->host, sizeof(job->host), "%s", head->host);
	job->pending = job->asked = true;
	job->unsure = false;
	job->wait_ms = 0;
	job->not_called = head->called == MFTD_CALLED_IN_VAIN &&
	    (s->event == MFTD_EVENT_PUT_BACK ||
		mftd_breaker_stops(job->q, job->d.partner) != NULL);
	if (s->event == MFTD_EVENT_PUBLISH &&
	    !mftd_job_may_be_called(job, s->has.number))
		refuse_name(job);
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

/* We ended that try ourselves, for another configuration: it is not the last
 * one, and the next need not wait for long. */
static bool
is_excused(const struct mftd_job *job)
{
	return job->step.event == MFTD_EVENT_RETRY &&
	    job->step.err == -ECANCELED;
}

static int64_t
wait_after(const struct mftd_job *job, enum mftd_delivery_action action)
{
	if (action != MFTD_ACTION_BACKOFF && action != MFTD_ACTION_EVIDENCE)
		return 0;
	if (mftd_away_is_step(job))
		return mftd_away_wait_ms(job->q, &job->d);
	if (job->not_called && job->wait_ms > 0)
		return job->wait_ms;
	if (job->not_called)
		return mftd_breaker_backoff_ms(job->q, job->d.partner);
	if (is_excused(job))
		return mftd_delivery_backoff_ms(1, mftd_job_any_number());
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
	if (is_excused(job))
		return event;
	mftd_hours_read(&job->q->hours);
	if (!mftd_delivery_is_spent(
		d, mftd_hours_since_us(&job->q->hours, d->first_us)))
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
	uint32_t tries = d->tries - d->tries_before;

	if (event == MFTD_EVENT_DOUBT)
		snprintf(d->error, sizeof(d->error),
		    "%.190s; say which by mftctl delivery resolve", text);
	else if (event == (enum mftd_delivery_event)job->step.event)
		snprintf(d->error, sizeof(d->error), "%s", text);
	else
		snprintf(d->error, sizeof(d->error),
		    "given up after %u %s: %.200s", tries,
		    tries == 1 ? "try" : "tries", text);
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
	    job->d.state == MFTD_DELIVERY_DELIVERED || /* it has ended */
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

/* All but its directory and name, which no step changes, and which are most of
 * it: there are three steps of each delivery, and one process to write them. */
static void
copy_row(struct mftd_delivery *to, const struct mftd_delivery *from)
{
	memcpy(to, from, offsetof(struct mftd_delivery, directory));
}

/* Where nothing comes after DELIVERED the row is DONE with it. */
int
mftd_step_make(struct mftd_job *job, struct mftd_attempt *a)
{
	const struct mftd_msg_step *s = &job->step;
	struct mftd_delivery *d = &a->d;
	enum mftd_delivery_event event;
	enum mftd_delivery_state next;
	int r;

	copy_row(d, &job->d);
	d->directory[0] = d->name[0] = '\0';
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
	copy_row(&job->d, d);
}

void
mftd_step_act(const struct mftd_attempt *a)
{
	struct mftd_job *job = a->job;

	mftd_away_note(job);
	set_row(job, &a->d);
	job->pending = job->unsure = false;
	job->seen |= job->step.seen != 0;
	if (a->action == MFTD_ACTION_EVIDENCE) {
		job->rounds += !job->not_called;
		mftd_unseen_note(job);
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

void
mftd_step_let_go(struct mftd_job *job)
{
	int err =
	    job->runner != NULL && is_cancelled(job) ? -ECANCELED : -ENOENT;

	log_warn("delivery %s is no longer %s: let go", job->d.id,
	    mftd_delivery_state_name(job->d.state));
	job->pending = job->unsure = false;
	job->d.state = MFTD_DELIVERY_HELD; /* not ours, as it were */
	mftd_runner_answer(job, err, true);
}
