/* Part of mftd; see LICENSE. */
#include "mftd/outbound/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/magic.h>

#include <cmocka.h>

#include "tests/unit/journal/tree.h"

struct told {
	int n, first, last;
};

static void
note(void *data, int number)
{
	struct told *t = data;

	if (t->n++ == 0)
		t->first = number;
	t->last = number;
}

/* What was told since the last call; waits for it, if there is to be some. */
static struct told
told(int watch, bool some)
{
	struct pollfd p = { .fd = watch, .events = POLLIN };
	struct told t = { 0 };

	if (some)
		assert_int_equal(poll(&p, 1, 10000), 1);
	assert_int_equal(mftd_watch_read(watch, note, &t), 0);
	return t;
}

static void
create(struct tree *t)
{
	tree_write(t, "in/file", "x");
}

static void
link_it(struct tree *t)
{
	assert_int_equal(linkat(t->fd, "file", t->fd, "in/link", 0), 0);
}

static void
move_in(struct tree *t)
{
	assert_int_equal(renameat(t->fd, "file", t->fd, "in/moved"), 0);
}

static void
write_again(struct tree *t)
{
	int fd = openat(t->fd, "in/there", O_WRONLY);

	assert_int_equal(write(fd, "y", 1), 1);
	close(fd);
}

static void
move_folder(struct tree *t)
{
	assert_int_equal(renameat(t->fd, "in", t->fd, "away"), 0);
}

static void
remove_folder(struct tree *t)
{
	assert_int_equal(unlinkat(t->fd, "in/there", 0), 0);
	assert_int_equal(unlinkat(t->fd, "in", AT_REMOVEDIR), 0);
}

/* One event for all that happens, until it is added again. */
static void
tells_of_what_comes(void **state)
{
	static void (*const acts[])(struct tree *) = { create, link_it, move_in,
		write_again, move_folder, remove_folder };
	struct tree t;
	struct told what;
	int watch, folder, number;
	bool goes;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		tree_make(&t);
		assert_int_equal(mkdirat(t.fd, "in", 0700), 0);
		tree_write(&t, "in/there", "x");
		tree_write(&t, "file", "x");
		watch = mftd_watch_open();
		folder = openat(t.fd, "in", O_RDONLY | O_DIRECTORY);
		assert_true(watch >= 0 && folder >= 0);
		number = mftd_watch_add(watch, folder);
		assert_true(number > 0);
		/* by another look, at the same folder */
		assert_int_equal(mftd_watch_add(watch, folder), number);
		assert_int_equal(told(watch, false).n, 0);
		close(folder);
		acts[i](&t);
		what = told(watch, true);
		assert_int_equal(what.first, number);
		/* it may be above others, too */
		goes = acts[i] == move_folder || acts[i] == remove_folder;
		assert_int_equal(what.n, goes ? 2 : 1);
		assert_int_equal(what.last, goes ? -1 : number);
		if (acts[i] == create) {
			tree_write(&t, "in/more", "x");
			assert_int_equal(told(watch, false).n, 0);
			folder = openat(t.fd, "in", O_RDONLY | O_DIRECTORY);
			number = mftd_watch_add(watch, folder);
			close(folder);
			tree_write(&t, "in/and more", "x");
			what = told(watch, true);
			assert_int_equal(what.n, 1);
			assert_int_equal(what.last, number);
		}
		close(watch);
		tree_remove(&t);
	}
}

static void
move_parent(struct tree *t)
{
	assert_int_equal(renameat(t->fd, "a", t->fd, "away"), 0);
}

static void
move_nearer_one(struct tree *t)
{
	assert_int_equal(renameat(t->fd, "a/b", t->fd, "a/away"), 0);
}

static void
remove_both(struct tree *t)
{
	assert_int_equal(unlinkat(t->fd, "a/b/in", AT_REMOVEDIR), 0);
	assert_int_equal(unlinkat(t->fd, "a/b", AT_REMOVEDIR), 0);
}

/* The folder is somewhere else, although nothing happened in it; what happens
 * in those above it is nothing. */
static void
tells_of_those_above(void **state)
{
	static void (*const acts[])(
	    struct tree *) = { move_parent, move_nearer_one, remove_both };
	struct told what;
	int watch, folder;
	struct tree t;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		tree_make(&t);
		assert_int_equal(mkdirat(t.fd, "a", 0700), 0);
		assert_int_equal(mkdirat(t.fd, "a/b", 0700), 0);
		assert_int_equal(mkdirat(t.fd, "a/b/in", 0700), 0);
		watch = mftd_watch_open();
		assert_true(watch >= 0);
		mftd_watch_add_parents(watch, t.fd, "a/b/in");
		tree_write(&t, "a/file", "x");
		tree_write(&t, "a/b/file", "x");
		assert_int_equal(told(watch, false).n, 0);
		assert_int_equal(unlinkat(t.fd, "a/b/file", 0), 0);
		acts[i](&t);
		what = told(watch, true);
		assert_int_equal(what.n, 2);
		assert_int_equal(what.last, -1);
		close(watch);
		/* a folder of its own, and above another */
		watch = mftd_watch_open();
		assert_int_equal(mkdirat(t.fd, "c", 0700), 0);
		folder = openat(t.fd, "c", O_RDONLY | O_DIRECTORY);
		assert_true(mftd_watch_add(watch, folder) > 0);
		mftd_watch_add_parents(watch, t.fd, "c/in");
		tree_write(&t, "c/file", "x");
		assert_int_equal(told(watch, true).n, 1);
		close(folder);
		close(watch);
		tree_remove(&t);
	}
}

static void
only_local_ones(void **state)
{
	static const uint32_t remote[] = { NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,
		SMB2_SUPER_MAGIC, CIFS_SUPER_MAGIC, FUSE_SUPER_MAGIC,
		OCFS2_SUPER_MAGIC, 0x01161970 /* GFS2 */, CEPH_SUPER_MAGIC,
		V9FS_MAGIC, AFS_SUPER_MAGIC, 0x12345 };
	int watch = mftd_watch_open(), folder;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(remote) / sizeof(remote[0]); i++)
		assert_false(mftd_watch_is_local(remote[i]));
	assert_true(mftd_watch_is_local(EXT4_SUPER_MAGIC));
	folder = open("/proc/self", O_RDONLY | O_DIRECTORY);
	assert_int_equal(mftd_watch_add(watch, folder), -ENOTSUP);
	close(folder);
	close(watch);
}

/* What was lost may be of any. */
static void
overflow_is_of_all(void **state)
{
	const struct inotify_event e = { .wd = -1, .mask = IN_Q_OVERFLOW };
	struct told t = { 0 };

	(void)state;
	mftd_watch_parse(&e, sizeof(e), note, &t);
	assert_int_equal(t.n, 1);
	assert_int_equal(t.last, -1);
	mftd_watch_parse(&e, sizeof(e) - 1, note, &t);
	assert_int_equal(t.n, 1);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_of_what_comes),
		cmocka_unit_test(tells_of_those_above),
		cmocka_unit_test(only_local_ones),
		cmocka_unit_test(overflow_is_of_all),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
