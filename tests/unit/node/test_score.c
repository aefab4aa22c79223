/* Part of mftd; see LICENSE. */
#include "mftd/node/score.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct mftd_score score;

static struct mftd_cidr
net(const char *text)
{
	struct mftd_cidr n;

	assert_int_equal(mftd_cidr_parse(text, &n), 0);
	return n;
}

static int
forget_all(void **state)
{
	score.n = 0;
	return 0;
}

static void
enough_in_the_window(void **state)
{
	struct mftd_cidr a = net("192.0.2.1"), b = net("192.0.2.2");

	assert_false(mftd_score_fail(&score, &a, 0, 3, 100));
	assert_false(mftd_score_fail(&score, &b, 0, 3, 100));
	assert_false(mftd_score_fail(&score, &a, 50, 3, 100));
	assert_false(mftd_score_fail(&score, &b, 50, 3, 100));
	assert_true(mftd_score_fail(&score, &a, 99, 3, 100));
	/* the edge: its window is over */
	assert_false(mftd_score_fail(&score, &b, 100, 3, 100));
	assert_false(mftd_score_fail(&score, &b, 101, 3, 100));
	assert_true(mftd_score_fail(&score, &b, 102, 3, 100));
	/* it began anew */
	assert_false(mftd_score_fail(&score, &a, 103, 3, 100));
	assert_true(mftd_score_fail(&score, &b, 103, 1, 100));
	assert_false(mftd_score_fail(&score, &a, 104, 3, 100));
	mftd_score_forget(&score, &a);
	assert_false(mftd_score_fail(&score, &a, 105, 3, 100));
}

static void
the_oldest_is_forgotten(void **state)
{
	struct mftd_cidr a = net("192.0.2.1"), b = net("192.0.2.2"), x;
	char text[32];
	int i;

	assert_false(mftd_score_fail(&score, &a, 0, 2, 1000000));
	assert_false(mftd_score_fail(&score, &b, 1, 2, 1000000));
	for (i = 0; i < MFTD_BAN_SCORES_MAX - 1; i++) {
		snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
		x = net(text);
		assert_false(mftd_score_fail(&score, &x, 2 + i, 2, 1000000));
	}
	assert_int_equal(score.n, MFTD_BAN_SCORES_MAX);
	assert_true(mftd_score_fail(&score, &b, 9000, 2, 1000000));
	assert_false(mftd_score_fail(&score, &a, 9001, 2, 1000000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(enough_in_the_window, forget_all),
		cmocka_unit_test_setup(the_oldest_is_forgotten, forget_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
