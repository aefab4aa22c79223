/* Part of mftd; see LICENSE. */
/*
 * Batches of deliveries against a real OpenSSH: one that fails hinders no
 * other, and wherever deliver, the partner's server or the connection dies,
 * each file has arrived once at the end.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
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
#include "tests/unit/outbound/player.h"

#define MANY MFTD_DELIVER_BATCH_MAX

static const struct plan calm = { .at = NEVER };

/* The k-th is there, whole, with its mark. */
static void
assert_there(struct world *w, uint32_t k)
{
	const struct mftd_delivery *d = &w->d[k];
	uint8_t sum[32];
	struct stat st;
	char path[192];

	if (d->state != MFTD_DELIVERY_DELIVERED)
		print_message("%s: last words: %s\n", d->name, w->last_text);
	assert_int_equal(d->state, MFTD_DELIVERY_DELIVERED);
	snprintf(path, sizeof(path), "%s/%s", w->partner.in, d->name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, d->size);
	assert_int_equal(st.st_mtime, 1500000000);
	sum_file(path, sum);
	assert_memory_equal(sum, d->sha256, sizeof(sum));
}

/* All n are, and nothing else is. */
static void
assert_all_there(struct world *w)
{
	uint32_t k;

	for (k = 0; k < w->n; k++)
		assert_there(w, k);
	assert_int_equal(partner_names(&w->partner), (int)w->n);
}

/* Each was renamed once; a rename more was answered with a refusal. */
static void
assert_renamed_once(struct world *w)
{
	int refused = partner_count(&w->partner, "sent status Fail") +
	    partner_count(&w->partner, "sent status No such");

	assert_in_range(partner_count(&w->partner, "rename old"), w->n,
	    (int)w->n + refused);
}

static void
test_all_arrive(void **state)
{
	struct world *w = *state;

	prepare_many(w, MANY);
	run_to_end(w, NULL);
	assert_all_there(w);
	assert_int_equal(partner_count(&w->partner, "rename old"), MANY);
	assert_int_equal(partner_count(&w->partner, "session opened"), 1);
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 0);
	assert_int_equal(w->events[MFTD_EVENT_DELIVERED], MANY);
	/* nothing comes between: one row less */
	assert_int_equal(w->events[MFTD_EVENT_SENT], 0);
}

/* One of them cannot be: the others do not notice, and it is told of with its
 * own words. */
static void
test_one_of_many(struct world *w, uint32_t k, enum mftd_delivery_state want,
    int err, const char *words)
{
	uint32_t i;

	next_round(w);
	run_once(w, &calm);
	assert_int_equal(w->d[k].state, want);
	assert_int_equal(w->errs[k], err);
	assert_non_null(strstr(w->texts[k], words));
	for (i = 0; i < w->n; i++)
		if (i != k)
			assert_there(w, i);
	assert_int_equal(partner_count(&w->partner, "session opened"), 1);
}

static void
test_one_name_exists(void **state)
{
	struct world *w = *state;
	uint8_t mine[32], after[32];
	char path[160];

	prepare_many(w, MANY);
	snprintf(path, sizeof(path), "%s/f20", w->partner.in);
	make_file(path, 3000, 99, mine);
	test_one_of_many(
	    w, 20, MFTD_DELIVERY_FAILED, -EEXIST, "the name exists");
	sum_file(path, after);
	assert_memory_equal(mine, after, sizeof(mine));
	assert_int_equal(partner_names(&w->partner), MANY);
}

static void
test_one_folder_missing(void **state)
{
	struct world *w = *state;

	prepare_many(w, MANY);
	snprintf(w->d[0].directory, sizeof(w->d[0].directory), "/no/such");
	test_one_of_many(w, 0, MFTD_DELIVERY_WAITING, -ENOENT, "No such file");
	assert_int_equal(partner_names(&w->partner), MANY - 1);
}

/* It is named: who reads "No such file" looks at its directory, and that is
 * there. */
static void
test_one_temp_directory_missing(void **state)
{
	struct world *w = *state;

	prepare_many(w, MANY);
	strcpy(w->d[0].at.temp_directory, "/no/such");
	test_one_of_many(w, 0, MFTD_DELIVERY_WAITING, -ENOENT,
	    "temp_directory: /no/such/.mft-d-1.1.part: No such file");
}

/* Nothing is renamed from one file system to another. */
static void
test_one_temp_directory_elsewhere(void **state)
{
	struct world *w = *state;
	char dir[] = "/dev/shm/mftd-XXXXXX";

	prepare_many(w, MANY);
	assert_non_null(mkdtemp(dir));
	strcpy(w->d[0].at.temp_directory, dir);
	test_one_of_many(w, 0, MFTD_DELIVERY_WAITING, -MFTD_E_PARTNER,
	    "rename from temp_directory: Failure");
	assert_int_equal(rmdir(dir), 0);
}

static void
test_one_corrupt_source(void **state)
{
	struct world *w = *state;

	prepare_many(w, MANY);
	w->d[63].sha256[5] ^= 1;
	test_one_of_many(
	    w, 63, MFTD_DELIVERY_FAILED, -MFTD_E_CORRUPT, "SHA-256");
	assert_int_equal(partner_names(&w->partner), MANY - 1);
}

static void
test_one_lost_source(void **state)
{
	struct world *w = *state;
	char path[160];

	prepare_many(w, 3);
	snprintf(path, sizeof(path), "%s/.mft/out/r-2", w->volume);
	assert_int_equal(unlink(path), 0);
	test_one_of_many(w, 1, MFTD_DELIVERY_FAILED, -ENOENT, "source");
}

/* The server does not do one of the syncs, one of the renames. */
static void
test_one_fault(void **state)
{
	static const struct {
		const char *fault;
		uint32_t k;
		const char *words;
	} cases[] = {
		{ "-e inject=fsync:error=EIO:when=9", 8, "fsync" },
		{ "-e inject=?link,linkat:error=EACCES:when=5", 4, "rename" },
	};
	struct world *w;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		prepare_many(w, 12);
		partner_fault(&w->partner, cases[i].fault);
		test_one_of_many(w, cases[i].k, MFTD_DELIVERY_WAITING,
		    -MFTD_E_PARTNER, cases[i].words);
		partner_fault(&w->partner, "");
		run_to_end(w, NULL);
		assert_all_there(w);
		world_teardown((void **)&w);
	}
}

/* outbound could not write the PUBLISH of one, for its row is somebody else's:
 * that one is not renamed. */
static void
test_one_let_alone(void **state)
{
	struct world *w = *state;

	prepare_many(w, 12);
	w->let_alone = 6;
	next_round(w);
	run_once(w, &calm);
	assert_int_equal(w->events[MFTD_EVENT_DELIVERED], 11);
	assert_int_equal(w->d[5].state, MFTD_DELIVERY_SENDING);
	assert_false(partner_has(&w->partner, "f5"));
	assert_int_equal(partner_count(&w->partner, "rename old"), 11);
}

/* The partner's server dies in one of the requests of each phase, and with it
 * the connection. */
static void
test_server_killed_anywhere(void **state)
{
	static const char *const faults[] = {
		"-e inject=openat,open:signal=KILL:when=30",
		"-e inject=lseek:signal=KILL:when=7",
		"-e inject=fsync:signal=KILL:when=7",
		"-e inject=?utimensat:signal=KILL:when=7",
		"-e inject=?lstat,newfstatat:signal=KILL:when=30",
		"-e inject=?link,linkat:signal=KILL:when=7",
		"-e inject=?unlink,unlinkat:signal=KILL:when=7",
	};
	struct world *w;
	size_t i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		prepare_many(w, 24);
		partner_fault(&w->partner, faults[i]);
		run_to_end(w, NULL);
		if (w->events[MFTD_EVENT_RETRY] == 0)
			fail_msg("%s hits nothing", faults[i]);
		assert_all_there(w);
		assert_renamed_once(w);
		world_teardown((void **)&w);
	}
}

/* kill -9 of deliver before the rows of each event, between rows and answer,
 * and right after the answer. */
static void
test_killed_anywhere(void **state)
{
	static const enum mftd_delivery_event at[] = { MFTD_EVENT_BEGIN,
		MFTD_EVENT_PUBLISH, MFTD_EVENT_DELIVERED };
	struct plan plan = { 0 };
	struct world *w;
	int i, m;

	for (i = 0; i < 3; i++)
		for (m = BEFORE_ROW; m <= AFTER_ANSWER; m++) {
			assert_int_equal(world_setup((void **)&w), 0);
			prepare_many(w, 24);
			plan.at = at[i];
			plan.moment = (enum moment)m;
			run_to_end(w, &plan);
			assert_all_there(w);
			assert_renamed_once(w);
			world_teardown((void **)&w);
		}
}

static bool
some_renamed(void *data)
{
	struct world *w = data;

	return partner_has(&w->partner, "f3");
}

/* Killed amid the renames, each of which takes the server its time: some are
 * done, one is under way, the others are not begun. */
static void
test_killed_amid_renames(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ANSWER,
		.cond = some_renamed };
	struct world *w = *state;

	prepare_many(w, 12);
	partner_fault(
	    &w->partner, "-e inject=?unlink,unlinkat:delay_exit=300ms");
	w->settled_after = 60;
	run_to_end(w, &plan);
	assert_all_there(w);
	assert_renamed_once(w);
	assert_true(w->events[MFTD_EVENT_RETRY] == 0 || w->last_err == 0 ||
	    w->last_err == -EAGAIN);
}

/* Of several phases at once: some rows are in PUBLISHING, the others new. */
static void
test_old_and_new_together(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ROW };
	struct world *w = *state;
	char name[32];
	uint32_t k;

	prepare_many(w, 8);
	next_round(w);
	run_once(w, &plan);
	for (k = 0; k < 8; k++)
		assert_int_equal(w->d[k].state, MFTD_DELIVERY_PUBLISHING);
	for (k = 8; k < 16; k++) {
		snprintf(name, sizeof(name), "f%u", k);
		prepare_one(w, k, name, 5000);
	}
	run_to_end(w, NULL);
	assert_all_there(w);
	assert_int_equal(partner_count(&w->partner, "rename old"), 16);
	assert_int_equal(partner_count(&w->partner, "session opened"), 2);
}

/* What may have been renamed at another of the partner's hosts than the one
 * that was called says nothing here, and stays as it is; a new one goes out. */
static void
test_old_is_elsewhere(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ROW };
	struct world *w = *state;
	char here[MFTD_NAME_BYTES];

	prepare_one(w, 0, "f", 1000);
	next_round(w);
	run_once(w, &plan);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_PUBLISHING);
	snprintf(here, sizeof(here), "%s", w->d[0].host);
	snprintf(w->d[0].host, sizeof(w->d[0].host), "127.0.0.1:1");
	prepare_one(w, 1, "g", 5000);
	w->settled = true;
	next_round(w);
	run_once(w, &calm);
	assert_there(w, 1);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_PUBLISHING);
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 1);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
	snprintf(w->d[0].host, sizeof(w->d[0].host), "%s", here);
	run_to_end(w, NULL);
	assert_all_there(w);
	assert_int_equal(partner_count(&w->partner, "rename old"), 2);
}

/* The lease goes between the rows of PUBLISH and the renames: none is done. */
static void
test_no_lease_no_rename(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_PUBLISH,
		.moment = AFTER_ROW };
	struct world *w = *state;

	prepare_many(w, 8);
	next_round(w);
	run_once(w, &plan);
	mftd_lease_renew(w->lease, 0);
	run_once(w, &calm);
	assert_int_equal(w->last_err, -MFTD_E_NO_LEASE);
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 8);
	assert_int_equal(partner_count(&w->partner, "rename old"), 0);
	mftd_lease_hold(w->lease);
	run_to_end(w, NULL);
	assert_all_there(w);
}

/* As an earlier try's server does that was asked for it long ago. */
static void
open_late(struct world *w)
{
	uint8_t sum[32];
	char path[192];

	snprintf(path, sizeof(path), "%s/.mft-d-1.1.part", w->partner.in);
	make_file(path, 10, 1, sum);
}

/* When its successor had looked for what it left: nobody else would. */
static void
test_late_temp_is_removed(void **state)
{
	struct world *w = *state;

	prepare_one(w, 0, "f", 1000);
	prepare_one(w, 1, "g", 1000);
	next_round(w);
	w->amid = open_late;
	run_to_end(w, NULL); /* the second try of each */
	assert_all_there(w);
}

#define WITH_PARTNER(t) \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		WITH_PARTNER(test_all_arrive),
		WITH_PARTNER(test_one_name_exists),
		WITH_PARTNER(test_one_folder_missing),
		WITH_PARTNER(test_one_temp_directory_missing),
		WITH_PARTNER(test_one_temp_directory_elsewhere),
		WITH_PARTNER(test_one_corrupt_source),
		WITH_PARTNER(test_one_lost_source),
		cmocka_unit_test(test_one_fault),
		WITH_PARTNER(test_one_let_alone),
		cmocka_unit_test(test_server_killed_anywhere),
		cmocka_unit_test(test_killed_anywhere),
		WITH_PARTNER(test_killed_amid_renames),
		WITH_PARTNER(test_old_and_new_together),
		WITH_PARTNER(test_old_is_elsewhere),
		WITH_PARTNER(test_no_lease_no_rename),
		WITH_PARTNER(test_late_temp_is_removed),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", getenv("VERBOSE") != NULL ? "info" : "error");
	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
