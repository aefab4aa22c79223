/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_AFTER_H
#define MFTD_CATALOG_ROUTE_AFTER_H

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Checks what a route of the file wants of its sources afterwards; account: the
 * one it takes them from.  0 or -MFTD_E_CONF. */
int mftd_route_after_check(const struct mftd_check *p,
    const struct mftd_route *r, const struct mftd_account *account);

#endif
