/* Part of mftd; see LICENSE. */
#include "mftd/hook/hooks.h"

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

#include "mftd/base/clock.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/hook_runs.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/msg.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/ipc/worker.h"

#define PATIENCE_MS 30000
#define LOOK_US 20000 /* between looks at a row, whose change is no event */
/* So long nothing must happen: several rounds of the process. */
#define QUIET_MS 2500

/* The process of the hooks, with the test as parent, as outbound, and as
 * whoever gives the lease. */
struct world {
	char dir[256], uri[512], script[512];
	char *argv[2];
	struct mftd_conf conf;
	struct mftd_lease *lease;
	struct mftd_chan *parent, *outbound;
	struct mftd_catalog *c;
	struct mftd_role_row role;
	uint64_t version;
	pid_t pid;
};

/* The program notes its pid, and then does what `orders` says. */
static void
write_script(struct world *w)
{
	FILE *f = fopen(w->script, "w");

	assert_non_null(f);
	fprintf(f,
	    "#!/bin/sh\necho $$ $MFT_EVENT_ID >> '%s/calls'\n"
	    ". '%s/orders'\n",
	    w->dir, w->dir);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(w->script, 0755), 0);
}

static void
give_orders(struct world *w, const char *orders)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/orders", w->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(orders, f);
	assert_int_equal(fclose(f), 0);
}

/* How often the program was called; the pid of the last one. */
static int
calls(struct world *w, pid_t *last)
{
	char path[512], event[MFTD_EVENT_ID_BYTES];
	int n = 0, pid;
	FILE *f;

	snprintf(path, sizeof(path), "%s/calls", w->dir);
	f = fopen(path, "r");
	while (f != NULL && fscanf(f, "%d %191s", &pid, event) == 2) {
		n++;
		*last = pid;
	}
	if (f != NULL)
		fclose(f);
	return n;
}

static void
apply(struct world *w)
{
	static char *on[] = { "received" };
	struct mftd_hook h = { .name = "h",
		.on = on,
		.n_on = 1,
		.exec = w->argv,
		.n_exec = 1,
		.timeout_s = 1000,
		.tries = 1 };
	struct mftd_objects o = { .hooks = &h, .n_hooks = 1 };
	struct mftd_catalog *c;

	assert_int_equal(mftd_catalog_open(w->uri, "test", &c), 0);
	assert_int_equal(mftd_catalog_migrate(c), 0);
	assert_int_equal(mftd_catalog_apply(c, &o, &w->version), 0);
	mftd_catalog_close(c);
}

/* Before the test has the catalog open itself: SQLite must not be used across
 * a fork. */
static void
start(struct world *w)
{
	struct mftd_msg_peer peer = { .proc = MFTD_PROC_OUTBOUND,
		.instance = "default" };
	struct mftd_worker worker = { .proc = MFTD_PROC_HOOKS,
		.instance = "default",
		.incarnation = "n1-1",
		.conf = &w->conf,
		.lease = w->lease,
		.lock_fd = -1 };
	int up[2], side[2];

	assert_int_equal(mftd_chan_pair(up), 0);
	assert_int_equal(mftd_chan_pair(side), 0);
	w->pid = fork();
	assert_true(w->pid >= 0);
	if (w->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(up[0]);
		close(side[0]);
		close(side[1]);
		worker.parent_fd = up[1];
		mftd_hooks_main(&worker);
		_exit(0);
	}
	close(up[1]);
	w->parent = mftd_chan_new(up[0], MFTD_PROC_HOOKS, "default");
	w->outbound = mftd_chan_new(side[0], MFTD_PROC_HOOKS, "default");
	assert_int_equal(mftd_chan_send(w->parent, MFTD_MSG_PEER, 0, &peer,
			     sizeof(peer), &side[1], 1),
	    0);
	close(side[1]);
	assert_int_equal(mftd_catalog_open(w->uri, "test", &w->c), 0);
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	const char *tmp = getenv("TMPDIR");

	snprintf(w->dir, sizeof(w->dir), "%s/test_hooks_XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->uri, sizeof(w->uri), "sqlite:%s/c.db", w->dir);
	snprintf(w->script, sizeof(w->script), "%s/script", w->dir);
	w->argv[0] = w->script;
	w->conf = (struct mftd_conf) {
		.catalog = w->uri, .log = "stderr", .log_level = "error"
	};
	w->lease = mftd_lease_new();
	assert_non_null(w->lease);
	write_script(w);
	give_orders(w, "exit 0\n");
	apply(w);
	start(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const files[] = { "c.db", "c.db-wal", "c.db-shm",
		"script", "orders", "calls" };
	struct world *w = *state;
	char path[512];
	size_t i;

	kill(w->pid, SIGKILL);
	waitpid(w->pid, NULL, 0);
	mftd_chan_free(w->parent);
	mftd_chan_free(w->outbound);
	mftd_catalog_close(w->c);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->dir, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(w->dir), 0);
	free(w);
	return 0;
}

/* Another epoch, which the process is told of or not. */
static void
own(struct world *w, const char *owner, bool tell)
{
	struct mftd_msg_hooks_role msg = { .version = w->version };

	assert_int_equal(
	    mftd_catalog_raise(w->c, "default", owner, &w->role), 0);
	msg.epoch = w->role.epoch;
	strcpy(msg.queue, w->role.queue);
	strcpy(msg.owner, w->role.owner);
	if (tell)
		assert_int_equal(
		    mftd_chan_send(w->outbound, MFTD_MSG_HOOKS_ROLE, 0, &msg,
			sizeof(msg), NULL, 0),
		    0);
}

static void
happen(struct world *w, const char *id)
{
	const struct mftd_db_value v[] = { DB_TEXT(id) };

	assert_int_equal(mftd_db_run(w->c,
			     "INSERT INTO event (id, kind, time_us) VALUES "
			     "($1, 'received', 1)",
			     v, 1, NULL, NULL),
	    1);
}

static bool
is_in(struct world *w, const char *event, enum mftd_run_state s,
    struct mftd_run *run)
{
	int r = mftd_run_get(w->c, event, "h", run);

	assert_true(r == 0 || r == -ENOENT);
	return r == 0 && run->state == s;
}

static void
wait_state(struct world *w, const char *event, enum mftd_run_state s,
    struct mftd_run *run)
{
	int64_t until_ms = mftd_clock_ms() + PATIENCE_MS;

	while (!is_in(w, event, s, run)) {
		assert_true(mftd_clock_ms() < until_ms);
		usleep(LOOK_US);
	}
}

static void
wait_calls(struct world *w, int n, pid_t *last)
{
	int64_t until_ms = mftd_clock_ms() + PATIENCE_MS;

	while (calls(w, last) < n) {
		assert_true(mftd_clock_ms() < until_ms);
		usleep(LOOK_US);
	}
}

/* Until its whole group is. */
static void
wait_gone(pid_t group)
{
	int64_t until_ms = mftd_clock_ms() + PATIENCE_MS;

	while (kill(-group, 0) == 0) {
		assert_true(mftd_clock_ms() < until_ms);
		usleep(LOOK_US);
	}
	assert_int_equal(errno, ESRCH);
}

/* Nothing is an event that could be waited for. */
static void
stay_quiet(struct world *w, const char *event)
{
	int64_t until_ms = mftd_clock_ms() + QUIET_MS;
	struct mftd_run run;
	pid_t last;

	while (mftd_clock_ms() < until_ms) {
		assert_int_equal(mftd_run_get(w->c, event, "h", &run), -ENOENT);
		usleep(LOOK_US);
	}
	assert_int_equal(calls(w, &last), 0);
}

/* ---- the tests */

static void
without_lease_or_epoch_nothing_runs(void **state)
{
	struct world *w = *state;
	struct mftd_run run;
	pid_t last;

	happen(w, "received.1");
	own(w, "me", true);
	stay_quiet(w, "received.1"); /* no lease */
	own(w, "you", false);
	mftd_lease_hold(w->lease);
	stay_quiet(w, "received.1"); /* a stale epoch */
	own(w, "me", true);
	wait_state(w, "received.1", MFTD_RUN_DONE, &run);
	assert_int_equal(run.tries, 1);
	assert_int_equal(calls(w, &last), 1);
}

/* With the lease goes what runs, and all that it has started; it is due again,
 * though it has no try left. */
static void
lost_lease_ends_what_runs(void **state)
{
	struct world *w = *state;
	struct mftd_run run;
	pid_t first, again;

	give_orders(w, "sleep 1000 & sleep 1000\n");
	mftd_lease_hold(w->lease);
	own(w, "me", true);
	happen(w, "received.1");
	wait_calls(w, 1, &first);
	mftd_lease_renew(w->lease, 0);
	wait_state(w, "received.1", MFTD_RUN_WAITING, &run);
	assert_non_null(strstr(run.error, "stopped"));
	wait_gone(first);
	give_orders(w, "exit 0\n");
	mftd_lease_hold(w->lease);
	wait_state(w, "received.1", MFTD_RUN_DONE, &run);
	assert_int_equal(run.tries, 2);
	assert_int_equal(calls(w, &again), 2);
}

/* What runs goes on, and is written under the new epoch. */
static void
new_epoch_of_the_same_node(void **state)
{
	struct world *w = *state;
	char orders[256];
	struct mftd_run run;
	pid_t last;

	snprintf(orders, sizeof(orders),
	    "while [ ! -e '%s/go' ]; do sleep 0.05; done\nrm '%s/go'\n", w->dir,
	    w->dir);
	give_orders(w, orders);
	mftd_lease_hold(w->lease);
	own(w, "me", true);
	happen(w, "received.1");
	wait_calls(w, 1, &last);
	own(w, "me again", true);
	give_orders(w, "exit 0\n");
	happen(w, "received.2");
	wait_state(w, "received.2", MFTD_RUN_DONE, &run);
	assert_true(is_in(w, "received.1", MFTD_RUN_RUNNING, &run));
	snprintf(orders, sizeof(orders), "%s/go", w->dir);
	assert_int_equal(close(open(orders, O_CREAT | O_WRONLY, 0600)), 0);
	wait_state(w, "received.1", MFTD_RUN_DONE, &run);
	assert_int_equal(run.tries, 1);
	assert_int_equal(calls(w, &last), 2);
}

/* Of one hook only so many at a time; when it is stopped, what comes to its end
 * in time is DONE. */
static void
stops_in_order(void **state)
{
	const struct mftd_msg_none none = { 0 };
	struct world *w = *state;
	struct mftd_run run;
	char id[32];
	int i, status;
	pid_t last;

	give_orders(w, "sleep 1000\n");
	mftd_lease_hold(w->lease);
	own(w, "me", true);
	for (i = 0; i < MFTD_HOOK_RUNS_ONE_MAX + 1; i++) {
		snprintf(id, sizeof(id), "received.%d", i);
		happen(w, id);
	}
	wait_calls(w, MFTD_HOOK_RUNS_ONE_MAX, &last);
	wait_state(w, id, MFTD_RUN_QUEUED, &run); /* and it stays so */
	assert_int_equal(kill(-last, SIGTERM), 0);
	assert_int_equal(mftd_chan_send(w->parent, MFTD_MSG_STOP, 0, &none,
			     sizeof(none), NULL, 0),
	    0);
	assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
	assert_int_equal(status, 0);
	w->pid = fork(); /* for teardown */
	if (w->pid == 0)
		_exit(0);
	wait_gone(last);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    without_lease_or_epoch_nothing_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    lost_lease_ends_what_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    new_epoch_of_the_same_node, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    stops_in_order, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
