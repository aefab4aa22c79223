/* Part of mftd; see LICENSE. */
/*
 * What routes say of names at the partner, against a real OpenSSH: names that
 * exist, temporary names, permissions and times, cut files, and what is left.
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
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/outbound/names.h"
#include "mftd/outbound/pulse.h"
#include "tests/unit/outbound/player.h"

#define BIG (48 * 1024 * 1024)

static const struct plan calm = { .at = NEVER };

static struct mftd_delivery *
prepare(struct world *w, uint64_t size)
{
	prepare_one(w, 0, "report.csv", size);
	return &w->d[0];
}

static const char *
path_of(struct world *w, const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", w->partner.in, name);
	return path;
}

/* A file of others at the partner. */
static void
put_other(struct world *w, const char *name, uint64_t size)
{
	uint8_t sum[32];

	make_file(path_of(w, name), size, 99, sum);
}

static void
copy_source(struct world *w, const char *name)
{
	uint8_t sum[32];

	make_file(path_of(w, name), w->d[0].size, 7, sum);
	assert_memory_equal(sum, w->d[0].sha256, 32);
}

static void
assert_is_source(struct world *w, const char *name, bool yes)
{
	uint8_t sum[32];

	assert_true(partner_has(&w->partner, name));
	sum_file(path_of(w, name), sum);
	assert_int_equal(memcmp(sum, w->d[0].sha256, 32) == 0, yes);
}

static void
assert_state(struct world *w, enum mftd_delivery_state want)
{
	if (w->d[0].state != want)
		print_message("last words: %s\n", w->last_text);
	assert_int_equal(w->d[0].state, want);
}

static void
assert_delivered(struct world *w, const char *name, int names)
{
	assert_state(w, MFTD_DELIVERY_DELIVERED);
	assert_is_source(w, name, true);
	assert_int_equal(partner_names(&w->partner), names);
}

/* ---- names that exist */

static void
test_overwrite(void **state)
{
	struct world *w = *state;

	prepare(w, 5000)->at.if_exists = MFTD_IF_EXISTS_OVERWRITE;
	put_other(w, "report.csv", 700);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(partner_count(&w->partner, "posix-rename old"), 1);
	assert_int_equal(w->d[0].has.verified, MFTD_VERIFIED_SIZE);
}

/* Killed around the rename: replaced once, whatever was there before. */
static void
test_overwrite_killed(void **state)
{
	struct plan plan = { .at = MFTD_EVENT_PUBLISH };
	struct world *w;
	int m;

	for (m = BEFORE_ROW; m <= AFTER_ANSWER; m++) {
		assert_int_equal(world_setup((void **)&w), 0);
		prepare(w, 300000)->at.if_exists = MFTD_IF_EXISTS_OVERWRITE;
		put_other(w, "report.csv", 300000);
		plan.moment = (enum moment)m;
		run_to_end(w, &plan);
		assert_delivered(w, "report.csv", 1);
		assert_in_range(
		    partner_count(&w->partner, "posix-rename old"), 1, 2);
		world_teardown((void **)&w);
	}
}

static bool
temp_is_gone(void *data)
{
	struct world *w = data;

	return partner_has(&w->partner, "report.csv") &&
	    partner_names(&w->partner) == 1;
}

static const struct plan answer_lost = {
	.at = MFTD_EVENT_PUBLISH, .moment = AFTER_ANSWER, .cond = temp_is_gone
};

/* Overwritten, the answer lost, and then overwritten by others: that proves
 * nothing. */
static void
test_overwritten_by_others(void **state)
{
	struct world *w = *state;

	prepare(w, 300000)->at.if_exists = MFTD_IF_EXISTS_OVERWRITE;
	w->d[0].tries = 1;
	put_other(w, "report.csv", 700);
	partner_fault(&w->partner, "-e inject=?rename,renameat2:delay_exit=3s");
	run_once(w, &answer_lost);
	put_other(w, "report.csv", 800);
	partner_fault(&w->partner, "");
	run_to_end(w, NULL);
	assert_state(w, MFTD_DELIVERY_IN_DOUBT);
	assert_is_source(w, "report.csv", false);
}

static void
test_number(void **state)
{
	struct world *w = *state;

	prepare(w, 5000)->at.if_exists = MFTD_IF_EXISTS_NUMBER;
	put_other(w, "report.csv", 5000);
	put_other(w, "report-1.csv", 5000);
	run_to_end(w, NULL);
	assert_delivered(w, "report-2.csv", 3);
	assert_is_source(w, "report.csv", false);
	assert_int_equal(w->d[0].has.number, 2);
	/* found before the rename, not by its refusals */
	assert_int_equal(w->events[MFTD_EVENT_PUBLISH], 1);
}

/* Of one batch nobody sees the other's name before its own rename. */
static void
test_number_of_one_batch(void **state)
{
	struct world *w = *state;
	uint32_t k;

	for (k = 0; k < 5; k++) {
		prepare_one(w, k, "same", 1000 + k);
		w->d[k].at.if_exists = MFTD_IF_EXISTS_NUMBER;
	}
	run_to_end(w, NULL);
	for (k = 0; k < 5; k++)
		assert_int_equal(w->d[k].state, MFTD_DELIVERY_DELIVERED);
	assert_int_equal(partner_names(&w->partner), 5);
	assert_true(partner_has(&w->partner, "same"));
	assert_true(partner_has(&w->partner, "same-4"));
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 0);
	/* the row had the number before each rename: 5, then 4 anew, … */
	assert_int_equal(w->events[MFTD_EVENT_PUBLISH], 5 + 4 + 3 + 2 + 1);
}

static void
test_no_number_left(void **state)
{
	struct world *w = *state;
	char name[32];
	int i;

	prepare(w, 100)->at.if_exists = MFTD_IF_EXISTS_NUMBER;
	put_other(w, "report.csv", 1);
	for (i = 1; i <= MFTD_NUMBER_MAX; i++) {
		snprintf(name, sizeof(name), "report-%d.csv", i);
		put_other(w, name, 1);
	}
	run_to_end(w, NULL);
	assert_state(w, MFTD_DELIVERY_FAILED);
	assert_int_equal(w->last_err, -EEXIST);
	assert_int_equal(partner_names(&w->partner), MFTD_NUMBER_MAX + 1);
}

/* The same file is there: it is compared, and nothing is sent. */
static void
test_skip(void **state)
{
	struct world *w = *state;

	prepare(w, 3 * 1024 * 1024 + 5)->at.if_exists = MFTD_IF_EXISTS_SKIP;
	copy_source(w, "report.csv");
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(w->d[0].has.skipped, 1);
	assert_int_equal(w->d[0].has.verified, MFTD_VERIFIED_READ);
	assert_int_equal(partner_count(&w->partner, ".part"), 0);
	assert_int_equal(partner_count(&w->partner, "rename old"), 0);
}

static void
test_skip_of_another(void **state)
{
	struct world *w = *state;

	prepare(w, 5000)->at.if_exists = MFTD_IF_EXISTS_SKIP;
	put_other(w, "report.csv", 5000);
	run_to_end(w, NULL);
	assert_state(w, MFTD_DELIVERY_FAILED);
	assert_int_equal(w->last_err, -EEXIST);
	assert_is_source(w, "report.csv", false);
	assert_int_equal(partner_names(&w->partner), 1);
}

/* It was the same, and the partner took it before its row said so: no rename
 * was asked for, so nothing is in doubt, and it is sent. */
static void
test_skipped_and_gone(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ROW };
	struct world *w = *state;

	prepare(w, 5000)->at.if_exists = MFTD_IF_EXISTS_SKIP;
	w->d[0].tries = 1;
	copy_source(w, "report.csv");
	run_once(w, &plan);
	assert_state(w, MFTD_DELIVERY_PUBLISHING);
	assert_int_equal(unlink(path_of(w, "report.csv")), 0);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(w->d[0].has.skipped, 0);
}

/* ---- temporary names of a convention */

static void
test_suffix(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, 300000);

	strcpy(d->at.temp_suffix, ".filepart");
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(
	    partner_count(&w->partner, "report.csv.d-1.1.filepart\" flags"), 1);
}

static void
test_directory(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, 300000);
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/tmp", w->partner.dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(d->at.temp_directory, sizeof(d->at.temp_directory), "%s", dir);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(
	    partner_count(&w->partner, "tmp/.mft-d-1.1.part\" flags"), 1);
	assert_int_equal(rmdir(dir), 0);
}

/* The file has another temporary one's name: nothing is sent. */
static void
test_suffix_of_a_file(void **state)
{
	struct world *w = *state;

	prepare_one(w, 0, "s.new", 5000);
	strcpy(w->d[0].at.temp_suffix, ".new");
	run_to_end(w, NULL);
	assert_state(w, MFTD_DELIVERY_FAILED);
	assert_non_null(strstr(w->last_text, "temporary names of its route"));
	assert_int_equal(partner_names(&w->partner), 0);
}

/* The directory itself, by another path: it is hidden there. */
static void
test_directory_itself(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, 300000);
	char link[128];

	snprintf(link, sizeof(link), "%s/link", w->partner.dir);
	assert_int_equal(symlink(w->partner.in, link), 0);
	snprintf(
	    d->at.temp_directory, sizeof(d->at.temp_directory), "%s", link);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(
	    partner_count(&w->partner, "link/.mft-d-1.1.part\" flags"), 1);
}

static void
test_suffix_killed_anywhere(void **state)
{
	static const enum mftd_delivery_event at[] = { MFTD_EVENT_BEGIN,
		MFTD_EVENT_PUBLISH, MFTD_EVENT_DELIVERED };
	struct plan plan = { 0 };
	struct world *w;
	int i, m;

	for (i = 0; i < 3; i++)
		for (m = BEFORE_ROW; m <= AFTER_ANSWER; m++) {
			assert_int_equal(world_setup((void **)&w), 0);
			strcpy(prepare(w, 300000)->at.temp_suffix, ".part");
			plan.at = at[i];
			plan.moment = (enum moment)m;
			w->d[0].tries = 1;
			run_once(w, &plan);
			assert_true(partner_await_idle(&w->partner));
			next_round(w);
			run_to_end(w, NULL);
			assert_delivered(w, "report.csv", 1);
			world_teardown((void **)&w);
		}
}

/* ---- a connection that breaks */

/* It breaks at the removal of one's temporary name, when the other is about to
 * be renamed: that one is looked at again, and soon. */
static void
test_lost_while_examined(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ROW };
	struct world *w = *state;
	char temp[512];

	prepare_many(w, 2);
	w->d[0].tries = w->d[1].tries = 1;
	run_once(w, &plan);
	assert_state(w, MFTD_DELIVERY_PUBLISHING);
	snprintf(temp, sizeof(temp), "%s/.mft-d-1.1.part", w->partner.in);
	assert_int_equal(link(temp, path_of(w, "f0")), 0);
	w->settled = true;
	/* the first is that of the file that was read to see a trace */
	partner_fault(
	    &w->partner, "-e inject=?unlink,unlinkat:signal=KILL:when=2");
	run_once(w, &calm);
	assert_state(w, MFTD_DELIVERY_DELIVERED);
	assert_int_equal(w->d[1].state, MFTD_DELIVERY_PUBLISHING);
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 1);
	partner_fault(&w->partner, "");
	run_to_end(w, NULL);
	assert_int_equal(w->d[1].state, MFTD_DELIVERY_DELIVERED);
	assert_true(partner_has(&w->partner, "f1"));
}

/* ---- permissions and times */

static void
test_mode(void **state)
{
	struct world *w = *state;
	struct stat st;

	prepare(w, 5000)->at.mode = 0437;
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(stat(path_of(w, "report.csv"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0437);
	assert_int_equal(st.st_mtime, 1500000000);
}

static void
date_source(struct world *w, time_t at)
{
	const struct timespec times[2] = { { .tv_sec = at }, { .tv_sec = at } };
	char path[192];

	snprintf(path, sizeof(path), "%s/.mft/out/r-1", w->volume);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* The time is not this delivery's alone, so after a crash its content proves
 * that it arrived. */
static void
test_preserve(void **state)
{
	struct world *w = *state;
	struct stat st;

	prepare(w, 300000)->at.preserve = 1;
	date_source(w, 1234567890);
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_exit=3s");
	run_to_end(w, &answer_lost);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(stat(path_of(w, "report.csv"), &st), 0);
	assert_int_equal(st.st_mtime, 1234567890);
	assert_int_equal(w->d[0].mtime, 0);
	assert_int_equal(w->d[0].has.verified, MFTD_VERIFIED_READ);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
}

static void
test_preserve_in_doubt(void **state)
{
	struct world *w = *state;

	prepare(w, 300000)->at.preserve = 1;
	w->d[0].tries = 1;
	date_source(w, 1234567890);
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_exit=3s");
	run_once(w, &answer_lost);
	put_other(w, "report.csv", 300000);
	partner_fault(&w->partner, "");
	run_to_end(w, NULL);
	assert_state(w, MFTD_DELIVERY_IN_DOUBT);
}

/* With a convention, too: what is to be renamed was just written. */
static void
test_preserve_overwrites(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, 300000);

	d->at.preserve = 1;
	d->at.if_exists = MFTD_IF_EXISTS_OVERWRITE;
	strcpy(d->at.temp_suffix, ".up");
	date_source(w, 1234567890);
	put_other(w, "report.csv", 300000);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(d->tries, 1);
}

/* A refusal that was answered leaves no doubt, wherever it was sent to. */
static void
test_preserve_refused(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, 300000);

	d->at.preserve = 1;
	strcpy(d->at.temp_suffix, ".up");
	d->tries = 1;
	date_source(w, 1234567890);
	partner_fault(&w->partner, "-e inject=?link,linkat:error=EACCES");
	run_once(w, &calm);
	partner_fault(&w->partner, "");
	assert_state(w, MFTD_DELIVERY_WAITING);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
}

/* A server may be at the rename of an earlier connection yet: the file is taken
 * from under it before the row says that nothing was published. */
static void
test_refused_behind_another(void **state)
{
	static const struct plan asked = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ROW };
	static const struct plan killed = { .at = MFTD_EVENT_REFUSED,
		.moment = BEFORE_ROW };
	struct world *w = *state;

	prepare(w, 300000);
	w->d[0].tries = 1;
	run_once(w, &asked);
	assert_int_equal(partner_names(&w->partner), 1);
	partner_fault(&w->partner, "-e inject=?link,linkat:error=EACCES");
	run_once(w, &killed);
	assert_state(w, MFTD_DELIVERY_PUBLISHING);
	assert_int_equal(partner_names(&w->partner), 0);
}

/* If that is refused it is as open as before, until it is settled. */
static void
test_not_withdrawn(void **state)
{
	static const struct plan asked = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ROW };
	struct world *w = *state;

	prepare(w, 300000);
	w->d[0].tries = 1;
	run_once(w, &asked);
	partner_fault(&w->partner,
	    "-e inject=?link,linkat,?rename,?renameat,?unlink,unlinkat:"
	    "error=EACCES");
	run_once(w, &calm);
	assert_state(w, MFTD_DELIVERY_PUBLISHING);
	w->settled = true;
	run_once(w, &calm);
	assert_state(w, MFTD_DELIVERY_IN_DOUBT);
	assert_int_equal(w->events[MFTD_EVENT_REFUSED], 0);
}

static void
fall_silent(struct world *w)
{
	partner_fall_silent(&w->partner);
}

/* A server that was asked to rename it may do so yet, and finds nothing then.
 */
static void
rename_in_silence(struct world *w, const char *suffix)
{
	strcpy(prepare(w, 300000)->at.temp_suffix, suffix);
	w->partner.p.request_s = 1;
	w->amid = fall_silent;
	w->d[0].tries = 1;
	run_once(w, &calm);
	assert_state(w, MFTD_DELIVERY_PUBLISHING);
	w->amid = NULL;
	w->partner.p.request_s = 30;
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
}

static void
test_silence(void **state)
{
	rename_in_silence(*state, "");
}

static void
test_silence_at_a_suffix(void **state)
{
	rename_in_silence(*state, ".up");
}

/* For another configuration it leaves off where nothing of it stays behind. */
static void
leave_off(struct world *w)
{
	mftd_pulse_stop(w->j.pulse, true);
}

static void
test_leaves_off(void **state)
{
	struct world *w = *state;
	struct mftd_delivery *d = prepare(w, 20000000);

	strcpy(d->at.temp_suffix, ".up");
	d->tries = 1;
	w->j.pulse = mftd_pulses_new(1);
	assert_non_null(w->j.pulse);
	w->amid = leave_off;
	w->amid_begin = true;
	run_once(w, &calm);
	assert_state(w, MFTD_DELIVERY_WAITING);
	assert_int_equal(w->last_err, -ECANCELED);
	assert_int_equal(partner_count(&w->partner, "rename old"), 0);
	assert_int_equal(partner_names(&w->partner), 0);
	mftd_pulse_stop(w->j.pulse, false);
	w->amid = NULL;
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
}

/* ---- cut files */

static const char *
temp_of(struct world *w, uint32_t tries)
{
	static char path[2 * MFTD_PATH_BYTES + 2];

	assert_int_equal(
	    mftd_deliver_temp_name(&w->d[0], tries, path, sizeof(path)), 0);
	return path;
}

static bool
half_sent(void *data)
{
	struct stat st;

	return stat(temp_of(data, 1), &st) == 0 && st.st_size >= BIG / 2;
}

static const struct plan cut = {
	.at = MFTD_EVENT_BEGIN, .moment = AFTER_ANSWER, .cond = half_sent
};

/* Else it may still write, over what a test has changed there. */
static bool
server_ended(void *data)
{
	struct world *w = data;

	return partner_idle(&w->partner);
}

/* What the last handle that wrote has written. */
static unsigned long long
last_written(struct world *w)
{
	unsigned long long n, last = 0;
	char path[128], line[1024], *at;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", w->partner.dir);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		at = strstr(line, " written ");
		n = at != NULL ? strtoull(at + 9, NULL, 10) : 0;
		last = n > 0 ? n : last;
	}
	fclose(f);
	return last;
}

static void
cut_in_sending(struct world *w, bool resume)
{
	struct mftd_delivery *d = prepare(w, BIG);

	d->at.resume = resume;
	d->tries = 1;
	run_once(w, &cut);
	assert_state(w, MFTD_DELIVERY_SENDING);
	assert_true(await(server_ended, w));
	d->state = MFTD_DELIVERY_WAITING;
}

static void
test_resume(void **state)
{
	struct world *w = *state;

	cut_in_sending(w, true);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	/* and what else is in the WRITE in which that begins */
	assert_in_range(last_written(w), 1,
	    BIG / 2 + MFTD_RESUME_BACK_BYTES + MFTD_SFTP_READ_BYTES);
	assert_int_equal(w->d[0].has.temp_try, 1);
	assert_int_equal(w->d[0].tries, 2);
}

static void
test_restart(void **state)
{
	struct world *w = *state;

	cut_in_sending(w, false);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(last_written(w), BIG);
	assert_int_equal(w->d[0].has.temp_try, 2);
}

/* Resumed at another host nothing would be known of what lies there. */
static void
test_restart_elsewhere(void **state)
{
	struct world *w = *state;

	cut_in_sending(w, true);
	strcpy(w->d[0].host, "192.0.2.1");
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(last_written(w), BIG);
}

/* A prefix that is not the source's: found where it is read back. */
static void
test_resume_of_another(void **state)
{
	struct world *w = *state;
	struct stat st;
	off_t at;
	int fd;

	cut_in_sending(w, true);
	fd = open(temp_of(w, 1), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	at = st.st_size - MFTD_RESUME_BACK_BYTES - 1000;
	assert_int_equal(pwrite(fd, "\0\1\2\3\4\5\6\7", 8, at), 8);
	close(fd);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(last_written(w), BIG);
}

/* Resumed, renamed, killed: the time proves it as ever. */
static void
test_resumed_and_killed(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_DELIVERED,
		.moment = BEFORE_ROW };
	struct world *w = *state;

	cut_in_sending(w, true);
	run_to_end(w, &plan);
	assert_delivered(w, "report.csv", 1);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
}

/* ---- what is left */

static void
cancel(struct world *w, const char *suffix)
{
	strcpy(prepare(w, 300000)->at.temp_suffix, suffix);
	strcpy(w->d[0].at.trigger, "{name}.ok");
	w->d[0].tries = 1;
	w->let_alone = 1;
	run_once(w, &calm);
	assert_int_equal(partner_names(&w->partner), 2);
	w->d[0].state = MFTD_DELIVERY_CLAIMED;
	w->d[0].tries = 2;
	w->cancelled = true;
	run_once(w, &calm);
	assert_int_equal(w->events[MFTD_EVENT_SENT], 2);
	assert_int_equal(partner_names(&w->partner), 0);
}

static void
test_cancelled(void **state)
{
	cancel(*state, "");
}

static void
test_cancelled_with_suffix(void **state)
{
	cancel(*state, ".part");
}

#define WITH_PARTNER(t) \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WITH_PARTNER(test_overwrite),
		cmocka_unit_test(test_overwrite_killed),
		WITH_PARTNER(test_overwritten_by_others),
		WITH_PARTNER(test_number),
		WITH_PARTNER(test_number_of_one_batch),
		WITH_PARTNER(test_no_number_left),
		WITH_PARTNER(test_skip),
		WITH_PARTNER(test_skip_of_another),
		WITH_PARTNER(test_skipped_and_gone),
		WITH_PARTNER(test_suffix),
		WITH_PARTNER(test_suffix_of_a_file),
		WITH_PARTNER(test_directory),
		WITH_PARTNER(test_directory_itself),
		cmocka_unit_test(test_suffix_killed_anywhere),
		WITH_PARTNER(test_lost_while_examined),
		WITH_PARTNER(test_mode),
		WITH_PARTNER(test_preserve),
		WITH_PARTNER(test_preserve_in_doubt),
		WITH_PARTNER(test_preserve_overwrites),
		WITH_PARTNER(test_preserve_refused),
		WITH_PARTNER(test_refused_behind_another),
		WITH_PARTNER(test_not_withdrawn),
		WITH_PARTNER(test_silence),
		WITH_PARTNER(test_silence_at_a_suffix),
		WITH_PARTNER(test_leaves_off),
		WITH_PARTNER(test_resume),
		WITH_PARTNER(test_restart),
		WITH_PARTNER(test_restart_elsewhere),
		WITH_PARTNER(test_resume_of_another),
		WITH_PARTNER(test_resumed_and_killed),
		WITH_PARTNER(test_cancelled),
		WITH_PARTNER(test_cancelled_with_suffix),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
