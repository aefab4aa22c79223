/* Part of mftd; see LICENSE. */

/*
 * Each system call of the journal process in turn is its last one, fails, or
 * writes only half of what it should, while names are changed, while it starts
 * and while it recovers what a killed one left.  Whatever was answered is so
 * after a restart, what was refused was not done, and disk and journals tell
 * one story.  "test_faults all" tries more errors than make check does, and
 * those of calls that only look.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/story.h"
#include "tests/unit/journal/tree.h"

#define LIFE_1 "n1-0123456789abcdef"
#define LIFE_2 "n1-0000000000000002"
#define LIFE_3 "n1-0000000000000003"
#define STEPS_MAX 1000 /* of one scene */
#define ASKS_MAX 2
#define MAY_MAX 4
#define FILLER_BYTES 500
#define TEXT "0123456789"
#define DURABLE 8 /* bytes of it, as told */

static bool all; /* what make check has no time for */

/* What is asked, and what else is there. */
struct scene {
	const char *label;
	bool start; /* the start of the journal is looked at as well */
	bool dormant; /* g lies dormant */
	bool live; /* another session is uploading g, some of it is durable */
	bool full; /* the segment */
	bool recovery; /* of leave_undecided */
	int n;
	struct story_ask asks[ASKS_MAX];
};

static const struct story before = { .holds = { "old f", NULL, NULL, "old i",
					 "/", NULL, NULL, NULL } };

static const struct scene scenes[] = {
	{ .label = "start, session and upload",
	    .start = true,
	    .n = 1,
	    .asks = { { "upload f", MFTD_MSG_PUBLISH, "f", NULL, "new f",
		false } } },
	{ .label = "upload, rename as clients do",
	    .n = 2,
	    .asks = { { "upload g", MFTD_MSG_PUBLISH, "g", NULL, "new g",
			  false },
		{ "rename", MFTD_MSG_RENAME, "g", "h", NULL, false } } },
	{ .label = "exclusive upload",
	    .n = 2,
	    .asks = { { "upload g", MFTD_MSG_PUBLISH, "g", NULL, "new g",
			  true },
		{ "upload f", MFTD_MSG_PUBLISH, "f", NULL, "new f", true } } },
	{ .label = "rename over",
	    .n = 1,
	    .asks = { { "rename", MFTD_MSG_RENAME, "f", "i", NULL, true } } },
	{ .label = "rename over an upload",
	    .live = true,
	    .n = 1,
	    .asks = { { "rename", MFTD_MSG_RENAME, "f", "g", NULL, true } } },
	{ .label = "remove",
	    .n = 1,
	    .asks = { { "remove", MFTD_MSG_REMOVE, "f", NULL, NULL, false } } },
	{ .label = "mkdir and rmdir",
	    .n = 2,
	    .asks = { { "mkdir", MFTD_MSG_MKDIR, "e", NULL, NULL, false },
		{ "rmdir", MFTD_MSG_RMDIR, "d", NULL, NULL, false } } },
	{ .label = "attributes",
	    .n = 1,
	    .asks = { { "setstat", MFTD_MSG_SETSTAT, "f", NULL, NULL,
		false } } },
	{ .label = "links",
	    .n = 2,
	    .asks = { { "link", MFTD_MSG_LINK, "f", "h", NULL, false },
		{ "symlink", MFTD_MSG_SYMLINK, "l", "f", "@f", false } } },
	{ .label = "supersede an upload",
	    .live = true,
	    .n = 1,
	    .asks = { { "supersede", MFTD_MSG_SUPERSEDE, "g", NULL, NULL,
		false } } },
	{ .label = "remove an upload",
	    .live = true,
	    .n = 1,
	    .asks = { { "remove", MFTD_MSG_REMOVE, "g", NULL, NULL, false } } },
	{ .label = "adopt",
	    .dormant = true,
	    .n = 1,
	    .asks = { { "adopt", MFTD_MSG_ADOPT, "g", NULL, NULL, false } } },
	{
	    .label = "end without close",
	    .live = true,
	},
	{ .label = "upload into the next segment",
	    .full = true,
	    .n = 1,
	    .asks = { { "upload f", MFTD_MSG_PUBLISH, "f", NULL, "new f",
		false } } },
	{
	    .label = "recovery",
	    .recovery = true,
	},
};
#define N_SCENES (sizeof(scenes) / sizeof(scenes[0]))

/* One run of a scene. */
struct run {
	const struct scene *scene;
	struct steps_plan plan;
	struct tree t;
	struct rig r;
	struct steps *steps;
	struct rig_session one, two; /* two owns the unfinished upload */
	struct story may[MAY_MAX]; /* be what the names hold: one of these */
	int n_may;
	int err[ASKS_MAX];
	int status;
	bool opened; /* the first session was */
	bool good;
};

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

/* What an answer says about the names. */
static void
heard(struct run *u, const struct story_ask *a, int err)
{
	/* attributes are set one after the other */
	bool unknown = err == -MFTD_E_CLOSED || a->type == MFTD_MSG_SETSTAT;
	struct story done;
	int i, n = u->n_may;

	for (i = 0; i < n; i++) {
		done = story_after(&u->may[i], a);
		if (err == 0) {
			u->may[i] = done;
		} else if (unknown) {
			assert_true(u->n_may < MAY_MAX);
			u->may[u->n_may++] = done;
		}
	}
}

/* Once it is answered the journal has seen all that the session sent. */
static int
ask_nothing(struct rig_session *s)
{
	const struct story_ask none = { .type = MFTD_MSG_SUPERSEDE,
		.path = "z" };
	union story_msg m;
	size_t len = story_msg(&none, &m);

	return rig_ask(s, none.type, &m, len);
}

/* The second session's upload of g, of which some is durable. */
static void
begin_upload(struct run *u)
{
	struct mftd_msg_part m = { .durable = DURABLE };
	struct mftd_msg_part_end end = { .name = "g" };
	struct mftd_msg_publish p;

	assert_int_equal(
	    rig_open(&u->r, &u->two, 2, "alice", "alice", true), 0);
	rig_part(&u->two, "g", TEXT, &p);
	memcpy(m.part, p.part, sizeof(m.part));
	rig_send(&u->two, MFTD_MSG_PART, &m, sizeof(m));
	if (u->scene->dormant) {
		memcpy(end.part, p.part, sizeof(end.part));
		assert_int_equal(mftd_layout_parent_key(u->two.volume_id,
				     u->two.root, end.key, sizeof(end.key)),
		    0);
		rig_send(&u->two, MFTD_MSG_PART_END, &end, sizeof(end));
	}
	assert_int_equal(ask_nothing(&u->two), 0);
}

/* Sends the request of the first session and returns its answer. */
static int
ask(struct run *u, const struct story_ask *a)
{
	struct mftd_msg_publish p = { 0 };
	union story_msg m;
	size_t len = story_msg(a, &m);

	if (a->type == MFTD_MSG_PUBLISH) {
		rig_part(&u->one, a->path, a->text, &p);
		p.noreplace = a->flag;
		return rig_ask(&u->one, a->type, &p, sizeof(p));
	}
	if (a->type == MFTD_MSG_SUPERSEDE) {
		rig_part(&u->one, a->path, "newer", &p);
		memcpy(m.supersede.keep, p.part, sizeof(m.supersede.keep));
	}
	if (a->type == MFTD_MSG_ADOPT)
		snprintf(
		    m.adopt.part, sizeof(m.adopt.part), "%.50s.99", u->one.id);
	return rig_ask(&u->one, a->type, &m, len);
}

static void
ask_all(struct run *u)
{
	const struct story_ask later = { "later", MFTD_MSG_PUBLISH, "z", NULL,
		"later", false };
	int i, err = 0;

	for (i = 0; i < u->scene->n && err != -MFTD_E_CLOSED; i++) {
		err = u->err[i] = ask(u, &u->scene->asks[i]);
		heard(u, &u->scene->asks[i], err);
	}
	/* who lives on after an error does as well as before */
	if (err != -MFTD_E_CLOSED)
		heard(u, &later, ask(u, &later));
}

static bool
has_second_segment(struct run *u)
{
	return tree_inode(
		   &u->t, ".mft/journal/n1/" LIFE_1 "-j1/00000002.seg") != 0;
}

static void
filler(struct run *u)
{
	struct mftd_msg_audit a = { .event = "filler" };

	memset(a.text, 'x', FILLER_BYTES);
	mftd_chan_send(u->one.c, MFTD_MSG_AUDIT, 0, &a, sizeof(a), NULL, 0);
}

/* Audit lines until the segment has no room for what a change may record: one
 * line less than what made the first journal that was asked begin the next. */
static void
fill_segment(struct run *u)
{
	static int lines;
	int i;

	for (i = 0; lines == 0 ? !has_second_segment(u) : i < lines; i++) {
		filler(u);
		/* an answer: it has kept up */
		if (lines == 0 || i % 100 == 0)
			assert_int_equal(ask_nothing(&u->one), 0);
	}
	if (lines == 0)
		lines = i - 1;
}

static int
open_one(struct run *u)
{
	return rig_open(&u->r, &u->one, 1, "alice", "alice", true);
}

/* The scene, with the fault. */
static void
play(struct run *u)
{
	int i;

	for (i = 0; i < ASKS_MAX; i++)
		u->err[i] = -MFTD_E_CLOSED;
	u->may[0] = before;
	u->n_may = 1;
	u->steps = steps_new(&u->plan);
	rig_start_within(&u->r, u->t.path, LIFE_1, steps_enter, u->steps);
	if (u->scene->start)
		steps_arm(u->steps);
	steps_begin(u->steps, u->r.pid);
	u->opened = rig_ready(&u->r) && open_one(u) == 0;
	if (u->opened) {
		if (u->scene->live || u->scene->dormant)
			begin_upload(u);
		if (u->scene->full)
			fill_segment(u);
		steps_arm(u->steps);
		ask_all(u);
		if (u->scene->live || u->scene->dormant)
			rig_close(&u->two);
	}
	rig_close(&u->one);
	u->status = rig_stop(&u->r);
}

/* Of an unfinished upload nothing is gone on with that was not durable, and
 * what was adopted with an answer is there still. */
static void
check_dormant(struct run *u)
{
	int64_t bytes = story_dormant(&u->t, "g", TEXT);

	check(u, bytes >= 0, "what lies dormant is not what was written");
	check(u, bytes < DURABLE, "more lies dormant than was durable");
	if (u->scene->n > 0 && u->scene->asks[0].type == MFTD_MSG_ADOPT &&
	    u->err[0] == 0)
		check(u, bytes >= DURABLE - 2, "what was adopted is lost");
}

/* A record for each change that was answered, none for one that was refused.
 * One that was not answered may have either. */
static void
check_records(struct run *u)
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
		if (a->type == MFTD_MSG_PUBLISH)
			check(u,
			    story_published(&u->t, a->path) == (u->err[i] == 0),
			    "the journal has another outcome");
	}
}

/*
 * A failed sync of a segment or of directories ends the process; that of a file
 * whose attributes or bytes it was to make durable fails the request.  A stream
 * that could not even be made is made anew once there is space.  What is
 * committed last of all was answered to nobody.
 */
static void
check_sync(struct run *u)
{
	bool own_file = u->scene->n > 0 &&
	    (u->scene->asks[0].type == MFTD_MSG_SETSTAT ||
		u->scene->asks[0].type == MFTD_MSG_ADOPT);

	/* what an account uses may be counted anew, and a recovery that did
	 * not come to its end is begun again */
	bool again = strstr(steps_call(u->steps), "/usage/") != NULL ||
	    (u->scene->recovery &&
		strstr(steps_call(u->steps), LIFE_1) != NULL);

	check(u, !steps_synced_again(u->steps), "a failed sync was repeated");
	if (u->plan.what == STEPS_FAIL && steps_was_sync(u->steps) &&
	    !own_file && !again && (u->opened || u->plan.err == EIO) &&
	    u->plan.at != steps_count(u->steps))
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
	check_records(u);
	check_sync(u);
}

/* Dies with f renamed, exclusive g not, and neither decided, while the second
 * session is uploading g; what comes then is recovery's. */
static void
leave_undecided(struct run *u)
{
	const struct steps_plan end = {
		.what = STEPS_KILL, .at = 1, .call = "renameat2"
	};
	struct mftd_msg_publish m[2];
	struct mftd_msg_journal_result res;
	uint64_t ref;

	u->steps = steps_new(&end);
	rig_start_within(&u->r, u->t.path, LIFE_1, steps_enter, u->steps);
	steps_begin(u->steps, u->r.pid);
	assert_true(rig_ready(&u->r));
	assert_int_equal(open_one(u), 0);
	begin_upload(u);
	rig_part(&u->one, "f", "new f", &m[0]);
	rig_part(&u->one, "g", "new g", &m[1]);
	m[1].noreplace = 1;
	steps_arm(u->steps);
	/* stopped meanwhile, it finds both at once: one batch */
	kill(u->r.pid, SIGSTOP);
	ref = rig_send(&u->one, MFTD_MSG_PUBLISH, &m[0], sizeof(m[0]));
	rig_send(&u->one, MFTD_MSG_PUBLISH, &m[1], sizeof(m[1]));
	kill(u->r.pid, SIGCONT);
	assert_int_equal(rig_answer(&u->one, ref, &res), -MFTD_E_CLOSED);
	rig_close(&u->one);
	rig_close(&u->two);
	assert_true(WIFSIGNALED(rig_stop(&u->r)));
	steps_free(u->steps);
	u->may[0] = before;
	u->may[0].holds[0] = "new f";
	u->n_may = 1;
}

/* The journal of the next life, with the fault. */
static void
play_recovery(struct run *u)
{
	leave_undecided(u);
	u->steps = steps_new(&u->plan);
	rig_start_within(&u->r, u->t.path, LIFE_2, steps_enter, u->steps);
	steps_arm(u->steps);
	steps_begin(u->steps, u->r.pid);
	rig_ready(&u->r);
	u->status = rig_stop(&u->r);
}

/* Returns whether the step came. */
static bool
run_scene(const struct scene *scene, const struct steps_plan *plan, bool *good)
{
	struct run u = { .scene = scene,
		.plan = *plan,
		.one = { .root = -1, .parts = -1 },
		.two = { .root = -1, .parts = -1 },
		.good = true };
	bool came;

	story_make(&u.t, &before);
	if (scene->recovery)
		play_recovery(&u);
	else
		play(&u);
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
		print_message("%s: %u steps\n", scenes[i].label, plan.at - 1);
		total += plan.at - 1;
	}
	print_message("%u faults\n", total);
	assert_true(total > 40);
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
		cmocka_unit_test(killed),
		cmocka_unit_test(input_output_error),
		cmocka_unit_test(no_space),
		cmocka_unit_test(short_write),
	};
	const struct CMUnitTest more[] = {
		cmocka_unit_test(over_quota),
		cmocka_unit_test(no_descriptor),
	};
	int failed;

	all = argc > 1 && strcmp(argv[1], "all") == 0;
	/* power is not cut here: memory does, and is fast */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	failed = cmocka_run_group_tests(few, NULL, NULL);
	if (all)
		failed += cmocka_run_group_tests(more, NULL, NULL);
	return failed;
}
