/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_FOUND_SQL_H
#define MFTD_CATALOG_FOUND_SQL_H

#include "mftd/catalog/db.h"

/*
 * MFTD_DB_FOUND for each of the two databases (parameters: db.h).  In this
 * order, and each only if the one before it was done: the objects are of that
 * version and the file's version is not known; the route's number is the next
 * one; it is remembered; the receipt with its events; the delivery, whose id is
 * the row.
 */
extern const char mftd_found_postgres[];

/* Inside a transaction that has looked at the role row; as db->ops->run. */
int mftd_found_sqlite(struct mftd_db *db, const struct mftd_db_value *v,
    mftd_db_row_fn row, void *data);

/* Rows of mftd_db_common_sql.  What is to be abandoned gets a receipt that says
 * so: whoever still writes one of that id, in a session that nobody waits for
 * any more, fails. */
#define MFTD_FOUND_ABANDON_SQL                                           \
	"INSERT INTO receipt (id, outcome, reason, outcome_us, origin, " \
	"released) SELECT CAST($4 AS TEXT), 'ABANDONED', "               \
	"'never found', CAST($5 AS BIGINT), 'FOLDER', 1 FROM r "         \
	"WHERE true ON CONFLICT (id) DO UPDATE SET "                     \
	"released = receipt.released RETURNING outcome"
#define MFTD_FOUND_FORGET_SQL                               \
	"DELETE FROM found WHERE EXISTS (SELECT 1 FROM r) " \
	"AND route = $4 AND path = $5 RETURNING route"

#endif
