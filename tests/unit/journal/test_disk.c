/* Part of mftd; see LICENSE. */

/*
 * The journal on file systems of its own: full ones, and such that lose their
 * power (FS_IOC_SHUTDOWN without a flush of the log: all that is not durable is
 * gone after the next mount).  Each test runs in a mount namespace that ends
 * with it; without the right to mount it is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

#define LIFE "n1-0123456789abcdef"
#define LIFE_2 "n1-0000000000000002"
#define CANNOT 77
#define FS_SHUTDOWN _IOR('X', 125, uint32_t)
#define NO_LOG_FLUSH 2
#define DEADLINE_MS 15000

/* Runs body in a process with a mount namespace of its own.  Assertions there
 * end it with 1. */
static void
apart(void (*body)(struct tree *t, const char *arg), const char *arg)
{
	struct tree t;
	pid_t pid;
	int status;

	tree_make(&t);
	assert_int_equal(mkdirat(t.fd, "mnt", 0700), 0);
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(CANNOT);
		strcat(t.path, "/mnt");
		body(&t, arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	tree_remove(&t);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CANNOT)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The kernel lets go of a dead process' files a moment after its end. */
#define UMOUNT                                                      \
	"for i in $(seq 500); do umount %s 2>/dev/null && exit 0; " \
	"sleep 0.02; done; exit 1"

/* cmocka's assertions jump; in the child they would run the parent's tests. */
#define MUST(what)                                                             \
	do {                                                                   \
		if (!(what)) {                                                 \
			fprintf(                                               \
			    stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what); \
			_exit(1);                                              \
		}                                                              \
	} while (0)

static void
use(struct tree *t)
{
	close(t->fd);
	t->fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(t->fd >= 0);
}

static void
fill_up(struct tree *t)
{
	static char block[65536];
	size_t size = sizeof(block);
	int fd = openat(t->fd, "ballast", O_WRONLY | O_CREAT | O_APPEND, 0600);

	memset(block, 'x', sizeof(block));
	while (size > 0)
		if (write(fd, block, size) <= 0)
			size /= 2;
	close(fd);
}

static void
make_space(struct tree *t)
{
	MUST(unlinkat(t->fd, "ballast", 0) == 0);
}

static bool
opens_at_last(struct rig *r, struct rig_session *s, int *n)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;

	while (rig_open(r, s, ++*n, "alice", "alice") != 0) {
		rig_close(s);
		if (mftd_clock_ms() > deadline)
			return false;
		poll(NULL, 0, 50);
	}
	return true;
}

static int
make_dir(struct rig_session *s, const char *path)
{
	struct mftd_msg_mkdir m = { .mode = 0700 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	return rig_ask(s, MFTD_MSG_MKDIR, &m, sizeof(m));
}

/* Audit lines until the stream needs its next segment. */
static void
use_up_segment(struct rig_session *s)
{
	struct mftd_msg_audit a = { .event = "filler" };
	int i;

	memset(a.text, 'x', sizeof(a.text) - 1);
	for (i = 0; i < 5000; i++) {
		MUST(mftd_chan_send(
			 s->c, MFTD_MSG_AUDIT, 0, &a, sizeof(a), NULL, 0) == 0);
		if (i % 100 == 0) /* an answer: it has kept up */
			make_dir(s, "none/d");
	}
}

static void
full(struct tree *t, const char *arg)
{
	struct rig_session s;
	struct rig r;
	char path[32];
	int n = 0, err;

	(void)arg;
	if (mount("tmpfs", t->path, "tmpfs", 0, "size=40m") < 0)
		_exit(CANNOT);
	use(t);
	fill_up(t);
	/* started on a full disk: alive, refuses, comes up with the space */
	rig_start(&r, t->path, LIFE, NULL, NULL);
	MUST(rig_ready(&r));
	MUST(rig_open(&r, &s, ++n, "alice", "alice") == -ENOSPC);
	rig_close(&s);
	make_space(t);
	MUST(opens_at_last(&r, &s, &n));
	MUST(rig_upload(&s, "f", "text") == 0);
	/* full when the next segment is due */
	fill_up(t);
	use_up_segment(&s);
	do
		snprintf(path, sizeof(path), "d%d", ++n);
	while ((err = make_dir(&s, path)) == 0);
	MUST(err == -ENOSPC);
	snprintf(path, sizeof(path), "alice/d%d", n);
	MUST(tree_inode(t, path) == 0);
	MUST(tree_holds(t, "alice/f", "text"));
	make_space(t);
	MUST(make_dir(&s, "d") == 0);
	MUST(rig_upload(&s, "d/f", "more") == 0);
	rig_close(&s);
	MUST(rig_stop(&r) == 0);
}

static void
full_disk_refuses_and_resumes(void **state)
{
	apart(full, NULL);
}

static int
run(const char *fmt, ...)
{
	char cmd[9000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

#define UPLOADS 400

/* When the power goes: at any time during a request, or right after the answer
 * to one, which is the hardest to keep. */
enum cut { AMID, AFTER_UPLOAD, AFTER_RENAME, AFTER_REMOVE, CUTS };

struct load {
	enum cut cut;
	int cut_at; /* in the work on this file */
	int n; /* the files before this one are done */
	enum cut acked; /* of file n */
	pid_t cutter;
};

/* Who cuts the power some time later. */
static pid_t
cutter(struct tree *t, int after_ms)
{
	uint32_t how = NO_LOG_FLUSH;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid > 0)
		return pid;
	poll(NULL, 0, after_ms);
	_exit(ioctl(t->fd, FS_SHUTDOWN, &how) < 0 ? 1 : 0);
}

static int
ask_rename(struct rig_session *s, int i)
{
	struct mftd_msg_rename m = { 0 };

	snprintf(m.from, sizeof(m.from), "x%d.part", i);
	snprintf(m.to, sizeof(m.to), "x%d", i);
	return rig_ask(s, MFTD_MSG_RENAME, &m, sizeof(m));
}

static int
ask_remove(struct rig_session *s, int i)
{
	struct mftd_msg_remove m = { 0 };

	snprintf(m.path, sizeof(m.path), "x%d", i);
	return rig_ask(s, MFTD_MSG_REMOVE, &m, sizeof(m));
}

/* Notes an answer; the power may go right then.  True: it is gone. */
static bool
acked(struct tree *t, struct load *l, enum cut what)
{
	uint32_t how = NO_LOG_FLUSH;

	l->acked = what;
	if (l->n != l->cut_at || l->cut != what)
		return false;
	MUST(ioctl(t->fd, FS_SHUTDOWN, &how) == 0);
	return true;
}

/* Uploads x.part, renames it to x and removes each third, as long as it
 * lasts. */
static void
work(struct rig_session *s, struct load *l, struct tree *t)
{
	char part[32], text[32];

	for (l->n = 0; l->n < UPLOADS; l->n++) {
		l->acked = AMID;
		snprintf(part, sizeof(part), "x%d.part", l->n);
		snprintf(text, sizeof(text), "x%d", l->n);
		if (l->n == l->cut_at && l->cut == AMID)
			l->cutter = cutter(t, l->cut_at % 7);
		if (rig_upload(s, part, text) != 0 || acked(t, l, AFTER_UPLOAD))
			return;
		if (ask_rename(s, l->n) != 0 || acked(t, l, AFTER_RENAME))
			return;
		if (l->n % 3 == 0 &&
		    (ask_remove(s, l->n) != 0 || acked(t, l, AFTER_REMOVE)))
			return;
	}
}

/* A file whose last answer was to what; next: that another request for it may
 * have been done without an answer. */
static void
check_file(struct tree *t, int i, enum cut what, bool next)
{
	char name[64], part[64], text[32];
	bool there, there_part;

	snprintf(name, sizeof(name), "alice/x%d", i);
	snprintf(part, sizeof(part), "alice/x%d.part", i);
	snprintf(text, sizeof(text), "x%d", i);
	there = tree_holds(t, name, text);
	there_part = tree_holds(t, part, text);
	MUST(there || tree_holds(t, name, NULL));
	MUST(there_part || tree_holds(t, part, NULL));
	if (what == AFTER_UPLOAD)
		MUST(next ? there != there_part : there_part);
	if (what == AFTER_RENAME)
		MUST(!there_part && (there || (next && i % 3 == 0)));
	if (what == AFTER_REMOVE)
		MUST(!there_part && !there);
}

static void
check_load(struct tree *t, const struct load *l)
{
	int i;

	for (i = 0; i < l->n; i++)
		check_file(
		    t, i, i % 3 == 0 ? AFTER_REMOVE : AFTER_RENAME, false);
	check_file(t, l->n, l->acked, l->cut == AMID);
}

static void
one_cut(struct tree *t, const char *image, enum cut cut, int cut_at)
{
	struct load l = { .cut = cut, .cut_at = cut_at };
	struct rig_session s;
	struct rig r;
	int status = 0;

	use(t);
	rig_start(&r, t->path, LIFE, NULL, NULL);
	MUST(rig_ready(&r));
	MUST(rig_open(&r, &s, 1, "alice", "alice") == 0);
	work(&s, &l, t);
	if (cut == AMID)
		MUST(waitpid(l.cutter, &status, 0) == l.cutter);
	MUST(status == 0 && l.n >= cut_at && l.n < UPLOADS);
	rig_close(&s);
	rig_kill(&r);
	close(t->fd);
	MUST(run(UMOUNT, t->path) == 0);
	MUST(run("mount -o loop %s %s", image, t->path) == 0);
	t->fd = -1;
	use(t);
	rig_start(&r, t->path, LIFE_2, NULL, NULL);
	MUST(rig_ready(&r));
	MUST(rig_stop(&r) == 0);
	check_load(t, &l);
	MUST(tree_count(t, ".mft/parts/alice") == 0);
	MUST(tree_count(t, ".mft/aside") == 0);
}

/* A new file system in a file; its name goes to image. */
static void
mount_new(struct tree *t, const char *type, char *image, size_t size)
{
	snprintf(image, size, "%s/../image", t->path);
	unlink(image);
	if (run("truncate -s 400M %s && mkfs.%s -q %s >/dev/null 2>&1 "
		"&& mount -o loop %s %s 2>/dev/null",
		image, type, image, image, t->path) != 0)
		_exit(CANNOT);
}

static void
power(struct tree *t, const char *type)
{
	char image[4200];
	enum cut i;

	for (i = AMID; i < CUTS; i++) {
		mount_new(t, type, image, sizeof(image));
		one_cut(t, image, i, 3 + 6 * (int)i);
		close(t->fd);
		t->fd = -1;
		MUST(run(UMOUNT, t->path) == 0);
	}
}

/* The file system has noticed the cut by a file that it could not write, and
 * has dropped the directory's new entry by then. */
static void
late_sync(struct tree *t, const char *type)
{
	uint32_t how = NO_LOG_FLUSH;
	char image[4200];
	int dir, file;

	mount_new(t, type, image, sizeof(image));
	use(t);
	MUST(mkdirat(t->fd, "d", 0700) == 0);
	MUST(syncfs(t->fd) == 0);
	dir = openat(t->fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(dir >= 0);
	file = openat(t->fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	MUST(file >= 0 && write(file, "f", 1) == 1);
	MUST(mkdirat(dir, "new", 0700) == 0);
	MUST(ioctl(t->fd, FS_SHUTDOWN, &how) == 0);
	MUST(mftd_sync_data(file) < 0);
	MUST(mftd_sync_all(dir) < 0);
	close(file);
	close(dir);
	close(t->fd);
	MUST(run("umount %s && mount -o loop %s %s", t->path, image, t->path) ==
	    0);
	t->fd = -1;
	use(t);
	MUST(tree_inode(t, "d") != 0 && tree_inode(t, "d/new") == 0);
}

static void
cut_and_mount(struct tree *t, const char *image)
{
	uint32_t how = NO_LOG_FLUSH;

	MUST(ioctl(t->fd, FS_SHUTDOWN, &how) == 0);
	MUST(mftd_file_create(t->fd, "late", "late", 4, 0600) < 0);
	MUST(mftd_file_replace(t->fd, "made", "late", 4, 0600) < 0);
	MUST(mftd_mkdir_all(t->fd, "late.d", 0700) < 0);
	close(t->fd);
	MUST(run("umount %s && mount -o loop %s %s", t->path, image, t->path) ==
	    0);
	t->fd = -1;
	use(t);
}

/* What is made or replaced in one step is there after a cut, and whole: each
 * time the last thing done, as the next sync may serve for it. */
static void
small_files(struct tree *t, const char *type)
{
	char image[4200];

	mount_new(t, type, image, sizeof(image));
	use(t);
	MUST(mftd_file_create(t->fd, "made", "first", 5, 0600) == 0);
	cut_and_mount(t, image);
	MUST(tree_holds(t, "made", "first"));
	MUST(mftd_file_create(t->fd, "made", "second", 6, 0600) == -EEXIST);
	MUST(mftd_file_replace(t->fd, "made", "third", 5, 0600) == 0);
	cut_and_mount(t, image);
	MUST(tree_holds(t, "made", "third"));
	MUST(mftd_mkdir_all(t->fd, "a/b", 0700) == 0);
	cut_and_mount(t, image);
	MUST(tree_count(t, "a/b") == 0);
}

static void
small_files_on_ext4(void **state)
{
	apart(small_files, "ext4");
}

static void
small_files_on_xfs(void **state)
{
	apart(small_files, "xfs");
}

static void
sync_after_a_cut_on_ext4(void **state)
{
	apart(late_sync, "ext4");
}

/* One that writes and syncs until it may not any more. */
#define WRITERS 6
#define RACES 90 /* one in ten comes in the middle (cut_in_syncs) */
#define FILE_BYTES (32 << 20) /* allocated ahead, as a segment is */
#define BLOCK 4096

struct writer {
	struct tree *t;
	pthread_barrier_t *ready;
	char name[8];
	int durable; /* blocks, by what the syncs said */
};

static void
fill(uint8_t block[BLOCK], int i)
{
	memset(block, 1 + i % 250, BLOCK);
}

static void *
write_on(void *data)
{
	struct writer *w = data;
	uint8_t block[BLOCK];
	int i, fd = openat(w->t->fd, w->name, O_RDWR | O_CREAT, 0600);

	MUST(fd >= 0 && posix_fallocate(fd, 0, FILE_BYTES) == 0 &&
	    fsync(fd) == 0);
	pthread_barrier_wait(w->ready);
	for (i = 0; i < FILE_BYTES / BLOCK; i++) {
		fill(block, i);
		if (pwrite(fd, block, BLOCK, (off_t)i * BLOCK) != BLOCK ||
		    mftd_sync_data(fd) < 0)
			break;
		w->durable = i + 1;
	}
	close(fd);
	return NULL;
}

static void
check_blocks(const struct writer *w)
{
	int i, fd = openat(w->t->fd, w->name, O_RDONLY);
	uint8_t block[BLOCK], want[BLOCK];

	for (i = 0; i < w->durable; i++) {
		fill(want, i);
		MUST(pread(fd, block, BLOCK, (off_t)i * BLOCK) == BLOCK &&
		    memcmp(block, want, BLOCK) == 0);
	}
	close(fd);
}

/* The moment of the cut is chance: of some cuts one at least comes in the
 * middle of a sync that had better not succeed. */
static void
cut_in_syncs(struct tree *t, const char *type)
{
	struct writer w[WRITERS];
	pthread_t threads[WRITERS];
	pthread_barrier_t ready;
	uint32_t how = NO_LOG_FLUSH;
	char image[4200];
	int i;

	mount_new(t, type, image, sizeof(image));
	use(t);
	MUST(pthread_barrier_init(&ready, NULL, WRITERS + 1) == 0);
	for (i = 0; i < WRITERS; i++) {
		w[i] = (struct writer) { .t = t, .ready = &ready };
		snprintf(w[i].name, sizeof(w[i].name), "f%d", i);
		MUST(pthread_create(&threads[i], NULL, write_on, &w[i]) == 0);
	}
	pthread_barrier_wait(&ready);
	poll(NULL, 0, 10 + (int)(mftd_clock_us() % 100));
	MUST(ioctl(t->fd, FS_SHUTDOWN, &how) == 0);
	for (i = 0; i < WRITERS; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	close(t->fd);
	MUST(run("umount %s && mount -o loop %s %s", t->path, image, t->path) ==
	    0);
	t->fd = -1;
	use(t);
	for (i = 0; i < WRITERS; i++)
		check_blocks(&w[i]);
}

static void
syncs_during_a_cut_on_xfs(void **state)
{
	int i;

	for (i = 0; i < RACES; i++)
		apart(cut_in_syncs, "xfs");
}

static void
sync_after_a_cut_on_xfs(void **state)
{
	apart(late_sync, "xfs");
}

static void
power_cut_on_ext4(void **state)
{
	apart(power, "ext4");
}

static void
power_cut_on_xfs(void **state)
{
	apart(power, "xfs");
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_disk_refuses_and_resumes),
		cmocka_unit_test(power_cut_on_ext4),
		cmocka_unit_test(power_cut_on_xfs),
		cmocka_unit_test(sync_after_a_cut_on_ext4),
		cmocka_unit_test(sync_after_a_cut_on_xfs),
		cmocka_unit_test(syncs_during_a_cut_on_xfs),
		cmocka_unit_test(small_files_on_ext4),
		cmocka_unit_test(small_files_on_xfs),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	/* a disk in memory flushes fast, and loses as much */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
