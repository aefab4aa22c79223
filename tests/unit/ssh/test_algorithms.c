/* Part of mftd; see LICENSE. */
#include "mftd/catalog/algorithms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libssh/libssh.h>

static const enum ssh_options_e options[MFTD_ALGORITHM_KINDS] = {
	[MFTD_KEY_EXCHANGES] = SSH_OPTIONS_KEY_EXCHANGE,
	[MFTD_CIPHERS] = SSH_OPTIONS_CIPHERS_C_S,
	[MFTD_MACS] = SSH_OPTIONS_HMAC_C_S,
};

/* Each of them libssh takes by itself. */
static void
names_are_libsshs(void **state)
{
	char *list, *name, *rest;
	ssh_session s = ssh_new();
	size_t i, len;

	assert_non_null(s);
	for (i = 0; i < MFTD_ALGORITHM_KINDS; i++) {
		list = strdup(mftd_algorithms(i));
		assert_non_null(list);
		assert_null(mftd_algorithms_unknown(i, list, &len));
		rest = NULL;
		for (name = strtok_r(list, ",", &rest); name != NULL;
		     name = strtok_r(NULL, ",", &rest)) {
			if (ssh_options_set(s, options[i], name) < 0)
				fail_msg("libssh does not know %s", name);
			assert_null(mftd_algorithms_unknown(i, name, &len));
		}
		free(list);
	}
	ssh_free(s);
}

/* None that others have, and libssh has not. */
static void
unknown_ones_are_told(void **state)
{
	static const struct {
		enum mftd_algorithm_kind kind;
		const char *list, *unknown;
	} rows[] = {
		{ MFTD_CIPHERS, "foo", "foo" },
		{ MFTD_CIPHERS, "aes256-ctr,foo,bar", "foo" },
		{ MFTD_CIPHERS, "aes256-ct", "aes256-ct" },
		{ MFTD_CIPHERS, "aes256-ctrl", "aes256-ctrl" },
		{ MFTD_CIPHERS, "none", "none" },
		{ MFTD_CIPHERS, "hmac-sha2-256", "hmac-sha2-256" },
		{ MFTD_CIPHERS, "aes256-ctr,", "" },
		{ MFTD_CIPHERS, ",aes256-ctr", "" },
		{ MFTD_CIPHERS, "aes256-ctr,,aes128-ctr", "" },
		{ MFTD_MACS, "umac-64@openssh.com", "umac-64@openssh.com" },
		{ MFTD_MACS, "none", "none" },
		{ MFTD_KEY_EXCHANGES, "sntrup761x25519-sha512@openssh.com",
		    "sntrup761x25519-sha512@openssh.com" },
	};
	ssh_session s = ssh_new();
	const char *at;
	size_t i, len;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		at = mftd_algorithms_unknown(rows[i].kind, rows[i].list, &len);
		assert_non_null(at);
		assert_int_equal(len, strlen(rows[i].unknown));
		assert_memory_equal(at, rows[i].unknown, len);
		if (len > 0 && strcmp(rows[i].list, rows[i].unknown) == 0)
			assert_int_equal(
			    ssh_options_set(
				s, options[rows[i].kind], rows[i].list),
			    -1);
	}
	ssh_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_libsshs),
		cmocka_unit_test(unknown_ones_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
