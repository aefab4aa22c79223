/* Part of mftd; see LICENSE. */
#include "mftd/catalog/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"

#define PLACE "partner acme password"

static const struct mftd_secret_key key = { { 1, 2, 3 } };

static void
opens_as_it_was_sealed(void **state)
{
	static const char *const texts[] = { "", "x", "geheim",
		"with \xff bytes and = $" };
	char sealed[MFTD_SEALED_BYTES], again[MFTD_SEALED_BYTES];
	char longest[MFTD_SECRET_BYTES + 1], out[MFTD_SECRET_BYTES];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(
		    mftd_secret_seal(&key, PLACE, texts[i], sealed), 0);
		assert_int_equal(mftd_secret_open(&key, PLACE, sealed, out), 0);
		assert_string_equal(out, texts[i]);
		assert_true(texts[i][0] == '\0' ||
		    strstr(sealed, texts[i]) == NULL || texts[i][1] == '\0');
		assert_int_equal(
		    mftd_secret_seal(&key, PLACE, texts[i], again), 0);
		assert_string_not_equal(sealed, again); /* nonces differ */
	}
	memset(longest, 'a', sizeof(longest));
	longest[MFTD_SECRET_BYTES] = '\0';
	assert_int_equal(
	    mftd_secret_seal(&key, PLACE, longest, sealed), -EMSGSIZE);
	longest[MFTD_SECRET_BYTES - 1] = '\0';
	assert_int_equal(mftd_secret_seal(&key, PLACE, longest, sealed), 0);
	assert_true(strlen(sealed) < MFTD_SEALED_BYTES);
	assert_int_equal(mftd_secret_open(&key, PLACE, sealed, out), 0);
	assert_string_equal(out, longest);
}

static void
opens_nothing_else(void **state)
{
	const struct mftd_secret_key other = { { 1, 2, 4 } };
	char sealed[MFTD_SEALED_BYTES], out[MFTD_SECRET_BYTES], was;
	size_t i;

	(void)state;
	assert_int_equal(mftd_secret_seal(&key, PLACE, "geheim", sealed), 0);
	assert_int_equal(mftd_secret_open(&other, PLACE, sealed, out), -ENOKEY);
	assert_int_equal(
	    mftd_secret_open(&key, "partner eve password", sealed, out),
	    -MFTD_E_CORRUPT);
	assert_int_equal(
	    mftd_secret_open(&key, PLACE, "", out), -MFTD_E_CORRUPT);
	assert_int_equal(
	    mftd_secret_open(&key, PLACE, "geheim", out), -MFTD_E_CORRUPT);
	for (i = 0; sealed[i] != '\0'; i++) {
		was = sealed[i];
		sealed[i] = was == 'A' ? 'B' : 'A';
		assert_true(mftd_secret_open(&key, PLACE, sealed, out) < 0);
		sealed[i] = was;
	}
	for (i = strlen(sealed); i-- > 0;) { /* cut short */
		sealed[i] = '\0';
		assert_true(mftd_secret_open(&key, PLACE, sealed, out) < 0);
	}
}

/* A tag that AES-256-GCM of another implementation made: that of Python's
 * cryptography, over the same key, place, nonce (12 zeros) and text. */
static void
sealed_elsewhere(void **state)
{
	static const char sealed[] =
	    "$aes256gcm$1ac2f192$AAAAAAAAAAAAAAAAWcTglnD/"
	    "Vb5aAegrTdhWn3NegxAt0w==";
	char out[MFTD_SECRET_BYTES];

	(void)state;
	assert_int_equal(mftd_secret_open(&key, PLACE, sealed, out), 0);
	assert_string_equal(out, "geheim");
}

/* Each name and each list of keys is a place of its own. */
static void
places_differ(void **state)
{
	char *one[] = { "a", "b" }, *two[] = { "b", "a" }, *cut[] = { "ab" };
	char p[5][MFTD_SECRET_PLACE_BYTES];
	int i, k;

	(void)state;
	mftd_secret_of_partner("acme", one, 2, p[0]);
	mftd_secret_of_partner("eve", one, 2, p[1]);
	mftd_secret_of_partner("acme", two, 2, p[2]);
	mftd_secret_of_partner("acme", one, 1, p[3]);
	mftd_secret_of_partner("acme", cut, 1, p[4]);
	for (i = 0; i < 5; i++)
		for (k = 0; k < i; k++)
			assert_string_not_equal(p[i], p[k]);
}

static int
read_key(const char *text, mode_t mode, struct mftd_secret_key *out)
{
	char file[] = "test_secret_XXXXXX";
	int fd = mkstemp(file), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
	r = mftd_secret_key_read(file, out);
	unlink(file);
	return r;
}

#define DIGITS                             \
	"00112233445566778899aabbccddeeff" \
	"00112233445566778899AABBCCDDEEFF"

static void
key_files(void **state)
{
	struct mftd_secret_key k;

	(void)state;
	assert_int_equal(read_key(DIGITS "\n", 0640, &k), 0);
	assert_int_equal(k.bytes[0], 0);
	assert_int_equal(k.bytes[15], 0xff);
	assert_int_equal(k.bytes[31], 0xff);
	assert_int_equal(read_key(DIGITS "\n", 0644, &k), -EPERM);
	assert_int_equal(read_key(DIGITS "\n", 0620, &k), -EPERM);
	assert_int_equal(read_key(DIGITS "\n", 0602, &k), -EPERM);
	assert_int_equal(read_key(DIGITS, 0600, &k), -MFTD_E_CORRUPT);
	assert_int_equal(read_key(DIGITS "0\n", 0600, &k), -MFTD_E_CORRUPT);
	assert_int_equal(read_key(DIGITS "\n\n", 0600, &k), -MFTD_E_CORRUPT);
	assert_int_equal(read_key("", 0600, &k), -MFTD_E_CORRUPT);
	assert_int_equal(read_key("x" DIGITS "\n", 0600, &k), -MFTD_E_CORRUPT);
	assert_int_equal(mftd_secret_key_read("/", &k), -MFTD_E_CORRUPT);
	assert_int_equal(mftd_secret_key_read("no such file", &k), -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_as_it_was_sealed),
		cmocka_unit_test(opens_nothing_else),
		cmocka_unit_test(sealed_elsewhere),
		cmocka_unit_test(places_differ),
		cmocka_unit_test(key_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
