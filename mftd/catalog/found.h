/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_FOUND_H
#define MFTD_CATALOG_FOUND_H

#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/catalog/catalog.h"

/*
 * Files that a route finds by looking, not by an upload.  Each version of one
 * becomes a receipt of its own, of which no journal tells, and a delivery; the
 * table found remembers which, until the file is gone.  What is to be sent lies
 * at .mft/out/<receipt> before the row is written.
 *
 * All that write are guarded (catalog.h): -MFTD_E_STALE_EPOCH and nothing is
 * touched when role is not current.
 */

/* Which version of a file it is. */
struct mftd_version {
	uint64_t size;
	int64_t mtime_ns, ctime_ns; /* since the epoch */
	uint64_t inode;
};

/* Where files come from, as stored: receipt.origin. */
#define MFTD_ORIGIN_FOLDER "FOLDER"

struct mftd_found {
	const char *origin;
	const char *route;
	const char *volume; /* where it is staged */
	const char *path; /* what the route calls it: patterns, memory */
	const char *shown; /* what people are shown of where it was */
	struct mftd_version v;
	const uint8_t *sha256; /* or NULL */
	const char *receipt; /* a fresh id */
	const char *delivery; /* likewise */
	int64_t now_us; /* wall clock: when it was found */
	int64_t seq; /* its place among those found at the same time */
};

/*
 * Writes the receipt, its delivery on the route, what hooks want of it, and
 * that this version was found, as one step.  version: of the objects that found
 * was made with.  0: it is written (also when an earlier call of the same ids
 * was, whose answer was lost).  -EEXIST: this version was found before, as
 * another receipt.  -EAGAIN: the objects are of another version, or the route's
 * number was given to another file meanwhile.  After these nothing is written
 * and nothing will be, unless an earlier call of the same ids failed: then
 * mftd_found_abandon says what became of it.
 */
int mftd_found_put(struct mftd_catalog *c, const struct mftd_role_row *role,
    uint64_t version, const struct mftd_found *f);

/*
 * Whether the receipt was written: 1; else 0, and it never will be, whoever is
 * still at it: then what was staged for it may go.
 */
int mftd_found_abandon(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *receipt, int64_t now_us);

/* The file is gone: one that comes under its name is a new one.  0 or an
 * error. */
int mftd_found_forget(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *route, const char *path);

/* What a route remembers, in order of paths (as bytes), up to max behind the
 * path after ("" is before all).  Returns how many fn took, or its error. */
int mftd_found_list(struct mftd_catalog *c, const char *route,
    const char *after, size_t max,
    int (*fn)(void *data, const char *path, const struct mftd_version *v),
    void *data);

#endif
