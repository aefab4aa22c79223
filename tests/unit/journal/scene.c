/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/scene.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/layout.h"

#define FILLER_BYTES 500

const struct story scene_before = { .holds = { "old f", NULL, NULL, "old i",
					"/", NULL, NULL, NULL } };

const struct scene scenes[N_SCENES] = {
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
	struct mftd_msg_part m = { .durable = SCENE_DURABLE };
	struct mftd_msg_part_end end = { .name = "g" };
	struct mftd_msg_publish p;

	assert_int_equal(rig_open(&u->r, &u->two, 2, "alice", "alice"), 0);
	rig_part(&u->two, "g", SCENE_TEXT, &p);
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
	return tree_inode(&u->t,
		   ".mft/journal/n1/" SCENE_LIFE_1 "-j1/00000002.seg") != 0;
}

static void
filler(struct run *u)
{
	struct mftd_msg_audit a = { .event = "filler" };

	memset(a.text, 'x', FILLER_BYTES);
	mftd_chan_send(u->one.c, MFTD_MSG_AUDIT, 0, &a, sizeof(a), NULL, 0);
}

/* Audit lines until the segment has no room for what a change may record: as
 * many as made the first journal that was asked begin the next one then. */
static void
fill_segment(struct run *u)
{
	static int lines;
	int i;

	for (i = 0; lines == 0 ? !has_second_segment(u) : i < lines; i++) {
		filler(u);
		/* an answer: it has kept up */
		if (lines == 0 || (i % 100 == 0 && i < lines - 1))
			assert_int_equal(ask_nothing(&u->one), 0);
	}
	assert_true(lines == 0 || !has_second_segment(u));
	lines = i;
}

static int
open_one(struct run *u)
{
	u->r.policy.symlinks = true;
	return rig_open(&u->r, &u->one, 1, "alice", "alice");
}

/* The scene, with what its plan does to it. */
static void
play_scene(struct run *u)
{
	int i;

	for (i = 0; i < ASKS_MAX; i++)
		u->err[i] = -MFTD_E_CLOSED;
	u->may[0] = scene_before;
	u->n_may = 1;
	u->steps = steps_new(&u->plan);
	rig_start_within(&u->r, u->t.path, SCENE_LIFE_1, steps_enter, u->steps);
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

/* Dies with f renamed, exclusive g not, and neither decided, while the second
 * session is uploading g; what comes then is recovery's. */
static void
leave_undecided(struct run *u)
{
	/* who watches sees what this one leaves to be synced */
	const struct steps_plan end = { .what = STEPS_KILL,
		.at = 1,
		.call = "renameat2",
		.watch = u->plan.watch,
		.data = u->plan.data };
	struct mftd_msg_publish m[2];
	struct mftd_msg_journal_result res;
	uint64_t ref;

	u->steps = steps_new(&end);
	rig_start_within(&u->r, u->t.path, SCENE_LIFE_1, steps_enter, u->steps);
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
	u->may[0] = scene_before;
	u->may[0].holds[0] = "new f";
	u->n_may = 1;
}

/* The journal of the next life, with the fault. */
static void
play_recovery(struct run *u)
{
	leave_undecided(u);
	u->steps = steps_new(&u->plan);
	rig_start_within(&u->r, u->t.path, SCENE_LIFE_2, steps_enter, u->steps);
	steps_arm(u->steps);
	steps_begin(u->steps, u->r.pid);
	rig_ready(&u->r);
	u->status = rig_stop(&u->r);
}

void
scene_play(struct run *u)
{
	story_make(&u->t, &scene_before);
	u->one.root = u->one.parts = u->two.root = u->two.parts = -1;
	if (u->scene->recovery)
		play_recovery(u);
	else
		play_scene(u);
}
