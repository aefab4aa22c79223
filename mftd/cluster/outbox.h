/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_OUTBOX_H
#define MFTD_CLUSTER_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/cluster/wire.h"

/*
 * This node's numbered messages until they are seen delivered.  CS_OK of CPG is
 * not "sent", so what is not seen in time is sent again, with all after it;
 * the table takes numbers only in turn, so that changes nothing.
 */
struct mftd_saying {
	TAILQ_ENTRY(mftd_saying) entry;
	struct mftd_gm m;
};

struct mftd_outbox {
	TAILQ_HEAD(, mftd_saying) queue;
	struct mftd_saying *unsent; /* first that is to be sent; or NULL */
	size_t n, n_sent;
	uint64_t number; /* the last one given */
	int64_t progress_ms; /* when the first was sent, or became first */
};

#define MFTD_OUTBOX_WINDOW 64 /* sent and not yet delivered */

void mftd_outbox_init(struct mftd_outbox *o);
void mftd_outbox_clear(struct mftd_outbox *o);

/* Numbers m (copied) and puts it at the end.  0, -ENOBUFS, -ENOMEM. */
int mftd_outbox_put(struct mftd_outbox *o, const struct mftd_gm *m);

/* What is to be sent next, or NULL; with all the window does not count.
 * mftd_outbox_sent says that it was. */
const struct mftd_gm *mftd_outbox_next(const struct mftd_outbox *o, bool all);
void mftd_outbox_sent(struct mftd_outbox *o, int64_t now_ms);

/* Number was delivered and applied. */
void mftd_outbox_delivered(
    struct mftd_outbox *o, uint64_t number, int64_t now_ms);

/* Sends again from the first when nothing was delivered for ms. */
void mftd_outbox_repeat(struct mftd_outbox *o, int64_t now_ms, int ms);

#endif
