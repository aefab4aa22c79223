/* Part of mftd; see LICENSE. */
#include "mftd/base/source.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_of_a_peer(void **state)
{
	static const struct {
		const char *peer, *source; /* NULL: is none */
	} rows[] = {
		{ "192.0.2.1:4711", "192.0.2.1" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "[::ffff:192.0.2.1]:22", "192.0.2.1" },
		{ "[2001:db8::1]:4711", "2001:db8::/64" },
		{ "[2001:db8:0:0:ffff::1]:4711", "2001:db8::/64" },
		{ "2001:db8:0:1::9", "2001:db8:0:1::/64" },
		{ "[fe80::1%eth0]:22", "fe80::/64" },
		{ "", NULL },
		{ "?", NULL },
		{ "[2001:db8::1", NULL },
		{ "192.0.2.0/24", NULL },
		{ "192.0.2.256:1", NULL },
	};
	struct mftd_cidr net;
	char text[64];
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].source == NULL) {
			assert_int_equal(
			    mftd_source_of(rows[i].peer, &net), -EINVAL);
			continue;
		}
		assert_int_equal(mftd_source_of(rows[i].peer, &net), 0);
		mftd_source_text(&net, text, sizeof(text));
		assert_string_equal(text, rows[i].source);
		assert_int_equal(mftd_cidr_parse(text, &net), 0);
	}
}

static void
test_within(void **state)
{
	static const struct {
		const char *net, *inner;
		bool within;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/25", "192.0.2.127", true },
		{ "192.0.2.0/25", "192.0.2.128", false },
		{ "192.0.2.1", "192.0.2.0/24", false },
		{ "0.0.0.0/0", "255.0.0.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "2001:db8::/64", "2001:db8::ffff", true },
		{ "2001:db8::/64", "2001:db8:0:1::1", false },
	};
	struct mftd_cidr net, inner;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(mftd_cidr_parse(rows[i].net, &net), 0);
		assert_int_equal(mftd_cidr_parse(rows[i].inner, &inner), 0);
		assert_int_equal(
		    mftd_source_within(&net, &inner), rows[i].within);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_a_peer),
		cmocka_unit_test(test_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
