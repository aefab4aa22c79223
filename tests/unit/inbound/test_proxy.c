/* Part of mftd; see LICENSE. */
#include "mftd/inbound/proxy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define V2 "\r\n\r\n\0\r\nQUIT\n"
#define TEXT(s) s, sizeof(s) - 1

/* What follows a whole header is the client's, and never looked at. */
static const struct row {
	const char *bytes;
	size_t len;
	int result; /* or -EBADMSG; a whole one has all its bytes here */
	const char *peer; /* NULL: the balancer itself */
} rows[] = {
	{ TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 4711 22\r\n"), 43,
	    "192.0.2.1:4711" },
	{ TEXT("PROXY TCP6 2001:db8::1 2001:db8::2 4711 22\r\n"), 44,
	    "[2001:db8::1]:4711" },
	{ TEXT("PROXY UNKNOWN\r\n"), 15, NULL },
	{ TEXT("PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n"), 35, NULL },
	{ TEXT(V2 "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\0\x16"), 28,
	    "192.0.2.1:4711" },
	/* with a TLV */
	{ TEXT(
	      V2 "\x21\x11\0\x10\xc0\0\2\1\xc6\x33\x64\1\x12\x67\0\x16\4\0\1x"),
	    32, "192.0.2.1:4711" },
	{ TEXT(V2 "\x21\x21\0\x24"
		  "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
		  "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x12\x67\0\x16"),
	    52, "[2001:db8::1]:4711" },
	{ TEXT(V2 "\x20\0\0\0"), 16, NULL }, /* LOCAL */
	{ TEXT(V2 "\x20\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\0\x16"), 28,
	    NULL },
	{ TEXT(V2 "\x21\0\0\4abcd"), 20, NULL }, /* AF_UNSPEC */
};

static const struct row bad[] = {
	{ TEXT("SSH-2.0-x\r\n"), 0, NULL },
	{ TEXT("proxy TCP4 192.0.2.1 198.51.100.1 4711 22\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 4711\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 4711 22 5\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.1  198.51.100.1 4711 22\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.256 198.51.100.1 4711 22\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 2001:db8::1 2001:db8::2 4711 22\r\n"), 0, NULL },
	{ TEXT("PROXY TCP6 192.0.2.1 198.51.100.1 4711 22\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 65536 22\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 04711 22\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 -1 22\r\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 4711 22\n"), 0, NULL },
	{ TEXT("PROXY TCP4 192.0.2.1 198.51.100.1 4711 22\r\r\n"), 0, NULL },
	{ TEXT("PROXY UNKNOWNS\r\n"), 0, NULL },
	{ TEXT("PROXY UDP4 192.0.2.1 198.51.100.1 4711 22\r\n"), 0, NULL },
	{ TEXT("PROXY \r\n"), 0, NULL },
	{ TEXT("PROXY UNKNOWN 456789012345678901234567890123456789012345678901"
	       "234567890123456789012345678901234567890123456"),
	    0, NULL }, /* 107 bytes and no end */
	{ TEXT(V2 "\x11\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\0\x16"), 0,
	    NULL }, /* version 1 */
	{ TEXT(V2 "\x22\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\0\x16"), 0,
	    NULL }, /* no command */
	{ TEXT(V2 "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\1\x12\x67\0\x16"), 0,
	    NULL }, /* UDP */
	{ TEXT(V2 "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\1\x12\x67\0"), 0,
	    NULL }, /* too short for addresses */
	{ TEXT(V2 "\x21\x11\x07\xf1"), 0, NULL }, /* 2049 bytes */
};

static void
whole_headers(void **state)
{
	uint8_t more[256];
	struct mftd_proxy p;
	const struct row *r;

	for (r = rows; r < rows + sizeof(rows) / sizeof(rows[0]); r++) {
		memcpy(more, r->bytes, r->len);
		memcpy(more + r->len, "SSH-2.0-", 8);
		assert_int_equal(
		    mftd_proxy_parse((const uint8_t *)r->bytes, r->len, &p),
		    r->result);
		assert_int_equal(r->result, r->len);
		assert_int_equal(
		    mftd_proxy_parse(more, r->len + 8, &p), r->result);
		assert_int_equal(p.known, r->peer != NULL);
		if (r->peer != NULL)
			assert_string_equal(p.peer, r->peer);
	}
}

/* Each truncation waits for more and knows nobody. */
static void
truncations(void **state)
{
	struct mftd_proxy p;
	const struct row *r;
	uint8_t *copy;
	size_t n;

	for (r = rows; r < rows + sizeof(rows) / sizeof(rows[0]); r++)
		for (n = 0; n < r->len; n++) {
			copy = malloc(n + 1); /* the sanitizer sees its end */
			memcpy(copy, r->bytes, n);
			copy = realloc(copy, n > 0 ? n : 1);
			assert_int_equal(mftd_proxy_parse(copy, n, &p), 0);
			assert_false(p.known);
			free(copy);
		}
}

static void
bad_ones(void **state)
{
	struct mftd_proxy p;
	const struct row *r;

	for (r = bad; r < bad + sizeof(bad) / sizeof(bad[0]); r++) {
		assert_int_equal(
		    mftd_proxy_parse((const uint8_t *)r->bytes, r->len, &p),
		    -EBADMSG);
		assert_false(p.known);
	}
}

/* Every byte made every other: never more than what is there, and a header with
 * a broken start never passes. */
static void
every_byte(void **state)
{
	uint8_t copy[128];
	struct mftd_proxy p;
	const struct row *r;
	size_t at;
	int v, n;

	for (r = rows; r < rows + sizeof(rows) / sizeof(rows[0]); r++)
		for (at = 0; at < r->len; at++)
			for (v = 0; v < 256; v++) {
				memcpy(copy, r->bytes, r->len);
				if (copy[at] == v)
					continue;
				copy[at] = (uint8_t)v;
				n = mftd_proxy_parse(copy, r->len, &p);
				assert_true(n == -EBADMSG ||
				    (n >= 0 && n <= (int)r->len));
				if (at < 6)
					assert_int_equal(n, -EBADMSG);
				if (n == -EBADMSG)
					assert_false(p.known);
			}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_headers),
		cmocka_unit_test(truncations),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
