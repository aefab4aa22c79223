/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/steps.h"

#define T0 1000000000000000 /* microseconds: some moment in 2001 */
#define PUBLISHED MFTD_RECORD_PUBLISHED
#define ABANDONED MFTD_RECORD_ABANDONED
#define RENAME MFTD_RECORD_RENAME
#define REMOVE MFTD_RECORD_REMOVE

/* Asserts the one delivery of a receipt by its state and name. */
static void
delivery_is(struct db *db, const char *receipt, enum mftd_delivery_state s,
    const char *name)
{
	struct mftd_delivery d;

	assert_true(find_delivery(db, receipt, &d));
	assert_string_equal(
	    mftd_delivery_state_name(d.state), mftd_delivery_state_name(s));
	assert_string_equal(d.name, name);
}

static void
no_delivery(struct db *db, const char *receipt)
{
	struct mftd_delivery d;

	assert_false(find_delivery(db, receipt, &d));
}

/* Publishes one file with a receipt of its own in s. */
static void
publish(struct db *db, struct stream *s, const char *id, const char *path,
    uint64_t inode)
{
	assert_int_equal(say_receipt(db, s, id, path, inode), 0);
	assert_int_equal(say_outcome(db, s, id, PUBLISHED), 0);
}

/* Takes every delivery that is due away from the forwarder. */
static void
begin_deliveries(struct db *db)
{
	struct mftd_delivery d[8];
	struct mftd_role_row role;

	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	assert_true(mftd_catalog_claim(
			db->c, &role, mftd_clock_wall_us(), "", d, 8) > 0);
}

static void
mark_moves_with_the_records(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	uint64_t seq = 99;

	apply_routes(db, 1);
	assert_int_equal(mftd_catalog_mark(db->c, "s1", &seq), 0);
	assert_int_equal(seq, 0);
	publish(db, &s, "f1", "a/x", 5);
	assert_int_equal(mftd_catalog_mark(db->c, "s1", &seq), 0);
	assert_int_equal(seq, 2);
	s.seq = 0; /* again from the start */
	publish(db, &s, "f1", "a/x", 5);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "x");
	s.seq = 3; /* 3 is missing */
	assert_int_equal(say_receipt(db, &s, "f2", "a/y", 6), -EINVAL);
	assert_int_equal(mftd_catalog_mark(db->c, "s1", &seq), 0);
	assert_int_equal(seq, 2);
	assert_int_equal(mftd_catalog_forward(db->c, "s1", NULL, 0), 0);
}

static void
long_batch_is_taken_in_one(void **state)
{
	struct db *db = *state;
	static struct mftd_forward f[200];
	uint64_t seq;
	size_t i;

	for (i = 0; i < 200; i++)
		f[i] = (struct mftd_forward) { .seq = i + 1,
			.time_us = T0,
			.type = MFTD_RECORD_AUDIT,
			.payload = (const uint8_t *)"x",
			.payload_bytes = i % 2 };
	assert_int_equal(mftd_catalog_forward(db->c, "s1", f, 200), 0);
	assert_int_equal(mftd_catalog_mark(db->c, "s1", &seq), 0);
	assert_int_equal(seq, 200);
}

static void
unreadable_record_stops_the_stream(void **state)
{
	struct db *db = *state;
	struct mftd_forward f[] = {
		{ .seq = 1,
		    .type = MFTD_RECORD_AUDIT,
		    .payload = (const uint8_t *)"x",
		    .payload_bytes = 1 },
		{ .seq = 2,
		    .type = MFTD_RECORD_RECEIPT,
		    .payload = (const uint8_t *)"junk",
		    .payload_bytes = 4 },
	};
	uint64_t seq;

	assert_int_equal(
	    mftd_catalog_forward(db->c, "s1", f, 2), -MFTD_E_CORRUPT);
	assert_string_equal(mftd_catalog_why(db->c),
	    "stream s1: record 2 (receipt) is not readable");
	assert_int_equal(mftd_catalog_mark(db->c, "s1", &seq), 0);
	assert_int_equal(seq, 0);
	assert_int_equal(mftd_catalog_forward(db->c, "s1", f, 1), 0);
}

static void
published_receipt_becomes_a_delivery_per_route(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	struct mftd_queue_counts q;
	struct mftd_delivery d;
	int64_t now = mftd_clock_wall_us();

	apply_routes(db, 1);
	assert_int_equal(say_receipt(db, &s, "f1", "a/b/x.txt", 5), 0);
	no_delivery(db, "f1");
	assert_int_equal(say_outcome(db, &s, "f1", PUBLISHED), 0);
	assert_true(find_delivery(db, "f1", &d));
	assert_string_equal(d.route, "r0");
	assert_string_equal(d.partner, "acme");
	assert_string_equal(d.volume, "main");
	assert_string_equal(d.directory, "inbox");
	assert_string_equal(d.name, "x.txt");
	assert_int_equal(d.state, MFTD_DELIVERY_QUEUED);
	assert_int_equal(d.tries, 0);
	assert_int_equal(d.size, 42);
	assert_true(d.has_sha256);
	assert_int_equal(d.sha256[31], 7);
	assert_true(d.due_us >= now);
	apply_routes(db, 3);
	publish(db, &s, "f2", "y", 6);
	assert_int_equal(mftd_catalog_counts(db->c, "q", &q), 0);
	assert_int_equal(q.queued, 4);
}

static void
abandoned_receipt_is_not_delivered(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };

	apply_routes(db, 1);
	assert_int_equal(say_receipt(db, &s, "f1", "x", 5), 0);
	assert_int_equal(say_outcome(db, &s, "f1", ABANDONED), 0);
	assert_int_equal(say_outcome(db, &s, "f1", PUBLISHED), 0);
	no_delivery(db, "f1");
	assert_int_equal(say_outcome(db, &s, "", ABANDONED), 0);
}

static void
outcome_may_come_before_its_receipt(void **state)
{
	struct db *db = *state;
	struct stream s1 = { .name = "s1", .time_us = T0 },
		      s2 = { .name = "s2", .time_us = T0 + 5000000 };

	apply_routes(db, 1);
	assert_int_equal(say_outcome(db, &s2, "f1", PUBLISHED), 0);
	no_delivery(db, "f1");
	assert_int_equal(say_receipt(db, &s1, "f1", "x", 5), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "x");
}

static void
rename_changes_what_has_not_begun(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };

	apply_routes(db, 1);
	publish(db, &s, "f1", "x", 5);
	assert_int_equal(say_name(db, &s, RENAME, 5, "b/y"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "y");
	assert_int_equal(say_name(db, &s, RENAME, 6, "z"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "y");
	begin_deliveries(db);
	assert_int_equal(say_name(db, &s, RENAME, 5, "late"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_CLAIMED, "y");
	assert_int_equal(say_name(db, &s, REMOVE, 5, ""), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_CLAIMED, "y");
}

static void
excluded_name_waits_for_another(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	static const char *const names[] = { "x.filepart", "d/x.part",
		"x.partial", "x.tmp", ".fuse_hidden0001" };
	char id[8] = "f0", out[4][MFTD_ID_BYTES];
	size_t i;

	apply_routes(db, 1);
	for (i = 0; i < 5; i++) {
		id[1] = (char)('1' + i);
		publish(db, &s, id, names[i], 10 + i);
		no_delivery(db, id);
	}
	assert_int_equal(say_name(db, &s, RENAME, 10, "x"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "x");
	assert_int_equal(say_name(db, &s, RENAME, 10, "x.tmp"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_CANCELLED, "x");
	assert_int_equal(say_name(db, &s, RENAME, 10, "y"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "y");
	/* published in 2001, so the others have waited long enough */
	assert_int_equal(mftd_catalog_releasable(db->c, out, 4), 4);
	assert_string_equal(out[0], "f2");
}

static void
remove_cancels_what_has_not_begun(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };

	apply_routes(db, 1);
	publish(db, &s, "f1", "x", 5);
	assert_int_equal(say_name(db, &s, REMOVE, 5, ""), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_CANCELLED, "x");
	/* the inode is another file's by then */
	assert_int_equal(say_name(db, &s, RENAME, 5, "y"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_CANCELLED, "x");
}

static void
events_of_other_streams_count_in_any_order(void **state)
{
	struct db *db = *state;
	struct stream s1 = { .name = "s1", .time_us = T0 },
		      s2 = { .name = "s2", .time_us = T0 + 60000000 },
		      s3 = { .name = "s3", .time_us = T0 - 60000000 };

	apply_routes(db, 1);
	/* inodes that were other files before: earlier is no matter */
	assert_int_equal(say_name(db, &s3, REMOVE, 5, ""), 0);
	assert_int_equal(say_name(db, &s3, RENAME, 6, "old"), 0);
	assert_int_equal(say_name(db, &s2, RENAME, 5, "y"), 0);
	assert_int_equal(say_name(db, &s2, REMOVE, 6, ""), 0);
	publish(db, &s1, "f1", "x.filepart", 5);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "y");
	publish(db, &s1, "f2", "x2", 6);
	no_delivery(db, "f2");
	/* of the same stream the sequence counts, not the clock */
	s1.time_us = T0 - 3600000000;
	assert_int_equal(say_name(db, &s1, RENAME, 5, "back"), 0);
	assert_int_equal(say_name(db, &s1, REMOVE, 5, ""), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_CANCELLED, "y");
}

static void
repeated_upload_replaces_what_has_not_begun(void **state)
{
	struct db *db = *state;
	struct stream s1 = { .name = "s1", .time_us = T0 },
		      s2 = { .name = "s2", .time_us = T0 + 60000000 };
	struct mftd_delivery d;

	apply_routes(db, 1);
	publish(db, &s1, "f1", "x", 5);
	publish(db, &s2, "f2", "x", 6);
	delivery_is(db, "f1", MFTD_DELIVERY_CANCELLED, "x");
	assert_true(find_delivery(db, "f1", &d));
	assert_string_equal(d.error, "replaced by a repeated upload");
	delivery_is(db, "f2", MFTD_DELIVERY_QUEUED, "x");
	/* one between the two, whose stream came late */
	publish(db, &s1, "f3", "x", 7);
	no_delivery(db, "f3");
	/* another path is another file */
	publish(db, &s2, "f4", "y", 8);
	delivery_is(db, "f2", MFTD_DELIVERY_QUEUED, "x");
	begin_deliveries(db);
	publish(db, &s2, "f5", "x", 9);
	delivery_is(db, "f2", MFTD_DELIVERY_CLAIMED, "x");
	delivery_is(db, "f5", MFTD_DELIVERY_QUEUED, "x");
}

static void
any_bytes_can_be_a_name(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };

	apply_routes(db, 1);
	publish(db, &s, "f1", "d\xff/a\x80'\\ \xc3\xa4", 5);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "a\x80'\\ \xc3\xa4");
	assert_int_equal(say_name(db, &s, RENAME, 5, "\xfe"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "\xfe");
}

static void
setstat_lets_a_delivery_settle_again(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	struct mftd_delivery before, after;

	apply_routes(db, 1);
	publish(db, &s, "f1", "x", 5);
	assert_true(find_delivery(db, "f1", &before));
	assert_int_equal(say_name(db, &s, MFTD_RECORD_SETSTAT, 6, ""), 0);
	assert_true(find_delivery(db, "f1", &after));
	assert_true(after.due_us == before.due_us);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_SETSTAT, 5, ""), 0);
	assert_true(find_delivery(db, "f1", &after));
	assert_true(after.due_us > before.due_us);
}

static void
link_goes_when_nothing_needs_it(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = mftd_clock_wall_us() };
	static const char gone[][MFTD_ID_BYTES] = { "none", "gone", "never" };
	char out[8][MFTD_ID_BYTES];
	struct mftd_role_row role;
	struct mftd_delivery d;

	publish(db, &s, "none", "a", 1); /* no route */
	apply_routes(db, 1);
	publish(db, &s, "sent", "x", 5);
	publish(db, &s, "waiting", "y.tmp", 6);
	assert_int_equal(say_receipt(db, &s, "gone", "z", 7), 0);
	assert_int_equal(say_receipt(db, &s, "open", "z", 8), 0);
	assert_int_equal(say_outcome(db, &s, "gone", ABANDONED), 0);
	assert_int_equal(mftd_catalog_releasable(db->c, out, 8), 2);
	assert_string_equal(out[0], "none");
	assert_string_equal(out[1], "gone");
	assert_int_equal(mftd_catalog_releasable(db->c, out, 1), 1);
	assert_int_equal(mftd_catalog_released(db->c, gone, 3), 0);
	assert_int_equal(mftd_catalog_releasable(db->c, out, 8), 0);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	assert_int_equal(mftd_catalog_claim(db->c, &role,
			     mftd_clock_wall_us() + 1000000, "", &d, 1),
	    1);
	d.state = MFTD_DELIVERY_IN_DOUBT;
	assert_int_equal(
	    mftd_catalog_step(db->c, &role, &d, MFTD_DELIVERY_CLAIMED), 0);
	assert_int_equal(mftd_catalog_releasable(db->c, out, 8), 0);
	d.state = MFTD_DELIVERY_DONE;
	assert_int_equal(
	    mftd_catalog_step(db->c, &role, &d, MFTD_DELIVERY_IN_DOUBT), 0);
	assert_int_equal(mftd_catalog_releasable(db->c, out, 8), 1);
	assert_string_equal(out[0], "sent");
	/* removed, so its name will not change any more */
	assert_int_equal(say_name(db, &s, REMOVE, 6, ""), 0);
	assert_int_equal(mftd_catalog_releasable(db->c, out, 8), 2);
}

/* A file that its route does not take waits for a name that it does. */
static void
route_takes_by_pattern(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = mftd_clock_wall_us() };
	char *files[] = { "*.csv", "in/*/a*" }, *except[] = { "test*" };
	char out[4][MFTD_ID_BYTES];

	apply_route(db,
	    &(struct mftd_route) { .files = files,
		.n_files = 2,
		.except = except,
		.n_except = 1 });
	publish(db, &s, "f1", "x/y.csv", 1);
	publish(db, &s, "f2", "y.txt", 2);
	publish(db, &s, "f3", "test.csv", 3);
	publish(db, &s, "f4", "in/b/abc", 4);
	publish(db, &s, "f5", "in/b/c/abc", 5);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "y.csv");
	no_delivery(db, "f2");
	no_delivery(db, "f3");
	delivery_is(db, "f4", MFTD_DELIVERY_QUEUED, "abc");
	no_delivery(db, "f5");
	assert_int_equal(mftd_catalog_releasable(db->c, out, 4), 0);
	assert_int_equal(say_name(db, &s, RENAME, 2, "y.csv"), 0);
	delivery_is(db, "f2", MFTD_DELIVERY_QUEUED, "y.csv");
	assert_int_equal(say_name(db, &s, RENAME, 1, "y.old"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_CANCELLED, "y.csv");
	assert_int_equal(mftd_catalog_releasable(db->c, out, 4), 0);
	assert_int_equal(say_name(db, &s, RENAME, 1, "z.csv"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "z.csv");
	begin_deliveries(db);
	assert_int_equal(say_name(db, &s, RENAME, 1, "z.old"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_CLAIMED, "z.csv");
}

static void
route_names_by_template(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	struct mftd_route route = { .name_template =
					"{stem}-{date}-{seq:3}{suffix}" };
	char longest[256];

	apply_route(db, &route);
	publish(db, &s, "f1", "d/a.csv", 1);
	publish(db, &s, "f2", "b", 2);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "a-20010909-001.csv");
	delivery_is(db, "f2", MFTD_DELIVERY_QUEUED, "b-20010909-002");
	/* a file keeps its number, and the route goes on counting */
	assert_int_equal(say_name(db, &s, RENAME, 1, "c"), 0);
	delivery_is(db, "f1", MFTD_DELIVERY_QUEUED, "c-20010909-001");
	apply_route(db, &route);
	publish(db, &s, "f3", "a.csv", 3);
	delivery_is(db, "f3", MFTD_DELIVERY_QUEUED, "a-20010909-003.csv");
	/* too long for a file: said, and mended by a shorter one */
	memset(longest, 'x', 255);
	longest[255] = '\0';
	publish(db, &s, "f4", longest, 4);
	delivery_is(db, "f4", MFTD_DELIVERY_FAILED, longest);
	assert_int_equal(say_name(db, &s, RENAME, 4, "short"), 0);
	delivery_is(db, "f4", MFTD_DELIVERY_QUEUED, "short-20010909-004");
}

/* A delivery has it from its route, once and for all. */
static void
route_says_how_files_are_handled(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	struct mftd_route route = { .at = { .if_exists = MFTD_IF_EXISTS_SKIP,
					.resume = 1,
					.preserve = 1,
					.mode = 0600,
					.temp_suffix = ".t",
					.temp_directory = "in/tmp",
					.trigger = "{name}.ok",
					.trigger_line = "{name}" } };
	struct mftd_route plain = { 0 };
	struct mftd_delivery d;

	apply_route(db, &route);
	publish(db, &s, "f1", "a", 1);
	assert_true(find_delivery(db, "f1", &d));
	assert_memory_equal(&d.at, &route.at, sizeof(d.at));
	assert_int_equal(d.has.temp_try, 0);
	assert_int_equal(d.has.verified, MFTD_VERIFIED_NOT);
	apply_route(db, &plain);
	publish(db, &s, "f2", "b", 2);
	assert_true(find_delivery(db, "f2", &d));
	assert_memory_equal(&d.at, &plain.at, sizeof(d.at));
	/* also where its name changes */
	assert_int_equal(say_name(db, &s, RENAME, 1, "c"), 0);
	assert_true(find_delivery(db, "f1", &d));
	assert_string_equal(d.name, "c");
	assert_memory_equal(&d.at, &route.at, sizeof(d.at));
}

/* It is due when the schedule says, on a day that is not closed. */
static void
route_sends_by_schedule(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	struct mftd_route daily = { .schedule = "30 6 * * *",
		.time_zone = "Asia/Tokyo" };
	struct mftd_route never = { .schedule = "0 0 30 2 *" };
	int64_t now = mftd_clock_wall_us(), day = 86400LL * 1000000;
	struct mftd_delivery d;

	apply_route(db, &daily);
	publish(db, &s, "f1", "a", 1);
	assert_true(find_delivery(db, "f1", &d));
	/* Tokyo is always nine hours before UTC */
	assert_int_equal(d.due_us % day, (21 * 60 + 30) * 60LL * 1000000);
	assert_true(d.due_us >= now && d.due_us < now + 2 * day);
	apply_route(db, &never);
	publish(db, &s, "f2", "b", 2);
	assert_true(find_delivery(db, "f2", &d));
	assert_int_equal(d.state, MFTD_DELIVERY_FAILED);
	assert_string_equal(d.error, "its route's schedule names no time");
}

/* Closed are the days that the schedule would name next. */
static void
calendar_closes_days(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	struct mftd_route daily = { .schedule = "* * * * *",
		.calendar = "bank" };
	int64_t now = mftd_clock_wall_us(), day = 86400LL * 1000000;
	time_t today = (time_t)(now / 1000000), tomorrow = today + 86400;
	char first[16], second[16], *closed[] = { first, second };
	struct mftd_calendar bank = {
		.name = "bank", .closed = closed, .n_closed = 2
	};
	struct mftd_delivery d;
	struct tm tm;

	strftime(first, sizeof(first), "%Y-%m-%d", gmtime_r(&today, &tm));
	strftime(second, sizeof(second), "%Y-%m-%d", gmtime_r(&tomorrow, &tm));
	apply_calendar(db, &daily, &bank);
	publish(db, &s, "f1", "a", 1);
	assert_true(find_delivery(db, "f1", &d));
	assert_int_equal(d.due_us, (now / day + 2) * day);
}

/* What has no link cannot be sent, and somebody hears of it.  Where no route
 * is there is nothing to be told. */
static void
unlinked_receipt_fails_where_a_route_is(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0, .unlinked = true };
	char out[8][MFTD_ID_BYTES];
	struct mftd_delivery d;

	apply_routes(db, 0);
	publish(db, &s, "f0", "a/w", 4);
	no_delivery(db, "f0");
	apply_routes(db, 1);
	publish(db, &s, "f1", "a/x", 5);
	delivery_is(db, "f1", MFTD_DELIVERY_FAILED, "x");
	assert_true(find_delivery(db, "f1", &d));
	assert_non_null(strstr(d.error, "upload it again"));
	s.unlinked = false;
	publish(db, &s, "f2", "a/y", 6);
	delivery_is(db, "f2", MFTD_DELIVERY_QUEUED, "y");
	/* nothing is released that there never was */
	db_execute(db, "UPDATE delivery SET state = 'CANCELLED'");
	assert_int_equal(mftd_catalog_releasable(db->c, out, 8), 1);
	assert_string_equal(out[0], "f2");
}

/* All are linked where any account has routes. */
static void
link_without_a_route_goes_at_once(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	char out[8][MFTD_ID_BYTES];

	apply_routes(db, 0);
	publish(db, &s, "f1", "a/x.tmp", 5);
	publish(db, &s, "f2", "a/x", 6);
	no_delivery(db, "f2");
	assert_int_equal(mftd_catalog_releasable(db->c, out, 8), 2);
	/* one that is renamed after the first route was applied */
	apply_routes(db, 1);
	say_name(db, &s, RENAME, 6, "a/y");
	delivery_is(db, "f2", MFTD_DELIVERY_QUEUED, "y");
}

void
tests_forward(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(mark_moves_with_the_records),
		DB_TEST(long_batch_is_taken_in_one),
		DB_TEST(unreadable_record_stops_the_stream),
		DB_TEST(published_receipt_becomes_a_delivery_per_route),
		DB_TEST(abandoned_receipt_is_not_delivered),
		DB_TEST(outcome_may_come_before_its_receipt),
		DB_TEST(rename_changes_what_has_not_begun),
		DB_TEST(excluded_name_waits_for_another),
		DB_TEST(remove_cancels_what_has_not_begun),
		DB_TEST(events_of_other_streams_count_in_any_order),
		DB_TEST(repeated_upload_replaces_what_has_not_begun),
		DB_TEST(any_bytes_can_be_a_name),
		DB_TEST(setstat_lets_a_delivery_settle_again),
		DB_TEST(link_goes_when_nothing_needs_it),
		DB_TEST(route_takes_by_pattern),
		DB_TEST(route_names_by_template),
		DB_TEST(route_says_how_files_are_handled),
		DB_TEST(route_sends_by_schedule),
		DB_TEST(calendar_closes_days),
		DB_TEST(unlinked_receipt_fails_where_a_route_is),
		DB_TEST(link_without_a_route_goes_at_once),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
