/* Part of mftd; see LICENSE. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "agents/check.h"
#include "agents/reason.h"

/* As OpenSSH 9.2's sftp says it. */
static void
what_sftp_means(void **state)
{
	static const struct {
		int status;
		const char *out;
		enum mftd_check meaning;
	} rows[] = {
		{ 0, "", MFTD_CHECK_WELL },
		{ 255, "u@127.0.0.1: Permission denied (publickey).\n",
		    MFTD_CHECK_REFUSED },
		{ 1, "remote open(\"/x\"): Permission denied\n",
		    MFTD_CHECK_REFUSED },
		{ 1, "remote open(\"/x\"): Failure\n", MFTD_CHECK_REFUSED },
		{ 255, "ssh: connect to host 127.0.0.1 port 22: refused\n",
		    MFTD_CHECK_FAILED },
		{ 255, "kex_exchange_identification: Connection closed\n",
		    MFTD_CHECK_FAILED },
		{ 255, "", MFTD_CHECK_FAILED },
		{ 127, "", MFTD_CHECK_FAILED }, /* no sftp */
		{ 128 + 9, "", MFTD_CHECK_FAILED },
		{ -ENOMEM, "", MFTD_CHECK_FAILED },
		{ -ETIMEDOUT, "", MFTD_CHECK_HANGS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_int_equal(
		    mftd_check_meaning(rows[i].status, rows[i].out),
		    rows[i].meaning);
}

/* What may be the same on all nodes never fails. */
static void
codes(void **state)
{
	static const struct {
		enum mftd_check check;
		enum mftd_ocf_code otherwise, storage;
	} rows[] = {
		{ MFTD_CHECK_WELL, MFTD_OCF_SUCCESS, MFTD_OCF_SUCCESS },
		{ MFTD_CHECK_UNSET, MFTD_OCF_DEGRADED, MFTD_OCF_DEGRADED },
		{ MFTD_CHECK_REFUSED, MFTD_OCF_DEGRADED, MFTD_OCF_DEGRADED },
		{ MFTD_CHECK_HANGS, MFTD_OCF_ERR_GENERIC, MFTD_OCF_DEGRADED },
		{ MFTD_CHECK_FAILED, MFTD_OCF_ERR_GENERIC, MFTD_OCF_DEGRADED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		assert_int_equal(
		    mftd_check_code(rows[i].check, false), rows[i].otherwise);
		assert_int_equal(
		    mftd_check_code(rows[i].check, true), rows[i].storage);
	}
}

/* What the agents can say of a request that failed, and the daemon of itself
 * (mftd/node/requests.c): each has its advice, and room in 128 bytes. */
static void
advice_for_each(void **state)
{
	static const int errors[] = { -ENOENT, -ETIMEDOUT, -ECONNRESET, -EPROTO,
		-EACCES };
	static const char *const words[] = { "no quorum",
		"stale epoch: another node has the queue",
		"the catalog is away", "the epoch is not raised yet",
		"the storage does not answer", "workers are left" };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
		assert_non_null(mftd_agent_advice(mftd_agent_error(errors[i])));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		const char *advice = mftd_agent_advice(words[i]);

		assert_non_null(advice);
		assert_true(strlen("monitor: ") + strlen(words[i]) + 2 +
			strlen(advice) <=
		    128);
	}
	assert_null(mftd_agent_advice("something else"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_sftp_means),
		cmocka_unit_test(codes),
		cmocka_unit_test(advice_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
