/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/found.h"
#include "mftd/catalog/hook_runs.h"
#include "mftd/catalog/steps.h"

static char *kinds[] = { "received", "failed", "late" };
static char *program[] = { "/bin/true" };

/* Route r0 takes what is in drop/in, r1 the same; hooks want all of it. */
static uint64_t
apply(struct db *db, const char *template, const char *schedule)
{
	struct mftd_route_folder folder = {
		.volume = "main", .path = "drop/in", .every_s = 7, .stable_s = 3
	};
	struct mftd_account alice = {
		.name = "alice", .volume = "main", .root = "alice"
	};
	struct mftd_partner acme = {
		.name = "acme", .host = "h", .port = 22, .user = "u"
	};
	struct mftd_hook hook = { .name = "all",
		.on = kinds,
		.n_on = 3,
		.exec = program,
		.n_exec = 1,
		.timeout_s = 30,
		.tries = 3 };
	struct mftd_route routes[] = {
		{ .name = "r0",
		    .folder = &folder,
		    .partner = "acme",
		    .directory = "in",
		    .queue = "q",
		    .name_template = (char *)template,
		    .schedule = (char *)schedule,
		    .priority = 8,
		    .ordered = true },
		{ .name = "r1",
		    .folder = &folder,
		    .to_account = "alice",
		    .directory = "box",
		    .queue = "q" },
	};
	struct mftd_objects o = { .accounts = &alice,
		.n_accounts = 1,
		.partners = &acme,
		.n_partners = 1,
		.routes = routes,
		.n_routes = 2,
		.hooks = &hook,
		.n_hooks = 1 };
	uint64_t version = 0;

	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
	return version;
}

static struct mftd_role_row
raise(struct db *db, const char *owner)
{
	struct mftd_role_row role;

	assert_int_equal(mftd_catalog_raise(db->c, "q", owner, &role), 0);
	return role;
}

static const uint8_t sum[MFTD_SHA256_BYTES] = { 1, 2, 3 };

static struct mftd_found
a_file(const char *receipt, const char *path)
{
	return (struct mftd_found) { .origin = MFTD_ORIGIN_FOLDER,
		.route = "r0",
		.volume = "main",
		.path = path,
		.shown = path,
		.v = { .size = 42, .mtime_ns = 7, .ctime_ns = 8, .inode = 9 },
		.sha256 = sum,
		.receipt = receipt,
		.delivery = receipt,
		.now_us = mftd_clock_wall_us() };
}

static int64_t
count(struct db *db, const char *sql)
{
	int64_t n = -1;

	assert_true(
	    mftd_db_run(db->c, sql, NULL, 0, mftd_db_take_int, &n) >= 0);
	return n;
}

static void
becomes_a_delivery(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, NULL, NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("f-1", "a b.csv");
	struct mftd_delivery d[4];

	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &role, mftd_clock_wall_us(), "", d, 4),
	    1);
	assert_string_equal(d[0].id, "f-1");
	assert_string_equal(d[0].receipt, "f-1");
	assert_string_equal(d[0].route, "r0");
	assert_string_equal(d[0].partner, "acme");
	assert_string_equal(d[0].volume, "main");
	assert_string_equal(d[0].directory, "in");
	assert_string_equal(d[0].name, "a b.csv");
	assert_int_equal(d[0].size, 42);
	assert_true(d[0].has_sha256);
	assert_memory_equal(d[0].sha256, sum, sizeof(sum));
	assert_int_equal(d[0].priority, 8);
	assert_true(d[0].ordered);
	assert_int_equal(count(db,
			     "SELECT count(*) FROM event WHERE "
			     "id = 'received.f-1' AND "
			     "receipt = 'f-1' AND route = 'r0'"),
	    1);
}

static void
is_found_once(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, NULL, NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("f-1", "a"), again = a_file("f-2", "a");
	int i;

	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	/* its answer was lost */
	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_int_equal(
	    mftd_found_put(db->c, &role, version, &again), -EEXIST);
	assert_int_equal(count(db, "SELECT count(*) FROM delivery"), 1);
	/* another route, another fate */
	again.route = "r1";
	assert_int_equal(mftd_found_put(db->c, &role, version, &again), 0);
	assert_int_equal(count(db,
			     "SELECT count(*) FROM delivery WHERE "
			     "partner = '@alice'"),
	    1);
	/* whatever is another in it makes it another version */
	for (i = 0; i < 4; i++) {
		char id[16];

		snprintf(id, sizeof(id), "f-%d", 3 + i);
		f.receipt = f.delivery = id;
		f.v.size += i == 0;
		f.v.mtime_ns += i == 1;
		f.v.ctime_ns += i == 2;
		f.v.inode += i == 3;
		assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	}
	assert_int_equal(count(db, "SELECT count(*) FROM delivery"), 6);
	assert_int_equal(
	    count(db, "SELECT count(*) FROM found WHERE route = 'r0'"), 1);
}

static int
add_path(void *data, const char *path, const struct mftd_version *v)
{
	char *text = data;

	assert_int_equal(v->size, 42);
	assert_int_equal(v->ctime_ns, 8);
	strcat(strcat(text, path), " ");
	return 0;
}

static void
is_remembered_until_it_is_forgotten(void **state)
{
	static const char *const paths[] = { "b", "a", "\xff", "c" };
	struct db *db = *state;
	uint64_t version = apply(db, NULL, NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f;
	char id[16], text[64] = "";
	size_t i;

	for (i = 0; i < 4; i++) {
		snprintf(id, sizeof(id), "f-%zu", i);
		f = a_file(id, paths[i]);
		assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	}
	assert_int_equal(
	    mftd_found_list(db->c, "r0", "", 2, add_path, text), 2);
	assert_int_equal(
	    mftd_found_list(db->c, "r0", "b", 9, add_path, text), 2);
	assert_string_equal(text, "a b c \xff ");
	assert_int_equal(
	    mftd_found_list(db->c, "r1", "", 9, add_path, text), 0);
	assert_int_equal(mftd_found_forget(db->c, &role, "r0", "b"), 0);
	assert_int_equal(mftd_found_forget(db->c, &role, "r0", "b"), 0);
	f = a_file("f-9", "b");
	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_int_equal(count(db, "SELECT count(*) FROM delivery"), 5);
}

static void
numbers_have_no_gap(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "{seq:3}-{name}", NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("f-1", "a"), g = a_file("f-2", "b");

	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_int_equal(
	    mftd_found_put(db->c, &role, version - 1, &g), -EAGAIN);
	assert_int_equal(mftd_found_put(db->c, &role, version, &g), 0);
	assert_int_equal(count(db,
			     "SELECT count(*) FROM delivery WHERE "
			     "(receipt = 'f-1' AND seq = 1) OR "
			     "(receipt = 'f-2' AND seq = 2)"),
	    2);
	assert_int_equal(count(db, "SELECT last FROM route_sequence"), 2);
}

static int
take_any(void *data, const struct mftd_db_value *row, int n)
{
	return 0;
}

/* Another file was given it behind its plan: as by an upload of yesterday. */
static void
numbers_are_given_once(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "{seq}", NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("f-1", "a");
	static const int numbers[] = { 1, 5, 7, 6 };
	struct mftd_db_value v[24];
	int i;

	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	db_execute(db, "UPDATE route_sequence SET last = 5");
	for (i = 0; i < 24; i++)
		v[i] = DB_INT(1);
	v[0] = DB_TEXT("q");
	v[1] = DB_INT(role.epoch);
	v[2] = DB_TEXT(role.owner);
	v[3] = DB_INT(version);
	v[4] = DB_TEXT("r0");
	v[5] = v[13] = v[14] = v[18] = DB_BLOB("b", 1);
	v[10] = v[17] = DB_TEXT("f-2");
	v[11] = v[12] = v[20] = v[21] = DB_TEXT("x");
	for (i = 0; i < 4; i++) {
		v[16] = DB_INT(numbers[i]);
		assert_int_equal(db->c->db->ops->guarded(db->c->db,
				     MFTD_DB_FOUND, v, 24, take_any, NULL) > 0,
		    i == 3);
	}
	assert_int_equal(count(db, "SELECT last FROM route_sequence"), 6);
	assert_int_equal(count(db, "SELECT count(*) FROM delivery"), 2);
}

static void
not_of_objects_that_have_changed(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, NULL, NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("f-1", "a");

	apply(db, NULL, NULL);
	assert_int_equal(mftd_found_put(db->c, &role, version, &f), -EAGAIN);
	f.route = "none";
	assert_int_equal(
	    mftd_found_put(db->c, &role, version + 1, &f), -EAGAIN);
	assert_int_equal(count(db, "SELECT count(*) FROM receipt"), 0);
	assert_int_equal(count(db, "SELECT count(*) FROM found"), 0);
}

static void
what_fails_at_once_is_told(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, NULL, "0 0 31 2 *");
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("f-1", "a");
	struct mftd_delivery d;

	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_true(find_delivery(db, "f-1", &d));
	assert_int_equal(d.state, MFTD_DELIVERY_FAILED);
	assert_string_equal(d.error, "its route's schedule names no time");
	assert_int_equal(
	    count(db, "SELECT count(*) FROM event WHERE id = 'failed.f-1.0'"),
	    1);
}

/* A statement that is still under way when its receipt is abandoned. */
static void
what_is_abandoned_never_comes(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "{seq}", NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("f-1", "a"), g = a_file("f-2", "b");

	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_int_equal(mftd_found_abandon(db->c, &role, "f-1", 5), 1);
	assert_int_equal(mftd_found_abandon(db->c, &role, "f-2", 5), 0);
	assert_int_equal(mftd_found_abandon(db->c, &role, "f-2", 6), 0);
	assert_true(mftd_found_put(db->c, &role, version, &g) < 0);
	assert_int_equal(count(db, "SELECT count(*) FROM found"), 1);
	assert_int_equal(count(db, "SELECT count(*) FROM delivery"), 1);
	assert_int_equal(count(db, "SELECT last FROM route_sequence"), 1);
}

static void
stale_owner_finds_nothing(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, NULL, NULL);
	struct mftd_role_row old = raise(db, "me"), role;
	struct mftd_found f = a_file("f-1", "a"), g = a_file("f-2", "b");

	assert_int_equal(mftd_found_put(db->c, &old, version, &f), 0);
	role = raise(db, "you");
	assert_int_equal(
	    mftd_found_put(db->c, &old, version, &g), -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_found_abandon(db->c, &old, "f-2", 5), -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_found_forget(db->c, &old, "r0", "a"), -MFTD_E_STALE_EPOCH);
	assert_int_equal(count(db, "SELECT count(*) FROM receipt"), 1);
	assert_int_equal(count(db, "SELECT count(*) FROM found"), 1);
	assert_int_equal(mftd_found_put(db->c, &role, version, &g), 0);
}

/* Its copy goes as an upload's link does. */
static void
is_released_when_it_is_delivered(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, NULL, NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("f-1", "a");
	char out[4][MFTD_ID_BYTES];
	struct mftd_delivery d;

	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_int_equal(mftd_catalog_releasable(db->c, out, 4), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &role, mftd_clock_wall_us(), "", &d, 1),
	    1);
	d.state = MFTD_DELIVERY_DONE;
	assert_int_equal(
	    mftd_catalog_step(db->c, &role, &d, MFTD_DELIVERY_CLAIMED), 0);
	assert_int_equal(mftd_catalog_releasable(db->c, out, 4), 1);
	assert_string_equal(out[0], "f-1");
	/* what was found stays found */
	assert_int_equal(mftd_catalog_released(db->c, out, 1), 0);
	f.receipt = f.delivery = "f-2";
	assert_int_equal(mftd_found_put(db->c, &role, version, &f), -EEXIST);
}

static void
counts_as_what_was_expected(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, NULL, NULL);
	struct mftd_role_row role = raise(db, "me");
	struct mftd_found f = a_file("d-1", "a");
	const struct mftd_db_value late[] = { DB_TEXT("q"), DB_INT(role.epoch),
		DB_TEXT(role.owner), DB_TEXT("late.r0.1"), DB_TEXT("r0"),
		DB_INT(f.now_us - 1), DB_INT(f.now_us + 1), DB_INT(0),
		DB_TEXT("d"), DB_INT(f.now_us) };
	int64_t n;

	assert_int_equal(mftd_found_put(db->c, &role, version, &f), 0);
	assert_int_equal(
	    db->c->db->ops->guarded(db->c->db, MFTD_DB_DEADLINE_LATE, late, 10,
		mftd_db_take_int, &n),
	    0);
}

static void
routes_keep_their_folders(void **state)
{
	struct db *db = *state;
	struct mftd_objects *o;

	apply(db, NULL, NULL);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_null(o->routes[0].account);
	assert_string_equal(o->routes[0].folder->volume, "main");
	assert_string_equal(o->routes[0].folder->path, "drop/in");
	assert_int_equal(o->routes[0].folder->every_s, 7);
	assert_int_equal(o->routes[0].folder->stable_s, 3);
	mftd_objects_free(o);
}

void
tests_found(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(becomes_a_delivery),
		DB_TEST(is_found_once),
		DB_TEST(is_remembered_until_it_is_forgotten),
		DB_TEST(numbers_have_no_gap),
		DB_TEST(numbers_are_given_once),
		DB_TEST(not_of_objects_that_have_changed),
		DB_TEST(what_fails_at_once_is_told),
		DB_TEST(what_is_abandoned_never_comes),
		DB_TEST(stale_owner_finds_nothing),
		DB_TEST(is_released_when_it_is_delivered),
		DB_TEST(counts_as_what_was_expected),
		DB_TEST(routes_keep_their_folders),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
