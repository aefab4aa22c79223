/* Part of mftd; see LICENSE. */
/*
 * Each system call of deliver in turn is its last one, with one file of several
 * WRITEs and with a batch.  Whatever it was at, each file then comes once and
 * whole, and nothing is in doubt: the partner hides nothing.  The test plays
 * outbound.
 *
 * "test_killed all" takes each call; make check takes each from the row in
 * PUBLISHING on, and some of those before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/outbound/player.h"

#define STEPS_MOST 5000 /* of one delivery */
#define BATCH 5

static bool all;

/* What is to be delivered, and from which event on calls are counted. */
struct scene {
	const char *label;
	void (*prepare)(struct world *w);
	enum mftd_delivery_event from;
	unsigned every; /* so many calls from one that is tried to the next */
};

static void
prepare_large(struct world *w)
{
	prepare_one(w, 0, "f0", 700000);
}

static void
prepare_batch(struct world *w)
{
	prepare_many(w, BATCH);
}

static const struct scene scenes[] = {
	{ "large", prepare_large, NEVER, 7 },
	{ "large, publishing", prepare_large, MFTD_EVENT_PUBLISH, 1 },
	{ "batch", prepare_batch, NEVER, 7 },
	{ "batch, publishing", prepare_batch, MFTD_EVENT_PUBLISH, 1 },
};

static bool
has_arrived(const struct world *w, uint32_t k)
{
	const struct mftd_delivery *d = &w->d[k];
	uint8_t sum[32];
	struct stat st;
	char path[192], words[256];

	snprintf(path, sizeof(path), "%s/%s", w->partner.in, d->name);
	snprintf(words, sizeof(words), "new \"%s\"", path);
	if (d->state != MFTD_DELIVERY_DELIVERED || stat(path, &st) < 0 ||
	    (uint64_t)st.st_size != d->size || st.st_mtime != 1500000000)
		return false;
	sum_file(path, sum);
	return memcmp(sum, d->sha256, sizeof(sum)) == 0 &&
	    partner_count(&w->partner, words) == 1;
}

/* Kills it at that step, and lets the next ones finish.  Whether the step came.
 */
static bool
kill_at(const struct scene *scene, unsigned at)
{
	static const struct plan calm = { .at = NEVER };
	struct steps_plan plan = { .what = STEPS_KILL, .at = at };
	struct steps *steps = steps_new(&plan);
	struct world *w;
	bool came;
	uint32_t k;

	assert_int_equal(world_setup((void **)&w), 0);
	scene->prepare(w);
	w->steps = steps;
	w->steps_from = scene->from;
	next_round(w);
	run_once(w, &calm);
	w->steps = NULL;
	came = steps_came(steps);
	/* what it had sent is done before somebody looks */
	assert_true(partner_await_idle(&w->partner));
	run_to_end(w, NULL);
	for (k = 0; k < w->n; k++)
		if (!has_arrived(w, k))
			fail_msg("%s killed at %u, %s: %s in state %d: %s",
			    scene->label, at, steps_call(steps), w->d[k].name,
			    w->d[k].state, w->texts[k]);
	assert_int_equal(partner_names(&w->partner), w->n);
	steps_free(steps);
	world_teardown((void **)&w);
	return came;
}

static void
killed_at_each_call(void **state)
{
	const struct scene *s;
	unsigned at, every;

	for (s = scenes; s < scenes + sizeof(scenes) / sizeof(*s); s++) {
		every = all ? 1 : s->every;
		for (at = 1; kill_at(s, at); at += every)
			assert_true(at < STEPS_MOST);
		print_message(
		    "%s: %u calls, each %u. tried\n", s->label, at - 1, every);
		/* what it asks the partner, and what it says of that */
		assert_true(at > 2 && (s->from != NEVER || at > 20));
	}
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_each_call),
	};

	all = argc > 1 && strcmp(argv[1], "all") == 0;
	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
