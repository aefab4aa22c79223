/* Part of mftd; see LICENSE. */

/*
 * Each system call of the journal process in turn is its last one, fails, or
 * writes only half of what it should, while names are changed, while it starts
 * and while it recovers what a killed one left.  Whatever was answered is so
 * after a restart, what was refused was not done, and disk and journals tell
 * one story.  "test_faults all" tries more errors than make check does, and
 * those of calls that only look; "test_faults NAME" is one of its tests.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/scene.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/story.h"
#include "tests/unit/journal/tree.h"

#define LIFE_3 "n1-0000000000000003"
#define STEPS_MAX 1000 /* of one scene */

static bool all; /* what make check has no time for */

static void
check(struct run *u, bool what, const char *text)
{
	static const char *const whats[] = { "nothing", "killed", "failed",
		"wrote half", "held" };

	if (what)
		return;
	u->good = false;
	print_error("%s: %s at step %u, %s: %s: %s\n", u->scene->label,
	    whats[u->plan.what], u->plan.at, steps_call(u->steps),
	    mftd_strerror(-u->plan.err), text);
}

/* Of an unfinished upload nothing is gone on with that was not durable, and
 * what was adopted with an answer is there still. */
static void
check_dormant(struct run *u)
{
	int64_t bytes = story_dormant(&u->t, "g", SCENE_TEXT);

	check(u, bytes >= 0, "what lies dormant is not what was written");
	check(u, bytes < SCENE_DURABLE, "more lies dormant than was durable");
	if (u->scene->n > 0 && u->scene->asks[0].type == MFTD_MSG_ADOPT &&
	    u->err[0] == 0)
		check(
		    u, bytes >= SCENE_DURABLE - 2, "what was adopted is lost");
}

/* What is published has a receipt, also if nobody was told. */
static void
check_receipt(
    struct run *u, const struct story_ask *a, int err, const struct story *kept)
{
	bool done = err == 0;
	int i;

	for (i = 0; i < STORY_NAMES && err == -MFTD_E_CLOSED; i++)
		done |= kept->holds[i] != NULL &&
		    strcmp(kept->holds[i], a->text) == 0;
	check(u, story_published(&u->t, a->path) == done,
	    "the journal has another outcome");
}

/* A record for each change that was answered, none for one that was refused.
 * One that was not answered may have either. */
static void
check_records(struct run *u, const struct story *kept)
{
	static const struct {
		uint32_t msg, record;
	} kinds[] = { { MFTD_MSG_RENAME, MFTD_RECORD_RENAME },
		{ MFTD_MSG_REMOVE, MFTD_RECORD_REMOVE },
		{ MFTD_MSG_MKDIR, MFTD_RECORD_MKDIR },
		{ MFTD_MSG_RMDIR, MFTD_RECORD_RMDIR },
		{ MFTD_MSG_SETSTAT, MFTD_RECORD_SETSTAT },
		{ MFTD_MSG_LINK, MFTD_RECORD_LINK },
		{ MFTD_MSG_SYMLINK, MFTD_RECORD_SYMLINK } };
	const struct story_ask *a;
	size_t k;
	int i, n;

	for (i = 0; i < u->scene->n; i++) {
		a = &u->scene->asks[i];
		if (a->type == MFTD_MSG_PUBLISH)
			check_receipt(u, a, u->err[i], kept);
		if (u->err[i] == -MFTD_E_CLOSED || u->scene->live)
			continue;
		for (k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
			if (kinds[k].msg != a->type)
				continue;
			n = story_records(
			    &u->t, kinds[k].record, a->path, a->to);
			if (a->type == MFTD_MSG_RENAME) /* and back again */
				n -= story_records(
				    &u->t, kinds[k].record, a->to, a->path);
			check(u, n == (u->err[i] == 0),
			    "the journal has another answer");
		}
	}
}

/*
 * A failed sync of a segment or of directories ends the process; that of a file
 * whose attributes or bytes it was to make durable fails the request.
 */
static void
check_sync(struct run *u)
{
	bool own_file = u->scene->n > 0 &&
	    (u->scene->asks[0].type == MFTD_MSG_SETSTAT ||
		u->scene->asks[0].type == MFTD_MSG_ADOPT);

	/* what an account uses may be counted anew */
	bool again = strstr(steps_call(u->steps), "/.mft/usage") != NULL;

	check(u, !steps_synced_again(u->steps), "a failed sync was repeated");
	if (u->plan.what == STEPS_FAIL && steps_was_sync(u->steps) &&
	    !own_file && !again)
		check(u, u->status != 0, "it lived on after a failed sync");
}

/* A journal of the next life that nothing happens to. */
static void
recover(struct run *u, const char *life)
{
	struct rig r;

	rig_start(&r, u->t.path, life, NULL, NULL);
	check(u, rig_ready(&r), "the next journal does not start");
	check(u, rig_stop(&r) == 0, "the next journal failed");
}

static void
check_all(struct run *u)
{
	struct story left = story_read(&u->t), kept;
	bool same = false;
	int i;

	check(u, u->plan.what == STEPS_KILL || !WIFSIGNALED(u->status),
	    "it did not end");
	recover(u, LIFE_3);
	kept = story_read(&u->t);
	check(u, story_same(&left, &kept), "recovery changed a name");
	for (i = 0; i < u->n_may; i++)
		same |= story_same(&kept, &u->may[i]);
	check(u, same, "the names are not as was answered");
	if (!same) {
		story_print("they hold", &kept);
		story_print("answered", &u->may[0]);
	}
	check(u, story_holds_together(&u->t, false), "disk and journal differ");
	check_dormant(u);
	check_records(u, &kept);
	check_sync(u);
}

/* Returns whether the step came. */
static bool
run_scene(const struct scene *scene, const struct steps_plan *plan, bool *good)
{
	struct run u = { .scene = scene, .plan = *plan, .good = true };
	bool came;

	scene_play(&u);
	came = steps_came(u.steps);
	check_all(&u);
	steps_free(u.steps);
	tree_remove(&u.t);
	*good &= u.good;
	return came;
}

/* Each step of each scene in turn, until none is left. */
static void
each_step(enum steps_what what, int err, bool looks)
{
	struct steps_plan plan = { .what = what, .err = err, .looks = looks };
	bool good = true;
	unsigned total = 0;
	size_t i;

	for (i = 0; i < N_SCENES; i++) {
		plan.at = 1;
		while (run_scene(&scenes[i], &plan, &good))
			assert_true(plan.at++ < STEPS_MAX);
		assert_true(good);
		print_message("%s: %u steps\n", scenes[i].label, plan.at - 1);
		total += plan.at - 1;
	}
	print_message("%u faults\n", total);
	assert_true(total > 40);
}

/* No fault: what an answer says was done is durable before it is sent. */
static void
durable_before_its_answer(void **state)
{
	struct durable *d;
	bool good = true;
	size_t i;

	/* twice: at first a scene finds out what makes a segment full */
	for (i = 0; i < 2 * N_SCENES; i++) {
		d = durable_new(false);
		run_scene(&scenes[i % N_SCENES],
		    &(struct steps_plan) { .watch = durable_watch, .data = d },
		    &good);
		if (!durable_good(d))
			print_error("%s: an answer was early\n",
			    scenes[i % N_SCENES].label);
		good &= durable_good(d);
		assert_true(durable_answers(d) > 0);
		durable_free(d);
	}
	assert_true(good);
}

static void
killed(void **state)
{
	each_step(STEPS_KILL, 0, false);
}

static void
input_output_error(void **state)
{
	each_step(STEPS_FAIL, EIO, all);
}

static void
no_space(void **state)
{
	each_step(STEPS_FAIL, ENOSPC, false);
}

static void
over_quota(void **state)
{
	each_step(STEPS_FAIL, EDQUOT, false);
}

static void
no_descriptor(void **state)
{
	each_step(STEPS_FAIL, EMFILE, true);
}

static void
short_write(void **state)
{
	each_step(STEPS_SHORT, 0, false);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest few[] = {
		cmocka_unit_test(durable_before_its_answer),
		cmocka_unit_test(killed),
		cmocka_unit_test(input_output_error),
		cmocka_unit_test(no_space),
		cmocka_unit_test(over_quota),
		cmocka_unit_test(short_write),
	};
	const struct CMUnitTest more[] = {
		cmocka_unit_test(no_descriptor),
	};
	int failed;
	bool one;

	all = argc > 1 && strcmp(argv[1], "all") == 0;
	one = argc > 1 && !all;
	if (one)
		cmocka_set_test_filter(argv[1]);
	/* power is not cut here: memory does, and is fast */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	failed = cmocka_run_group_tests(few, NULL, NULL);
	if (all || one)
		failed += cmocka_run_group_tests(more, NULL, NULL);
	return failed;
}
