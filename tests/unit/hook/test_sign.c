/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/hook/retry.h"
#include "mftd/hook/sign.h"

#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define STAMP 1614265330
#define BODY "{\"test\": 2432232314}"

/* The example of the specification's libraries. */
static void
signs_as_the_standard(void **state)
{
	char out[MFTD_HOOK_SIGNATURE_BYTES];

	assert_int_equal(
	    mftd_hook_sign(
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", ID, STAMP, BODY, out),
	    0);
	assert_string_equal(
	    out, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

/* A plain secret, against the command that mft-hooks(7) has. */
static void
signs_as_openssl(void **state)
{
	char out[MFTD_HOOK_SIGNATURE_BYTES], line[128] = "";
	FILE *f;

	assert_int_equal(
	    mftd_hook_sign("plain words", ID, STAMP, "body", out), 0);
	f = popen("printf '%s.%s.%s' " ID " 1614265330 body | openssl dgst "
		  "-sha256 -hmac 'plain words' -binary | base64",
	    "r");
	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	assert_int_equal(pclose(f), 0);
	line[strcspn(line, "\n")] = '\0';
	assert_memory_equal(out, "v1,", 3);
	assert_string_equal(out + 3, line);
}

static void
refuses_what_is_no_base64(void **state)
{
	static const char *const bad[] = { "whsec_", "whsec_a", "whsec_!!!!" };
	char out[MFTD_HOOK_SIGNATURE_BYTES];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    mftd_hook_sign(bad[i], ID, STAMP, BODY, out), -EINVAL);
}

static void
backoff_doubles_to_a_bound(void **state)
{
	static const struct {
		uint32_t tries;
		int64_t ms;
	} rows[] = { { 1, 1000 }, { 2, 2000 }, { 5, 16000 }, { 10, 512000 },
		{ 11, 900000 }, { 100, 900000 } };
	int64_t ms;
	size_t i;
	uint32_t k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (k = 0; k < 1000; k += 333) {
			ms = mftd_hook_backoff_ms(rows[i].tries, k);
			assert_true(ms >= rows[i].ms - rows[i].ms / 4);
			assert_true(ms <= rows[i].ms + rows[i].ms / 4);
		}
}

/* Hooks that failed together do not come back together: from a quarter less to
 * nearly a quarter more, all in between. */
static void
backoff_is_spread(void **state)
{
	int64_t ms, last = 749;
	uint32_t k;

	for (k = 0; k < 1000; k++) {
		ms = mftd_hook_backoff_ms(1, k);
		assert_true(ms >= last && ms <= last + 1);
		last = ms;
	}
	assert_int_equal(mftd_hook_backoff_ms(1, 0), 750);
	assert_int_equal(last, 1249);
	assert_int_equal(mftd_hook_backoff_ms(100, 0), 675000);
	assert_int_equal(mftd_hook_backoff_ms(100, 999), 1124550);
	assert_int_equal(
	    mftd_hook_backoff_ms(1, 4294967295u), mftd_hook_backoff_ms(1, 295));
}

static void
step_of_a_run(void **state)
{
	static const struct {
		int err;
		uint32_t tries;
		enum mftd_run_state next;
		int waits;
		const char *error;
	} rows[] = {
		{ 0, 1, MFTD_RUN_DONE, 0, "" },
		{ 0, 9, MFTD_RUN_DONE, 0, "" },
		{ -EIO, 1, MFTD_RUN_WAITING, 1, "why" },
		{ -EIO, 2, MFTD_RUN_WAITING, 1, "why" },
		{ -EIO, 3, MFTD_RUN_FAILED, 0, "why" },
		{ -EIO, 4, MFTD_RUN_FAILED, 0, "why" },
		{ -ECANCELED, 3, MFTD_RUN_WAITING, 0, "why" },
	};
	struct mftd_run run;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		run = (struct mftd_run) { .state = MFTD_RUN_RUNNING,
			.tries = rows[i].tries,
			.error = "old" };
		mftd_hook_step(&run, rows[i].err, "why", 3, 5000, 0);
		assert_int_equal(run.state, rows[i].next);
		assert_int_equal(run.ended_us, 5000);
		assert_int_equal(run.due_us > 5000, rows[i].waits);
		assert_string_equal(run.error, rows[i].error);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_as_the_standard),
		cmocka_unit_test(signs_as_openssl),
		cmocka_unit_test(refuses_what_is_no_base64),
		cmocka_unit_test(backoff_doubles_to_a_bound),
		cmocka_unit_test(backoff_is_spread),
		cmocka_unit_test(step_of_a_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
