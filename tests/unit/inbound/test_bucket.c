/* Part of mftd; see LICENSE. */
#include "mftd/inbound/bucket.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define T0 1000000000

static void
no_rate_is_no_bound(void **state)
{
	struct mftd_bucket b;

	mftd_bucket_init(&b, 0, T0);
	assert_int_equal(mftd_bucket_room(&b, 1 << 30, T0), 1 << 30);
	mftd_bucket_take(&b, 1 << 30);
	assert_int_equal(mftd_bucket_room(&b, 1 << 30, T0), 1 << 30);
	assert_int_equal(mftd_bucket_wait_ms(&b, T0), 0);
}

static void
one_second_at_once_and_then_the_rate(void **state)
{
	struct mftd_bucket b;

	mftd_bucket_init(&b, 1000, T0);
	assert_int_equal(mftd_bucket_room(&b, 5000, T0), 1000);
	assert_int_equal(mftd_bucket_room(&b, 999, T0), 999);
	mftd_bucket_take(&b, 1000);
	assert_int_equal(mftd_bucket_room(&b, 1, T0), 0);
	assert_int_equal(mftd_bucket_room(&b, 1, T0 + 999), 0);
	assert_int_equal(mftd_bucket_room(&b, 5, T0 + 1000), 1);
	assert_int_equal(mftd_bucket_room(&b, 5000, T0 + 500000), 500);
	/* never more than a second's worth, however long it was idle */
	assert_int_equal(mftd_bucket_room(&b, 5000, T0 + 100000000), 1000);
}

/* Over many odd steps just the rate passes. */
static void
nothing_is_lost_or_won(void **state)
{
	static const uint64_t rates[] = { 777, 400000, 999983, 3 };
	struct mftd_bucket b;
	uint64_t passed;
	int64_t t;
	size_t n, i;

	for (i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		t = T0;
		passed = 0;
		mftd_bucket_init(&b, rates[i], t);
		mftd_bucket_take(&b, rates[i]);
		while (t < T0 + 10 * 1000000LL) {
			t += 3;
			n = mftd_bucket_room(&b, 100000, t);
			mftd_bucket_take(&b, n);
			passed += n;
		}
		assert_in_range(passed, 10 * rates[i] - 2, 10 * rates[i] + 2);
	}
}

static void
wakes_for_a_lump(void **state)
{
	struct mftd_bucket b;
	int ms;

	mftd_bucket_init(&b, 10000, T0);
	assert_int_equal(mftd_bucket_wait_ms(&b, T0), 0);
	mftd_bucket_take(&b, 10000);
	ms = mftd_bucket_wait_ms(&b, T0);
	assert_in_range(ms, 90, 110);
	assert_true(mftd_bucket_room(&b, 10000, T0 + ms * 1000) >= 1000);
	assert_int_equal(mftd_bucket_wait_ms(&b, T0 + ms * 1000), 0);
	/* a clock that goes back gives nothing */
	mftd_bucket_take(&b, 10000);
	assert_int_equal(mftd_bucket_room(&b, 10, T0 - 5000000), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_rate_is_no_bound),
		cmocka_unit_test(one_second_at_once_and_then_the_rate),
		cmocka_unit_test(nothing_is_lost_or_won),
		cmocka_unit_test(wakes_for_a_lump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
