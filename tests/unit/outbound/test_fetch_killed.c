/* Part of mftd; see LICENSE. */
/*
 * Each system call of a fetch in turn is its last one, with small files that
 * are deleted or moved at the partner, with a large one, and with one whose
 * earlier fetch was cut.  Whatever it was at, each file then comes once and
 * whole, nothing is left over, and what was to go has gone.  The test plays
 * outbound.
 *
 * "test_fetch_killed all" takes each call, make check some of them; which, is
 * another each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/outbound/fetch_rig.h"

#define BIG (17u << 20)
#define MARK (3u << 20)
#define CALLS_MOST 5000
#define AT_LEAST 40 /* calls of any scene */

static bool all;

struct scene {
	const char *label;
	enum mftd_fetched wish;
	uint64_t size; /* of the first file */
	bool cut; /* an earlier fetch was */
	unsigned every; /* so many calls from one that is tried to the next */
};

static const struct scene scenes[] = {
	{ "deleted", MFTD_FETCHED_DELETE, 300000, false, 11 },
	{ "moved", MFTD_FETCHED_MOVE, 300000, false, 11 },
	{ "large", MFTD_FETCHED_DELETE, BIG, false, 89 },
	{ "cut", MFTD_FETCHED_MOVE, BIG, true, 47 },
};

/* A server that dies amid it leaves a part. */
static void
cut_once(struct rig *g)
{
	char fault[192];

	run(g, 1, NULL);
	snprintf(fault, sizeof(fault),
	    "-P %s/a -e inject=read,pread64:signal=KILL:when=45",
	    g->partner.in);
	partner_fault(&g->partner, fault);
	run(g, 2, NULL);
	partner_fault(&g->partner, "");
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(count_names(g->staged), 2);
}

static void
check_end(struct rig *g, const struct scene *s, unsigned at, const char *call)
{
	run(g, 4, NULL);
	if (g->n_rows != 2 || !g->rows[0].forgotten || !g->rows[1].forgotten)
		fail_msg("%s killed at %u, %s: %d rows: %s", s->label, at, call,
		    g->n_rows, g->why);
	check_row(g, 0, "a", s->size, 1);
	check_row(g, 1, "b", 1000, 2);
	assert_int_equal(count_names(g->out), 2);
	assert_int_equal(count_names(g->staged), 0);
	assert_int_equal(partner_names(&g->partner), 0);
	if (s->wish == MFTD_FETCHED_MOVE)
		assert_int_equal(count_names(g->done), 2);
}

/* Whether the step came. */
static bool
kill_at(const struct scene *s, unsigned at)
{
	const struct steps_plan plan = { .what = STEPS_KILL, .at = at };
	struct steps *steps;
	struct rig *g;
	bool came;

	assert_int_equal(setup((void **)&g), 0);
	g->wish = s->wish;
	g->j.mark_bytes = MARK;
	put_file(g, "a", s->size, 1);
	put_file(g, "b", 1000, 2);
	if (s->cut)
		cut_once(g);
	g->steps = steps_new(&plan);
	run(g, 4, NULL);
	came = steps_came(g->steps);
	/* what it had asked for is done before somebody looks */
	assert_true(partner_await_idle(&g->partner));
	steps = g->steps;
	g->steps = NULL;
	check_end(g, s, at, steps_call(steps));
	steps_free(steps);
	teardown((void **)&g);
	return came;
}

static void
killed_at_each_call(void **state)
{
	const struct scene *s;
	unsigned at, every, n;
	unsigned char chance;

	(void)state;
	for (s = scenes; s < scenes + sizeof(scenes) / sizeof(*s); s++) {
		every = all ? 1 : s->every;
		assert_int_equal(getrandom(&chance, 1, 0), 1);
		for (at = 1 + chance % every, n = 0; kill_at(s, at); n++) {
			at += every;
			assert_true(at < CALLS_MOST);
		}
		print_message("%s: up to call %u, %u tried\n", s->label, at, n);
		assert_true(at > AT_LEAST);
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
