/* Part of mftd; see LICENSE. */
#include "mftd/outbound/pace.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define S 1000000LL /* microseconds */
#define RATE 1000000 /* bytes per second: a byte each microsecond */
#define NOW (1000 * S)
#define N 2

static int
setup(void **state)
{
	*state = mftd_paces_new(N);
	return *state != NULL ? 0 : -1;
}

/* Each turn is off by what those before it cost, but for a quarter second. */
static void
turns(void **state)
{
	struct mftd_pace *p = mftd_paces_at(*state, 0);

	mftd_pace_reset(p);
	assert_int_equal(mftd_pace_take(p, RATE, 100000, NOW), 0);
	assert_int_equal(mftd_pace_take(p, RATE, 200000, NOW), 0);
	assert_int_equal(mftd_pace_take(p, RATE, 1000, NOW), 50000);
	assert_int_equal(mftd_pace_take(p, RATE, 1000, NOW), 51000);
	/* time goes by */
	assert_int_equal(mftd_pace_take(p, RATE, 7, NOW + 40000), 12000);
	assert_int_equal(mftd_pace_take(p, RATE, 7, NOW + 52007), 0);
}

/* However long it was silent. */
static void
silence_is_not_saved_up(void **state)
{
	struct mftd_pace *p = mftd_paces_at(*state, 0);

	mftd_pace_reset(p);
	mftd_pace_take(p, RATE, 1000, NOW);
	assert_int_equal(mftd_pace_take(p, RATE, S, NOW + 100 * S), 0);
	assert_int_equal(mftd_pace_take(p, RATE, 1, NOW + 100 * S), S - S / 4);
}

static void
others_have_their_own(void **state)
{
	struct mftd_pace *a = mftd_paces_at(*state, 0);
	struct mftd_pace *b = mftd_paces_at(*state, 1);

	mftd_pace_reset(a);
	mftd_pace_reset(b);
	mftd_pace_take(a, RATE, 10 * S, NOW);
	assert_int_equal(mftd_pace_take(b, RATE, 1, NOW), 0);
	mftd_pace_reset(a);
	assert_int_equal(mftd_pace_take(a, RATE, 1, NOW), 0);
}

/* Two processes take turns of the same one: none is lost. */
static void
processes_share_it(void **state)
{
	struct mftd_pace *p = mftd_paces_at(*state, 0);
	const int n = 10000000;
	int fds[2], i, status = -1;
	pid_t pid;
	char byte = 0;

	mftd_pace_reset(p);
	mftd_pace_take(p, RATE, S, NOW);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	/* it begins when the other one does */
	if (pid == 0 && read(fds[0], &byte, 1) != 1)
		_exit(1);
	if (pid > 0)
		assert_int_equal(write(fds[1], &byte, 1), 1);
	for (i = 0; i < n; i++)
		mftd_pace_take(p, RATE, 3, NOW);
	if (pid == 0)
		_exit(0);
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(
	    mftd_pace_take(p, RATE, 1, NOW), S - S / 4 + 2LL * 3 * n);
}

/* What is sent at once takes no more than a quarter second, or little. */
static void
chunks(void **state)
{
	assert_int_equal(mftd_pace_chunk(RATE, 32768), 32768);
	assert_int_equal(mftd_pace_chunk(100000, 32768), 25000);
	assert_int_equal(mftd_pace_chunk(1, 32768), 512);
	/* it still has an end */
	struct mftd_pace *p = mftd_paces_at(*state, 1);

	mftd_pace_reset(p);
	mftd_pace_take(p, 1, 512, NOW);
	assert_int_equal(mftd_pace_take(p, 1, 512, NOW), 512 * S - S / 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(turns),
		cmocka_unit_test(silence_is_not_saved_up),
		cmocka_unit_test(others_have_their_own),
		cmocka_unit_test(processes_share_it),
		cmocka_unit_test(chunks),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
