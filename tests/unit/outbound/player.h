/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_OUTBOUND_PLAYER_H
#define TESTS_UNIT_OUTBOUND_PLAYER_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/outbound/deliver.h"
#include "mftd/outbound/delivery.h"
#include "tests/unit/outbound/child.h"
#include "tests/unit/outbound/partner.h"

/* Plays outbound to a deliver: keeps the rows, and kills it where it is told.
 */
#define NEVER MFTD_EVENT_COUNT

/* When to kill deliver: after the answer, once cond holds. */
struct plan {
	enum mftd_delivery_event at;
	enum moment moment;
	bool (*cond)(void *data);
};

struct world {
	struct partner partner;
	char volume[80];
	struct mftd_conf conf;
	struct mftd_lease *lease;
	struct mftd_deliver j;
	struct mftd_delivery d[MFTD_DELIVER_BATCH_MAX]; /* the rows */
	uint32_t n;
	bool settled;
	bool seen[MFTD_DELIVER_BATCH_MAX];
	int events[MFTD_EVENT_COUNT];
	int let_alone; /* the PUBLISH of this row (from 1) is refused */
	bool cancelled; /* because somebody cancelled it */
	int errs[MFTD_DELIVER_BATCH_MAX]; /* last told of each */
	char texts[MFTD_DELIVER_BATCH_MAX][MFTD_REASON_BYTES];
	int last_err;
	int settled_after; /* looks */
	/* Called when PUBLISH is written, or BEGIN, before it is answered;
	 * NULL: nothing */
	void (*amid)(struct world *w);
	bool amid_begin;
	struct steps *steps; /* what its calls are, or NULL */
	enum mftd_delivery_event steps_from; /* NEVER: from its first job on */
	char last_text[MFTD_REASON_BYTES];
};

/* A world with a partner and no rows; for cmocka. */
int world_setup(void **state);
int world_teardown(void **state);

/* A receipt with its file, and a claimed row for it: the k-th. */
void prepare_one(struct world *w, uint32_t k, const char *name, uint64_t size);

/* n files "f0", "f1", … of some KiB. */
void prepare_many(struct world *w, uint32_t n);

/* Runs one deliver with all rows that are not final as one batch, to its end or
 * to the moment to kill it. */
void run_once(struct world *w, const struct plan *plan);

/* What outbound does between two delivers: the next try, or the next look. */
void next_round(struct world *w);

/* What outbound does after a deliver has died or given up: looks at the rows
 * and tries again, up to a bound. */
void run_to_end(struct world *w, const struct plan *first);

#endif
