/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_PULL_STORE_H
#define MFTD_CATALOG_ROUTE_PULL_STORE_H

#include "mftd/catalog/db.h"
#include "mftd/catalog/objects.h"
#include "mftd/ipc/msg_fetch.h"

/* Routes that take the files of a partner's folder, in the catalog. */

/* "delete", as stored and configured; -EINVAL: no such word. */
const char *mftd_fetched_name(enum mftd_fetched f);
int mftd_fetched_of(const char *name);

/* Stores the route's, if it has one; loads those of all routes, which are
 * loaded already.  0 or a negative error. */
int mftd_route_pull_put(struct mftd_catalog *c, const struct mftd_route *r);
int mftd_route_pulls_load(struct mftd_catalog *c, struct mftd_objects *o);

/* pull may be NULL. */
void mftd_route_pull_free(struct mftd_route_pull *pull);

#endif
