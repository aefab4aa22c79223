/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_TARGETS_H
#define MFTD_CATALOG_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/catalog/db.h"

/*
 * The deliveries of a published file: one for each route of its account that
 * takes it by its path.  Called inside a FORWARD transaction.
 */
struct mftd_candidate {
	const char *receipt, *account, *volume;
	const char *path; /* as it is now, below the account's root */
	int64_t time_us; /* of the upload */
	int64_t seq; /* its receipt's in its stream */
	int64_t size;
	const uint8_t *sha256; /* or NULL */
};

/*
 * Makes those that are missing, gives those that have not begun the name that
 * follows from the path, and takes back those whose route does not take it any
 * more.  A name that no file can have: FAILED, until the path is another.
 * *waits: there are routes, but none takes it so far.  0 or a negative error.
 */
int mftd_targets_put(
    struct mftd_catalog *c, const struct mftd_candidate *f, bool *waits);

/* Takes back what has not begun; route NULL: on all routes.  A person's
 * CANCELLED stays as it is. */
int mftd_targets_cancel(struct mftd_catalog *c, const char *receipt,
    const char *route, const char *reason);

#endif
