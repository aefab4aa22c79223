/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_POSTGRES_STEPS_H
#define MFTD_CATALOG_POSTGRES_STEPS_H

#include "mftd/catalog/db.h"

/* How a guarded statement begins and ends.  FOR SHARE: at READ COMMITTED a
 * plain look at the role row is of the statement's snapshot, and a statement
 * that waited for a row lock would write after another owner has raised the
 * epoch.  The first column says whether the role row was there; MATERIALIZED
 * keeps the lock ahead of the rest. */
#define ROLE_ROW                                                    \
	"WITH RECURSIVE r AS MATERIALIZED (SELECT queue FROM role " \
	"WHERE queue = $1 AND epoch = $2 AND owner = $3 FOR SHARE), "
#define WITH_ROLE                                                       \
	" SELECT (SELECT count(*) FROM r), u.* FROM (SELECT 1) AS one " \
	"LEFT JOIN u ON true"

/*
 * The text of MFTD_DB_STEPS for those n parameters in all; the caller frees it.
 * NULL without memory.  One statement whatever their number: it is planned
 * once, takes one round trip and one commit, and needs no transaction that a
 * client which stops in its midst would leave open.  events: it also writes
 * those that hooks want, which makes it dearer to plan.
 */
char *mftd_postgres_steps(const struct mftd_db_value *v, int n, bool events);

/* The text of one of mftd_db_common_sql, likewise. */
char *mftd_postgres_common(enum mftd_db_guarded which);

#endif
