/* Part of mftd; see LICENSE. */
#include "mftd/catalog/db.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libpq-fe.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/claim.h"
#include "mftd/catalog/found_sql.h"
#include "mftd/catalog/partner_sql.h"
#include "mftd/catalog/postgres_error.h"
#include "mftd/catalog/postgres_keeps.h"
#include "mftd/catalog/postgres_steps.h"

#define CONNECT_S "5"
/* The server ends a statement after STATEMENT_MS; it does not end a commit that
 * waits for a standby, so the client gives up a little later by itself. */
#define STATEMENT_MS 10000
#define CALL_MS (STATEMENT_MS + 5000)
/* A migration may take hours, but does not wait for long: behind one that waits
 * for a lock of a whole table everybody else waits.  The server looks whether
 * we are still there meanwhile. */
#define MIGRATE_MS (4LL * 3600 * 1000)
#define MIGRATE                                                         \
	"SET LOCAL statement_timeout = '4h'; SET LOCAL lock_timeout = " \
	"'5s'; SELECT set_config('client_connection_check_interval', "  \
	"'5s', true) WHERE version() LIKE '%linux%'; "
#define SERVER_MIN 140000 /* pg_terminate_backend that waits */
#define TERMINATE_MS "3000"
#define KEEPS_MS 60000 /* how long the last look at its settings is good */
#define COLUMNS_MAX 64
#define LOCK_FORWARD "7239842561"
#define LOCK_MIGRATE "7239842562"

/* Type numbers of the server's pg_type.dat, which are part of its protocol. */
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT4 23

/* The statements that a queue with much to do runs again and again. */
enum prepared { STEPS, STEPS_EVENTS, CLAIM, PREPARED_COUNT };

static const char *const prepared_names[PREPARED_COUNT] = {
	[STEPS] = "steps",
	[STEPS_EVENTS] = "steps_events",
	[CLAIM] = "claim",
};

static const char *const prepared_sql[PREPARED_COUNT] = {
	[STEPS] = mftd_postgres_steps,
	[STEPS_EVENTS] = mftd_postgres_steps_events,
	[CLAIM] = mftd_claim_postgres,
};

struct postgres {
	struct mftd_db db;
	char *uri;
	char application[64];
	PGconn *conn; /* NULL: connect at the next call */
	bool in_transaction;
	bool migrating; /* in it */
	bool prepared[PREPARED_COUNT]; /* on this connection */
	int64_t keeps_until_ms;
};

/* Whatever the server thinks of the size of a table, which may be of yesterday:
 * each statement that counts has an index to go by.  (Where there is none, a
 * scan looks so dear to it then that it would compile it first.) */
static const char settings[] =
    "SET enable_seqscan = off; SET jit = off;"
    "SET enable_hashjoin = off; SET enable_mergejoin = off;"
    "SET statement_timeout = '10s';"
    "SET idle_in_transaction_session_timeout = '10s';"
    "SET tcp_keepalives_idle = 2;"
    "SET tcp_keepalives_interval = 1;"
    "SET tcp_keepalives_count = 3;"
    "SET tcp_user_timeout = 5000;"
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') <> 'remote_apply';";

static const char *const guarded_sql[MFTD_DB_GUARDED_COUNT] = {
	[MFTD_DB_CLAIM] = mftd_claim_postgres,
	[MFTD_DB_INHERITED] = mftd_inherited_postgres,
	[MFTD_DB_STEPS] = mftd_postgres_steps,
	[MFTD_DB_PARTNER] = mftd_partner_postgres,
	[MFTD_DB_FOUND] = mftd_found_postgres,
};

static struct postgres *
of(struct mftd_db *db)
{
	return (struct postgres *)db;
}

static void
disconnect(struct postgres *p)
{
	PQfinish(p->conn);
	p->conn = NULL;
	memset(p->prepared, 0, sizeof(p->prepared));
	p->keeps_until_ms = 0;
}

static int
say(struct postgres *p, int err, const char *text)
{
	snprintf(p->db.why, sizeof(p->db.why), "%s", text);
	p->db.why[strcspn(p->db.why, "\n")] = '\0';
	return err;
}

/* The connection is of no use any more; what the last statement did is not
 * known. */
static int
lost(struct postgres *p)
{
	int r = say(p, -MFTD_E_CATALOG_AWAY, PQerrorMessage(p->conn));

	disconnect(p);
	return r;
}

static int
check_result(struct postgres *p, const PGresult *res)
{
	ExecStatusType status = PQresultStatus(res);
	const char *state;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
		return 0;
	state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	if (PQstatus(p->conn) != CONNECTION_OK)
		return lost(p);
	return say(p, mftd_postgres_error(state),
	    mftd_postgres_words(state, PQresultErrorMessage(res)));
}

/* Waits until a result can be got without blocking. */
static int
wait_result(struct postgres *p, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = PQsocket(p->conn) };
	int left, unsent;

	while ((unsent = PQflush(p->conn)) != 0 || PQisBusy(p->conn)) {
		if (unsent < 0)
			return lost(p);
		left = mftd_clock_left_ms(deadline_ms);
		if (left == 0) {
			disconnect(p);
			return say(p, -MFTD_E_CATALOG_AWAY,
			    "the server does not answer");
		}
		pfd.events = POLLIN | (unsent > 0 ? POLLOUT : 0);
		if (poll(&pfd, 1, left) > 0 && !PQconsumeInput(p->conn))
			return lost(p);
	}
	return 0;
}

/* Collects what was sent for; *res is the last result (NULL on errors). */
static int
finish(struct postgres *p, PGresult **res)
{
	int64_t deadline_ms =
	    mftd_clock_ms() + CALL_MS + (p->migrating ? MIGRATE_MS : 0);
	PGresult *one;
	int r, first = 0;

	*res = NULL;
	for (;;) {
		r = wait_result(p, deadline_ms);
		if (r < 0)
			break;
		one = PQgetResult(p->conn);
		if (one == NULL)
			break;
		PQclear(*res);
		*res = one;
		r = check_result(p, one);
		if (r < 0 && first == 0)
			first = r;
		if (p->conn == NULL)
			break;
	}
	r = first < 0 ? first : r;
	if (r < 0) {
		PQclear(*res);
		*res = NULL;
	}
	return r;
}

static int
run_script(struct postgres *p, const char *sql)
{
	PGresult *res;
	int r;

	if (!PQsendQuery(p->conn, sql))
		return lost(p);
	r = finish(p, &res);
	PQclear(res);
	return r;
}

static void
no_notice(void *arg, const char *message)
{
}

static int
connect_to(struct postgres *p)
{
	const char *const words[] = { "connect_timeout", "dbname",
		"application_name", "client_encoding", "keepalives",
		"keepalives_idle", "keepalives_interval", "keepalives_count",
		"tcp_user_timeout", "target_session_attrs", NULL };
	const char *const values[] = { CONNECT_S, p->uri, p->application,
		"UTF8", "1", "2", "1", "3", "5000", "read-write", NULL };
	int r;

	if (p->conn != NULL && PQstatus(p->conn) == CONNECTION_OK)
		return 0;
	if (p->in_transaction) /* never go on with half of one */
		return say(
		    p, -MFTD_E_CATALOG_AWAY, "lost inside a transaction");
	disconnect(p);
	p->conn = PQconnectdbParams(words, values, 1);
	if (p->conn == NULL)
		return -ENOMEM;
	if (PQstatus(p->conn) != CONNECTION_OK)
		return lost(p);
	PQsetNoticeProcessor(p->conn, no_notice, NULL);
	if (PQserverVersion(p->conn) < SERVER_MIN) {
		disconnect(p);
		return say(
		    p, -MFTD_E_CATALOG, "PostgreSQL 14 or later is needed");
	}
	r = PQsetnonblocking(p->conn, 1) == 0 ? run_script(p, settings)
					      : lost(p);
	if (r < 0)
		disconnect(p);
	return r;
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

static void
postgres_destroy(struct mftd_db *db)
{
	struct postgres *p = of(db);

	disconnect(p);
	free(p->uri);
	free(p);
}

/* Sends a statement, NULL the prepared one: numbers as text, the rest as bytes;
 * results in binary. */
static int
send_statement(struct postgres *p, const char *sql, enum prepared which,
    const struct mftd_db_value *v, int n)
{
	struct param {
		char text[24];
	} *texts = calloc((size_t)n + 1, sizeof(*texts));
	const char **at = calloc((size_t)n + 1, sizeof(*at));
	int *len = calloc((size_t)n + 1, sizeof(*len));
	int *format = calloc((size_t)n + 1, sizeof(*format));
	int i, sent, r = -ENOMEM;

	if (texts == NULL || at == NULL || len == NULL || format == NULL)
		goto out;
	for (i = 0; i < n; i++) {
		if (v[i].type == MFTD_DB_INT) {
			snprintf(texts[i].text, sizeof(texts[i].text),
			    "%" PRId64, v[i].i);
			at[i] = texts[i].text;
		} else if (v[i].type == MFTD_DB_TEXT) {
			at[i] = v[i].p;
		} else if (v[i].type == MFTD_DB_BLOB) {
			at[i] = v[i].len > 0 ? v[i].p : "";
			len[i] = (int)v[i].len;
			format[i] = 1;
		}
	}
	sent = sql != NULL
	    ? PQsendQueryParams(p->conn, sql, n, NULL, at, len, format, 1)
	    : PQsendQueryPrepared(
		  p->conn, prepared_names[which], n, at, len, format, 1);
	r = sent == 1 ? 0 : lost(p);
out:
	free(texts);
	free(at);
	free(len);
	free(format);
	return r;
}

static struct mftd_db_value
column(const PGresult *res, int row, int col)
{
	const char *raw = PQgetvalue(res, row, col);
	uint64_t wide;
	uint32_t narrow;

	if (PQgetisnull(res, row, col))
		return DB_NULL;
	switch (PQftype(res, col)) {
	case OID_INT8:
		memcpy(&wide, raw, sizeof(wide));
		return DB_INT(be64toh(wide));
	case OID_INT4:
		memcpy(&narrow, raw, sizeof(narrow));
		return DB_INT((int32_t)ntohl(narrow));
	case OID_BYTEA:
		return DB_BLOB(raw, (size_t)PQgetlength(res, row, col));
	default:
		return DB_TEXT(raw); /* libpq puts a NUL behind each */
	}
}

/* Gives the columns of one row from first on to row. */
static int
give_row(const PGresult *res, int at, int first, mftd_db_row_fn row, void *data)
{
	struct mftd_db_value v[COLUMNS_MAX];
	int i, n = PQnfields(res) - first;

	for (i = 0; i < n && i < COLUMNS_MAX; i++)
		v[i] = column(res, at, first + i);
	return row(data, v, n);
}

static int
query(struct postgres *p, const char *sql, const struct mftd_db_value *v, int n,
    PGresult **res)
{
	int r;

	*res = NULL;
	r = connect_to(p);
	if (r == 0)
		r = send_statement(p, sql, 0, v, n);
	return r < 0 ? r : finish(p, res);
}

static int
postgres_run(struct mftd_db *db, const char *sql, const struct mftd_db_value *v,
    int n, mftd_db_row_fn row, void *data)
{
	PGresult *res;
	int i, r;

	r = query(of(db), sql, v, n, &res);
	if (r == 0 && row == NULL)
		r = atoi(PQcmdTuples(res));
	for (i = 0; r >= 0 && row != NULL && i < PQntuples(res); i++)
		r = give_row(res, i, 0, row, data);
	if (r >= 0 && row != NULL)
		r = PQntuples(res);
	PQclear(res);
	return r;
}

static int
postgres_script(struct mftd_db *db, const char *sql)
{
	int r = connect_to(of(db));

	return r < 0 ? r : run_script(of(db), sql);
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

	r = query(p, "COMMIT", NULL, 0, &res);
	p->in_transaction = p->migrating = false;
	/* COMMIT of a failed transaction is answered ROLLBACK, as a success */
	if (r == 0 && strcmp(PQcmdStatus(res), "COMMIT") != 0)
		r = say(p, -MFTD_E_CATALOG, "the transaction was rolled back");
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
	    run_script(p, "ROLLBACK") < 0)
		disconnect(p);
	p->in_transaction = false;
	memcpy(db->why, why, sizeof(why)); /* the first error counts */
}

static int
take_keeps(void *data, const struct mftd_db_value *v, int n)
{
	const char *fault = mftd_postgres_forgets(v);

	return fault != NULL ? say(data, -MFTD_E_CATALOG, fault) : 0;
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

	if (PQntuples(res) < 1 || column(res, 0, 0).i == 0)
		return say(
		    p, -MFTD_E_STALE_EPOCH, "another owner has the queue");
	for (i = 0; r >= 0 && i < PQntuples(res); i++) {
		if (PQgetisnull(res, i, 1))
			continue; /* nothing joined */
		rows++;
		r = give_row(res, i, 1, row, data);
	}
	return r < 0 ? r : rows;
}

/* Plans the statement, once for each connection. */
static int
prepare(struct postgres *p, enum prepared which)
{
	PGresult *res;
	int r;

	if (p->prepared[which])
		return 0;
	if (!PQsendPrepare(
		p->conn, prepared_names[which], prepared_sql[which], 0, NULL))
		return lost(p);
	r = finish(p, &res);
	PQclear(res);
	p->prepared[which] = r == 0;
	return r;
}

static int
query_prepared(struct postgres *p, enum prepared which,
    const struct mftd_db_value *v, int n, PGresult **res)
{
	int r = prepare(p, which);

	if (r == 0)
		r = send_statement(p, NULL, which, v, n);
	return r < 0 ? r : finish(p, res);
}

static int
query_steps(
    struct postgres *p, const struct mftd_db_value *v, int n, PGresult **res)
{
	struct mftd_db_value arrays[MFTD_POSTGRES_STEPS_VALUES + 1];
	bool events = !p->db.no_hooks && mftd_postgres_some_end(v, n);
	int r = mftd_postgres_arrays(v, n, arrays);

	arrays[MFTD_POSTGRES_STEPS_VALUES] = DB_INT(mftd_clock_wall_us());
	if (r == 0)
		r = query_prepared(p, events ? STEPS_EVENTS : STEPS, arrays,
		    MFTD_POSTGRES_STEPS_VALUES + events, res);
	mftd_postgres_arrays_free(arrays);
	return r;
}

static int
postgres_guarded(struct mftd_db *db, enum mftd_db_guarded which,
    const struct mftd_db_value *v, int n, mftd_db_row_fn row, void *data)
{
	struct postgres *p = of(db);
	char *made = NULL;
	PGresult *res = NULL;
	int r;

	if (guarded_sql[which] == NULL &&
	    (made = mftd_postgres_common(which)) == NULL)
		return -ENOMEM;
	/* a new connection may be to a server that took over */
	r = connect_to(p);
	if (r == 0 && mftd_clock_ms() >= p->keeps_until_ms)
		r = postgres_keeps(db);
	if (r == 0)
		r = which == MFTD_DB_STEPS ? query_steps(p, v, n, &res)
		    : which == MFTD_DB_CLAIM
		    ? query_prepared(p, CLAIM, v, n, &res)
		    : query(p, made != NULL ? made : guarded_sql[which], v, n,
			  &res);
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
	.create = postgres_create,
	.destroy = postgres_destroy,
	.run = postgres_run,
	.script = postgres_script,
	.begin = postgres_begin,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.guarded = postgres_guarded,
	.keeps = postgres_keeps,
	.end_sessions = postgres_end_sessions,
	.name_session = postgres_name_session,
};
