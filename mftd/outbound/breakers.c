/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/outbound/known.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"

/*
 * The circuit breakers of a queue's partners.  The list has those that are not
 * closed, and those of which a call was in vain lately.  What is decided counts
 * at once; it is written as soon as the catalog can be had, and a probe starts
 * only when it is written.
 */

static struct mftd_breaker *
find(const struct mftd_queue *q, const char *partner)
{
	struct mftd_breaker *b;

	TAILQ_FOREACH(b, &q->breakers, link)
		if (strcmp(b->row.partner, partner) == 0)
			return b;
	return NULL;
}

static struct mftd_breaker *
find_or_add(struct mftd_queue *q, const char *partner)
{
	struct mftd_breaker *b = find(q, partner);

	if (b != NULL)
		return b;
	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return NULL;
	b->row.state = b->written = MFTD_PARTNER_CLOSED;
	snprintf(b->row.partner, sizeof(b->row.partner), "%s", partner);
	TAILQ_INSERT_TAIL(&q->breakers, b, link);
	return b;
}

static void
forget(struct mftd_queue *q, struct mftd_breaker *b)
{
	TAILQ_REMOVE(&q->breakers, b, link);
	free(b);
}

/* ---- what becomes of one */

/* People are told of a partner that was stopped here: once each time, and once
 * more when it was only away and then refuses us.  Hooks are, by the same rule,
 * where its row is written (catalog/partner_sql.c). */
static void
alert(const struct mftd_breaker *b)
{
	log_error("partner %s is stopped (%s): %s", b->row.partner,
	    mftd_partner_fault_name(b->row.fault), b->row.reason);
}

/* The next probe's time, which the row keeps for who comes after us. */
static void
set_probe(struct mftd_breaker *b)
{
	int64_t ms = mftd_breaker_wait_ms(
	    b->row.fault, b->row.probes, mftd_job_any_number());

	b->probe_ms = mftd_clock_ms() + ms;
	b->row.probe_us = mftd_clock_wall_us() + ms * 1000;
}

/* A probe was in vain.  Where nobody answers now, what was refused before still
 * is. */
static void
wait_longer(
    struct mftd_breaker *b, enum mftd_partner_fault fault, const char *reason)
{
	bool news = fault > b->row.fault;

	b->row.probes = news ? 0 : b->row.probes + 1;
	if (fault >= b->row.fault) {
		b->row.fault = fault;
		snprintf(b->row.reason, sizeof(b->row.reason), "%s", reason);
	}
	set_probe(b);
	if (news)
		alert(b);
}

static void
act(struct mftd_breaker *b, enum mftd_breaker_action action,
    enum mftd_partner_fault fault, const char *reason)
{
	switch (action) {
	case MFTD_BREAKER_STOP:
		b->row.since_us = mftd_clock_wall_us();
		b->row.probes = 0;
		b->row.fault = fault;
		snprintf(b->row.reason, sizeof(b->row.reason), "%s", reason);
		set_probe(b);
		alert(b);
		break;
	case MFTD_BREAKER_WAIT:
		wait_longer(b, fault, reason);
		break;
	case MFTD_BREAKER_GO_ON:
		b->row.since_us = mftd_clock_wall_us();
		b->row.reason[0] = '\0';
		b->row.probes = b->calls = 0;
		log_info("partner %s goes on", b->row.partner);
		break;
	default:
		break;
	}
}

/* The one place where its state changes. */
static void
step(struct mftd_breaker *b, enum mftd_breaker_event event, const char *reason)
{
	enum mftd_partner_fault fault = event == MFTD_BREAKER_REFUSED
	    ? MFTD_FAULT_REFUSED
	    : MFTD_FAULT_AWAY;
	enum mftd_partner_state next;
	enum mftd_breaker_action action;

	if (mftd_breaker_step(b->row.state, event, &next, &action) < 0 ||
	    action == MFTD_BREAKER_NONE)
		return;
	log_debug("partner %s: %s -> %s", b->row.partner,
	    mftd_partner_state_name(b->row.state),
	    mftd_partner_state_name(next));
	b->row.state = next;
	b->pending = true;
	b->probing = false;
	act(b, action, fault, reason);
}

/* A person has closed it: the row says so already. */
static void
resume(struct mftd_breaker *b)
{
	step(b, MFTD_BREAKER_RESUME, "");
	b->written = MFTD_PARTNER_CLOSED;
	b->pending = false;
}

void
mftd_breakers_called(
    struct mftd_queue *q, const char *partner, int err, const char *why)
{
	enum mftd_breaker_event event;
	struct mftd_breaker *b;

	if (!mftd_breaker_event_of(err, &event)) {
		b = find(q, partner);
		/* a probe has to be told all the same */
		if (b != NULL && b->row.state == MFTD_PARTNER_HALF_OPEN)
			step(b, MFTD_BREAKER_AWAY, why);
		return;
	}
	b = err == 0 ? find(q, partner) : find_or_add(q, partner);
	if (b == NULL)
		return;
	b->calls = err == 0 ? 0 : b->calls + 1;
	/* one in vain may be chance: a server that has too many just then */
	if (event == MFTD_BREAKER_AWAY && b->row.state == MFTD_PARTNER_CLOSED &&
	    b->calls < MFTD_PARTNER_CALLS_MAX)
		return;
	step(b, event, why);
}

/* ---- asked by others */

const char *
mftd_breaker_stops(const struct mftd_queue *q, const char *partner)
{
	const struct mftd_breaker *b = find(q, partner);

	return b != NULL && b->row.state != MFTD_PARTNER_CLOSED ? b->row.reason
								: NULL;
}

bool
mftd_breaker_is_away(const struct mftd_queue *q, const char *partner)
{
	const struct mftd_breaker *b = find(q, partner);

	return b != NULL && b->row.state != MFTD_PARTNER_CLOSED && b->calls > 0;
}

int64_t
mftd_breaker_backoff_ms(const struct mftd_queue *q, const char *partner)
{
	const struct mftd_breaker *b = find(q, partner);

	if (mftd_unknown_is_noted(q, partner) ||
	    (b != NULL && b->row.state != MFTD_PARTNER_CLOSED))
		return 0; /* it goes on when the partner does */
	return mftd_delivery_backoff_ms(
	    b != NULL ? b->calls : 1, mftd_job_any_number());
}

void
mftd_breakers_print(const struct mftd_queue *q, FILE *f)
{
	const struct mftd_breaker *b;

	TAILQ_FOREACH(b, &q->breakers, link)
		if (b->row.state != MFTD_PARTNER_CLOSED)
			fprintf(f, "%s ", b->row.partner);
}

/* ---- rows */

/* A row as it was read.  A probe of an owner that is gone told nobody what it
 * found: the next one is due. */
static int
take_row(void *data, const struct mftd_partner_row *row)
{
	struct mftd_queue *q = data;
	struct mftd_breaker *b = find_or_add(q, row->partner);
	int64_t left_ms = (row->probe_us - mftd_clock_wall_us()) / 1000;

	if (b == NULL)
		return -ENOMEM;
	b->seen = true;
	if (b->pending || b->row.state == MFTD_PARTNER_HALF_OPEN)
		return 0; /* we know more */
	b->row = *row;
	b->written = row->state;
	b->row.state = MFTD_PARTNER_OPEN;
	/* also if the clocks of two nodes, or of one at two times, differ */
	if (row->state == MFTD_PARTNER_HALF_OPEN || left_ms < 0 ||
	    left_ms > MFTD_BREAKER_WAIT_MS_MAX)
		left_ms = 0;
	b->probe_ms = mftd_clock_ms() + left_ms;
	return 0;
}

int
mftd_breakers_read(struct mftd_queue *q)
{
	struct mftd_breaker *b, *next;
	int r;

	TAILQ_FOREACH(b, &q->breakers, link)
		b->seen = false;
	r = mftd_queue_outcome(q, "partner states",
	    mftd_catalog_partner_states(
		q->catalog, q->w->instance, take_row, q));
	if (r < 0)
		return r;
	for (b = TAILQ_FIRST(&q->breakers); b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (!b->seen && !b->pending)
			resume(b);
		if (!b->pending && b->calls == 0 &&
		    b->row.state == MFTD_PARTNER_CLOSED)
			forget(q, b);
	}
	return 0;
}

static void
write_one(struct mftd_queue *q, struct mftd_breaker *b)
{
	int r = mftd_catalog_partner_step(
	    q->catalog, &q->role, &b->row, b->written);

	if (r == -ENOENT) {
		resume(b);
		return;
	}
	if (mftd_queue_outcome(q, "partner state", r) < 0)
		return;
	b->written = b->row.state;
	b->pending = false;
}

/* ---- probes */

/* A due probe is written first, and started then: also if the answer to the
 * writing was lost meanwhile. */
static void
probe(struct mftd_queue *q, struct mftd_breaker *b)
{
	int r;

	if (b->row.state == MFTD_PARTNER_OPEN) {
		step(b, MFTD_BREAKER_DUE, "");
		write_one(q, b);
	}
	if (b->pending || b->row.state != MFTD_PARTNER_HALF_OPEN)
		return;
	r = mftd_runner_probe(q, b->row.partner);
	if (r == -ENOENT) /* it is not configured, and its deliveries wait */
		step(b, MFTD_BREAKER_RESUME, "");
	else if (r < 0)
		step(b, MFTD_BREAKER_AWAY, mftd_strerror(r));
	else
		b->probing = true;
}

/* Whether one is to be probed now. */
static bool
is_due(const struct mftd_breaker *b)
{
	if (b->row.state == MFTD_PARTNER_HALF_OPEN)
		return !b->probing;
	return b->row.state == MFTD_PARTNER_OPEN &&
	    mftd_clock_ms() >= b->probe_ms;
}

bool
mftd_breakers_want_probe(const struct mftd_queue *q)
{
	const struct mftd_breaker *b;

	TAILQ_FOREACH(b, &q->breakers, link)
		if (is_due(b))
			return true;
	return false;
}

void
mftd_breakers_work(struct mftd_queue *q)
{
	struct mftd_breaker *b;

	TAILQ_FOREACH(b, &q->breakers, link) {
		if (b->pending && !q->stale)
			write_one(q, b);
		if (!b->pending && !q->stale && is_due(b) &&
		    mftd_lease_held(q->w->lease) && mftd_runner_may_probe(q))
			probe(q, b);
	}
}

void
mftd_breakers_ask(struct mftd_queue *q)
{
	struct mftd_breaker *b;

	TAILQ_FOREACH(b, &q->breakers, link) {
		if (b->row.state != MFTD_PARTNER_OPEN)
			continue;
		b->probe_ms = b->row.probe_us = 0;
		b->pending = true;
	}
}

void
mftd_breakers_free(struct mftd_queue *q)
{
	struct mftd_breaker *b;

	while ((b = TAILQ_FIRST(&q->breakers)) != NULL)
		forget(q, b);
}
