/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_PLACE_H
#define MFTD_CATALOG_ROUTE_PLACE_H

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Checks a route's runs_on and queue, and makes a queue of them: conf/place.h
 * has those of places.  0, -MFTD_E_CONF or -ENOMEM. */
int mftd_route_place_check(const struct mftd_check *p, struct mftd_route *r);

#endif
