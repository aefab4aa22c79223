/* Part of mftd; see LICENSE. */
#include "tests/unit/outbound/queue_rig.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/catalog/objects.h"
#include "mftd/catalog/person.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/worker.h"
#include "mftd/journal/record.h"
#include "mftd/outbound/outbound.h"
#include "tests/unit/journal/steps.h"

#define PATIENCE_MS 60000

/* ---- the catalog */

static void
empty_postgres(const char *uri)
{
	PGconn *conn = PQconnectdb(uri);
	PGresult *res = PQexec(conn,
	    "SET client_min_messages = warning; DROP SCHEMA public CASCADE; "
	    "CREATE SCHEMA public");

	assert_int_equal(PQresultStatus(res), PGRES_COMMAND_OK);
	PQclear(res);
	PQfinish(conn);
}

static void
apply_objects(struct queue_rig *q)
{
	struct mftd_account account = { .name = (char *)"alice",
		.volume = (char *)"main",
		.root = (char *)"alice" };
	struct mftd_route route = { .name = (char *)"alice-to-acme",
		.account = (char *)"alice",
		.partner = (char *)"acme",
		.directory = q->partner.in,
		.queue = (char *)"default" };
	struct mftd_objects o = { .accounts = &account,
		.n_accounts = 1,
		.partners = &q->partner.p,
		.n_partners = 1,
		.routes = &route,
		.n_routes = 1 };
	uint64_t version;

	assert_int_equal(mftd_catalog_apply(q->catalog, &o, &version), 0);
}

static void
open_catalog(struct queue_rig *q)
{
	const char *uri = getenv("MFTD_TEST_CATALOG");

	if (uri != NULL) {
		snprintf(q->uri, sizeof(q->uri), "%s", uri);
		empty_postgres(uri);
	} else {
		snprintf(q->uri, sizeof(q->uri), "sqlite:%s/catalog.db",
		    q->partner.dir);
	}
	assert_int_equal(mftd_catalog_open(q->uri, "test", &q->catalog), 0);
	assert_int_equal(mftd_catalog_migrate(q->catalog), 0);
	apply_objects(q);
}

void
queue_rig_open(struct queue_rig *q)
{
	char path[128];

	memset(q, 0, sizeof(*q));
	assert_int_equal(partner_start(&q->partner), 0);
	snprintf(q->volume, sizeof(q->volume), "%s/vol", q->partner.dir);
	mkdir(q->volume, 0700);
	snprintf(path, sizeof(path), "%s/.mft", q->volume);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.mft/out", q->volume);
	mkdir(path, 0700);
	q->lease = mftd_lease_new();
	mftd_lease_hold(q->lease);
	open_catalog(q);
	q->conf.node = (char *)"n1";
	q->conf.catalog = q->uri;
	q->conf.log = (char *)"stderr";
	q->conf.log_level =
	    getenv("VERBOSE") != NULL ? (char *)"info" : (char *)"error";
	q->conf.volumes[0].name = (char *)"main";
	q->conf.volumes[0].path = q->volume;
	q->conf.n_volumes = 1;
}

void
queue_rig_close(struct queue_rig *q)
{
	queue_rig_crash(q);
	mftd_catalog_close(q->catalog);
	partner_stop(&q->partner);
}

/* ---- uploads, as the journal tells of them */

static void
forward(struct queue_rig *q, uint32_t type, const struct mftd_buf *b)
{
	struct mftd_forward f = { .seq = ++q->seq,
		.time_us = mftd_clock_wall_us() - 1000000,
		.type = type,
		.payload = mftd_buf_data(b),
		.payload_bytes = mftd_buf_len(b) };

	assert_int_equal(mftd_catalog_forward(q->catalog, "n1-1.s", &f, 1), 0);
}

void
queue_rig_upload(struct queue_rig *q, const char *id, uint64_t size)
{
	struct mftd_rec_receipt r = { .size = size,
		.inode = q->seq + 1000,
		.has_routes = true,
		.has_sha256 = true };
	struct mftd_rec_outcome o = { .reason = "" };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);
	char path[160];

	snprintf(r.id, sizeof(r.id), "%s", id);
	snprintf(r.session, sizeof(r.session), "n1-1-1");
	snprintf(r.account, sizeof(r.account), "alice");
	snprintf(r.volume, sizeof(r.volume), "main");
	snprintf(r.root, sizeof(r.root), "alice");
	snprintf(r.path, sizeof(r.path), "%s.csv", id);
	snprintf(r.part, sizeof(r.part), "n1-1-1.%s", id);
	snprintf(path, sizeof(path), "%s/.mft/out/%s", q->volume, id);
	make_file(path, size, (unsigned int)q->seq, r.sha256);
	assert_int_equal(mftd_rec_receipt_put(b, &r), 0);
	forward(q, MFTD_RECORD_RECEIPT, b);
	mftd_buf_reset(b);
	snprintf(o.receipt, sizeof(o.receipt), "%s", id);
	snprintf(o.part, sizeof(o.part), "%s", r.part);
	assert_int_equal(mftd_rec_outcome_put(b, &o), 0);
	forward(q, MFTD_RECORD_PUBLISHED, b);
	mftd_buf_free(b);
}

/* ---- the process */

static void __attribute__((noreturn))
run_outbound(struct queue_rig *q, int parent_fd, struct steps *steps)
{
	struct mftd_worker worker = { .proc = MFTD_PROC_OUTBOUND,
		.instance = "default",
		.incarnation = "n1-1",
		.conf = &q->conf,
		.lease = q->lease,
		.lock_fd = -1,
		.parent_fd = parent_fd };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(q->partner.guard); /* or its end were not seen */
	mftd_log_process("outbound");
	if (steps != NULL)
		steps_enter(steps);
	mftd_outbound_main(&worker);
	_exit(0);
}

void
queue_rig_start(struct queue_rig *q, struct steps *steps)
{
	struct mftd_msg_peer peer = { .proc = MFTD_PROC_COORDINATOR };
	int fds[2], co[2];

	assert_int_equal(mftd_chan_pair(fds), 0);
	q->pid = fork();
	assert_true(q->pid >= 0);
	if (q->pid == 0) {
		close(fds[0]);
		run_outbound(q, fds[1], steps);
	}
	close(fds[1]);
	q->parent = mftd_chan_new(fds[0], MFTD_PROC_OUTBOUND, "default");
	assert_int_equal(mftd_chan_pair(co), 0);
	/* it may be dead already */
	mftd_chan_send(
	    q->parent, MFTD_MSG_PEER, 0, &peer, sizeof(peer), &co[1], 1);
	close(co[1]);
	q->coordinator = mftd_chan_new(co[0], MFTD_PROC_OUTBOUND, "default");
	if (steps != NULL) {
		steps_begin(steps, q->pid);
		steps_arm(steps);
	}
}

void
queue_rig_crash(struct queue_rig *q)
{
	if (q->pid == 0)
		return;
	kill(q->pid, SIGKILL);
	waitpid(q->pid, NULL, 0);
	q->pid = 0;
	mftd_chan_free(q->parent);
	mftd_chan_free(q->coordinator);
	assert_true(partner_await_idle(&q->partner));
}

/* ---- the rows */

struct tally {
	enum mftd_delivery_state state;
	int n;
	struct mftd_delivery *last;
};

static int
tally_one(void *data, const struct mftd_delivery *d)
{
	struct tally *t = data;

	if (d->state == t->state) {
		*t->last = *d;
		t->n++;
	}
	return 0;
}

int
queue_rig_count(struct queue_rig *q, enum mftd_delivery_state state,
    struct mftd_delivery *d)
{
	struct tally t = { .state = state, .last = d };

	assert_int_equal(
	    mftd_catalog_deliveries(q->catalog, NULL, tally_one, &t), 0);
	return t.n;
}

static bool
is_gone(const struct queue_rig *q)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)q->pid, &info, WEXITED | WNOWAIT | WNOHANG) <
	    0 ||
	    info.si_pid != 0;
}

/* What outbound says of itself is read, or it could not go on saying it. */
static void
listen_to(struct queue_rig *q)
{
	struct mftd_msg m;

	while (mftd_chan_recv(q->coordinator, &m) == 0)
		continue;
	while (mftd_chan_recv(q->parent, &m) == 0)
		continue;
}

bool
queue_rig_await(struct queue_rig *q, enum mftd_delivery_state state, int n)
{
	int64_t end = mftd_clock_ms() + PATIENCE_MS;
	struct mftd_delivery d;

	while (queue_rig_count(q, state, &d) != n) {
		if (is_gone(q) || mftd_clock_ms() > end)
			return false;
		listen_to(q);
		poll(NULL, 0, 5);
	}
	return true;
}
