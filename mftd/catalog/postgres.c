/* Part of mftd; see LICENSE. */
#include "mftd/catalog/db.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/claim.h"
#include "mftd/catalog/found_sql.h"
#include "mftd/catalog/partner_sql.h"
#include "mftd/catalog/postgres_conn.h"
#include "mftd/catalog/postgres_keeps.h"
#include "mftd/catalog/postgres_steps.h"

/* A migration does not wait for long: behind one that waits for a lock of a
 * whole table everybody else waits.  The server looks whether we are still
 * there meanwhile. */
#define MIGRATE                                                         \
	"SET LOCAL statement_timeout = '4h'; SET LOCAL lock_timeout = " \
	"'5s'; SELECT set_config('client_connection_check_interval', "  \
	"'5s', true) WHERE version() LIKE '%linux%'; "
#define TERMINATE_MS "3000"
#define KEEPS_MS 60000 /* how long the last look at its settings is good */
#define LOCK_FORWARD "7239842561"
#define LOCK_MIGRATE "7239842562"

static const char *const guarded_sql[MFTD_DB_GUARDED_COUNT] = {
	[MFTD_DB_CLAIM] = mftd_claim_postgres_events,
	[MFTD_DB_INHERITED] = mftd_inherited_postgres,
	[MFTD_DB_PARTNER] = mftd_partner_postgres,
	[MFTD_DB_FOUND] = mftd_found_postgres,
};

static struct postgres *
of(struct mftd_db *db)
{
	return (struct postgres *)db;
}

static struct mftd_db *
postgres_create(const char *uri, const char *application)
{
	struct postgres *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->db.ops = &mftd_db_postgres;
	snprintf(p->application, sizeof(p->application), "%s", application);
	p->uri = strdup(uri);
	if (p->uri == NULL) {
		free(p);
		return NULL;
	}
	return &p->db;
}

static struct mftd_db *
postgres_beside(const struct mftd_db *db)
{
	const struct postgres *p = (const struct postgres *)db;

	return postgres_create(p->uri, p->application);
}

static void
postgres_destroy(struct mftd_db *db)
{
	struct postgres *p = of(db);

	mftd_postgres_disconnect(p);
	PQclear(p->answer.last);
	free(p->uri);
	free(p);
}

static int
postgres_run(struct mftd_db *db, const char *sql, const struct mftd_db_value *v,
    int n, mftd_db_row_fn row, void *data)
{
	PGresult *res;
	int i, r;

	r = mftd_postgres_query(of(db), sql, v, n, &res);
	if (r == 0 && row == NULL)
		r = atoi(PQcmdTuples(res));
	for (i = 0; r >= 0 && row != NULL && i < PQntuples(res); i++)
		r = mftd_postgres_give_row(res, i, 0, row, data);
	if (r >= 0 && row != NULL)
		r = PQntuples(res);
	PQclear(res);
	return r;
}

static int
postgres_script(struct mftd_db *db, const char *sql)
{
	int r = mftd_postgres_connect(of(db));

	return r < 0 ? r : mftd_postgres_script(of(db), sql);
}

static int
postgres_begin(struct mftd_db *db, enum mftd_db_lock lock)
{
	static const char *const sql[] = {
		[MFTD_DB_READ] =
		    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		[MFTD_DB_WRITE] = "BEGIN",
		[MFTD_DB_FORWARD] =
		    "BEGIN; SELECT pg_advisory_xact_lock(" LOCK_FORWARD ")",
		[MFTD_DB_MIGRATE] =
		    "BEGIN; " MIGRATE
		    "SELECT pg_advisory_xact_lock(" LOCK_MIGRATE ")",
	};
	int r;

	of(db)->in_transaction = false;
	r = postgres_script(db, sql[lock]);
	of(db)->in_transaction = r == 0;
	of(db)->migrating = r == 0 && lock == MFTD_DB_MIGRATE;
	return r;
}

static int
postgres_commit(struct mftd_db *db)
{
	struct postgres *p = of(db);
	PGresult *res;
	int r;

	r = mftd_postgres_query(p, "COMMIT", NULL, 0, &res);
	p->in_transaction = p->migrating = false;
	/* COMMIT of a failed transaction is answered ROLLBACK, as a success */
	if (r == 0 && strcmp(PQcmdStatus(res), "COMMIT") != 0)
		r = mftd_postgres_say(
		    p, -MFTD_E_CATALOG, "the transaction was rolled back");
	PQclear(res);
	return r;
}

static void
postgres_rollback(struct mftd_db *db)
{
	struct postgres *p = of(db);
	char why[sizeof(db->why)];

	p->migrating = false;
	memcpy(why, db->why, sizeof(why));
	if (p->conn != NULL && PQtransactionStatus(p->conn) != PQTRANS_IDLE &&
	    mftd_postgres_script(p, "ROLLBACK") < 0)
		mftd_postgres_disconnect(p);
	p->in_transaction = false;
	memcpy(db->why, why, sizeof(why)); /* the first error counts */
}

static int
take_keeps(void *data, const struct mftd_db_value *v, int n)
{
	const char *fault = mftd_postgres_forgets(v);

	return fault != NULL ? mftd_postgres_say(data, -MFTD_E_CATALOG, fault)
			     : 0;
}

static int
postgres_keeps(struct mftd_db *db)
{
	struct postgres *p = of(db);
	int r;

	p->keeps_until_ms = 0;
	r = postgres_run(db, mftd_postgres_keeps, NULL, 0, take_keeps, p);
	if (r < 0)
		return r;
	p->keeps_until_ms = mftd_clock_ms() + KEEPS_MS;
	return 0;
}

/* The rows of a guarded statement: count of the role row, then the columns. */
static int
give_guarded(
    struct postgres *p, const PGresult *res, mftd_db_row_fn row, void *data)
{
	int i, r = 0, rows = 0;

	if (PQntuples(res) < 1 || mftd_postgres_column(res, 0, 0).i == 0)
		return mftd_postgres_say(
		    p, -MFTD_E_STALE_EPOCH, "another owner has the queue");
	for (i = 0; r >= 0 && i < PQntuples(res); i++) {
		if (PQgetisnull(res, i, 1))
			continue; /* nothing joined */
		rows++;
		r = mftd_postgres_give_row(res, i, 1, row, data);
	}
	return r < 0 ? r : rows;
}

/* A new connection may be to a server that took over. */
static int
ready(struct postgres *p)
{
	int r = mftd_postgres_connect(p);

	if (r == 0 && mftd_clock_ms() >= p->keeps_until_ms)
		r = postgres_keeps(&p->db);
	return r;
}

/* The one of a statement that is the right one for the hooks that there are. */
static const char *
sql_of(const struct postgres *p, enum mftd_db_guarded which)
{
	return which == MFTD_DB_CLAIM && p->db.no_hooks ? mftd_claim_postgres
							: guarded_sql[which];
}

static int
send_steps(struct postgres *p, const struct mftd_db_value *v, int n)
{
	struct mftd_db_value arrays[MFTD_POSTGRES_STEPS_VALUES + 1];
	bool events = !p->db.no_hooks && mftd_postgres_some_end(v, n);
	int r = mftd_postgres_arrays(v, n, arrays);

	arrays[MFTD_POSTGRES_STEPS_VALUES] = DB_INT(mftd_clock_wall_us());
	if (r == 0)
		r = mftd_postgres_send(p,
		    events ? mftd_postgres_steps_events : mftd_postgres_steps,
		    arrays, MFTD_POSTGRES_STEPS_VALUES + events);
	mftd_postgres_arrays_free(arrays);
	return r;
}

static int
postgres_send(struct mftd_db *db, enum mftd_db_guarded which,
    const struct mftd_db_value *v, int n)
{
	struct postgres *p = of(db);
	int r = ready(p);

	if (r < 0)
		return r;
	return which == MFTD_DB_STEPS
	    ? send_steps(p, v, n)
	    : mftd_postgres_send(p, sql_of(p, which), v, n);
}

static int
postgres_take(struct mftd_db *db, bool wait, mftd_db_row_fn row, void *data)
{
	PGresult *res;
	int r = mftd_postgres_take(of(db), wait, &res);

	if (r == 0)
		r = give_guarded(of(db), res, row, data);
	PQclear(res);
	return r;
}

static int
postgres_fd(const struct mftd_db *db)
{
	const struct postgres *p = (const struct postgres *)db;

	return p->sent ? PQsocket(p->conn) : -1;
}

static int
postgres_guarded(struct mftd_db *db, enum mftd_db_guarded which,
    const struct mftd_db_value *v, int n, mftd_db_row_fn row, void *data)
{
	struct postgres *p = of(db);
	const char *sql = sql_of(p, which);
	char *made = NULL;
	PGresult *res = NULL;
	int r;

	if (which == MFTD_DB_STEPS) {
		r = postgres_send(db, which, v, n);
		return r < 0 ? r : postgres_take(db, true, row, data);
	}
	if (sql == NULL) {
		made = mftd_postgres_common(which);
		if (made == NULL)
			return -ENOMEM;
		sql = made;
	}
	r = ready(p);
	if (r == 0)
		r = mftd_postgres_query(p, sql, v, n, &res);
	if (r == 0)
		r = give_guarded(p, res, row, data);
	PQclear(res);
	free(made);
	return r;
}

static int
ignore_row(void *data, const struct mftd_db_value *v, int n)
{
	return 0;
}

static int
postgres_end_sessions(struct mftd_db *db, const char *prefix)
{
	static const char sql[] =
	    "SELECT pid, pg_terminate_backend(pid, " TERMINATE_MS ") "
	    "FROM pg_stat_activity WHERE "
	    "starts_with(application_name, left($1, 63)) AND "
	    "usename = current_user AND datname = current_database() AND "
	    "pid <> pg_backend_pid()";
	const struct mftd_db_value v[] = { DB_TEXT(prefix) };
	int r = postgres_run(db, sql, v, 1, ignore_row, NULL);

	return r < 0 ? r : 0;
}

static int
postgres_name_session(struct mftd_db *db, const char *application)
{
	struct postgres *p = of(db);
	const struct mftd_db_value v[] = { DB_TEXT(application) };
	int r;

	snprintf(p->application, sizeof(p->application), "%s", application);
	r = postgres_run(db, "SELECT set_config('application_name', $1, false)",
	    v, 1, ignore_row, NULL);
	return r < 0 ? r : 0;
}

const struct mftd_db_ops mftd_db_postgres = {
	.scheme = "postgresql://",
	.now_sql = "CAST(extract(epoch FROM clock_timestamp()) * 1000000 "
		   "AS BIGINT)",
	.create = postgres_create,
	.beside = postgres_beside,
	.destroy = postgres_destroy,
	.run = postgres_run,
	.script = postgres_script,
	.begin = postgres_begin,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.guarded = postgres_guarded,
	.send = postgres_send,
	.take = postgres_take,
	.fd = postgres_fd,
	.keeps = postgres_keeps,
	.end_sessions = postgres_end_sessions,
	.name_session = postgres_name_session,
};
