/* Part of mftd; see LICENSE. */
#include "mftd/base/cidr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
texts_are_checked(void **state)
{
	static const char *const bad[] = {
		"", "a", "192.0.2", "192.0.2.0/33", "192.0.2.0/",
		"192.0.2.0/-1", "192.0.2.0/ 8", "192.0.2.0/8x", "192.0.2.1/24",
		"2001:db8::1/32", "2001:db8::/129", "/8", "192.0.2.0/24/24",
		"[::1]",
		"00000000000000000000000000000000000000000000000000000000000000"
	};
	static const char *const good[] = { "192.0.2.1", "192.0.2.0/24",
		"0.0.0.0/0", "::/0", "2001:db8::/32", "::1", "192.0.2.128/25" };
	struct mftd_cidr c;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mftd_cidr_parse(bad[i], &c), -EINVAL);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(mftd_cidr_parse(good[i], &c), 0);
}

static void
networks_have_edges(void **state)
{
	static const struct {
		const char *net, *address;
		bool has;
	} rows[] = { { "192.0.2.0/24", "192.0.2.0", true },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/24", "192.0.1.255", false },
		{ "192.0.2.0/25", "192.0.2.127", true },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.6", false },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
		{ "::/0", "192.0.2.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "[2001:db8:8000::1]", false },
		{ "2001:db8::/33", "[2001:db8::1]", true },
		{ "::/0", "nonsense", false } };
	struct mftd_cidr c;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(mftd_cidr_parse(rows[i].net, &c), 0);
		assert_int_equal(
		    mftd_cidr_has(&c, rows[i].address), rows[i].has);
	}
}

static void
any_of_a_list(void **state)
{
	char *list[] = { (char *)"x", (char *)"10.0.0.0/8", (char *)"::1" };

	assert_true(mftd_cidr_any(list, 3, "10.1.2.3"));
	assert_true(mftd_cidr_any(list, 3, "[::1]"));
	assert_false(mftd_cidr_any(list, 3, "11.0.0.0"));
	assert_false(mftd_cidr_any(list, 1, "x"));
	assert_false(mftd_cidr_any(NULL, 0, "10.1.2.3"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_checked),
		cmocka_unit_test(networks_have_edges),
		cmocka_unit_test(any_of_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
