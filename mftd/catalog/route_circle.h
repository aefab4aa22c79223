/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_CIRCLE_H
#define MFTD_CATALOG_ROUTE_CIRCLE_H

#include <stddef.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/*
 * Refuses routes by which a file would come back to where it came from, by
 * however many of them, and names those.  A route leads to an account, a
 * partner's folder, the archive of its sources, and where a fetched file is
 * moved to; another one goes on from there if it takes the uploads of that
 * account or looks into a folder of it, fetches from that folder, or looks into
 * that archive.  What patterns they have does not count, nor what names their
 * templates make: what they take today they may not take tomorrow.  An archive
 * whose path has a date in it is each folder that it may be.
 *
 * p->index is this call's.  0, -ENOMEM or -MFTD_E_CONF.
 */
int mftd_routes_check_loops(struct mftd_check *p,
    const struct mftd_route *routes, size_t n, mftd_account_at_fn account,
    const void *data);

#endif
