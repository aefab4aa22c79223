/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/due.h"

/* What waits longer than it was asked to, for a clock was set back. */

#define SECOND INT64_C(1000000)
#define HOUR (3600 * SECOND)
#define NOW (INT64_C(1767258000) * SECOND) /* 2026-01-01T09:00:00Z */
#define WAIT (20 * 60 * SECOND) /* the longest backoff */

static void
begin(struct db *db, const struct mftd_route *like, struct mftd_role_row *role)
{
	publish_in_route(db, like, 3);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", role), 0);
}

static void
set(struct db *db, const char *receipt, const char *state, int tries,
    int64_t due_us)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "UPDATE delivery SET state = '%s', tries = %d, due_us = %lld "
	    "WHERE receipt = '%s'",
	    state, tries, (long long)due_us, receipt);
	db_execute(db, sql);
}

/* How many a whole round moves. */
static int
look(struct db *db, const struct mftd_role_row *role)
{
	char at[MFTD_TARGET_BYTES] = "";
	int r = mftd_catalog_due_look(db->c, role, NOW, WAIT, at);

	assert_string_equal(at, "");
	return r;
}

static int64_t
due(struct db *db, const char *receipt)
{
	struct mftd_delivery d;

	assert_true(find_delivery(db, receipt, &d));
	return d.due_us;
}

static void
try_comes_after_its_backoff(void **state)
{
	const struct mftd_route like = { .priority = 7 };
	struct mftd_role_row role;
	struct db *db = *state;

	begin(db, &like, &role);
	set(db, "f0", "WAITING", 1, NOW + WAIT);
	set(db, "f1", "WAITING", 1, NOW + WAIT + 1);
	set(db, "f2", "QUEUED", 2, NOW + HOUR); /* released, by another clock */
	assert_int_equal(look(db, &role), 2);
	assert_true(due(db, "f0") == NOW + WAIT);
	assert_true(due(db, "f1") == NOW + WAIT);
	assert_true(due(db, "f2") == NOW + WAIT);
	assert_int_equal(look(db, &role), 0);
	/* a route that went has nothing to say of it */
	set(db, "f0", "WAITING", 0, NOW + HOUR);
	db_execute(db, "UPDATE delivery SET route = 'gone'");
	assert_int_equal(look(db, &role), 1);
}

static void
file_settles_once(void **state)
{
	const struct mftd_route like = { .priority = 0, .settle_s = 60 };
	struct mftd_role_row role;
	struct db *db = *state;

	begin(db, &like, &role);
	set(db, "f0", "QUEUED", 0, NOW + 60 * SECOND);
	set(db, "f1", "QUEUED", 0, NOW + 61 * SECOND);
	set(db, "f2", "HELD", 0, NOW + HOUR);
	assert_int_equal(look(db, &role), 1);
	assert_true(due(db, "f0") == NOW + 60 * SECOND);
	assert_true(due(db, "f1") == NOW + 60 * SECOND);
	assert_true(due(db, "f2") == NOW + HOUR);
}

static void
schedule_is_waited_for(void **state)
{
	static char every[] = "0 12 * * *", zone[] = "Europe/Berlin";
	const struct mftd_route like = {
		.priority = 5, .schedule = every, .time_zone = zone
	};
	const int64_t noon = NOW + 2 * HOUR;
	struct mftd_role_row role;
	struct db *db = *state;

	begin(db, &like, &role);
	set(db, "f0", "QUEUED", 0, noon);
	set(db, "f1", "QUEUED", 0, noon + 24 * HOUR);
	set(db, "f2", "WAITING", 1, NOW + WAIT);
	assert_int_equal(look(db, &role), 1);
	assert_true(due(db, "f0") == noon);
	assert_true(due(db, "f1") == noon);
}

/* Others of its route come behind it; what waits for a person is its turn. */
static void
turn_comes(void **state)
{
	const struct mftd_route like = { .priority = 5, .ordered = 1 };
	struct mftd_role_row role;
	struct mftd_delivery d[4];
	struct db *db = *state;

	begin(db, &like, &role);
	set(db, "f0", "QUEUED", 0, NOW + HOUR);
	set(db, "f1", "QUEUED", 0, NOW + HOUR);
	set(db, "f2", "QUEUED", 0, NOW);
	assert_int_equal(mftd_catalog_claim(db->c, &role, NOW, "", d, 4), 0);
	assert_int_equal(look(db, &role), 2);
	assert_int_equal(mftd_catalog_claim(db->c, &role, NOW, "", d, 4), 1);
	assert_string_equal(d[0].receipt, "f0");
	set(db, "f0", "HELD", 0, NOW + HOUR);
	set(db, "f1", "QUEUED", 0, NOW + HOUR);
	assert_int_equal(look(db, &role), 0);
	assert_true(due(db, "f0") == NOW + HOUR);
}

/* Some at a time, and all of them in the end; of this queue alone. */
static void
partners_by_turns(void **state)
{
	const struct mftd_route like = { .priority = 5 };
	char at[MFTD_TARGET_BYTES] = "";
	struct mftd_role_row role;
	struct db *db = *state;
	char sql[512];
	int moved, r;

	begin(db, &like, &role);
	set(db, "f0", "WAITING", 1, NOW + HOUR);
	set(db, "f1", "QUEUED", 0, NOW);
	set(db, "f2", "QUEUED", 0, NOW);
	snprintf(sql, sizeof(sql),
	    "INSERT INTO delivery (id, receipt, route, queue, partner, volume, "
	    "directory, name, state, tries, size, due_us, priority) "
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
	    "WHERE i < 80) SELECT 'd' || (1000 + i), receipt, 'r' || i, "
	    "CASE WHEN i %% 2 = 0 THEN 'q' ELSE 'other' END, 'p' || (i %% 40), "
	    "'main', '', name, 'WAITING', 1, 1, due_us, i %% 10 "
	    "FROM n, delivery WHERE receipt = 'f0'");
	db_execute(db, sql);
	moved = mftd_catalog_due_look(db->c, &role, NOW, WAIT, at);
	assert_true(moved > 0);
	assert_string_not_equal(at, "");
	while (at[0] != '\0') {
		r = mftd_catalog_due_look(db->c, &role, NOW, WAIT, at);
		assert_true(r >= 0);
		moved += r;
	}
	assert_int_equal(moved, 41);
}

void
tests_due(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(try_comes_after_its_backoff),
		DB_TEST(file_settles_once),
		DB_TEST(schedule_is_waited_for),
		DB_TEST(turn_comes),
		DB_TEST(partners_by_turns),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
