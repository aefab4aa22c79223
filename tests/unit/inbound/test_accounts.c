/* Part of mftd; see LICENSE. */
#include "mftd/inbound/accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/catalog/password.h"

/* "key-one", "key-two!" as base64: what a key is is not looked at here. */
static char *alice_keys[] = { (char *)"ssh-ed25519 a2V5LW9uZQ== alice@home",
	(char *)"ssh-rsa  a2V5LXR3byE=", (char *)"nonsense",
	(char *)"ssh-rsa !!!!", (char *)"ssh-rsa " };

static struct mftd_account accounts[] = {
	{ .name = (char *)"alice",
	    .password_hash = (char *)"$scrypt$x",
	    .keys = alice_keys,
	    .n_keys = 5 },
	{ .name = (char *)"bob" },
};

static const struct mftd_objects objects = { .accounts = accounts,
	.n_accounts = 2 };

static bool
has(const char *account, const char *blob)
{
	return mftd_account_has_key(mftd_accounts_find(&objects, account),
	    (const uint8_t *)blob, strlen(blob));
}

static void
test_find(void **state)
{
	assert_ptr_equal(mftd_accounts_find(&objects, "bob"), &accounts[1]);
	assert_null(mftd_accounts_find(&objects, "bo"));
	assert_null(mftd_accounts_find(&objects, ""));
	assert_null(mftd_accounts_find(NULL, "bob"));
}

static void
test_keys(void **state)
{
	assert_true(has("alice", "key-one"));
	assert_true(has("alice", "key-two!"));
	assert_false(has("alice", "key-on"));
	assert_false(has("alice", "key-one!"));
	assert_false(has("alice", "key-onE"));
	/* lines that do not parse match nothing, not even nothing */
	assert_false(has("alice", ""));
	assert_false(has("bob", "key-one"));
	assert_false(has("carol", "key-one"));
}

/* Who has no password is checked against a hash that is valid and costs what a
 * fresh one costs. */
static void
test_dummy(void **state)
{
	char fresh[MFTD_PASSWORD_HASH_BYTES];
	const char *hash;
	bool dummy;

	assert_string_equal(
	    mftd_account_hash(&accounts[0], &dummy), "$scrypt$x");
	assert_false(dummy);
	hash = mftd_account_hash(&accounts[1], &dummy);
	assert_true(dummy);
	assert_true(mftd_password_hash_valid(hash));
	assert_int_equal(mftd_password_hash("x", fresh, sizeof(fresh)), 0);
	assert_int_equal(
	    strncmp(hash, fresh, strlen("$scrypt$ln=17,r=8,p=1$")), 0);
	assert_ptr_equal(mftd_account_hash(NULL, &dummy), hash);
	assert_true(dummy);
	assert_int_equal(mftd_password_verify("", hash), -MFTD_E_AUTH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_dummy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
