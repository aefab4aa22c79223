/* Part of mftd; see LICENSE. */
#include "mftd/base/buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
numbers_and_strings_come_back(void **state)
{
	struct mftd_buf *b = mftd_buf_new(4096);
	uint8_t u8;
	uint32_t u32;
	uint64_t u64;
	char text[16];

	assert_int_equal(mftd_buf_put_u8(b, 7), 0);
	assert_int_equal(mftd_buf_put_u32(b, 0x01020304), 0);
	assert_int_equal(mftd_buf_put_u64(b, UINT64_C(1) << 40), 0);
	assert_int_equal(mftd_buf_put_cstring(b, "hello"), 0);
	assert_int_equal(mftd_buf_data(b)[1], 1); /* big-endian */
	assert_int_equal(mftd_buf_get_u8(b, &u8), 0);
	assert_int_equal(u8, 7);
	assert_int_equal(mftd_buf_get_u32(b, &u32), 0);
	assert_int_equal(u32, 0x01020304);
	assert_int_equal(mftd_buf_get_u64(b, &u64), 0);
	assert_true(u64 == UINT64_C(1) << 40);
	assert_int_equal(mftd_buf_get_cstring(b, text, sizeof(text)), 0);
	assert_string_equal(text, "hello");
	assert_int_equal(mftd_buf_len(b), 0);
	mftd_buf_free(b);
}

static void
bound_is_kept(void **state)
{
	struct mftd_buf *b = mftd_buf_new(10);

	assert_int_equal(mftd_buf_put(b, "12345678", 8), 0);
	assert_int_equal(mftd_buf_put_u32(b, 1), -ENOBUFS);
	assert_int_equal(mftd_buf_len(b), 8);
	assert_int_equal(mftd_buf_put(b, "90", 2), 0);
	assert_int_equal(mftd_buf_consume(b, 4), 0);
	assert_int_equal(mftd_buf_put(b, "abcd", 4), 0);
	assert_memory_equal(mftd_buf_data(b), "567890abcd", 10);
	mftd_buf_free(b);
}

static void
bad_strings_change_nothing(void **state)
{
	static const uint8_t lie[] = { 0, 0, 0, 9, 'x' };
	static const uint8_t nul[] = { 0, 0, 0, 3, 'a', 0, 'b' };
	struct mftd_buf *b = mftd_buf_from(lie, sizeof(lie));
	const uint8_t *data;
	char text[3];
	size_t len;

	assert_int_equal(mftd_buf_get_string(b, &data, &len), -EBADMSG);
	assert_int_equal(mftd_buf_len(b), sizeof(lie));
	assert_int_equal(mftd_buf_put_u8(b, 1), -EROFS);
	mftd_buf_free(b);
	b = mftd_buf_from(nul, sizeof(nul));
	assert_int_equal(mftd_buf_get_cstring(b, text, 3), -ENAMETOOLONG);
	assert_int_equal(mftd_buf_get_cstring(b, text, 0), -ENAMETOOLONG);
	assert_int_equal(mftd_buf_len(b), sizeof(nul));
	mftd_buf_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_and_strings_come_back),
		cmocka_unit_test(bound_is_kept),
		cmocka_unit_test(bad_strings_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
