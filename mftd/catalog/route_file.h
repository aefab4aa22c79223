/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_FILE_H
#define MFTD_CATALOG_ROUTE_FILE_H

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Checks what a route of an objects file says of itself alone: which files it
 * takes, how it calls them, which go first.  0 or -MFTD_E_CONF. */
int mftd_route_file_check(
    const struct mftd_check *p, const struct mftd_route *r);

#endif
