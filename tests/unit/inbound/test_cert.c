/* Part of mftd; see LICENSE. */
/* Certificates as ssh-keygen makes them. */
#include "mftd/inbound/cert.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "mftd/inbound/accounts.h"

#define NOW 1800000000 /* 2027-01-15 */
#define HERE "192.0.2.1"

static char dir[64] = "test_cert.XXXXXX";

static void
run(const char *fmt, const char *a, const char *b)
{
	char text[1024], command[1200];

	snprintf(text, sizeof(text), fmt, a, b);
	snprintf(command, sizeof(command), "cd %s && %s", dir, text);
	assert_int_equal(system(command), 0);
}

static int
setup(void **state)
{
	assert_non_null(mkdtemp(dir));
	run("ssh-keygen -q -t %s -N '' -f %s", "ed25519", "user");
	run("ssh-keygen -q -t %s -N '' -f %s", "ed25519", "ca");
	run("ssh-keygen -q -t %s -N '' -f %s", "ed25519", "other");
	return 0;
}

static int
teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* The first line of a file there, without its end. */
static void
slurp(const char *file, char *line, size_t size)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(line, (int)size, f));
	fclose(f);
	line[strcspn(line, "\n")] = '\0';
}

/* The blob of user's new certificate, signed by ca with those options. */
static size_t
certify(const char *ca, const char *options, uint8_t *blob)
{
	char line[8192], *b64, *end;
	size_t n, pad = 0;
	int got;

	run("ssh-keygen -q -s %s %s user.pub", ca, options);
	slurp("user-cert.pub", line, sizeof(line));
	b64 = strchr(line, ' ') + 1;
	end = strchr(b64, ' ');
	if (end != NULL)
		*end = '\0';
	n = strlen(b64);
	while (b64[n - 1 - pad] == '=')
		pad++;
	got = EVP_DecodeBlock(blob, (const uint8_t *)b64, (int)n);
	assert_true(got > 0);
	return (size_t)got - pad;
}

static struct mftd_account
account(char *ca_line)
{
	static char *lines[1];
	struct mftd_account a = { .name = (char *)"alice",
		.authorities = lines,
		.n_authorities = 1 };

	slurp("ca.pub", ca_line, 4096);
	lines[0] = ca_line;
	return a;
}

static const struct {
	const char *ca, *options, *fault;
} rows[] = {
	{ "ca", "-I i -n alice -V 20260101:20280101", NULL },
	{ "ca", "-I i -n bob,alice", NULL },
	{ "ca", "-I i -n bob", "names none of the account's principals" },
	{ "ca", "-I i", "names none of the account's principals" },
	{ "other", "-I i -n alice", "its authority is none of the account's" },
	{ "ca", "-I i -n alice -h", "not a user certificate" },
	{ "ca", "-I i -n alice -V 20250101:20260101", "not valid now" },
	{ "ca", "-I i -n alice -V 20280101:20290101", "not valid now" },
	{ "ca", "-I i -n alice -O source-address=192.0.2.0/24", NULL },
	{ "ca", "-I i -n alice -O source-address=10.0.0.0/8,192.0.2.1/32",
	    NULL },
	{ "ca", "-I i -n alice -O source-address=10.0.0.0/8",
	    "not for this address" },
	{ "ca", "-I i -n alice -O force-command=id",
	    "it has an option that is not heeded here" },
	{ "ca", "-I i -n alice -O critical:x@example.com=1",
	    "it has an option that is not heeded here" },
	{ "ca", "-I i -n alice -O no-pty", NULL },
};

static void
verdicts(void **state)
{
	char line[4096];
	struct mftd_account a = account(line);
	uint8_t blob[8192];
	const char *fault;
	size_t i, n;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		n = certify(rows[i].ca, rows[i].options, blob);
		assert_true(mftd_cert_is(blob, n));
		fault = mftd_account_cert_fault(&a, blob, n, HERE, NOW);
		if (rows[i].fault == NULL)
			assert_null(fault);
		else
			assert_string_equal(fault, rows[i].fault);
	}
}

static void
principals_of_the_account(void **state)
{
	char line[4096], *names[] = { (char *)"ops", (char *)"alice2" };
	struct mftd_account a = account(line);
	uint8_t blob[8192];
	size_t n;

	a.principals = names;
	a.n_principals = 2;
	n = certify("ca", "-I i -n alice", blob);
	assert_non_null(mftd_account_cert_fault(&a, blob, n, HERE, NOW));
	n = certify("ca", "-I i -n alice2", blob);
	assert_null(mftd_account_cert_fault(&a, blob, n, HERE, NOW));
	assert_non_null(mftd_account_cert_fault(NULL, blob, n, HERE, NOW));
	a.n_authorities = 0;
	assert_non_null(mftd_account_cert_fault(&a, blob, n, HERE, NOW));
}

/* Keys and authorities of every kind. */
static void
kinds(void **state)
{
	static const char *const types[] = { "ed25519", "ecdsa -b 256",
		"ecdsa -b 384", "ecdsa -b 521", "rsa -b 2048" };
	char line[4096];
	struct mftd_account a;
	uint8_t blob[8192];
	size_t i, n;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		run("rm -f user* ca* && ssh-keygen -q -t %s -N '' -f %s",
		    types[i], "user");
		run("ssh-keygen -q -t %s -N '' -f %s", types[i], "ca");
		a = account(line);
		n = certify("ca", "-I i -n alice", blob);
		assert_null(mftd_account_cert_fault(&a, blob, n, HERE, NOW));
	}
	/* SHA-1 proves nothing any more; the key is RSA now */
	n = certify("ca", "-t ssh-rsa -I i -n alice", blob);
	assert_string_equal(mftd_account_cert_fault(&a, blob, n, HERE, NOW),
	    "not a good certificate");
}

/* Any bit that is changed, and any end that is cut off, spoils it. */
static void
tampering_is_seen(void **state)
{
	char line[4096];
	struct mftd_account a;
	uint8_t blob[8192];
	size_t i, n;

	run("rm -f user* ca* && ssh-keygen -q -t %s -N '' -f %s", "ed25519",
	    "user");
	run("ssh-keygen -q -t %s -N '' -f %s", "ed25519", "ca");
	a = account(line);
	n = certify("ca", "-I i -n alice", blob);
	assert_null(mftd_account_cert_fault(&a, blob, n, HERE, NOW));
	for (i = 0; i < n; i++) {
		blob[i] ^= 1;
		assert_non_null(
		    mftd_account_cert_fault(&a, blob, n, HERE, NOW));
		blob[i] ^= 1;
		assert_non_null(
		    mftd_account_cert_fault(&a, blob, i, HERE, NOW));
	}
	assert_false(mftd_cert_is(blob, 3));
	assert_false(mftd_cert_is((const uint8_t *)"\0\0\0\1x", 5));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts),
		cmocka_unit_test(principals_of_the_account),
		cmocka_unit_test(kinds),
		cmocka_unit_test(tampering_is_seen),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
