/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_POSTGRES_STEPS_H
#define MFTD_CATALOG_POSTGRES_STEPS_H

#include <stdbool.h>

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
 * MFTD_DB_STEPS.  Behind the role's values it has an array for each value of a
 * step, so it is one statement whatever the number of steps: it is parsed and
 * planned once for a connection, takes one round trip and one commit, and needs
 * no transaction that a client which stops in its midst would leave open.
 */
extern const char mftd_postgres_steps[];

/* The same where some of the deliveries come to an end that a hook may want:
 * it writes those events, which makes it dearer to plan.  Behind the arrays it
 * has the time. */
extern const char mftd_postgres_steps_events[];

/* Whether some do. */
bool mftd_postgres_some_end(const struct mftd_db_value *v, int n);

#define MFTD_POSTGRES_STEPS_VALUES (MFTD_DB_ROLE_VALUES + MFTD_DB_STEP_VALUES)

/* Makes the statement's values of those that db.h names, n of them: of the
 * role, and the arrays, as the server reads them.  0 or -ENOMEM; then too the
 * caller has them freed. */
int mftd_postgres_arrays(const struct mftd_db_value *v, int n,
    struct mftd_db_value out[MFTD_POSTGRES_STEPS_VALUES]);
void mftd_postgres_arrays_free(
    struct mftd_db_value out[MFTD_POSTGRES_STEPS_VALUES]);

/* The text of one of mftd_db_common_sql; the caller frees it.  NULL without
 * memory. */
char *mftd_postgres_common(enum mftd_db_guarded which);

#endif
