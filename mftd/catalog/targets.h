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
	int64_t order_us, order_off_us; /* order.h */
	const char *order_by;
	int64_t size;
	const uint8_t *sha256; /* or NULL */
	bool lost; /* there is nothing to be sent (match.h) */
};

/*
 * Makes those that are missing, gives those that have not begun the name that
 * follows from the path, and takes back those whose route does not take it any
 * more.  A name that no file can have: FAILED, until the path is another; so is
 * all of a file that is lost.
 * *waits: there are routes, but none takes it so far.  0 or a negative error.
 */
int mftd_targets_put(
    struct mftd_catalog *c, const struct mftd_candidate *f, bool *waits);

/* Takes back what has not begun; route NULL: on all routes.  A person's
 * CANCELLED stays as it is. */
int mftd_targets_cancel(struct mftd_catalog *c, const char *receipt,
    const char *route, const char *reason);

/*
 * When a file that came now may begin: when it has settled, and then at the
 * next time that its route's schedule names (NULL: it has none; zone NULL: UTC;
 * closed: as mftd_schedule_next has it).  -1: at none.  0 or an error.
 */
int mftd_targets_due(int64_t now_us, int64_t settle_s, const char *schedule,
    const char *zone, const char *closed, int64_t *due_us);

/* What a delivery of a file that is not known yet is to be. */
struct mftd_plan {
	char name[MFTD_PATH_BYTES]; /* at its destination */
	int64_t due_us;
	int64_t seq; /* the route's number of it, the next one; 0: none */
	int64_t name_key; /* versions.h */
	const char *fault; /* why it fails at once; NULL: it does not */
};

/* What route r's of the file path found at that time is to be, as of now: who
 * writes it looks that the number is still the next one (found.h).  Writes
 * nothing.  0, -ENOENT: there is no such route; or an error. */
int mftd_targets_plan(struct mftd_catalog *c, const char *route,
    const char *path, int64_t time_us, struct mftd_plan *plan);

#endif
