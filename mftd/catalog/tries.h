/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_TRIES_H
#define MFTD_CATALOG_TRIES_H

#include "mftd/catalog/catalog.h"

/*
 * How the row of a try is written: INTO, the values in this order, UPSERT.  A
 * try whose row is there goes on: who ends it may be another owner, who knows
 * neither when it began nor how far it came.
 */
#define MFTD_TRY_INTO                                                  \
	"INSERT INTO delivery_try AS t (delivery, slot, n, begin_us, " \
	"end_us, host, bytes, outcome, error) "
#define MFTD_TRY_UPSERT                                                      \
	" ON CONFLICT (delivery, slot) DO UPDATE SET n = excluded.n, "       \
	"begin_us = CASE WHEN t.n = excluded.n THEN t.begin_us "             \
	"ELSE excluded.begin_us END, end_us = excluded.end_us, "             \
	"host = CASE WHEN t.n = excluded.n AND excluded.host = '' "          \
	"THEN t.host ELSE excluded.host END, "                               \
	"bytes = CASE WHEN t.n = excluded.n AND t.bytes > excluded.bytes "   \
	"THEN t.bytes ELSE excluded.bytes END, outcome = excluded.outcome, " \
	"error = excluded.error"

/* Calls fn for each try of the delivery that is kept, the newest last.  A
 * negative return of fn ends the list and is returned.  fn must not use c.
 * Errors as in catalog.h. */
int mftd_catalog_tries(struct mftd_catalog *c, const char *delivery,
    int (*fn)(void *data, const struct mftd_try *t), void *data);

/* In a transaction: ends the delivery's last try, if nobody has, with that
 * outcome. */
int mftd_try_end(
    struct mftd_catalog *c, const char *delivery, const char *outcome);

#endif
