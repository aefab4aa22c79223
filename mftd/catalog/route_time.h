/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_TIME_H
#define MFTD_CATALOG_ROUTE_TIME_H

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Checks when a route sends and what it expects, by the n calendars of the
 * file.  0, -ENOMEM or -MFTD_E_CONF. */
int mftd_route_time_check(const struct mftd_check *p,
    const struct mftd_calendar *calendars, size_t n, struct mftd_route *r);

#endif
