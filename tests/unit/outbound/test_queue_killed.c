/* Part of mftd; see LICENSE. */
/*
 * Each system call of outbound in turn is its last one, from its start to the
 * last row of a batch.  The next owner brings each file to its end: it comes
 * once, and nothing is in doubt.  With the calls that it makes for its rows: by
 * with-postgres those to PostgreSQL, else those of SQLite.
 *
 * "test_queue_killed all" takes each call, make check some of them; which, is
 * another each time.
 */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/outbound/queue_rig.h"

#define FILES 3
#define PATIENCE_MS 60000
#define CALLS_MOST 5000
#define SOME 5 /* calls from one that is tried to the next */

static bool all;

static bool
is_gone(const struct world *w)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)w->ob.pid, &info,
		   WEXITED | WNOWAIT | WNOHANG) < 0 ||
	    info.si_pid != 0;
}

/* Until all files are DONE, or outbound has ended: whether they are. */
static bool
await_done(struct world *w)
{
	int64_t end = mftd_clock_ms() + PATIENCE_MS;
	struct tally t;

	for (look(w, &t); t.by_state[MFTD_DELIVERY_DONE] != FILES;
	     look(w, &t)) {
		if (is_gone(w) || mftd_clock_ms() > end)
			return false;
		listen_to(w);
		poll(NULL, 0, 5);
	}
	return true;
}

static void
assert_arrived(struct world *w, unsigned at, const char *call)
{
	char path[160], words[200];
	int k;

	if (!await_done(w))
		fail_msg("killed at %u, %s: not all are DONE", at, call);
	for (k = 0; k < FILES; k++) {
		snprintf(path, sizeof(path), "%s/r-%d.csv", w->partner.in, k);
		snprintf(words, sizeof(words), "new \"%s\"", path);
		if (partner_count(&w->partner, words) != 1)
			fail_msg("killed at %u, %s: %d renames to %s", at, call,
			    partner_count(&w->partner, words), path);
	}
	assert_int_equal(partner_names(&w->partner), FILES);
}

/* Whether the step came. */
static bool
kill_at(unsigned at)
{
	struct steps_plan plan = {
		.what = STEPS_KILL, .at = at, .alone = true
	};
	struct steps *steps = steps_new(&plan);
	struct world w;
	char id[16];
	bool came;
	int k;

	assert_true(world_open(&w));
	make_catalog(&w);
	for (k = 0; k < FILES; k++) {
		snprintf(id, sizeof(id), "r-%d", k);
		upload(&w, id, 20000);
	}
	start_in_steps(&w, steps);
	came = !await_done(&w);
	/* that it has ended is seen before, or after, it is known why */
	crash(&w);
	assert_true(partner_await_idle(&w.partner));
	came = came && steps_came(steps);
	start(&w);
	assert_arrived(&w, at, steps_call(steps));
	crash(&w);
	assert_true(partner_await_idle(&w.partner));
	world_close(&w);
	steps_free(steps);
	return came;
}

static void
killed_at_each_call(void **state)
{
	unsigned at = 1, every = all ? 1 : SOME, n = 0;
	unsigned char chance;

	assert_int_equal(getrandom(&chance, 1, 0), 1);
	if (!all)
		at += chance % SOME;
	for (; kill_at(at); at += every, n++)
		assert_true(at < CALLS_MOST);
	print_message("up to call %u, %u of them tried\n", at, n);
	assert_true(at > 20);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_each_call),
	};

	all = argc > 1 && strcmp(argv[1], "all") == 0;
	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
