/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_DUE_H
#define MFTD_CATALOG_DUE_H

#include <stdint.h>

#include "mftd/catalog/catalog.h"

/*
 * When a delivery is due says a clock: that of the database, or of an owner of
 * its queue.  One that was ahead, and was set back, would leave it waiting for
 * as long.  So what waits for more than it can have been asked to is due
 * earlier:
 *
 * - one that was tried, or put back, waits for no more than the longest
 * backoff;
 * - one that was not waits no longer than a file that came now on its route.
 *
 * Claims know nothing of that: it is looked for now and then, from partner to
 * partner, behind what is due in the two indexes that claims go along.
 */

/*
 * Looks at up to MFTD_DUE_PARTNERS_MAX of the partners of the role's queue, the
 * next ones behind `at`, which moves on: "" is before the first, and behind the
 * last again.  wait_us: the longest backoff.  Of each partner it looks at no
 * more than MFTD_DUE_ROWS_MAX, and moves no more of a route.  Returns how many
 * it has moved, or an error: -MFTD_E_STALE_EPOCH, or another of the catalog's.
 */
int mftd_catalog_due_look(struct mftd_catalog *c,
    const struct mftd_role_row *role, int64_t now_us, int64_t wait_us,
    char at[MFTD_TARGET_BYTES]);

/* MFTD_DB_DUE. */
extern const char mftd_due_sql[];

#endif
