/* Part of mftd; see LICENSE. */
#include "mftd/journal/head.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "tests/unit/journal/tree.h"

static const char x25519[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VuAyEAPg4PczrukKFR1v7OI8bTZbzhNivex0mItZWfY+Y5YBg=\n"
    "-----END PUBLIC KEY-----\n";

static void
sign(const struct mftd_signer *by, uint64_t seq, struct mftd_signed_head *s)
{
	memset(s, 0, sizeof(*s));
	strcpy(s->head.stream, "n1-0123456789abcdef-j1");
	s->head.seq = seq;
	memset(s->head.hash, 0x5a, sizeof(s->head.hash));
	assert_int_equal(mftd_head_sign(by, MFTD_HEAD_NEWEST, s), 0);
}

static void
each_bit_counts(void **state)
{
	struct mftd_signed_head s, t;
	size_t i;

	(void)state;
	sign(tree_signer(), 17, &s);
	assert_true(mftd_head_holds(MFTD_HEAD_NEWEST, &s));
	t = s;
	strcpy(t.head.stream, "n1-0123456789abcdef-j2");
	assert_false(mftd_head_holds(MFTD_HEAD_NEWEST, &t));
	t = s;
	t.head.seq++;
	assert_false(mftd_head_holds(MFTD_HEAD_NEWEST, &t));
	for (i = 0; i < sizeof(s.head.hash); i++) {
		t = s;
		t.head.hash[i] ^= 1;
		assert_false(mftd_head_holds(MFTD_HEAD_NEWEST, &t));
	}
	for (i = 0; i < sizeof(s.signature); i++) {
		t = s;
		t.signature[i] ^= 1;
		assert_false(mftd_head_holds(MFTD_HEAD_NEWEST, &t));
	}
	assert_false(mftd_head_holds(MFTD_HEAD_SEGMENT, &s));
	assert_false(mftd_head_holds(MFTD_HEAD_LAST, &s));
	t = s;
	t.key[0] ^= 1;
	assert_false(mftd_head_holds(MFTD_HEAD_NEWEST, &t));
}

static void
key_is_made_once(void **state)
{
	uint8_t keys[2][MFTD_HEAD_KEY_BYTES];
	struct mftd_signer *a, *b;
	struct mftd_signed_head s, again;
	char path[4200];
	struct stat st;
	struct tree t;

	(void)state;
	tree_make(&t);
	assert_int_equal(mftd_signer_open(t.fd, &a), 0);
	assert_int_equal(unlinkat(t.fd, "journal.pub", 0), 0);
	assert_int_equal(mftd_signer_open(t.fd, &b), 0);
	sign(a, 1, &s);
	sign(b, 1, &again);
	assert_memory_equal(&s, &again, sizeof(s));
	assert_int_equal(fstatat(t.fd, "journal.key", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/journal.pub", t.path);
	assert_int_equal(mftd_head_keys(path, keys, 2), 1);
	assert_memory_equal(keys[0], s.key, sizeof(s.key));
	assert_int_equal(tree_count(&t, "."), 2);
	mftd_signer_close(a);
	mftd_signer_close(b);
	tree_remove(&t);
}

static void
what_is_no_key_is_refused(void **state)
{
	uint8_t keys[2][MFTD_HEAD_KEY_BYTES];
	struct mftd_signer *a;
	char path[4200], text[3][4096];
	struct tree t;
	ssize_t n;
	int fd;

	(void)state;
	tree_make(&t);
	tree_write(&t, "journal.key", "no key\n");
	assert_int_equal(mftd_signer_open(t.fd, &a), -MFTD_E_CORRUPT);
	assert_true(tree_holds(&t, "journal.key", "no key\n"));
	assert_int_equal(unlinkat(t.fd, "journal.key", 0), 0);
	assert_int_equal(mftd_signer_open(t.fd, &a), 0);
	mftd_signer_close(a);
	fd = openat(t.fd, "journal.pub", O_RDONLY);
	n = read(fd, text[0], 1000);
	close(fd);
	assert_true(n > 0);
	text[0][n] = '\0';
	snprintf(path, sizeof(path), "%s/keys", t.path);
	snprintf(text[1], sizeof(text[1]), "# n1\n%.1000s# n2\n%.1000s",
	    text[0], text[0]);
	tree_write(&t, "keys", text[1]);
	assert_int_equal(mftd_head_keys(path, keys, 2), 2);
	assert_int_equal(mftd_head_keys(path, keys, 1), -EINVAL);
	snprintf(text[2], sizeof(text[2]),
	    "%.1000s-----BEGIN PUBLIC KEY-----\n", text[0]);
	tree_write(&t, "keys", text[2]);
	assert_int_equal(mftd_head_keys(path, keys, 2), -EINVAL);
	tree_write(&t, "keys", x25519);
	assert_int_equal(mftd_head_keys(path, keys, 2), -EINVAL);
	tree_write(&t, "keys", "");
	assert_int_equal(mftd_head_keys(path, keys, 2), -EINVAL);
	tree_remove(&t);
}

static void
file_says_what_was_signed(void **state)
{
	static const char *const wrong[] = { "", "stream", "stream x seq 1\n",
		"stream ../x seq 1 hash 00 key 00 signature 00\n" };
	struct mftd_signed_head s, read;
	enum mftd_head_use use;
	struct tree t;
	size_t i;

	(void)state;
	tree_make(&t);
	assert_int_equal(mftd_head_read(t.fd, &use, &read), -ENOENT);
	sign(tree_signer(), 1ULL << 40, &s);
	assert_int_equal(mftd_head_write(t.fd, MFTD_HEAD_LAST, &s), 0);
	assert_int_equal(mftd_head_read(t.fd, &use, &read), 0);
	assert_memory_equal(&s, &read, sizeof(s));
	assert_int_equal(use, MFTD_HEAD_LAST);
	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		tree_write(&t, "head", wrong[i]);
		assert_int_equal(
		    mftd_head_read(t.fd, &use, &read), -MFTD_E_CORRUPT);
	}
	tree_remove(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_counts),
		cmocka_unit_test(key_is_made_once),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(file_says_what_was_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
