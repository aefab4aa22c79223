/* Part of mftd; see LICENSE. */
#include "mftd/journal/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

/* What the journal tells of records that wait for the catalog.  The test is the
 * catalog, which says nothing unless a test has it say something. */
#define LIFE_1 "n1-0000000000000001"
#define LIFE_2 "n1-0000000000000002"
#define LIFE_3 "n1-0000000000000003"
#define OTHER_NODE "n2-0000000000000001"
#define DIR_1 ".mft/journal/n1/" LIFE_1 "-j1"
#define TAKEN_1 DIR_1 "/" MFTD_STREAM_TAKEN
#define SEGMENT_1 DIR_1 "/00000001.seg"
#define SEGMENT_2 DIR_1 "/00000002.seg"
#define FILES 4
#define TICK_MS 1000 /* of the process */
#define DEADLINE_MS 20000

struct world {
	struct tree t;
	struct rig r;
	struct rig_session s;
	int published; /* so far */
};

/* ---- what is on the volume */

static struct mftd_reader *
open_stream(struct tree *t, const char *life)
{
	char id[MFTD_ID_BYTES], path[256];
	struct mftd_reader *reader;
	int dir;

	snprintf(id, sizeof(id), "%s-j1", life);
	snprintf(path, sizeof(path), ".mft/journal/%.2s/%s", life, id);
	dir = openat(t->fd, path, O_RDONLY | O_DIRECTORY);
	assert_true(dir >= 0);
	assert_int_equal(mftd_reader_open(dir, id, &reader), 0);
	close(dir);
	return reader;
}

/* How many records the first stream of a life has. */
static uint64_t
length(struct tree *t, const char *life)
{
	struct mftd_reader *reader = open_stream(t, life);
	struct mftd_entry e;
	uint64_t n = 0;

	while (mftd_reader_next(reader, &e) == 1)
		n = e.seq;
	mftd_reader_close(reader);
	return n;
}

static int64_t
time_of(struct tree *t, const char *life, uint64_t seq)
{
	struct mftd_reader *reader = open_stream(t, life);
	struct mftd_entry e;

	do
		assert_int_equal(mftd_reader_next(reader, &e), 1);
	while (e.seq < seq);
	mftd_reader_close(reader);
	return e.time_us;
}

static void
count_published(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	(void)payload;
	(void)len;
	*(int *)data += type == MFTD_RECORD_PUBLISHED;
}

static void
upload_one(struct world *w)
{
	assert_int_equal(rig_upload(&w->s, "f", "text"), 0);
	w->published++;
}

/* Uploads, until the outcomes of all stand in the stream. */
static void
upload(struct world *w, int files)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	int now = 0;

	while (files-- > 0)
		upload_one(w);
	while (now < w->published) {
		assert_true(mftd_clock_ms() < deadline);
		now = 0;
		rig_records(w->t.path, count_published, &now);
		poll(NULL, 0, 5); /* no event tells of a record */
	}
}

static void
await_taken(struct tree *t, const char *text)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;

	while (!tree_holds(t, TAKEN_1, text)) {
		assert_true(mftd_clock_ms() < deadline);
		poll(NULL, 0, 5); /* no event tells of a file */
	}
}

/* ---- the process */

static void
begin(struct world *w, const char *life)
{
	rig_start(&w->r, w->t.path, life, NULL, NULL);
	assert_true(rig_ready(&w->r));
}

/* A life with some uploads. */
static void
setup(struct world *w)
{
	tree_make(&w->t);
	w->published = 0;
	begin(w, LIFE_1);
	assert_int_equal(rig_open(&w->r, &w->s, 1, "alice", "alice"), 0);
	upload(w, FILES);
}

static void
teardown(struct world *w)
{
	assert_int_equal(rig_stop(&w->r), 0);
	tree_remove(&w->t);
}

/* As a power failure. */
static void
power_off(struct world *w)
{
	rig_kill(&w->r);
	rig_close(&w->s);
}

static void
forwarded(struct world *w, const char *life, uint64_t seq)
{
	struct mftd_msg_forwarded m = { .seq = seq };

	snprintf(m.stream, sizeof(m.stream), "%s-j1", life);
	assert_int_equal(mftd_chan_send(w->r.catalog, MFTD_MSG_FORWARDED, 0, &m,
			     sizeof(m), NULL, 0),
	    0);
}

static void
ask(struct world *w, const char *life, uint64_t after, uint32_t n)
{
	struct mftd_msg_want m = { .after = after, .most = n };

	snprintf(m.stream, sizeof(m.stream), "%s-j1", life);
	assert_int_equal(mftd_chan_send(w->r.catalog, MFTD_MSG_WANT, 1, &m,
			     sizeof(m), NULL, 0),
	    0);
}

/* Asks for n records, which must be there, and waits for them. */
static void
want(struct world *w, const char *life, uint64_t after, uint32_t n)
{
	const struct mftd_msg_record *rec;
	struct mftd_msg m;

	ask(w, life, after, n);
	while (n-- > 0) {
		assert_true(rig_wait(w->r.catalog, MFTD_MSG_RECORD, &m));
		rec = m.data;
		assert_int_equal(rec->seq, ++after);
	}
}

static void
await_lag(struct world *w, uint64_t records, int64_t since_us)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	const struct mftd_msg_volume_state *st;
	struct mftd_msg m;

	do {
		assert_true(mftd_clock_ms() < deadline);
		assert_true(
		    rig_wait(w->r.coordinator, MFTD_MSG_VOLUME_STATE, &m));
		st = m.data;
	} while (st->lag_records != records || st->lag_since_us != since_us);
}

/* ---- */

static void
own_stream(void **state)
{
	struct world w;
	uint64_t n;

	(void)state;
	setup(&w);
	n = length(&w.t, LIFE_1);
	assert_true(n > 2 * FILES);
	await_lag(&w, n, time_of(&w.t, LIFE_1, 1));
	forwarded(&w, LIFE_1, 5);
	await_lag(&w, n - 5, time_of(&w.t, LIFE_1, 6));
	forwarded(&w, LIFE_1, n);
	await_lag(&w, 0, 0);
	/* the catalog's process dies */
	mftd_chan_free(w.r.catalog);
	w.r.catalog = NULL;
	upload(&w, 1);
	await_lag(&w, length(&w.t, LIFE_1) - n, time_of(&w.t, LIFE_1, n + 1));
	rig_close(&w.s);
	teardown(&w);
}

/* While it drains no stream is looked into: here it could not be. */
static void
time_of_what_was_sent(void **state)
{
	struct world w;
	int64_t since_us;
	uint64_t n;

	(void)state;
	setup(&w);
	n = length(&w.t, LIFE_1);
	since_us = time_of(&w.t, LIFE_1, 4);
	want(&w, LIFE_1, 0, 3);
	assert_int_equal(renameat(w.t.fd, SEGMENT_1, w.t.fd, "away"), 0);
	want(&w, LIFE_1, 3, 3);
	await_lag(&w, n - 3, since_us);
	assert_int_equal(renameat(w.t.fd, "away", w.t.fd, SEGMENT_1), 0);
	rig_close(&w.s);
	teardown(&w);
}

/* The catalog takes several streams in turn.  Where it is in each is known:
 * here that could not be looked for again. */
static void
streams_in_turn(void **state)
{
	struct world w;

	(void)state;
	setup(&w);
	power_off(&w);
	begin(&w, LIFE_2);
	want(&w, LIFE_1, 0, 2);
	assert_int_equal(renameat(w.t.fd, SEGMENT_1, w.t.fd, "away"), 0);
	want(&w, LIFE_2, 0, 1);
	want(&w, LIFE_1, 2, 2);
	assert_int_equal(renameat(w.t.fd, "away", w.t.fd, SEGMENT_1), 0);
	teardown(&w);
}

/* A catalog that forgot some: what it says counts, whatever was said before. */
static void
word_of_the_catalog(void **state)
{
	struct world w;
	uint64_t n;

	(void)state;
	setup(&w);
	n = length(&w.t, LIFE_1);
	forwarded(&w, LIFE_1, n);
	await_lag(&w, 0, 0);
	want(&w, LIFE_1, 2, 1);
	await_lag(&w, n - 2, time_of(&w.t, LIFE_1, 3));
	rig_close(&w.s);
	teardown(&w);
}

/* Killed after what the catalog has was written down; then another of the node,
 * which ends in good order, and a third. */
static void
after_a_restart(void **state)
{
	struct world w;
	uint64_t n1, n2, inode;

	(void)state;
	setup(&w);
	forwarded(&w, LIFE_1, 5);
	await_taken(&w.t, "5\n");
	power_off(&w);
	n1 = length(&w.t, LIFE_1);
	begin(&w, LIFE_2);
	n2 = length(&w.t, LIFE_2);
	await_lag(&w, n1 - 5 + n2, time_of(&w.t, LIFE_1, 6));
	forwarded(&w, LIFE_1, 7);
	await_lag(&w, n1 - 7 + n2, time_of(&w.t, LIFE_1, 8));
	want(&w, LIFE_1, 8, 1); /* the catalog has 8 */
	assert_int_equal(rig_stop(&w.r), 0);
	assert_true(tree_holds(&w.t, TAKEN_1, "8\n"));
	/* nothing is forwarded: it is not written again */
	inode = tree_inode(&w.t, TAKEN_1);
	begin(&w, LIFE_3);
	n2 = length(&w.t, LIFE_2) + length(&w.t, LIFE_3);
	await_lag(&w, n1 - 8 + n2, time_of(&w.t, LIFE_1, 9));
	assert_int_equal(rig_stop(&w.r), 0);
	assert_int_equal(tree_inode(&w.t, TAKEN_1), inode);
	tree_remove(&w.t);
}

static void
on_the_node_that_takes_over(void **state)
{
	struct mftd_msg_recover ask = { .incarnation = LIFE_1 };
	struct mftd_msg m;
	struct world w;
	uint64_t n1;

	(void)state;
	setup(&w);
	power_off(&w);
	n1 = length(&w.t, LIFE_1);
	tree_write(&w.t, TAKEN_1, "5\n");
	begin(&w, OTHER_NODE);
	await_lag(&w, length(&w.t, OTHER_NODE), time_of(&w.t, OTHER_NODE, 1));
	mftd_chan_send(
	    w.r.coordinator, MFTD_MSG_RECOVER, 1, &ask, sizeof(ask), NULL, 0);
	assert_true(rig_wait(w.r.coordinator, MFTD_MSG_RECOVERED, &m));
	await_lag(
	    &w, n1 - 5 + length(&w.t, OTHER_NODE), time_of(&w.t, LIFE_1, 6));
	teardown(&w);
}

/* Too much, never too little. */
static void
without_what_was_written_down(void **state)
{
	static const char *const taken[] = { NULL, "", "5", "x\n", "-1\n",
		"99999\n" };
	uint64_t n;
	char life[MFTD_ID_BYTES];
	struct world w;
	size_t i;

	(void)state;
	setup(&w);
	power_off(&w);
	n = length(&w.t, LIFE_1);
	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		if (taken[i] != NULL)
			tree_write(&w.t, TAKEN_1, taken[i]);
		snprintf(life, sizeof(life), "n1-%016zx", i + 2);
		begin(&w, life);
		n += length(&w.t, life);
		await_lag(&w, n, time_of(&w.t, LIFE_1, 1));
		rig_kill(&w.r);
		assert_true(
		    taken[i] == NULL || tree_holds(&w.t, TAKEN_1, taken[i]));
	}
	tree_remove(&w.t);
}

/* Its first segment was dropped: the oldest record is the oldest that is left.
 */
static void
of_what_was_dropped(void **state)
{
	struct mftd_msg_audit audit = { .event = "test" };
	struct world w;
	struct stat st;
	uint64_t n;
	int i;

	(void)state;
	setup(&w);
	memset(audit.text, 'x', 3000);
	while (fstatat(w.t.fd, SEGMENT_2, &st, 0) < 0) {
		for (i = 0; i < 20; i++)
			rig_send(&w.s, MFTD_MSG_AUDIT, &audit, sizeof(audit));
		upload_one(&w);
	}
	power_off(&w);
	begin(&w, LIFE_2); /* recovers it */
	rig_kill(&w.r);
	assert_int_equal(unlinkat(w.t.fd, SEGMENT_1, 0), 0);
	begin(&w, LIFE_3);
	n = length(&w.t, LIFE_1) + length(&w.t, LIFE_2) + length(&w.t, LIFE_3);
	await_lag(&w, n, time_of(&w.t, LIFE_1, 1));
	teardown(&w);
}

static void
flip_a_bit(struct tree *t, off_t at)
{
	int fd = openat(t->fd, SEGMENT_1, O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Until the volume's reason is that one. */
static void
await_reason(struct world *w, const char *reason)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct mftd_msg m;

	do {
		assert_true(mftd_clock_ms() < deadline);
		assert_true(
		    rig_wait(w->r.coordinator, MFTD_MSG_VOLUME_STATE, &m));
	} while (strcmp(((const struct mftd_msg_volume_state *)m.data)->reason,
		     reason) != 0);
}

/* A stream that was recovered from a checkpoint on may be damaged before that:
 * it is told as soon as it is seen, and as long as it is so. */
static void
what_cannot_be_read(void **state)
{
	static const char *const damaged =
	    "a stream is damaged: see mftctl journal verify";
	struct mftd_reader *reader;
	struct mftd_entry e;
	uint64_t segment, offset, n;
	struct mftd_msg m;
	int64_t second;
	struct world w;

	(void)state;
	setup(&w);
	power_off(&w);
	begin(&w, LIFE_2); /* recovers it */
	rig_kill(&w.r);
	n = length(&w.t, LIFE_1) + length(&w.t, LIFE_2);
	reader = open_stream(&w.t, LIFE_1);
	assert_int_equal(mftd_reader_seek(reader, 2), 0);
	mftd_reader_where(reader, &segment, &offset);
	assert_int_equal(mftd_reader_next(reader, &e), 1);
	mftd_reader_close(reader);
	second = time_of(&w.t, LIFE_1, 2);
	flip_a_bit(&w.t, (off_t)offset + MFTD_RECORD_HEADER_BYTES);
	begin(&w, LIFE_3);
	n += length(&w.t, LIFE_3);
	want(&w, LIFE_1, 0, 2);
	forwarded(&w, LIFE_1, 2);
	await_reason(&w, damaged);
	await_lag(&w, n - 2, second);
	ask(&w, LIFE_1, 2, 1);
	assert_true(rig_wait(w.r.catalog, MFTD_MSG_RECORD, &m));
	assert_int_equal(((const struct mftd_msg_record *)m.data)->type, 0);
	await_reason(&w, damaged);
	flip_a_bit(&w.t, (off_t)offset + MFTD_RECORD_HEADER_BYTES);
	want(&w, LIFE_1, 2, 1);
	await_reason(&w, "");
	teardown(&w);
}

/* More than are offered to the catalog at a time. */
static void
all_streams_count(void **state)
{
	enum { N = 40 };
	char life[MFTD_ID_BYTES];
	struct world w;
	uint64_t n = 0;
	int i;

	(void)state;
	tree_make(&w.t);
	for (i = 1; i <= N; i++) {
		snprintf(life, sizeof(life), "n1-%016x", i);
		begin(&w, life);
		if (i < N)
			rig_kill(&w.r);
		n += length(&w.t, life);
	}
	await_lag(&w, n, time_of(&w.t, LIFE_1, 1));
	teardown(&w);
}

/* ---- how often */

/* Asks for what is not there (yet), and waits for the answer. */
static void
ask_beyond(struct world *w, const char *life, uint64_t after)
{
	struct mftd_msg_want ask = { .after = after, .most = 1 };
	struct mftd_msg m;

	snprintf(ask.stream, sizeof(ask.stream), "%s-j1", life);
	assert_int_equal(mftd_chan_send(w->r.catalog, MFTD_MSG_WANT, 1, &ask,
			     sizeof(ask), NULL, 0),
	    0);
	assert_true(rig_wait(w->r.catalog, MFTD_MSG_RECORD, &m));
	assert_int_equal(((const struct mftd_msg_record *)m.data)->type, 0);
}

/* Whether it has told that something waits, or that nothing does. */
static bool
has_told(struct world *w, bool lags)
{
	const struct mftd_msg_volume_state *st;
	struct mftd_msg m;

	while (mftd_chan_recv(w->r.coordinator, &m) == 0) {
		st = m.data;
		if (m.type == MFTD_MSG_VOLUME_STATE &&
		    (st->lag_records > 0) == lags)
			return true;
	}
	return false;
}

/* Until nothing was told for longer than a tick: each second one tells then. */
static void
await_quiet(struct world *w)
{
	struct mftd_msg m;

	while (mftd_chan_wait(w->r.coordinator, &m,
		   mftd_clock_ms() + TICK_MS + TICK_MS / 5) == 0)
		;
}

/* Before the answer to what was asked behind it, so not by the next tick. */
static void
told_at_once(void **state)
{
	struct world w;
	uint64_t n;

	(void)state;
	setup(&w);
	n = length(&w.t, LIFE_1);
	forwarded(&w, LIFE_1, n);
	await_lag(&w, 0, 0);
	await_quiet(&w);
	upload_one(&w);
	upload_one(&w);
	assert_true(has_told(&w, true));
	upload(&w, 1);
	n = length(&w.t, LIFE_1);
	forwarded(&w, LIFE_1, n);
	ask_beyond(&w, LIFE_1, n);
	assert_true(has_told(&w, false));
	rig_close(&w.s);
	teardown(&w);
}

static void
told_rarely(void **state)
{
	enum { N = 200 };
	int64_t begin_ms, seconds;
	struct mftd_msg m;
	struct world w;
	int i, told = 0;

	(void)state;
	setup(&w);
	begin_ms = mftd_clock_ms();
	for (i = 0; i < N; i++) {
		upload_one(&w);
		forwarded(&w, LIFE_1, length(&w.t, LIFE_1));
	}
	seconds = (mftd_clock_ms() - begin_ms) / 1000 + 1;
	while (mftd_chan_recv(w.r.coordinator, &m) == 0)
		told += m.type == MFTD_MSG_VOLUME_STATE;
	/* in each tick: that it lags by a tick or an upload, and that it does
	 * not; and what setup left */
	assert_true(told <= 4 * seconds + 4);
	assert_true(4 * seconds + 4 < N);
	rig_close(&w.s);
	teardown(&w);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_stream),
		cmocka_unit_test(time_of_what_was_sent),
		cmocka_unit_test(streams_in_turn),
		cmocka_unit_test(word_of_the_catalog),
		cmocka_unit_test(after_a_restart),
		cmocka_unit_test(on_the_node_that_takes_over),
		cmocka_unit_test(without_what_was_written_down),
		cmocka_unit_test(of_what_was_dropped),
		cmocka_unit_test(what_cannot_be_read),
		cmocka_unit_test(all_streams_count),
		cmocka_unit_test(told_at_once),
		cmocka_unit_test(told_rarely),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
