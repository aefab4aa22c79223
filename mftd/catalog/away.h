/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_AWAY_H
#define MFTD_CATALOG_AWAY_H

#include <stdint.h>

#include "mftd/catalog/catalog.h"

/*
 * Deliveries that wait because the node has not got the volume of their source.
 * Their rows are WAITING and have these words; the index delivery_away has them
 * (schema/023-volume-away.sql).
 */
#define MFTD_AWAY_TEXT "its volume is not on this node"

/* The volume is back: those of the role's queue that wait for it are due, up to
 * MFTD_AWAY_BACK_MAX at a time.  Returns how many those were, or an error. */
int mftd_catalog_away_back(struct mftd_catalog *c,
    const struct mftd_role_row *role, const char *volume, int64_t now_us);

/* MFTD_DB_AWAY_BACK. */
extern const char mftd_away_back_sql[];

#endif
