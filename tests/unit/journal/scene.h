/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_SCENE_H
#define TESTS_UNIT_JOURNAL_SCENE_H

#include <stdbool.h>

#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/story.h"
#include "tests/unit/journal/tree.h"

/*
 * What the journal process is asked in the tests that make its system calls
 * fail, and what it answers.  Two sessions of alice; the second one owns the
 * unfinished upload of g.
 */
#define SCENE_LIFE_1 "n1-0123456789abcdef"
#define SCENE_LIFE_2 "n1-0000000000000002"
#define SCENE_TEXT "0123456789" /* of g */
#define SCENE_DURABLE 8 /* bytes of it, as told */
#define ASKS_MAX 2
#define MAY_MAX 4

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

#define N_SCENES 15
extern const struct scene scenes[N_SCENES];
extern const struct story scene_before;

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

/* Plays u->scene on a volume of its own (u->t) under u->plan; sets the rest.
 * The journal has ended then. */
void scene_play(struct run *u);

#endif
