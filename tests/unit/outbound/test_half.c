/* Part of mftd; see LICENSE. */
/*
 * A RENAME that an OpenSSH server does half, link and not unlink, and a partner
 * whose consumer takes the file before deliver looks: what it is taken by shows
 * on the temporary file, and nothing that somebody has is sent once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "tests/unit/outbound/player.h"

#define KILLED_HALF "-e inject=?unlink,unlinkat:signal=KILL"
#define KILLED_BEFORE "-e inject=?link,linkat:signal=KILL"

static const struct plan calm = { .at = NEVER };

static const char *
path_of(struct world *w, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", w->partner.in, name);
	return path;
}

/* ---- what a consumer may do with the final name */

static void
read_file(const char *path)
{
	char data[512];
	int fd = open(path, O_RDONLY);

	assert_true(fd >= 0);
	assert_true(read(fd, data, sizeof(data)) >= 0);
	close(fd);
}

static void
read_and_remove(struct world *w)
{
	read_file(path_of(w, "report.csv"));
	assert_int_equal(unlink(path_of(w, "report.csv")), 0);
}

/* Out of the directory, to be read some time. */
static void
move_away(struct world *w)
{
	char to[160];

	snprintf(to, sizeof(to), "%s/taken", w->partner.dir);
	assert_int_equal(rename(path_of(w, "report.csv"), to), 0);
}

/* And there is a new one already, of somebody else. */
static void
move_and_replace(struct world *w)
{
	uint8_t sum[32];

	move_away(w);
	make_file(path_of(w, "report.csv"), 7, 1, sum);
}

static void
remove_unread(struct world *w)
{
	assert_int_equal(unlink(path_of(w, "report.csv")), 0);
}

static void
leave_it(struct world *w)
{
}

/* ---- */

/* Where nobody's reading is noted there is nothing to see. */
static bool
notes_readers(struct world *w)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };
	const char *path = path_of(w, "witness");
	struct stat st;
	uint8_t sum[32];

	make_file(path, 10, 1, sum);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	read_file(path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(unlink(path), 0);
	return st.st_atime != 1;
}

static void
prepare(struct world *w, enum mftd_if_exists if_exists)
{
	prepare_one(w, 0, "report.csv", 300000);
	w->d[0].at.if_exists = if_exists;
	w->d[0].tries = 1;
}

/* The server dies amid its RENAME, deliver is told nothing. */
static void
die_in_rename(struct world *w, const char *fault)
{
	partner_fault(&w->partner, fault);
	run_once(w, &calm);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_PUBLISHING);
	partner_fault(&w->partner, "");
	assert_true(partner_await_idle(&w->partner));
}

static void
expect(struct world *w, enum mftd_delivery_state want, int renames)
{
	if (w->d[0].state != want)
		print_message("last words: %s\n", w->last_text);
	assert_int_equal(w->d[0].state, want);
	assert_int_equal(partner_count(&w->partner, "rename old"), renames);
}

static void
test_taken_after_half(void **state)
{
	static const struct {
		void (*take)(struct world *w);
		enum mftd_delivery_state want;
		int renames;
	} cases[] = {
		{ leave_it, MFTD_DELIVERY_DELIVERED, 1 },
		{ read_and_remove, MFTD_DELIVERY_IN_DOUBT, 1 },
		{ move_away, MFTD_DELIVERY_IN_DOUBT, 1 },
		{ move_and_replace, MFTD_DELIVERY_IN_DOUBT, 1 },
		/* nothing tells, and nobody has it twice */
		{ remove_unread, MFTD_DELIVERY_DELIVERED, 2 },
	};
	static const enum mftd_if_exists routes[] = { MFTD_IF_EXISTS_FAIL,
		MFTD_IF_EXISTS_NUMBER, MFTD_IF_EXISTS_SKIP };
	struct world *w;
	size_t i;

	for (i = 0; i < 3 * sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		if (!notes_readers(w)) {
			world_teardown((void **)&w);
			skip();
		}
		prepare(w, routes[i % 3]);
		die_in_rename(w, KILLED_HALF);
		cases[i / 3].take(w);
		run_to_end(w, NULL);
		expect(w, cases[i / 3].want, cases[i / 3].renames);
		world_teardown((void **)&w);
	}
}

/* There nobody can tell whether somebody read what is gone. */
static void
test_blind(void **state)
{
	static const char *const faults[] = { KILLED_BEFORE, KILLED_HALF };
	struct world *w;
	int i;

	/* a file system that keeps no access times: seen by nobody else, and
	 * gone with us */
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/tmp", "tmpfs", MS_NOATIME, "mode=1777") < 0)
		skip();
	setenv("TMPDIR", "/tmp", 1);
	for (i = 0; i < 2; i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		assert_false(notes_readers(w));
		prepare(w, MFTD_IF_EXISTS_FAIL);
		die_in_rename(w, faults[i]);
		if (i == 1)
			read_and_remove(w);
		run_to_end(w, NULL);
		expect(w, MFTD_DELIVERY_IN_DOUBT, 1);
		assert_int_equal(partner_names(&w->partner), 1);
		world_teardown((void **)&w);
	}
}

/* Both names were seen before the consumer removed the final one, unread: it
 * was published, whatever is there now. */
static void
test_seen_before(void **state)
{
	struct world *w = *state;

	prepare(w, MFTD_IF_EXISTS_FAIL);
	die_in_rename(w, KILLED_HALF);
	run_once(w, &calm);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_PUBLISHING);
	remove_unread(w);
	run_to_end(w, NULL);
	expect(w, MFTD_DELIVERY_IN_DOUBT, 1);
}

/* Not even begun: the file is as it was left, and renamed once more.  So are an
 * empty one, and one whose mtime is the source's. */
static void
test_not_begun(void **state)
{
	struct world *w;
	int i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		prepare(w, MFTD_IF_EXISTS_FAIL);
		if (i == 1)
			prepare_one(w, 0, "report.csv", 0);
		w->d[0].at.preserve = i == 2;
		die_in_rename(w, KILLED_BEFORE);
		run_to_end(w, NULL);
		expect(w, MFTD_DELIVERY_DELIVERED, 2);
		assert_int_equal(partner_names(&w->partner), 1);
		world_teardown((void **)&w);
	}
}

/* The times in which that is seen are those that were set. */
static void
test_preserved(void **state)
{
	struct world *w = *state;

	if (!notes_readers(w))
		skip();
	prepare(w, MFTD_IF_EXISTS_FAIL);
	w->d[0].at.preserve = 1;
	die_in_rename(w, KILLED_HALF);
	read_and_remove(w);
	run_to_end(w, NULL);
	expect(w, MFTD_DELIVERY_IN_DOUBT, 1);
}

static bool
is_linked(void *data)
{
	struct world *w = data;

	return partner_has(&w->partner, "report.csv");
}

/* The server hangs between link and unlink, deliver is gone, the consumer has
 * the file: nothing is decided, nor touched, while that server may go on. */
static void
test_hangs_half(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ANSWER,
		.cond = is_linked };
	struct world *w = *state;

	prepare(w, MFTD_IF_EXISTS_FAIL);
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_enter=3s");
	run_once(w, &plan);
	partner_fault(&w->partner, "");
	move_away(w);
	w->settled = false;
	run_once(w, &calm);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_PUBLISHING);
	assert_int_equal(w->last_err, -EAGAIN);
	assert_true(partner_await_idle(&w->partner));
	run_to_end(w, NULL);
	expect(w, MFTD_DELIVERY_IN_DOUBT, 1);
	assert_int_equal(partner_names(&w->partner), 0);
}

/* A directory that cannot be listed: nobody says how many names there are. */
static void
test_unlisted(void **state)
{
	struct world *w = *state;
	char fault[256];

	prepare(w, MFTD_IF_EXISTS_FAIL);
	die_in_rename(w, KILLED_BEFORE);
	snprintf(fault, sizeof(fault),
	    "-P %s -e inject=openat,open:error=EACCES", w->partner.in);
	partner_fault(&w->partner, fault);
	run_once(w, &calm);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_PUBLISHING);
	w->settled = true;
	run_once(w, &calm);
	expect(w, MFTD_DELIVERY_IN_DOUBT, 1);
}

/* What is in doubt the partner may have under another name: sent again it is
 * written anew, also where its route goes on with what is there. */
static void
test_sent_again(void **state)
{
	struct world *w = *state;
	struct stat before, after;
	char taken[160];

	prepare_one(w, 0, "report.csv", MFTD_RESUME_BYTES);
	w->d[0].at.resume = 1;
	w->d[0].tries = 1;
	die_in_rename(w, KILLED_HALF);
	move_away(w);
	run_to_end(w, NULL);
	expect(w, MFTD_DELIVERY_IN_DOUBT, 1);
	snprintf(taken, sizeof(taken), "%s/taken", w->partner.dir);
	assert_int_equal(stat(taken, &before), 0);
	assert_int_equal(before.st_nlink, 2);
	/* a person's wish, as the catalog takes it (suite_person.c) */
	w->d[0].state = MFTD_DELIVERY_WAITING;
	w->d[0].has.temp_try = 0;
	run_to_end(w, NULL);
	expect(w, MFTD_DELIVERY_DELIVERED, 2);
	assert_int_equal(partner_names(&w->partner), 1);
	assert_int_equal(stat(taken, &after), 0);
	assert_int_equal(after.st_nlink, 1);
	assert_int_equal(stat(path_of(w, "report.csv"), &before), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
}

/* Of a batch each has its own trace, found in one listing for all, and in two
 * more for the one that has. */
static void
test_batch(void **state)
{
	struct world *w = *state;
	char temp[256], to[160];
	uint32_t k;

	prepare_many(w, 5);
	for (k = 0; k < 5; k++)
		w->d[k].tries = 1;
	die_in_rename(w, KILLED_BEFORE);
	snprintf(temp, sizeof(temp), "%s/.mft-d-4.1.part", w->partner.in);
	snprintf(to, sizeof(to), "%s/taken", w->partner.dir);
	assert_int_equal(link(temp, to), 0);
	run_to_end(w, NULL);
	for (k = 0; k < 5; k++)
		assert_int_equal(w->d[k].state,
		    k == 3 ? MFTD_DELIVERY_IN_DOUBT : MFTD_DELIVERY_DELIVERED);
	assert_int_equal(partner_names(&w->partner), 5);
	assert_int_equal(partner_count(&w->partner, "opendir"), 3);
}

#define WITH_PARTNER(t) \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_after_half),
		WITH_PARTNER(test_seen_before),
		cmocka_unit_test(test_not_begun), WITH_PARTNER(test_preserved),
		WITH_PARTNER(test_hangs_half), WITH_PARTNER(test_unlisted),
		WITH_PARTNER(test_sent_again), WITH_PARTNER(test_batch),
		cmocka_unit_test(test_blind), /* the last: the mounts */
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
