/* Part of mftd; see LICENSE. */
/*
 * deliver against a real OpenSSH: what arrives, what is refused, and that each
 * crash, of deliver or of the partner's server, ends in exactly one rename or
 * in an honest IN_DOUBT.  The test plays outbound: it keeps the row.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/outbound/deliver.h"
#include "mftd/outbound/delivery.h"
#include "mftd/outbound/names.h"
#include "tests/unit/outbound/player.h"

static void
prepare(struct world *w, uint64_t size)
{
	prepare_one(w, 0, "report.csv", size);
}

/* It is there once, whole, and nothing else is. */
static void
assert_arrived(struct world *w)
{
	uint8_t sum[32];
	struct stat st;
	char path[160];

	if (w->d[0].state != MFTD_DELIVERY_DELIVERED)
		print_message("last words: %s\n", w->last_text);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_DELIVERED);
	snprintf(path, sizeof(path), "%s/report.csv", w->partner.in);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, w->d[0].size);
	assert_int_equal(st.st_mtime, 1500000000);
	sum_file(path, sum);
	assert_memory_equal(sum, w->d[0].sha256, sizeof(sum));
	assert_int_equal(partner_names(&w->partner), 1);
}

static void
test_arrives(void **state)
{
	struct world *w = *state;

	prepare(w, 9 * 1024 * 1024 + 17);
	run_to_end(w, NULL);
	assert_arrived(w);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 0);
}

static void
test_empty_file(void **state)
{
	struct world *w = *state;

	prepare(w, 0);
	run_to_end(w, NULL);
	assert_arrived(w);
}

static void
run_and_expect(struct world *w, enum mftd_delivery_state want, int err)
{
	static const struct plan calm = { .at = NEVER };

	w->d[0].tries = 1;
	run_once(w, &calm);
	assert_int_equal(w->d[0].state, want);
	if (w->last_err != err)
		print_message("last words: %s\n", w->last_text);
	assert_int_equal(w->last_err, err);
}

static void
test_wrong_host_key(void **state)
{
	struct world *w = *state;

	prepare(w, 100);
	w->partner.host_keys[0] = w->partner.other_key;
	run_and_expect(w, MFTD_DELIVERY_WAITING, -MFTD_E_PARTNER_KEY);
	assert_non_null(
	    strstr(w->last_text, "not the pinned one: ssh-ed25519 SHA256:"));
	w->partner.p.n_host_keys = 0;
	w->d[0].state = MFTD_DELIVERY_CLAIMED;
	run_and_expect(w, MFTD_DELIVERY_WAITING, -MFTD_E_PARTNER_KEY);
	assert_int_equal(partner_names(&w->partner), 0);
	assert_int_equal(partner_count(&w->partner, "session opened"), 0);
}

static void
test_login_refused(void **state)
{
	struct world *w = *state;
	char host_key[160];

	prepare(w, 100);
	snprintf(host_key, sizeof(host_key), "%s/host", w->partner.dir);
	w->partner.p.key_file = host_key;
	run_and_expect(w, MFTD_DELIVERY_WAITING, -MFTD_E_AUTH);
	w->partner.p.key_file = (char *)"/nonexistent";
	w->d[0].state = MFTD_DELIVERY_CLAIMED;
	run_and_expect(w, MFTD_DELIVERY_WAITING, -MFTD_E_AUTH);
}

static void
test_nobody_there(void **state)
{
	struct world *w = *state;

	prepare(w, 100);
	kill(w->partner.acceptor, SIGKILL);
	waitpid(w->partner.acceptor, NULL, 0);
	w->partner.acceptor = 0;
	run_and_expect(w, MFTD_DELIVERY_WAITING, -ECONNREFUSED);
}

static void
test_corrupt_source(void **state)
{
	struct world *w = *state;
	char path[160];

	prepare(w, 100000);
	w->d[0].sha256[0] ^= 1;
	run_and_expect(w, MFTD_DELIVERY_FAILED, -MFTD_E_CORRUPT);
	w->d[0].state = MFTD_DELIVERY_CLAIMED;
	w->d[0].size++;
	run_and_expect(w, MFTD_DELIVERY_FAILED, -MFTD_E_CORRUPT);
	w->d[0].state = MFTD_DELIVERY_CLAIMED;
	snprintf(path, sizeof(path), "%s/.mft/out/r-1", w->volume);
	unlink(path);
	run_and_expect(w, MFTD_DELIVERY_FAILED, -ENOENT);
	assert_int_equal(partner_names(&w->partner), 0);
}

/* It is no lost source, nor a try. */
static void
test_volume_away(void **state)
{
	struct world *w = *state;

	prepare(w, 1000);
	w->conf.volumes[0].path = (char *)"/nonexistent";
	run_and_expect(w, MFTD_DELIVERY_WAITING, -ENODEV);
	assert_int_equal(w->events[MFTD_EVENT_PUT_BACK], 1);
	assert_int_equal(partner_names(&w->partner), 0);
}

static void
test_name_exists(void **state)
{
	struct world *w = *state;
	uint8_t mine[32], after[32];
	char path[160];

	prepare(w, 5000);
	snprintf(path, sizeof(path), "%s/report.csv", w->partner.in);
	make_file(path, 5000, 8, mine);
	run_and_expect(w, MFTD_DELIVERY_FAILED, -EEXIST);
	sum_file(path, after);
	assert_memory_equal(mine, after, 32);
	assert_int_equal(partner_names(&w->partner), 1);
}

static void
test_no_lease(void **state)
{
	struct world *w = *state;

	prepare(w, 100);
	mftd_lease_renew(w->lease, 0);
	run_and_expect(w, MFTD_DELIVERY_WAITING, -MFTD_E_NO_LEASE);
	assert_int_equal(partner_names(&w->partner), 0);
}

static void
lose_lease(struct world *w, enum mftd_delivery_event at)
{
	struct plan plan = { .at = at, .moment = AFTER_ROW };

	w->d[0].tries = 1;
	run_once(w, &plan);
	mftd_lease_renew(w->lease, 0);
	plan.at = NEVER;
	run_once(w, &plan);
}

static void
test_no_lease_no_rename(void **state)
{
	struct world *w = *state;

	prepare(w, 100);
	lose_lease(w, MFTD_EVENT_PUBLISH);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_PUBLISHING);
	assert_int_equal(w->last_err, -MFTD_E_NO_LEASE);
	assert_int_equal(partner_count(&w->partner, "rename old"), 0);
	mftd_lease_hold(w->lease);
	run_to_end(w, NULL);
	assert_arrived(w);
}

/* kill -9 of deliver before the row of each event, between row and answer, and
 * right after the answer: always one rename. */
static void
test_killed_anywhere(void **state)
{
	static const enum mftd_delivery_event at[] = { MFTD_EVENT_BEGIN,
		MFTD_EVENT_PUBLISH, MFTD_EVENT_DELIVERED };
	struct plan plan = { 0 };
	struct world *w;
	int i, m, refused;

	for (i = 0; i < 3; i++)
		for (m = BEFORE_ROW; m <= AFTER_ANSWER; m++) {
			assert_int_equal(world_setup((void **)&w), 0);
			prepare(w, 300000);
			plan.at = at[i];
			plan.moment = (enum moment)m;
			run_to_end(w, &plan);
			assert_arrived(w);
			refused =
			    partner_count(&w->partner, "sent status Fail") +
			    partner_count(&w->partner, "sent status No such");
			assert_in_range(
			    partner_count(&w->partner, "rename old"), 1,
			    1 + refused);
			world_teardown((void **)&w);
		}
}

/* The partner's server dies in its RENAME, which is link and unlink. */
static void
test_server_killed_in_rename(void **state)
{
	static const char *const faults[] = {
		"-e inject=?link,linkat:signal=KILL", /* neither done */
		"-e inject=?unlink,unlinkat:signal=KILL", /* both names */
	};
	struct world *w;
	int i;

	for (i = 0; i < 2; i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		prepare(w, 300000);
		partner_fault(&w->partner, faults[i]);
		run_to_end(w, NULL);
		assert_arrived(w);
		assert_true(w->events[MFTD_EVENT_RETRY] >= 1);
		assert_int_equal(
		    partner_count(&w->partner, "rename old"), i == 0 ? 2 : 1);
		/* a second rename needs the row, and so the epoch, again */
		assert_int_equal(w->events[MFTD_EVENT_PUBLISH], i == 0 ? 2 : 1);
		world_teardown((void **)&w);
	}
}

static bool
renamed(void *data)
{
	struct world *w = data;

	return partner_has(&w->partner, "report.csv") &&
	    partner_names(&w->partner) == 1;
}

static const struct plan answer_lost = {
	.at = MFTD_EVENT_PUBLISH, .moment = AFTER_ANSWER, .cond = renamed
};

/* Renamed, and the answer never seen. */
static void
test_answer_lost(void **state)
{
	struct world *w = *state;

	prepare(w, 300000);
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_exit=3s");
	run_to_end(w, &answer_lost);
	assert_arrived(w);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
}

static bool
linked(void *data)
{
	struct world *w = data;

	return partner_has(&w->partner, "report.csv");
}

static bool
server_ended(void *data)
{
	struct world *w = data;

	return partner_count(&w->partner, "session closed") ==
	    partner_count(&w->partner, "session opened");
}

/* deliver dies while the server stands between link and unlink.  Taking the
 * temporary name from under it would make it undo the link: the file would be
 * nowhere, and DELIVERED. */
static void
test_server_slow_in_rename(void **state)
{
	static const struct plan plan = {
		.at = MFTD_EVENT_PUBLISH, .moment = AFTER_ANSWER, .cond = linked
	};
	struct world *w = *state;

	prepare(w, 300000);
	w->settled_after = 200;
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_enter=3s");
	run_to_end(w, &plan);
	assert_true(await(server_ended, w));
	assert_arrived(w);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
}

/* The same, and the partner has consumed the file meanwhile. */
static void
test_consumed_is_in_doubt(void **state)
{
	struct world *w = *state;
	char path[160];

	prepare(w, 300000);
	w->d[0].tries = 1;
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_exit=3s");
	run_once(w, &answer_lost);
	snprintf(path, sizeof(path), "%s/report.csv", w->partner.in);
	assert_int_equal(unlink(path), 0);
	partner_fault(&w->partner, "");
	run_to_end(w, NULL);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_IN_DOUBT);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
}

/* An explicit refusal with the temporary name there: it waits, and a second
 * try goes through. */
static void
test_rename_refused(void **state)
{
	struct world *w = *state;

	prepare(w, 300000);
	partner_fault(&w->partner, "-e inject=?link,linkat:error=EACCES");
	run_to_end(w, NULL);
	assert_arrived(w);
	assert_int_equal(w->events[MFTD_EVENT_REFUSED], 1);
	assert_int_equal(w->d[0].tries, 2);
}

/* Its server says OK to the first rename and does nothing. */
static void
test_rename_pretended(void **state)
{
	struct world *w = *state;

	prepare(w, 3000);
	partner_fault(&w->partner,
	    "-e inject=?link,linkat:retval=0 "
	    "-e inject=?unlink,unlinkat:retval=0");
	run_to_end(w, NULL);
	assert_arrived(w);
	assert_int_equal(w->events[MFTD_EVENT_REFUSED], 1);
	assert_int_equal(partner_count(&w->partner, "rename old"), 2);
}

/* Refused, and the server then will not say what is there: nothing is known, so
 * nothing is touched until it says. */
static void
test_refused_and_blind(void **state)
{
	struct world *w = *state;
	char fault[256];

	prepare(w, 300000);
	snprintf(fault, sizeof(fault),
	    "-P %s/report.csv -e inject=?link,linkat:error=EACCES "
	    "-e inject=?lstat,newfstatat:error=EACCES:when=2+",
	    w->partner.in);
	partner_fault(&w->partner, fault);
	run_to_end(w, NULL);
	assert_arrived(w);
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 1);
	assert_int_equal(w->d[0].tries, 1);
}

static void
test_temp_names(void **state)
{
	struct mftd_delivery d = { .id = "d-1", .name = "a/b.txt" };
	char out[64], small[8];

	assert_int_equal(mftd_deliver_temp_name(&d, 3, out, 64), 0);
	assert_string_equal(out, "a/.mft-d-1.3.part");
	snprintf(d.directory, sizeof(d.directory), "/in");
	assert_int_equal(mftd_deliver_final_name(&d, out, 64), 0);
	assert_string_equal(out, "/in/a/b.txt");
	assert_int_equal(
	    mftd_deliver_temp_name(&d, 1, small, 8), -ENAMETOOLONG);
	snprintf(d.id, sizeof(d.id), "../x");
	assert_int_equal(mftd_deliver_temp_name(&d, 1, out, 64), -EINVAL);
}

#define WITH_PARTNER(t) \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_temp_names),
		WITH_PARTNER(test_arrives),
		WITH_PARTNER(test_empty_file),
		WITH_PARTNER(test_wrong_host_key),
		WITH_PARTNER(test_login_refused),
		WITH_PARTNER(test_nobody_there),
		WITH_PARTNER(test_corrupt_source),
		WITH_PARTNER(test_volume_away),
		WITH_PARTNER(test_name_exists),
		WITH_PARTNER(test_no_lease),
		WITH_PARTNER(test_no_lease_no_rename),
		cmocka_unit_test(test_killed_anywhere),
		cmocka_unit_test(test_server_killed_in_rename),
		WITH_PARTNER(test_answer_lost),
		WITH_PARTNER(test_server_slow_in_rename),
		WITH_PARTNER(test_consumed_is_in_doubt),
		WITH_PARTNER(test_rename_refused),
		WITH_PARTNER(test_rename_pretended),
		WITH_PARTNER(test_refused_and_blind),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
