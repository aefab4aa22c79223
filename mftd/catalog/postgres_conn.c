/* Part of mftd; see LICENSE. */
#include "mftd/catalog/postgres_conn.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/postgres_error.h"

#define CONNECT_S "5"
#define COLUMNS_MAX 64
#define SERVER_MIN 140000 /* pg_terminate_backend that waits */

/* Type numbers of the server's pg_type.dat, which are part of its protocol. */
#define OID_BYTEA 17
#define OID_INT8 20
#define OID_INT4 23

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

void
mftd_postgres_disconnect(struct postgres *p)
{
	PQfinish(p->conn);
	p->conn = NULL;
	mftd_postgres_plans_forget(&p->plans);
	p->sent = false;
	p->keeps_until_ms = 0;
}

int
mftd_postgres_say(struct postgres *p, int err, const char *text)
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
	int r =
	    mftd_postgres_say(p, -MFTD_E_CATALOG_AWAY, PQerrorMessage(p->conn));

	mftd_postgres_disconnect(p);
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
	if (PQstatus(p->conn) != CONNECTION_OK ||
	    (p->planned && mftd_postgres_unplanned(state)))
		return lost(p);
	return mftd_postgres_say(p, mftd_postgres_error(state),
	    mftd_postgres_words(state, PQresultErrorMessage(res)));
}

/* Waits until the server takes more, or has said something. */
static int
wait_server(struct postgres *p, bool unsent, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = PQsocket(p->conn),
		.events = POLLIN | (unsent ? POLLOUT : 0) };
	int left = mftd_clock_left_ms(deadline_ms);

	if (left == 0) {
		mftd_postgres_disconnect(p);
		return mftd_postgres_say(
		    p, -MFTD_E_CATALOG_AWAY, "the server does not answer");
	}
	if (poll(&pfd, 1, left) > 0 && !PQconsumeInput(p->conn))
		return lost(p);
	return 0;
}

/* Sends all that is to be sent. */
static int
flush(struct postgres *p, int64_t deadline_ms)
{
	int unsent, r = 0;

	while (r == 0 && (unsent = PQflush(p->conn)) != 0)
		r = unsent < 0 ? lost(p) : wait_server(p, true, deadline_ms);
	return r;
}

/* Waits until a result can be got without blocking. */
static int
wait_result(struct postgres *p, int64_t deadline_ms)
{
	int r = flush(p, deadline_ms);

	while (r == 0 && PQisBusy(p->conn))
		r = wait_server(p, false, deadline_ms);
	return r;
}

/* Takes what can be had without blocking.  0: that was all; 1: there is more to
 * come, or the connection is gone. */
static int
take_results(struct postgres *p, struct mftd_postgres_answer *a)
{
	PGresult *one;
	int r;

	while (p->conn != NULL && !PQisBusy(p->conn)) {
		one = PQgetResult(p->conn);
		if (one == NULL)
			return 0;
		PQclear(a->last);
		a->last = one;
		r = check_result(p, one);
		if (r < 0 && a->err == 0)
			a->err = r;
	}
	return 1;
}

/* Collects what was sent for; the error is noted in a, too. */
static int
collect(struct postgres *p, struct mftd_postgres_answer *a, int64_t until_ms)
{
	int r;

	do {
		r = wait_result(p, until_ms);
		if (r == 0)
			r = take_results(p, a);
	} while (r > 0 && p->conn != NULL);
	if (r < 0 && a->err == 0)
		a->err = r;
	return a->err;
}

/* Hands the answer over: *res is the last result (NULL on errors). */
static int
hand_over(struct mftd_postgres_answer *a, PGresult **res)
{
	int r = a->err;

	*res = r == 0 ? a->last : NULL;
	if (r < 0)
		PQclear(a->last);
	memset(a, 0, sizeof(*a));
	return r;
}

static int
finish(struct postgres *p, PGresult **res)
{
	struct mftd_postgres_answer a = { 0 };

	collect(p, &a,
	    mftd_clock_ms() + MFTD_POSTGRES_CALL_MS +
		(p->migrating ? MFTD_POSTGRES_MIGRATE_MS : 0));
	return hand_over(&a, res);
}

/* Waits for the end of what was sent: what comes next is behind it. */
static void
finish_sent(struct postgres *p)
{
	if (!p->sent)
		return;
	collect(p, &p->answer, p->sent_until_ms);
	p->sent = false;
	p->answered = true;
}

int
mftd_postgres_script(struct postgres *p, const char *sql)
{
	PGresult *res;
	int r;

	p->planned = false;
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

int
mftd_postgres_connect(struct postgres *p)
{
	const char *const words[] = { "connect_timeout", "dbname",
		"application_name", "client_encoding", "keepalives",
		"keepalives_idle", "keepalives_interval", "keepalives_count",
		"tcp_user_timeout", "target_session_attrs", NULL };
	const char *const values[] = { CONNECT_S, p->uri, p->application,
		"UTF8", "1", "2", "1", "3", "5000", "read-write", NULL };
	int r;

	finish_sent(p);
	if (p->conn != NULL && PQstatus(p->conn) == CONNECTION_OK)
		return 0;
	if (p->in_transaction) /* never go on with half of one */
		return mftd_postgres_say(
		    p, -MFTD_E_CATALOG_AWAY, "lost inside a transaction");
	mftd_postgres_disconnect(p);
	p->conn = PQconnectdbParams(words, values, 1);
	if (p->conn == NULL)
		return -ENOMEM;
	if (PQstatus(p->conn) != CONNECTION_OK)
		return lost(p);
	PQsetNoticeProcessor(p->conn, no_notice, NULL);
	if (PQserverVersion(p->conn) < SERVER_MIN) {
		mftd_postgres_disconnect(p);
		return mftd_postgres_say(
		    p, -MFTD_E_CATALOG, "PostgreSQL 14 or later is needed");
	}
	r = PQsetnonblocking(p->conn, 1) == 0
	    ? mftd_postgres_script(p, settings)
	    : lost(p);
	if (r < 0)
		mftd_postgres_disconnect(p);
	return r;
}

/* Has the server parse and plan a statement that comes again: name is what it
 * is called then, or "". */
static int
prepare(struct postgres *p, const char *sql,
    char name[MFTD_POSTGRES_PLAN_NAME_BYTES])
{
	struct mftd_postgres_plan *plan = mftd_postgres_plan(&p->plans, sql);
	PGresult *res;
	int r;

	name[0] = '\0';
	p->planned = false;
	if (plan == NULL)
		return 0;
	mftd_postgres_plan_name(&p->plans, plan, name);
	p->planned = plan->prepared;
	if (plan->prepared)
		return 0;
	if (!PQsendPrepare(p->conn, name, sql, 0, NULL))
		return lost(p);
	r = finish(p, &res);
	PQclear(res);
	plan->prepared = p->planned = r == 0;
	return r;
}

/* Sends a statement: numbers as text, the rest as bytes; results in binary. */
static int
send_statement(
    struct postgres *p, const char *sql, const struct mftd_db_value *v, int n)
{
	char name[MFTD_POSTGRES_PLAN_NAME_BYTES];
	struct param {
		char text[24];
	} *texts = calloc((size_t)n + 1, sizeof(*texts));
	const char **at = calloc((size_t)n + 1, sizeof(*at));
	int *len = calloc((size_t)n + 1, sizeof(*len));
	int *format = calloc((size_t)n + 1, sizeof(*format));
	int i, sent, r = prepare(p, sql, name);

	if (r < 0)
		goto out;
	r = -ENOMEM;
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
	sent = name[0] == '\0'
	    ? PQsendQueryParams(p->conn, sql, n, NULL, at, len, format, 1)
	    : PQsendQueryPrepared(p->conn, name, n, at, len, format, 1);
	r = sent == 1 ? 0 : lost(p);
out:
	free(texts);
	free(at);
	free(len);
	free(format);
	return r;
}

struct mftd_db_value
mftd_postgres_column(const PGresult *res, int row, int col)
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
int
mftd_postgres_give_row(
    const PGresult *res, int at, int first, mftd_db_row_fn row, void *data)
{
	struct mftd_db_value v[COLUMNS_MAX];
	int i, n = PQnfields(res) - first;

	for (i = 0; i < n && i < COLUMNS_MAX; i++)
		v[i] = mftd_postgres_column(res, at, first + i);
	return row(data, v, n);
}

int
mftd_postgres_query(struct postgres *p, const char *sql,
    const struct mftd_db_value *v, int n, PGresult **res)
{
	int r;

	*res = NULL;
	r = mftd_postgres_connect(p);
	if (r == 0)
		r = send_statement(p, sql, v, n);
	return r < 0 ? r : finish(p, res);
}

int
mftd_postgres_send(
    struct postgres *p, const char *sql, const struct mftd_db_value *v, int n)
{
	int64_t until_ms = mftd_clock_ms() + MFTD_POSTGRES_CALL_MS;
	int r = send_statement(p, sql, v, n);

	if (r == 0)
		r = flush(p, until_ms);
	p->sent = r == 0;
	p->sent_until_ms = until_ms;
	return r;
}

/* What has come, without waiting: -EAGAIN if that is not all. */
static int
look_at_sent(struct postgres *p)
{
	if (mftd_clock_left_ms(p->sent_until_ms) == 0)
		finish_sent(p);
	else if (!PQconsumeInput(p->conn))
		p->answer.err = lost(p);
	else if (take_results(p, &p->answer) > 0 && p->conn != NULL)
		return -EAGAIN;
	p->sent = false;
	p->answered = true;
	return 0;
}

int
mftd_postgres_take(struct postgres *p, bool wait, PGresult **res)
{
	*res = NULL;
	if (p->sent && wait)
		finish_sent(p);
	else if (p->sent && look_at_sent(p) < 0)
		return -EAGAIN;
	if (!p->answered)
		return -EINVAL;
	p->answered = false;
	return hand_over(&p->answer, res);
}
