/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_POSTGRES_KEEPS_H
#define MFTD_CATALOG_POSTGRES_KEEPS_H

#include "mftd/catalog/db.h"

/* Asks for the settings by which the server may forget what it committed. */
extern const char mftd_postgres_keeps[];

/* NULL, or why by its answer, one row, it may. */
const char *mftd_postgres_forgets(const struct mftd_db_value *v);

#endif
