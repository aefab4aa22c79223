/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/after.h"
#include "mftd/catalog/source.h"

/* What becomes of sources that were delivered. */
#define T0 1000000000000000 /* 2001-09-09 01:46:40 */
#define NO MFTD_AFTER_COUNT /* none */
#define PUBLISHED MFTD_RECORD_PUBLISHED
#define RENAME MFTD_RECORD_RENAME
#define REMOVE MFTD_RECORD_REMOVE

static char delete[] = "delete", archive[] = "archive", volume[] = "volume";
static char by_date[] = "kept/{year}/{month}/{day}", old[] = "old";

static void
publish(struct db *db, struct stream *s, const char *id, const char *path,
    uint64_t inode)
{
	assert_int_equal(say_receipt(db, s, id, path, inode), 0);
	assert_int_equal(say_outcome(db, s, id, PUBLISHED), 0);
}

/* Moves the receipt's delivery of that route, or each, to the state. */
static void
become(struct db *db, const char *receipt, const char *route, const char *state)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
	    "UPDATE delivery SET state = '%s', tries = 1 WHERE receipt = '%s' "
	    "AND route LIKE '%s'",
	    state, receipt, route);
	db_execute(db, sql);
}

/* The source's row, by some delivery of it. */
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

static int
begin(struct db *db, struct mftd_msg_dispose *q, size_t max)
{
	assert_true(mftd_source_look(db->c) >= 0);
	return mftd_source_begin(db->c, "main", q, max);
}

static void
answer(struct db *db, const char *receipt, int err, enum mftd_source source,
    const char *text)
{
	struct mftd_msg_disposed m = { .err = err, .source = source };

	snprintf(m.receipt, sizeof(m.receipt), "%s", receipt);
	snprintf(m.text, sizeof(m.text), "%s", text);
	assert_int_equal(mftd_source_answered(db->c, &m), 0);
}

/* A record of what was done, with its cause. */
static void
say_done(struct db *db, struct stream *s, uint32_t type, const char *receipt,
    uint64_t inode, const char *to)
{
	struct mftd_rec_name m = { .account = "alice",
		.volume = "main",
		.path = "alice/x",
		.inode = inode };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);
	struct mftd_forward f = {
		.seq = ++s->seq, .time_us = s->time_us += 1000000, .type = type
	};

	snprintf(m.to, sizeof(m.to), "%s", to);
	snprintf(m.cause, sizeof(m.cause), "%s", receipt);
	assert_int_equal(mftd_rec_name_put(b, &m), 0);
	f.payload = mftd_buf_data(b);
	f.payload_bytes = mftd_buf_len(b);
	assert_int_equal(mftd_catalog_forward(db->c, s->name, &f, 1), 0);
	mftd_buf_free(b);
}

static bool
is_releasable(struct db *db)
{
	char out[1][MFTD_ID_BYTES];

	return mftd_catalog_releasable(db->c, out, 1) == 1;
}

/* Nothing before both destinations have it, and its link stays until it is
 * done. */
static void
all_destinations_first(void **state)
{
	struct mftd_route routes[] = { { .after = delete },
		{ .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;

	apply_several(db, routes, 2);
	publish(db, &s, "f1", "d/x", 5);
	source_is(db, "f1", "WANTED", "");
	assert_int_equal(begin(db, q, 2), 0);
	become(db, "f1", "r0", "DONE");
	become(db, "f1", "r1", "WAITING");
	assert_int_equal(begin(db, q, 2), 0);
	become(db, "f1", "r1", "DELIVERED");
	assert_int_equal(begin(db, q, 2), 0);
	become(db, "f1", "r1", "DONE");
	assert_false(is_releasable(db));
	assert_int_equal(mftd_source_begin(db->c, "other", q, 2), 0);
	assert_int_equal(begin(db, q, 2), 1);
	assert_string_equal(q[0].receipt, "f1");
	assert_string_equal(q[0].account, "alice");
	assert_string_equal(q[0].root, "alice");
	assert_string_equal(q[0].path, "alice/d/x");
	assert_string_equal(q[0].archive, "");
	source_is(db, "f1", "BEGUN", "");
	assert_int_equal(begin(db, q, 2), 0); /* somebody is at it */
	assert_false(is_releasable(db));
	answer(db, "f1", 0, MFTD_SOURCE_DELETED, "");
	source_is(db, "f1", "DELETED", "");
	assert_true(is_releasable(db));
	assert_int_equal(begin(db, q, 2), 0);
}

static void
archive_has_its_date(void **state)
{
	struct mftd_route routes[] = { { .after = archive,
	    .archive = by_date } };
	struct mftd_route below[] = { { .after = archive,
	    .archive = by_date,
	    .archive_below = volume } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;

	apply_several(db, routes, 1);
	publish(db, &s, "f1", "x", 5);
	become(db, "f1", "%", "DONE");
	assert_int_equal(begin(db, q, 2), 1);
	assert_string_equal(q[0].path, "alice/x");
	assert_string_equal(q[0].archive, "alice/kept/2001/09/09");
	answer(db, "f1", 0, MFTD_SOURCE_ARCHIVED, "alice/kept/2001/09/09/x");
	source_is(db, "f1", "ARCHIVED", "alice/kept/2001/09/09/x");
	apply_several(db, below, 1);
	publish(db, &s, "f2", "y", 6);
	become(db, "f2", "%", "DONE");
	assert_int_equal(begin(db, q, 2), 1);
	assert_string_equal(q[0].archive, "kept/2001/09/09");
}

/* A change of the route does not touch what it took before. */
static void
wish_of_its_time(void **state)
{
	struct mftd_route routes[] = { { .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;

	apply_several(db, routes, 1);
	publish(db, &s, "f1", "x", 5);
	apply_routes(db, 1);
	publish(db, &s, "f2", "y", 6);
	become(db, "f1", "%", "DONE");
	become(db, "f2", "%", "DONE");
	assert_int_equal(begin(db, q, 2), 1);
	assert_string_equal(q[0].receipt, "f1");
	source_is(db, "f2", "", "");
	assert_true(is_releasable(db)); /* f2 */
}

static void
kept_by_one_of_them(void **state)
{
	struct mftd_route routes[] = { { .after = delete }, { .after = NULL },
		{ .after = archive, .archive = old } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;

	apply_several(db, routes, 3);
	publish(db, &s, "f1", "x", 5);
	become(db, "f1", "%", "DONE");
	assert_int_equal(begin(db, q, 2), 0);
	source_is(db, "f1", "KEPT", "route r1 keeps it");
	assert_true(is_releasable(db));
}

static void
cancelled_is_kept(void **state)
{
	struct mftd_route routes[] = { { .after = delete },
		{ .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;

	apply_several(db, routes, 2);
	publish(db, &s, "f1", "x", 5);
	become(db, "f1", "r0", "DONE");
	become(db, "f1", "r1", "CANCELLED");
	assert_int_equal(begin(db, q, 2), 0);
	source_is(db, "f1", "KEPT", "route r1 has not delivered it");
}

/* Each destination is looked at when it has ended, also for the second time:
 * after a person's wish, or another name. */
static void
ended_once_more(void **state)
{
	const struct mftd_wish wish = { .who = "p",
		.what = "retry",
		.from = MFTD_DELIVERY_FAILED,
		.to = MFTD_DELIVERY_QUEUED };
	char csv[] = "*.csv", *files[] = { csv };
	struct mftd_route routes[] = { { .after = delete },
		{ .files = files, .n_files = 1, .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;
	struct mftd_delivery d;

	apply_several(db, routes, 1);
	publish(db, &s, "f1", "x", 5);
	become(db, "f1", "r0", "DONE");
	db_execute(db, "UPDATE delivery SET due = 0"); /* it was looked at */
	become(db, "f1", "r0", "FAILED");
	assert_int_equal(begin(db, q, 2), 0);
	assert_true(find_delivery(db, "f1", &d));
	assert_int_equal(mftd_catalog_wish(db->c, d.id, &wish, 0), 0);
	become(db, "f1", "r0", "DONE");
	assert_int_equal(begin(db, q, 2), 1);

	apply_several(db, routes, 2);
	publish(db, &s, "f2", "y.csv", 6);
	assert_int_equal(say_name(db, &s, RENAME, 6, "y.xml"), 0);
	assert_int_equal(begin(db, q, 2), 0); /* r1's is cancelled: seen */
	assert_int_equal(say_name(db, &s, RENAME, 6, "z.csv"), 0);
	become(db, "f2", "r0", "DONE");
	assert_int_equal(begin(db, q, 2), 0);
	become(db, "f2", "r1", "DONE");
	assert_int_equal(begin(db, q, 2), 1);
	assert_string_equal(q[0].receipt, "f2");
}

/* A route that does not take it by its last name is no destination; unless a
 * person cancelled its delivery. */
static void
unmatched_is_no_destination(void **state)
{
	char csv[] = "*.csv", *files[] = { csv };
	struct mftd_route routes[] = { { .after = delete },
		{ .files = files, .n_files = 1 } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;
	int i;

	apply_several(db, routes, 2);
	for (i = 1; i <= 2; i++) {
		char id[8];

		snprintf(id, sizeof(id), "f%d", i);
		publish(db, &s, id, "x.csv", (uint64_t)i);
		assert_int_equal(
		    say_name(db, &s, RENAME, (uint64_t)i, "x.xml"), 0);
		become(db, id, "r0", "DONE");
	}
	db_execute(db,
	    "INSERT INTO delivery_wish SELECT id, 1, 1, 'me', 'cancel', "
	    "'QUEUED', 'CANCELLED' FROM delivery WHERE receipt = 'f2' AND "
	    "route = 'r1'");
	assert_int_equal(begin(db, q, 2), 1);
	assert_string_equal(q[0].receipt, "f1");
	assert_string_equal(q[0].path, "alice/x.xml");
	source_is(db, "f2", "KEPT", "route r1 has not delivered it");
}

/* From when a journal was asked, no name matches. */
static void
archived_is_not_routed_again(void **state)
{
	char in[] = "in/**", kept[] = "kept/**", *first[] = { in },
	     *second[] = { kept };
	struct mftd_route routes[] = { { .after = archive,
					   .archive = by_date,
					   .files = first,
					   .n_files = 1 },
		{ .files = second, .n_files = 1 } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct mftd_delivery d;
	struct db *db = *state;

	apply_several(db, routes, 2);
	publish(db, &s, "f1", "in/x", 5);
	become(db, "f1", "%", "DONE");
	assert_int_equal(begin(db, q, 2), 1);
	/* what mftd does with it, and a client then */
	say_done(db, &s, RENAME, "f1", 5, "alice/kept/2001/09/09/x");
	assert_int_equal(say_name(db, &s, RENAME, 5, "kept/y"), 0);
	assert_true(find_delivery(db, "f1", &d)); /* just the one */
	source_is(db, "f1", "ARCHIVED", "alice/kept/2001/09/09/x");
	/* what comes later by its name is a file of its own */
	publish(db, &s, "f2", "in/x", 6);
	assert_true(find_delivery(db, "f2", &d));
	assert_int_equal(d.state, MFTD_DELIVERY_QUEUED);
}

/* An answer that was lost is asked for again; what the journal recorded stands
 * above what is said then. */
static void
record_stands_above_the_answer(void **state)
{
	struct mftd_route routes[] = { { .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;

	apply_several(db, routes, 1);
	publish(db, &s, "f1", "x", 5);
	publish(db, &s, "f2", "y", 6);
	become(db, "f1", "%", "DONE");
	become(db, "f2", "%", "DONE");
	assert_int_equal(begin(db, q, 2), 2);
	db_execute(db, "UPDATE receipt SET source_due_us = 0");
	assert_int_equal(begin(db, q, 1), 1);
	assert_int_equal(begin(db, q, 2), 1);
	answer(db, "f1", 0, MFTD_SOURCE_KEPT, "nothing has its name");
	source_is(db, "f1", "KEPT", "nothing has its name");
	say_done(db, &s, REMOVE, "f1", 5, "");
	source_is(db, "f1", "DELETED", "");
	say_done(db, &s, REMOVE, "f2", 6, "");
	answer(db, "f2", 0, MFTD_SOURCE_KEPT, "nothing has its name");
	source_is(db, "f2", "DELETED", "");
}

static void
error_is_tried_again(void **state)
{
	struct mftd_route routes[] = { { .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;

	apply_several(db, routes, 1);
	publish(db, &s, "f1", "x", 5);
	become(db, "f1", "%", "DONE");
	assert_int_equal(begin(db, q, 2), 1);
	answer(db, "f1", -EBUSY, MFTD_SOURCE_KEPT, "");
	source_is(db, "f1", "BEGUN", mftd_strerror(-EBUSY));
	assert_int_equal(begin(db, q, 2), 0);
	assert_false(is_releasable(db));
	db_execute(db, "UPDATE receipt SET source_due_us = 0");
	assert_int_equal(begin(db, q, 2), 1);
	answer(db, "f1", 0, MFTD_SOURCE_DELETED, "");
	source_is(db, "f1", "DELETED", "");
}

static void
no_more_than_fit(void **state)
{
	struct mftd_route routes[] = { { .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[4];
	struct db *db = *state;
	char id[8];
	int i;

	apply_several(db, routes, 1);
	for (i = 0; i < 7; i++) {
		snprintf(id, sizeof(id), "f%d", i);
		publish(db, &s, id, id, (uint64_t)i + 1);
		become(db, id, "%", "DONE");
	}
	assert_int_equal(begin(db, q, 4), 4);
	assert_int_equal(begin(db, q, 4), 3);
	assert_int_equal(begin(db, q, 4), 0);
}

static void
account_is_gone(void **state)
{
	struct mftd_route routes[] = { { .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[2];
	struct db *db = *state;

	apply_several(db, routes, 1);
	publish(db, &s, "f1", "x", 5);
	become(db, "f1", "%", "DONE");
	db_execute(db, "DELETE FROM route");
	db_execute(db, "DELETE FROM account");
	assert_int_equal(begin(db, q, 2), 0);
	source_is(db, "f1", "KEPT", "its account is not there any more");
}

/* A path that begins with a virtual folder lies where that one does. */
static void
in_a_folder(void **state)
{
	struct mftd_route routes[] = { { .after = delete } };
	struct stream s = { .name = "s1", .time_us = T0 };
	static struct mftd_msg_dispose q[4];
	struct db *db = *state;

	apply_several(db, routes, 1);
	db_execute(db,
	    "INSERT INTO account_folder (account, position, name, path, "
	    "read_only) VALUES ('alice', 0, 'shared', 'pool/s', 0)");
	publish(db, &s, "f1", "shared/d/x", 1);
	become(db, "f1", "%", "DONE");
	assert_int_equal(begin(db, q, 4), 1);
	assert_string_equal(q[0].path, "pool/s/d/x");
	publish(db, &s, "f2", "shared-too/x", 2);
	become(db, "f2", "%", "DONE");
	assert_int_equal(begin(db, q, 4), 1);
	assert_string_equal(q[0].path, "alice/shared-too/x");
	publish(db, &s, "f3", "shared", 3);
	become(db, "f3", "%", "DONE");
	assert_int_equal(begin(db, q, 4), 1);
	assert_string_equal(q[0].path, "alice/shared");
}

/* Objects keep what routes want. */
static void
wishes_are_kept(void **state)
{
	struct mftd_route routes[] = { { .after = archive,
					   .archive = by_date,
					   .archive_below = volume },
		{ .after = NULL } };
	struct mftd_objects *o;
	struct db *db = *state;

	apply_several(db, routes, 2);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_string_equal(o->routes[0].after, "archive");
	assert_string_equal(o->routes[0].archive, by_date);
	assert_string_equal(o->routes[0].archive_below, "volume");
	assert_string_equal(o->routes[1].after, "keep");
	assert_null(o->routes[1].archive);
	mftd_objects_free(o);
}

/* ---- what several want together */

static void
most_careful_wish_counts(void **state)
{
	static const struct {
		enum mftd_after wants[3]; /* of those that are DONE */
		enum mftd_after want;
		int by;
	} rows[] = {
		{ { MFTD_AFTER_DELETE, NO, NO }, MFTD_AFTER_DELETE, 0 },
		{ { MFTD_AFTER_KEEP, NO, NO }, MFTD_AFTER_KEEP, 0 },
		{ { MFTD_AFTER_DELETE, MFTD_AFTER_ARCHIVE, MFTD_AFTER_DELETE },
		    MFTD_AFTER_ARCHIVE, 1 },
		{ { MFTD_AFTER_ARCHIVE, MFTD_AFTER_ARCHIVE, NO },
		    MFTD_AFTER_ARCHIVE, 0 },
		{ { MFTD_AFTER_DELETE, MFTD_AFTER_ARCHIVE, MFTD_AFTER_KEEP },
		    MFTD_AFTER_KEEP, 2 },
	};
	const struct mftd_destination *by;
	struct mftd_destination d[3];
	int state_of, i;
	size_t k;

	(void)state;
	for (k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		memset(d, 0, sizeof(d));
		for (i = 0; i < 3; i++) {
			d[i].unmatched = rows[k].wants[i] == NO;
			d[i].state = d[i].unmatched ? MFTD_DELIVERY_CANCELLED
						    : MFTD_DELIVERY_DONE;
			d[i].after =
			    d[i].unmatched ? MFTD_AFTER_KEEP : rows[k].wants[i];
		}
		assert_int_equal(mftd_after_decide(d, 3, &by), rows[k].want);
		assert_ptr_equal(by, &d[rows[k].by]);
	}
	/* one that is anything but DONE keeps it */
	for (state_of = 0; state_of < MFTD_DELIVERY_STATE_COUNT; state_of++) {
		memset(d, 0, sizeof(d));
		for (i = 0; i < 3; i++) {
			d[i].state = MFTD_DELIVERY_DONE;
			d[i].after = MFTD_AFTER_DELETE;
		}
		d[1].state = (enum mftd_delivery_state)state_of;
		assert_int_equal(mftd_after_decide(d, 3, &by),
		    state_of == MFTD_DELIVERY_DONE ? MFTD_AFTER_DELETE
						   : MFTD_AFTER_KEEP);
	}
	assert_int_equal(mftd_after_decide(d, 0, &by), MFTD_AFTER_KEEP);
	assert_null(by);
}

void
tests_source(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(most_careful_wish_counts),
		DB_TEST(all_destinations_first),
		DB_TEST(archive_has_its_date),
		DB_TEST(wish_of_its_time),
		DB_TEST(ended_once_more),
		DB_TEST(kept_by_one_of_them),
		DB_TEST(cancelled_is_kept),
		DB_TEST(unmatched_is_no_destination),
		DB_TEST(archived_is_not_routed_again),
		DB_TEST(record_stands_above_the_answer),
		DB_TEST(error_is_tried_again),
		DB_TEST(no_more_than_fit),
		DB_TEST(account_is_gone),
		DB_TEST(in_a_folder),
		DB_TEST(wishes_are_kept),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
