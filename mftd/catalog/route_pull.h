/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_PULL_H
#define MFTD_CATALOG_ROUTE_PULL_H

#include <stdbool.h>

#include <cyaml/cyaml.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Routes that take the files of a partner's folder. */

/* The "from_partner" of a route in an objects file. */
extern const cyaml_schema_field_t mftd_route_pull_fields[];

/* Checks that of the route at p->index, if it has one, against the others that
 * stand before it; fills in what the file leaves away.  has_partner: its
 * partner exists.  0 or -MFTD_E_CONF. */
int mftd_route_pull_check(
    const struct mftd_check *p, struct mftd_route *routes, bool has_partner);

#endif
