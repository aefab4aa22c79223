/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/steps.h"

#define DEADLINE_MS 20000

/* A session of our own beside the catalog's. */
static PGconn *
session(const char *uri)
{
	PGconn *conn = PQconnectdb(uri);

	assert_int_equal(PQstatus(conn), CONNECTION_OK);
	return conn;
}

static int
execute(PGconn *conn, const char *sql)
{
	PGresult *res = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(res);
	int n = -1;

	if (status == PGRES_TUPLES_OK)
		n = PQntuples(res) > 0 ? atoi(PQgetvalue(res, 0, 0)) : 0;
	else if (status == PGRES_COMMAND_OK)
		n = 0;
	else
		print_error("%s: %s", sql, PQresultErrorMessage(res));
	PQclear(res);
	assert_true(n >= 0);
	return n;
}

/* Until n sessions of ours wait for a lock.  With a session of its own: inside
 * a transaction the server shows the same picture again and again. */
static void
wait_for_blocked(struct db *db, int n)
{
	static const char sql[] = "SELECT count(*) FROM pg_stat_activity WHERE "
				  "application_name LIKE 'mftd%' AND "
				  "wait_event_type = 'Lock'";
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	PGconn *conn = session(db->uri);

	while (execute(conn, sql) < n) {
		assert_true(mftd_clock_ms() < deadline);
		poll(NULL, 0, 10);
	}
	PQfinish(conn);
}

/* One published delivery, claimed by the role of epoch 1. */
static void
claim_one(struct db *db, struct mftd_role_row *role, struct mftd_delivery *d)
{
	struct stream s = { .name = "s1", .time_us = 1000000000000000 };

	apply_routes(db, 1);
	assert_int_equal(say_receipt(db, &s, "f1", "x", 5), 0);
	assert_int_equal(say_outcome(db, &s, "f1", MFTD_RECORD_PUBLISHED), 0);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "old", role), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, role, mftd_clock_wall_us(), "", d, 1), 1);
}

#define TERMINATED 200 /* beside the errors below */

/* A child that does one step; its exit status is the error less 4096, or
 * TERMINATED when it was not a timeout that ended it. */
static pid_t
step_in_child(struct db *db, const char *application,
    const struct mftd_role_row *role, struct mftd_delivery d)
{
	struct mftd_catalog *c;
	pid_t pid = fork();
	int r;

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	d.state = MFTD_DELIVERY_DONE;
	if (mftd_catalog_open(db->uri, application, &c) < 0)
		_exit(255);
	r = mftd_catalog_step(c, role, &d, MFTD_DELIVERY_CLAIMED);
	if (strstr(mftd_catalog_why(c), "administrator command") != NULL)
		_exit(TERMINATED);
	_exit(-r - MFTD_E_FIRST);
}

static int
result_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A raise that has not committed yet holds the role row: the stale writer waits
 * at it, and then must not see what its snapshot saw. */
static void
writer_that_waited_for_a_raise_writes_nothing(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_delivery d;
	PGconn *other;
	pid_t pid;

	claim_one(db, &role, &d);
	other = session(db->uri);
	execute(other, "BEGIN");
	execute(other,
	    "UPDATE role SET epoch = epoch + 1, owner = 'new' "
	    "WHERE queue = 'q'");
	pid = step_in_child(db, "mftd-writer", &role, d);
	wait_for_blocked(db, 1);
	execute(other, "COMMIT");
	assert_int_equal(result_of(pid), MFTD_E_STALE_EPOCH - MFTD_E_FIRST);
	assert_true(find_delivery(db, "f1", &d));
	assert_int_equal(d.state, MFTD_DELIVERY_CLAIMED);
	PQfinish(other);
}

/* A writer that waits at the delivery's row holds the role row: the raise must
 * end it first, and it writes nothing afterwards. */
static void
raise_ends_a_blocked_writer(void **state)
{
	struct db *db = *state;
	struct mftd_role_row old, new;
	struct mftd_delivery d;
	PGconn *other;
	pid_t pid;

	claim_one(db, &old, &d);
	other = session(db->uri);
	execute(other, "BEGIN");
	execute(other, "UPDATE delivery SET mtime = mtime");
	pid = step_in_child(db, "mftd/q/1", &old, d);
	wait_for_blocked(db, 1);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "new", &new), 0);
	assert_int_equal(new.epoch, 2);
	execute(other, "COMMIT");
	assert_int_equal(result_of(pid), TERMINATED);
	assert_true(find_delivery(db, "f1", &d));
	assert_int_equal(d.state, MFTD_DELIVERY_CLAIMED);
	PQfinish(other);
}

/* ---- a step that is not waited for */

/* Of d, from CLAIMED to SENDING: sent, and blocked by somebody else. */
static void
send_blocked(struct db *db, const struct mftd_role_row *role,
    struct mftd_delivery *d, struct mftd_row_step *step)
{
	d->state = MFTD_DELIVERY_SENDING;
	*step =
	    (struct mftd_row_step) { .d = d, .from = MFTD_DELIVERY_CLAIMED };
	assert_int_equal(mftd_catalog_steps_send(db->c, role, step, 1), 0);
	wait_for_blocked(db, 1);
	assert_int_equal(
	    mftd_catalog_steps_take(db->c, step, 1, false), -EAGAIN);
}

/* What came of it, when there is something to read. */
static int
take_sent(struct db *db, struct mftd_row_step *step)
{
	struct pollfd p = { .fd = mftd_catalog_fd(db->c), .events = POLLIN };
	int r;

	do {
		assert_int_equal(poll(&p, 1, DEADLINE_MS), 1);
		r = mftd_catalog_steps_take(db->c, step, 1, false);
	} while (r == -EAGAIN);
	assert_int_equal(mftd_catalog_fd(db->c), -1);
	return r;
}

static void
step_is_not_waited_for(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_row_step step;
	struct mftd_delivery d;
	PGconn *other;

	claim_one(db, &role, &d);
	other = session(db->uri);
	execute(other, "BEGIN");
	execute(other, "UPDATE delivery SET mtime = mtime");
	send_blocked(db, &role, &d, &step);
	execute(other, "COMMIT");
	assert_int_equal(take_sent(db, &step), 0);
	assert_int_equal(step.result, 0);
	/* once */
	assert_int_equal(
	    mftd_catalog_steps_take(db->c, &step, 1, true), -EINVAL);
	assert_true(find_delivery(db, "f1", &d));
	assert_int_equal(d.state, MFTD_DELIVERY_SENDING);
	PQfinish(other);
}

/* Others that are asked are asked behind it, and its answer is kept. */
static void
step_that_was_sent_comes_first(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_row_step step;
	struct mftd_delivery d, e;

	claim_one(db, &role, &d);
	d.state = MFTD_DELIVERY_SENDING;
	step =
	    (struct mftd_row_step) { .d = &d, .from = MFTD_DELIVERY_CLAIMED };
	assert_int_equal(mftd_catalog_steps_send(db->c, &role, &step, 1), 0);
	assert_true(find_delivery(db, "f1", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_SENDING);
	assert_int_equal(step.result, -ENOENT);
	assert_int_equal(mftd_catalog_steps_take(db->c, &step, 1, false), 0);
	assert_int_equal(step.result, 0);
}

static void
step_that_was_sent_may_be_stale(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_row_step step;
	struct mftd_delivery d;
	PGconn *other;

	claim_one(db, &role, &d);
	other = session(db->uri);
	execute(other, "BEGIN");
	execute(other,
	    "UPDATE role SET epoch = epoch + 1, owner = 'new' "
	    "WHERE queue = 'q'");
	send_blocked(db, &role, &d, &step);
	execute(other, "COMMIT");
	assert_int_equal(take_sent(db, &step), -MFTD_E_STALE_EPOCH);
	assert_int_equal(step.result, -ENOENT);
	assert_true(find_delivery(db, "f1", &d));
	assert_int_equal(d.state, MFTD_DELIVERY_CLAIMED);
	PQfinish(other);
}

/* Nobody knows then what came of it. */
static void
connection_is_lost_behind_a_step(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_row_step step;
	struct mftd_delivery d;
	PGconn *other;

	claim_one(db, &role, &d);
	other = session(db->uri);
	execute(other, "BEGIN");
	execute(other, "UPDATE delivery SET mtime = mtime");
	send_blocked(db, &role, &d, &step);
	execute(other,
	    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
	    "application_name LIKE 'mftd%' AND wait_event_type = 'Lock'");
	assert_int_equal(take_sent(db, &step), -MFTD_E_CATALOG_AWAY);
	execute(other, "COMMIT");
	/* and it comes back by itself */
	assert_int_equal(mftd_catalog_steps(db->c, &role, &step, 1), 0);
	assert_int_equal(step.result, 0);
	PQfinish(other);
}

/* ---- lanes */

static int
sessions_named(PGconn *conn, const char *application)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM pg_stat_activity WHERE "
	    "application_name = '%s'",
	    application);
	return execute(conn, sql);
}

/* Two of two deliveries that are claimed, and a lane for each. */
static void
claim_two(struct db *db, struct mftd_role_row *role, struct mftd_delivery d[2],
    struct mftd_row_step step[2], struct mftd_catalog *lane[2])
{
	int i;

	publish_some(db, 2);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "old", role), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, role, mftd_clock_wall_us(), "", d, 2), 2);
	for (i = 0; i < 2; i++) {
		d[i].state = MFTD_DELIVERY_SENDING;
		step[i] = (struct mftd_row_step) { .d = &d[i],
			.from = MFTD_DELIVERY_CLAIMED };
		assert_int_equal(mftd_catalog_beside(db->c, &lane[i]), 1);
	}
}

static void
lock_row(PGconn *other, const struct mftd_delivery *d)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
	    "UPDATE delivery SET mtime = mtime WHERE id = '%s'", d->id);
	execute(other, "BEGIN");
	execute(other, sql);
}

/* One that waits holds up neither the other, nor what is asked beside them. */
static void
lanes_do_not_wait_for_one_another(void **state)
{
	struct db *db = *state;
	PGconn *other = session(db->uri);
	struct mftd_catalog *lane[2];
	struct mftd_role_row role;
	struct mftd_row_step step[2];
	struct mftd_delivery d[2], e;

	claim_two(db, &role, d, step, lane);
	lock_row(other, &d[0]);
	assert_int_equal(
	    mftd_catalog_steps_send(lane[0], &role, &step[0], 1), 0);
	wait_for_blocked(db, 1);
	assert_int_equal(mftd_catalog_steps(lane[1], &role, &step[1], 1), 0);
	assert_int_equal(step[1].result, 0);
	assert_true(find_delivery(db, d[1].receipt, &e));
	assert_int_equal(e.state, MFTD_DELIVERY_SENDING);
	assert_int_equal(
	    mftd_catalog_steps_take(lane[0], &step[0], 1, false), -EAGAIN);
	execute(other, "COMMIT");
	assert_int_equal(
	    mftd_catalog_steps_take(lane[0], &step[0], 1, true), 0);
	assert_int_equal(step[0].result, 0);
	mftd_catalog_close(lane[0]);
	mftd_catalog_close(lane[1]);
	PQfinish(other);
}

/* It is under way as long as somebody has a row that it wants, and no lane is
 * held up by that. */
static void
claim_is_not_waited_for(void **state)
{
	struct db *db = *state;
	PGconn *other = session(db->uri);
	struct mftd_delivery d[2], found[2];
	struct mftd_claim to = { .out = found, .max = 2 };
	struct mftd_catalog *lane;
	struct mftd_role_row role;
	struct mftd_row_step step = { .d = &d[0],
		.from = MFTD_DELIVERY_CLAIMED };

	publish_some(db, 2);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "old", &role), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &role, mftd_clock_wall_us(), "", d, 1),
	    1);
	d[0].state = MFTD_DELIVERY_SENDING;
	assert_int_equal(mftd_catalog_beside(db->c, &lane), 1);
	execute(other, "BEGIN");
	execute(
	    other, "UPDATE delivery SET mtime = mtime WHERE state = 'QUEUED'");
	assert_int_equal(mftd_catalog_claim_send(
			     db->c, &role, mftd_clock_wall_us(), "", &to),
	    0);
	wait_for_blocked(db, 1);
	assert_int_equal(mftd_catalog_claim_take(db->c, &to, false), -EAGAIN);
	assert_int_equal(mftd_catalog_steps(lane, &role, &step, 1), 0);
	assert_int_equal(step.result, 0);
	execute(other, "COMMIT");
	assert_int_equal(mftd_catalog_claim_take(db->c, &to, true), 1);
	assert_int_equal(found[0].state, MFTD_DELIVERY_CLAIMED);
	assert_string_not_equal(found[0].id, d[0].id);
	mftd_catalog_close(lane);
	PQfinish(other);
}

/* Whoever raises finds the lanes by the name of their queue, too. */
static void
raise_ends_lanes(void **state)
{
	struct db *db = *state, mine = *db;
	PGconn *other = session(db->uri);
	struct mftd_catalog *lane[2], *next = db_open(db, "mftd-next");
	struct mftd_role_row role, new;
	struct mftd_row_step step[2];
	struct mftd_delivery d[2], e;

	claim_two(db, &role, d, step, lane);
	assert_int_equal(mftd_catalog_steps(lane[1], &role, &step[1], 1), 0);
	lock_row(other, &d[0]);
	assert_int_equal(
	    mftd_catalog_steps_send(lane[0], &role, &step[0], 1), 0);
	wait_for_blocked(db, 1);
	assert_int_equal(mftd_catalog_raise(next, "q", "new", &new), 0);
	execute(other, "COMMIT");
	assert_int_equal(sessions_named(other, "mftd/q/1"), 0);
	assert_int_equal(mftd_catalog_steps_take(lane[0], &step[0], 1, true),
	    -MFTD_E_CATALOG_AWAY);
	/* not by a time-out */
	assert_non_null(
	    strstr(mftd_catalog_why(lane[0]), "administrator command"));
	assert_int_equal(mftd_catalog_steps(lane[0], &role, &step[0], 1),
	    -MFTD_E_STALE_EPOCH);
	mine.c = next; /* the other's session was ended, too */
	assert_true(find_delivery(&mine, d[0].receipt, &e));
	assert_int_equal(e.state, MFTD_DELIVERY_CLAIMED);
	mftd_catalog_close(lane[0]);
	mftd_catalog_close(lane[1]);
	mftd_catalog_close(next);
	PQfinish(other);
}

/* As the objects say that were loaded last by the one that it is beside. */
static void
lanes_make_events(void **state)
{
	struct db *db = *state;
	PGconn *other = session(db->uri);
	struct mftd_catalog *lane[2];
	struct mftd_role_row role;
	struct mftd_row_step step[2];
	struct mftd_delivery d[2];
	int i;

	claim_two(db, &role, d, step, lane);
	execute(other,
	    "INSERT INTO hook (name, starttls, timeout_s, tries) "
	    "VALUES ('h', 0, 1, 1)");
	execute(other,
	    "INSERT INTO hook_want (hook, event, state) "
	    "VALUES ('h', 'delivered', 'DONE')");
	for (i = 0; i < 2; i++) {
		d[i].state = MFTD_DELIVERY_DONE;
		db->c->db->no_hooks = i == 0;
		assert_int_equal(
		    mftd_catalog_steps(lane[0], &role, &step[i], 1), 0);
		assert_int_equal(step[i].result, 0);
		assert_int_equal(
		    execute(other, "SELECT count(*) FROM event"), i);
	}
	mftd_catalog_close(lane[0]);
	mftd_catalog_close(lane[1]);
	PQfinish(other);
}

/* Owners of other queues are left alone, and who raised is found by the next.
 */
static void
raise_ends_only_its_queue(void **state)
{
	struct db *db = *state;
	struct mftd_catalog *first = db_open(db, "mftd-test2"),
			    *other = db_open(db, "mftd/qq/1");
	struct mftd_role_row role;
	uint64_t version;

	assert_int_equal(mftd_catalog_raise(first, "q", "me", &role), 0);
	assert_int_equal(mftd_catalog_version(other, &version), 0);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "you", &role), 0);
	assert_int_equal(mftd_catalog_version(other, &version), 0);
	assert_int_equal(
	    mftd_catalog_version(first, &version), -MFTD_E_CATALOG_AWAY);
	/* and its handle comes back by itself */
	assert_int_equal(mftd_catalog_version(first, &version), 0);
	mftd_catalog_close(first);
	mftd_catalog_close(other);
}

static void
database_that_may_forget_is_refused(void **state)
{
	struct db *db = *state;
	PGconn *admin = session(getenv("MFTD_TEST_ADMIN"));
	struct mftd_role_row role;
	struct mftd_delivery d;
	int r, claimed;

	claim_one(db, &role, &d);
	execute(admin,
	    "SELECT 1 FROM pg_create_physical_replication_slot('standby')");
	r = mftd_catalog_raise(db->c, "q", "you", &role);
	claimed = mftd_catalog_claim(db->c, &role, 0, "", &d, 1);
	execute(admin, "SELECT 1 FROM pg_drop_replication_slot('standby')");
	PQfinish(admin);
	assert_int_equal(r, -MFTD_E_CATALOG);
	assert_int_equal(claimed, -MFTD_E_CATALOG);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "you", &role), 0);
	assert_int_equal(role.epoch, 2);
}

/* What the server has been told to set for our sessions. */
static void
sessions_are_bounded_and_synchronous(void **state)
{
	struct db *db = *state;
	PGconn *admin = session(getenv("MFTD_TEST_ADMIN"));
	PGconn *conn;
	struct mftd_role_row role;

	execute(admin, "ALTER ROLE mft SET synchronous_commit = off");
	conn = session(db->uri);
	/* the setting works on others, so it is us who undo it */
	assert_int_equal(execute(conn,
			     "SELECT count(*) FROM pg_settings WHERE "
			     "name = 'synchronous_commit' AND setting = 'off'"),
	    1);
	struct mftd_catalog *c = db_open(db, "mftd-bounded");
	int r = mftd_catalog_raise(c, "q", "me", &role);

	execute(admin, "ALTER ROLE mft RESET synchronous_commit");
	assert_int_equal(r, 0);
	mftd_catalog_close(c);
	PQfinish(conn);
	PQfinish(admin);
}

/* RECEIPT and PUBLISHED of one receipt forwarded at the same time by two
 * nodes: neither may miss the other's. */
static void
forwards_at_once_do_not_miss_each_other(void **state)
{
	struct db *db = *state;
	struct stream s1 = { .name = "s1", .time_us = 1000000000000000 },
		      s2 = { .name = "s2", .time_us = 1000000000000000 };
	struct mftd_delivery d;
	char id[16];
	pid_t pid;
	int i;

	apply_routes(db, 1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct db mine = *db;

		mine.c = db_open(db, "mftd-child");
		for (i = 0; i < 200; i++) {
			snprintf(id, sizeof(id), "f%d", i);
			if (say_outcome(&mine, &s2, id, MFTD_RECORD_PUBLISHED) <
			    0)
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "f%d", i);
		assert_int_equal(
		    say_receipt(db, &s1, id, id, (uint64_t)i + 1), 0);
	}
	assert_int_equal(result_of(pid), 0);
	for (i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "f%d", i);
		assert_true(find_delivery(db, id, &d));
	}
}

/* One node forwards the upload of x.filepart while another, a little earlier,
 * forwards its renaming and has not committed: the mark of that stream is held
 * back here. */
static void
rename_is_not_missed_by_an_upload_at_once(void **state)
{
	struct db *db = *state, mine = *db;
	struct stream s1 = { .name = "s1", .time_us = 1000000000000000 },
		      s2 = { .name = "s2", .time_us = 1000000009000000 };
	struct mftd_delivery d;
	PGconn *other;
	pid_t pid[2];
	int r;

	apply_routes(db, 1);
	assert_int_equal(say_receipt(db, &s1, "f1", "x.filepart", 5), 0);
	assert_int_equal(say_name(db, &s2, MFTD_RECORD_MKDIR, 1, ""), 0);
	other = session(db->uri);
	execute(other, "BEGIN");
	execute(other, "SELECT 1 FROM mark WHERE stream = 's2' FOR UPDATE");
	pid[0] = fork();
	if (pid[0] == 0) {
		mine.c = db_open(db, "mftd-child");
		_exit(say_name(&mine, &s2, MFTD_RECORD_RENAME, 5, "x") != 0);
	}
	wait_for_blocked(db, 1);
	pid[1] = fork();
	if (pid[1] == 0) {
		mine.c = db_open(db, "mftd-child");
		r = say_outcome(&mine, &s1, "f1", MFTD_RECORD_PUBLISHED);
		_exit(r != 0);
	}
	wait_for_blocked(db, 2);
	execute(other, "COMMIT");
	PQfinish(other);
	assert_int_equal(result_of(pid[0]), 0);
	assert_int_equal(result_of(pid[1]), 0);
	assert_true(find_delivery(db, "f1", &d));
	assert_string_equal(d.name, "x");
}

/* Several nodes start at once. */
static void
migrations_at_once_do_not_collide(void **state)
{
	struct db *db = *state;
	PGconn *conn = session(db->uri);
	struct mftd_catalog *c;
	pid_t pid[4];
	int i, r;

	execute(conn,
	    "SET client_min_messages = warning; DROP SCHEMA public CASCADE; "
	    "CREATE SCHEMA public");
	PQfinish(conn);
	for (i = 0; i < 4; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] > 0)
			continue;
		if (mftd_catalog_open(db->uri, "mftd-child", &c) < 0)
			_exit(2);
		while ((r = mftd_catalog_migrate(c)) == -MFTD_E_CATALOG_AWAY)
			; /* one of the others is slow */
		_exit(r < 0);
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(result_of(pid[i]), 0);
	apply_routes(db, 1);
}

static int
take_text(void *data, const struct mftd_db_value *row, int n)
{
	snprintf(data, 16, "%s", (const char *)row[0].p);
	return 0;
}

static void
assert_setting(struct mftd_catalog *c, const char *name, const char *want)
{
	const struct mftd_db_value v[] = { DB_TEXT(name) };
	char text[16] = "";

	assert_int_equal(
	    mftd_db_run(c, "SELECT current_setting($1)", v, 1, take_text, text),
	    1);
	assert_string_equal(text, want);
}

/* More than a statement may take else, for the server and for us. */
static int
long_migration(struct mftd_catalog *c, void *data)
{
	assert_setting(c, "statement_timeout", "4h");
	assert_setting(c, "lock_timeout", "5s");
	assert_setting(c, "client_connection_check_interval", "5s");
	return c->db->ops->script(c->db, "SELECT pg_sleep(16)");
}

static void
migration_may_take_long(void **state)
{
	struct db *db = *state;

	assert_int_equal(
	    mftd_db_transaction(db->c, MFTD_DB_MIGRATE, long_migration, NULL),
	    0);
	assert_setting(db->c, "statement_timeout", "10s");
	assert_setting(db->c, "lock_timeout", "0");
}

/* Else a claim reads all rows, to join them with the few that it has found. */
static void
joins_go_by_indexes(void **state)
{
	struct db *db = *state;

	assert_setting(db->c, "enable_seqscan", "off");
	assert_setting(db->c, "enable_hashjoin", "off");
	assert_setting(db->c, "enable_mergejoin", "off");
}

/* It gives up soon, says why, and has changed nothing; later it is done. */
static void
migration_does_not_wait_for_locks(void **state)
{
	struct db *db = *state;
	PGconn *other = session(db->uri);

	execute(other, "BEGIN");
	execute(other, "SELECT count(*) FROM account"); /* a backup's */
	assert_int_equal(mftd_catalog_migrate(db->c), -MFTD_E_CATALOG_AWAY);
	assert_non_null(strstr(mftd_catalog_why(db->c), "holds a lock"));
	assert_int_equal(
	    execute(other, "SELECT count(*) FROM pg_locks WHERE NOT granted"),
	    0);
	execute(other, "COMMIT");
	PQfinish(other);
	assert_int_equal(mftd_catalog_migrate(db->c), 0);
	apply_routes(db, 1);
}

void
tests_postgres(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(writer_that_waited_for_a_raise_writes_nothing),
		DB_TEST(raise_ends_a_blocked_writer),
		DB_TEST(step_is_not_waited_for),
		DB_TEST(step_that_was_sent_comes_first),
		DB_TEST(step_that_was_sent_may_be_stale),
		DB_TEST(connection_is_lost_behind_a_step),
		DB_TEST(lanes_do_not_wait_for_one_another),
		DB_TEST(claim_is_not_waited_for),
		DB_TEST(raise_ends_lanes),
		DB_TEST(lanes_make_events),
		DB_TEST(raise_ends_only_its_queue),
		DB_TEST(database_that_may_forget_is_refused),
		DB_TEST(sessions_are_bounded_and_synchronous),
		DB_TEST(forwards_at_once_do_not_miss_each_other),
		DB_TEST(rename_is_not_missed_by_an_upload_at_once),
		DB_TEST(migrations_at_once_do_not_collide),
		DB_TEST(migration_may_take_long),
		DB_TEST(joins_go_by_indexes),
		cmocka_unit_test_setup_teardown(
		    migration_does_not_wait_for_locks, db_setup_oldest,
		    db_teardown),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
