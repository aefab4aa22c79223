/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_MATCH_H
#define MFTD_CATALOG_MATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/catalog/db.h"

/*
 * Matching a published file to the routes of its account (design section 7).
 * Called inside a FORWARD transaction.
 */

/*
 * Brings the deliveries of a receipt in line with all that is known of it now:
 * its outcome, what later happened to its inode's name, and its repetitions.
 * Does nothing while its RECEIPT or PUBLISHED has not come, when its link in
 * .mft/out is gone, once its source is being disposed of (source.h), or when
 * no route takes from its account.  One that never had a link, because its node
 * knew of no route, cannot be sent: its deliveries are FAILED.
 * Calling it again changes nothing, so the order in which streams arrive does
 * not matter.  -ENOENT: no such receipt.
 */
int mftd_match_settle(struct mftd_catalog *c, const char *receipt);

/* A file whose name stays excluded is given up after this long. */
#define MFTD_MATCH_PENDING_US ((int64_t)7 * 24 * 3600 * 1000000)

/* Whether files of that name wait for another one (default excludes). */
bool mftd_match_excluded(const char *name);

#endif
