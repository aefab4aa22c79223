/* Part of mftd; see LICENSE. */

/*
 * A file that was found in a folder and is delivered: it is archived or deleted
 * while it is the version that was copied.  Nobody tells mftd of what others do
 * there, at each of its system calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/recover.h"
#include "tests/unit/journal/source.h"
#include "tests/unit/journal/steps.h"

#define FOLDER "drop/in"
#define NAME FOLDER "/f"
#define ARCHIVE FOLDER "/kept/2027"
#define ARCHIVED ARCHIVE "/f"
#define RECEIPT "f.0123456789abcdef"
#define STEPS_MAX 300

static void
version_of(const struct stat *st, struct mftd_msg_dispose *m)
{
	m->found = 1;
	m->bytes = (uint64_t)st->st_size;
	m->inode = st->st_ino;
	m->mtime_ns = st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;
	m->ctime_ns = st->st_ctim.tv_sec * 1000000000LL + st->st_ctim.tv_nsec;
}

/* It lies there, and its copy in out. */
static void
find(struct tree *t, struct mftd_msg_dispose *m)
{
	struct stat st;

	assert_int_equal(mkdirat(t->fd, "drop", 0700), 0);
	assert_int_equal(mkdirat(t->fd, FOLDER, 0700), 0);
	tree_write(t, NAME, "one");
	tree_write(t, ".mft/out/" RECEIPT, "one");
	assert_int_equal(fstatat(t->fd, NAME, &st, 0), 0);
	*m = (struct mftd_msg_dispose) { .receipt = RECEIPT, .path = NAME };
	version_of(&st, m);
}

static struct mftd_disposal *
as_asked(const struct mftd_msg_dispose *m)
{
	struct mftd_disposal *d = mftd_disposal_new(1, m);

	assert_non_null(d);
	return d;
}

static void
dispose(struct node *n, const struct mftd_msg_dispose *m,
    struct mftd_msg_disposed *say)
{
	source_run(n, as_asked(m), say);
}

struct world {
	struct tree t;
	struct node n;
	struct mftd_msg_dispose ask;
	struct mftd_msg_disposed say;
};

static int
setup(void **state)
{
	static struct world w;

	memset(&w, 0, sizeof(w));
	tree_make(&w.t);
	node_open(&w.n, &w.t, "n1", SOURCE_LIFE_1);
	find(&w.t, &w.ask);
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	node_close(&w->n);
	tree_remove(&w->t);
	return 0;
}

static void
archive_to(struct mftd_msg_dispose *m, const char *archive)
{
	snprintf(m->archive, sizeof(m->archive), "%s", archive);
}

static void
said(struct world *w, uint32_t source, const char *text)
{
	assert_int_equal(w->say.err, 0);
	assert_int_equal(w->say.source, source);
	assert_string_equal(w->say.text, text);
	assert_int_equal(source_taken(&w->t), 0);
	assert_int_equal(
	    source_records(&w->t, RECEIPT), source != MFTD_SOURCE_KEPT);
}

static void
archived(void **state)
{
	struct world *w = *state;

	archive_to(&w->ask, ARCHIVE);
	dispose(&w->n, &w->ask, &w->say);
	said(w, MFTD_SOURCE_ARCHIVED, ARCHIVED);
	assert_true(tree_holds(&w->t, ARCHIVED, "one"));
	assert_true(tree_holds(&w->t, NAME, NULL));
	/* its answer was lost */
	dispose(&w->n, &w->ask, &w->say);
	assert_int_equal(w->say.source, MFTD_SOURCE_ARCHIVED);
	assert_true(tree_holds(&w->t, ARCHIVED ".1", NULL));
}

static void
deleted(void **state)
{
	struct world *w = *state;

	dispose(&w->n, &w->ask, &w->say);
	said(w, MFTD_SOURCE_DELETED, "");
	assert_true(tree_holds(&w->t, NAME, NULL));
	assert_true(tree_holds(&w->t, ".mft/out/" RECEIPT, "one"));
}

/* Each of what makes a version. */
static void
another_version_stays(void **state)
{
	static const char why[] = "another file has its name by now";
	struct world *w = *state;
	const struct mftd_msg_dispose ask = w->ask;
	int i;

	for (i = 0; i < 4; i++) {
		w->ask = ask;
		w->ask.bytes += i == 0;
		w->ask.inode += i == 1;
		w->ask.mtime_ns += i == 2;
		w->ask.ctime_ns += i == 3;
		dispose(&w->n, &w->ask, &w->say);
		said(w, MFTD_SOURCE_KEPT, why);
		archive_to(&w->ask, ARCHIVE);
		dispose(&w->n, &w->ask, &w->say);
		said(w, MFTD_SOURCE_KEPT, why);
		assert_true(tree_holds(&w->t, ARCHIVED, NULL));
	}
	assert_true(tree_holds(&w->t, NAME, "one"));
}

static void
gone(void **state)
{
	struct world *w = *state;

	assert_int_equal(unlinkat(w->t.fd, NAME, 0), 0);
	dispose(&w->n, &w->ask, &w->say);
	said(w, MFTD_SOURCE_KEPT, "nothing has its name any more");
}

/* Exit status 0: it was left alone. */
static int
look_below_a_mount(void)
{
	struct world *w;
	struct stat st;
	void *state;
	char path[8192];
	bool good;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 2;
	setup(&state);
	w = state;
	snprintf(path, sizeof(path), "%s/%s", w->t.path, FOLDER);
	if (mount("none", path, "tmpfs", 0, NULL) < 0)
		return 2;
	tree_write(&w->t, NAME, "one");
	fstatat(w->t.fd, NAME, &st, 0);
	version_of(&st, &w->ask);
	dispose(&w->n, &w->ask, &w->say);
	good = w->say.err == 0 && w->say.source == MFTD_SOURCE_KEPT &&
	    strcmp(w->say.text,
		"it lies on another file system than its volume") == 0 &&
	    tree_holds(&w->t, NAME, "one");
	umount(path);
	teardown(&state);
	return !good;
}

/* What is mounted there is not touched: it may hang, and no rename leads out
 * of it. */
static void
on_another_file_system(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(look_below_a_mount());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- at each system call */

/* What happens while the first node is at its step, or is gone. */
enum other {
	NOTHING,
	REPLACES, /* a newer file is renamed to the name */
	REWRITES, /* the same, in place: the inode stays */
	CREATES, /* a file comes when the name is free */
	BOTH, /* it is replaced just before it is taken, and another one comes
	       * just before that goes back */
	WRITES, /* who has it open writes more */
	DISPOSES, /* another node is asked for the same */
	OTHERS
};

static const char *const others[OTHERS] = { "nothing", "replaces", "rewrites",
	"creates", "replaces and creates", "writes", "disposes, too" };

struct run {
	struct steps_plan plan;
	enum other other;
	struct tree t;
	struct node one, two;
	struct mftd_msg_dispose ask;
	struct steps *steps;
	struct mftd_msg_disposed *said; /* by the first, in shared memory */
	int open; /* as its writer has it */
	int renames; /* that were seen */
	bool came, more; /* something of the other came to be */
	bool good;
};

/* NULL: all is well. */
static void
check_text(struct run *u, const char *text)
{
	if (text == NULL)
		return;
	u->good = false;
	print_error("%s, the other %s, step %u, %s: %s\n",
	    u->ask.archive[0] != '\0' ? "archive" : "delete", others[u->other],
	    u->plan.at, steps_call(u->steps), text);
}

static void
check(struct run *u, bool what, const char *text)
{
	check_text(u, what ? NULL : text);
}

static bool
create(struct run *u, const char *text)
{
	int fd = openat(u->t.fd, NAME, O_WRONLY | O_CREAT | O_EXCL, 0600);
	bool made = fd >= 0;

	if (made)
		assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return made;
}

static void
replace(struct run *u)
{
	tree_write(&u->t, "drop/new", "newer");
	assert_int_equal(renameat(u->t.fd, "drop/new", u->t.fd, NAME), 0);
	u->came = true;
}

static void
rewrite(struct run *u)
{
	int fd = openat(u->t.fd, NAME, O_WRONLY | O_TRUNC);

	if (fd < 0)
		return; /* it was gone */
	assert_int_equal(write(fd, "newer", 5), 5);
	close(fd);
	u->came = true;
}

/* Nothing is left of it for others once its last name went, or is about to. */
static void
write_more(struct run *u)
{
	struct stat st;

	assert_int_equal(fstat(u->open, &st), 0);
	if (st.st_nlink == 0 || strncmp(steps_call(u->steps), "unlink", 6) == 0)
		return;
	assert_int_equal(pwrite(u->open, "newer", 5, 0), 5);
	u->came = true;
}

static void
act_other(struct run *u)
{
	struct mftd_msg_disposed say;

	if (u->other == REPLACES)
		replace(u);
	else if (u->other == REWRITES)
		rewrite(u);
	else if (u->other == CREATES)
		u->came = create(u, "newer");
	else if (u->other == WRITES)
		write_more(u);
	else if (u->other == DISPOSES)
		dispose(&u->two, &u->ask, &say);
}

/* BOTH, whatever the step is. */
static void
watch(void *data, pid_t pid, int nr, const uint64_t args[6])
{
	struct run *u = data;

	(void)pid;
	(void)args;
	if (nr != SYS_renameat && nr != SYS_renameat2)
		return;
	u->renames++;
	if (u->renames == 1)
		replace(u);
	else if (u->renames == 2)
		u->more = create(u, "third");
}

/* The folder's files of that text, whatever they are called. */
static int
count_of(struct run *u, const char *text)
{
	static const char *const names[] = { NAME, NAME ".1", NAME ".2" };
	int n = 0;
	size_t i;

	for (i = 0; i < 3; i++)
		n += tree_holds(&u->t, names[i], text);
	return n;
}

static void
check_all(struct run *u)
{
	bool recorded = source_records(&u->t, RECEIPT) > 0;

	check(u, source_taken(&u->t) == 0, "something is left in out");
	check(u, count_of(u, "newer") == u->came, "the newer file is lost");
	check(u, count_of(u, "third") == u->more, "the third file is lost");
	check(u, count_of(u, "one") == 0 || (!recorded && u->came),
	    "the old one is there");
	check(u, u->came || recorded, "there is no record of it");
	if (u->ask.archive[0] != '\0')
		check_text(u, source_archive_fault(&u->t, ARCHIVED, recorded));
	if (u->said->err == 0 && u->said->source != MFTD_SOURCE_KEPT)
		check(u, recorded, "what was said is in no record");
}

static void
recover_and_ask_again(struct run *u)
{
	struct mftd_msg_disposed say;
	struct mftd_recovery out = { 0 };

	check(u,
	    mftd_recover_incarnation(u->two.work, SOURCE_LIFE_1, &out) == 0,
	    "it cannot be recovered");
	dispose(&u->two, &u->ask, &say);
	check(u, say.err == 0, "it cannot be asked again");
}

/* Returns whether the step came. */
static bool
run(struct run *u, const char *archive)
{
	bool held = u->plan.what == STEPS_HOLD, came;
	int status;
	pid_t pid;

	tree_make(&u->t);
	node_open(&u->one, &u->t, "n1", SOURCE_LIFE_1);
	node_open(&u->two, &u->t, "n2", SOURCE_LIFE_2);
	find(&u->t, &u->ask);
	archive_to(&u->ask, archive);
	u->open = openat(u->t.fd, NAME, O_WRONLY | O_CLOEXEC);
	u->came = u->more = false;
	u->renames = 0;
	u->steps = steps_new(&u->plan);
	pid = source_start(&u->one, as_asked(&u->ask), u->steps, u->said);
	steps_wait(u->steps);
	came = steps_came(u->steps);
	if (held && came) {
		act_other(u);
		steps_release(u->steps);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!held || !came)
		act_other(u);
	recover_and_ask_again(u);
	check_all(u);
	close(u->open);
	node_close(&u->two);
	steps_free(u->steps);
	tree_remove(&u->t);
	return came;
}

static void
each_step(enum steps_what what, int err)
{
	static const char *const archives[] = { ARCHIVE, "" };
	struct run u = { .good = true };
	unsigned total = 0;
	int other;
	size_t i;

	u.said = mmap(NULL, sizeof(*u.said), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(u.said, MAP_FAILED);
	for (other = 0; other < OTHERS; other++)
		for (i = 0; i < 2; i++) {
			u.other = (enum other)other;
			u.plan = (struct steps_plan) { .what = what,
				.err = err,
				.looks = what == STEPS_HOLD,
				.watch = other == BOTH ? watch : NULL,
				.data = &u };
			for (u.plan.at = 1; run(&u, archives[i]); u.plan.at++)
				assert_true(u.plan.at < STEPS_MAX);
			total += u.plan.at - 1;
		}
	munmap(u.said, sizeof(*u.said));
	print_message("%u steps\n", total);
	assert_true(u.good);
	assert_true(total > 80);
}

static void
killed(void **state)
{
	(void)state;
	each_step(STEPS_KILL, 0);
}

static void
input_output_error(void **state)
{
	(void)state;
	each_step(STEPS_FAIL, EIO);
}

static void
held(void **state)
{
	(void)state;
	each_step(STEPS_HOLD, 0);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(archived, setup, teardown),
		cmocka_unit_test_setup_teardown(deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    another_version_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(gone, setup, teardown),
		cmocka_unit_test(on_another_file_system),
		cmocka_unit_test(killed),
		cmocka_unit_test(input_output_error),
		cmocka_unit_test(held),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	mftd_log_open("stderr", "none");
	/* power is not cut here: memory does, and is fast */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
