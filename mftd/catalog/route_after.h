/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_AFTER_H
#define MFTD_CATALOG_ROUTE_AFTER_H

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Checks what a route of the file wants of its sources afterwards; account: the
 * one it takes them from, or NULL.  0 or -MFTD_E_CONF. */
int mftd_route_after_check(const struct mftd_check *p,
    const struct mftd_route *r, const struct mftd_account *account);

/* Refuses routes that would take away what lies in a folder where uploads lie
 * that other routes take.  As mftd_routes_check_loops. */
int mftd_routes_check_after(struct mftd_check *p,
    const struct mftd_route *routes, size_t n, mftd_account_at_fn account,
    const void *data);

#endif
