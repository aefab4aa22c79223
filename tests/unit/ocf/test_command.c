/* Part of mftd; see LICENSE. */
#include "agent.h"

#include <errno.h>

#include "ocf/command.h"

#define LONG_MS 60000

static int
shell(const char *script, int64_t timeout_ms, char *out, size_t size)
{
	char *argv[] = { "sh", "-c", (char *)script, NULL };

	return mftd_ocf_command(argv, timeout_ms, out, size);
}

static void
status_and_output(void **state)
{
	char *missing[] = { "no-such-program", NULL };
	char out[64];

	(void)state;
	assert_int_equal(
	    shell("echo a; echo b >&2; exit 3", LONG_MS, out, sizeof(out)), 3);
	assert_string_equal(out, "a\nb\n");
	assert_int_equal(shell("kill -9 $$", LONG_MS, out, sizeof(out)), 137);
	assert_string_equal(out, "");
	assert_int_equal(
	    mftd_ocf_command(missing, LONG_MS, out, sizeof(out)), 127);
	assert_int_equal(shell("cat", LONG_MS, out, sizeof(out)), 0);
}

static void
bounded_output(void **state)
{
	char out[8];

	(void)state;
	assert_int_equal(shell("printf 0123456789; head -c 300000 /dev/zero",
			     LONG_MS, out, sizeof(out)),
	    0);
	assert_string_equal(out, "0123456");
}

/* Neither the command nor a child that it left behind is waited for. */
static void
deadline(void **state)
{
	int64_t start_ms = mftd_ocf_now_ms();
	char out[64], *end;
	int left;

	(void)state;
	assert_int_equal(
	    shell("echo a; exec sleep 50", 200, out, sizeof(out)), -ETIMEDOUT);
	assert_string_equal(out, "a\n");
	assert_int_equal(
	    shell("sleep 50 & echo $!", LONG_MS, out, sizeof(out)), 0);
	assert_true(mftd_ocf_now_ms() - start_ms < 40000);
	left = (int)strtol(out, &end, 10);
	assert_true(left > 1 && *end == '\n');
	snprintf(out, sizeof(out), "kill %d", left);
	assert_int_equal(shell(out, LONG_MS, out, sizeof(out)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(status_and_output, clean_env),
		cmocka_unit_test_setup(bounded_output, clean_env),
		cmocka_unit_test_setup(deadline, clean_env),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
