/* Part of mftd; see LICENSE. */
#include "mftd/inbound/admit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Both edges of each step of 10:30:20. */
static void
startups(void **state)
{
	static const struct mftd_conf_startups s = { 10, 30, 20 };
	static const struct mftd_conf_startups sharp = { 5, 100, 5 };
	static const struct {
		int n;
		unsigned random;
		bool drop;
	} rows[] = {
		{ 0, 0, false },
		{ 9, 0, false },
		{ 10, 29, true },
		{ 10, 30, false },
		{ 15, 64, true }, /* 30 + 70 * 5 / 10 */
		{ 15, 65, false },
		{ 19, 92, true },
		{ 19, 93, false },
		{ 20, 99, true },
		{ 21, 99, true },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(
		    mftd_startups_drop(&s, rows[i].n, rows[i].random),
		    rows[i].drop);
	assert_false(mftd_startups_drop(&sharp, 4, 0));
	assert_true(mftd_startups_drop(&sharp, 5, 99));
}

static void
bans(void **state)
{
	struct mftd_msg_ban list[2] = { { .until_us = 100 },
		{ .until_us = 100 } };
	struct mftd_cidr net, who, other;

	mftd_cidr_parse("2001:db8::/64", &net);
	memcpy(list[0].address, net.address, sizeof(net.address));
	list[0].bits = net.bits;
	mftd_cidr_parse("192.0.2.1", &net);
	memcpy(list[1].address, net.address, sizeof(net.address));
	list[1].bits = net.bits;
	mftd_cidr_parse("192.0.2.1", &who);
	mftd_cidr_parse("192.0.2.2", &other);
	assert_true(mftd_banned(list, 2, &who, 99));
	assert_false(mftd_banned(list, 2, &who, 100));
	assert_false(mftd_banned(list, 1, &who, 99));
	assert_false(mftd_banned(list, 2, &other, 99));
	mftd_cidr_parse("2001:db8::/64", &who);
	mftd_cidr_parse("2001:db8:0:1::/64", &other);
	assert_true(mftd_banned(list, 2, &who, 99));
	assert_false(mftd_banned(list, 2, &other, 99));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(startups),
		cmocka_unit_test(bans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
