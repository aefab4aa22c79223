/* Part of mftd; see LICENSE. */
#include "mftd/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* What is printed as it stands, and what is not. */
static const struct {
	const char *text, *safe, *utf8;
} rows[] = {
	{ "", "", "" },
	{ "plain name.txt", "plain name.txt", "plain name.txt" },
	{ "a\\x41", "a\\x41", "a\\x41" },
	{ "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
	    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
	    "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "\xd7\x90\xd7\x91", "\xd7\x90\xd7\x91", "\xd7\x90\xd7\x91" },
	/* C0, DEL, C1 */
	{ "a\nb\x1b[2J", "a\\u000ab\\u001b[2J", "a\nb\x1b[2J" },
	{ "\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0",
	    "\\u007f\\u0080\\u009b\\u009f\xc2\xa0",
	    "\x7f\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0" },
	/* U+202A to U+202E, U+2066 to U+2069, marks, separators */
	{ "\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf",
	    "\\u2029\\u202a\\u202e\xe2\x80\xaf",
	    "\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf" },
	{ "\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
	    "\xe2\x81\xa5\\u2066\\u2069\xe2\x81\xaa",
	    "\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa" },
	{ "\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90\xd8\x9c",
	    "\\u200e\\u200f\xe2\x80\x90\\u061c",
	    "\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90\xd8\x9c" },
	/* no UTF-8: alone, cut, overlong, surrogate, beyond, of no length */
	{ "caf\xe9", "caf\\xe9", "caf\\xe9" },
	{ "\x9b", "\\x9b", "\\x9b" },
	{ "\xe2\x80", "\\xe2\\x80", "\\xe2\\x80" },
	{ "\xe2\x80z", "\\xe2\\x80z", "\\xe2\\x80z" },
	{ "\xc0\x8a", "\\xc0\\x8a", "\\xc0\\x8a" },
	{ "\xe0\x80\x8a", "\\xe0\\x80\\x8a", "\\xe0\\x80\\x8a" },
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80" },
	{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80", "\\xf4\\x90\\x80\\x80" },
	{ "\xf8\xff", "\\xf8\\xff", "\\xf8\\xff" },
};

static void
test_texts(void **state)
{
	char out[128];
	bool was;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_ptr_equal(
		    mftd_text_safe(rows[i].text, out, sizeof(out)), out);
		assert_string_equal(out, rows[i].safe);
		was = mftd_text_utf8(rows[i].text, out, sizeof(out));
		assert_string_equal(out, rows[i].utf8);
		assert_int_equal(was, strcmp(rows[i].text, out) == 0);
	}
}

/* Cut where a character or an escape ends. */
static void
test_bounds(void **state)
{
	static const char text[] = "\xe2\x82\xac\x1b\xff";
	static const char *const cut[] = { "", "", "", "", "\xe2\x82\xac",
		"\xe2\x82\xac", "\xe2\x82\xac", "\xe2\x82\xac", "\xe2\x82\xac",
		"\xe2\x82\xac", "\xe2\x82\xac\\u001b", "\xe2\x82\xac\\u001b",
		"\xe2\x82\xac\\u001b", "\xe2\x82\xac\\u001b",
		"\xe2\x82\xac\\u001b\\xff" };
	char out[32];
	size_t n;

	for (n = 1; n < sizeof(cut) / sizeof(cut[0]); n++) {
		memset(out, '!', sizeof(out));
		mftd_text_safe(text, out, n);
		assert_string_equal(out, cut[n]);
		assert_int_equal(out[n], '!');
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
