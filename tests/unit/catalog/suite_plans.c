/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <stdio.h>

#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/postgres_plans.h"

/* Of a statement that gives one number; or its error. */
static int64_t
ask(struct db *db, const char *sql)
{
	int64_t n = -1;
	int r = mftd_db_run(db->c, sql, NULL, 0, mftd_db_take_int, &n);

	return r < 0 ? r : n;
}

/* How many statements the session has prepared whose text is like this. */
static int64_t
prepared(struct db *db, const char *like)
{
	const struct mftd_db_value v = DB_TEXT(like);
	int64_t n = -1;

	assert_int_equal(
	    mftd_db_run(db->c,
		"SELECT count(*) FROM pg_prepared_statements WHERE "
		"statement LIKE $1",
		&v, 1, mftd_db_take_int, &n),
	    1);
	return n;
}

static void
what_comes_again_is_prepared(void **state)
{
	struct db *db = *state;
	int i;

	for (i = 0; i < 4; i++) {
		assert_int_equal(ask(db, "SELECT 40 + 2"), 42);
		assert_int_equal(prepared(db, "SELECT 40 + 2"), i > 0);
	}
}

/* What there is no room for is run as it is. */
static void
many_statements(void **state)
{
	struct db *db = *state;
	char sql[32];
	int i, again;

	for (again = 0; again < 3; again++)
		for (i = 0; i < 2 * MFTD_POSTGRES_PLANS_MAX; i++) {
			snprintf(sql, sizeof(sql), "SELECT %d + 1", i);
			assert_int_equal(ask(db, sql), i + 1);
		}
	assert_in_range(prepared(db, "SELECT %"), 1, MFTD_POSTGRES_PLANS_MAX);
}

/* A node whose program is newer changes the schema under an older one's. */
static void
schema_changes_under_a_plan(void **state)
{
	struct db *db = *state;

	db_execute(db, "CREATE TABLE t (a INT)");
	db_execute(db, "INSERT INTO t VALUES (7)");
	assert_int_equal(ask(db, "SELECT a FROM t"), 7);
	assert_int_equal(ask(db, "SELECT a FROM t"), 7);
	db_execute(db, "ALTER TABLE t ALTER a TYPE BIGINT");
	assert_int_equal(ask(db, "SELECT a FROM t"), -MFTD_E_CATALOG_AWAY);
	assert_int_equal(ask(db, "SELECT a FROM t"), 7);
	assert_int_equal(ask(db, "SELECT a FROM t"), 7);
	/* what is not supported anyhow is an error for good */
	assert_int_equal(
	    ask(db, "SELECT count(*) FROM t FOR UPDATE"), -MFTD_E_CATALOG);
}

/* Prepared statements are a session's: a new one has none of them. */
static void
plans_end_with_their_session(void **state)
{
	struct db *db = *state;
	int64_t r;

	ask(db, "SELECT 40 + 2");
	ask(db, "SELECT 40 + 2");
	r = ask(db, "SELECT pg_terminate_backend(pg_backend_pid())::int");
	assert_int_equal(r, -MFTD_E_CATALOG_AWAY);
	assert_int_equal(ask(db, "SELECT 40 + 2"), 42);
	assert_int_equal(prepared(db, "SELECT 40 + 2"), 0);
	assert_int_equal(ask(db, "SELECT 40 + 2"), 42);
}

/* Somebody between us and the server has forgotten them. */
static void
plans_are_gone(void **state)
{
	struct db *db = *state;

	ask(db, "SELECT 40 + 2");
	ask(db, "SELECT 40 + 2");
	assert_int_equal(
	    db->c->db->ops->script(db->c->db, "DEALLOCATE ALL"), 0);
	assert_int_equal(ask(db, "SELECT 40 + 2"), -MFTD_E_CATALOG_AWAY);
	assert_int_equal(ask(db, "SELECT 40 + 2"), 42);
	assert_int_equal(ask(db, "SELECT 40 + 2"), 42);
}

void
tests_plans(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(what_comes_again_is_prepared),
		DB_TEST(many_statements),
		DB_TEST(schema_changes_under_a_plan),
		DB_TEST(plans_end_with_their_session),
		DB_TEST(plans_are_gone),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
