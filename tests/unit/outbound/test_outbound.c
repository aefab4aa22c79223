/* Part of mftd; see LICENSE. */
/*
 * The outbound process with a catalog of its own (SQLite) and a real partner:
 * from journal records to delivered files, over crashes, changes of owner and
 * a catalog that is away.  The test plays parent and coordinator.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/catalog/catalog.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_node.h"
#include "tests/unit/outbound/queue_rig.h"

static sqlite3 *
open_beside(struct world *w)
{
	sqlite3 *h;

	assert_int_equal(
	    sqlite3_open(w->uri + strlen("sqlite:"), &h), SQLITE_OK);
	sqlite3_busy_timeout(h, 10000);
	return h;
}

static void
run_sql(sqlite3 *h, const char *sql)
{
	assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	return w != NULL && world_open(w) ? 0 : -1;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	world_close(w);
	free(w);
	return 0;
}

/* ---- waiting */

struct wanted {
	struct world *w;
	enum mftd_delivery_state state;
	int n;
};

static bool
has_state(void *data)
{
	struct wanted *x = data;
	struct tally t;

	listen_to(x->w);
	look(x->w, &t);
	return t.by_state[x->state] == x->n;
}

static void
await_state(struct world *w, enum mftd_delivery_state state, int n)
{
	struct wanted x = { w, state, n };
	struct tally t;

	if (await(has_state, &x))
		return;
	look(w, &t);
	fail_msg("%d of %d %s; last is %s: %s", t.by_state[state], n,
	    mftd_delivery_state_name(state),
	    mftd_delivery_state_name(t.last.state), t.last.error);
}

static bool
is_stale(void *data)
{
	struct world *w = data;

	listen_to(w);
	return w->ob.state.stale == 1;
}

/* Whether it has no deliver. */
static bool
is_childless(void *data)
{
	struct world *w = data;
	char path[64];
	FILE *f;
	int c;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", w->ob.pid,
	    w->ob.pid);
	f = fopen(path, "r");
	if (f == NULL)
		return false;
	c = getc(f);
	fclose(f);
	return c == EOF;
}

static bool
is_ready(void *data)
{
	struct world *w = data;

	listen_to(w);
	return w->ob.ready;
}

static bool
says_why(void *data)
{
	struct world *w = data;

	listen_to(w);
	return w->ob.state.reason[0] != '\0';
}

static bool
has_one_delivered(void *data)
{
	struct world *w = data;

	listen_to(w);
	return w->ob.state.delivered == 1;
}

static bool
has_epoch(void *data)
{
	struct world *w = data;

	listen_to(w);
	return w->ob.state.epoch > 0;
}

/* ---- tests */

#define STORM 500 /* files: many batches */
#define MANY (MFTD_CLAIMED_MAX + 200)

static void
test_delivers(void **state)
{
	struct world *w = *state;
	struct tally t;

	make_catalog(w);
	start(w);
	upload(w, "r-1", 3000000);
	await_state(w, MFTD_DELIVERY_DONE, 1);
	assert_true(partner_has(&w->partner, "r-1.csv"));
	assert_int_equal(partner_names(&w->partner), 1);
	assert_true(await(has_one_delivered, w));
	assert_true(w->ob.ready);
	assert_int_equal(w->ob.state.epoch, 1);
	assert_int_equal(w->ob.state.stale, 0);
	assert_string_equal(w->ob.state.queue, "default");
	look(w, &t);
	assert_int_equal(t.last.tries, 1);
	assert_int_not_equal(t.last.mtime, 0);
	assert_non_null(strstr(t.last.host, "127.0.0.1:"));
}

static void
test_many(void **state)
{
	struct world *w = *state;
	char id[32];
	int i;

	make_catalog(w);
	for (i = 0; i < 30; i++) {
		snprintf(id, sizeof(id), "r-%d", i);
		upload(w, id, 20000);
	}
	start(w);
	await_state(w, MFTD_DELIVERY_DONE, 30);
	assert_int_equal(partner_names(&w->partner), 30);
	assert_int_equal(partner_count(&w->partner, "rename old"), 30);
}

static bool
is_renamed(void *data)
{
	struct world *w = data;

	return partner_has(&w->partner, "r-1.csv") &&
	    partner_names(&w->partner) == 1;
}

/* kill -9 of outbound after the rename and before its answer: the next owner
 * finds out. */
static void
test_takes_over_in_publishing(void **state)
{
	struct world *w = *state;

	make_catalog(w);
	upload(w, "r-1", 100000);
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_exit=5s");
	start(w);
	assert_true(await(is_renamed, w));
	crash(w);
	await_state(w, MFTD_DELIVERY_PUBLISHING, 1);
	partner_fault(&w->partner, "");
	start(w);
	await_state(w, MFTD_DELIVERY_DONE, 1);
	assert_int_equal(w->ob.state.epoch, 2);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
	assert_int_equal(partner_names(&w->partner), 1);
}

static bool
has_temp(void *data)
{
	struct world *w = data;

	return partner_names(&w->partner) == 1;
}

/* The same in the middle of sending. */
static void
test_takes_over_in_sending(void **state)
{
	struct world *w = *state;
	struct tally t;

	make_catalog(w);
	upload(w, "r-1", 100000);
	partner_fault(
	    &w->partner, "-e inject=?pwrite64,write:delay_enter=5s:when=6");
	start(w);
	assert_true(await(has_temp, w));
	crash(w);
	look(w, &t);
	assert_int_equal(t.last.state, MFTD_DELIVERY_SENDING);
	partner_fault(&w->partner, "");
	start(w);
	await_state(w, MFTD_DELIVERY_DONE, 1);
	look(w, &t);
	assert_int_equal(t.last.tries, 2);
	assert_int_equal(partner_count(&w->partner, "rename old"), 1);
	assert_int_equal(partner_names(&w->partner), 1);
}

/* kill -9 of outbound again and again, anywhere: each file arrives exactly
 * once, and nothing is in doubt while the partner takes nothing away. */
static void
test_crash_storm(void **state)
{
	struct world *w = *state;
	unsigned int x = 12345;
	struct tally t;
	char id[32];
	int i, failed;

	make_catalog(w);
	for (i = 0; i < STORM; i++) {
		snprintf(id, sizeof(id), "r-%d", i);
		upload(w, id, 30000);
	}
	for (i = 0; i < 12; i++) {
		start(w);
		x = x * 1103515245u + 12345u;
		poll(NULL, 0, (int)(80 + x / 65536 % 250)); /* anywhere */
		crash(w);
	}
	start(w);
	await_state(w, MFTD_DELIVERY_DONE, STORM);
	assert_true(await(has_epoch, w));
	assert_in_range(w->ob.state.epoch, 2, 13);
	assert_int_equal(partner_names(&w->partner), STORM);
	failed = partner_count(&w->partner, "sent status Failure") +
	    partner_count(&w->partner, "sent status No such file");
	assert_in_range(
	    partner_count(&w->partner, "rename old"), STORM, STORM + failed);
	look(w, &t);
	assert_int_equal(t.by_state[MFTD_DELIVERY_IN_DOUBT], 0);
}

/* Another owner raises while a rename hangs: this one ends its deliver, says
 * so, and writes no more. */
static void
test_stale(void **state)
{
	struct world *w = *state;
	struct mftd_role_row role;
	struct tally t;

	make_catalog(w);
	upload(w, "r-1", 100000);
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_exit=20s");
	start(w);
	assert_true(await(is_renamed, w));
	assert_false(is_childless(w));
	assert_int_equal(
	    mftd_catalog_raise(w->catalog, "default", "other", &role), 0);
	assert_int_equal(role.epoch, 2);
	assert_true(await(is_stale, w));
	assert_true(await(is_childless, w));
	look(w, &t);
	assert_int_equal(t.last.state, MFTD_DELIVERY_PUBLISHING);
	assert_int_equal(w->ob.state.epoch, 1);
}

/* Its receipt says no sum: the one that was found on the way is kept. */
static void
test_sums_up(void **state)
{
	struct world *w = *state;
	struct tally t, after;
	sqlite3 *h;

	make_catalog(w);
	upload(w, "r-1", 5000);
	look(w, &t);
	assert_true(t.last.has_sha256);
	h = open_beside(w);
	run_sql(h, "UPDATE delivery SET sha256 = NULL");
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
	start(w);
	await_state(w, MFTD_DELIVERY_DONE, 1);
	look(w, &after);
	assert_true(after.last.has_sha256);
	assert_memory_equal(
	    after.last.sha256, t.last.sha256, sizeof(t.last.sha256));
}

/* Two files that do not go together, to a partner that wants one connection at
 * a time. */
static void
test_one_connection(void **state)
{
	struct world *w = *state;

	w->partner.p.connections = 1;
	make_catalog(w);
	upload(w, "r-1", MFTD_DELIVER_BATCH_BYTES - 1);
	upload(w, "r-2", MFTD_DELIVER_BATCH_BYTES - 1);
	start(w);
	await_state(w, MFTD_DELIVERY_DONE, 2);
	assert_int_equal(partner_names(&w->partner), 2);
	assert_int_equal(partner_count(&w->partner, "session opened"), 1);
}

static void
upload_many(struct world *w, int n)
{
	char id[32];
	int i;

	for (i = 0; i < n; i++) {
		snprintf(id, sizeof(id), "r-%d", i);
		upload(w, id, 5000);
	}
}

/* Twenty files of one batch are SENT, to be numbered if their names exist, and
 * the partner takes its time to say so. */
static void
stop_at_sent(struct world *w)
{
	char fault[192];
	sqlite3 *h;

	make_catalog(w);
	upload_many(w, 20);
	h = open_beside(w);
	run_sql(h, "UPDATE delivery SET if_exists = 'number'");
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
	snprintf(fault, sizeof(fault),
	    "-P %s/r-19.csv -e inject=?lstat,newfstatat:delay_enter=3s",
	    w->partner.in);
	partner_fault(&w->partner, fault);
	start(w);
	await_state(w, MFTD_DELIVERY_SENT, 20);
}

/* Another owner raises then: not one is renamed, and not one row is written. */
static void
test_stale_before_publishing(void **state)
{
	struct world *w = *state;
	struct mftd_role_row role;

	stop_at_sent(w);
	assert_int_equal(
	    mftd_catalog_raise(w->catalog, "default", "other", &role), 0);
	assert_true(await(is_stale, w));
	assert_true(await(is_childless, w));
	await_state(w, MFTD_DELIVERY_SENT, 20);
	assert_int_equal(partner_count(&w->partner, "rename old"), 0);
}

/* One row is taken from us then: its file is not renamed, all others are. */
static void
test_cancelled_before_publishing(void **state)
{
	struct world *w = *state;
	sqlite3 *h;

	stop_at_sent(w);
	h = open_beside(w);
	run_sql(
	    h, "UPDATE delivery SET state = 'CANCELLED' WHERE receipt = 'r-7'");
	sqlite3_close(h);
	await_state(w, MFTD_DELIVERY_DONE, 19);
	await_state(w, MFTD_DELIVERY_CANCELLED, 1);
	assert_false(partner_has(&w->partner, "r-7.csv"));
	assert_int_equal(partner_count(&w->partner, "rename old"), 19);
}

/* A partner that hangs has more waiting than one may have in hand, and longer:
 * the other's file goes out all the same. */
static void
test_partner_that_hangs(void **state)
{
	struct world *w = *state;
	struct sockaddr_in sin = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct tally t;
	char sql[128];
	sqlite3 *h;

	assert_int_equal(bind(fd, (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fd, 16), 0); /* and never accept */
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	make_catalog(w);
	upload_many(w, MANY);
	h = open_beside(w);
	run_sql(h,
	    "INSERT INTO partner (name, host, port, login, key_file) "
	    "SELECT 'slow', host, port, login, key_file FROM partner");
	run_sql(h,
	    "INSERT INTO partner_key SELECT 'slow', position, line "
	    "FROM partner_key");
	snprintf(sql, sizeof(sql),
	    "UPDATE partner SET port = %d WHERE name = 'slow'",
	    ntohs(sin.sin_port));
	run_sql(h, sql);
	run_sql(h, "UPDATE delivery SET partner = 'slow'");
	sqlite3_close(h);
	upload(w, "r-last", 1000);
	start(w);
	await_state(w, MFTD_DELIVERY_DONE, 1);
	assert_true(partner_has(&w->partner, "r-last.csv"));
	look(w, &t); /* not because the first of them were given up */
	assert_int_equal(t.by_state[MFTD_DELIVERY_WAITING], 0);
	close(fd);
}

/* The catalog is away then: nothing is renamed until it is back. */
static void
test_catalog_away_before_publishing(void **state)
{
	struct world *w = *state;
	sqlite3 *h;

	stop_at_sent(w);
	h = open_beside(w);
	run_sql(h, "BEGIN EXCLUSIVE");
	assert_true(await(says_why, w));
	await_state(w, MFTD_DELIVERY_SENT, 20);
	assert_int_equal(partner_count(&w->partner, "rename old"), 0);
	run_sql(h, "COMMIT");
	assert_int_equal(sqlite3_close(h), SQLITE_OK);
	await_state(w, MFTD_DELIVERY_DONE, 20);
	assert_int_equal(partner_count(&w->partner, "rename old"), 20);
}

static bool
some_renamed(void *data)
{
	struct world *w = data;

	return partner_has(&w->partner, "r-4.csv");
}

static pid_t
pid_of_deliver(const struct world *w)
{
	char path[64];
	FILE *f;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", w->ob.pid,
	    w->ob.pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	return pid;
}

/* kill -9 amid the renames of a batch, of deliver or of outbound: those that
 * were renamed are not again. */
static void
killed_amid_renames(struct world *w, bool deliver)
{
	int refused;

	make_catalog(w);
	upload_many(w, 20);
	partner_fault(
	    &w->partner, "-e inject=?unlink,unlinkat:delay_exit=200ms");
	start(w);
	assert_true(await(some_renamed, w));
	if (deliver)
		kill(pid_of_deliver(w), SIGKILL);
	else
		crash(w);
	partner_fault(&w->partner, "");
	if (!deliver)
		start(w);
	await_state(w, MFTD_DELIVERY_DONE, 20);
	assert_int_equal(partner_names(&w->partner), 20);
	refused = partner_count(&w->partner, "sent status Failure") +
	    partner_count(&w->partner, "sent status No such file");
	assert_in_range(
	    partner_count(&w->partner, "rename old"), 20, 20 + refused);
}

static void
test_deliver_killed_amid_renames(void **state)
{
	killed_amid_renames(*state, true);
}

static void
test_crash_amid_renames(void **state)
{
	killed_amid_renames(*state, false);
}

/* Each server dies in its 100th rename, and with it the connection: the deliver
 * that has further batches calls again. */
static void
test_servers_that_die(void **state)
{
	struct world *w = *state;
	int refused;

	make_catalog(w);
	upload_many(w, 900);
	partner_fault(
	    &w->partner, "-e inject=?link,linkat:signal=KILL:when=100");
	start(w);
	await_state(w, MFTD_DELIVERY_DONE, 900);
	assert_int_equal(partner_names(&w->partner), 900);
	refused = partner_count(&w->partner, "sent status Failure");
	/* the one under way was not done, and is asked for again */
	assert_in_range(partner_count(&w->partner, "rename old"), 901,
	    901 + refused + partner_count(&w->partner, "session opened"));
}

static void
test_promotes_without_catalog(void **state)
{
	struct world *w = *state;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/db", w->partner.dir);
	snprintf(w->uri, sizeof(w->uri), "sqlite:%s/catalog.db", dir);
	start(w);
	assert_true(await(is_ready, w));
	assert_true(await(says_why, w));
	assert_int_equal(w->ob.state.epoch, 0);
	assert_int_equal(w->ob.state.stale, 0);
	mkdir(dir, 0700);
	make_catalog(w);
	upload(w, "r-1", 1000);
	await_state(w, MFTD_DELIVERY_DONE, 1);
}

static void
test_no_lease_no_epoch(void **state)
{
	struct world *w = *state;
	struct tally t;

	make_catalog(w);
	upload(w, "r-1", 1000);
	mftd_lease_renew(w->lease, 0);
	start(w);
	assert_true(await(says_why, w));
	assert_int_equal(w->ob.state.epoch, 0);
	look(w, &t);
	assert_int_equal(t.by_state[MFTD_DELIVERY_QUEUED], 1);
	mftd_lease_hold(w->lease);
	await_state(w, MFTD_DELIVERY_DONE, 1);
}

/* A folder that is missing there is waited for. */
static void
test_tries_again(void **state)
{
	struct world *w = *state;
	struct tally t;

	make_catalog(w);
	rmdir(w->partner.in);
	upload(w, "r-1", 1000);
	start(w);
	await_state(w, MFTD_DELIVERY_WAITING, 1);
	look(w, &t);
	assert_int_equal(t.last.tries, 1);
	assert_non_null(strstr(t.last.error, "No such file"));
	assert_true(t.last.due_us > 0);
	mkdir(w->partner.in, 0700);
	await_state(w, MFTD_DELIVERY_DONE, 1);
}

/* STOP ends it, its delivers first. */
static void
test_stop(void **state)
{
	const struct mftd_msg_none none = { 0 };
	struct world *w = *state;
	int status;

	make_catalog(w);
	upload(w, "r-1", 100000);
	partner_fault(&w->partner, "-e inject=?unlink,unlinkat:delay_exit=30s");
	start(w);
	assert_true(await(is_renamed, w));
	assert_int_equal(mftd_chan_send(w->ob.parent, MFTD_MSG_STOP, 0, &none,
			     sizeof(none), NULL, 0),
	    0);
	assert_int_equal(waitpid(w->ob.pid, &status, 0), w->ob.pid);
	w->ob.pid = 0;
	assert_int_equal(status, 0);
	finish(w);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		TEST(test_delivers),
		TEST(test_many),
		TEST(test_one_connection),
		TEST(test_sums_up),
		TEST(test_takes_over_in_publishing),
		TEST(test_takes_over_in_sending),
		TEST(test_crash_storm),
		TEST(test_stale),
		TEST(test_stale_before_publishing),
		TEST(test_cancelled_before_publishing),
		TEST(test_catalog_away_before_publishing),
		TEST(test_partner_that_hangs),
		TEST(test_servers_that_die),
		TEST(test_deliver_killed_amid_renames),
		TEST(test_crash_amid_renames),
		TEST(test_promotes_without_catalog),
		TEST(test_no_lease_no_epoch),
		TEST(test_tries_again),
		TEST(test_stop),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", getenv("VERBOSE") != NULL ? "info" : "error");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
