/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_BREAKER_H
#define MFTD_OUTBOUND_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/catalog/partner_state.h"

/*
 * The circuit breaker of a partner, all of it pure.  Closed: deliveries go out.
 * Open: nothing is sent, and no delivery's tries count up for it.  Half-open: a
 * probe, which calls and logs in and does no more, is to tell.
 *
 * It is about calls.  What a partner that has let us in refuses of one file is
 * the delivery's (delivery.h), and so is a connection that breaks amid files:
 * one of them may be what breaks it.
 */
enum mftd_breaker_event {
	MFTD_BREAKER_LET_IN, /* a call was answered, and let in */
	MFTD_BREAKER_AWAY, /* nobody answers, time and again */
	MFTD_BREAKER_REFUSED, /* wrong host key, or the login refused */
	MFTD_BREAKER_DUE, /* the time of the next probe has come */
	MFTD_BREAKER_RESUME, /* a person closes it */
	MFTD_BREAKER_EVENT_COUNT
};

enum mftd_breaker_action {
	MFTD_BREAKER_NONE,
	MFTD_BREAKER_STOP, /* nothing more is sent; people are told */
	MFTD_BREAKER_PROBE, /* start one */
	MFTD_BREAKER_WAIT, /* longer, until the next one */
	MFTD_BREAKER_GO_ON, /* it is as if nothing had been */
	MFTD_BREAKER_ACTION_COUNT
};

/* The next state and the action for event in state.  -EINVAL when the event has
 * no place in that state; then *next is state and *action NONE. */
int mftd_breaker_step(enum mftd_partner_state state,
    enum mftd_breaker_event event, enum mftd_partner_state *next,
    enum mftd_breaker_action *action);

/* What a call that came to err (0: let in) says of the partner.  False:
 * nothing, it is a matter of this node. */
bool mftd_breaker_event_of(int err, enum mftd_breaker_event *event);

#define MFTD_BREAKER_WAIT_MS_MAX (75 * 60 * 1000)

/* How long to wait for the next probe when so many were in vain: about 2 s
 * doubling to 5 min where nobody answers; where only a person can help, and the
 * partner may count what it refuses, 1 min doubling to 1 h.  Each moved by up
 * to a quarter by random. */
int64_t mftd_breaker_wait_ms(
    enum mftd_partner_fault fault, uint32_t probes, uint32_t random);

#endif
