/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_HANDLING_STORE_H
#define MFTD_CATALOG_HANDLING_STORE_H

#include "mftd/catalog/db.h"
#include "mftd/catalog/objects.h"
#include "mftd/ipc/handling.h"

/* How files are handled at a partner, as routes and deliveries keep it. */

/* Makes the MFTD_DB_HANDLING_VALUES, which point into at. */
void mftd_handling_put(struct mftd_db_value *v, const struct mftd_handling *at);

/* Makes the four values of a step. */
void mftd_progress_put(
    struct mftd_db_value *v, const struct mftd_progress *has);

/* Takes MFTD_DB_HANDLING_COLUMNS; has NULL: MFTD_DB_ROUTE_HANDLING_COLUMNS.  0
 * or -MFTD_E_CORRUPT. */
int mftd_handling_get(const struct mftd_db_value *row, struct mftd_handling *at,
    struct mftd_progress *has);

/* A route's, whose row is there.  0 or an error. */
int mftd_route_handling_put(
    struct mftd_catalog *c, const char *route, const struct mftd_handling *at);

/* Those of all routes, which are loaded already. */
int mftd_route_handlings_load(struct mftd_catalog *c, struct mftd_objects *o);

#endif
