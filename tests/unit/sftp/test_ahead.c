/* Part of mftd; see LICENSE. */
#include "mftd/sftp/ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 200

static void
gaps_are_closed(void **state)
{
	struct mftd_sftp_ahead a = { 0 };

	mftd_sftp_ahead_add(&a, 10, 20);
	assert_int_equal(mftd_sftp_ahead_join(&a, 9), 9);
	mftd_sftp_ahead_add(&a, 30, 40);
	mftd_sftp_ahead_add(&a, 20, 30); /* they touch: one */
	assert_int_equal(a.n, 1);
	assert_int_equal(mftd_sftp_ahead_join(&a, 10), 40);
	assert_int_equal(a.n, 0);
	mftd_sftp_ahead_add(&a, 50, 60);
	assert_int_equal(mftd_sftp_ahead_join(&a, 70), 70); /* overtaken */
	assert_int_equal(a.n, 0);
}

static void
cutting(void **state)
{
	struct mftd_sftp_ahead a = { 0 };

	mftd_sftp_ahead_add(&a, 10, 20);
	mftd_sftp_ahead_add(&a, 30, 40);
	mftd_sftp_ahead_cut(&a, 15);
	assert_int_equal(mftd_sftp_ahead_join(&a, 10), 15);
	mftd_sftp_ahead_add(&a, 30, 40);
	mftd_sftp_ahead_cut(&a, 30);
	assert_int_equal(a.n, 0);
}

/* Against a map of bytes: never more than is so, and all of it as long as the
 * ranges fit. */
static void
any_order(void **state)
{
	struct mftd_sftp_ahead a;
	bool map[SIZE];
	uint64_t contig, from, to, real;
	int round, i;
	bool full;

	srand(1);
	for (round = 0; round < 20000; round++) {
		memset(&a, 0, sizeof(a));
		memset(map, 0, sizeof(map));
		contig = 0;
		full = false;
		for (i = 0; i < 60; i++) {
			from = (uint64_t)rand() % SIZE;
			to = from + 1 +
			    (uint64_t)rand() % (round % 2 == 0 ? 3 : 30);
			if (to > SIZE)
				to = SIZE;
			if (i % 13 == 12) {
				mftd_sftp_ahead_cut(&a, from);
				if (contig > from)
					contig = from;
				memset(map + from, 0, SIZE - from);
				continue;
			}
			full |= a.n == MFTD_SFTP_AHEAD_MAX;
			memset(map + from, true, to - from);
			if (from > contig)
				mftd_sftp_ahead_add(&a, from, to);
			else if (to > contig)
				contig = to;
			contig = mftd_sftp_ahead_join(&a, contig);
			for (real = 0; real < SIZE && map[real]; real++)
				continue;
			assert_true(contig <= real);
			if (!full)
				assert_int_equal(contig, real);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gaps_are_closed),
		cmocka_unit_test(cutting),
		cmocka_unit_test(any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
