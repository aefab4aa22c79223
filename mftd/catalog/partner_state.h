/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PARTNER_STATE_H
#define MFTD_CATALOG_PARTNER_STATE_H

#include "mftd/catalog/catalog.h"

/*
 * The circuit breaker of a partner, as one queue has found it: while it is not
 * closed nothing is sent there.  What becomes of it when is outbound/breaker.h.
 */
enum mftd_partner_state {
	MFTD_PARTNER_CLOSED,
	MFTD_PARTNER_OPEN,
	MFTD_PARTNER_HALF_OPEN, /* a probe is on its way */
	MFTD_PARTNER_STATE_COUNT
};

/* "half-open", as stored. */
const char *mftd_partner_state_name(enum mftd_partner_state s);

/* Why it is not closed. */
enum mftd_partner_fault {
	MFTD_FAULT_AWAY, /* nobody answers */
	MFTD_FAULT_REFUSED, /* host key, login: only a person can mend it */
	MFTD_FAULT_COUNT
};

/* "away", as stored. */
const char *mftd_partner_fault_name(enum mftd_partner_fault f);

struct mftd_partner_row {
	char queue[MFTD_NAME_BYTES]; /* as read back */
	char partner[MFTD_NAME_BYTES];
	enum mftd_partner_state state;
	enum mftd_partner_fault fault;
	int64_t since_us; /* in that state or, open, not closed */
	char reason[MFTD_REASON_BYTES];
	uint32_t probes; /* in vain */
	int64_t probe_us; /* when the next one is due, wall clock */
};

/*
 * Moves the row of p->partner from `from` to p->state, in one guarded statement
 * as those of catalog.h are; one that is in p->state already, for an answer was
 * lost, is written once more.  No row is one that is closed.  The same
 * statement writes the event that it was stopped, or is back, if a hook wants
 * it (event.h). -ENOENT: it is in another state, a person has moved it;
 * -MFTD_E_STALE_EPOCH.
 */
int mftd_catalog_partner_step(struct mftd_catalog *c,
    const struct mftd_role_row *role, const struct mftd_partner_row *p,
    enum mftd_partner_state from);

/* Calls fn for each row, or just for those of a queue that are not closed
 * (queue not NULL), by partner and queue.  A negative return of fn ends the
 * list and is returned.  fn must not use c. */
int mftd_catalog_partner_states(struct mftd_catalog *c, const char *queue,
    int (*fn)(void *data, const struct mftd_partner_row *p), void *data);

/* By hand: closes the partner in all queues; reason says who.  Needs no role:
 * its owner looks, and finds at its next step that it is in another state.
 * Writes the event that it is back, if a hook wants it.
 * Returns in how many it was not closed. */
int mftd_catalog_partner_resume(
    struct mftd_catalog *c, const char *partner, const char *reason);

/* In a transaction: somebody wants the delivery tried again, so that a probe of
 * its partner, if that is open, is due. */
int mftd_partner_state_ask(struct mftd_catalog *c, const char *delivery);

#endif
