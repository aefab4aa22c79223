/* Part of mftd; see LICENSE. */
#include "mftd/catalog/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The order of records: mftd/catalog/order.h.  In seconds. */

#define S INT64_C(1000000)
#define NONE INT64_MAX

static const struct {
	const char *what;
	/* the stream: last, first, next (-1: none), skew, off, now */
	int64_t last, first, next, skew, off, now;
	int64_t time; /* of the record, by its node's clock */
	int64_t us, off_us; /* of its order, in microseconds */
} rows[] = {
	{ "its time", 90, 0, -1, 0, 0, 101, 100, 100 * S, 0 },
	{ "the first of all", 0, 0, -1, 0, 0, 101, 100, 100 * S, 0 },
	{ "two at once", 100, 0, -1, 0, 0, 101, 100, 100 * S + 1, 0 },
	{ "a clock that was set back", 100, 0, -1, 0, 0, 130, 40, 100 * S + 1,
	    60 * S + 1 },
	{ "set back, and it waited", 100, 0, -1, 0, 0, 900, 40, 100 * S + 1,
	    800 * S - 1 },
	{ "a clock ahead that is known", 90, 0, -1, 60, 0, 101, 160, 100 * S,
	    0 },
	{ "a clock behind that is known", 90, 0, -1, -60, 0, 101, 40, 100 * S,
	    0 },
	{ "as far off as is known before", 90, 0, -1, 0, 7, 101, 100, 100 * S,
	    7 * S },
	{ "ahead by less than clocks differ", 90, 0, -1, 0, 0, 100, 101,
	    101 * S, 0 },
	{ "ahead, and right since", 90, 0, -1, 0, 0, 101, 200, 101 * S,
	    99 * S },
	{ "ahead, and nothing is known from before", 0, 0, -1, 0, 0, 500, 600,
	    500 * S, 500 * S - 1 },
	{ "before its incarnation began", 0, 95, -1, 0, 0, 101, 94, 95 * S, 0 },
	{ "long before that", 0, 95, -1, 0, 0, 101, 40, 95 * S, 55 * S },
	{ "of an older incarnation", 90, 0, 99, 0, 0, 500, 100, 99 * S, 0 },
	{ "of an older one by another clock", 90, 0, 99, 0, 0, 500, 300, 99 * S,
	    201 * S },
	{ "of an older one, behind its last", 99, 0, 99, 0, 0, 500, 99, 99 * S,
	    0 },
};

static void
of_each(void **state)
{
	struct mftd_order_stream s;
	struct mftd_order o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		s = (struct mftd_order_stream) { .last_us = rows[i].last * S,
			.first_us = rows[i].first * S,
			.next_us = rows[i].next < 0 ? NONE : rows[i].next * S,
			.skew_us = rows[i].skew * S,
			.off_us = rows[i].off * S,
			.now_us = rows[i].now * S };
		o = mftd_order_of(&s, rows[i].time * S);
		if (o.us != rows[i].us || o.off_us != rows[i].off_us)
			fail_msg("%s: %lld, off by %lld", rows[i].what,
			    (long long)o.us, (long long)o.off_us);
		assert_int_equal(s.last_us, o.us);
	}
}

/* Whatever a clock does, no record comes before the one before it, and none is
 * later than now, but for the few microseconds between them. */
static void
never_goes_back(void **state)
{
	static const int64_t times[] = { 100, 100, 50, 51, 3000, 0, -7, 101,
		102, 99, 1 };
	struct mftd_order_stream s = { .next_us = NONE, .now_us = 110 * S };
	int64_t before = 0;
	struct mftd_order o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		o = mftd_order_of(&s, times[i] * S);
		assert_true(o.us > before);
		assert_true(o.us <= 110 * S + 11);
		before = o.us;
	}
}

static void
node_of_a_stream(void **state)
{
	static const char *const names[][2] = {
		{ "n1-0123456789abcdef-j1", "n1" },
		{ "a-b.c-0123456789abcdef-j100001", "a-b.c" },
		{ "n1-0123456789abcdef-1a", "n1-0123456789abcdef-1a" },
		{ "n1-0123-j1", "n1-0123-j1" },
		{ "s1", "s1" },
		{ "-0123456789abcdef-j1", "-0123456789abcdef-j1" },
	};
	char node[MFTD_ID_BYTES], of[MFTD_ID_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		mftd_order_node(names[i][0], node);
		assert_string_equal(node, names[i][1]);
	}
	mftd_order_of_stream(names[0][0], of);
	assert_string_equal(of, "n1");
	mftd_order_of_stream(names[1][0], of);
	assert_string_equal(of, "a-b.c/1");
	mftd_order_of_stream(names[4][0], of);
	assert_string_equal(of, "s1");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_each),
		cmocka_unit_test(never_goes_back),
		cmocka_unit_test(node_of_a_stream),
	};

	return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
