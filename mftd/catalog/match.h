/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_MATCH_H
#define MFTD_CATALOG_MATCH_H

#include <stdbool.h>

#include "mftd/catalog/db.h"

/*
 * Matching a published file to the routes of its account (design section 7).
 * Called inside a FORWARD transaction.
 */

/*
 * Brings the deliveries of a receipt in line with all that is known of it now:
 * its outcome, what later happened to its inode's name, and its repetitions.
 * Does nothing while its RECEIPT or PUBLISHED has not come, or when it has no
 * link in .mft/out (any more).  Calling it again changes nothing, so the order
 * in which streams arrive does not matter.  -ENOENT: no such receipt.
 */
int mftd_match_settle(struct mftd_catalog *c, const char *receipt);

/* Whether files of that name wait for another one (default excludes). */
bool mftd_match_excluded(const char *name);

#endif
