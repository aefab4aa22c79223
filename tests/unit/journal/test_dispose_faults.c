/* Part of mftd; see LICENSE. */

/*
 * Each system call of a journal that archives or deletes a source is its last
 * one, fails, or is where it is held while another node publishes a newer file
 * of that name, or does the same.  Whatever happens: the source's bytes are in
 * the archive, once, or still have their name; the newer file has the name; and
 * nothing is left between them.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/recover.h"
#include "tests/unit/journal/source.h"
#include "tests/unit/journal/steps.h"

#define STEPS_MAX 300
#define ARCHIVED SOURCE_ARCHIVE "/f"

/* What the other node does while the first is at its step, or is gone. */
enum other {
	NOTHING,
	UPLOADS, /* a newer f */
	DISPOSES, /* of the same source */
	OTHERS
};

static const char *const others[OTHERS] = { "nothing", "uploads",
	"disposes, too" };

struct run {
	struct steps_plan plan;
	enum other other;
	const char *archive; /* NULL: it is deleted */
	struct tree t;
	struct node one, two;
	struct steps *steps;
	char receipt[MFTD_ID_BYTES];
	struct mftd_msg_disposed *said; /* by the first, in shared memory */
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
	    u->archive != NULL ? "archive" : "delete", others[u->other],
	    u->plan.at, steps_call(u->steps), text);
}

static void
check(struct run *u, bool what, const char *text)
{
	check_text(u, what ? NULL : text);
}

static void
act_other(struct run *u)
{
	char receipt[MFTD_ID_BYTES];
	struct mftd_msg_disposed say;

	if (u->other == UPLOADS)
		source_upload(&u->two, 1, "newer", receipt);
	else if (u->other == DISPOSES)
		source_dispose(&u->two, u->receipt, u->archive, &say);
}

static void
recover_one(struct run *u)
{
	struct mftd_recovery out = { 0 };

	check(u,
	    mftd_recover_incarnation(u->two.work, SOURCE_LIFE_1, &out) == 0,
	    "it cannot be recovered");
}

/* The catalog asks the second one, since the first is gone. */
static void
ask_again(struct run *u)
{
	struct mftd_msg_disposed say;

	source_dispose(&u->two, u->receipt, u->archive, &say);
	check(u, say.err == 0, "it cannot be asked again");
	check(u,
	    u->said->err != 0 || u->said->source == say.source ||
		say.source == MFTD_SOURCE_KEPT,
	    "it says something else now");
}

static void
check_all(struct run *u)
{
	bool newer = u->other == UPLOADS;
	bool gone = source_records(&u->t, u->receipt) > 0;
	char out[256];

	check(u, source_taken(&u->t) == 0, "something is left in out");
	check(u, tree_holds(&u->t, "alice/f", newer ? "newer" : NULL),
	    "the name is another's");
	/* over by a newer file it was left alone, or was gone before */
	check(u, newer || gone, "there is no record of it");
	if (u->archive != NULL)
		check_text(u, source_archive_fault(&u->t, ARCHIVED, gone));
	snprintf(out, sizeof(out), ".mft/out/%s", u->receipt);
	check(u, tree_holds(&u->t, out, "one"), "its link is gone");
	if (u->said->err == 0 && u->said->source != MFTD_SOURCE_KEPT)
		check(u, gone, "what was said is in no record");
}

/* What it leaves when nothing happens to it is not recovery's to mend. */
static void
check_left(struct run *u)
{
	check(u, source_taken(&u->t) == 0, "it leaves something in out");
	check(u,
	    tree_holds(&u->t, "alice/f", u->other == UPLOADS ? "newer" : NULL),
	    "it leaves the name as another's");
}

/* Returns whether the step came. */
static bool
run(struct run *u)
{
	bool held = u->plan.what == STEPS_HOLD, came;
	int status;
	pid_t pid;

	tree_make(&u->t);
	node_open(&u->one, &u->t, "n1", SOURCE_LIFE_1);
	node_open(&u->two, &u->t, "n2", SOURCE_LIFE_2);
	source_upload(&u->one, 1, "one", u->receipt);
	u->steps = steps_new(&u->plan);
	pid = source_start(
	    &u->one, source_ask(u->receipt, u->archive), u->steps, u->said);
	steps_wait(u->steps);
	came = steps_came(u->steps);
	if (held && came) {
		act_other(u);
		steps_release(u->steps);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!held || !came)
		act_other(u);
	if (held)
		check_left(u);
	recover_one(u);
	ask_again(u);
	node_close(&u->two);
	check_all(u);
	steps_free(u->steps);
	tree_remove(&u->t);
	return came;
}

static void
each_step(enum steps_what what, int err)
{
	static const char *const archives[] = { SOURCE_ARCHIVE, NULL };
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
			u.archive = archives[i];
			/* held, what it has only seen may change behind it */
			u.plan = (struct steps_plan) { .what = what,
				.err = err,
				.looks = what == STEPS_HOLD };
			for (u.plan.at = 1; run(&u); u.plan.at++)
				assert_true(u.plan.at < STEPS_MAX);
			total += u.plan.at - 1;
			assert_true(u.good);
		}
	munmap(u.said, sizeof(*u.said));
	print_message("%u steps\n", total);
	assert_true(total > 40);
}

static void
killed(void **state)
{
	each_step(STEPS_KILL, 0);
}

static void
input_output_error(void **state)
{
	each_step(STEPS_FAIL, EIO);
}

static void
no_space(void **state)
{
	each_step(STEPS_FAIL, ENOSPC);
}

static void
held(void **state)
{
	each_step(STEPS_HOLD, 0);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed),
		cmocka_unit_test(input_output_error),
		cmocka_unit_test(no_space),
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
