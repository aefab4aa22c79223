/* Part of mftd; see LICENSE. */

/*
 * Recovery of a journal that was killed when it had taken a name away: the
 * source that it meant, or another node's newer upload.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "mftd/journal/record.h"
#include "mftd/journal/recover.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/source.h"
#include "tests/unit/journal/steps.h"

static int
take(void *data)
{
	struct source_volume *v = data;
	char taken[256];

	snprintf(taken, sizeof(taken), ".mft/out/%s~" SOURCE_LIFE_1 "-j1",
	    v->receipt);
	return renameat(v->t.fd, "alice/f", v->t.fd, taken);
}

/* As it was killed once alice's f lay in out, with that intent; d: sees what it
 * left to be synced. */
static void
die_with_it(
    struct source_volume *v, const char *to, uint64_t inode, struct durable *d)
{
	struct mftd_rec_name rec = { .account = "alice",
		.volume = "main",
		.path = "alice/f",
		.inode = inode };

	snprintf(rec.to, sizeof(rec.to), "%s", to);
	snprintf(rec.cause, sizeof(rec.cause), "%s", v->receipt);
	mftd_work_name(v->n.work, MFTD_RECORD_DISPOSE, &rec);
	assert_int_equal(mftd_work_commit(v->n.work), 0);
	durable_run(d, take, v);
	assert_int_equal(source_taken(&v->t), 1);
	node_close(&v->n);
	node_open(&v->n, &v->t, "n2", SOURCE_LIFE_2);
}

static int
recover(void *data)
{
	struct source_volume *v = data;
	struct mftd_recovery out = { 0 };

	return mftd_recover_incarnation(v->n.work, SOURCE_LIFE_1, &out);
}

/* Another node's newer upload, taken by mistake. */
static void
recovery_gives_it_back(void **state)
{
	char receipt[MFTD_ID_BYTES];
	struct durable *d = durable_new(false);
	struct source_volume *v = *state;
	uint64_t inode = tree_inode(&v->t, "alice/f");

	source_upload(&v->n, 2, "newer", receipt);
	die_with_it(v, "", inode, d);
	assert_true(tree_holds(&v->t, "alice/f", NULL));
	durable_run(d, recover, v);
	assert_true(durable_good(d));
	durable_free(d);
	assert_true(tree_holds(&v->t, "alice/f", "newer"));
	assert_int_equal(source_taken(&v->t), 0);
	assert_int_equal(source_records(&v->t, v->receipt), 0);
}

/* Meanwhile a still newer one has the name. */
static void
recovery_gives_way(void **state)
{
	char receipt[MFTD_ID_BYTES];
	struct durable *d = durable_new(false);
	struct source_volume *v = *state;
	uint64_t inode = tree_inode(&v->t, "alice/f");

	source_upload(&v->n, 2, "newer", receipt);
	die_with_it(v, "", inode, d);
	source_upload(&v->n, 1, "newest", receipt);
	assert_int_equal(recover(v), 0);
	durable_free(d);
	assert_true(tree_holds(&v->t, "alice/f", "newest"));
	assert_int_equal(source_taken(&v->t), 0);
}

/* Its directory is gone: it is not removed for that. */
static void
recovery_keeps_what_has_no_place(void **state)
{
	char receipt[MFTD_ID_BYTES];
	struct durable *d = durable_new(false);
	struct source_volume *v = *state;
	uint64_t inode = tree_inode(&v->t, "alice/f");

	source_upload(&v->n, 2, "newer", receipt);
	die_with_it(v, "", inode, d);
	assert_int_equal(renameat(v->t.fd, "alice", v->t.fd, "bob"), 0);
	assert_int_equal(recover(v), 0);
	durable_free(d);
	assert_int_equal(source_taken(&v->t), 1);
}

/* It was the source: that is recorded, and the proof goes after it. */
static void
recovery_says_what_was_done(void **state)
{
	struct durable *d = durable_new(false);
	struct source_volume *v = *state;

	die_with_it(v, SOURCE_ARCHIVE "/f", tree_inode(&v->t, "alice/f"), d);
	durable_run(d, recover, v);
	assert_true(durable_good(d));
	durable_free(d);
	assert_int_equal(source_taken(&v->t), 0);
	assert_int_equal(source_records(&v->t, v->receipt), 1);
	assert_true(tree_holds(&v->t, "alice/f", NULL));
}

/* Killed before it drops the proof it has recorded what that proves. */
static void
recovery_records_it_first(void **state)
{
	const struct steps_plan plan = {
		.what = STEPS_KILL, .at = 1, .call = "unlinkat"
	};
	struct durable *d = durable_new(false);
	struct source_volume *v = *state;
	struct steps *steps;
	int status;
	pid_t pid;

	die_with_it(v, SOURCE_ARCHIVE "/f", tree_inode(&v->t, "alice/f"), d);
	durable_free(d);
	steps = steps_new(&plan);
	steps_arm(steps);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_enter(steps);
		recover(v);
		_exit(0);
	}
	steps_begin(steps, pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	steps_free(steps);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(source_taken(&v->t), 1);
	assert_int_equal(source_records(&v->t, v->receipt), 1);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, source_setup, source_teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		TEST(recovery_gives_it_back),
		TEST(recovery_gives_way),
		TEST(recovery_keeps_what_has_no_place),
		TEST(recovery_says_what_was_done),
		TEST(recovery_records_it_first),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	mftd_log_open("stderr", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
