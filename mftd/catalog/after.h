/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_AFTER_H
#define MFTD_CATALOG_AFTER_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/catalog/catalog.h"

/*
 * What becomes of a source once it was delivered, by what the routes that took
 * it want.  Pure.
 */
enum mftd_after { /* the most careful first */
	MFTD_AFTER_KEEP,
	MFTD_AFTER_ARCHIVE,
	MFTD_AFTER_DELETE,
	MFTD_AFTER_COUNT
};

/* One destination of a source: a delivery. */
struct mftd_destination {
	char route[MFTD_NAME_BYTES];
	enum mftd_delivery_state state;
	bool unmatched; /* its route did not take the file in the end */
	enum mftd_after after;
	char archive[MFTD_PATH_BYTES]; /* template of the folder (template.h) */
	bool on_volume; /* it is below the volume, not the account's root */
};

/* "archive", as stored and configured. */
const char *mftd_after_name(enum mftd_after a);

/* The one of that name, or -EINVAL. */
int mftd_after_of(const char *name);

/*
 * What all of them together want: the most careful wish of those that got the
 * file; and KEEP when one of them is not DONE, or there are none.  *by: the one
 * whose wish it is (of several archives the first), or that keeps it; NULL:
 * there are none.
 */
enum mftd_after mftd_after_decide(const struct mftd_destination *list, size_t n,
    const struct mftd_destination **by);

#endif
