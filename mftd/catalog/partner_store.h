/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PARTNER_STORE_H
#define MFTD_CATALOG_PARTNER_STORE_H

#include "mftd/catalog/db.h"
#include "mftd/catalog/objects.h"

/* Partners into the tables and out again; inside the caller's transaction.
 * 0 or a negative error; what was loaded by then belongs to o. */
int mftd_partner_put(struct mftd_catalog *c, const struct mftd_partner *p);
int mftd_partners_load(struct mftd_catalog *c, struct mftd_objects *o);

#endif
