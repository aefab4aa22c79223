/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_STEP_H
#define MFTD_OUTBOUND_STEP_H

#include "mftd/catalog/catalog.h"
#include "mftd/outbound/delivery.h"

struct mftd_job;

/* A job's step as it is being written. */
struct mftd_attempt {
	struct mftd_job *job;
	struct mftd_delivery d; /* the row as it is to be, but without its
				   directory and name */
	struct mftd_try t; /* with it, if begin_us is not 0 */
	enum mftd_delivery_action action;
	int64_t wait_ms;
};

/* What the job's pending step makes of its row.  A negative error: there is no
 * such step from the state that it is in. */
int mftd_step_make(struct mftd_job *job, struct mftd_attempt *a);

/* What follows once the row is written. */
void mftd_step_act(const struct mftd_attempt *a);

/* What follows when the row is somebody else's now. */
void mftd_step_let_go(struct mftd_job *job);

#endif
