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

	assert_false(mftd_score_fail(&score, &a, 0, 3, 1600));
	assert_false(mftd_score_fail(&score, &b, 0, 3, 1600));
	assert_false(mftd_score_fail(&score, &a, 500, 3, 1600));
	assert_false(mftd_score_fail(&score, &b, 500, 3, 1600));
	assert_true(mftd_score_fail(&score, &a, 1600, 3, 1600));
	/* the edge, a slice later: the first is forgotten, the others are not
	 */
	assert_false(mftd_score_fail(&score, &b, 1700, 3, 1600));
	assert_true(mftd_score_fail(&score, &b, 2100, 3, 1600));
	/* it began anew */
	assert_false(mftd_score_fail(&score, &a, 1700, 3, 1600));
	assert_true(mftd_score_fail(&score, &b, 2100, 1, 1600));
	assert_false(mftd_score_fail(&score, &a, 1800, 3, 1600));
	mftd_score_forget(&score, &a);
	assert_false(mftd_score_fail(&score, &a, 1900, 3, 1600));
}

/* Whenever the first one was. */
static void
no_burst_is_missed(void **state)
{
	struct mftd_cidr a = net("192.0.2.1");
	int64_t first, now;
	int i;

	for (first = 0; first < 40; first++) {
		score.n = 0;
		assert_false(mftd_score_fail(&score, &a, first, 4, 10));
		for (i = 0; i < 3; i++)
			assert_false(
			    mftd_score_fail(&score, &a, 100 + first, 4, 10));
		assert_true(mftd_score_fail(&score, &a, 110 + first, 4, 10));
	}
	/* one that stays below it for ever */
	score.n = 0;
	for (now = 0; now < 100000; now += 60)
		assert_false(mftd_score_fail(&score, &a, now, 4, 160));
	for (now = 0; now < 500; now += 40)
		if (mftd_score_fail(&score, &a, 100000 + now, 4, 160))
			break;
	assert_true(now < 500);
	/* long ago */
	assert_false(mftd_score_fail(&score, &a, 1LL << 50, 2, 160));
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
		cmocka_unit_test_setup(no_burst_is_missed, forget_all),
		cmocka_unit_test_setup(the_oldest_is_forgotten, forget_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
