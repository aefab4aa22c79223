/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_POSTGRES_CONN_H
#define MFTD_CATALOG_POSTGRES_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include <libpq-fe.h>

#include "mftd/catalog/db.h"
#include "mftd/catalog/postgres_plans.h"

/*
 * The connection to a PostgreSQL server: statements over libpq that are bounded
 * in time.  postgres.c is what the rest of the catalog sees of it.
 */

/* The server ends a statement after so many ms; it does not end a commit that
 * waits for a standby, so the client gives up a little later by itself. */
#define MFTD_POSTGRES_STATEMENT_MS 10000
#define MFTD_POSTGRES_CALL_MS (MFTD_POSTGRES_STATEMENT_MS + 5000)
/* A migration may take hours. */
#define MFTD_POSTGRES_MIGRATE_MS (4LL * 3600 * 1000)

/* What has come of a statement's answer. */
struct mftd_postgres_answer {
	PGresult *last; /* NULL: none yet */
	int err; /* the first one; 0 none */
};

struct postgres {
	struct mftd_db db;
	char *uri;
	char application[64];
	PGconn *conn; /* NULL: connect at the next call */
	bool in_transaction;
	bool migrating; /* in it */
	struct mftd_postgres_plans plans; /* conn's */
	bool planned; /* what was sent last is one of them */
	int64_t keeps_until_ms;
	/* the statement that was sent, and not taken yet */
	bool sent; /* its answer is not all there */
	bool answered; /* it is: its last result, or its error */
	int64_t sent_until_ms; /* when it is given up */
	struct mftd_postgres_answer answer;
};

/* Notes the words of an error, up to a newline.  Returns err. */
int mftd_postgres_say(struct postgres *p, int err, const char *text);

/* Connects, if it has to; waits for the end of what was sent before.  0 or an
 * error. */
int mftd_postgres_connect(struct postgres *p);
void mftd_postgres_disconnect(struct postgres *p);

/* Runs several statements without parameters, on a connection that is there. */
int mftd_postgres_script(struct postgres *p, const char *sql);

/* Connects, runs a statement and waits for its end.  *res is the caller's: NULL
 * on errors. */
int mftd_postgres_query(struct postgres *p, const char *sql,
    const struct mftd_db_value *v, int n, PGresult **res);

/* Sends one wholly, on a connection that is there, and does not wait for its
 * answer.  0 or an error. */
int mftd_postgres_send(
    struct postgres *p, const char *sql, const struct mftd_db_value *v, int n);

/* What came of that: 0 or its error; -EAGAIN while there is more to come, but
 * with wait. *res is the caller's: NULL on errors. */
int mftd_postgres_take(struct postgres *p, bool wait, PGresult **res);

/* One value of a result in binary; valid as long as that is. */
struct mftd_db_value mftd_postgres_column(
    const PGresult *res, int row, int col);

/* Gives the columns of one row from first on to row. */
int mftd_postgres_give_row(
    const PGresult *res, int at, int first, mftd_db_row_fn row, void *data);

#endif
