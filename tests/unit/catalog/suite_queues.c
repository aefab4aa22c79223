/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/backlog.h"
#include "mftd/catalog/steps.h"

/* f0 and f1 in queue q, f2 in the queue other; each claimed by its owner. */
struct two {
	struct mftd_role_row q, other;
	struct mftd_delivery mine, its;
};

static void
claim_both(struct db *db, struct two *w)
{
	struct mftd_delivery d[4];
	int64_t now;

	publish_some(db, 3);
	db_execute(
	    db, "UPDATE delivery SET queue = 'other' WHERE receipt = 'f2'");
	now = mftd_clock_wall_us();
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &w->q), 0);
	assert_int_equal(
	    mftd_catalog_raise(db->c, "other", "you", &w->other), 0);
	assert_int_equal(mftd_catalog_claim(db->c, &w->q, now, "", d, 4), 2);
	assert_string_equal(d[0].receipt, "f0");
	assert_string_equal(d[1].receipt, "f1");
	w->mine = d[0];
	assert_int_equal(
	    mftd_catalog_claim(db->c, &w->other, now, "", d, 4), 1);
	assert_string_equal(d[0].receipt, "f2");
	w->its = d[0];
}

static void
assert_claimed_still(struct db *db, const char *receipt)
{
	struct mftd_delivery e;

	assert_true(find_delivery(db, receipt, &e));
	assert_int_equal(e.state, MFTD_DELIVERY_CLAIMED);
}

static int
step(struct db *db, const struct mftd_role_row *role, struct mftd_delivery d)
{
	d.state = MFTD_DELIVERY_DONE;
	return mftd_catalog_step(db->c, role, &d, MFTD_DELIVERY_CLAIMED);
}

static void
owner_moves_no_delivery_of_another_queue(void **state)
{
	struct db *db = *state;
	struct mftd_delivery d[4];
	struct mftd_role_row forged;
	struct two w;

	claim_both(db, &w);
	assert_int_equal(step(db, &w.q, w.its), -ENOENT);
	assert_claimed_still(db, "f2");
	/* the epoch and owner of one queue mean nothing in another */
	forged = w.q;
	strcpy(forged.queue, "other");
	assert_int_equal(step(db, &forged, w.its), -MFTD_E_STALE_EPOCH);
	assert_claimed_still(db, "f2");
	assert_int_equal(mftd_catalog_inherited(db->c, &w.q, d, 4), 2);
	assert_int_equal(mftd_catalog_inherited(db->c, &w.other, d, 4), 1);
	assert_string_equal(d[0].receipt, "f2");
}

static void
stale_owner_moves_nothing_of_any_queue(void **state)
{
	struct db *db = *state;
	struct mftd_delivery d[4];
	struct mftd_role_row new;
	struct two w;

	claim_both(db, &w);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "new", &new), 0);
	assert_int_equal(step(db, &w.q, w.mine), -MFTD_E_STALE_EPOCH);
	assert_int_equal(step(db, &w.q, w.its), -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &w.q, mftd_clock_wall_us(), "", d, 4),
	    -MFTD_E_STALE_EPOCH);
	assert_claimed_still(db, "f0");
	assert_claimed_still(db, "f2");
	/* and who has the other one did not notice */
	assert_int_equal(step(db, &w.other, w.its), 0);
	assert_int_equal(step(db, &new, w.mine), 0);
}

static void
name_that_a_session_cannot_have_is_refused(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role;
	char name[MFTD_QUEUE_BYTES + 1];

	memset(name, 'q', sizeof(name));
	name[MFTD_QUEUE_BYTES] = '\0';
	assert_int_equal(mftd_catalog_raise(db->c, name, "me", &role), -EINVAL);
	name[MFTD_QUEUE_BYTES - 1] = '\0';
	assert_int_equal(mftd_catalog_raise(db->c, name, "me", &role), 0);
}

static const struct mftd_msg_backlog_queue *
find_queue(const struct mftd_msg_backlog *b, const char *queue)
{
	uint32_t i;

	for (i = 0; i < b->n; i++)
		if (strcmp(b->queues[i].queue, queue) == 0)
			return &b->queues[i];
	return NULL;
}

static void
backlog_has_what_is_not_finished(void **state)
{
	struct db *db = *state;
	struct mftd_msg_backlog b;
	struct two w;

	assert_int_equal(mftd_catalog_backlog(db->c, &b), 0);
	assert_int_equal(b.n, 0);
	claim_both(db, &w);
	assert_int_equal(mftd_catalog_backlog(db->c, &b), 0);
	assert_int_equal(b.n, 2);
	assert_int_equal(find_queue(&b, "q")->waiting, 2);
	assert_int_equal(find_queue(&b, "other")->waiting, 1);
	/* what is finished, or waits for a person, is no node's to do */
	assert_int_equal(step(db, &w.other, w.its), 0);
	db_execute(
	    db, "UPDATE delivery SET state = 'HELD' WHERE receipt = 'f1'");
	assert_int_equal(mftd_catalog_backlog(db->c, &b), 0);
	assert_int_equal(b.n, 1);
	assert_int_equal(find_queue(&b, "q")->waiting, 1);
}

static void
backlog_is_counted_so_far(void **state)
{
	struct db *db = *state;
	struct mftd_msg_backlog b;

	publish_some(db, 1);
	db_execute(db,
	    "INSERT INTO delivery (id, receipt, route, queue, partner, volume, "
	    "directory, name, state, size, due_us) "
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
	    "WHERE i < 1500) SELECT 'more' || i, receipt, 'more' || i, "
	    "'many', partner, volume, directory, name, 'QUEUED', size, due_us "
	    "FROM delivery, n");
	/* and more queues than a node may have, one each */
	db_execute(db,
	    "INSERT INTO delivery (id, receipt, route, queue, partner, volume, "
	    "directory, name, state, size, due_us) "
	    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
	    "WHERE i < 40) SELECT 'one' || i, receipt, 'one' || i, "
	    "'one' || i, partner, volume, directory, name, 'QUEUED', size, "
	    "due_us FROM delivery, n WHERE queue = 'q'");
	assert_int_equal(mftd_catalog_backlog(db->c, &b), 0);
	assert_int_equal(b.n, MFTD_QUEUES_MAX);
	assert_int_equal(find_queue(&b, "many")->waiting, MFTD_BACKLOG_MAX);
	assert_int_equal(find_queue(&b, "one1")->waiting, 1);
}

static bool
needed(struct db *db, const char *queue)
{
	bool out = false;

	assert_int_equal(mftd_catalog_place_needed(db->c, queue, &out), 0);
	return out;
}

/* As long as a route names it, or something of it is a node's to do. */
static void
place_is_needed(void **state)
{
	static const char *const to_do[] = { "QUEUED", "WAITING", "CLAIMED",
		"SENDING", "SENT", "PUBLISHING", "DELIVERED" };
	static const char *const at_rest[] = { "DONE", "CANCELLED", "FAILED",
		"HELD", "IN_DOUBT" };
	struct db *db = *state;
	char sql[128];
	size_t i;

	assert_false(needed(db, "q"));
	apply_routes(db, 1);
	assert_true(needed(db, "q"));
	assert_false(needed(db, "@node:n1"));
	publish_some(db, 1);
	db_execute(db, "UPDATE delivery SET queue = '@node:n1'");
	for (i = 0; i < sizeof(to_do) / sizeof(to_do[0]); i++) {
		snprintf(sql, sizeof(sql), "UPDATE delivery SET state = '%s'",
		    to_do[i]);
		db_execute(db, sql);
		assert_true(needed(db, "@node:n1"));
		assert_false(needed(db, "@node:n"));
	}
	for (i = 0; i < sizeof(at_rest) / sizeof(at_rest[0]); i++) {
		snprintf(sql, sizeof(sql), "UPDATE delivery SET state = '%s'",
		    at_rest[i]);
		db_execute(db, sql);
		assert_false(needed(db, "@node:n1"));
	}
	/* one that keeps an order: what waits for a person is in the way */
	db_execute(db, "UPDATE delivery SET ordered = 1, state = 'HELD'");
	assert_true(needed(db, "@node:n1"));
	db_execute(db, "UPDATE delivery SET state = 'DONE'");
	assert_false(needed(db, "@node:n1"));
	db_execute(db, "UPDATE route SET queue = '@node:n1'");
	assert_true(needed(db, "@node:n1"));
	assert_false(needed(db, "q"));
}

static int
look_at_queue(void *data, const struct mftd_delivery *d)
{
	assert_string_equal(d->queue, "@controller");
	++*(int *)data;
	return 0;
}

static void
list_says_where(void **state)
{
	struct db *db = *state;
	int n = 0;

	publish_some(db, 2);
	db_execute(db, "UPDATE delivery SET queue = '@controller'");
	assert_int_equal(
	    mftd_catalog_deliveries(db->c, NULL, look_at_queue, &n), 0);
	assert_int_equal(n, 2);
}

void
tests_queues(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(owner_moves_no_delivery_of_another_queue),
		DB_TEST(stale_owner_moves_nothing_of_any_queue),
		DB_TEST(name_that_a_session_cannot_have_is_refused),
		DB_TEST(backlog_has_what_is_not_finished),
		DB_TEST(backlog_is_counted_so_far),
		DB_TEST(place_is_needed),
		DB_TEST(list_says_where),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
