/* Part of mftd; see LICENSE. */
#include "mftd/journal/retain.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/journal/checkpoint.h"
#include "mftd/journal/inspect.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/recover.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/node.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/tree.h"

/* Upkeep: signed heads, checkpoints, what is dropped. */
#define LIFE_1 "n1-0123456789abcdef"
#define LIFE_2 "n2-fedcba9876543210"
#define STREAM_1 LIFE_1 "-j1"
#define DIR_1 ".mft/journal/n1/" STREAM_1
#define DAY 86400
#define SEGMENTS 5
#define TEXT 3000
#define MIDDLE 30 /* a record of the second segment */
#define DEADLINE_MS 30000

static int64_t
now_s(void)
{
	return mftd_clock_wall_us() / 1000000;
}

/* Writes until its stream has so many segments. */
static void
fill(struct node *n, uint64_t segments)
{
	struct mftd_rec_audit rec = { .event = "test" };

	memset(rec.text, 'x', TEXT);
	while (mftd_stream_segment(n->stream) < segments) {
		assert_int_equal(mftd_work_room(n->work, TEXT + 512), 0);
		mftd_work_audit(n->work, &rec);
	}
	assert_int_equal(mftd_work_commit(n->work), 0);
}

static void
make_old(struct tree *t, int segment, int days)
{
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = now_s() - days * DAY } };
	char path[256];

	snprintf(path, sizeof(path), DIR_1 "/%08d.seg", segment);
	assert_int_equal(utimensat(t->fd, path, ts, 0), 0);
}

static void
checkpoint_here(struct node *n)
{
	assert_int_equal(mftd_checkpoint_write(mftd_stream_dir(n->stream),
			     mftd_stream_committed(n->stream)),
	    0);
}

/* The segments that are there. */
static void
check_range(struct node *n, uint64_t first, uint64_t last)
{
	uint64_t a, b;

	assert_int_equal(
	    mftd_segments_range(mftd_stream_dir(n->stream), &a, &b), 0);
	assert_int_equal(a, first);
	assert_int_equal(b, last);
}

static void
count_dropped(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(payload, len);
	static struct mftd_rec_audit rec;

	if (type == MFTD_RECORD_AUDIT && mftd_rec_audit_get(b, &rec) == 0 &&
	    strcmp(rec.event, "journal-dropped") == 0 &&
	    strncmp(rec.text, STREAM_1 " up to ", strlen(STREAM_1) + 7) == 0)
		++*(int *)data;
	mftd_buf_free(b);
}

static void
only_what_is_old_forwarded_and_before_the_checkpoint(void **state)
{
	const struct mftd_expected any = { 0 };
	struct mftd_verified *list;
	struct node n;
	struct tree t;
	size_t k;
	uint64_t all;
	int dropped = 0;

	(void)state;
	tree_make(&t);
	node_open(&n, &t, "n1", LIFE_1);
	fill(&n, SEGMENTS);
	make_old(&t, 1, 10);
	make_old(&t, 2, 10);
	make_old(&t, 4, 10);
	all = mftd_stream_committed(n.stream);
	assert_int_equal(mftd_retain_own(n.work, all, now_s() - DAY), 0);
	assert_int_equal(
	    mftd_checkpoint_write(mftd_stream_dir(n.stream), MIDDLE), 0);
	assert_int_equal(mftd_retain_own(n.work, 1, now_s() - DAY), 0);
	assert_int_equal(mftd_retain_own(n.work, all, now_s() - 20 * DAY), 0);
	check_range(&n, 1, SEGMENTS);
	assert_int_equal(mftd_retain_own(n.work, all, now_s() - DAY), 1);
	check_range(&n, 2, SEGMENTS);
	checkpoint_here(&n);
	/* the third is young, and the fourth is not the first */
	assert_int_equal(mftd_retain_own(n.work, all, now_s() - DAY), 1);
	check_range(&n, 3, SEGMENTS);
	make_old(&t, 3, 10);
	make_old(&t, 5, 10);
	/* never the one that is being written */
	assert_int_equal(mftd_retain_own(n.work, all, now_s() - DAY), 2);
	check_range(&n, SEGMENTS, SEGMENTS);
	rig_records(t.path, count_dropped, &dropped);
	assert_int_equal(dropped, 3);
	assert_int_equal(mftd_stream_sign(n.stream), 0);
	node_close(&n);
	tree_write(&t, DIR_1 "/taken", "7\n"); /* says nothing of the records */
	assert_int_equal(mftd_inspect_verify(t.path, any, &list, &k), 0);
	assert_int_equal(k, 1);
	assert_int_equal(list->verdict, MFTD_VERDICT_WHOLE);
	assert_true(list->first > 1);
	mftd_inspect_free(list, k);
	tree_remove(&t);
}

static void
so_much_at_a_time(void **state)
{
	struct node n;
	struct tree t;
	uint64_t all;
	int i;

	(void)state;
	tree_make(&t);
	node_open(&n, &t, "n1", LIFE_1);
	fill(&n, MFTD_RETAIN_MAX + 4);
	for (i = 1; i < MFTD_RETAIN_MAX + 4; i++)
		make_old(&t, i, 10);
	checkpoint_here(&n);
	all = mftd_stream_committed(n.stream);
	assert_int_equal(
	    mftd_retain_own(n.work, all, now_s() - DAY), MFTD_RETAIN_MAX);
	assert_int_equal(mftd_retain_own(n.work, all, now_s() - DAY), 3);
	assert_int_equal(mftd_retain_own(n.work, all, now_s() - DAY), 0);
	node_close(&n);
	tree_remove(&t);
}

/* n1's stream, of two segments, of a daemon that is gone. */
static void
leave_one(struct tree *t)
{
	struct node n;

	node_open(&n, t, "n1", LIFE_1);
	fill(&n, 2);
	node_close(&n);
	make_old(t, 1, 10);
	make_old(t, 2, 10);
}

static void
only_dead_streams_that_are_done_with(void **state)
{
	struct mftd_recovery out = { 0 };
	struct node two;
	struct tree t;
	int64_t before = now_s() - DAY;
	int dropped = 0;

	(void)state;
	tree_make(&t);
	leave_one(&t);
	node_open(&two, &t, "n2", LIFE_2);
	assert_int_equal(mftd_retain_dead(two.work, before), 0);
	tree_write(&t, DIR_1 "/forwarded", "1\n");
	assert_int_equal(mftd_retain_dead(two.work, before), 0);
	unlinkat(t.fd, DIR_1 "/forwarded", 0);
	assert_int_equal(mftd_recover_incarnation(two.work, LIFE_1, &out), 0);
	assert_int_equal(mftd_retain_dead(two.work, before), 0);
	tree_write(&t, DIR_1 "/forwarded", "1\n");
	assert_int_equal(mftd_retain_dead(two.work, before - 20 * DAY), 0);
	make_old(&t, 2, 0);
	assert_int_equal(mftd_retain_dead(two.work, before), 0);
	make_old(&t, 2, 10);
	tree_write(&t, DIR_1 "/taken", "1\n");
	rig_records(t.path, count_dropped, &dropped);
	assert_int_equal(dropped, 0);
	assert_int_equal(mftd_retain_dead(two.work, before), 1);
	assert_int_equal(tree_count(&t, ".mft/journal/n1"), 0);
	assert_int_equal(tree_count(&t, ".mft/journal/n2"), 1);
	rig_records(t.path, count_dropped, &dropped);
	assert_int_equal(dropped, 1);
	node_close(&two);
	tree_remove(&t);
}

/* Killed between the rename and the end. */
static void
half_dropped_ones_go(void **state)
{
	struct node two;
	struct tree t;

	(void)state;
	tree_make(&t);
	leave_one(&t);
	assert_int_equal(
	    renameat(t.fd, DIR_1, t.fd, ".mft/journal/n1/.dropped-" STREAM_1),
	    0);
	node_open(&two, &t, "n2", LIFE_2);
	assert_int_equal(mftd_retain_dead(two.work, now_s() - DAY), 0);
	assert_int_equal(tree_count(&t, ".mft/journal/n1"), 0);
	node_close(&two);
	tree_remove(&t);
}

/* ---- what is durable before the next step */

/* Three of four segments. */
static int
drop_segments(void *data)
{
	struct node *n = data;
	uint64_t all = mftd_stream_committed(n->stream);

	return mftd_retain_own(n->work, all, now_s() - DAY) == 3 ? 0 : 1;
}

static void
segments_go_one_by_one(void **state)
{
	struct node n;
	struct tree t;
	int i;

	(void)state;
	tree_make(&t);
	node_open(&n, &t, "n1", LIFE_1);
	fill(&n, 4);
	for (i = 1; i < 4; i++)
		make_old(&t, i, 10);
	checkpoint_here(&n);
	assert_true(durable_in_order(drop_segments, &n, 3));
	node_close(&n);
	tree_remove(&t);
}

/* Killed when it is about to drop the first. */
static void
what_goes_is_told_first(void **state)
{
	const struct steps_plan plan = {
		.what = STEPS_KILL, .at = 1, .call = "unlinkat"
	};
	struct steps *s = steps_new(&plan);
	struct node n;
	struct tree t;
	int i, status, dropped = 0;
	pid_t pid;

	(void)state;
	tree_make(&t);
	node_open(&n, &t, "n1", LIFE_1);
	fill(&n, 4);
	for (i = 1; i < 4; i++)
		make_old(&t, i, 10);
	checkpoint_here(&n);
	steps_arm(s);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_enter(s);
		_exit(drop_segments(&n));
	}
	steps_begin(s, pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && steps_came(s));
	check_range(&n, 1, 4);
	rig_records(t.path, count_dropped, &dropped);
	assert_int_equal(dropped, 1);
	steps_free(s);
	node_close(&n);
	tree_remove(&t);
}

static int
drop_stream(void *data)
{
	struct node *n = data;

	return mftd_retain_dead(n->work, now_s() - DAY) == 1 ? 0 : 1;
}

/* As one who died behind that, and then another. */
static int
rename_and_sweep(void *data)
{
	struct node *n = data;

	if (renameat(n->vol.journal, "n1/" STREAM_1, n->vol.journal,
		"n1/.dropped-" STREAM_1) < 0)
		return 1;
	return mftd_retain_dead(n->work, now_s() - DAY);
}

/* It has its name, and all that it held, or it has lost its name. */
static void
stream_loses_its_name_first(void **state)
{
	int (*how[])(void *data) = { drop_stream, rename_and_sweep };
	struct mftd_recovery out = { 0 };
	struct node two;
	struct tree t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		tree_make(&t);
		leave_one(&t);
		node_open(&two, &t, "n2", LIFE_2);
		assert_int_equal(
		    mftd_recover_incarnation(two.work, LIFE_1, &out), 0);
		tree_write(&t, DIR_1 "/forwarded", "1\n");
		/* the name, two segments, two marks, lock, head, directory */
		assert_true(durable_in_order(how[i], &two, 8));
		assert_int_equal(tree_count(&t, ".mft/journal/n1"), 0);
		node_close(&two);
		tree_remove(&t);
	}
}

/* Damages the very first record. */
static void
damage(struct tree *t)
{
	int fd = openat(t->fd, DIR_1 "/00000001.seg", O_RDWR);

	assert_int_equal(pwrite(fd, "damage", 6, 300), 6);
	close(fd);
}

/* Uploads and audit records until the journal has made a checkpoint. */
static void
work_until_checkpoint(struct tree *t, struct rig_session *s)
{
	struct mftd_msg_audit audit = { .event = "test" };
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct stat st;
	int i;

	memset(audit.text, 'x', TEXT);
	while (fstatat(t->fd, DIR_1 "/" MFTD_STREAM_CHECKPOINT, &st, 0) < 0) {
		assert_true(mftd_clock_ms() < deadline);
		for (i = 0; i < 20; i++)
			rig_send(s, MFTD_MSG_AUDIT, &audit, sizeof(audit));
		assert_int_equal(rig_upload(s, "g", "g"), 0);
	}
}

/* A part's PART record is before the checkpoint, and told again behind it;
 * recovery does not look at what is before. */
static void
recovery_begins_at_the_checkpoint(void **state)
{
	struct mftd_recovery out = { 0 };
	struct mftd_msg_publish m;
	struct rig_session s;
	struct node two;
	struct tree t;
	struct rig r;
	char name[MFTD_ID_BYTES];
	int dir;

	(void)state;
	tree_make(&t);
	rig_start_upload(&r, &s, t.path, LIFE_1, 10, &m);
	work_until_checkpoint(&t, &s);
	rig_kill(&r);
	rig_close(&s);
	damage(&t);
	node_open(&two, &t, "n2", LIFE_2);
	assert_int_equal(mftd_recover_incarnation(two.work, LIFE_1, &out), 0);
	dir = node_parts_dir(&two);
	assert_int_equal(mftd_layout_dormant(m.part, 9, name), 0);
	assert_int_equal(faccessat(dir, name, F_OK, 0), 0);
	close(dir);
	node_close(&two);
	tree_remove(&t);
}

/* The newest head that a stream's directory has. */
static void
read_head(struct tree *t, enum mftd_head_use *use, struct mftd_signed_head *h)
{
	int dir = openat(t->fd, DIR_1, O_RDONLY | O_DIRECTORY);

	assert_true(dir >= 0);
	assert_int_equal(mftd_head_read(dir, use, h), 0);
	close(dir);
}

/* By the process, now and then and when it ends: all that was answered. */
static void
head_is_signed(void **state)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct mftd_signed_head h;
	enum mftd_head_use use;
	struct rig_session s;
	uint64_t first;
	struct tree t;
	struct rig r;

	(void)state;
	tree_make(&t);
	rig_start(&r, t.path, LIFE_1, NULL, NULL);
	assert_true(rig_ready(&r));
	assert_int_equal(rig_open(&r, &s, 1, "alice", "alice"), 0);
	assert_int_equal(rig_upload(&s, "f", "f"), 0);
	for (h.head.seq = 0; h.head.seq == 0; usleep(10000)) {
		assert_true(mftd_clock_ms() < deadline);
		read_head(&t, &use, &h); /* no event tells of a file */
	}
	first = h.head.seq;
	assert_int_equal(use, MFTD_HEAD_NEWEST);
	assert_true(mftd_head_holds(MFTD_HEAD_NEWEST, &h));
	assert_string_equal(h.head.stream, STREAM_1);
	assert_int_equal(rig_upload(&s, "g", "g"), 0);
	rig_close(&s);
	assert_int_equal(rig_stop(&r), 0);
	read_head(&t, &use, &h);
	assert_true(h.head.seq >= first + 2);
	assert_int_equal(use, MFTD_HEAD_LAST);
	assert_true(mftd_head_holds(MFTD_HEAD_LAST, &h));
	tree_remove(&t);
}

static void
checkpoint_that_cannot_be_used(void **state)
{
	static const char *const wrong[] = { "", "x", "12", "12\n13\n", "-1\n",
		"99999\n" };
	struct mftd_reader *r;
	struct mftd_entry e;
	struct tree t;
	uint64_t seq;
	size_t i;
	int dir;

	(void)state;
	tree_make(&t);
	leave_one(&t);
	dir = openat(t.fd, DIR_1, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mftd_checkpoint_write(dir, 7), 0);
	assert_int_equal(mftd_checkpoint_open(dir, STREAM_1, &r), 0);
	assert_int_equal(mftd_reader_next(r, &e), 1);
	assert_int_equal(e.seq, 8);
	mftd_reader_close(r);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tree_write(&t, DIR_1 "/checkpoint", wrong[i]);
		if (i < 4)
			assert_int_equal(
			    mftd_checkpoint_read(dir, &seq), -MFTD_E_CORRUPT);
		assert_int_equal(mftd_checkpoint_open(dir, STREAM_1, &r), 0);
		assert_int_equal(mftd_reader_next(r, &e), 1);
		assert_int_equal(e.seq, 1);
		mftd_reader_close(r);
	}
	close(dir);
	tree_remove(&t);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    only_what_is_old_forwarded_and_before_the_checkpoint),
		cmocka_unit_test(so_much_at_a_time),
		cmocka_unit_test(only_dead_streams_that_are_done_with),
		cmocka_unit_test(half_dropped_ones_go),
		cmocka_unit_test(segments_go_one_by_one),
		cmocka_unit_test(what_goes_is_told_first),
		cmocka_unit_test(stream_loses_its_name_first),
		cmocka_unit_test(recovery_begins_at_the_checkpoint),
		cmocka_unit_test(head_is_signed),
		cmocka_unit_test(checkpoint_that_cannot_be_used),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
