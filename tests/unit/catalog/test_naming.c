/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/catalog/pattern.h"
#include "mftd/catalog/template.h"

/* Which files a route takes, and how it calls them. */

#define T0 1000000000000000 /* microseconds: 2001-09-09 01:46:40 */

static void
patterns_match(void **state)
{
	static const struct {
		const char *pattern, *path;
		bool matches;
	} cases[] = {
		{ "*.csv", "a.csv", true },
		{ "*.csv", "d/e/a.csv", true },
		{ "*.csv", "a.csv.old", false },
		{ "*.csv", "csv", false },
		{ "*.csv", ".csv", true },
		{ "a?[0-9]", "ab7", true },
		{ "a?[0-9]", "ab/7", false },
		{ "d/*.csv", "d/a.csv", true },
		{ "d/*.csv", "a.csv", false },
		{ "d/*.csv", "d/e/a.csv", false },
		{ "d/*/a", "d/e/a", true },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "\xff*", "\xff\xfe", true },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
		    mftd_pattern_matches(cases[i].pattern, cases[i].path),
		    cases[i].matches);
}

static void
lists_take_and_leave(void **state)
{
	(void)state;
	assert_true(mftd_patterns_take(NULL, NULL, "a"));
	assert_true(mftd_patterns_take("b\na", NULL, "a"));
	assert_false(mftd_patterns_take("b\nc", NULL, "a"));
	assert_false(mftd_patterns_take(NULL, "b\na", "a"));
	assert_false(mftd_patterns_take("*", "a", "a"));
	assert_true(mftd_patterns_take("*", "a", "b"));
}

static void
patterns_at_fault(void **state)
{
	char longest[MFTD_PATTERN_BYTES + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[MFTD_PATTERN_BYTES] = '\0';
	assert_string_equal(mftd_pattern_fault(""), "is empty");
	assert_string_equal(mftd_pattern_fault(longest), "too long");
	longest[MFTD_PATTERN_BYTES - 1] = '\0';
	assert_null(mftd_pattern_fault(longest));
	assert_string_equal(mftd_pattern_fault("a\nb"), "holds a line break");
	assert_string_equal(
	    mftd_pattern_fault("/a"), "begins or ends with a slash");
	assert_string_equal(
	    mftd_pattern_fault("a/"), "begins or ends with a slash");
	assert_null(mftd_pattern_fault("a/b"));
	assert_non_null(mftd_pattern_fault("a//b"));
	assert_non_null(mftd_pattern_fault("./a"));
	assert_non_null(mftd_pattern_fault("a/../b"));
	assert_null(mftd_pattern_fault("..a/b..c"));
	assert_string_equal(mftd_pattern_fault("a\\"), "ends with a backslash");
	assert_null(mftd_pattern_fault("a\\\\"));
	assert_string_equal(mftd_pattern_fault("a["), "has a [ without its ]");
	assert_string_equal(mftd_pattern_fault("[!]"), "has a [ without its ]");
	assert_null(mftd_pattern_fault("[]a][!]][^a-z]\\["));
}

static void
templates_make_names(void **state)
{
	static const struct {
		const char *template, *name, *want; /* NULL: no such name */
	} cases[] = {
		{ "{name}", "a.csv", "a.csv" },
		{ "{stem}-{date}{suffix}", "a.b.csv", "a.b-20010909.csv" },
		{ "{stem}.{time}{suffix}", "plain", "plain.014640" },
		{ "{stem}+{suffix}", ".profile", ".profile+" },
		{ "{seq}", "a", "42" },
		{ "{seq:1}.{seq:6}", "a", "42.000042" },
		{ "{seq:18}", "a", "000000000000000042" },
		{ "fixed", "a", "fixed" },
		{ "{name}", "\xff", "\xff" },
		{ "{suffix}", "a", NULL },
		{ ".{suffix}", "a", NULL },
		{ "..", "a", NULL },
		{ "{nam}", "a", NULL },
	};
	struct mftd_template_values v = { .time_us = T0, .seq = 42 };
	char out[512], longest[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		v.name = cases[i].name;
		assert_int_equal(
		    mftd_template_make(cases[i].template, &v, out, sizeof(out)),
		    cases[i].want != NULL ? 0 : -EINVAL);
		if (cases[i].want != NULL)
			assert_string_equal(out, cases[i].want);
	}
	memset(longest, 'x', 255);
	longest[255] = '\0';
	v.name = longest;
	assert_int_equal(mftd_template_make("{name}", &v, out, sizeof(out)), 0);
	assert_string_equal(out, longest);
	assert_int_equal(mftd_template_make("{name}", &v, out, 255), -EINVAL);
	assert_int_equal(
	    mftd_template_make("{name}1", &v, out, sizeof(out)), -EINVAL);
}

static void
templates_at_fault(void **state)
{
	static const char *const bad[] = { "", "a/b", "{", "}", "a{name",
		"name}", "{}", "{nam}", "{names}", "{name:3}", "{seq:}",
		"{seq:0}", "{seq:19}", "{seq:1x}", "{seq:-1}", "{{name}}",
		"{seq:99999999999999999999}", "a\tb",
		/* what no file can be called, with or without a suffix */
		"{suffix}", ".", "..", ".{suffix}", "{suffix}{suffix}" };
	char longest[MFTD_TEMPLATE_BYTES + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(mftd_template_fault(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[MFTD_TEMPLATE_BYTES] = '\0';
	assert_string_equal(mftd_template_fault(longest), "too long");
	assert_null(mftd_template_fault("{name}{seq:18}{date}"));
	longest[255] = '\0';
	assert_null(mftd_template_fault(longest));
	memcpy(longest, "{seq:18}", 8); /* ten bytes longer */
	assert_non_null(mftd_template_fault(longest));
	assert_true(mftd_template_counts("a{seq:3}"));
	assert_true(mftd_template_counts("{seq}"));
	assert_false(mftd_template_counts("{name}seq"));
}

static void
folders_have_their_date(void **state)
{
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".",
		"..", "a/../b", "./a", ".mft", ".mft/out", "a/{name}", "{stem}",
		"{suffix}x", "{seq}", "{seq:3}", "{nam}", "a\tb", "}" };
	char out[64], longest[MFTD_TEMPLATE_BYTES + 1];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_non_null(mftd_template_folder_fault(bad[i]));
	memset(longest, 'a', sizeof(longest));
	longest[MFTD_TEMPLATE_BYTES] = '\0';
	assert_string_equal(mftd_template_folder_fault(longest), "too long");
	assert_null(mftd_template_folder_fault("a/{year}/{month}/{day}"));
	assert_null(mftd_template_folder_fault(".mftx"));
	assert_int_equal(mftd_template_folder_make("a/{year}/{month}/{day}/"
						   "{date}-{time}",
			     T0, out, sizeof(out)),
	    0);
	assert_string_equal(out, "a/2001/09/09/20010909-014640");
	assert_int_equal(
	    mftd_template_folder_make("a/{year}", T0, out, 6), -EINVAL);
	assert_int_equal(mftd_template_folder_make("a/{year}", T0, out, 7), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(lists_take_and_leave),
		cmocka_unit_test(patterns_at_fault),
		cmocka_unit_test(templates_make_names),
		cmocka_unit_test(templates_at_fault),
		cmocka_unit_test(folders_have_their_date),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
