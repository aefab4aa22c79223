/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_DUE_H
#define MFTD_OUTBOUND_DUE_H

#include "mftd/outbound/queue.h"

/* Has what waits for a clock that was set back, and for nothing else, due
 * (catalog/due.h): some partners' at a time. */
void mftd_due_work(struct mftd_queue *q);

#endif
