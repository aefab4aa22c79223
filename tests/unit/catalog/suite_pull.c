/* Part of mftd; see LICENSE. */
/* Files that are fetched from a partner: known once, and what is to become of
 * them there. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/pull.h"

static struct mftd_route_pull pull = { .partner = "acme",
	.directory = "from",
	.volume = "main",
	.every_s = 7,
	.stable_s = 3 };
static struct mftd_route route = { .name = "r0",
	.pull = &pull,
	.to_account = "alice",
	.directory = "box",
	.queue = "q" };

static uint64_t
apply(struct db *db, const char *fetched)
{
	struct mftd_account alice = {
		.name = "alice", .volume = "main", .root = "alice"
	};
	struct mftd_partner acme = {
		.name = "acme", .host = "h", .port = 22, .user = "u"
	};
	struct mftd_objects o = { .accounts = &alice,
		.n_accounts = 1,
		.partners = &acme,
		.n_partners = 1,
		.routes = &route,
		.n_routes = 1 };
	uint64_t version = 0;

	pull.directory = (char *)"from";
	pull.fetched = (char *)(uintptr_t)fetched;
	pull.resume = (char *)"verify";
	pull.move_to = strcmp(fetched, "move") == 0 ? (char *)"taken" : NULL;
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

static struct mftd_msg_fetch_found
a_file(const char *id, const char *name)
{
	struct mftd_msg_fetch_found f = { .file = { .size = 42,
					      .mtime = 1500000000 },
		.sha256 = { 1, 2, 3 } };

	snprintf(f.id, sizeof(f.id), "%s", id);
	snprintf(f.file.name, sizeof(f.file.name), "%s", name);
	return f;
}

static int
put(struct db *db, const struct mftd_role_row *role, uint64_t version,
    const struct mftd_msg_fetch_found *f)
{
	const struct mftd_pulled p = {
		.found = f, .delivery = f->id, .now_us = mftd_clock_wall_us()
	};

	return mftd_pull_put(db->c, role, version, &route, &p);
}

static int
known(struct db *db, const struct mftd_role_row *role,
    const struct mftd_msg_fetch_found *f)
{
	return mftd_pull_known(db->c, role, &route, &f->file);
}

static int
next(struct db *db, struct mftd_msg_fetch_wish *w)
{
	return mftd_pull_next(db->c, &route, mftd_clock_wall_us(), w);
}

static int
step(struct db *db, const struct mftd_role_row *role, const char *id,
    enum mftd_fetch_step which, int64_t due_us)
{
	struct mftd_msg_fetch_tidy t = { .step = which };

	snprintf(t.id, sizeof(t.id), "%s", id);
	snprintf(t.target, sizeof(t.target), "taken/x");
	snprintf(t.text, sizeof(t.text), "words");
	return mftd_pull_step(db->c, role, &t, due_us);
}

static void
run(struct db *db, const char *sql)
{
	assert_true(mftd_db_run(db->c, sql, NULL, 0, NULL, NULL) >= 0);
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
deliver(struct db *db)
{
	run(db, "UPDATE delivery SET state = 'DONE'");
}

static void
route_is_kept(void **state)
{
	struct db *db = *state;
	struct mftd_objects *o;
	const struct mftd_route_pull *p;

	apply(db, "move");
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	p = o->routes[0].pull;
	assert_non_null(p);
	assert_null(o->routes[0].account);
	assert_string_equal(p->partner, "acme");
	assert_string_equal(p->directory, "from");
	assert_string_equal(p->volume, "main");
	assert_int_equal(p->every_s, 7);
	assert_int_equal(p->stable_s, 3);
	assert_string_equal(p->fetched, "move");
	assert_string_equal(p->move_to, "taken");
	assert_string_equal(p->resume, "verify");
	mftd_objects_free(o);
	apply(db, "keep");
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_null(o->routes[0].pull->move_to);
	mftd_objects_free(o);
}

static void
is_known_once(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "keep");
	struct mftd_role_row role = raise(db, "me");
	struct mftd_msg_fetch_found f = a_file("f-1", "a");
	struct mftd_msg_fetch_found again = a_file("f-2", "a");

	assert_int_equal(known(db, &role, &f), 0);
	assert_int_equal(put(db, &role, version, &f), 0);
	assert_int_equal(known(db, &role, &f), 1);
	/* its answer was lost; another one */
	assert_int_equal(put(db, &role, version, &f), 0);
	assert_int_equal(put(db, &role, version, &again), -EEXIST);
	assert_int_equal(count(db, "SELECT count(*) FROM delivery"), 1);
	assert_int_equal(
	    count(db, "SELECT count(*) FROM pull WHERE state = 'KEPT'"), 2);
	assert_int_equal(count(db,
			     "SELECT count(*) FROM receipt WHERE "
			     "origin = 'PARTNER'"),
	    1);
	/* what is another version, or elsewhere */
	again.file.size++;
	assert_int_equal(known(db, &role, &again), 0);
	again.file.size--;
	again.file.mtime++;
	assert_int_equal(known(db, &role, &again), 0);
	pull.directory = (char *)"other";
	assert_int_equal(known(db, &role, &f), 0);
	pull.directory = (char *)"/from";
	assert_int_equal(known(db, &role, &f), 0);
	/* not so what is the same in other words */
	pull.directory = (char *)"./from//.";
	assert_int_equal(known(db, &role, &f), 1);
	pull.directory = (char *)"from/";
	assert_int_equal(known(db, &role, &f), 1);
	pull.directory = (char *)"from";
	/* that it is delivered changes nothing */
	deliver(db);
	assert_int_equal(known(db, &role, &f), 1);
}

static void
is_wished_once_delivered(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "move");
	struct mftd_role_row role = raise(db, "me");
	struct mftd_msg_fetch_found f = a_file("f-1", "a\xff");
	struct mftd_msg_fetch_wish w;

	assert_int_equal(put(db, &role, version, &f), 0);
	assert_int_equal(next(db, &w), 0);
	assert_int_equal(w.what, MFTD_FETCHED_KEEP);
	run(db, "UPDATE delivery SET state = 'FAILED'");
	assert_int_equal(next(db, &w), 0);
	run(db, "UPDATE delivery SET state = 'CANCELLED'");
	assert_int_equal(next(db, &w), 0);
	deliver(db);
	assert_int_equal(next(db, &w), 1);
	assert_string_equal(w.id, "f-1");
	assert_string_equal(w.file.name, "a\xff");
	assert_int_equal(w.file.size, 42);
	assert_int_equal(w.file.mtime, 1500000000);
	assert_memory_equal(w.sha256, f.sha256, sizeof(w.sha256));
	assert_int_equal(w.what, MFTD_FETCHED_MOVE);
	assert_string_equal(w.move_to, "taken");
	assert_int_equal(w.begun, 0);
	/* it is that partner's: not another's */
	pull.partner = (char *)"other";
	assert_int_equal(next(db, &w), 0);
	pull.partner = (char *)"acme";
	/* as the route said then, and where it was fetched then */
	pull.directory = (char *)"./other";
	assert_int_equal(next(db, &w), 1);
	assert_string_equal(w.directory, "from");
	pull.directory = (char *)"from";
	apply(db, "keep");
	assert_int_equal(next(db, &w), 1);
	assert_int_equal(w.what, MFTD_FETCHED_MOVE);
}

static void
wish_comes_to_its_end(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "delete");
	struct mftd_role_row role = raise(db, "me");
	struct mftd_msg_fetch_found f = a_file("f-1", "a");
	struct mftd_msg_fetch_wish w;
	int64_t now_us = mftd_clock_wall_us();
	int i;

	assert_int_equal(put(db, &role, version, &f), 0);
	deliver(db);
	for (i = 0; i < 2; i++)
		assert_int_equal(
		    step(db, &role, "f-1", MFTD_FETCH_BEGIN, now_us), 0);
	assert_int_equal(next(db, &w), 1);
	assert_int_equal(w.begun, 1);
	assert_string_equal(w.target, "taken/x");
	assert_int_equal(
	    step(db, &role, "f-1", MFTD_FETCH_LATER, now_us + 3600000000LL), 0);
	assert_int_equal(next(db, &w), 0);
	assert_int_equal(step(db, &role, "f-1", MFTD_FETCH_LATER, now_us), 0);
	assert_int_equal(next(db, &w), 1);
	assert_int_equal(w.begun, 1);
	assert_int_equal(known(db, &role, &f), 1);
	for (i = 0; i < 2; i++)
		assert_int_equal(
		    step(db, &role, "f-1", MFTD_FETCH_DONE, now_us), 0);
	assert_int_equal(next(db, &w), 0);
	assert_int_equal(count(db, "SELECT count(*) FROM found"), 0);
	/* what is over stays so */
	assert_int_equal(step(db, &role, "f-1", MFTD_FETCH_BEGIN, now_us), 0);
	assert_int_equal(next(db, &w), 0);
	/* one that looks the same is a new one */
	assert_int_equal(known(db, &role, &f), 0);
	f = a_file("f-2", "a");
	assert_int_equal(put(db, &role, version, &f), 0);
	assert_int_equal(known(db, &role, &f), 1);
	/* and what is told of the old one late is not about it */
	assert_int_equal(step(db, &role, "f-1", MFTD_FETCH_DONE, now_us), 0);
	assert_int_equal(known(db, &role, &f), 1);
}

/* The owner was killed between the two. */
static void
done_is_forgotten_by_the_next(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "delete");
	struct mftd_role_row role = raise(db, "me");
	struct mftd_msg_fetch_found f = a_file("f-1", "a");

	assert_int_equal(put(db, &role, version, &f), 0);
	run(db, "UPDATE pull SET state = 'DONE'");
	assert_int_equal(known(db, &role, &f), 0);
	assert_int_equal(count(db, "SELECT count(*) FROM found"), 0);
	f = a_file("f-2", "a");
	assert_int_equal(put(db, &role, version, &f), 0);
}

/* … or before the receipt was written. */
static void
wish_without_a_receipt_means_nothing(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "delete");
	struct mftd_role_row role = raise(db, "me");
	struct mftd_msg_fetch_found f = a_file("f-1", "a");
	struct mftd_msg_fetch_wish w;

	assert_int_equal(put(db, &role, version + 1, &f), -EAGAIN);
	assert_int_equal(count(db, "SELECT count(*) FROM pull"), 1);
	assert_int_equal(next(db, &w), 0);
	assert_int_equal(known(db, &role, &f), 0);
	f = a_file("f-2", "a");
	assert_int_equal(put(db, &role, version, &f), 0);
	deliver(db);
	assert_int_equal(next(db, &w), 1);
	assert_string_equal(w.id, "f-2");
}

static void
stale_owner_writes_nothing(void **state)
{
	struct db *db = *state;
	uint64_t version = apply(db, "delete");
	struct mftd_role_row old = raise(db, "old"), role = raise(db, "me");
	struct mftd_msg_fetch_found f = a_file("f-1", "a");
	int64_t now_us = mftd_clock_wall_us();

	assert_int_equal(put(db, &old, version, &f), -MFTD_E_STALE_EPOCH);
	assert_int_equal(count(db, "SELECT count(*) FROM pull"), 0);
	assert_int_equal(put(db, &role, version, &f), 0);
	deliver(db);
	assert_int_equal(step(db, &old, "f-1", MFTD_FETCH_BEGIN, now_us),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(step(db, &old, "f-1", MFTD_FETCH_DONE, now_us),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    count(db, "SELECT count(*) FROM pull WHERE state = 'WANTED'"), 1);
	run(db, "UPDATE pull SET state = 'DONE'");
	assert_int_equal(known(db, &old, &f), -MFTD_E_STALE_EPOCH);
	assert_int_equal(count(db, "SELECT count(*) FROM found"), 1);
}

void
tests_pull(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(route_is_kept),
		DB_TEST(is_known_once),
		DB_TEST(is_wished_once_delivered),
		DB_TEST(wish_comes_to_its_end),
		DB_TEST(done_is_forgotten_by_the_next),
		DB_TEST(wish_without_a_receipt_means_nothing),
		DB_TEST(stale_owner_writes_nothing),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
