/* Part of mftd; see LICENSE. */
/* Quotas: both sides of each edge, races of sessions and of nodes, crashes. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/journal/usage.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

#define LIFE_1 "n1-00000000000000aa"
#define LIFE_2 "n2-00000000000000bb"
#define LIFE_3 "n1-00000000000000cc"
#define USAGE ".mft/usage/alice"
#define ROUNDS 40
#define DEADLINE_MS 20000

struct world {
	struct tree t;
	struct rig rig;
	struct rig_session s;
};

static void
start(struct world *w, struct rig *r, const char *life, uint64_t bytes,
    uint64_t files)
{
	rig_start(r, w->t.path, life, NULL, NULL);
	assert_true(rig_ready(r));
	r->policy.quota_bytes = bytes;
	r->policy.quota_files = files;
}

static void
enter(struct rig *r, struct rig_session *s, int n)
{
	assert_int_equal(rig_open(r, s, n, "alice", "alice"), 0);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	tree_make(&w->t);
	start(w, &w->rig, LIFE_1, 10, 0);
	snprintf(w->rig.policy.folders[0].name, MFTD_NAME_BYTES, "share");
	snprintf(w->rig.policy.folders[0].path, MFTD_FOLDER_PATH_BYTES, "in");
	w->rig.policy.n_folders = 1;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(rig_stop(&w->rig), 0);
	tree_remove(&w->t);
	free(w);
	return 0;
}

static int
ask_remove(struct rig_session *s, const char *path)
{
	struct mftd_msg_remove m = { 0 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	return rig_ask(s, MFTD_MSG_REMOVE, &m, sizeof(m));
}

static int
ask_rename(struct rig_session *s, const char *from, const char *to)
{
	struct mftd_msg_rename m = { .overwrite = 1 };

	snprintf(m.from, sizeof(m.from), "%s", from);
	snprintf(m.to, sizeof(m.to), "%s", to);
	return rig_ask(s, MFTD_MSG_RENAME, &m, sizeof(m));
}

static int
ask_link(struct rig_session *s, const char *from, const char *to)
{
	struct mftd_msg_link m = { 0 };

	snprintf(m.from, sizeof(m.from), "%s", from);
	snprintf(m.to, sizeof(m.to), "%s", to);
	return rig_ask(s, MFTD_MSG_LINK, &m, sizeof(m));
}

/* An upload that finds no room; its session then drops the part. */
static void
refused(struct rig_session *s, const char *path, const char *text)
{
	struct mftd_msg_supersede m = { 0 };

	assert_int_equal(rig_upload(s, path, text), -EDQUOT);
	snprintf(m.path, sizeof(m.path), "%s", path);
	assert_int_equal(rig_ask(s, MFTD_MSG_SUPERSEDE, &m, sizeof(m)), 0);
}

/* QUOTA: whether the part may be so large; path NULL: what is used. */
static struct mftd_msg_quota_result
ask_quota(struct rig_session *s, const char *path, const char *part,
    uint64_t size, uint64_t more)
{
	struct mftd_msg_quota m = { .size = size, .more = more };
	struct mftd_msg_quota_result res;
	struct mftd_msg answer;

	if (path != NULL) {
		snprintf(m.path, sizeof(m.path), "%s", path);
		snprintf(m.part, sizeof(m.part), "%s", part);
	}
	rig_send(s, MFTD_MSG_QUOTA, &m, sizeof(m));
	assert_true(rig_wait(s->c, MFTD_MSG_QUOTA_RESULT, &answer));
	memcpy(&res, answer.data, sizeof(res));
	mftd_msg_close(&answer);
	return res;
}

static void
uses(struct rig_session *s, uint64_t bytes, uint64_t files)
{
	struct mftd_msg_quota_result q = ask_quota(s, NULL, NULL, 0, 0);

	assert_int_equal(q.err, 0);
	assert_int_equal(q.used_bytes, bytes);
	assert_int_equal(q.used_files, files);
}

/* Looks until it is so: a count is under way. */
static void
will_use(struct rig_session *s, uint64_t bytes, uint64_t files)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct mftd_msg_quota_result q;

	do {
		q = ask_quota(s, NULL, NULL, 0, 0);
		if (q.used_bytes == bytes && q.used_files == files)
			return;
		nanosleep(&pause, NULL);
	} while (mftd_clock_ms() < deadline);
	uses(s, bytes, files);
}

/* Looks until no count is under way. */
static void
will_be_counted(struct world *w)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct mftd_volume v;
	struct mftd_usage u;

	assert_int_equal(mftd_volume_open(&v, "main", w->t.path), 0);
	while (
	    assert_int_equal(mftd_usage_peek(&v, "alice", &u), 0), u.counting) {
		assert_true(mftd_clock_ms() < deadline);
		nanosleep(&pause, NULL);
	}
	mftd_volume_close(&v);
	assert_true(u.known);
	assert_false(u.stale);
}

static void
bytes_to_the_last(void **state)
{
	struct world *w = *state;

	enter(&w->rig, &w->s, 1);
	refused(&w->s, "big", "12345678901");
	assert_true(tree_holds(&w->t, "alice/big", NULL));
	assert_int_equal(rig_upload(&w->s, "f", "1234567890"), 0);
	refused(&w->s, "g", "1");
	assert_int_equal(rig_upload(&w->s, "empty", ""), 0);
	/* over itself: what was there makes room */
	assert_int_equal(rig_upload(&w->s, "f", "abcdefghij"), 0);
	refused(&w->s, "f", "abcdefghijk");
	assert_true(tree_holds(&w->t, "alice/f", "abcdefghij"));
	assert_int_equal(rig_upload(&w->s, "f", "abcdefghi"), 0);
	refused(&w->s, "g", "12");
	assert_int_equal(rig_upload(&w->s, "g", "1"), 0);
	uses(&w->s, 10, 3);
	assert_int_equal(ask_remove(&w->s, "f"), 0);
	uses(&w->s, 1, 2);
	refused(&w->s, "f", "1234567890");
	assert_int_equal(rig_upload(&w->s, "f", "123456789"), 0);
	rig_close(&w->s);
}

static void
files_to_the_last(void **state)
{
	struct world *w = *state;

	w->rig.policy.quota_bytes = 0;
	w->rig.policy.quota_files = 2;
	enter(&w->rig, &w->s, 1);
	assert_int_equal(rig_upload(&w->s, "a", "1"), 0);
	assert_int_equal(rig_upload(&w->s, "b", ""), 0);
	refused(&w->s, "c", "1");
	assert_int_equal(rig_upload(&w->s, "a", "again"), 0);
	assert_int_equal(ask_link(&w->s, "a", "c"), -EDQUOT);
	assert_int_equal(ask_rename(&w->s, "a", "b"), 0);
	uses(&w->s, 5, 1);
	assert_int_equal(ask_link(&w->s, "b", "c"), 0);
	uses(&w->s, 10, 2); /* each name counts */
	assert_int_equal(ask_rename(&w->s, "b", "c"), 0); /* does nothing */
	uses(&w->s, 10, 2);
	assert_int_equal(ask_remove(&w->s, "b"), 0);
	uses(&w->s, 5, 1);
	rig_close(&w->s);
}

static void
folders_do_not_count(void **state)
{
	struct world *w = *state;
	struct mftd_msg_mkdir d = { .path = "share/d", .mode = 0755 };
	struct mftd_msg_publish pub;

	assert_int_equal(mkdirat(w->t.fd, "in", 0750), 0);
	tree_write(&w->t, "in/large", "12345678901");
	tree_write(&w->t, "in/fits", "1234567890");
	enter(&w->rig, &w->s, 1);
	uses(&w->s, 0, 0);
	assert_int_equal(ask_rename(&w->s, "share/large", "f"), -EDQUOT);
	assert_true(tree_holds(&w->t, "in/large", "12345678901"));
	assert_int_equal(ask_rename(&w->s, "share/fits", "f"), 0);
	uses(&w->s, 10, 1);
	assert_int_equal(ask_rename(&w->s, "share/large", "f"), -EDQUOT);
	assert_int_equal(ask_rename(&w->s, "f", "share/f"), 0);
	uses(&w->s, 0, 0);
	/* nor does an upload that is to lie in one, once it was asked for */
	rig_part(&w->s, "g", "12345", &pub);
	uses(&w->s, 5, 1);
	assert_int_equal(ask_quota(&w->s, "share/g", pub.part, 5, 0).err, 0);
	uses(&w->s, 0, 0);
	/* of a directory it is not known how much comes in */
	assert_int_equal(rig_ask(&w->s, MFTD_MSG_MKDIR, &d, sizeof(d)), 0);
	assert_int_equal(ask_rename(&w->s, "share/d", "d"), -EPERM);
	rig_close(&w->s);
}

static void
what_is_there_is_counted(void **state)
{
	struct world *w = *state;

	mkdirat(w->t.fd, "alice", 0750);
	mkdirat(w->t.fd, "alice/d", 0750);
	mkdirat(w->t.fd, "alice/d/e", 0750);
	tree_write(&w->t, "alice/x", "123");
	tree_write(&w->t, "alice/d/e/y", "45678");
	assert_int_equal(symlinkat("x", w->t.fd, "alice/lnk"), 0);
	enter(&w->rig, &w->s, 1);
	uses(&w->s, 8, 2);
	refused(&w->s, "z", "123");
	assert_int_equal(rig_upload(&w->s, "z", "12"), 0);
	rig_close(&w->s);
}

/* What nobody can read, or was cut, is counted anew. */
static void
broken_usage_is_counted_again(void **state)
{
	static const char *const broken[] = { "", "mftd-usage 1 1 0 0 0000",
		"nonsense" };
	struct world *w = *state;
	char good[256] = { 0 };
	size_t i;
	int fd;

	enter(&w->rig, &w->s, 1);
	assert_int_equal(rig_upload(&w->s, "f", "12345678"), 0);
	rig_close(&w->s);
	fd = openat(w->t.fd, USAGE, O_RDONLY);
	assert_true(read(fd, good, sizeof(good) - 1) > 100);
	close(fd);
	for (i = 0; i <= sizeof(broken) / sizeof(broken[0]); i++) {
		good[30]++; /* one wrong digit: the sum tells */
		fd = openat(w->t.fd, USAGE, O_WRONLY | O_TRUNC);
		dprintf(fd, "%s",
		    i < sizeof(broken) / sizeof(broken[0]) ? broken[i] : good);
		close(fd);
		enter(&w->rig, &w->s, 2 + (int)i);
		uses(&w->s, 8, 1);
		refused(&w->s, "g", "123");
		rig_close(&w->s);
	}
}

/* A file of exactly half more than half: only one of two fits. */
static int
publish_both(struct rig_session *a, struct rig_session *b)
{
	struct mftd_msg_journal_result ra, rb;
	struct mftd_msg_publish ma, mb;
	uint64_t fa, fb;
	int fitted;

	rig_part(a, "a", "123456", &ma);
	rig_part(b, "b", "123456", &mb);
	fa = rig_send(a, MFTD_MSG_PUBLISH, &ma, sizeof(ma));
	fb = rig_send(b, MFTD_MSG_PUBLISH, &mb, sizeof(mb));
	rig_answer(a, fa, &ra);
	rig_answer(b, fb, &rb);
	fitted = (ra.err == 0) + (rb.err == 0);
	assert_true(ra.err == 0 || ra.err == -EDQUOT);
	assert_true(rb.err == 0 || rb.err == -EDQUOT);
	/* this drops the part that was refused, too */
	ask_remove(a, "a");
	ask_remove(b, "b");
	return fitted;
}

static void
two_sessions_one_fits(void **state)
{
	struct world *w = *state;
	struct rig_session b;
	int i;

	enter(&w->rig, &w->s, 1);
	enter(&w->rig, &b, 2);
	for (i = 0; i < ROUNDS; i++)
		assert_int_equal(publish_both(&w->s, &b), 1);
	rig_close(&w->s);
	rig_close(&b);
}

static void
two_nodes_one_fits(void **state)
{
	struct world *w = *state;
	struct rig_session b;
	struct rig other;
	int i;

	enter(&w->rig, &w->s, 1);
	start(w, &other, LIFE_2, 10, 0);
	enter(&other, &b, 1);
	/* which is counted anew, since a journal began: a file that is
	 * published as that begins may count twice */
	will_be_counted(w);
	for (i = 0; i < ROUNDS; i++)
		assert_int_equal(publish_both(&w->s, &b), 1);
	/* what one node publishes the other knows */
	assert_int_equal(rig_upload(&b, "f", "1234567"), 0);
	uses(&w->s, 7, 1);
	refused(&w->s, "g", "1234");
	assert_int_equal(rig_upload(&w->s, "g", "123"), 0);
	rig_close(&w->s);
	rig_close(&b);
	assert_int_equal(rig_stop(&other), 0);
}

/* Neither stands in the other's way for longer than a lock may be held. */
static void
held_lock_is_no_hang(void **state)
{
	struct world *w = *state;
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	enter(&w->rig, &w->s, 1);
	fd = openat(w->t.fd, USAGE, O_RDWR);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);
	assert_int_equal(rig_upload(&w->s, "f", "1"), -EAGAIN);
	assert_true(tree_holds(&w->t, "alice/f", NULL));
	close(fd);
	assert_int_equal(rig_upload(&w->s, "f", "1"), 0);
	rig_close(&w->s);
}

/* After a kill what was held and not done is given back, and what nobody saw
 * is found. */
static void
restart_counts_again(void **state)
{
	struct world *w = *state;
	struct mftd_policy policy = w->rig.policy;
	struct mftd_volume v;
	struct mftd_usage u;
	int fd;

	enter(&w->rig, &w->s, 1);
	assert_int_equal(rig_upload(&w->s, "f", "12345"), 0);
	rig_kill(&w->rig);
	rig_close(&w->s);
	/* as if it had been killed behind the hold */
	assert_int_equal(mftd_volume_open(&v, "main", w->t.path), 0);
	fd = mftd_usage_lock(&v, "alice");
	assert_int_equal(mftd_usage_read(fd, &u), 0);
	assert_true(u.known);
	assert_int_equal(u.bytes, 5);
	mftd_usage_add(&u, 5, 1);
	assert_int_equal(mftd_usage_write(fd, &u, true), 0);
	close(fd);
	mftd_volume_close(&v);
	rig_start(&w->rig, w->t.path, LIFE_3, NULL, NULL);
	assert_true(rig_ready(&w->rig));
	w->rig.policy = policy;
	enter(&w->rig, &w->s, 1);
	will_use(&w->s, 5, 1);
	assert_int_equal(rig_upload(&w->s, "g", "12345"), 0);
	rig_close(&w->s);
}

/* Each count of a session that stays finds all: here they follow recoveries. */
static void
counts_of_one_session(void **state)
{
	struct world *w = *state;
	struct mftd_msg_recover ask = { .incarnation = LIFE_2 };
	struct mftd_msg m;
	int i;

	mkdirat(w->t.fd, "alice", 0750);
	tree_write(&w->t, "alice/x", "123");
	enter(&w->rig, &w->s, 1);
	for (i = 0; i < 3; i++) {
		uses(&w->s, 3, 1);
		mftd_chan_send(w->rig.coordinator, MFTD_MSG_RECOVER, 1, &ask,
		    sizeof(ask), NULL, 0);
		assert_true(
		    rig_wait(w->rig.coordinator, MFTD_MSG_RECOVERED, &m));
		mftd_msg_close(&m);
		will_be_counted(w);
	}
	uses(&w->s, 3, 1);
	rig_close(&w->s);
}

static void
parts_count_what_they_shadow_does_not(void **state)
{
	struct world *w = *state;
	struct mftd_msg_quota_result q;
	struct mftd_msg_publish pf, pg;
	struct rig_session b;

	enter(&w->rig, &w->s, 1);
	enter(&w->rig, &b, 2);
	assert_int_equal(rig_upload(&w->s, "f", "123456"), 0);
	/* nothing shadowed: four are left, and said so */
	rig_part(&b, "g", "", &pg);
	q = ask_quota(&b, "g", pg.part, 1, 100);
	assert_int_equal(q.err, 0);
	assert_int_equal(q.granted, 4);
	assert_int_equal(ask_quota(&b, "g", pg.part, 4, 100).err, 0);
	assert_int_equal(ask_quota(&b, "g", pg.part, 5, 100).err, -EDQUOT);
	/* over f all ten may be had, as f shows no more */
	rig_part(&w->s, "f", "12345678", &pf);
	q = ask_quota(&w->s, "f", pf.part, 8, 100);
	assert_int_equal(q.err, 0);
	assert_int_equal(q.granted, 10);
	/* … and its eight leave the other session two */
	q = ask_quota(&b, "g", pg.part, 1, 100);
	assert_int_equal(q.err, 0);
	assert_int_equal(q.granted, 2);
	uses(&w->s, 8, 2);
	/* who published first has it */
	assert_int_equal(rig_ask(&w->s, MFTD_MSG_PUBLISH, &pf, sizeof(pf)), 0);
	uses(&w->s, 8, 2);
	rig_close(&b);
	rig_close(&w->s);
}

/* A quota that was made smaller: nothing grows, but what is there stays. */
static void
smaller_quota(void **state)
{
	struct world *w = *state;

	enter(&w->rig, &w->s, 1);
	assert_int_equal(rig_upload(&w->s, "f", "1234567890"), 0);
	rig_close(&w->s);
	w->rig.policy.quota_bytes = 5;
	enter(&w->rig, &w->s, 2);
	refused(&w->s, "g", "1");
	assert_int_equal(rig_upload(&w->s, "f", "123456789"), 0);
	refused(&w->s, "f", "1234567890");
	assert_int_equal(ask_rename(&w->s, "f", "h"), 0);
	rig_close(&w->s);
}

/* A count that is under way: what grows behind it is added, what goes behind it
 * is not taken off, but makes it stale. */
static void
changes_during_a_count(void **state)
{
	struct mftd_usage u = { .known = true, .bytes = 10, .files = 2 };

	(void)state;
	mftd_usage_add(&u, 5, 1);
	assert_int_equal(u.grown_bytes, 0);
	u.counting = true;
	mftd_usage_add(&u, 7, 1);
	assert_int_equal(u.grown_bytes, 7);
	assert_int_equal(u.grown_files, 1);
	assert_false(u.stale);
	mftd_usage_add(&u, -3, -1);
	assert_int_equal(u.bytes, 19);
	assert_int_equal(u.files, 3);
	assert_int_equal(u.grown_bytes, 7);
	assert_true(u.stale);
	mftd_usage_add(&u, -100, -100);
	assert_int_equal(u.bytes, 0);
	assert_int_equal(u.files, 0);
}

/* A count that found n bytes in as many files. */
static int
counted(struct mftd_usage *u, const struct mftd_usage *begun, uint64_t n)
{
	struct mftd_usage found = *begun;

	found.bytes = found.files = n;
	found.counted_s = 1;
	return mftd_usage_counted(u, &found);
}

/* A file that came and went behind a count was maybe seen by it, maybe not: it
 * is not used twice. */
static void
disturbed_count_adds_nothing(void **state)
{
	struct mftd_usage begun, u = { .known = true, .bytes = 5, .files = 5 };

	(void)state;
	mftd_usage_begin(&u, 7);
	begun = u;
	mftd_usage_add(&u, 3, 3);
	mftd_usage_add(&u, -3, -3);
	assert_int_equal(counted(&u, &begun, 8), 1);
	assert_int_equal(u.bytes, 5);
	assert_int_equal(u.files, 5);
	assert_false(u.counting);
	assert_true(u.stale);
	/* the next one sees what others put there, and what grows behind it */
	mftd_usage_begin(&u, 7);
	begun = u;
	mftd_usage_add(&u, 3, 3);
	assert_int_equal(counted(&u, &begun, 6), 0);
	assert_int_equal(u.bytes, 9);
	assert_int_equal(u.files, 9);
	assert_false(u.stale);
	assert_int_equal(u.counted_at, 7);
	assert_int_equal(u.counted_s, 1);
}

/* A file that is published behind the beginning of a count for which it was
 * held before. */
static void
passed_by_a_count(void **state)
{
	struct mftd_usage begun, u = { .known = true, .bytes = 5, .files = 5 };

	(void)state;
	mftd_usage_begin(&u, 0);
	begun = u;
	/* that one may have seen it or not, what was known has it once */
	mftd_usage_passed(&u, begun.seq, 3, 3);
	assert_false(u.stale);
	mftd_usage_passed(&u, begun.seq - 1, 3, 3);
	assert_int_equal(u.bytes, 5);
	assert_int_equal(counted(&u, &begun, 2), 1);
	assert_int_equal(u.bytes, 5);
	/* one that has ended may have missed it */
	mftd_usage_begin(&u, 0);
	begun = u;
	assert_int_equal(counted(&u, &begun, 2), 0);
	mftd_usage_passed(&u, begun.seq - 1, 3, 3);
	assert_int_equal(u.bytes, 5);
	assert_true(u.stale);
	/* … also when the next one is under way */
	mftd_usage_begin(&u, 0);
	mftd_usage_passed(&u, begun.seq - 1, 3, 3);
	assert_int_equal(u.bytes, 8);
}

/* Two nodes count: what grew between their beginnings only one of them may have
 * missed. */
static void
last_count_is_believed(void **state)
{
	struct mftd_usage first, last, u = { .known = true };

	(void)state;
	mftd_usage_begin(&u, 0);
	first = u;
	mftd_usage_add(&u, 4, 4);
	mftd_usage_begin(&u, 0);
	last = u;
	assert_int_equal(counted(&u, &first, 0), 0);
	assert_int_equal(u.bytes, 4);
	assert_true(u.counting);
	mftd_usage_add(&u, 1, 1);
	assert_int_equal(counted(&u, &last, 4), 0);
	assert_int_equal(u.bytes, 5);
	assert_int_equal(counted(&u, &first, 0), 0);
	assert_int_equal(u.bytes, 5);
	/* of what nobody knows the first serves, but of before a recovery */
	u = (struct mftd_usage) { 0 };
	mftd_usage_begin(&u, 0);
	first = u;
	mftd_usage_begin(&u, 0);
	assert_int_equal(counted(&u, &first, 2), 0);
	assert_true(u.known);
	assert_int_equal(u.bytes, 2);
	u = (struct mftd_usage) { 0 };
	mftd_usage_begin(&u, 0);
	first = u;
	mftd_usage_begin(&u, 1);
	assert_int_equal(counted(&u, &first, 2), 1);
	assert_false(u.known);
}

int
main(int argc, char **argv)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(bytes_to_the_last),
		WITH(files_to_the_last),
		WITH(folders_do_not_count),
		WITH(what_is_there_is_counted),
		WITH(broken_usage_is_counted_again),
		WITH(two_sessions_one_fits),
		WITH(two_nodes_one_fits),
		WITH(held_lock_is_no_hang),
		WITH(restart_counts_again),
		WITH(counts_of_one_session),
		WITH(parts_count_what_they_shadow_does_not),
		WITH(smaller_quota),
		cmocka_unit_test(changes_during_a_count),
		cmocka_unit_test(disturbed_count_adds_nothing),
		cmocka_unit_test(passed_by_a_count),
		cmocka_unit_test(last_count_is_believed),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
