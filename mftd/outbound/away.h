/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_AWAY_H
#define MFTD_OUTBOUND_AWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/outbound/queue.h"

/*
 * Deliveries whose volume this node has not got: not in its configuration, or
 * nothing is mounted there.  Nothing was done for them, so that is no try. They
 * wait for long, but one of each volume comes back soon; as soon as one has
 * begun all others of it are due.
 */

/* The words of the row, and the error of the step that puts it back. */
#define MFTD_AWAY_ERR (-ENODEV)

/* Puts the job back for it. */
void mftd_away_put_back(struct mftd_job *job);

/* Whether that is the job's step. */
bool mftd_away_is_step(const struct mftd_job *job);

/* How long it waits.  Called again for the same one it says the same. */
int64_t mftd_away_wait_ms(struct mftd_queue *q, const struct mftd_delivery *d);

/* The job's step is written, its row has still the words of before: when those
 * were these, and it has begun now, the others are to follow. */
void mftd_away_note(const struct mftd_job *job);

/* Has them follow, some at a time. */
void mftd_away_work(struct mftd_queue *q);

#endif
