/* Part of mftd; see LICENSE. */
/*
 * Temporary names of a partner's convention, against a real OpenSSH: whatever
 * comes to stand there of others is neither published, nor removed, nor written
 * to, whenever it comes.
 */
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "mftd/outbound/names.h"
#include "mftd/outbound/temp.h"
#include "tests/unit/outbound/player.h"

#define SIZE 300000
#define BIG (48 * 1024 * 1024)
#define NAME "report.csv"
#define TEMP NAME ".part"
#define OTHERS_SEED 99

static const struct plan calm = { .at = NEVER };

static struct mftd_delivery *
prepare(struct world *w, uint64_t size)
{
	struct mftd_delivery *d = &w->d[0];

	prepare_one(w, 0, NAME, size);
	strcpy(d->at.temp_suffix, ".part");
	d->tries = 1;
	return d;
}

static const char *
path_of(struct world *w, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", w->partner.in, name);
	return path;
}

/* What another delivery brings there, by a rename over what there is; of its
 * times mtime 0: as they come. */
static void
put_other(struct world *w, uint64_t size, uint32_t mtime)
{
	struct timespec times[2] = { { .tv_sec = (time_t)mtime - 1 },
		{ .tv_sec = (time_t)mtime } };
	char from[128];
	uint8_t sum[32];

	snprintf(from, sizeof(from), "%s/other", w->partner.dir);
	make_file(from, size, OTHERS_SEED, sum);
	if (mtime != 0)
		assert_int_equal(utimensat(AT_FDCWD, from, times, 0), 0);
	assert_int_equal(rename(from, path_of(w, TEMP)), 0);
}

static void
assert_other_is_there(struct world *w, uint64_t size)
{
	uint8_t want[32], now[32];
	char path[128];

	snprintf(path, sizeof(path), "%s/other", w->partner.dir);
	make_file(path, size, OTHERS_SEED, want);
	unlink(path);
	assert_true(partner_has(&w->partner, TEMP));
	sum_file(path_of(w, TEMP), now);
	assert_memory_equal(now, want, sizeof(now));
	assert_int_equal(partner_names(&w->partner), 1);
}

static void
assert_source_is_there(struct world *w)
{
	uint8_t now[32];

	assert_int_equal(w->d[0].state, MFTD_DELIVERY_DELIVERED);
	sum_file(path_of(w, NAME), now);
	assert_memory_equal(now, w->d[0].sha256, sizeof(now));
	assert_int_equal(partner_names(&w->partner), 1);
}

static void
assert_waits(struct world *w, const char *words)
{
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_WAITING);
	if (strstr(w->last_text, words) == NULL)
		print_message("last words: %s\n", w->last_text);
	assert_non_null(strstr(w->last_text, words));
	assert_int_equal(w->d[0].has.temp_try, 0);
}

/* It waits as long as that is there, and not longer. */
static void
assert_goes_on_later(struct world *w, uint64_t size)
{
	w->d[0].state = MFTD_DELIVERY_CLAIMED;
	w->d[0].tries++;
	run_once(w, &calm);
	assert_waits(w, "not known to be its own");
	assert_other_is_there(w, size);
	assert_int_equal(unlink(path_of(w, TEMP)), 0);
	run_to_end(w, NULL);
	assert_source_is_there(w);
}

/* ---- while it is sent */

static bool
is_whole(void *data)
{
	struct stat st;

	return stat(path_of(data, TEMP), &st) == 0 && st.st_size == SIZE;
}

/* Runs one try, whose file is replaced when all of it is written, and the
 * server at its fsync. */
static void
run_replaced(struct world *w, const char *fault, uint64_t size, uint32_t mtime)
{
	int status;
	pid_t pid;

	partner_fault(&w->partner, fault);
	pid = fork();
	if (pid == 0) {
		if (!await(is_whole, w))
			_exit(1);
		put_other(w, size, mtime);
		_exit(0);
	}
	run_once(w, &calm);
	partner_fault(&w->partner, "");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_replaced(void **state)
{
	struct world *w = *state;

	prepare(w, SIZE);
	run_replaced(w, "-e inject=fsync:delay_enter=3s", SIZE, 0);
	assert_waits(w, "not what was sent");
	assert_other_is_there(w, SIZE);
	assert_goes_on_later(w, SIZE);
}

static void
set_source_time(struct world *w, uint32_t mtime)
{
	struct timespec times[2] = { { .tv_sec = (time_t)mtime },
		{ .tv_sec = (time_t)mtime } };
	char path[512];

	snprintf(
	    path, sizeof(path), "%s/.mft/out/%s", w->volume, w->d[0].receipt);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* By one that looks the same: of the same size, and both have the time that
 * their sources had. */
static void
test_replaced_by_its_like(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, SIZE);

	d->at.preserve = 1;
	set_source_time(w, 1234567890);
	run_replaced(w, "-e inject=fsync:delay_enter=3s", SIZE, 1234567890);
	assert_waits(w, "not what was sent");
	assert_other_is_there(w, SIZE);
}

/* And then its own try fails, so that it would tidy up. */
static void
test_replaced_and_failed(void **state)
{
	struct world *w = *state;

	prepare(w, SIZE);
	run_replaced(w, "-e inject=fsync:error=EIO:delay_enter=3s", 1000, 0);
	assert_waits(w, "fsync");
	assert_other_is_there(w, 1000);
	assert_goes_on_later(w, 1000);
}

/* ---- before its rename */

static void
replace(struct world *w)
{
	w->amid = NULL;
	put_other(w, SIZE, 0);
}

static void
test_replaced_before_rename(void **state)
{
	struct world *w = *state;

	prepare(w, SIZE);
	w->amid = replace;
	run_once(w, &calm);
	assert_waits(w, "not what was sent");
	assert_other_is_there(w, SIZE);
	assert_goes_on_later(w, SIZE);
}

/* Or somebody has cancelled it by then. */
static void
test_replaced_and_cancelled(void **state)
{
	struct world *w = *state;

	prepare(w, SIZE);
	w->amid = replace;
	w->let_alone = 1;
	w->cancelled = true;
	run_once(w, &calm);
	assert_other_is_there(w, SIZE);
}

/* ---- after a try that was cut */

/* Its row says that it was about to write there. */
static void
begin(struct world *w)
{
	static const struct plan plan = { .at = MFTD_EVENT_BEGIN,
		.moment = AFTER_ROW };

	run_once(w, &plan);
	assert_int_equal(w->d[0].has.temp_try, 1);
	w->d[0].state = MFTD_DELIVERY_CLAIMED;
	w->d[0].tries++;
}

/* Empty, or the source's very beginning, or all of it. */
static void
test_beginning_of_others(void **state)
{
	static const uint64_t sizes[] = { 0, 1000, SIZE };
	uint8_t sum[32], now[32];
	struct world *w;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		prepare(w, SIZE);
		begin(w);
		make_file(path_of(w, TEMP), sizes[i], 7, sum);
		run_once(w, &calm);
		assert_waits(w, "not known to be its own");
		sum_file(path_of(w, TEMP), now);
		assert_memory_equal(now, sum, sizeof(now));
		assert_int_equal(partner_names(&w->partner), 1);
		world_teardown((void **)&w);
	}
}

static bool
is_half_sent(void *data)
{
	struct stat st;

	return stat(path_of(data, TEMP), &st) == 0 && st.st_size >= BIG / 2;
}

static bool
server_ended(void *data)
{
	struct world *w = data;

	return partner_idle(&w->partner);
}

static void
cut_in_sending(struct world *w)
{
	static const struct plan cut = { .at = MFTD_EVENT_BEGIN,
		.moment = AFTER_ANSWER,
		.cond = is_half_sent };

	run_once(w, &cut);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_SENDING);
	assert_true(await(server_ended, w));
	w->d[0].state = MFTD_DELIVERY_WAITING;
}

/* Its own is known, and makes way. */
static void
test_own_is_removed(void **state)
{
	struct world *w = *state;

	prepare(w, BIG);
	cut_in_sending(w);
	run_to_end(w, NULL);
	assert_source_is_there(w);
	assert_int_equal(w->d[0].tries, 2);
	assert_int_equal(partner_count(&w->partner, "remove name"), 1);
}

/* Or is gone on with. */
static void
test_own_is_resumed(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, BIG);

	d->at.resume = 1;
	cut_in_sending(w);
	run_to_end(w, NULL);
	assert_source_is_there(w);
	assert_int_equal(d->tries, 2);
	assert_int_equal(d->has.temp_try, 1);
	assert_int_equal(partner_count(&w->partner, "remove name"), 0);
}

/* What is not its beginning is not gone on with, but it is its own: it was cut,
 * and a reader changed nothing. */
static void
test_own_is_not_resumed(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, BIG);
	struct timespec times[2];
	struct stat st;
	int fd;

	d->at.resume = 1;
	cut_in_sending(w);
	fd = open(path_of(w, TEMP), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(pwrite(fd, "\0\1\2\3\4\5\6\7", 8,
			     st.st_size - MFTD_RESUME_BACK_BYTES - 1000),
	    8);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
	run_to_end(w, NULL);
	assert_source_is_there(w);
	assert_int_equal(d->tries, 2);
}

/* A beginning of it that is another's, and came when it was looked at. */
static void
replace_by_beginning(struct world *w)
{
	char from[128];
	uint8_t sum[32];

	w->amid = NULL;
	snprintf(from, sizeof(from), "%s/other", w->partner.dir);
	make_file(from, BIG / 2, 7, sum);
	assert_int_equal(rename(from, path_of(w, TEMP)), 0);
}

static void
test_others_are_not_resumed(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, BIG);
	struct stat st;

	d->at.resume = 1;
	cut_in_sending(w);
	d->state = MFTD_DELIVERY_CLAIMED;
	d->tries++;
	w->amid = replace_by_beginning;
	w->amid_begin = true;
	run_once(w, &calm);
	assert_waits(w, "its own no more");
	assert_int_equal(stat(path_of(w, TEMP), &st), 0);
	assert_int_equal(st.st_size, BIG / 2);
	assert_int_equal(partner_names(&w->partner), 1);
}

/* Its owner is killed before its rename, and the server does not let anybody
 * take back that he read it: what that leaves is no reader's trace. */
static void
test_preserved_and_killed(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ROW };
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, SIZE);
	int i;

	d->at.preserve = 1;
	set_source_time(w, 1234567890);
	run_once(w, &plan);
	assert_int_equal(d->state, MFTD_DELIVERY_PUBLISHING);
	assert_int_equal(d->mtime, 0);
	/* the first sets those of the witness (traces.h) */
	partner_fault(&w->partner, "-e inject=utimensat:error=EPERM:when=2+");
	for (i = 0; i < 4; i++) {
		w->settled = i == 3;
		run_once(w, &calm);
	}
	partner_fault(&w->partner, "");
	assert_source_is_there(w);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
}

/* ---- a server that does not keep times */

/* There the content proves it. */
static void
test_no_times(void **state)
{
	struct world *w = *state;

	prepare(w, SIZE);
	partner_fault(&w->partner, "-e inject=?utimensat,?utimes:error=EPERM");
	run_once(w, &calm);
	assert_source_is_there(w);
	assert_int_equal(w->d[0].has.verified, MFTD_VERIFIED_READ);
}

/* And what it does not prove stays. */
static void
test_no_times_and_replaced(void **state)
{
	struct world *w = *state;

	prepare(w, SIZE);
	run_replaced(w,
	    "-e inject=?utimensat,?utimes:error=EPERM "
	    "-e inject=fsync:delay_enter=3s",
	    SIZE, 0);
	assert_waits(w, "not what was sent");
	assert_other_is_there(w, SIZE);
}

static bool
is_read_again(void *data)
{
	const struct world *w = data;

	return partner_count(&w->partner, TEMP "\" flags READ") >= 2;
}

/* Somebody reads it. */
static void
touch(struct world *w)
{
	const struct timespec times[2] = { { .tv_sec = 1234567890 },
		{ .tv_nsec = UTIME_OMIT } };

	w->amid = NULL;
	assert_int_equal(utimensat(AT_FDCWD, path_of(w, TEMP), times, 0), 0);
}

/* Nor what comes there while that is read once more. */
static void
test_no_times_and_replaced_amid(void **state)
{
	struct world *w = *state;
	char fault[192];
	int status;
	pid_t pid;

	prepare(w, SIZE);
	snprintf(fault, sizeof(fault),
	    "-P %s -e inject=?utimensat,?utimes:error=EPERM "
	    "-e inject=pread64,read:delay_enter=50ms",
	    path_of(w, TEMP));
	partner_fault(&w->partner, fault);
	w->amid = touch;
	pid = fork();
	if (pid == 0) {
		if (!await(is_read_again, w))
			_exit(1);
		put_other(w, SIZE, 1234567890);
		_exit(0);
	}
	run_once(w, &calm);
	partner_fault(&w->partner, "");
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_waits(w, "not what was sent");
	assert_other_is_there(w, SIZE);
}

/* ---- marks */

static void
test_marks(void **state)
{
	struct mftd_delivery d = { .id = "d-1", .mtime = 1500000000 };
	struct mftd_remote_attrs a = { .exists = true, .has_mtime = true };

	(void)state;
	strcpy(d.at.temp_suffix, ".part");
	a.mtime = 1500000000;
	assert_true(mftd_temp_is_marked(&d, &a));
	a.has_mtime = false;
	assert_false(mftd_temp_is_marked(&d, &a));
	a.has_mtime = true;
	a.mtime++;
	assert_false(mftd_temp_is_marked(&d, &a));
	a.atime = mftd_temp_mark(&d);
	assert_true(mftd_temp_is_marked(&d, &a));
	assert_in_range(a.atime, 1893456000, 2147483647);
	/* the source's mtime is others' too */
	d.at.preserve = 1;
	a.mtime = 1500000000;
	a.atime = mftd_delivery_atime(a.mtime);
	assert_false(mftd_temp_is_marked(&d, &a));
	a.atime = mftd_temp_atime(&d, a.mtime);
	assert_true(mftd_temp_is_marked(&d, &a));
	assert_in_range(a.atime, 1500000000 - 8 * 86400, 1500000000 - 1);
	strcpy(d.id, "d-2");
	assert_false(mftd_temp_is_marked(&d, &a));
	/* one of its own has what it always had */
	d.at.temp_suffix[0] = '\0';
	assert_int_equal(mftd_temp_atime(&d, 1500000000), 1499999999);
}

#define WITH_PARTNER(t) \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_marks),
		WITH_PARTNER(test_replaced),
		WITH_PARTNER(test_replaced_by_its_like),
		WITH_PARTNER(test_replaced_and_failed),
		WITH_PARTNER(test_replaced_before_rename),
		WITH_PARTNER(test_replaced_and_cancelled),
		cmocka_unit_test(test_beginning_of_others),
		WITH_PARTNER(test_own_is_removed),
		WITH_PARTNER(test_own_is_resumed),
		WITH_PARTNER(test_own_is_not_resumed),
		WITH_PARTNER(test_others_are_not_resumed),
		WITH_PARTNER(test_preserved_and_killed),
		WITH_PARTNER(test_no_times),
		WITH_PARTNER(test_no_times_and_replaced),
		WITH_PARTNER(test_no_times_and_replaced_amid),
	};

	if (!partner_possible())
		return 77;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	mftd_log_open("stderr", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
