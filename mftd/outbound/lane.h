/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_LANE_H
#define MFTD_OUTBOUND_LANE_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/base/limits.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/steps.h"
#include "mftd/outbound/step.h"

/*
 * Lanes: how the owner of a queue writes its jobs' steps.  Where the database
 * takes statements beside one another each lane has a connection of its own, so
 * that one batch of steps is made durable while the next is written and the
 * queue claims; a job's steps follow one another, for the next one is only
 * asked for when the row has the one before.  Else there is one lane, of the
 * queue's own connection, which waits for the end of each statement.
 */

struct mftd_queue;

struct mftd_lane {
	struct mftd_queue *q;
	struct mftd_catalog *catalog; /* its own, or the queue's */
	struct mftd_attempt attempts[MFTD_STEPS_MAX];
	struct mftd_row_step steps[MFTD_STEPS_MAX]; /* of those */
	size_t n; /* of both: the statement that is under way */
	bool frees; /* it makes a row that may be claimed, or lets one go that
		       waits for it */
	int fd; /* watched meanwhile */
};

/* Opens the lanes of a queue whose epoch was just raised.  0 or an error. */
int mftd_lanes_open(struct mftd_queue *q);
void mftd_lanes_close(struct mftd_queue *q);

/* Acts on what has come of the statements that are under way. */
void mftd_lanes_take(struct mftd_queue *q);

/* Waits for the end of those after which there is more to be claimed, and acts
 * on them: what a claim finds is not in hand any more then. */
void mftd_lanes_before_claim(struct mftd_queue *q);

/* Writes the pending steps, many at a time, as far as there is a lane for them;
 * they stay pending until their statement's end is known, and while the catalog
 * is away. */
void mftd_lanes_write(struct mftd_queue *q);

#endif
