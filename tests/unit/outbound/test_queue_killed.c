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
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/outbound/queue_rig.h"

#define FILES 3
#define CALLS_MOST 5000
#define SOME 5 /* calls from one that is tried to the next */

static bool all;

static void
assert_arrived(struct queue_rig *q, unsigned at, const char *call)
{
	struct mftd_delivery d;
	char path[160], words[200];
	int k;

	if (!queue_rig_await(q, MFTD_DELIVERY_DONE, FILES))
		fail_msg("killed at %u, %s: not all are DONE", at, call);
	for (k = 0; k < FILES; k++) {
		snprintf(path, sizeof(path), "%s/r-%d.csv", q->partner.in, k);
		snprintf(words, sizeof(words), "new \"%s\"", path);
		if (partner_count(&q->partner, words) != 1)
			fail_msg("killed at %u, %s: %d renames to %s", at, call,
			    partner_count(&q->partner, words), path);
	}
	assert_int_equal(partner_names(&q->partner), FILES);
	assert_int_equal(queue_rig_count(q, MFTD_DELIVERY_DONE, &d), FILES);
}

/* Whether the step came. */
static bool
kill_at(unsigned at)
{
	struct steps_plan plan = {
		.what = STEPS_KILL, .at = at, .alone = true
	};
	struct steps *steps = steps_new(&plan);
	struct queue_rig q;
	char id[16];
	bool came;
	int k;

	queue_rig_open(&q);
	for (k = 0; k < FILES; k++) {
		snprintf(id, sizeof(id), "r-%d", k);
		queue_rig_upload(&q, id, 20000);
	}
	queue_rig_start(&q, steps);
	came = !queue_rig_await(&q, MFTD_DELIVERY_DONE, FILES);
	/* that it has ended is seen before, or after, it is known why */
	queue_rig_crash(&q);
	came = came && steps_came(steps);
	queue_rig_start(&q, NULL);
	assert_arrived(&q, at, steps_call(steps));
	queue_rig_close(&q);
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
