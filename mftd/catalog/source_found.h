/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_SOURCE_FOUND_H
#define MFTD_CATALOG_SOURCE_FOUND_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/catalog/db.h"
#include "mftd/catalog/found.h"

/*
 * Sources that were found in a folder.  Each route that looks there has a
 * receipt of its own, so the destinations of one file are those of several
 * receipts: of each route that would take its name, with that very version.
 */
struct mftd_source_found {
	struct mftd_version v; /* that was found */
	char folder[MFTD_PATH_BYTES]; /* where it lies, below the volume */
	char route[MFTD_NAME_BYTES]; /* that found it */
	char keeper[MFTD_NAME_BYTES]; /* another one that keeps it; "": none */
	bool waits; /* another one has not found it so far */
	char (*others)[MFTD_ID_BYTES]; /* its other receipts */
	size_t n;
};

/*
 * What is known of the file of a receipt, which lies at path below the volume.
 * -ENOENT: it is not what has its name, as far as looks have seen.  -EALREADY:
 * it was settled with another route's.  0 or another error.  Whatever comes
 * back: free it.
 */
int mftd_source_found_get(struct mftd_catalog *c, const char *receipt,
    const char *volume, const char *path, struct mftd_source_found *out);
void mftd_source_found_free(struct mftd_source_found *s);

/* It is done for this receipt: nothing more is to be done for the others. */
int mftd_source_found_settle(
    struct mftd_catalog *c, const struct mftd_source_found *s);

/* It waits for another route.  The last of them finds all there and does not
 * wait, so this is for what may change besides, and is asked less and less
 * often.  time_us: when it was found. */
int mftd_source_found_wait(
    struct mftd_catalog *c, const char *receipt, int64_t time_us);

#endif
