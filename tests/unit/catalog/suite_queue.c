/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/steps.h"

static void
publish(struct db *db, int n)
{
	struct stream s = { .name = "s1", .time_us = 1000000000000000 };
	char id[16];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "f%d", i);
		assert_int_equal(
		    say_receipt(db, &s, id, id, (uint64_t)i + 1), 0);
		assert_int_equal(
		    say_outcome(db, &s, id, MFTD_RECORD_PUBLISHED), 0);
	}
}

void
publish_some(struct db *db, int n)
{
	apply_routes(db, 1);
	publish(db, n);
}

void
publish_in_route(struct db *db, const struct mftd_route *like, int n)
{
	apply_route(db, like);
	publish(db, n);
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
	    mftd_catalog_claim(db->c, &role, now - 3600000000, "", d, 8), 0);
	assert_int_equal(mftd_catalog_claim(db->c, &role, now, "", d, 2), 2);
	assert_int_equal(d[0].state, MFTD_DELIVERY_CLAIMED);
	assert_string_equal(d[0].partner, "acme");
	assert_true(find_delivery(db, d[0].receipt, &e));
	assert_int_equal(e.state, MFTD_DELIVERY_CLAIMED);
	assert_true(find_delivery(db, "f2", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_QUEUED);
	assert_int_equal(mftd_catalog_claim(db->c, &role, now, "", d, 8), 1);
	assert_string_equal(d[0].receipt, "f2");
	assert_int_equal(mftd_catalog_claim(db->c, &role, now, "", d, 8), 0);
	assert_int_equal(mftd_catalog_raise(db->c, "none", "me", &wrong), 0);
	assert_int_equal(mftd_catalog_inherited(db->c, &wrong, d, 8), 0);
}

/* A partner with many older ones does not keep another's waiting; a busy one
 * gets none. */
static void
claim_is_fair_to_partners(void **state)
{
	static struct mftd_delivery d[2 * MFTD_CLAIM_PARTNER_MAX];
	struct db *db = *state;
	struct mftd_role_row role;
	int64_t now;
	int i, n, others = 0;

	publish_some(db, MFTD_CLAIM_PARTNER_MAX + 20);
	db_execute(db,
	    "UPDATE delivery SET partner = 'last', due_us = due_us + 5 "
	    "WHERE receipt = 'f7' OR receipt = 'f8'");
	now = mftd_clock_wall_us() + 10;
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	n = mftd_catalog_claim(db->c, &role, now, " acme lastly ", d, 1);
	assert_int_equal(n, 1);
	assert_string_equal(d[0].partner, "last");
	n = mftd_catalog_claim(
	    db->c, &role, now, "", d, 2 * MFTD_CLAIM_PARTNER_MAX);
	assert_int_equal(n, MFTD_CLAIM_PARTNER_MAX + 1);
	for (i = 0; i < n; i++)
		others += strcmp(d[i].partner, "last") == 0;
	assert_int_equal(others, 1);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &role, now, " last ", d, 1), 1);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &role, now, " acme last ", d, 1), 0);
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
	assert_int_equal(mftd_catalog_claim(db->c, &old, now, "", &d, 1), 1);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "you", &new), 0);
	forged = new;
	strcpy(forged.owner, "me");
	e = d;
	assert_int_equal(mftd_catalog_claim(db->c, &old, now, "", &e, 1),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(mftd_catalog_claim(db->c, &forged, now, "", &e, 1),
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

/* n deliveries claimed by role, each with a step to SENDING. */
static void
claim_for_steps(struct db *db, struct mftd_role_row *role,
    struct mftd_delivery *d, struct mftd_row_step *steps, size_t n)
{
	size_t i;
	int r;

	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", role), 0);
	for (i = 0; i < n; i += (size_t)r) {
		r = mftd_catalog_claim(
		    db->c, role, mftd_clock_wall_us(), "", d + i, n - i);
		assert_true(r > 0);
	}
	for (i = 0; i < n; i++) {
		d[i].state = MFTD_DELIVERY_SENDING;
		d[i].tries = (uint32_t)i + 1;
		d[i].mtime = 1000 + (int64_t)i;
		d[i].has_sha256 = i % 2 == 0;
		memset(d[i].sha256, (int)i, sizeof(d[i].sha256));
		snprintf(d[i].host, sizeof(d[i].host), "host %zu", i);
		snprintf(d[i].error, sizeof(d[i].error), "'\"{}\\%zu", i);
		steps[i] = (struct mftd_row_step) {
			.d = &d[i], .from = MFTD_DELIVERY_CLAIMED, .result = 1
		};
	}
}

/* One of them is not where it is thought to be: the others are written, each
 * with what is its own. */
static void
steps_are_written_at_once(void **state)
{
	static struct mftd_delivery d[MFTD_STEPS_MAX];
	struct mftd_delivery e;
	struct mftd_row_step steps[MFTD_STEPS_MAX + 1];
	struct db *db = *state;
	struct mftd_role_row role;
	size_t i;

	publish_some(db, MFTD_STEPS_MAX);
	claim_for_steps(db, &role, d, steps, MFTD_STEPS_MAX);
	steps[7].from = MFTD_DELIVERY_SENT;
	assert_int_equal(
	    mftd_catalog_steps(db->c, &role, steps, MFTD_STEPS_MAX + 1),
	    -EINVAL);
	assert_int_equal(
	    mftd_catalog_steps(db->c, &role, steps, MFTD_STEPS_MAX), 0);
	for (i = 0; i < MFTD_STEPS_MAX; i++) {
		assert_true(find_delivery(db, d[i].receipt, &e));
		assert_int_equal(steps[i].result, i == 7 ? -ENOENT : 0);
		assert_int_equal(e.state,
		    i == 7 ? MFTD_DELIVERY_CLAIMED : MFTD_DELIVERY_SENDING);
		if (i == 7)
			continue;
		assert_int_equal(e.tries, d[i].tries);
		assert_int_equal(e.mtime, d[i].mtime);
		assert_true(e.due_us == d[i].due_us);
		assert_string_equal(e.host, d[i].host);
		assert_string_equal(e.error, d[i].error);
		assert_int_equal(e.has_sha256, d[i].has_sha256);
		if (e.has_sha256)
			assert_memory_equal(e.sha256, d[i].sha256, 32);
	}
}

/* Nothing of a batch is written under an epoch that is not current. */
static void
stale_steps_touch_nothing(void **state)
{
	struct mftd_delivery d[3], e;
	struct mftd_row_step steps[3];
	struct db *db = *state;
	struct mftd_role_row old, new, forged;
	size_t i;

	publish_some(db, 3);
	claim_for_steps(db, &old, d, steps, 3);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "you", &new), 0);
	forged = new;
	strcpy(forged.owner, "me");
	assert_int_equal(
	    mftd_catalog_steps(db->c, &old, steps, 3), -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_catalog_steps(db->c, &forged, steps, 3), -MFTD_E_STALE_EPOCH);
	/* not even where the same owner has raised it */
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &new), 0);
	assert_int_equal(
	    mftd_catalog_steps(db->c, &old, steps, 3), -MFTD_E_STALE_EPOCH);
	for (i = 0; i < 3; i++) {
		assert_true(find_delivery(db, d[i].receipt, &e));
		assert_int_equal(e.state, MFTD_DELIVERY_CLAIMED);
		assert_int_equal(e.tries, 0);
	}
}

/* A batch of which one row cannot be written leaves the others as they were. */
static void
refused_steps_touch_nothing(void **state)
{
	struct mftd_delivery d[3], e;
	struct mftd_row_step steps[3];
	struct db *db = *state;
	struct mftd_role_row role;
	char trigger[] =
	    "CREATE TRIGGER no BEFORE UPDATE ON delivery WHEN NEW.tries = 2 "
	    "BEGIN SELECT raise(ABORT, 'no'); END";
	size_t i;

	publish_some(db, 3);
	claim_for_steps(db, &role, d, steps, 3);
	db_execute(db,
	    db->postgres ? "ALTER TABLE delivery ADD CHECK (tries <> 2)"
			 : trigger);
	assert_int_equal(
	    mftd_catalog_steps(db->c, &role, steps, 3), -MFTD_E_CATALOG);
	for (i = 0; i < 3; i++) {
		assert_true(find_delivery(db, d[i].receipt, &e));
		assert_int_equal(e.state, MFTD_DELIVERY_CLAIMED);
	}
	steps[1] = steps[2];
	assert_int_equal(mftd_catalog_steps(db->c, &role, steps, 2), 0);
	assert_int_equal(steps[1].result, 0);
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
	    mftd_catalog_claim(db->c, &role, mftd_clock_wall_us(), "", &d, 1),
	    1);
	d.state = MFTD_DELIVERY_WAITING;
	d.tries = 3;
	d.mtime = 1234;
	d.due_us = mftd_clock_wall_us() + 3600000000;
	strcpy(d.host, "10.0.0.1");
	strcpy(d.error, "no\xffroom\n");
	memset(d.sha256, 9, sizeof(d.sha256));
	d.has = (struct mftd_progress) { .temp_try = 2,
		.number = 17,
		.verified = MFTD_VERIFIED_READ,
		.skipped = 1 };
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
	assert_memory_equal(&e.has, &d.has, sizeof(e.has));
	assert_int_equal(mftd_catalog_counts(db->c, "q", &q), 0);
	assert_int_equal(q.queued, 1);
	assert_int_equal(q.active, 0);
	assert_int_equal(mftd_catalog_counts(db->c, "other", &q), 0);
	assert_int_equal(q.queued, 0);
}

void
tests_queue(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(epoch_is_raised_per_queue),
		DB_TEST(claim_takes_what_is_due_in_order),
		DB_TEST(claim_is_fair_to_partners),
		DB_TEST(stale_owner_touches_nothing),
		DB_TEST(steps_are_written_at_once),
		DB_TEST(stale_steps_touch_nothing),
		DB_TEST(refused_steps_touch_nothing),
		DB_TEST(step_stores_all_and_checks_the_state),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
