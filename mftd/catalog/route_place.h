/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_PLACE_H
#define MFTD_CATALOG_ROUTE_PLACE_H

#include <stdbool.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

struct mftd_catalog;

/* Checks a route's runs_on and queue, and makes a queue of them: conf/place.h
 * has those of places.  0, -MFTD_E_CONF or -ENOMEM. */
int mftd_route_place_check(const struct mftd_check *p, struct mftd_route *r);

/* Whether anybody needs that place: a route names it, or a delivery waits
 * there.  Costs no more with a long history.  0, or as in catalog.h. */
int mftd_catalog_place_needed(
    struct mftd_catalog *c, const char *queue, bool *out);

#endif
