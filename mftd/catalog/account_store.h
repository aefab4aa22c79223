/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ACCOUNT_STORE_H
#define MFTD_CATALOG_ACCOUNT_STORE_H

#include "mftd/catalog/db.h"
#include "mftd/catalog/objects.h"

/* Accounts into the tables and out again; inside the caller's transaction.
 * 0 or a negative error; what was loaded by then belongs to o. */
int mftd_account_put(struct mftd_catalog *c, const struct mftd_account *a);
int mftd_accounts_load(struct mftd_catalog *c, struct mftd_objects *o);

#endif
