/* Part of mftd; see LICENSE. */
/*
 * Each system call of outbound in turn is its last one, from its start to the
 * last row of a batch; and while it fetches files, sends them on, and has them
 * deleted where they came from.  The next owner brings each file to its end: it
 * comes once, and nothing is in doubt.  With the calls that it makes for its
 * rows: by with-postgres those to PostgreSQL, else those of SQLite.
 *
 * "test_queue_killed all" takes each call, make check some of them; which, is
 * another each time.
 */
#include <dirent.h>
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

static bool all;

struct scene {
	const char *label;
	bool fetched; /* else uploaded */
	unsigned some; /* calls from one that is tried to the next */
};

static const struct scene scenes[] = {
	{ "uploads", false, 5 },
	{ "fetched", true, 7 },
};

static bool
is_gone(const struct world *w)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)w->ob.pid, &info,
		   WEXITED | WNOWAIT | WNOHANG) < 0 ||
	    info.si_pid != 0;
}

static int
count_names(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	if (d == NULL)
		return 0;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

/* All files are DONE, and away from where they were fetched. */
static bool
is_done(struct world *w)
{
	struct tally t;

	look(w, &t);
	return t.by_state[MFTD_DELIVERY_DONE] == FILES &&
	    (w->from[0] == '\0' || count_names(w->from) == 0);
}

/* Until that is so, or outbound has ended: whether it is. */
static bool
await_done(struct world *w)
{
	int64_t end = mftd_clock_ms() + PATIENCE_MS;

	while (!is_done(w)) {
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
	struct tally t;
	int k;

	if (!await_done(w))
		fail_msg("killed at %u, %s: not all are DONE", at, call);
	look(w, &t);
	assert_int_equal(t.rows, FILES);
	for (k = 0; k < FILES; k++) {
		snprintf(path, sizeof(path), "%s/r-%d.csv", w->partner.in, k);
		snprintf(words, sizeof(words), "new \"%s\"", path);
		if (partner_count(&w->partner, words) != 1)
			fail_msg("killed at %u, %s: %d renames to %s", at, call,
			    partner_count(&w->partner, words), path);
	}
	assert_int_equal(partner_names(&w->partner), FILES);
}

static void
put_files(struct world *w, bool fetched)
{
	char id[16], path[160];
	uint8_t sum[32];
	int k;

	for (k = 0; k < FILES; k++) {
		snprintf(id, sizeof(id), "r-%d", k);
		snprintf(path, sizeof(path), "%s/%s.csv", w->from, id);
		if (fetched)
			make_file(path, 20000, (unsigned int)k, sum);
		else
			upload(w, id, 20000);
	}
}

/* Whether the step came. */
static bool
kill_at(const struct scene *s, unsigned at)
{
	struct steps_plan plan = {
		.what = STEPS_KILL, .at = at, .alone = true
	};
	struct steps *steps = steps_new(&plan);
	struct world w;
	char staged[128];
	bool came;

	assert_true(world_open(&w));
	if (s->fetched) {
		snprintf(w.from, sizeof(w.from), "%s/from", w.partner.dir);
		mkdir(w.from, 0700);
	}
	make_catalog(&w);
	put_files(&w, s->fetched);
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
	snprintf(
	    staged, sizeof(staged), "%s/.mft/staged/alice-to-acme", w.volume);
	assert_int_equal(count_names(staged), 0);
	world_close(&w);
	steps_free(steps);
	return came;
}

static void
killed_at_each_call(void **state)
{
	const struct scene *s;
	unsigned at, every, n;
	unsigned char chance;

	(void)state;
	for (s = scenes; s < scenes + sizeof(scenes) / sizeof(*s); s++) {
		every = all ? 1 : s->some;
		assert_int_equal(getrandom(&chance, 1, 0), 1);
		for (at = 1 + chance % every, n = 0; kill_at(s, at); n++) {
			at += every;
			assert_true(at < CALLS_MOST);
		}
		print_message(
		    "%s: up to call %u, %u of them tried\n", s->label, at, n);
		assert_true(at > 20);
	}
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
