/* Part of mftd; see LICENSE. */
/* The hours of tries, by a clock that is set. */
#include "mftd/outbound/hours.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define S INT64_C(1000000)
#define HOUR (3600 * S)
#define BEGIN (1800000000 * S)

/* So much later, when the clock says that it is that much later. */
static int64_t
pass(struct mftd_hours *h, int64_t boot_us, int64_t wall_us)
{
	return mftd_hours_see(h, h->wall_us + wall_us, h->boot_us + boot_us);
}

/* How much has passed since then, as it counts. */
static int64_t
passed(const struct mftd_hours *h, int64_t first_us)
{
	return mftd_hours_since_us(h, first_us) - first_us;
}

static struct mftd_hours
begin(void)
{
	struct mftd_hours h = { 0 };

	/* whatever it is at first */
	assert_int_equal(mftd_hours_see(&h, BEGIN, 5 * S), 0);
	assert_int_equal(h.ahead_us, 0);
	return h;
}

static void
as_it_goes(void **state)
{
	struct mftd_hours h = begin();

	(void)state;
	assert_int_equal(pass(&h, 3 * HOUR, 3 * HOUR), 0);
	/* read at two moments, or slewed */
	assert_int_equal(pass(&h, 5 * S, 5 * S + S - 1), 0);
	assert_int_equal(pass(&h, 5 * S, 5 * S - S + 1), 0);
	assert_int_equal(passed(&h, BEGIN), 3 * HOUR + 10 * S);
	/* also what was first tried by another owner */
	assert_int_equal(passed(&h, BEGIN - HOUR), 4 * HOUR + 10 * S);
}

static void
set_forward(void **state)
{
	struct mftd_hours h = begin();
	int64_t first_us, later_us;

	(void)state;
	pass(&h, HOUR, HOUR);
	first_us = h.wall_us;
	assert_int_equal(pass(&h, 10 * S, 10 * S + 50 * HOUR), 50 * HOUR);
	assert_int_equal(passed(&h, BEGIN), HOUR + 10 * S);
	assert_int_equal(passed(&h, first_us), 10 * S);
	/* what is tried from then on goes by the clock as it is */
	later_us = h.wall_us;
	pass(&h, HOUR, HOUR);
	assert_int_equal(passed(&h, later_us), HOUR);
	assert_int_equal(passed(&h, first_us), HOUR + 10 * S);
	/* and once more */
	assert_int_equal(pass(&h, S, 2 * HOUR + S), 2 * HOUR);
	assert_int_equal(passed(&h, first_us), HOUR + 11 * S);
	assert_true(passed(&h, later_us) <= HOUR + S);
}

/* And right again. */
static void
set_back(void **state)
{
	struct mftd_hours h = begin();

	(void)state;
	pass(&h, S, S + 2 * HOUR);
	assert_int_equal(pass(&h, HOUR, -HOUR), -2 * HOUR);
	assert_int_equal(passed(&h, BEGIN), HOUR + S);
	/* one that was only set back is no reason to count more */
	assert_int_equal(pass(&h, HOUR, -HOUR), -2 * HOUR);
	assert_int_equal(passed(&h, BEGIN), S);
	assert_int_equal(pass(&h, 2 * HOUR, 2 * HOUR), 0);
	assert_int_equal(passed(&h, BEGIN), 2 * HOUR + S);
}

/* What it was set back by is made good: it is right again for what began
 * before, and set forward for what began in between. */
static void
set_back_and_forward(void **state)
{
	struct mftd_hours h = begin();
	int64_t between_us, later_us;

	(void)state;
	pass(&h, 3 * HOUR, 3 * HOUR);
	assert_int_equal(pass(&h, S, S - HOUR), -HOUR);
	between_us = h.wall_us;
	pass(&h, 10 * S, 10 * S);
	assert_int_equal(pass(&h, S, S + HOUR), HOUR);
	assert_int_equal(passed(&h, BEGIN), 3 * HOUR + 12 * S);
	assert_int_equal(passed(&h, between_us), 11 * S);
	later_us = h.wall_us;
	pass(&h, HOUR, HOUR);
	assert_int_equal(passed(&h, later_us), HOUR);
	assert_int_equal(passed(&h, between_us), HOUR + 11 * S);
	assert_int_equal(passed(&h, BEGIN), 4 * HOUR + 12 * S);
}

/* In several steps, and further than from where it had been set back. */
static void
set_back_and_too_far(void **state)
{
	struct mftd_hours h = begin();
	int64_t between_us;

	(void)state;
	pass(&h, 9 * HOUR, 9 * HOUR);
	pass(&h, S, S - HOUR);
	pass(&h, S, S - HOUR);
	between_us = h.wall_us;
	assert_int_equal(pass(&h, S, S + 5 * HOUR), 5 * HOUR);
	assert_int_equal(passed(&h, BEGIN), 9 * HOUR + 3 * S);
	assert_int_equal(passed(&h, between_us), S);
	/* and right */
	assert_int_equal(pass(&h, S, S - 3 * HOUR), -3 * HOUR);
	assert_int_equal(passed(&h, BEGIN), 9 * HOUR + 4 * S);
	assert_int_equal(passed(&h, between_us), 2 * S);
}

/* More than once: nothing that began in between has less than its hours. */
static void
set_back_time_and_again(void **state)
{
	struct mftd_hours h = begin();
	int64_t between_us[3], began_us[3];
	int i, k;

	(void)state;
	pass(&h, 9 * HOUR, 9 * HOUR);
	for (i = 0; i < 3; i++) {
		pass(&h, HOUR, -i * HOUR);
		between_us[i] = h.wall_us;
		began_us[i] = h.boot_us;
		pass(&h, S, S + (i + 1) * HOUR);
		for (k = 0; k <= i; k++)
			assert_true(passed(&h, between_us[k]) <=
			    h.boot_us - began_us[k]);
		assert_int_equal(
		    passed(&h, BEGIN), 9 * HOUR + (i + 1) * (HOUR + S));
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_it_goes),
		cmocka_unit_test(set_forward),
		cmocka_unit_test(set_back),
		cmocka_unit_test(set_back_and_forward),
		cmocka_unit_test(set_back_and_too_far),
		cmocka_unit_test(set_back_time_and_again),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
