/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/catalog/backlog.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/steps.h"
#include "mftd/catalog/versions.h"

/* Deliveries of one name: mftd/catalog/versions.h. */

#define MOST 4 /* that are claimed at a time */

struct world {
	struct db *db;
	struct mftd_role_row role;
	struct stream s;
	uint64_t inode;
};

/* A queue that is ours, with a route like that. */
static void
begin(struct world *w, struct db *db, const struct mftd_route *like)
{
	static const struct mftd_route any = { .priority = 5,
		.at = { .if_exists = MFTD_IF_EXISTS_OVERWRITE } };

	*w = (struct world) { .db = db,
		.s = { .name = "s1", .time_us = 1000000000000000 } };
	apply_route(db, like != NULL ? like : &any);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &w->role), 0);
}

static struct mftd_route
route_of(enum mftd_if_exists e)
{
	return (struct mftd_route) { .priority = 5, .at = { .if_exists = e } };
}

/* A file of those bytes is published under the name. */
static void
publish(struct world *w, const char *id, const char *name, uint8_t content)
{
	assert_int_equal(
	    say_content(w->db, &w->s, id, name, ++w->inode, content), 0);
	assert_int_equal(
	    say_outcome(w->db, &w->s, id, MFTD_RECORD_PUBLISHED), 0);
}

/* Versions v1 to n of x, no two the same. */
static void
publish_versions(struct world *w, int n)
{
	char id[16];
	int i;

	for (i = 1; i <= n; i++) {
		snprintf(id, sizeof(id), "v%d", i);
		publish(w, id, "x", (uint8_t)i);
	}
}

/* Claims all there is; the receipts in the order in which they come. */
static void
claimed(struct world *w, const char *want)
{
	static struct mftd_delivery d[MOST];
	char found[256] = "";
	int i, n;

	n = mftd_catalog_claim(
	    w->db->c, &w->role, mftd_clock_wall_us(), "", d, MOST);
	assert_true(n >= 0);
	for (i = 0; i < n; i++) {
		assert_int_equal(d[i].state, MFTD_DELIVERY_CLAIMED);
		strcat(found, i > 0 ? " " : "");
		strcat(found, d[i].receipt);
	}
	assert_string_equal(found, want);
}

static enum mftd_delivery_state
state_of(struct world *w, const char *receipt)
{
	static struct mftd_delivery d;

	assert_true(find_delivery(w->db, receipt, &d));
	return d.state;
}

/* The owner moves it. */
static void
move(struct world *w, const char *receipt, enum mftd_delivery_state to)
{
	static struct mftd_delivery d;
	enum mftd_delivery_state from;

	assert_true(find_delivery(w->db, receipt, &d));
	from = d.state;
	d.state = to;
	assert_int_equal(mftd_catalog_step(w->db->c, &w->role, &d, from), 0);
}

/* A person does. */
static void
wish(struct world *w, const char *receipt, const char *what,
    enum mftd_delivery_state to)
{
	static struct mftd_delivery d;
	struct mftd_wish wish = { .to = to };

	assert_true(find_delivery(w->db, receipt, &d));
	wish.from = d.state;
	strcpy(wish.who, "ann");
	strcpy(wish.what, what);
	assert_int_equal(mftd_catalog_wish(w->db->c, d.id, &wish, 1), 0);
}

/* A step, a wish or a renaming that a claim did not see. */
static void
change(struct world *w, const char *receipt, const char *what)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "UPDATE delivery SET %s WHERE receipt = '%s'", what, receipt);
	db_execute(w->db, sql);
}

/* ---- in order */

static void
one_is_on_its_way(void **state)
{
	static const enum mftd_delivery_state way[] = { MFTD_DELIVERY_SENDING,
		MFTD_DELIVERY_SENT, MFTD_DELIVERY_PUBLISHING,
		MFTD_DELIVERY_DELIVERED, MFTD_DELIVERY_IN_DOUBT };
	struct world w;
	size_t i;

	begin(&w, *state, NULL);
	publish_versions(&w, 3);
	publish(&w, "y", "y", 9);
	claimed(&w, "v1 y");
	claimed(&w, "");
	for (i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		move(&w, "v1", way[i]);
		/* a claim looks at them again */
		db_execute(w.db, "UPDATE delivery SET behind = ''");
		claimed(&w, "");
	}
	move(&w, "v1", MFTD_DELIVERY_DONE);
	claimed(&w, "v2");
	claimed(&w, "");
	move(&w, "v2", MFTD_DELIVERY_DONE);
	claimed(&w, "v3");
}

/* Each version goes out: one that waits for its next try is not passed. */
static void
one_that_waits_is_not_passed(void **state)
{
	struct world w;

	begin(&w, *state, NULL);
	publish_versions(&w, 2);
	claimed(&w, "v1");
	change(&w, "v1", "due_us = 4000000000000000");
	move(&w, "v1", MFTD_DELIVERY_SENDING);
	move(&w, "v1", MFTD_DELIVERY_WAITING);
	claimed(&w, "");
	change(&w, "v1", "due_us = 1");
	claimed(&w, "v1");
}

/* A claim may meet the later one first. */
static void
due_times_do_not_count(void **state)
{
	struct world w;

	begin(&w, *state, NULL);
	publish_versions(&w, 2);
	change(&w, "v2", "due_us = 1, priority = 9");
	claimed(&w, "v1");
	claimed(&w, "");
	move(&w, "v1", MFTD_DELIVERY_DONE);
	claimed(&w, "v2");
}

static void
order_is_that_of_receiving(void **state)
{
	struct stream slow = { .name = "s2", .time_us = 999999999000000 };
	struct world w;

	begin(&w, *state, NULL);
	publish_versions(&w, 2);
	assert_int_equal(say_content(w.db, &slow, "v0", "x", 77, 99), 0);
	assert_int_equal(
	    say_outcome(w.db, &slow, "v0", MFTD_RECORD_PUBLISHED), 0);
	claimed(&w, "v0");
	move(&w, "v0", MFTD_DELIVERY_DONE);
	claimed(&w, "v1");
}

/* However many there are, others are behind them for a few claims at most, and
 * each of them is let go by the one before it. */
static void
many_let_go_one_another(void **state)
{
	struct world w;
	char id[16];
	int i, n = 5 * MOST;

	begin(&w, *state, NULL);
	publish_versions(&w, n);
	publish(&w, "y", "y", 200);
	claimed(&w, "v1");
	claimed(&w, "y");
	assert_true(mftd_catalog_versions(w.db->c));
	for (i = 1; i < n; i++) {
		snprintf(id, sizeof(id), "v%d", i);
		move(&w, id, MFTD_DELIVERY_DONE);
		snprintf(id, sizeof(id), "v%d", i + 1);
		claimed(&w, id);
		claimed(&w, "");
	}
}

/* ---- what lets the next one go */

static void
what_has_ended_lets_go(void **state)
{
	static const enum mftd_delivery_state ends[] = { MFTD_DELIVERY_DONE,
		MFTD_DELIVERY_FAILED, MFTD_DELIVERY_HELD,
		MFTD_DELIVERY_CANCELLED };
	char id[16], next[16];
	struct world w;
	int i, n = sizeof(ends) / sizeof(ends[0]);

	begin(&w, *state, NULL);
	publish_versions(&w, n + 1);
	claimed(&w, "v1");
	for (i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "v%d", i + 1);
		snprintf(next, sizeof(next), "v%d", i + 2);
		claimed(&w, "");
		move(&w, id, ends[i]);
		claimed(&w, next);
	}
}

static void
a_person_lets_go(void **state)
{
	struct world w;

	begin(&w, *state, NULL);
	publish_versions(&w, 4);
	claimed(&w, "v1");
	claimed(&w, "");
	wish(&w, "v1", "hold", MFTD_DELIVERY_HELD);
	claimed(&w, "v2");
	wish(&w, "v3", "cancel", MFTD_DELIVERY_CANCELLED);
	claimed(&w, ""); /* v4 is no more behind v3, but v2 */
	move(&w, "v2", MFTD_DELIVERY_FAILED);
	claimed(&w, "v4");
}

/* What has been missed is found by looking. */
static void
looking_finds_what_was_missed(void **state)
{
	char at[MFTD_ID_BYTES] = "";
	struct world w;

	begin(&w, *state, NULL);
	publish_versions(&w, 3);
	claimed(&w, "v1");
	assert_int_equal(mftd_catalog_versions_look(w.db->c, &w.role, at), 0);
	assert_string_not_equal(at, "");
	assert_int_equal(mftd_catalog_versions_look(w.db->c, &w.role, at), 0);
	assert_string_equal(at, "");
	change(&w, "v1", "state = 'CANCELLED'");
	claimed(&w, "");
	assert_int_equal(mftd_catalog_versions_look(w.db->c, &w.role, at), 1);
	claimed(&w, "v2");
	/* another name */
	change(&w, "v2", "name_key = 1");
	assert_int_equal(mftd_catalog_versions_look(w.db->c, &w.role, at), 0);
	assert_int_equal(mftd_catalog_versions_look(w.db->c, &w.role, at), 1);
	claimed(&w, "v3");
}

/* ---- which are versions of one another */

static void
other_places_are_apart(void **state)
{
	static const char *const other[] = { "route = 'r1'",
		"partner = 'other'", "directory = 'other'", "name = 'y'" };
	struct world w;
	char id[16];
	int i;

	begin(&w, *state, NULL);
	publish_versions(&w, 5);
	/* as if their keys were one by chance */
	for (i = 0; i < 4; i++) {
		snprintf(id, sizeof(id), "v%d", i + 2);
		change(&w, id, other[i]);
	}
	claimed(&w, "v1 v2 v3"); /* the share of each partner */
	claimed(&w, "v4 v5");
}

static void
keys_are_of_all_that_counts(void **state)
{
	int64_t key = mftd_versions_key("r", "p", "d", "n");

	(void)state;
	assert_int_equal(mftd_versions_key("r", "p", "d", "n"), key);
	assert_int_not_equal(mftd_versions_key("R", "p", "d", "n"), key);
	assert_int_not_equal(mftd_versions_key("r", "P", "d", "n"), key);
	assert_int_not_equal(mftd_versions_key("r", "p", "D", "n"), key);
	assert_int_not_equal(mftd_versions_key("r", "p", "d", "N"), key);
	assert_int_not_equal(mftd_versions_key("rp", "", "d", "n"), key);
}

/* A client renames what it has uploaded: it is a version of that name. */
static void
renaming_makes_versions(void **state)
{
	struct world w;

	begin(&w, *state, NULL);
	publish(&w, "v1", "x", 1);
	publish(&w, "v2", "y", 2);
	assert_int_equal(say_name(w.db, &w.s, MFTD_RECORD_RENAME, 2, "x"), 0);
	claimed(&w, "v1");
	claimed(&w, "");
	/* it is behind no other one any more */
	assert_int_equal(say_name(w.db, &w.s, MFTD_RECORD_RENAME, 2, "z"), 0);
	claimed(&w, "v2");
}

/* Rows of before there were keys. */
static void
without_a_key_nothing_waits(void **state)
{
	struct world w;

	begin(&w, *state, NULL);
	publish_versions(&w, 2);
	db_execute(w.db, "UPDATE delivery SET name_key = 0");
	claimed(&w, "v1 v2");
}

/* ---- an older one that comes later */

/* v1 has failed, and is tried again when v2 is DONE. */
static void
retry_after(struct world *w)
{
	publish_versions(w, 2);
	claimed(w, "v1");
	claimed(w, "");
	move(w, "v1", MFTD_DELIVERY_FAILED);
	claimed(w, "v2");
	move(w, "v2", MFTD_DELIVERY_DONE);
	wish(w, "v1", "retry", MFTD_DELIVERY_QUEUED);
}

static void
older_one_does_not_overwrite(void **state)
{
	static struct mftd_delivery d, later;
	struct world w;
	char want[128];

	begin(&w, *state, NULL);
	retry_after(&w);
	claimed(&w, "");
	assert_true(find_delivery(w.db, "v1", &d));
	assert_true(find_delivery(w.db, "v2", &later));
	assert_int_equal(d.state, MFTD_DELIVERY_CANCELLED);
	snprintf(
	    want, sizeof(want), "replaced by a later version: %s", later.id);
	assert_string_equal(d.error, want);
}

/* To an account's folder each file overwrites, whatever its route says. */
static void
older_one_does_not_overwrite_an_accounts(void **state)
{
	struct mftd_route like = route_of(MFTD_IF_EXISTS_FAIL);
	struct world w;

	begin(&w, *state, &like);
	publish_versions(&w, 2);
	db_execute(w.db, "UPDATE delivery SET partner = '@bob'");
	change(&w, "v2", "state = 'DONE'");
	claimed(&w, "");
	assert_int_equal(state_of(&w, "v1"), MFTD_DELIVERY_CANCELLED);
}

/* Where nothing is overwritten each is a delivery of its own. */
static void
older_one_is_sent_where_nothing_is_overwritten(void **state)
{
	static const enum mftd_if_exists kept[] = { MFTD_IF_EXISTS_FAIL,
		MFTD_IF_EXISTS_NUMBER, MFTD_IF_EXISTS_SKIP };
	struct mftd_route like;
	struct world w;
	size_t i;

	for (i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (i > 0)
			assert_int_equal(db_teardown(state), 0);
		if (i > 0)
			assert_int_equal(db_setup(state), 0);
		like = route_of(kept[i]);
		begin(&w, *state, &like);
		retry_after(&w);
		claimed(&w, "v1");
	}
}

/* While a later one is on its way nobody knows what becomes of it: here
 * nothing, and it is tried again. */
static void
older_one_waits(struct db *db, enum mftd_delivery_state again)
{
	static const enum mftd_delivery_state way[] = { MFTD_DELIVERY_SENDING,
		MFTD_DELIVERY_PUBLISHING, MFTD_DELIVERY_IN_DOUBT };
	struct world w;
	size_t i;

	begin(&w, db, NULL);
	publish_versions(&w, 2);
	claimed(&w, "v1");
	move(&w, "v1", MFTD_DELIVERY_FAILED);
	claimed(&w, "v2");
	wish(&w, "v1", "retry", MFTD_DELIVERY_QUEUED);
	for (i = 0; i < sizeof(way) / sizeof(way[0]); i++) {
		move(&w, "v2", way[i]);
		claimed(&w, "");
	}
	assert_int_equal(state_of(&w, "v1"), MFTD_DELIVERY_QUEUED);
	/* nothing came of it: they are in order again */
	if (again == MFTD_DELIVERY_QUEUED)
		wish(&w, "v2", "resend", again);
	else
		move(&w, "v2", again);
	claimed(&w, "v1");
	claimed(&w, "");
	move(&w, "v1", MFTD_DELIVERY_DONE);
	claimed(&w, "v2");
}

static void
older_one_goes_before_one_that_waits(void **state)
{
	older_one_waits(*state, MFTD_DELIVERY_WAITING);
}

static void
older_one_goes_before_one_sent_again(void **state)
{
	older_one_waits(*state, MFTD_DELIVERY_QUEUED);
}

/* The catalog hears of it when a later one of another node is DONE. */
static void
one_that_comes_too_late_is_replaced(void **state)
{
	struct stream slow = { .name = "s2", .time_us = 999999999000000 };
	struct world w;

	begin(&w, *state, NULL);
	publish_versions(&w, 1);
	claimed(&w, "v1");
	move(&w, "v1", MFTD_DELIVERY_DONE);
	assert_int_equal(say_content(w.db, &slow, "v0", "x", 77, 99), 0);
	assert_int_equal(
	    say_outcome(w.db, &slow, "v0", MFTD_RECORD_PUBLISHED), 0);
	claimed(&w, "");
	assert_int_equal(state_of(&w, "v0"), MFTD_DELIVERY_CANCELLED);
}

/* ---- repetitions */

/* What the one of receipt v2 is to do where its name exists, once claimed. */
static enum mftd_if_exists
claim_second(struct world *w)
{
	static struct mftd_delivery d;

	claimed(w, "v2");
	assert_true(find_delivery(w->db, "v2", &d));
	return (enum mftd_if_exists)d.at.if_exists;
}

/* Its client did not hear that the first one was acknowledged. */
static void
repetition_looks_for_the_first_one(void **state)
{
	struct mftd_route like = route_of(MFTD_IF_EXISTS_FAIL);
	struct world w;

	begin(&w, *state, &like);
	publish(&w, "v1", "x", 1);
	claimed(&w, "v1");
	publish(&w, "v2", "x", 1);
	claimed(&w, ""); /* it is on its way */
	move(&w, "v1", MFTD_DELIVERY_DONE);
	assert_int_equal(claim_second(&w), MFTD_IF_EXISTS_SKIP);
}

/* Its sum may come with the sending. */
static void
repetition_may_have_no_sum(void **state)
{
	struct mftd_route like = route_of(MFTD_IF_EXISTS_FAIL);
	struct world w;

	begin(&w, *state, &like);
	publish_versions(&w, 2);
	change(&w, "v2", "sha256 = NULL");
	claimed(&w, "v1");
	move(&w, "v1", MFTD_DELIVERY_DONE);
	assert_int_equal(claim_second(&w), MFTD_IF_EXISTS_SKIP);
}

static void
other_bytes_are_no_repetition(void **state)
{
	struct mftd_route like = route_of(MFTD_IF_EXISTS_FAIL);
	struct world w;

	begin(&w, *state, &like);
	publish_versions(&w, 2);
	claimed(&w, "v1");
	move(&w, "v1", MFTD_DELIVERY_DONE);
	assert_int_equal(claim_second(&w), MFTD_IF_EXISTS_FAIL);
}

/* What failed was not there, and what the partner had is not the last one's. */
static void
only_the_last_one_that_is_done_is_repeated(void **state)
{
	struct mftd_route like = route_of(MFTD_IF_EXISTS_FAIL);
	struct world w;

	begin(&w, *state, &like);
	publish(&w, "v0", "x", 2);
	publish(&w, "v1", "x", 1);
	claimed(&w, "v0");
	move(&w, "v0", MFTD_DELIVERY_DONE);
	claimed(&w, "v1");
	publish(&w, "v2", "x", 2);
	claimed(&w, ""); /* v0 is the last one that is DONE so far */
	move(&w, "v1", MFTD_DELIVERY_DONE);
	assert_int_equal(claim_second(&w), MFTD_IF_EXISTS_FAIL);
	move(&w, "v2", MFTD_DELIVERY_FAILED);
	publish(&w, "v3", "x", 2);
	claimed(&w, "v3");
}

static void
other_routes_do_as_they_say(void **state)
{
	static const enum mftd_if_exists as_said[] = { MFTD_IF_EXISTS_OVERWRITE,
		MFTD_IF_EXISTS_NUMBER };
	struct mftd_route like;
	struct world w;
	size_t i;

	for (i = 0; i < sizeof(as_said) / sizeof(as_said[0]); i++) {
		if (i > 0)
			assert_int_equal(db_teardown(state), 0);
		if (i > 0)
			assert_int_equal(db_setup(state), 0);
		like = route_of(as_said[i]);
		begin(&w, *state, &like);
		publish(&w, "v1", "x", 1);
		claimed(&w, "v1");
		publish(&w, "v2", "x", 1);
		move(&w, "v1", MFTD_DELIVERY_DONE);
		assert_int_equal(claim_second(&w), as_said[i]);
	}
}

/* ---- with a route's order, and for those who look on */

/* A route that passes what waits for a person does not pass what may still be
 * renamed to that very name. */
static void
ordered_route_waits_for_one_in_doubt(void **state)
{
	struct mftd_route like = route_of(MFTD_IF_EXISTS_OVERWRITE);
	struct world w;

	like.ordered = like.skip_failed = true;
	begin(&w, *state, &like);
	publish_versions(&w, 2);
	claimed(&w, "v1");
	move(&w, "v1", MFTD_DELIVERY_IN_DOUBT);
	claimed(&w, "");
	claimed(&w, "");
	wish(&w, "v1", "delivered", MFTD_DELIVERY_DELIVERED);
	move(&w, "v1", MFTD_DELIVERY_DONE);
	claimed(&w, "v2");
}

static void
those_behind_are_counted(void **state)
{
	struct mftd_queue_counts counts;
	struct mftd_msg_backlog b;
	struct world w;

	begin(&w, *state, NULL);
	publish_versions(&w, 3);
	claimed(&w, "v1");
	assert_int_equal(mftd_catalog_counts(w.db->c, "q", &counts), 0);
	assert_int_equal(counts.queued, 2);
	assert_int_equal(counts.active, 1);
	move(&w, "v1", MFTD_DELIVERY_IN_DOUBT);
	assert_int_equal(mftd_catalog_backlog(w.db->c, &b), 0);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.queues[0].waiting, 2);
}

void
tests_versions(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(one_is_on_its_way),
		DB_TEST(one_that_waits_is_not_passed),
		DB_TEST(due_times_do_not_count),
		DB_TEST(order_is_that_of_receiving),
		DB_TEST(many_let_go_one_another),
		DB_TEST(what_has_ended_lets_go),
		DB_TEST(a_person_lets_go),
		DB_TEST(looking_finds_what_was_missed),
		DB_TEST(other_places_are_apart),
		cmocka_unit_test(keys_are_of_all_that_counts),
		DB_TEST(renaming_makes_versions),
		DB_TEST(without_a_key_nothing_waits),
		DB_TEST(older_one_does_not_overwrite),
		DB_TEST(older_one_does_not_overwrite_an_accounts),
		DB_TEST(older_one_is_sent_where_nothing_is_overwritten),
		DB_TEST(older_one_goes_before_one_that_waits),
		DB_TEST(older_one_goes_before_one_sent_again),
		DB_TEST(one_that_comes_too_late_is_replaced),
		DB_TEST(repetition_looks_for_the_first_one),
		DB_TEST(repetition_may_have_no_sum),
		DB_TEST(other_bytes_are_no_repetition),
		DB_TEST(only_the_last_one_that_is_done_is_repeated),
		DB_TEST(other_routes_do_as_they_say),
		DB_TEST(ordered_route_waits_for_one_in_doubt),
		DB_TEST(those_behind_are_counted),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
