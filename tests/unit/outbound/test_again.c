/* Part of mftd; see LICENSE. */
/*
 * Deliveries that a person has sent again after it was in doubt whether they
 * had arrived, to a real sshd: what is there after all does not come twice, and
 * nothing of others counts as theirs.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "tests/unit/outbound/player.h"

#define DATED 1234567890

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
assert_state(struct world *w, enum mftd_delivery_state want)
{
	if (w->d[0].state != want)
		print_message("last words: %s\n", w->last_text);
	assert_int_equal(w->d[0].state, want);
}

static void
assert_delivered(struct world *w, const char *name, int names)
{
	uint8_t sum[32];

	assert_state(w, MFTD_DELIVERY_DELIVERED);
	assert_true(partner_has(&w->partner, name));
	sum_file(path_of(w, name), sum);
	assert_memory_equal(sum, w->d[0].sha256, sizeof(sum));
	assert_int_equal(partner_names(&w->partner), names);
}

static void
date_source(struct world *w, time_t at)
{
	const struct timespec times[2] = { { .tv_sec = at }, { .tv_sec = at } };
	char path[192];

	snprintf(path, sizeof(path), "%s/.mft/out/r-1", w->volume);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Another inode than the one that was there. */
static bool
is_replaced(struct world *w, const char *name, ino_t before)
{
	struct stat st;

	assert_int_equal(stat(path_of(w, name), &st), 0);
	return st.st_ino != before;
}

/* A copy of the source at the partner, dated; its inode. */
static ino_t
put_copy(struct world *w, const char *name, time_t mtime)
{
	const struct timespec times[2] = { { .tv_sec = mtime },
		{ .tv_sec = mtime } };
	uint8_t sum[32];
	struct stat st;

	make_file(path_of(w, name), w->d[0].size, 7, sum);
	assert_memory_equal(sum, w->d[0].sha256, sizeof(sum));
	assert_int_equal(utimensat(AT_FDCWD, path_of(w, name), times, 0), 0);
	assert_int_equal(stat(path_of(w, name), &st), 0);
	return st.st_ino;
}

static struct mftd_delivery *
prepare_again(struct world *w, enum mftd_if_exists if_exists)
{
	struct mftd_delivery *d = prepare(w, 300000);

	d->at.preserve = 1;
	d->at.if_exists = if_exists;
	d->has.may_be_there = 1;
	date_source(w, DATED);
	return d;
}

/* It is there after all: that is it, whatever else is done with a name that
 * exists. */
static void
test_again_and_there(void **state)
{
	enum mftd_if_exists e;

	(void)state;
	for (e = MFTD_IF_EXISTS_FAIL; e < 2 * MFTD_IF_EXISTS_COUNT; e++) {
		struct world *w;
		ino_t before;

		assert_int_equal(world_setup((void **)&w), 0);
		prepare_again(w, e % MFTD_IF_EXISTS_COUNT);
		if (e >= MFTD_IF_EXISTS_COUNT)
			snprintf(w->d[0].at.temp_suffix,
			    sizeof(w->d[0].at.temp_suffix), ".lck");
		before = put_copy(w, "report.csv", DATED);
		run_to_end(w, NULL);
		assert_delivered(w, "report.csv", 1);
		assert_false(is_replaced(w, "report.csv", before));
		assert_int_equal(w->d[0].has.verified, MFTD_VERIFIED_READ);
		world_teardown((void **)&w);
	}
}

/* Also under the number that it had. */
static void
test_again_and_numbered(void **state)
{
	struct world *w = *state;

	prepare_again(w, MFTD_IF_EXISTS_NUMBER)->has.number = 1;
	put_other(w, "report.csv", 300000);
	put_copy(w, "report-1.csv", DATED);
	run_to_end(w, NULL);
	assert_delivered(w, "report-1.csv", 2);
	assert_int_equal(w->d[0].has.number, 1);
}

/* Other bytes, or another time, are another's, which has another number. */
static void
test_again_and_taken(void **state)
{
	struct world *w = *state;
	const struct timespec times[2] = { { .tv_sec = DATED },
		{ .tv_sec = DATED } };

	prepare_again(w, MFTD_IF_EXISTS_NUMBER);
	put_other(w, "report.csv", 300000);
	assert_int_equal(
	    utimensat(AT_FDCWD, path_of(w, "report.csv"), times, 0), 0);
	run_to_end(w, NULL);
	assert_delivered(w, "report-1.csv", 2);
	put_copy(w, "report.csv", DATED + 1);
	assert_int_equal(unlink(path_of(w, "report-1.csv")), 0);
	prepare_again(w, MFTD_IF_EXISTS_NUMBER)->has.number = 0;
	run_to_end(w, NULL);
	assert_delivered(w, "report-1.csv", 2);
}

/* Nobody can tell: it is neither replaced nor sent twice. */
static void
test_again_and_unreadable(void **state)
{
	enum mftd_if_exists e;
	char fault[600];

	(void)state;
	for (e = MFTD_IF_EXISTS_FAIL; e < MFTD_IF_EXISTS_COUNT; e++) {
		struct world *w;
		ino_t before;

		assert_int_equal(world_setup((void **)&w), 0);
		prepare_again(w, e);
		before = put_copy(w, "report.csv", DATED);
		snprintf(fault, sizeof(fault),
		    "-P %s -e inject=read,pread64:error=EIO",
		    path_of(w, "report.csv"));
		partner_fault(&w->partner, fault);
		run_to_end(w, NULL);
		assert_state(w, MFTD_DELIVERY_FAILED);
		assert_int_equal(w->last_err, -EEXIST);
		assert_int_equal(partner_names(&w->partner), 1);
		assert_false(is_replaced(w, "report.csv", before));
		world_teardown((void **)&w);
	}
}

/* A server that keeps no mtime shows another one: that is no sign of others
 * there, but the bytes are. */
static void
test_again_and_undated(void **state)
{
	struct world *w = *state;
	ino_t before;

	prepare_again(w, MFTD_IF_EXISTS_NUMBER);
	partner_fault(&w->partner, "-e inject=utimensat:retval=0");
	before = put_copy(w, "report.csv", DATED + 1000);
	run_to_end(w, NULL);
	assert_delivered(w, "report.csv", 1);
	assert_false(is_replaced(w, "report.csv", before));
	assert_int_equal(w->d[0].has.verified, MFTD_VERIFIED_READ);
	assert_int_equal(unlink(path_of(w, "report.csv")), 0);
	put_other(w, "report.csv", 300000);
	prepare_again(w, MFTD_IF_EXISTS_NUMBER);
	partner_fault(&w->partner, "-e inject=utimensat:retval=0");
	run_to_end(w, NULL);
	assert_delivered(w, "report-1.csv", 2);
}

/* One that was never in doubt has a number, though it is the same as another:
 * that is what its route wants. */
static void
test_first_and_there(void **state)
{
	struct world *w = *state;

	prepare_again(w, MFTD_IF_EXISTS_NUMBER)->has.may_be_there = 0;
	put_copy(w, "report.csv", DATED);
	run_to_end(w, NULL);
	assert_delivered(w, "report-1.csv", 2);
}

#define WITH_PARTNER(t) \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_again_and_there),
		WITH_PARTNER(test_again_and_numbered),
		WITH_PARTNER(test_again_and_taken),
		cmocka_unit_test(test_again_and_unreadable),
		WITH_PARTNER(test_again_and_undated),
		WITH_PARTNER(test_first_and_there),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
