/* Part of mftd; see LICENSE. */
/*
 * A fetch against a real sshd; the test plays outbound: it keeps the rows, and
 * kills the fetch, or lets the partner's server die, at every place there is.
 * Whatever happened: each file came once and whole, nothing is left, and
 * nothing was taken away at the partner that was not here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_fetch.h"
#include "mftd/ipc/msg_node.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/outbound/fetch_rig.h"
#include "tests/unit/outbound/partner.h"

#define LARGE 9000000 /* more than fits under way at once at 32 KiB a READ */

static void
brings_what_is_stable(void **state)
{
	struct rig *g = *state;

	put_file(g, "a", LARGE, 1);
	put_file(g, "b", 0, 2);
	put_file(g, "c", 70000, 3);
	run(g, 1, NULL);
	/* one look says nothing of what it sees first */
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(g->asked, 0);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 3);
	check_row(g, 0, "a", LARGE, 1);
	check_row(g, 1, "b", 0, 2);
	check_row(g, 2, "c", 70000, 3);
	assert_int_equal(g->rows[0].found.verified, MFTD_VERIFIED_SIZE);
	/* what it brought it does not ask for again; another process does */
	assert_int_equal(g->asked, 3);
	run(g, 3, NULL);
	assert_int_equal(g->asked, 6);
	assert_int_equal(g->n_rows, 3);
	assert_int_equal(count_names(g->out), 3);
	assert_int_equal(partner_names(&g->partner), 3);
}

static void
take_away(void *data)
{
	struct rig *g = data;
	char path[192];

	snprintf(path, sizeof(path), "%s/a", g->partner.in);
	unlink(path);
	snprintf(path, sizeof(path), "%s/b", g->partner.in);
	unlink(path);
}

/* Files that cannot be had keep no other waiting, and are told of. */
static void
goes_on_behind_what_is_refused(void **state)
{
	const struct plan plan = { .at = MFTD_MSG_FETCH_ASK,
		.amid = take_away };
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	put_file(g, "b", 1000, 2);
	put_file(g, "c", 1000, 3);
	run(g, 2, &plan);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "c", 1000, 3);
	assert_true(g->look_err < 0);
	assert_non_null(strstr(g->why, "a: open: "));
}

/* The kernel's files say 0 bytes and have more: so may a server's.  What would
 * be lost of it is neither fetched in part nor taken away. */
static void
goes_on_behind_its_size(void **state)
{
	static char *files[] = { (char *)"boot_id" };
	struct rig *g = *state;

	g->j.directory = "/proc/sys/kernel/random";
	g->j.files = files;
	g->j.n_files = 1;
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 0);
	assert_true(g->look_err < 0);
	assert_non_null(strstr(g->why, "boot_id: read: it goes on behind"));
	assert_int_equal(count_names(g->out), 0);
	assert_int_equal(count_names(g->staged), 0);
}

/* What came is on its way to the disk before all has come. */
static void
written_back_meanwhile(void **state)
{
	struct rig *g = *state;

	g->steps = steps_new(
	    &(struct steps_plan) { .call = "sync_file_range", .at = 1 });
	put_file(g, "a", LARGE, 1);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 1);
	assert_true(steps_count(g->steps) >= LARGE / (256 * 1024));
	steps_free(g->steps);
}

static void
takes_regular_files_that_match(void **state)
{
	static char *files[] = { (char *)"*.csv", (char *)"x.tmp" };
	static char *except[] = { (char *)"no*" };
	struct rig *g = *state;
	char path[256];

	put_file(g, "one.csv", 10, 1);
	put_file(g, "no.csv", 10, 1);
	put_file(g, "two.txt", 10, 1);
	put_file(g, "x.tmp", 10, 1);
	snprintf(path, sizeof(path), "%s/dir.csv", g->partner.in);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/link.csv", g->partner.in);
	assert_int_equal(symlink("one.csv", path), 0);
	snprintf(path, sizeof(path), "%s/fifo.csv", g->partner.in);
	assert_int_equal(mkfifo(path, 0700), 0);
	g->j.files = files;
	g->j.n_files = 2;
	g->j.except = except;
	g->j.n_except = 1;
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "one.csv", 10, 1);
}

static void
a_changed_file_is_another_one(void **state)
{
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	run(g, 3, NULL);
	put_file(g, "a", 1001, 2);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 0, "a", 1000, 1);
	check_row(g, 1, "a", 1001, 2);
}

static void
grow(void *data)
{
	struct rig *g = data;

	put_file(g, "a", 2000, 2);
}

/* It was listed, and found stable, but is another one when it is opened. */
static void
changed_before_it_is_read(void **state)
{
	const struct plan amid = { .at = MFTD_MSG_FETCH_ASK, .amid = grow };
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	run(g, 2, &amid);
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(g->look_err, 0);
	assert_int_equal(count_names(g->out), 0);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", 2000, 2);
}

/* Its bytes change while they are read: the server waits at its first READ
 * until the file is another. */
static void
changed_while_it_is_read(void **state)
{
	struct rig *g = *state;
	int i;

	put_file(g, "a", LARGE, 1);
	run(g, 1, NULL);
	/* the second FSTAT of the open file finds a later one: strace answers
	 * with an error, which is no proof that it did not change */
	partner_fault(
	    &g->partner, "-e inject=fstat,newfstatat:error=EIO:when=9+");
	for (i = 0; i < 3; i++)
		run(g, 2, NULL);
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(count_names(g->out), 0);
	partner_fault(&g->partner, "");
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", LARGE, 1);
}

/* More comes than was asked for: it would be written past its place. */
static void
answers_with_too_much(void **state)
{
	struct rig *g = *state;
	char fault[192];

	put_file(g, "a", 1000, 1);
	run(g, 1, NULL);
	snprintf(fault, sizeof(fault), "-P %s/a -e inject=read:retval=1001",
	    g->partner.in);
	partner_fault(&g->partner, fault);
	run(g, 2, NULL);
	assert_int_equal(g->look_err, -MFTD_E_PROTOCOL);
	assert_non_null(strstr(g->why, "bad DATA"));
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(count_names(g->out), 0);
	partner_fault(&g->partner, "");
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", 1000, 1);
}

static void
deletes_and_forgets(void **state)
{
	struct rig *g = *state;

	g->wish = MFTD_FETCHED_DELETE;
	put_file(g, "a", 1000, 1);
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	assert_int_equal(partner_names(&g->partner), 0);
	assert_true(g->rows[0].begun && g->rows[0].forgotten);
	/* one of equal name, size and time is another one */
	put_file(g, "a", 1000, 5);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 1, "a", 1000, 5);
	assert_int_equal(partner_names(&g->partner), 0);
}

/* The same within one life of the process, which knows the old one. */
static void
again(void *data)
{
	struct rig *g = data;

	if (g->rows[0].forgotten && g->n_rows == 1 &&
	    partner_names(&g->partner) == 0)
		put_file(g, "a", 1000, 5);
}

static void
forgets_in_one_life(void **state)
{
	const struct plan amid = { .at = MFTD_MSG_FETCH_LOOKED, .amid = again };
	struct rig *g = *state;

	g->wish = MFTD_FETCHED_DELETE;
	put_file(g, "a", 1000, 1);
	run(g, 6, &amid);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 1, "a", 1000, 5);
}

static void
moves(void **state)
{
	struct rig *g = *state;
	char path[300], want[300];
	uint8_t sum[32], other[32];

	g->wish = MFTD_FETCHED_MOVE;
	snprintf(path, sizeof(path), "%s/b", g->done);
	make_file(path, 10, 99, other);
	put_file(g, "a", 1000, 1);
	put_file(g, "b", 1000, 2);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	assert_int_equal(partner_names(&g->partner), 0);
	assert_int_equal(count_names(g->done), 3);
	snprintf(want, sizeof(want), "%s/a", g->done);
	sum_file(want, sum);
	assert_memory_equal(sum, g->rows[0].found.sha256, sizeof(sum));
	/* a name that is taken stays what it is */
	sum_file(path, sum);
	assert_memory_equal(sum, other, sizeof(sum));
	snprintf(want, sizeof(want), "%s/b.%s", g->done, g->rows[1].found.id);
	sum_file(want, sum);
	assert_memory_equal(sum, g->rows[1].found.sha256, sizeof(sum));
}

/* The route's folder has other words, or is another one, since it was fetched:
 * what was begun there is brought to its end there. */
static void
tidies_where_it_was_fetched(void **state)
{
	struct rig *g = *state;
	char other[128];

	put_file(g, "a", 1000, 1);
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	g->wish = MFTD_FETCHED_DELETE;
	g->rows[0].begun = true;
	snprintf(other, sizeof(other), "%s/done/.", g->partner.dir);
	g->j.directory = other;
	run(g, 1, NULL);
	assert_true(g->rows[0].forgotten);
	assert_int_equal(partner_names(&g->partner), 0);
}

/* The server says that it did, and did not: forgotten, but still there, the
 * file would come once more. */
static void
what_is_still_there_is_not_forgotten(void **state)
{
	struct rig *g = *state;

	g->wish = MFTD_FETCHED_DELETE;
	put_file(g, "a", 1000, 1);
	partner_fault(&g->partner, "-e inject=?unlink,unlinkat:retval=0");
	run(g, 2, NULL);
	partner_fault(&g->partner, "");
	assert_int_equal(g->n_rows, 1);
	assert_false(g->rows[0].forgotten);
	assert_int_equal(g->refusals, 1);
	assert_non_null(strstr(g->why, "still"));
	g->rows[0].later = 0; /* its time has come */
	run(g, 2, NULL);
	assert_true(g->rows[0].forgotten);
	assert_int_equal(g->n_rows, 1);
	assert_int_equal(partner_names(&g->partner), 0);
}

static void
grow_before_it_is_removed(void *data)
{
	struct rig *g = data;

	if (g->n_rows == 1)
		put_file(g, "a", 1001, 2);
}

/* What came under its name since is not ours to remove. */
static void
leaves_a_new_version(void **state)
{
	const struct plan amid = { .at = MFTD_MSG_FETCH_NEXT,
		.amid = grow_before_it_is_removed };
	enum mftd_fetched what;

	for (what = MFTD_FETCHED_DELETE; what <= MFTD_FETCHED_MOVE; what++) {
		struct rig *g;

		assert_int_equal(setup((void **)&g), 0);
		g->wish = what;
		put_file(g, "a", 1000, 1);
		run(g, 2, &amid);
		assert_int_equal(g->n_rows, 1);
		assert_true(g->rows[0].forgotten);
		assert_int_equal(partner_names(&g->partner), 1);
		run(g, 3, NULL);
		assert_int_equal(g->n_rows, 2);
		check_row(g, 1, "a", 1001, 2);
		teardown((void **)&g);
	}
	(void)state;
}

/* The catalog may take its time to write that it is begun. */
static void
grow_while_it_is_begun(void *data)
{
	struct rig *g = data;

	if (!g->rows[0].begun)
		put_file(g, "a", 1001, 2);
}

static void
looks_again_once_begun(void **state)
{
	const struct plan amid = { .at = MFTD_MSG_FETCH_TIDY,
		.amid = grow_while_it_is_begun };
	enum mftd_fetched what;

	for (what = MFTD_FETCHED_DELETE; what <= MFTD_FETCHED_MOVE; what++) {
		struct rig *g;

		assert_int_equal(setup((void **)&g), 0);
		g->wish = what;
		put_file(g, "a", 1000, 1);
		run(g, 2, &amid);
		assert_int_equal(g->n_rows, 1);
		assert_true(g->rows[0].begun && g->rows[0].forgotten);
		assert_int_equal(partner_names(&g->partner), 1);
		assert_int_equal(count_names(g->done), 0);
		run(g, 3, NULL);
		assert_int_equal(g->n_rows, 2);
		check_row(g, 1, "a", 1001, 2);
		assert_int_equal(partner_names(&g->partner), 0);
		teardown((void **)&g);
	}
	(void)state;
}

/* What the partner does once its server was asked to rename, which is held up.
 */
struct last {
	uint64_t size;
	unsigned seed;
	int later; /* its mtime, by so many seconds */
	bool back; /* it is another one */
};

static bool
is_asked(void *data)
{
	struct rig *g = data;

	return partner_count(&g->partner, "rename old") > 0;
}

/* Ends with 0 if it was in time. */
static pid_t
come_last(struct rig *g, const struct last *l)
{
	const struct timespec times[2] = { { .tv_sec = MTIME + l->later },
		{ .tv_sec = MTIME + l->later } };
	char path[256];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (!await(is_asked, g))
		_exit(1);
	put_file(g, "a", l->size, l->seed);
	snprintf(path, sizeof(path), "%s/a", g->partner.in);
	if (utimensat(AT_FDCWD, path, times, 0) < 0)
		_exit(1);
	_exit(count_names(g->done) == 0 ? 0 : 1);
}

/* Whether it was in time. */
static bool
play_last(struct rig *g, const struct last *l)
{
	int status;
	pid_t pid;

	g->wish = MFTD_FETCHED_MOVE;
	put_file(g, "a", 1000, 1);
	partner_fault(&g->partner, "-e inject=?link,linkat:delay_enter=3s");
	pid = come_last(g, l);
	run(g, 2, NULL);
	partner_fault(&g->partner, "");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

/* Another file that came in the last moment is moved back, and fetched; the
 * same with another time stays. */
static void
moves_back_what_came_last(void **state)
{
	static const struct last cases[] = { { 1001, 2, 0, true },
		{ 1000, 2, 1, true }, { 1000, 1, 1, false } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct last *l = &cases[i];
		struct rig *g;
		bool in_time;
		int tries = 0;

		do {
			assert_true(tries++ < 9);
			assert_int_equal(setup((void **)&g), 0);
			in_time = play_last(g, l);
			if (!in_time)
				teardown((void **)&g);
		} while (!in_time);
		assert_true(g->rows[0].forgotten);
		assert_int_equal(partner_names(&g->partner), l->back);
		assert_int_equal(count_names(g->done), !l->back);
		run(g, 3, NULL);
		assert_int_equal(g->n_rows, 1 + l->back);
		if (l->back)
			check_row(g, 1, "a", l->size, l->seed);
		assert_int_equal(partner_names(&g->partner), 0);
		assert_int_equal(count_names(g->done), 1);
		teardown((void **)&g);
	}
}

static bool
is_asked_back(void *data)
{
	struct rig *g = data;

	return partner_count(&g->partner, "rename old") > 1;
}

/* Another file comes in the last moment, and a third one before that is moved
 * back.  Ends with 0 if both were in time. */
static pid_t
come_twice(struct rig *g)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	if (!await(is_asked, g))
		_exit(1);
	put_file(g, "a", 1001, 2);
	if (count_names(g->done) != 0 || !await(is_asked_back, g))
		_exit(1);
	put_file(g, "a", 1002, 3);
	_exit(count_names(g->done) == 1 ? 0 : 1);
}

/* Whether they were. */
static bool
play_twice(struct rig *g)
{
	int status;
	pid_t pid;

	g->wish = MFTD_FETCHED_MOVE;
	put_file(g, "a", 1000, 1);
	partner_fault(&g->partner,
	    "-e inject=?link,linkat,?rename,renameat,renameat2:delay_enter=3s");
	pid = come_twice(g);
	run(g, 2, NULL);
	partner_fault(&g->partner, "");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

/* The third one keeps the name, and is fetched; the other one stays where it
 * was moved to, whole. */
static void
leaves_its_name_to_a_third(void **state)
{
	struct rig *g = NULL;
	bool in_time = false;
	uint8_t sum[32], want[32];
	char path[300];
	int tries = 0;

	(void)state;
	while (!in_time) {
		assert_true(tries++ < 9);
		assert_int_equal(setup((void **)&g), 0);
		in_time = play_twice(g);
		if (!in_time)
			teardown((void **)&g);
	}
	assert_true(g->rows[0].forgotten);
	assert_int_equal(partner_names(&g->partner), 1);
	assert_int_equal(count_names(g->done), 1);
	snprintf(path, sizeof(path), "%s/a", g->done);
	sum_file(path, sum);
	snprintf(path, sizeof(path), "%s/same", g->partner.dir);
	make_file(path, 1001, 2, want);
	assert_memory_equal(sum, want, sizeof(sum));
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 1, "a", 1002, 3);
	assert_int_equal(partner_names(&g->partner), 0);
	assert_int_equal(count_names(g->done), 2);
	teardown((void **)&g);
}

/* The row says BEGUN, and an equal file is there: one that has other bytes is
 * another one. */
static void
begun_and_replaced(void **state)
{
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	run(g, 2, NULL);
	g->wish = MFTD_FETCHED_DELETE;
	g->rows[0].begun = true;
	put_file(g, "a", 1000, 2);
	run(g, 1, NULL);
	assert_true(g->rows[0].forgotten);
	assert_int_equal(partner_names(&g->partner), 1);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 1, "a", 1000, 2);
}

static void
tells_what_does_not_work(void **state)
{
	struct rig *g = *state;
	char gone[200];

	snprintf(gone, sizeof(gone), "%s/none", g->partner.dir);
	g->j.directory = gone;
	run(g, 1, NULL);
	assert_int_equal(g->look_err, -ENOENT);
	assert_non_null(strstr(g->why, "opendir"));
	g->j.directory = g->partner.in;
	put_file(g, "a", 1000, 1);
	g->wish = MFTD_FETCHED_MOVE;
	snprintf(g->done, sizeof(g->done), "%s/none", g->partner.dir);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 1);
	assert_int_equal(g->refusals, 1);
	assert_int_equal(g->look_err, 0);
	assert_int_equal(partner_names(&g->partner), 1);
}

/* Nothing is trusted on first use, and a call in vain is outbound's to repeat.
 */
static void
wrong_host_key(void **state)
{
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	g->partner.host_keys[0] = g->partner.other_key;
	run(g, 2, NULL);
	assert_int_equal(g->calls, 1);
	assert_int_equal(g->call_err, -MFTD_E_PARTNER_KEY);
	assert_int_equal(g->looks, 0);
	assert_int_equal(g->n_rows, 0);
}

/* ---- killed */

/* All came once, nothing is left over; what was to go has gone. */
static void
check_end(struct rig *g, const char *label)
{
	run(g, 4, NULL);
	if (g->n_rows != 2 || !g->rows[0].forgotten || !g->rows[1].forgotten)
		fail_msg("%s: %d rows: %s", label, g->n_rows, g->why);
	check_row(g, 0, "a", 300000, 1);
	check_row(g, 1, "b", 1000, 2);
	assert_int_equal(count_names(g->out), 2);
	assert_int_equal(count_names(g->staged), 0);
	assert_int_equal(partner_names(&g->partner), 0);
	if (g->wish == MFTD_FETCHED_MOVE)
		assert_int_equal(count_names(g->done), 2);
}

static void
killed_at_each_message(void **state)
{
	static const uint32_t events[] = { MFTD_MSG_FETCH_CALLED,
		MFTD_MSG_FETCH_ASK, MFTD_MSG_FETCH_FOUND, MFTD_MSG_FETCH_TIDY,
		MFTD_MSG_FETCH_LOOKED };
	struct plan plan;
	char label[64];
	struct rig *g;
	size_t i;
	int wish;

	(void)state;
	for (i = 0; i < 5 * 3 * 2; i++) {
		plan = (struct plan) { .at = events[i % 5],
			.moment = (enum moment)(i / 5 % 3) };
		wish = i < 15 ? MFTD_FETCHED_DELETE : MFTD_FETCHED_MOVE;
		assert_int_equal(setup((void **)&g), 0);
		g->wish = (enum mftd_fetched)wish;
		put_file(g, "a", 300000, 1);
		put_file(g, "b", 1000, 2);
		assert_true(run(g, 4, &plan));
		assert_true(partner_await_idle(&g->partner));
		snprintf(label, sizeof(label), "event %zu, moment %zu, wish %d",
		    i % 5, i / 5 % 3, wish);
		check_end(g, label);
		teardown((void **)&g);
	}
}

/* The partner's server is killed at each of its calls that count. */
static void
server_killed_at_each_call(void **state)
{
	static const char *const calls[] = { "openat,open", "read,pread64",
		"?getdents64,?getdents", "fstat,newfstatat,?lstat", "close",
		"?link,linkat", "?unlink,unlinkat" };
	char fault[128], label[160];
	struct rig *g;
	size_t i;
	int n, step, wish;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		step = i < 5 ? 6 : 1;
		for (n = 1; n < 40; n += step) {
			wish = i == 5 || n % 2 == 0 ? MFTD_FETCHED_MOVE
						    : MFTD_FETCHED_DELETE;
			if (i >= 5 && n > 2)
				break;
			assert_int_equal(setup((void **)&g), 0);
			g->wish = i == 6 && n == 2 ? MFTD_FETCHED_MOVE
						   : (enum mftd_fetched)wish;
			put_file(g, "a", 300000, 1);
			put_file(g, "b", 1000, 2);
			snprintf(fault, sizeof(fault),
			    "-e inject=%s:signal=KILL:when=%d", calls[i], n);
			run(g, 1, NULL);
			partner_fault(&g->partner, fault);
			run(g, 2, NULL);
			partner_fault(&g->partner, "");
			assert_true(partner_await_idle(&g->partner));
			for (struct row *r = g->rows; r < g->rows + ROWS_MAX;
			     r++)
				r->later = 0; /* their time has come */
			snprintf(label, sizeof(label), "%s %d", calls[i], n);
			check_end(g, label);
			teardown((void **)&g);
		}
	}
}

int
main(int argc, char *argv[])
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(brings_what_is_stable),
		T(written_back_meanwhile),
		T(goes_on_behind_what_is_refused),
		T(goes_on_behind_its_size),
		T(takes_regular_files_that_match),
		T(a_changed_file_is_another_one),
		T(changed_before_it_is_read),
		T(changed_while_it_is_read),
		T(answers_with_too_much),
		T(deletes_and_forgets),
		T(forgets_in_one_life),
		T(moves),
		cmocka_unit_test(leaves_a_new_version),
		cmocka_unit_test(looks_again_once_begun),
		cmocka_unit_test(moves_back_what_came_last),
		cmocka_unit_test(leaves_its_name_to_a_third),
		T(begun_and_replaced),
		T(tidies_where_it_was_fetched),
		T(what_is_still_there_is_not_forgotten),
		T(tells_what_does_not_work),
		T(wrong_host_key),
		cmocka_unit_test(killed_at_each_message),
		cmocka_unit_test(server_killed_at_each_call),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
