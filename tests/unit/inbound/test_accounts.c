/* Part of mftd; see LICENSE. */
#include "mftd/catalog/account_policy.h"
#include "mftd/inbound/accounts.h"

#include <errno.h>
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

static void
test_faults(void **state)
{
	char *sources[] = { (char *)"192.0.2.0/24" };
	struct mftd_account a = { .name = (char *)"a" };

	assert_null(mftd_account_fault(&a, "198.51.100.1", 1000));
	a.expires_s = 1000;
	assert_null(mftd_account_fault(&a, "198.51.100.1", 999));
	assert_string_equal(
	    mftd_account_fault(&a, "198.51.100.1", 1000), "expired");
	a.expires_s = 0;
	a.sources = sources;
	a.n_sources = 1;
	assert_null(mftd_account_fault(&a, "192.0.2.255", 1000));
	assert_string_equal(
	    mftd_account_fault(&a, "192.0.3.0", 1000), "not from this address");
	a.disabled = true;
	assert_string_equal(
	    mftd_account_fault(&a, "192.0.2.255", 1000), "disabled");
}

static void
test_methods(void **state)
{
	static const struct {
		const char *methods;
		bool key, password, both;
	} rows[] = { { NULL, true, true, false },
		{ "publickey", true, false, false },
		{ "password", false, true, false },
		{ "publickey+password", true, true, true } };
	struct mftd_account a = { .name = (char *)"a" };
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		a.methods = (char *)(uintptr_t)rows[i].methods;
		assert_int_equal(mftd_account_takes_key(&a), rows[i].key);
		assert_int_equal(
		    mftd_account_takes_password(&a), rows[i].password);
		assert_int_equal(mftd_account_needs_both(&a), rows[i].both);
	}
}

static void
test_policy(void **state)
{
	struct mftd_account_folder folders[] = { { (char *)"in",
	    (char *)"common/in", true } };
	struct mftd_account a = { .name = (char *)"a",
		.read_only = true,
		.symlinks = true,
		.umask = 027,
		.quota_bytes = 1,
		.quota_files = 2,
		.in_bytes_s = 3,
		.out_bytes_s = 4,
		.sessions_max = 5,
		.folders = folders,
		.n_folders = 1 };
	struct mftd_policy p;

	assert_int_equal(mftd_account_policy(&a, &p), 0);
	assert_true(p.read_only && p.symlinks && !p.has_gid);
	assert_int_equal(p.umask, 027);
	assert_int_equal(p.quota_bytes, 1);
	assert_int_equal(p.quota_files, 2);
	assert_int_equal(p.in_bytes_s, 3);
	assert_int_equal(p.out_bytes_s, 4);
	assert_int_equal(p.sessions_max, 5);
	assert_int_equal(p.n_folders, 1);
	assert_string_equal(p.folders[0].path, "common/in");
	assert_true(p.folders[0].read_only);
	a.group = (char *)"4242";
	assert_int_equal(mftd_account_policy(&a, &p), 0);
	assert_true(p.has_gid);
	assert_int_equal(p.gid, 4242);
	a.group = (char *)"root";
	assert_int_equal(mftd_account_policy(&a, &p), 0);
	assert_int_equal(p.gid, 0);
	a.group = (char *)"no-such-group";
	assert_int_equal(mftd_account_policy(&a, &p), -ENOENT);
}

static void
note_shut(void *data, const char *account, const char *why)
{
	char *told = data;

	strcat(told, account);
	strcat(told, ":");
	strcat(told, why);
	strcat(told, " ");
}

static void
test_newly_shut(void **state)
{
	struct mftd_account before[] = { { .name = (char *)"a" },
		{ .name = (char *)"b" }, { .name = (char *)"c" },
		{ .name = (char *)"d", .disabled = true },
		{ .name = (char *)"e", .expires_s = 100 } };
	struct mftd_account after[] = { { .name = (char *)"a" },
		{ .name = (char *)"aa" },
		{ .name = (char *)"c", .disabled = true },
		{ .name = (char *)"d", .disabled = true },
		{ .name = (char *)"e", .expires_s = 100 } };
	struct mftd_objects o = { .accounts = before, .n_accounts = 5 };
	struct mftd_objects n = { .accounts = after, .n_accounts = 5 };
	char told[128] = "";

	mftd_accounts_newly_shut(&o, 50, &n, 99, note_shut, told);
	assert_string_equal(told, "b:no such account c:disabled ");
	told[0] = '\0';
	mftd_accounts_newly_shut(&n, 99, &n, 100, note_shut, told);
	assert_string_equal(told, "e:expired ");
	told[0] = '\0';
	mftd_accounts_newly_shut(&n, 100, &n, 200, note_shut, told);
	assert_string_equal(told, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_dummy),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_newly_shut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
