/* Part of mftd; see LICENSE. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "agents/verdict.h"

#define CONFIRM_S 40
#define NODES 4

static const struct mftd_verdict none = { MFTD_COLOR_GREEN, 0 };

static void
confirmed_late_enough(void **state)
{
	struct mftd_verdict v = none;

	(void)state;
	mftd_verdict_probe(&v, true, 1);
	assert_int_equal(v.color, MFTD_COLOR_GREEN);
	assert_false(mftd_verdict_asks(&v, 1000, CONFIRM_S));
	mftd_verdict_probe(&v, false, 1000);
	assert_int_equal(v.color, MFTD_COLOR_YELLOW);
	assert_false(mftd_verdict_asks(&v, 1000 + CONFIRM_S - 1, CONFIRM_S));
	mftd_verdict_probe(&v, false, 1000 + CONFIRM_S);
	assert_true(mftd_verdict_asks(&v, 1000 + CONFIRM_S, CONFIRM_S));
	mftd_verdict_others(&v, 0);
	assert_int_equal(v.color, MFTD_COLOR_YELLOW);
	mftd_verdict_others(&v, -1);
	assert_int_equal(v.color, MFTD_COLOR_YELLOW);
	mftd_verdict_others(&v, 1);
	assert_int_equal(v.color, MFTD_COLOR_RED);
	/* red asks each time, and is no word for good */
	mftd_verdict_probe(&v, false, 1001 + CONFIRM_S);
	assert_int_equal(v.color, MFTD_COLOR_RED);
	assert_true(mftd_verdict_asks(&v, 1001 + CONFIRM_S, CONFIRM_S));
	mftd_verdict_others(&v, -1);
	assert_int_equal(v.color, MFTD_COLOR_YELLOW);
	mftd_verdict_others(&v, 1);
	mftd_verdict_probe(&v, true, 2000);
	assert_int_equal(v.color, MFTD_COLOR_GREEN);
	mftd_verdict_others(&v, 1);
	assert_int_equal(v.color, MFTD_COLOR_GREEN);
}

static void
clock_goes_back(void **state)
{
	struct mftd_verdict v = none;

	(void)state;
	mftd_verdict_probe(&v, false, 5000);
	mftd_verdict_probe(&v, false, 100);
	assert_false(mftd_verdict_asks(&v, 100, CONFIRM_S));
	assert_true(mftd_verdict_asks(&v, 100 + CONFIRM_S, CONFIRM_S));
}

static void
remembered(void **state)
{
	static const char *const junk[] = { "", "green", "red 1 2", "blue 3",
		"yellow -1", "yellow 1x", "yellowish 3", "red 0x1", "\n" };
	struct mftd_verdict v = { MFTD_COLOR_RED, 1234567890123LL }, w;
	char text[MFTD_VERDICT_TEXT_MAX];

	(void)state;
	mftd_verdict_text(&v, text);
	assert_true(mftd_verdict_parse(&w, text));
	assert_int_equal(w.color, v.color);
	assert_true(w.since_s == v.since_s);
	for (size_t i = 0; i < sizeof(junk) / sizeof(*junk); i++) {
		w = v;
		assert_false(mftd_verdict_parse(&w, junk[i]));
		assert_int_equal(w.color, MFTD_COLOR_GREEN);
	}
}

/* A small generator: the same runs each time. */
static uint32_t
next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static int
others_green(const struct mftd_verdict *nodes, int me)
{
	for (int i = 0; i < NODES; i++)
		if (i != me && nodes[i].color == MFTD_COLOR_GREEN)
			return 1;
	return 0;
}

/* One monitor of one node. The volume is well for it, or not. */
static void
monitor(struct mftd_verdict *nodes, int me, bool well, int64_t now_s)
{
	struct mftd_verdict *v = &nodes[me];
	bool was_red = v->color == MFTD_COLOR_RED;

	mftd_verdict_probe(v, well, now_s);
	if (mftd_verdict_asks(v, now_s, CONFIRM_S))
		mftd_verdict_others(v, others_green(nodes, me));
	if (v->color != MFTD_COLOR_RED || was_red)
		return;
	/* it became red: another node is green now */
	assert_true(others_green(nodes, me));
}

/*
 * Monitors in any order, at intervals of up to 20 s, with volumes that become
 * ill and well at any time: once all are ill and each has looked twice, nobody
 * is red.  And a node that alone is ill becomes red.
 */
static void
never_all(void **state)
{
	struct mftd_verdict nodes[NODES];
	uint32_t seed = 1;
	bool well[NODES];
	int64_t now = 1;
	int reds = 0;

	(void)state;
	for (int run = 0; run < 2000; run++) {
		for (int i = 0; i < NODES; i++) {
			nodes[i] = none;
			well[i] = true;
		}
		for (int step = 0; step < 100; step++) {
			int me = (int)(next(&seed) % NODES);

			now += next(&seed) % 20;
			if (next(&seed) % 4 == 0)
				well[me] = !well[me];
			monitor(nodes, me, well[me], now);
			reds += nodes[me].color == MFTD_COLOR_RED;
		}
		for (int k = 0; k < 2; k++)
			for (int i = 0; i < NODES; i++)
				monitor(nodes, i, false, now += 5);
		for (int i = 0; i < NODES; i++)
			assert_int_equal(nodes[i].color, MFTD_COLOR_YELLOW);
	}
	assert_true(reds > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(confirmed_late_enough),
		cmocka_unit_test(clock_goes_back),
		cmocka_unit_test(remembered),
		cmocka_unit_test(never_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
