/* Part of mftd; see LICENSE. */
#include "mftd/outbound/due.h"

#include "mftd/base/clock.h"
#include "mftd/catalog/due.h"
#include "mftd/outbound/delivery.h"

#define LOOK_MS 10000
#define AGAIN_MS 1000 /* there were some, and may be more */

void
mftd_due_work(struct mftd_queue *q)
{
	int64_t now_ms = mftd_clock_ms();
	int r;

	if (now_ms < q->due_ms || q->trouble[0] != '\0' ||
	    !mftd_lease_held(q->w->lease))
		return;
	r = mftd_queue_outcome(q, "due",
	    mftd_catalog_due_look(q->catalog, &q->role, mftd_clock_wall_us(),
		MFTD_DELIVERY_WAIT_MS_MAX * INT64_C(1000), q->due));
	q->due_ms = now_ms + (r > 0 ? AGAIN_MS : LOOK_MS);
	if (r > 0) {
		q->claim_ms = q->vain_ms = 0;
		mftd_queue_wake(q);
	}
}
