/* Part of mftd; see LICENSE. */
/*
 * A look that is killed at each of its system calls while it stages a file, and
 * the next one: what has a row is there, whole, and nothing else is.
 */
#include "mftd/outbound/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/tree.h"

#define ID "f-1"
#define OUT ".mft/out/" ID
#define TEXT "all of it"
#define STEPS_MOST 100

static void
lay_out(struct tree *t)
{
	tree_make(t);
	assert_int_equal(mkdirat(t->fd, ".mft", 0700), 0);
	assert_int_equal(mkdirat(t->fd, ".mft/out", 0700), 0);
}

static int
stage(struct mftd_stage *s, const char *volume)
{
	int fd = -1, r = mftd_stage_open(s, volume, "r");

	if (r == 0)
		r = fd = mftd_stage_make(s, ID);
	if (r >= 0)
		r = mftd_fd_pwrite_full(fd, TEXT, strlen(TEXT), 0);
	return r == 0 ? mftd_stage_ready(s, ID, fd) : r;
}

/* The row is a file, as far as this test is concerned. */
static int
stage_and_write(const char *volume)
{
	struct mftd_stage s;
	int r = stage(&s, volume), fd;

	if (r < 0)
		return r;
	fd = openat(s.root, "row", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	close(fd);
	r = mftd_stage_keep(&s, ID);
	mftd_stage_close(&s);
	return r;
}

/* ---- the next look */

struct next {
	struct mftd_stage s;
	bool has_row;
	unsigned n;
};

static int
settle(void *data, const char *receipt)
{
	struct next *x = data;

	assert_string_equal(receipt, ID);
	x->n++;
	return x->has_row ? mftd_stage_keep(&x->s, receipt)
			  : mftd_stage_drop(&x->s, receipt);
}

/* Returns how many it found. */
static unsigned
look_again(struct tree *t, bool has_row)
{
	struct next x = { .has_row = has_row };

	assert_int_equal(mftd_stage_open(&x.s, t->path, "r"), 0);
	assert_int_equal(mftd_stage_each(&x.s, settle, &x), 0);
	mftd_stage_close(&x.s);
	return x.n;
}

/* Whether the step came.  *rows counts those after which there is a row. */
static bool
kill_at(unsigned at, bool twice, unsigned *rows, unsigned *left)
{
	struct steps_plan plan = { .what = STEPS_KILL, .at = at };
	struct steps *steps;
	struct tree t;
	bool came, row;
	pid_t pid;
	int status;

	lay_out(&t);
	steps = steps_new(&plan);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_enter(steps);
		_exit(stage_and_write(t.path) == 0 ? 0 : 1);
	}
	steps_begin(steps, pid);
	steps_arm(steps);
	came = steps_wait(steps);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(came ? WIFSIGNALED(status) : status == 0);
	steps_free(steps);
	row = tree_holds(&t, "row", "");
	*rows += row;
	*left += look_again(&t, row);
	if (twice)
		assert_int_equal(look_again(&t, row), 0);
	assert_true(tree_holds(&t, OUT, row ? TEXT : NULL));
	assert_int_equal(tree_count(&t, ".mft/out"), row);
	if (tree_holds(&t, ".mft/staged/r", NULL) == false)
		assert_int_equal(tree_count(&t, ".mft/staged/r"), 0);
	tree_remove(&t);
	return came;
}

static void
killed_at_each_call(void **state)
{
	unsigned at = 0, rows = 0, left = 0;

	(void)state;
	do
		assert_true(++at < STEPS_MOST);
	while (kill_at(at, true, &rows, &left));
	print_message(
	    "%u calls, %u left something, %u a row\n", at - 1, left, rows);
	assert_true(rows > 1 && left > rows && at > left);
}

static int
stage_only(void *data)
{
	struct mftd_stage s;
	int r = stage(&s, data);

	mftd_stage_close(&s);
	return r;
}

/* Before its row is written all of it is durable, and what will tell that it
 * has none, too. */
static void
is_durable_when_it_is_ready(void **state)
{
	struct tree t;

	(void)state;
	lay_out(&t);
	assert_true(durable_in_order(stage_only, t.path, 0));
	tree_remove(&t);
}

/* Killed at the nth sync: which one it was goes to call, and whether the file
 * was in out by then comes back. */
static bool
kill_at_sync(unsigned nth, char *call, size_t size)
{
	struct steps_plan plan = {
		.what = STEPS_KILL, .at = nth, .call = "fsync"
	};
	struct steps *steps;
	struct tree t;
	bool in_out;
	pid_t pid;

	lay_out(&t);
	steps = steps_new(&plan);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_enter(steps);
		_exit(stage_only(t.path) == 0 ? 0 : 1);
	}
	steps_begin(steps, pid);
	steps_arm(steps);
	assert_true(steps_wait(steps));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* the path ends it */
	snprintf(call, size, "%s", steps_call(steps));
	steps_free(steps);
	in_out = !tree_holds(&t, OUT, NULL);
	tree_remove(&t);
	return in_out;
}

/* An entry in out that is durable without the other one would never go. */
static void
syncs_are_in_order(void **state)
{
	static const char *const ends[] = { "/.mft)", "/.mft/staged)",
		"/.mft/staged/r)", "/.mft/staged/r/" ID ")", "/.mft/out)" };
	char call[512];
	unsigned i;
	bool in_out;

	(void)state;
	for (i = 0; i < 5; i++) {
		in_out = kill_at_sync(i + 1, call, sizeof(call));
		assert_non_null(strstr(call, ends[i]));
		assert_int_equal(in_out, i == 4);
	}
}

static int
drop(void *data)
{
	struct mftd_stage s;
	int r = mftd_stage_open(&s, data, "r");

	if (r == 0)
		r = mftd_stage_drop(&s, ID);
	mftd_stage_close(&s);
	return r;
}

/* Out goes first, durably: without the other entry nobody would look for it.
 * That other one may come back, it is only looked at again. */
static void
watch_drop(void *data, pid_t pid, int nr, const uint64_t args[6])
{
	(void)pid;
	(void)nr;
	(void)args;
	++*(unsigned *)data;
}

static void
drop_is_in_order(void **state)
{
	static const char *const calls[] = { "unlinkat", "fsync", "unlinkat" };
	struct steps_plan plan = { .what = STEPS_KILL };
	struct tree t;
	unsigned n = 0;
	int status;
	pid_t pid;

	(void)state;
	lay_out(&t);
	assert_int_equal(stage_only(t.path), 0);
	plan.watch = watch_drop;
	plan.data = &n;
	/* killed before its last call: out's entry is gone, the other is not */
	for (plan.at = 1; plan.at <= 3; plan.at++) {
		struct steps *steps = steps_new(&plan);

		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			steps_enter(steps);
			_exit(drop(t.path) == 0 ? 0 : 1);
		}
		steps_begin(steps, pid);
		steps_arm(steps);
		assert_true(steps_wait(steps));
		assert_non_null(strstr(steps_call(steps), calls[plan.at - 1]));
		assert_int_equal(waitpid(pid, &status, 0), pid);
		steps_free(steps);
		assert_int_equal(tree_count(&t, ".mft/staged/r"), 1);
		assert_int_equal(tree_count(&t, ".mft/out"), plan.at == 1);
	}
	assert_int_equal(drop(t.path), 0);
	assert_int_equal(tree_count(&t, ".mft/staged/r"), 0);
	tree_remove(&t);
}

/* A volume that no journal has laid out yet is none. */
static void
not_laid_out(void **state)
{
	struct mftd_stage s;
	struct tree t;

	(void)state;
	tree_make(&t);
	assert_int_equal(mftd_stage_open(&s, t.path, "r"), -ENOENT);
	mftd_stage_close(&s);
	assert_int_equal(mftd_stage_open(&s, "/nowhere", "r"), -ENOENT);
	mftd_stage_close(&s);
	tree_remove(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_each_call),
		cmocka_unit_test(is_durable_when_it_is_ready),
		cmocka_unit_test(syncs_are_in_order),
		cmocka_unit_test(drop_is_in_order),
		cmocka_unit_test(not_laid_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
