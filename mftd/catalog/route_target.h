/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_TARGET_H
#define MFTD_CATALOG_ROUTE_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Where a route leads to: a partner's folder, or an account's. */

/* Checks that it is one of both, which exists, and has directory say the folder
 * there.  0, -ENOMEM or -MFTD_E_CONF. */
int mftd_route_target_check(const struct mftd_check *p, struct mftd_route *r,
    bool has_partner, bool has_account);

#endif
