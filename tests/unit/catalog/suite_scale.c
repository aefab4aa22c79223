/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "mftd/base/clock.h"
#include "mftd/catalog/backlog.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/due.h"
#include "mftd/catalog/source.h"
#include "mftd/catalog/steps.h"

/*
 * That a call reads no more when there is more that it is not about.  Not its
 * time is looked at but what it reads: the instructions of SQLite's machine, or
 * the pages that PostgreSQL's session has asked for.
 */
#define FEW 2000
#define MANY 10000
#define WANTED 4 /* at a time: so that it does not cover what else is read */

static uint64_t instructions;

static int
on_instruction(void *data)
{
	instructions++;
	return 0;
}

/* SQLite calls it for each connection that is opened, the catalog's too. */
static int
watch(sqlite3 *h, const char **err, const struct sqlite3_api_routines *api)
{
	sqlite3_progress_handler(h, 1, on_instruction, NULL);
	return SQLITE_OK;
}

static int
scale_setup(void **state)
{
	sqlite3_auto_extension((void (*)(void))watch);
	return db_setup(state);
}

static int
scale_teardown(void **state)
{
	sqlite3_cancel_auto_extension((void (*)(void))watch);
	return db_teardown(state);
}

static int
take_nothing(void *data, const struct mftd_db_value *row, int n)
{
	return 0;
}

/* What may be read besides: trees of indexes become deeper, and each call
 * leaves a few rows. */
static int64_t
allowed(const struct db *db)
{
	return db->postgres ? 20 : 1000;
}

/* What db->c has read so far. */
static int64_t
read_so_far(struct db *db)
{
	int64_t pages = 0;

	if (!db->postgres)
		return (int64_t)instructions;
	assert_int_equal(mftd_db_run(db->c, "SELECT pg_stat_force_next_flush()",
			     NULL, 0, take_nothing, NULL),
	    1);
	assert_int_equal(
	    mftd_db_run(db->c,
		"SELECT CAST(sum(heap_blks_read + heap_blks_hit + "
		"coalesce(idx_blks_read + idx_blks_hit, 0)) AS BIGINT) "
		"FROM pg_statio_user_tables WHERE relname IN "
		"('delivery', 'receipt')",
		NULL, 0, mftd_db_take_int, &pages),
	    1);
	return pages;
}

/* Rows of which i is the number, in a state, and the other columns as SQL. */
struct kind {
	const char *name, *state;
	const char *partner, *route, *priority, *ordered, *due_us, *key;
};

static const struct kind kinds[] = {
	{ "queued", "QUEUED", "'acme'", "'r0'", "5", "0", "i", "i + 1" },
	{ "of all priorities", "QUEUED", "'acme'", "'r0'", "i % 10", "0", "i",
	    "i + 1" },
	{ "of many partners", "QUEUED", "'p' || (i % 50)", "'r0'", "5", "0",
	    "i", "i + 1" },
	{ "in order", "QUEUED", "'acme'", "'r0'", "5", "1", "i", "i + 1" },
	{ "of many orders", "QUEUED", "'p' || (i % 5)", "'r' || (i % 50)", "5",
	    "2", "i", "i + 1" },
	{ "not due", "WAITING", "'acme'", "'r0'", "9", "0",
	    "4000000000000000 + i", "i + 1" },
	{ "done", "DONE", "'acme'", "'r0'", "5", "0", "i", "i + 1" },
	{ "done in order", "DONE", "'acme'", "'r0'", "5", "1", "i", "i + 1" },
	{ "cancelled", "CANCELLED", "'acme'", "'r0'", "5", "0", "i", "i + 1" },
	{ "failed", "FAILED", "'acme'", "'r0'", "5", "0", "i", "i + 1" },
	{ "failed in an order", "FAILED", "'acme'", "'r0'", "5", "2", "i",
	    "i + 1" },
	/* versions of one name */
	{ "of one name", "QUEUED", "'acme'", "'r0'", "5", "0", "i", "1" },
	{ "of one name, each twice", "QUEUED", "'acme'", "'r0'", "5", "0", "i",
	    "1 + i / 2" },
	{ "of one name in an order", "QUEUED", "'acme'", "'r0'", "5", "1", "i",
	    "1" },
	{ "done of one name", "DONE", "'acme'", "'r0'", "5", "0", "i", "1" },
	{ "failed of one name", "FAILED", "'acme'", "'r0'", "5", "0", "i",
	    "1" },
	{ "in doubt of one name", "IN_DOUBT", "'acme'", "'r0'", "5", "0", "i",
	    "1" },
};

/* Rows from .. to - 1 of a kind: deliveries of receipts that all had the name
 * "same", and other contents each. */
static void
add_rows(struct db *db, const struct kind *k, int from, int to)
{
	const char *path = db->postgres ? "'\\x73616d65'" : "x'73616d65'";
	const char *sum =
	    db->postgres ? "sha256(CAST(i AS TEXT)::bytea)" : "randomblob(32)";
	char sql[1024], i[256];

	snprintf(i, sizeof(i),
	    "FROM (WITH RECURSIVE n (i) AS (SELECT %d UNION ALL "
	    "SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n) AS every",
	    from, to - 1);
	snprintf(sql, sizeof(sql),
	    "INSERT INTO receipt (id, known, outcome, has_routes, matched, "
	    "volume, inode, account, path, size, sha256, time_us) "
	    "SELECT 'f' || i, 1, 'PUBLISHED', 1, 1, 'main', 100 + i, 'alice', "
	    "%s, 42, %s, i %s",
	    path, sum, i);
	db_execute(db, sql);
	snprintf(sql, sizeof(sql),
	    "INSERT INTO delivery (id, receipt, route, queue, partner, volume, "
	    "directory, name, state, size, due_us, priority, ordered, "
	    "order_us, "
	    "name_key)"
	    " SELECT 'd-' || (1000000 + i), 'f' || i, %s, 'q', %s, 'main', '', "
	    "%s, '%s', 42, %s, %s, %s, i, %s %s",
	    k->route, k->partner, path, k->state, k->due_us, k->priority,
	    k->ordered, k->key, i);
	db_execute(db, sql);
}

/* ---- what is to be as quick as ever */

struct asker {
	struct db *db;
	struct mftd_role_row role;
	struct stream s;
	struct mftd_delivery claimed[WANTED];
	int n; /* of them */
};

static void
claim(struct asker *a)
{
	a->n = mftd_catalog_claim(
	    a->db->c, &a->role, mftd_clock_wall_us(), "", a->claimed, WANTED);
	assert_true(a->n >= 0);
}

/* What was claimed fails, and those of its name may go. */
static void
end(struct asker *a)
{
	struct mftd_row_step steps[WANTED];
	int i;

	for (i = 0; i < a->n; i++) {
		a->claimed[i].state = MFTD_DELIVERY_FAILED;
		steps[i] = (struct mftd_row_step) { .d = &a->claimed[i],
			.from = MFTD_DELIVERY_CLAIMED };
	}
	if (a->n > 0)
		assert_int_equal(
		    mftd_catalog_steps(a->db->c, &a->role, steps, (size_t)a->n),
		    0);
}

static void
inherit(struct asker *a)
{
	static struct mftd_delivery d[WANTED];

	assert_true(mftd_catalog_inherited(a->db->c, &a->role, d, WANTED) >= 0);
}

static void
release(struct asker *a)
{
	static char out[WANTED][MFTD_ID_BYTES];

	assert_true(mftd_catalog_releasable(a->db->c, out, WANTED) >= 0);
}

/* An upload of the name that all have had. */
static void
forward(struct asker *a)
{
	char id[32];

	snprintf(id, sizeof(id), "new%u", (unsigned)a->s.seq);
	assert_int_equal(
	    say_receipt(a->db, &a->s, id, "same", a->s.seq + 1), 0);
	assert_int_equal(
	    say_outcome(a->db, &a->s, id, MFTD_RECORD_PUBLISHED), 0);
}

static void
look_for_place(struct asker *a)
{
	bool needed = true;

	assert_int_equal(
	    mftd_catalog_place_needed(a->db->c, "@node:n1", &needed), 0);
	assert_false(needed);
}

static void
look_for_due(struct asker *a)
{
	char at[MFTD_TARGET_BYTES] = "";
	const int64_t now_us = INT64_C(3000000000000000);

	assert_true(
	    mftd_catalog_due_look(a->db->c, &a->role, now_us, 1, at) >= 0);
}

static const struct {
	const char *name;
	void (*call)(struct asker *a);
} calls[] = {
	{ "claim", claim },
	{ "end", end },
	{ "inherited", inherit },
	{ "releasable", release },
	{ "forward", forward },
	{ "needed", look_for_place },
	{ "due", look_for_due },
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void
measure(struct asker *a, int64_t cost[CALLS])
{
	int64_t before;
	size_t i;

	for (i = 0; i < CALLS; i++) {
		before = read_so_far(a->db);
		calls[i].call(a);
		cost[i] = read_so_far(a->db) - before;
	}
}

/* Statistics, or their lack, must not matter; and what cleans up may not read
 * meanwhile. */
static void
keep_vacuum_away(struct db *db)
{
	if (!db->postgres)
		return;
	db_execute(db, "ALTER TABLE delivery SET (autovacuum_enabled = off)");
	db_execute(db, "ALTER TABLE receipt SET (autovacuum_enabled = off)");
}

static void
check_kind(struct db *db, const struct kind *k)
{
	struct asker a = { .db = db,
		.s = { .name = "s1", .time_us = 1000000000000000 } };
	int64_t few[CALLS], many[CALLS];
	size_t i;

	keep_vacuum_away(db);
	apply_routes(db, 1);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &a.role), 0);
	add_rows(db, k, 0, FEW);
	measure(&a, few); /* the first time there is more to read */
	measure(&a, few);
	add_rows(db, k, FEW, MANY);
	measure(&a, many);
	measure(&a, many);
	for (i = 0; i < CALLS; i++)
		if (many[i] > 2 * few[i] + allowed(db))
			fail_msg("%s of %d rows that are %s reads %lld, of %d "
				 "only %lld",
			    calls[i].name, MANY, k->name, (long long)many[i],
			    FEW, (long long)few[i]);
}

static void
backlog_costs_nothing(void **state)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (i > 0)
			assert_int_equal(db_teardown(state), 0);
		if (i > 0)
			assert_int_equal(db_setup(state), 0);
		check_kind(*state, &kinds[i]);
	}
}

/* ---- sources */

/* What a round of the catalog's process looks at, with nothing that is due. */
static int64_t
look_for_sources(struct db *db)
{
	static struct mftd_msg_dispose q[WANTED];
	int64_t before = read_so_far(db);

	assert_int_equal(mftd_source_look(db->c), 0);
	assert_int_equal(mftd_source_begin(db->c, "main", q, WANTED), 0);
	return read_so_far(db) - before;
}

static void
want_all(struct db *db)
{
	db_execute(db, "UPDATE receipt SET source = 'WANTED'");
	db_execute(db, "UPDATE delivery SET due = 1");
}

/* The same of two that have just ended. */
static int64_t
end_two(struct db *db, int first)
{
	static struct mftd_msg_dispose q[WANTED];
	int64_t before, cost;
	char sql[128];

	snprintf(sql, sizeof(sql),
	    "UPDATE delivery SET state = 'DONE' WHERE id IN ('d-%d', 'd-%d')",
	    1000000 + first, 1000001 + first);
	db_execute(db, sql);
	before = read_so_far(db);
	assert_int_equal(mftd_source_look(db->c), 2);
	assert_int_equal(mftd_source_begin(db->c, "main", q, WANTED), 0);
	cost = read_so_far(db) - before;
	/* both were looked at for the last time */
	assert_int_equal(mftd_source_look(db->c), 0);
	return cost;
}

/* Sources that wait for their deliveries, or for a person, are not looked at
 * again and again; nor when others have ended. */
static void
sources_that_wait_cost_nothing(void **state)
{
	static const struct kind waiting[] = {
		{ "", "QUEUED", "'acme'", "'r0'", "5", "0", "i", "i + 1" },
		{ "", "FAILED", "'acme'", "'r0'", "5", "0", "i", "i + 1" },
	};
	struct db *db = *state;
	int64_t few, many, few_end, many_end;
	size_t i;

	keep_vacuum_away(db);
	apply_routes(db, 1);
	for (i = 0; i < 2; i++) {
		db_execute(db, "DELETE FROM delivery");
		db_execute(db, "DELETE FROM receipt");
		add_rows(db, &waiting[i], 0, FEW);
		want_all(db);
		look_for_sources(db);
		few = look_for_sources(db);
		few_end = end_two(db, 0);
		few_end = end_two(db, 2);
		add_rows(db, &waiting[i], FEW, MANY);
		want_all(db);
		assert_int_equal(mftd_source_look(db->c), 4);
		look_for_sources(db);
		many = look_for_sources(db);
		many_end = end_two(db, 4);
		assert_true(many <= 2 * few + allowed(db));
		assert_true(many_end <= 2 * few_end + allowed(db));
	}
}

/* It costs what it counts: no more rows than the bound, and none that is in no
 * state that is counted. */
static void
counts_are_bounded(void **state)
{
	static const struct kind queued = { "", "QUEUED", "'acme'", "'r0'", "5",
		"0", "i", "i + 1" };
	static const struct kind done = { "", "DONE", "'acme'", "'r0'", "5",
		"0", "i", "i + 1" };
	struct mftd_queue_counts q;
	struct db *db = *state;
	int64_t before, first;

	keep_vacuum_away(db);
	add_rows(db, &queued, 0, MFTD_COUNT_MAX - 1);
	assert_int_equal(mftd_catalog_counts(db->c, "q", &q), 0);
	assert_int_equal(q.queued, MFTD_COUNT_MAX - 1);
	add_rows(db, &queued, MFTD_COUNT_MAX, MFTD_COUNT_MAX + 10);
	assert_int_equal(mftd_catalog_counts(db->c, "q", &q), 0);
	assert_int_equal(q.queued, MFTD_COUNT_MAX);
	before = read_so_far(db);
	assert_int_equal(mftd_catalog_counts(db->c, "q", &q), 0);
	first = read_so_far(db) - before;
	add_rows(db, &queued, MFTD_COUNT_MAX + 10, MFTD_COUNT_MAX + MANY);
	add_rows(db, &done, MFTD_COUNT_MAX + MANY, MFTD_COUNT_MAX + 2 * MANY);
	before = read_so_far(db);
	assert_int_equal(mftd_catalog_counts(db->c, "q", &q), 0);
	assert_int_equal(q.queued, MFTD_COUNT_MAX);
	assert_true(
	    read_so_far(db) - before < first + first / 20 + allowed(db));
}

/* ---- the order of things */

/* Claims all there is; the receipts in the order in which they come. */
static void
claimed(struct db *db, const struct mftd_role_row *role, size_t most,
    const char *want)
{
	static struct mftd_delivery d[WANTED];
	char found[256] = "";
	int i, n;

	n = mftd_catalog_claim(db->c, role, mftd_clock_wall_us(), "", d, most);
	assert_true(n >= 0);
	for (i = 0; i < n; i++) {
		strcat(found, i > 0 ? " " : "");
		strcat(found, d[i].receipt);
	}
	assert_string_equal(found, want);
}

static void
set_state(struct db *db, const char *receipt, const char *state)
{
	char sql[128];

	snprintf(sql, sizeof(sql),
	    "UPDATE delivery SET state = '%s' WHERE receipt = '%s'", state,
	    receipt);
	db_execute(db, sql);
}

static void
higher_priority_goes_first(void **state)
{
	struct mftd_route like = { .name = "r0", .priority = 5 };
	struct db *db = *state;
	struct mftd_role_row role;

	publish_in_route(db, &like, 5);
	db_execute(db, "UPDATE delivery SET priority = 9 WHERE receipt = 'f3'");
	db_execute(db, "UPDATE delivery SET priority = 0 WHERE receipt = 'f0'");
	db_execute(db,
	    "UPDATE delivery SET priority = 9, due_us = 4000000000000000 "
	    "WHERE receipt = 'f4'");
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	claimed(db, &role, WANTED, "f3");
	claimed(db, &role, 1, "f1");
	claimed(db, &role, WANTED, "f2");
	claimed(db, &role, WANTED, "f0");
	claimed(db, &role, WANTED, "");
}

/* However little is asked for: the partner whose file is more urgent. */
static void
priority_counts_between_partners(void **state)
{
	struct mftd_route like = { .name = "r0", .priority = 5 };
	struct db *db = *state;
	struct mftd_role_row role;

	publish_in_route(db, &like, 3);
	db_execute(db,
	    "UPDATE delivery SET priority = 6, partner = 'last' "
	    "WHERE receipt = 'f2'");
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	claimed(db, &role, 1, "f2");
	claimed(db, &role, 1, "f0");
}

static int
take_id(void *data, const struct mftd_db_value *row, int n)
{
	snprintf(data, MFTD_ID_BYTES, "%s", (const char *)row[0].p);
	return 0;
}

/* The delivery of a receipt is behind that of another one; "": of none. */
static void
is_behind(struct db *db, const char *receipt, const char *first)
{
	static const char id_of[] =
	    "SELECT id FROM delivery WHERE receipt = $1";
	static struct mftd_delivery_story s;
	const struct mftd_db_value one[] = { DB_TEXT(receipt) };
	const struct mftd_db_value other[] = { DB_TEXT(first) };
	char id[MFTD_ID_BYTES] = "", want[MFTD_ID_BYTES] = "";

	assert_int_equal(mftd_db_run(db->c, id_of, one, 1, take_id, id), 1);
	assert_int_equal(mftd_db_run(db->c, id_of, other, 1, take_id, want),
	    first[0] != '\0');
	assert_int_equal(mftd_catalog_delivery(db->c, id, &s), 0);
	assert_string_equal(s.behind, want);
}

/* Of an ordered route one at a time, whatever the one before it waits for. */
static void
order_is_kept(void **state)
{
	static const char *const on_the_way[] = { "CLAIMED", "SENDING", "SENT",
		"PUBLISHING", "DELIVERED", "IN_DOUBT", "FAILED", "HELD" };
	struct mftd_route like = {
		.name = "r0", .priority = 5, .ordered = true
	};
	struct db *db = *state;
	struct mftd_role_row role;
	size_t i;

	publish_in_route(db, &like, 3);
	is_behind(db, "f0", "");
	/* later ones do not come before it for being due before it */
	db_execute(db, "UPDATE delivery SET due_us = 5 WHERE receipt = 'f2'");
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	claimed(db, &role, WANTED, "f0");
	for (i = 0; i < sizeof(on_the_way) / sizeof(on_the_way[0]); i++) {
		set_state(db, "f0", on_the_way[i]);
		claimed(db, &role, WANTED, "");
		is_behind(db, "f1", "f0");
		is_behind(db, "f2", "f0");
		is_behind(db, "f0", "");
	}
	db_execute(db,
	    "UPDATE delivery SET state = 'WAITING', due_us = 4000000000000000 "
	    "WHERE receipt = 'f0'");
	claimed(db, &role, WANTED, "");
	set_state(db, "f0", "DONE");
	claimed(db, &role, WANTED, "f1");
	set_state(db, "f1", "CANCELLED");
	claimed(db, &role, WANTED, "f2");
}

static void
order_passes_what_failed(void **state)
{
	static const char *const passed[] = { "IN_DOUBT", "FAILED", "HELD" };
	struct mftd_route like = { .name = "r0",
		.priority = 5,
		.ordered = true,
		.skip_failed = true };
	struct db *db = *state;
	struct mftd_role_row role;

	publish_in_route(db, &like, 4);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	claimed(db, &role, WANTED, "f0");
	claimed(db, &role, WANTED, "");
	set_state(db, "f0", passed[0]);
	claimed(db, &role, WANTED, "f1");
	set_state(db, "f1", passed[1]);
	claimed(db, &role, WANTED, "f2");
	set_state(db, "f2", passed[2]);
	is_behind(db, "f3", "");
	/* who comes back is the first again */
	set_state(db, "f1", "QUEUED");
	is_behind(db, "f3", "f1");
	claimed(db, &role, WANTED, "f1");
	claimed(db, &role, WANTED, "");
	set_state(db, "f1", "DONE");
	claimed(db, &role, WANTED, "f3");
}

/* Another route, and another partner, have their own. */
static void
orders_are_apart(void **state)
{
	struct mftd_route like = {
		.name = "r0", .priority = 5, .ordered = true
	};
	struct db *db = *state;
	struct mftd_role_row role;

	publish_in_route(db, &like, 6);
	db_execute(db,
	    "UPDATE delivery SET route = 'r1' WHERE receipt IN ('f2', 'f3')");
	db_execute(
	    db, "UPDATE delivery SET partner = 'other' WHERE receipt = 'f4'");
	db_execute(db,
	    "UPDATE delivery SET ordered = 0, priority = 1 "
	    "WHERE receipt = 'f5'");
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	claimed(db, &role, WANTED, "f0 f2 f4 f5");
	claimed(db, &role, WANTED, "");
}

/* What another node has received before comes before, though the catalog hears
 * of it later. */
static void
order_is_that_of_receiving(void **state)
{
	struct mftd_route like = {
		.name = "r0", .priority = 5, .ordered = true
	};
	struct stream slow = { .name = "s2", .time_us = 999999999000000 };
	struct db *db = *state;
	struct mftd_role_row role;

	publish_in_route(db, &like, 2);
	assert_int_equal(say_receipt(db, &slow, "first", "x", 77), 0);
	assert_int_equal(
	    say_outcome(db, &slow, "first", MFTD_RECORD_PUBLISHED), 0);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	claimed(db, &role, WANTED, "first");
	set_state(db, "first", "DONE");
	claimed(db, &role, WANTED, "f0");
}

#define SCALE_TEST(f) \
	cmocka_unit_test_setup_teardown(f, scale_setup, scale_teardown)

void
tests_scale(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		SCALE_TEST(backlog_costs_nothing),
		SCALE_TEST(sources_that_wait_cost_nothing),
		SCALE_TEST(counts_are_bounded),
		DB_TEST(higher_priority_goes_first),
		DB_TEST(priority_counts_between_partners),
		DB_TEST(order_is_kept),
		DB_TEST(order_passes_what_failed),
		DB_TEST(orders_are_apart),
		DB_TEST(order_is_that_of_receiving),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
