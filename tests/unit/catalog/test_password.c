/* Part of mftd; see LICENSE. */
#include "mftd/catalog/password.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/limits.h"

/* RFC 7914 section 12 gives vectors, but none with 16 bytes of salt: this one
 * was computed by Python's hashlib.scrypt. */
#define VECTOR                                          \
	"$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$" \
	"C9RjpHMIQdeyJpquM/mGn1BlMilGOfPlPZFYHNV8skw"

static void
hash_verifies_its_password_only(void **state)
{
	char a[MFTD_PASSWORD_HASH_BYTES], b[MFTD_PASSWORD_HASH_BYTES];

	assert_int_equal(mftd_password_hash("geheim", a, sizeof(a)), 0);
	assert_memory_equal(a, "$scrypt$ln=17,r=8,p=1$", 22);
	assert_true(mftd_password_hash_valid(a));
	assert_int_equal(mftd_password_verify("geheim", a), 0);
	assert_int_equal(mftd_password_verify("geheiM", a), -MFTD_E_AUTH);
	assert_int_equal(mftd_password_verify("", a), -MFTD_E_AUTH);
	assert_int_equal(mftd_password_hash("geheim", b, sizeof(b)), 0);
	assert_string_not_equal(a, b);
	assert_int_equal(mftd_password_hash("geheim", b, 60), -ENOBUFS);
}

static void
form_is_that_of_others(void **state)
{
	assert_int_equal(mftd_password_verify("geheim", VECTOR), 0);
}

static void
stored_parameters_are_bounded(void **state)
{
	static const char *const bad[] = {
		"",
		"geheim",
		"$scrypt$",
		"$scrypt$ln=19,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$scrypt$ln=9,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$scrypt$ln=14,r=9,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$scrypt$ln=14,r=0,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$scrypt$ln=14,r=8,p=5$MDEyMzQ1Njc4OWFiY2RlZg$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZ$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$"
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"$scrypt$ln=14,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(mftd_password_hash_valid(bad[i]));
		assert_int_equal(mftd_password_verify("x", bad[i]), -EINVAL);
	}
}

static void
too_long_is_refused(void **state)
{
	char out[MFTD_PASSWORD_HASH_BYTES], word[MFTD_SECRET_BYTES + 1];

	memset(word, 'x', sizeof(word));
	word[sizeof(word) - 1] = '\0';
	assert_int_equal(mftd_password_hash(word, out, sizeof(out)), -EINVAL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_verifies_its_password_only),
		cmocka_unit_test(form_is_that_of_others),
		cmocka_unit_test(stored_parameters_are_bounded),
		cmocka_unit_test(too_long_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
