/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"

void
publish_some(struct db *db, int n)
{
	struct stream s = { .name = "s1", .time_us = 1000000000000000 };
	char id[16];
	int i;

	apply_routes(db, 1);
	for (i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "f%d", i);
		assert_int_equal(
		    say_receipt(db, &s, id, id, (uint64_t)i + 1), 0);
		assert_int_equal(
		    say_outcome(db, &s, id, MFTD_RECORD_PUBLISHED), 0);
	}
}

static void
epoch_is_raised_per_queue(void **state)
{
	struct db *db = *state;
	struct mftd_role_row a, b, other;

	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &a), 0);
	assert_int_equal(a.epoch, 1);
	assert_string_equal(a.queue, "q");
	assert_string_equal(a.owner, "me");
	assert_int_equal(mftd_catalog_raise(db->c, "q", "you", &b), 0);
	assert_int_equal(b.epoch, 2);
	assert_int_equal(mftd_catalog_raise(db->c, "other", "me", &other), 0);
	assert_int_equal(other.epoch, 1);
}

static void
claim_takes_what_is_due_in_order(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role, wrong;
	struct mftd_delivery d[8], e;
	int64_t now;

	publish_some(db, 3);
	now = mftd_clock_wall_us();
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &role, now - 3600000000, d, 8), 0);
	assert_int_equal(mftd_catalog_claim(db->c, &role, now, d, 2), 2);
	assert_int_equal(d[0].state, MFTD_DELIVERY_CLAIMED);
	assert_string_equal(d[0].partner, "acme");
	assert_true(find_delivery(db, d[0].receipt, &e));
	assert_int_equal(e.state, MFTD_DELIVERY_CLAIMED);
	assert_true(find_delivery(db, "f2", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_QUEUED);
	assert_int_equal(mftd_catalog_claim(db->c, &role, now, d, 8), 1);
	assert_string_equal(d[0].receipt, "f2");
	assert_int_equal(mftd_catalog_claim(db->c, &role, now, d, 8), 0);
	assert_int_equal(mftd_catalog_raise(db->c, "none", "me", &wrong), 0);
	assert_int_equal(mftd_catalog_inherited(db->c, &wrong, d, 8), 0);
}

static void
stale_owner_touches_nothing(void **state)
{
	struct db *db = *state;
	struct mftd_role_row old, new, forged;
	struct mftd_delivery d, e;
	int64_t now;

	publish_some(db, 2);
	now = mftd_clock_wall_us();
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &old), 0);
	assert_int_equal(mftd_catalog_claim(db->c, &old, now, &d, 1), 1);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "you", &new), 0);
	forged = new;
	strcpy(forged.owner, "me");
	e = d;
	assert_int_equal(
	    mftd_catalog_claim(db->c, &old, now, &e, 1), -MFTD_E_STALE_EPOCH);
	assert_int_equal(mftd_catalog_claim(db->c, &forged, now, &e, 1),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_catalog_inherited(db->c, &old, &e, 1), -MFTD_E_STALE_EPOCH);
	d.state = MFTD_DELIVERY_DONE;
	assert_int_equal(
	    mftd_catalog_step(db->c, &old, &d, MFTD_DELIVERY_CLAIMED),
	    -MFTD_E_STALE_EPOCH);
	assert_true(find_delivery(db, "f0", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_CLAIMED);
	assert_true(find_delivery(db, "f1", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_QUEUED);
	assert_int_equal(mftd_catalog_inherited(db->c, &new, &e, 1), 1);
	assert_string_equal(e.id, d.id);
}

static void
step_stores_all_and_checks_the_state(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_queue_counts q;
	struct mftd_delivery d, e;

	publish_some(db, 1);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &role, mftd_clock_wall_us(), &d, 1), 1);
	d.state = MFTD_DELIVERY_WAITING;
	d.tries = 3;
	d.mtime = 1234;
	d.due_us = mftd_clock_wall_us() + 3600000000;
	strcpy(d.host, "10.0.0.1");
	strcpy(d.error, "no\xffroom\n");
	memset(d.sha256, 9, sizeof(d.sha256));
	assert_int_equal(
	    mftd_catalog_step(db->c, &role, &d, MFTD_DELIVERY_SENDING),
	    -ENOENT);
	assert_int_equal(
	    mftd_catalog_step(db->c, &role, &d, MFTD_DELIVERY_CLAIMED), 0);
	assert_int_equal(
	    mftd_catalog_step(db->c, &role, &d, MFTD_DELIVERY_CLAIMED),
	    -ENOENT);
	assert_true(find_delivery(db, "f0", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_WAITING);
	assert_int_equal(e.tries, 3);
	assert_int_equal(e.mtime, 1234);
	assert_true(e.due_us == d.due_us);
	assert_string_equal(e.host, "10.0.0.1");
	assert_string_equal(e.error, "no?room?");
	assert_int_equal(e.sha256[0], 9);
	assert_int_equal(mftd_catalog_counts(db->c, "q", &q), 0);
	assert_int_equal(q.by_state[MFTD_DELIVERY_WAITING], 1);
	assert_int_equal(q.by_state[MFTD_DELIVERY_CLAIMED], 0);
	assert_true(q.next_due_us == d.due_us);
	assert_int_equal(mftd_catalog_counts(db->c, "other", &q), 0);
	assert_true(q.next_due_us == 0);
}

void
tests_queue(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(epoch_is_raised_per_queue),
		DB_TEST(claim_takes_what_is_due_in_order),
		DB_TEST(stale_owner_touches_nothing),
		DB_TEST(step_stores_all_and_checks_the_state),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
