/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_FOLDER_STORE_H
#define MFTD_CATALOG_ROUTE_FOLDER_STORE_H

#include "mftd/catalog/db.h"
#include "mftd/catalog/objects.h"

/* Stores the route's folder, if it has one; loads those of all routes, which
 * are loaded already.  0 or a negative error. */
int mftd_route_folder_put(struct mftd_catalog *c, const struct mftd_route *r);
int mftd_route_folders_load(struct mftd_catalog *c, struct mftd_objects *o);

#endif
