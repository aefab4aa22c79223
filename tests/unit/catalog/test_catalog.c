/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>
#include <sqlite3.h>

#include "mftd/base/buf.h"
#include "mftd/catalog/db.h"

#define DIR "test_catalog_XXXXXX"

/* Empties the server's database: its schema is made anew.  Sessions that a
 * failed test left behind would hold it up. */
static void
empty_postgres(const char *uri)
{
	PGconn *conn = PQconnectdb(uri);
	PGresult *res;

	assert_int_equal(PQstatus(conn), CONNECTION_OK);
	res = PQexec(conn,
	    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
	    "WHERE usename = current_user AND pid <> pg_backend_pid()");
	assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
	PQclear(res);
	res = PQexec(conn,
	    "SET client_min_messages = warning;"
	    "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
	assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
	PQclear(res);
	PQfinish(conn);
}

struct mftd_catalog *
db_open(struct db *db, const char *application)
{
	struct mftd_catalog *c;

	assert_int_equal(mftd_catalog_open(db->uri, application, &c), 0);
	return c;
}

void
db_execute(struct db *db, const char *sql)
{
	sqlite3 *h;
	PGconn *conn;
	PGresult *res;

	if (!db->postgres) {
		assert_int_equal(
		    sqlite3_open(db->uri + strlen("sqlite:"), &h), SQLITE_OK);
		assert_int_equal(
		    sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_close(h), SQLITE_OK);
		return;
	}
	conn = PQconnectdb(db->uri);
	res = PQexec(conn, sql);
	assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
	PQclear(res);
	/* what it has read is counted by now, not when its session ends */
	res = PQexec(conn, "SELECT pg_stat_force_next_flush()");
	assert_int_equal(PQresultStatus(res), PGRES_TUPLES_OK);
	PQclear(res);
	PQfinish(conn);
}

static struct db *
make(void)
{
	const char *uri = getenv("MFTD_TEST_CATALOG");
	struct db *db = calloc(1, sizeof(*db));

	assert_non_null(db);
	db->postgres = uri != NULL;
	snprintf(db->dir, sizeof(db->dir), "%s", DIR);
	assert_non_null(mkdtemp(db->dir));
	if (db->postgres) {
		snprintf(db->uri, sizeof(db->uri), "%s", uri);
		empty_postgres(uri);
	} else {
		snprintf(db->uri, sizeof(db->uri), "sqlite:%s/c.db", db->dir);
	}
	db->c = db_open(db, "mftd-test");
	return db;
}

int
db_setup(void **state)
{
	struct db *db = make();

	assert_int_equal(mftd_catalog_migrate(db->c), 0);
	*state = db;
	return 0;
}

static int
setup_at(void **state, int version)
{
	struct db *db = make();
	const struct mftd_db_ops *ops = db->c->db->ops;
	char sql[128];
	int i;

	assert_int_equal(ops->begin(db->c->db, MFTD_DB_MIGRATE), 0);
	for (i = 0; i < version; i++)
		assert_int_equal(ops->script(db->c->db, mftd_db_schema[i]), 0);
	snprintf(sql, sizeof(sql),
	    "CREATE TABLE schema_version (version BIGINT PRIMARY KEY);"
	    "INSERT INTO schema_version VALUES (%d)",
	    version);
	assert_int_equal(ops->script(db->c->db, sql), 0);
	assert_int_equal(ops->commit(db->c->db), 0);
	*state = db;
	return 0;
}

int
db_setup_oldest(void **state)
{
	return setup_at(state, 1);
}

int
db_setup_keyless(void **state)
{
	return setup_at(state, 18);
}

int
db_teardown(void **state)
{
	static const char *const files[] = { "c.db", "c.db-wal", "c.db-shm",
		"s.db" };
	struct db *db = *state;
	char path[128];
	size_t i;

	mftd_catalog_close(db->c);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", db->dir, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(db->dir), 0); /* nothing else is left */
	free(db);
	return 0;
}

static int
say(struct db *db, struct stream *s, uint32_t type, struct mftd_buf *b)
{
	struct mftd_forward f = { .seq = ++s->seq,
		.time_us = s->time_us,
		.type = type,
		.payload = mftd_buf_data(b),
		.payload_bytes = mftd_buf_len(b) };
	int r = mftd_catalog_forward(db->c, s->name, &f, 1);

	s->time_us += 1000000;
	mftd_buf_free(b);
	return r;
}

int
say_receipt(struct db *db, struct stream *s, const char *id, const char *path,
    uint64_t inode)
{
	return say_content(db, s, id, path, inode, 7);
}

int
say_content(struct db *db, struct stream *s, const char *id, const char *path,
    uint64_t inode, uint8_t content)
{
	struct mftd_rec_receipt r = { .size = 42,
		.inode = inode,
		.has_routes = !s->unlinked,
		.has_sha256 = true,
		.session = "n1-1-1",
		.account = "alice",
		.volume = "main",
		.root = "alice",
		.part = "n1-1-1.1" };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);

	snprintf(r.id, sizeof(r.id), "%s", id);
	snprintf(r.path, sizeof(r.path), "%s", path);
	memset(r.sha256, content, sizeof(r.sha256));
	assert_int_equal(mftd_rec_receipt_put(b, &r), 0);
	return say(db, s, MFTD_RECORD_RECEIPT, b);
}

int
say_outcome(struct db *db, struct stream *s, const char *id, uint32_t type)
{
	struct mftd_rec_outcome o = { .part = "n1-1-1.1" };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);

	snprintf(o.receipt, sizeof(o.receipt), "%s", id);
	assert_int_equal(mftd_rec_outcome_put(b, &o), 0);
	return say(db, s, type, b);
}

int
say_name(struct db *db, struct stream *s, uint32_t type, uint64_t inode,
    const char *to)
{
	struct mftd_rec_name m = { .session = "n1-1-1",
		.account = "alice",
		.volume = "main",
		.path = "whatever",
		.inode = inode };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);

	snprintf(m.to, sizeof(m.to), "%s", to);
	assert_int_equal(mftd_rec_name_put(b, &m), 0);
	return say(db, s, type, b);
}

static void
apply(struct db *db, struct mftd_route *routes, int n,
    struct mftd_calendar *calendar)
{
	struct mftd_account alice = {
		.name = "alice", .volume = "main", .root = "alice"
	};
	struct mftd_partner acme = { .name = "acme",
		.host = "h",
		.port = 22,
		.user = "u",
		.key_file = "/k" };
	struct mftd_objects o = { .accounts = &alice,
		.n_accounts = 1,
		.partners = &acme,
		.n_partners = 1,
		.routes = routes,
		.n_routes = (size_t)n,
		.calendars = calendar,
		.n_calendars = calendar != NULL };
	char names[4][8];
	uint64_t version;
	int i;

	for (i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "r%d", i);
		routes[i].name = names[i];
		routes[i].account = "alice";
		routes[i].partner = "acme";
		routes[i].directory = "inbox";
		routes[i].queue = "q";
	}
	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
}

void
apply_routes(struct db *db, int n)
{
	struct mftd_route routes[4] = { 0 };

	apply(db, routes, n, NULL);
}

void
apply_route(struct db *db, const struct mftd_route *like)
{
	struct mftd_route route = *like;

	apply(db, &route, 1, NULL);
}

void
apply_several(struct db *db, struct mftd_route *routes, int n)
{
	apply(db, routes, n, NULL);
}

void
apply_calendar(struct db *db, const struct mftd_route *like,
    struct mftd_calendar *calendar)
{
	struct mftd_route route = *like;

	apply(db, &route, 1, calendar);
}

struct search {
	const char *receipt;
	struct mftd_delivery *d;
	int found;
};

static int
look(void *data, const struct mftd_delivery *d)
{
	struct search *s = data;

	if (strcmp(d->receipt, s->receipt) == 0) {
		*s->d = *d;
		s->found++;
	}
	return 0;
}

bool
find_delivery(struct db *db, const char *receipt, struct mftd_delivery *d)
{
	struct search s = { .receipt = receipt, .d = d };

	assert_int_equal(mftd_catalog_deliveries(db->c, NULL, look, &s), 0);
	return s.found == 1;
}

/* All tests, or those that an argument names. */
int
main(int argc, char **argv)
{
	static void (*const groups[])(const struct CMUnitTest **,
	    size_t *) = { tests_objects, tests_forward, tests_queue,
		tests_queues, tests_person, tests_failure, tests_hooks,
		tests_partner_events, tests_scale, tests_due, tests_source,
		tests_source_found, tests_sources, tests_found, tests_pull,
		tests_versions, tests_order, tests_paths, tests_stale,
		tests_statements, tests_postgres, tests_plans };
	/* the last two are PostgreSQL's own */
	size_t i, n,
	    count = sizeof(groups) / sizeof(groups[0]) -
	    (getenv("MFTD_TEST_CATALOG") == NULL ? 2 : 0);
	const struct CMUnitTest *t;
	int failed = 0;

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	/* not the macro: it takes arrays of known size only */
	for (i = 0; i < count; i++) {
		groups[i](&t, &n);
		failed += _cmocka_run_group_tests("catalog", t, n, NULL, NULL);
	}
	return failed != 0;
}
