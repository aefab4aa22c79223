/* Part of mftd; see LICENSE. */
#include "tests/unit/outbound/queue_rig.h"

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
#include "mftd/ipc/worker.h"
#include "mftd/journal/record.h"
#include "mftd/outbound/outbound.h"
#include "tests/unit/journal/steps.h"

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

void
apply_objects(struct world *w)
{
	struct mftd_account account = { .name = (char *)"alice",
		.volume = (char *)"main",
		.root = (char *)"alice" };
	struct mftd_route route = { .name = (char *)"alice-to-acme",
		.account = (char *)"alice",
		.partner = (char *)"acme",
		.directory = w->partner.in,
		.queue = (char *)"default" };
	struct mftd_route_pull pull = { .partner = (char *)"acme",
		.directory = w->from,
		.volume = (char *)"main",
		.fetched = (char *)"delete",
		.resume = (char *)"verify" };
	struct mftd_objects o = { .accounts = &account,
		.n_accounts = 1,
		.partners = &w->partner.p,
		.n_partners = 1,
		.routes = &route,
		.n_routes = 1 };
	uint64_t version;

	if (w->from[0] != '\0') {
		route.account = NULL;
		route.pull = &pull;
	}
	assert_int_equal(mftd_catalog_apply(w->catalog, &o, &version), 0);
}

void
make_catalog(struct world *w)
{
	const char *uri = getenv("MFTD_TEST_CATALOG");

	if (uri != NULL)
		empty_postgres(uri);
	assert_int_equal(mftd_catalog_open(w->uri, "test", &w->catalog), 0);
	assert_int_equal(mftd_catalog_migrate(w->catalog), 0);
	apply_objects(w);
}

/* ---- uploads, as the journal tells of them */

static void
forward(struct world *w, uint32_t type, const struct mftd_buf *b)
{
	struct mftd_forward f = { .seq = ++w->seq,
		.time_us = mftd_clock_wall_us() - 1000000,
		.type = type,
		.payload = mftd_buf_data(b),
		.payload_bytes = mftd_buf_len(b) };

	assert_int_equal(mftd_catalog_forward(w->catalog, "n1-1.s", &f, 1), 0);
}

void
upload(struct world *w, const char *id, uint64_t size)
{
	struct mftd_rec_receipt r = { .size = size,
		.inode = w->seq + 1000,
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
	snprintf(path, sizeof(path), "%s/.mft/out/%s", w->volume, id);
	make_file(path, size, (unsigned int)w->seq, r.sha256);
	assert_int_equal(mftd_rec_receipt_put(b, &r), 0);
	forward(w, MFTD_RECORD_RECEIPT, b);
	mftd_buf_reset(b);
	snprintf(o.receipt, sizeof(o.receipt), "%s", id);
	snprintf(o.part, sizeof(o.part), "%s", r.part);
	assert_int_equal(mftd_rec_outcome_put(b, &o), 0);
	forward(w, MFTD_RECORD_PUBLISHED, b);
	mftd_buf_free(b);
}

static int
tally_one(void *data, const struct mftd_delivery *d)
{
	struct tally *t = data;

	t->by_state[d->state]++;
	t->rows++;
	t->last = *d;
	return 0;
}

void
look(struct world *w, struct tally *t)
{
	memset(t, 0, sizeof(*t));
	assert_int_equal(
	    mftd_catalog_deliveries(w->catalog, NULL, tally_one, t), 0);
}

/* ---- the process */

static void __attribute__((noreturn))
run_outbound(struct world *w, int parent_fd, struct steps *steps)
{
	struct mftd_worker worker = { .proc = MFTD_PROC_OUTBOUND,
		.instance = "default",
		.incarnation = "n1-1",
		.conf = &w->conf,
		.lease = w->lease,
		.lock_fd = -1,
		.parent_fd = parent_fd };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(w->partner.guard); /* or its end were not seen */
	mftd_log_process("outbound");
	if (steps != NULL)
		steps_enter(steps);
	mftd_outbound_main(&worker);
	_exit(0);
}

void
start_in_steps(struct world *w, struct steps *steps)
{
	struct mftd_msg_peer peer = { .proc = MFTD_PROC_COORDINATOR };
	int fds[2], co[2];

	memset(&w->ob, 0, sizeof(w->ob));
	assert_int_equal(mftd_chan_pair(fds), 0);
	w->ob.pid = fork();
	assert_true(w->ob.pid >= 0);
	if (w->ob.pid == 0) {
		close(fds[0]);
		run_outbound(w, fds[1], steps);
	}
	close(fds[1]);
	w->ob.parent = mftd_chan_new(fds[0], MFTD_PROC_OUTBOUND, "default");
	assert_int_equal(mftd_chan_pair(co), 0);
	/* it may be dead already */
	mftd_chan_send(
	    w->ob.parent, MFTD_MSG_PEER, 0, &peer, sizeof(peer), &co[1], 1);
	close(co[1]);
	w->ob.coordinator = mftd_chan_new(co[0], MFTD_PROC_OUTBOUND, "default");
	if (steps != NULL) {
		steps_begin(steps, w->ob.pid);
		steps_arm(steps);
	}
}

void
start(struct world *w)
{
	start_in_steps(w, NULL);
}

void
finish(struct world *w)
{
	mftd_chan_free(w->ob.parent);
	mftd_chan_free(w->ob.coordinator);
	w->ob.parent = w->ob.coordinator = NULL;
	if (w->ob.pid > 0)
		waitpid(w->ob.pid, NULL, 0);
	w->ob.pid = 0;
}

void
crash(struct world *w)
{
	kill(w->ob.pid, SIGKILL);
	finish(w);
}

void
listen_to(struct world *w)
{
	struct mftd_msg m;

	if (w->ob.pid == 0)
		return;
	while (mftd_chan_recv(w->ob.coordinator, &m) == 0)
		if (m.type == MFTD_MSG_OUTBOUND_STATE)
			w->ob.state =
			    *(const struct mftd_msg_outbound_state *)m.data;
	while (mftd_chan_recv(w->ob.parent, &m) == 0)
		w->ob.ready = w->ob.ready || m.type == MFTD_MSG_READY;
}

bool
world_open(struct world *w)
{
	const char *uri = getenv("MFTD_TEST_CATALOG");
	char path[128];

	memset(w, 0, sizeof(*w));
	if (partner_start(&w->partner) < 0)
		return false;
	snprintf(w->volume, sizeof(w->volume), "%s/vol", w->partner.dir);
	mkdir(w->volume, 0700);
	snprintf(path, sizeof(path), "%s/.mft", w->volume);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.mft/out", w->volume);
	mkdir(path, 0700);
	if (uri != NULL)
		snprintf(w->uri, sizeof(w->uri), "%s", uri);
	else
		snprintf(w->uri, sizeof(w->uri), "sqlite:%s/catalog.db",
		    w->partner.dir);
	w->lease = mftd_lease_new();
	mftd_lease_hold(w->lease);
	w->conf.node = (char *)"n1";
	w->conf.catalog = w->uri;
	w->conf.log = (char *)"stderr";
	w->conf.log_level =
	    getenv("VERBOSE") != NULL ? (char *)"info" : (char *)"error";
	w->conf.volumes[0].name = (char *)"main";
	w->conf.volumes[0].path = w->volume;
	w->conf.n_volumes = 1;
	return true;
}

void
world_close(struct world *w)
{
	if (w->ob.pid > 0)
		crash(w);
	mftd_catalog_close(w->catalog);
	partner_stop(&w->partner);
}
