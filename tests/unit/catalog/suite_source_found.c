/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/found.h"
#include "mftd/catalog/source.h"

/* What becomes of files that were found in a folder. */
#define T0 1000000000000000 /* 2001-09-09 01:46:40 */

static char delete[] = "delete", archive[] = "archive", volume[] = "volume";
static char by_date[] = "kept/{year}/{month}";
static char *csv[] = { "*.csv" };

/* Routes r0, r1 … look into drop/in; wants: after, archive, archive_below and
 * patterns of each. */
static uint64_t
apply(struct db *db, const struct mftd_route *wants, size_t n)
{
	struct mftd_route_folder folder = {
		.volume = "main", .path = "drop/in", .every_s = 7, .stable_s = 3
	};
	struct mftd_partner acme = {
		.name = "acme", .host = "h", .port = 22, .user = "u"
	};
	static const char *const names[] = { "r0", "r1", "r2" };
	struct mftd_route routes[3];
	struct mftd_objects o = { .partners = &acme,
		.n_partners = 1,
		.routes = routes,
		.n_routes = n };
	uint64_t version = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		routes[i] = wants[i];
		routes[i].name = (char *)names[i];
		routes[i].folder = &folder;
		routes[i].partner = "acme";
		routes[i].directory = "in";
		routes[i].queue = "q";
	}
	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
	return version;
}

struct finder {
	struct db *db;
	struct mftd_role_row role;
	uint64_t version;
};

static struct finder
finder(struct db *db, const struct mftd_route *wants, size_t n)
{
	struct finder f = { .db = db };

	f.version = apply(db, wants, n);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &f.role), 0);
	return f;
}

/* Its receipt is called so as well. */
static void
find(struct finder *f, const char *route, const char *receipt, int64_t ctime)
{
	struct mftd_found file = { .origin = MFTD_ORIGIN_FOLDER,
		.route = route,
		.volume = "main",
		.path = "a.csv",
		.shown = "drop/in/a.csv",
		.v = { .size = 42,
		    .mtime_ns = 7,
		    .ctime_ns = ctime,
		    .inode = 9 },
		.receipt = receipt,
		.delivery = receipt,
		.now_us = T0 };

	assert_int_equal(
	    mftd_found_put(f->db->c, &f->role, f->version, &file), 0);
}

static void
become(struct db *db, const char *receipt, const char *state)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "UPDATE delivery SET state = '%s', tries = 1 WHERE receipt = '%s'",
	    state, receipt);
	db_execute(db, sql);
}

static void
source_is(
    struct db *db, const char *receipt, const char *source, const char *text)
{
	static struct mftd_delivery_story s;
	struct mftd_delivery d;

	find_delivery(db, receipt, &d);
	assert_int_equal(mftd_catalog_delivery(db->c, d.id, &s), 0);
	assert_string_equal(s.source, source);
	assert_string_equal(s.source_text, text);
}

static struct mftd_msg_dispose q[4];

static int
begin(struct db *db)
{
	assert_true(mftd_source_look(db->c) >= 0);
	return mftd_source_begin(db->c, "main", q, 4);
}

/* As if as much time had passed. */
static int
begin_later(struct db *db)
{
	db_execute(
	    db, "UPDATE receipt SET source_due_us = 0 WHERE source = 'WANTED'");
	return begin(db);
}

static bool
is_releasable(struct db *db)
{
	char out[1][MFTD_ID_BYTES];

	return mftd_catalog_releasable(db->c, out, 1) == 1;
}

static void
asks_for_the_version(void **state)
{
	const struct mftd_route wants[] = { { .after = delete } };
	struct db *db = *state;
	struct finder f = finder(db, wants, 1);

	find(&f, "r0", "f-1", 8);
	source_is(db, "f-1", "WANTED", "");
	become(db, "f-1", "DELIVERED");
	assert_int_equal(begin(db), 0);
	become(db, "f-1", "DONE");
	assert_false(is_releasable(db));
	assert_int_equal(begin(db), 1);
	assert_string_equal(q[0].receipt, "f-1");
	assert_string_equal(q[0].account, "");
	assert_string_equal(q[0].root, "");
	assert_string_equal(q[0].path, "drop/in/a.csv");
	assert_string_equal(q[0].archive, "");
	assert_int_equal(q[0].found, 1);
	assert_int_equal(q[0].bytes, 42);
	assert_int_equal(q[0].inode, 9);
	assert_int_equal(q[0].mtime_ns, 7);
	assert_int_equal(q[0].ctime_ns, 8);
	source_is(db, "f-1", "BEGUN", "");
	assert_false(is_releasable(db));
}

static void
archive_is_in_the_folder(void **state)
{
	struct mftd_route wants[] = { { .after = archive,
	    .archive = by_date } };
	struct db *db = *state;
	struct finder f = finder(db, wants, 1);

	find(&f, "r0", "f-1", 8);
	become(db, "f-1", "DONE");
	assert_int_equal(begin(db), 1);
	assert_string_equal(q[0].archive, "drop/in/kept/2001/09");
	wants[0].archive_below = volume;
	f.version = apply(db, wants, 1);
	find(&f, "r0", "f-2", 9);
	become(db, "f-2", "DONE");
	assert_int_equal(begin(db), 1);
	assert_string_equal(q[0].archive, "kept/2001/09");
}

static void
nothing_is_wanted(void **state)
{
	const struct mftd_route wants[] = { { .after = NULL } };
	struct db *db = *state;
	struct finder f = finder(db, wants, 1);

	find(&f, "r0", "f-1", 8);
	source_is(db, "f-1", "", "");
	become(db, "f-1", "DONE");
	assert_int_equal(begin(db), 0);
	assert_true(is_releasable(db));
}

/* Whoever looks there and takes the name is to have it, before it goes. */
static void
other_routes_first(void **state)
{
	const struct mftd_route wants[] = { { .after = delete },
		{ .after = archive, .archive = by_date } };
	struct db *db = *state;
	struct finder f = finder(db, wants, 2);

	find(&f, "r0", "f-1", 8);
	become(db, "f-1", "DONE");
	assert_int_equal(begin(db), 0);
	assert_int_equal(begin_later(db), 0);
	/* an older one of it does not count */
	find(&f, "r1", "f-2", 7);
	become(db, "f-2", "DONE");
	assert_int_equal(begin_later(db), 0);
	source_is(db, "f-1", "WANTED", "");
	find(&f, "r1", "f-3", 8);
	become(db, "f-3", "WAITING");
	assert_int_equal(begin_later(db), 0);
	source_is(db, "f-1", "WANTED", "");
	become(db, "f-3", "DONE");
	/* the last one finds all done, and asks by the most careful wish */
	assert_int_equal(begin(db), 1);
	assert_string_equal(q[0].receipt, "f-3");
	assert_string_equal(q[0].archive, "drop/in/kept/2001/09");
	source_is(db, "f-1", "KEPT", "route r1 is done with it, too");
	assert_int_equal(begin_later(db), 0);
}

/* It is asked for once, though both are due. */
static void
both_at_once(void **state)
{
	const struct mftd_route wants[] = { { .after = delete },
		{ .after = delete } };
	struct db *db = *state;
	struct finder f = finder(db, wants, 2);

	find(&f, "r0", "f-1", 8);
	find(&f, "r1", "f-2", 8);
	become(db, "f-1", "DONE");
	become(db, "f-2", "DONE");
	assert_int_equal(begin(db), 1);
}

static void
other_route_keeps_it(void **state)
{
	const struct mftd_route wants[] = { { .after = delete },
		{ .after = NULL } };
	struct db *db = *state;
	struct finder f = finder(db, wants, 2);

	find(&f, "r0", "f-1", 8);
	become(db, "f-1", "DONE");
	assert_int_equal(begin(db), 0);
	source_is(db, "f-1", "KEPT", "route r1 keeps it");
}

static void
other_route_takes_other_names(void **state)
{
	const struct mftd_route wants[] = { { .after = delete },
		{ .except = csv, .n_except = 1 } };
	struct db *db = *state;
	struct finder f = finder(db, wants, 2);

	find(&f, "r0", "f-1", 8);
	become(db, "f-1", "DONE");
	assert_int_equal(begin(db), 1);
}

/* A route that was waited for is taken away. */
static void
other_route_goes(void **state)
{
	const struct mftd_route wants[] = { { .after = delete },
		{ .after = delete } };
	struct db *db = *state;
	struct finder f = finder(db, wants, 2);

	find(&f, "r0", "f-1", 8);
	become(db, "f-1", "DONE");
	assert_int_equal(begin(db), 0);
	apply(db, wants, 1);
	assert_int_equal(begin_later(db), 1);
}

static void
newer_or_gone(void **state)
{
	const struct mftd_route wants[] = { { .after = delete } };
	static const char why[] = "another file has its name by now, or none";
	struct db *db = *state;
	struct finder f = finder(db, wants, 1);

	find(&f, "r0", "f-1", 8);
	find(&f, "r0", "f-2", 9);
	become(db, "f-1", "DONE");
	assert_int_equal(begin(db), 0);
	source_is(db, "f-1", "KEPT", why);
	assert_int_equal(mftd_found_forget(db->c, &f.role, "r0", "a.csv"), 0);
	become(db, "f-2", "DONE");
	assert_int_equal(begin(db), 0);
	source_is(db, "f-2", "KEPT", why);
}

/* A record without an account. */
static void
found_record_stands_above_the_answer(void **state)
{
	const struct mftd_route wants[] = { { .after = delete } };
	struct mftd_rec_name m = { .volume = "main",
		.path = "drop/in/a.csv",
		.inode = 9,
		.cause = "f-1",
		.found = true,
		.bytes = 42,
		.mtime_ns = 7 };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);
	struct mftd_forward rec = {
		.seq = 1, .time_us = T0, .type = MFTD_RECORD_REMOVE
	};
	struct mftd_msg_disposed none = { .receipt = "f-1",
		.source = MFTD_SOURCE_KEPT,
		.text = "nothing has its name any more" };
	struct db *db = *state;
	struct finder f = finder(db, wants, 1);

	find(&f, "r0", "f-1", 8);
	become(db, "f-1", "DONE");
	assert_int_equal(begin(db), 1);
	assert_int_equal(mftd_source_answered(db->c, &none), 0);
	source_is(db, "f-1", "KEPT", none.text);
	assert_int_equal(mftd_rec_name_put(b, &m), 0);
	rec.payload = mftd_buf_data(b);
	rec.payload_bytes = mftd_buf_len(b);
	assert_int_equal(mftd_catalog_forward(db->c, "s1", &rec, 1), 0);
	mftd_buf_free(b);
	source_is(db, "f-1", "DELETED", "");
}

void
tests_source_found(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(asks_for_the_version),
		DB_TEST(archive_is_in_the_folder),
		DB_TEST(nothing_is_wanted),
		DB_TEST(other_routes_first),
		DB_TEST(both_at_once),
		DB_TEST(other_route_keeps_it),
		DB_TEST(other_route_takes_other_names),
		DB_TEST(other_route_goes),
		DB_TEST(newer_or_gone),
		DB_TEST(found_record_stands_above_the_answer),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
