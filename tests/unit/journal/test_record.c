/* Part of mftd; see LICENSE. */
#include "mftd/journal/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/journal/crc32c.h"

static struct mftd_rec_receipt
receipt(void)
{
	struct mftd_rec_receipt r = { .id = "n1-0a-j1.3",
		.session = "n1-0a-1",
		.account = "alice",
		.volume = "main",
		.root = "alice",
		.path = "in/a file \xc3\xa4",
		.part = "n1-0a-1.1",
		.size = 1ULL << 40,
		.inode = 77,
		.has_routes = true,
		.has_sha256 = true };

	memset(r.sha256, 0xab, sizeof(r.sha256));
	return r;
}

static void
receipt_comes_back(void **state)
{
	struct mftd_rec_receipt in = receipt(), out = { 0 };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);

	assert_int_equal(mftd_rec_receipt_put(b, &in), 0);
	assert_int_equal(mftd_rec_receipt_get(b, &out), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	mftd_buf_free(b);
}

static void
longest_receipt_fits_a_record(void **state)
{
	struct mftd_rec_receipt in = receipt();
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES - 128);

	memset(in.root, 'r', sizeof(in.root) - 1);
	memset(in.path, 'p', sizeof(in.path) - 1);
	assert_int_equal(mftd_rec_receipt_put(b, &in), 0);
	assert_int_equal(mftd_rec_receipt_get(b, &in), 0);
	mftd_buf_free(b);
}

static int
decode(const struct mftd_rec_receipt *in, size_t cut, size_t more)
{
	struct mftd_rec_receipt out;
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);
	int r;

	assert_int_equal(mftd_rec_receipt_put(b, in), 0);
	assert_int_equal(mftd_buf_trim(b, cut), 0);
	while (more-- > 0)
		mftd_buf_put_u8(b, 0);
	r = mftd_rec_receipt_get(b, &out);
	mftd_buf_free(b);
	return r;
}

static void
decoder_trusts_nothing(void **state)
{
	struct mftd_rec_receipt r = receipt();
	size_t i;

	for (i = 1; i < 100; i++)
		assert_true(decode(&r, i, 0) < 0);
	assert_true(decode(&r, 0, 1) < 0);
	strcpy(r.path, "../x");
	assert_true(decode(&r, 0, 0) < 0);
	strcpy(r.path, "/x");
	assert_true(decode(&r, 0, 0) < 0);
	r = receipt();
	strcpy(r.part, "a/b");
	assert_true(decode(&r, 0, 0) < 0);
	r = receipt();
	strcpy(r.id, ".x");
	assert_true(decode(&r, 0, 0) < 0);
	r = receipt();
	strcpy(r.root, "a/../b");
	assert_true(decode(&r, 0, 0) < 0);
}

#define ROUND(kind, ...)                                              \
	do {                                                          \
		struct mftd_rec_##kind in, out;                       \
		struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES); \
		memset(&in, 0, sizeof(in));                           \
		memset(&out, 0, sizeof(out));                         \
		in = (struct mftd_rec_##kind) { __VA_ARGS__ };        \
		assert_int_equal(mftd_rec_##kind##_put(b, &in), 0);   \
		assert_int_equal(mftd_rec_##kind##_get(b, &out), 0);  \
		assert_memory_equal(&in, &out, sizeof(in));           \
		assert_int_equal(mftd_rec_##kind##_put(b, &in), 0);   \
		assert_int_equal(mftd_buf_put_u8(b, 1), 0);           \
		assert_true(mftd_rec_##kind##_get(b, &out) < 0);      \
		mftd_buf_free(b);                                     \
	} while (0)

static void
other_records_come_back(void **state)
{
	ROUND(open, .node = "n1", .incarnation = "n1-0a", .volume = "main");
	ROUND(audit, .session = "n1-0a-1", .account = "alice", .event = "login",
	    .text = "from 192.0.2.1");
	ROUND(part, .part = "n1-0a-1.1", .durable = 8 << 20);
	ROUND(outcome, .receipt = "", .part = "n1-0a-1.1", .reason = "why");
	ROUND(name, .session = "n1-0a-1", .account = "alice", .volume = "main",
	    .path = "a", .to = "b/c", .inode = 5);
	ROUND(name, .session = "n1-0a-1", .account = "alice", .volume = "main",
	    .path = "a", .to = "", .inode = 5);
	ROUND(name, .account = "alice", .volume = "main", .path = "alice/a",
	    .to = "old/a", .inode = 5, .cause = "n1-0a-j1.9");
	ROUND(seal, .stream = "n1-0a-j1", .seq = 9, .hash = { 1, 2, 3 });
}

/* Somebody asked for it, or a delivery is its cause. */
static void
change_has_one_cause(void **state)
{
	struct mftd_rec_name out,
	    in = { .account = "alice", .volume = "main", .path = "a" };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);

	(void)state;
	assert_int_equal(mftd_rec_name_put(b, &in), 0);
	assert_int_equal(mftd_rec_name_get(b, &out), -MFTD_E_CORRUPT);
	mftd_buf_reset(b);
	strcpy(in.session, "n1-0a-1");
	strcpy(in.cause, "n1-0a-j1.9");
	assert_int_equal(mftd_rec_name_put(b, &in), 0);
	assert_int_equal(mftd_rec_name_get(b, &out), -MFTD_E_CORRUPT);
	mftd_buf_reset(b);
	in.session[0] = '\0';
	strcpy(in.cause, "no id~");
	assert_int_equal(mftd_rec_name_put(b, &in), 0);
	assert_int_equal(mftd_rec_name_get(b, &out), -MFTD_E_CORRUPT);
	mftd_buf_free(b);
}

static void
names_and_sums_are_the_known_ones(void **state)
{
	assert_string_equal(mftd_record_name(MFTD_RECORD_RECEIPT), "receipt");
	assert_string_equal(mftd_record_name(0), "?");
	assert_string_equal(mftd_record_name(99), "?");
	/* RFC 3720 B.4 and the usual check value */
	assert_int_equal(mftd_crc32c(0, "123456789", 9), 0xe3069283);
	assert_int_equal(
	    mftd_crc32c(mftd_crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(receipt_comes_back),
		cmocka_unit_test(longest_receipt_fits_a_record),
		cmocka_unit_test(decoder_trusts_nothing),
		cmocka_unit_test(other_records_come_back),
		cmocka_unit_test(change_has_one_cause),
		cmocka_unit_test(names_and_sums_are_the_known_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
