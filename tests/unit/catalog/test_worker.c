/* Part of mftd; see LICENSE. */
#include "mftd/catalog/worker.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/buf.h"
#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/person.h"
#include "mftd/catalog/steps.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/worker.h"
#include "mftd/journal/record.h"

#define DEADLINE_MS 20000

/* The process under test, and everyone it talks to. */
struct rig {
	char dir[64], uri[128], db_dir[80], file[96];
	struct mftd_conf conf;
	pid_t pid;
	struct mftd_chan *parent, *coordinator, *auth, *journal;
	const char *after; /* what the route wants of the source */
};

static void
run_worker(struct rig *rig, int fd)
{
	struct mftd_worker w = { .proc = MFTD_PROC_CATALOG,
		.conf = &rig->conf,
		.lock_fd = -1,
		.parent_fd = fd };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mftd_log_open("stderr", "error");
	mftd_catalog_main(&w);
	exit(0);
}

static struct mftd_chan *
introduce(struct rig *rig, enum mftd_proc proc, const char *instance)
{
	struct mftd_msg_peer peer = { .proc = proc };
	int fds[2];

	snprintf(peer.instance, sizeof(peer.instance), "%s", instance);
	assert_int_equal(mftd_chan_pair(fds), 0);
	assert_int_equal(mftd_chan_send(rig->parent, MFTD_MSG_PEER, 0, &peer,
			     sizeof(peer), &fds[1], 1),
	    0);
	close(fds[1]);
	return mftd_chan_new(fds[0], MFTD_PROC_CATALOG, "");
}

static void
start(struct rig *rig)
{
	int fds[2];

	assert_int_equal(mftd_chan_pair(fds), 0);
	rig->pid = fork();
	assert_true(rig->pid >= 0);
	if (rig->pid == 0) {
		close(fds[0]);
		run_worker(rig, fds[1]);
	}
	close(fds[1]);
	rig->parent = mftd_chan_new(fds[0], MFTD_PROC_CATALOG, "");
	rig->coordinator = introduce(rig, MFTD_PROC_COORDINATOR, "");
	rig->auth = introduce(rig, MFTD_PROC_AUTH, "");
	rig->journal = introduce(rig, MFTD_PROC_JOURNAL, "main");
}

static void
stop(struct rig *rig)
{
	int status;

	mftd_chan_free(rig->parent); /* its end: the parent is gone */
	assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	mftd_chan_free(rig->coordinator);
	mftd_chan_free(rig->auth);
	mftd_chan_free(rig->journal);
}

/* The next message of that type; others are passed over. */
static void
expect(struct mftd_chan *c, uint32_t type, struct mftd_msg *m)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;

	do
		assert_int_equal(mftd_chan_wait(c, m, deadline), 0);
	while (m->type != type);
}

static void
expect_state(struct rig *rig, bool reachable, uint64_t version)
{
	const struct mftd_msg_catalog_state *s;
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct mftd_msg m;

	do {
		assert_true(mftd_clock_ms() < deadline);
		expect(rig->coordinator, MFTD_MSG_CATALOG_STATE, &m);
		s = m.data;
	} while (s->reachable != reachable || s->config_version != version);
}

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	strcpy(rig->dir, "test_worker_XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	snprintf(rig->db_dir, sizeof(rig->db_dir), "%s/db", rig->dir);
	snprintf(rig->file, sizeof(rig->file), "%s/c.db", rig->db_dir);
	snprintf(rig->uri, sizeof(rig->uri), "sqlite:%s", rig->file);
	assert_int_equal(mkdir(rig->db_dir, 0700), 0);
	rig->conf.catalog = rig->uri;
	rig->conf.state_dir = rig->dir;
	rig->conf.n_volumes = 1;
	*state = rig;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const files[] = { "db/c.db", "db/c.db-wal",
		"db/c.db-shm", "snapshot.db" };
	struct rig *rig = *state;
	char path[128];
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", rig->dir, files[i]);
		unlink(path);
	}
	rmdir(rig->db_dir);
	assert_int_equal(rmdir(rig->dir), 0);
	free(rig);
	return 0;
}

/* Account alice with a route. */
static void
apply(struct rig *rig, uint64_t want)
{
	struct mftd_account alice = {
		.name = "alice", .volume = "main", .root = "alice"
	};
	struct mftd_partner acme = { .name = "acme",
		.host = "h",
		.port = 22,
		.user = "u",
		.key_file = "/k" };
	struct mftd_route route = { .name = "r",
		.account = "alice",
		.partner = "acme",
		.directory = "",
		.queue = "q",
		.after = (char *)(uintptr_t)rig->after };
	struct mftd_objects o = { .accounts = &alice,
		.n_accounts = 1,
		.partners = &acme,
		.n_partners = 1,
		.routes = &route,
		.n_routes = 1 };
	struct mftd_catalog *c;
	uint64_t version;

	assert_int_equal(mftd_catalog_open(rig->uri, "", &c), 0);
	assert_int_equal(mftd_catalog_migrate(c), 0);
	assert_int_equal(mftd_catalog_apply(c, &o, &version), 0);
	assert_int_equal(version, want);
	mftd_catalog_close(c);
}

static void
expect_snapshot(struct rig *rig, uint64_t version)
{
	const struct mftd_msg_snapshot *s;
	struct mftd_catalog *c;
	struct mftd_objects *o;
	struct mftd_msg m;
	char uri[MFTD_PATH_BYTES + 8];

	expect(rig->auth, MFTD_MSG_SNAPSHOT, &m);
	s = m.data;
	assert_int_equal(s->version, version);
	snprintf(uri, sizeof(uri), "sqlite:%s", s->path);
	assert_int_equal(mftd_catalog_open(uri, "", &c), 0);
	assert_int_equal(mftd_catalog_load(c, &o), 0);
	assert_int_equal(o->version, version);
	assert_string_equal(o->accounts[0].name, "alice");
	mftd_objects_free(o);
	mftd_catalog_close(c);
}

static void
change_of_configuration_reaches_auth(void **state)
{
	struct rig *rig = *state;
	struct mftd_msg_config_poke poke = { .version = 2 };

	start(rig);
	expect_state(rig, true, 0);
	apply(rig, 1); /* noticed by polling */
	expect_snapshot(rig, 1);
	expect_state(rig, true, 1);
	apply(rig, 2);
	assert_int_equal(mftd_chan_send(rig->coordinator, MFTD_MSG_CONFIG_POKE,
			     0, &poke, sizeof(poke), NULL, 0),
	    0);
	expect_snapshot(rig, 2);
	stop(rig);
}

static int64_t
none_until(struct rig *rig)
{
	struct mftd_msg m;

	expect(rig->journal, MFTD_MSG_ROUTES, &m);
	return ((const struct mftd_msg_routes *)m.data)->none_until_ms;
}

/* Before auth hears of the routes, and again and again, for a while each. */
static void
journal_hears_whether_routes_are(void **state)
{
	struct rig *rig = *state;
	int64_t first, until, deadline;

	start(rig);
	first = none_until(rig);
	assert_true(first > mftd_clock_ms());
	do
		until = none_until(rig);
	while (until == first);
	assert_true(until > first);
	apply(rig, 1);
	deadline = mftd_clock_ms() + DEADLINE_MS;
	while (none_until(rig) != 0)
		assert_true(mftd_clock_ms() < deadline);
	stop(rig);
}

static void
last_good_snapshot_serves_while_away(void **state)
{
	struct rig *rig = *state;
	char aside[96];

	apply(rig, 1);
	start(rig);
	expect_snapshot(rig, 1);
	stop(rig);
	snprintf(aside, sizeof(aside), "%s/away", rig->dir);
	assert_int_equal(rename(rig->db_dir, aside), 0);
	start(rig);
	expect_snapshot(rig, 1);
	expect_state(rig, false, 1);
	assert_int_equal(rename(aside, rig->db_dir), 0);
	expect_state(rig, true, 1);
	stop(rig);
}

static void
empty_database_does_not_replace_the_snapshot(void **state)
{
	struct rig *rig = *state;
	char path[128];

	apply(rig, 1);
	start(rig);
	expect_snapshot(rig, 1);
	stop(rig);
	snprintf(path, sizeof(path), "%s-wal", rig->file);
	unlink(path);
	snprintf(path, sizeof(path), "%s-shm", rig->file);
	unlink(path);
	assert_int_equal(unlink(rig->file), 0);
	start(rig);
	expect_snapshot(rig, 1);
	expect_state(rig, true, 1);
	stop(rig);
}

/* ---- a journal */

static void
offer(struct rig *rig, uint64_t seq)
{
	struct mftd_msg_stream msg = { .stream = "s1", .seq = seq };

	assert_int_equal(mftd_chan_send(rig->journal, MFTD_MSG_STREAM, 0, &msg,
			     sizeof(msg), NULL, 0),
	    0);
}

/* Sends record seq: 1 RECEIPT, 2 PUBLISHED, then audit; 0 ends. */
static void
give(struct rig *rig, uint64_t ref, uint64_t seq)
{
	static const struct mftd_rec_receipt receipt = { .id = "f1",
		.session = "s",
		.account = "alice",
		.volume = "main",
		.root = "alice",
		.path = "x",
		.part = "p",
		.inode = 5,
		.has_routes = true };
	static const struct mftd_rec_outcome outcome = { .receipt = "f1",
		.part = "p" };
	struct mftd_msg_record msg = {
		.stream = "s1", .seq = seq, .time_us = 1000000000000000
	};
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);

	if (seq == 1) {
		msg.type = MFTD_RECORD_RECEIPT;
		assert_int_equal(mftd_rec_receipt_put(b, &receipt), 0);
	} else if (seq == 2) {
		msg.type = MFTD_RECORD_PUBLISHED;
		assert_int_equal(mftd_rec_outcome_put(b, &outcome), 0);
	} else if (seq != 0) {
		msg.type = MFTD_RECORD_AUDIT;
	}
	msg.payload_bytes = (uint32_t)mftd_buf_len(b);
	assert_int_equal(
	    mftd_chan_send_tail(rig->journal, MFTD_MSG_RECORD, ref, &msg,
		sizeof(msg), mftd_buf_data(b), mftd_buf_len(b)),
	    0);
	mftd_buf_free(b);
}

/* Answers the next WANT with all up to last. */
static void
answer_want(struct rig *rig, uint64_t after, uint64_t last)
{
	const struct mftd_msg_want *want;
	struct mftd_msg m;
	uint64_t ref, seq, most;

	expect(rig->journal, MFTD_MSG_WANT, &m);
	want = m.data;
	ref = m.ref;
	most = want->most;
	assert_string_equal(want->stream, "s1");
	assert_int_equal(want->after, after);
	for (seq = after + 1; seq <= last && most > 0; seq++, most--)
		give(rig, ref, seq);
	if (most > 0)
		give(rig, ref, 0);
}

static void
expect_forwarded(struct rig *rig, uint64_t seq)
{
	const struct mftd_msg_forwarded *f;
	struct mftd_msg m;

	do {
		expect(rig->journal, MFTD_MSG_FORWARDED, &m);
		f = m.data;
		assert_string_equal(f->stream, "s1");
		assert_true(f->seq <= seq);
	} while (f->seq < seq);
}

static int
count(void *data, const struct mftd_delivery *d)
{
	++*(int *)data;
	return 0;
}

static void
offered_stream_is_forwarded(void **state)
{
	struct rig *rig = *state;
	struct mftd_catalog *c;
	int n = 0;

	apply(rig, 1);
	start(rig);
	offer(rig, 3);
	answer_want(rig, 0, 3);
	expect_forwarded(rig, 3);
	/* more than a batch: WANTs follow each other */
	offer(rig, 200);
	answer_want(rig, 3, 200);
	answer_want(rig, 3 + 128, 200);
	expect_forwarded(rig, 200);
	stop(rig);
	/* another life reads the mark from the catalog */
	start(rig);
	offer(rig, 200);
	expect_forwarded(rig, 200);
	offer(rig, 201);
	answer_want(rig, 200, 201);
	expect_forwarded(rig, 201);
	stop(rig);
	assert_int_equal(mftd_catalog_open(rig->uri, "", &c), 0);
	assert_int_equal(mftd_catalog_deliveries(c, NULL, count, &n), 0);
	assert_int_equal(n, 1);
	mftd_catalog_close(c);
}

/* Who has just started does not know, and says so; unless the first try came
 * before it was introduced to anybody, which chance decides. */
static void
away_is_said_once_it_was_tried(void **state)
{
	struct rig *rig = *state;
	const struct mftd_msg_catalog_state *s;
	char aside[96];
	struct mftd_msg m;
	bool early = true;
	int i;

	snprintf(aside, sizeof(aside), "%s/away", rig->dir);
	assert_int_equal(rename(rig->db_dir, aside), 0);
	for (i = 0; i < 20 && early; i++) {
		start(rig);
		expect(rig->coordinator, MFTD_MSG_CATALOG_STATE, &m);
		s = m.data;
		assert_false(s->reachable);
		early = s->tried;
		if (!early) {
			expect(rig->coordinator, MFTD_MSG_CATALOG_STATE, &m);
			s = m.data;
			assert_true(s->tried && !s->reachable);
		}
		stop(rig);
	}
	assert_false(early);
	assert_int_equal(rename(aside, rig->db_dir), 0);
}

static void
stream_waits_for_the_database(void **state)
{
	struct rig *rig = *state;
	char aside[96];

	snprintf(aside, sizeof(aside), "%s/away", rig->dir);
	assert_int_equal(rename(rig->db_dir, aside), 0);
	start(rig);
	offer(rig, 2);
	expect_state(rig, false, 0);
	assert_int_equal(rename(aside, rig->db_dir), 0);
	answer_want(rig, 0, 2);
	expect_forwarded(rig, 2);
	stop(rig);
}

static void
link_is_released_once(void **state)
{
	struct rig *rig = *state;
	struct mftd_catalog *c;
	struct mftd_msg m;
	char out[1][MFTD_ID_BYTES];

	start(rig); /* no routes: nothing needs the link */
	offer(rig, 2);
	answer_want(rig, 0, 2);
	expect(rig->journal, MFTD_MSG_RELEASE, &m);
	assert_string_equal(
	    ((const struct mftd_msg_release *)m.data)->receipt, "f1");
	stop(rig);
	assert_int_equal(mftd_catalog_open(rig->uri, "", &c), 0);
	assert_int_equal(mftd_catalog_releasable(c, out, 1), 0);
	mftd_catalog_close(c);
}

/* All that may go, without a pause: else this would take a minute. */
static void
links_go_without_a_pause(void **state)
{
	struct rig *rig = *state;
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct mftd_catalog *c;
	struct mftd_msg m;
	int n = 0;

	assert_int_equal(mftd_catalog_open(rig->uri, "", &c), 0);
	assert_int_equal(mftd_catalog_migrate(c), 0);
	assert_int_equal(c->db->ops->script(c->db,
			     "INSERT INTO receipt (id, known, outcome, "
			     "has_routes, matched) SELECT 'm' || i, 1, "
			     "'PUBLISHED', 1, 0 FROM (WITH RECURSIVE n (i) AS "
			     "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
			     "i < 8192) SELECT i FROM n) AS every"),
	    0);
	mftd_catalog_close(c);
	start(rig);
	offer(rig, 2);
	while (n < 8192) {
		assert_int_equal(mftd_chan_wait(rig->journal, &m, deadline), 0);
		n += m.type == MFTD_MSG_RELEASE;
	}
	stop(rig);
}

/* The link goes only once a journal has said what became of the source; one
 * that was released before is not again. */
static void
source_goes_before_its_link(void **state)
{
	const struct mftd_msg_disposed said = { .receipt = "f1",
		.source = MFTD_SOURCE_DELETED };
	struct rig *rig = *state;
	struct mftd_role_row role;
	struct mftd_delivery d;
	struct mftd_catalog *c;
	struct mftd_msg m;

	rig->after = "delete";
	apply(rig, 1);
	start(rig);
	offer(rig, 2);
	answer_want(rig, 0, 2);
	expect_forwarded(rig, 2);
	assert_int_equal(mftd_catalog_open(rig->uri, "", &c), 0);
	mftd_catalog_raise(c, "q", "me", &role);
	mftd_catalog_claim(c, &role, mftd_clock_wall_us(), "", &d, 1);
	d.state = MFTD_DELIVERY_DONE;
	assert_int_equal(
	    mftd_catalog_step(c, &role, &d, MFTD_DELIVERY_CLAIMED), 0);
	mftd_catalog_close(c);
	expect(rig->journal, MFTD_MSG_DISPOSE, &m);
	assert_string_equal(
	    ((const struct mftd_msg_dispose *)m.data)->path, "alice/x");
	mftd_chan_send(
	    rig->journal, MFTD_MSG_DISPOSED, 0, &said, sizeof(said), NULL, 0);
	expect(rig->journal, MFTD_MSG_RELEASE, &m);
	stop(rig);
}

/* A journal that finds links is told which of them may go, again. */
static void
found_links_are_released(void **state)
{
	struct rig *rig = *state;
	struct mftd_msg_links links = { .n = 18 };
	struct mftd_msg m;
	int i;

	for (i = 0; i < 18; i++) /* f1 in the second statement */
		snprintf(links.receipts[i], MFTD_ID_BYTES, "f%d", 18 - i);
	start(rig);
	offer(rig, 2);
	answer_want(rig, 0, 2);
	expect_forwarded(rig, 2);
	expect(rig->journal, MFTD_MSG_RELEASE, &m);
	mftd_chan_send(
	    rig->journal, MFTD_MSG_LINKS, 0, &links, sizeof(links), NULL, 0);
	expect(rig->journal, MFTD_MSG_RELEASE, &m);
	assert_string_equal(
	    ((const struct mftd_msg_release *)m.data)->receipt, "f1");
	expect(rig->journal, MFTD_MSG_LINKS_SEEN, &m);
	assert_int_equal(((const struct mftd_msg_links_seen *)m.data)->err, 0);
	stop(rig);
}

/* While the catalog is away, nobody can say. */
static void
found_links_wait(void **state)
{
	struct rig *rig = *state;
	struct mftd_msg_links links = { .n = 1, .receipts = { "f1" } };
	char aside[sizeof(rig->db_dir) + 8];
	struct mftd_msg m;

	snprintf(aside, sizeof(aside), "%s.aside", rig->db_dir);
	assert_int_equal(rename(rig->db_dir, aside), 0);
	start(rig);
	mftd_chan_send(
	    rig->journal, MFTD_MSG_LINKS, 0, &links, sizeof(links), NULL, 0);
	expect(rig->journal, MFTD_MSG_LINKS_SEEN, &m);
	assert_int_equal(((const struct mftd_msg_links_seen *)m.data)->err,
	    -MFTD_E_CATALOG_AWAY);
	stop(rig);
	assert_int_equal(rename(aside, rig->db_dir), 0);
}

/* What cannot be read is told, and the other streams go on. */
static void
unreadable_stream_is_told(void **state)
{
	struct rig *rig = *state;
	const struct mftd_msg_catalog_state *s;
	struct mftd_msg_record bad = {
		.stream = "s0", .seq = 1, .type = MFTD_RECORD_RECEIPT
	};
	struct mftd_msg_stream msg = { .stream = "s0", .seq = 1 };
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct mftd_msg m;

	start(rig);
	assert_int_equal(mftd_chan_send(rig->journal, MFTD_MSG_STREAM, 0, &msg,
			     sizeof(msg), NULL, 0),
	    0);
	expect(rig->journal, MFTD_MSG_WANT, &m);
	assert_int_equal(mftd_chan_send_tail(rig->journal, MFTD_MSG_RECORD,
			     m.ref, &bad, sizeof(bad), NULL, 0),
	    0);
	bad.type = 0;
	assert_int_equal(mftd_chan_send_tail(rig->journal, MFTD_MSG_RECORD,
			     m.ref, &bad, sizeof(bad), NULL, 0),
	    0);
	do {
		assert_true(mftd_clock_ms() < deadline);
		expect(rig->coordinator, MFTD_MSG_CATALOG_STATE, &m);
		s = m.data;
	} while (strstr(s->reason, "stream s0 is stuck") == NULL);
	assert_true(s->reachable);
	offer(rig, 2);
	answer_want(rig, 0, 2);
	expect_forwarded(rig, 2);
	stop(rig);
}

/* A journal that gives other records than were wanted is given up. */
static void
wrong_record_ends_the_channel(void **state)
{
	struct rig *rig = *state;
	struct mftd_msg m;
	int r;

	start(rig);
	offer(rig, 5);
	expect(rig->journal, MFTD_MSG_WANT, &m);
	give(rig, m.ref, 2);
	r = mftd_chan_wait(rig->journal, &m, mftd_clock_ms() + DEADLINE_MS);
	assert_int_equal(r, -MFTD_E_CLOSED);
	stop(rig);
}

#define WORKER_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WORKER_TEST(change_of_configuration_reaches_auth),
		WORKER_TEST(journal_hears_whether_routes_are),
		WORKER_TEST(last_good_snapshot_serves_while_away),
		WORKER_TEST(empty_database_does_not_replace_the_snapshot),
		WORKER_TEST(offered_stream_is_forwarded),
		WORKER_TEST(away_is_said_once_it_was_tried),
		WORKER_TEST(stream_waits_for_the_database),
		WORKER_TEST(link_is_released_once),
		WORKER_TEST(links_go_without_a_pause),
		WORKER_TEST(source_goes_before_its_link),
		WORKER_TEST(found_links_are_released),
		WORKER_TEST(found_links_wait),
		WORKER_TEST(unreadable_stream_is_told),
		WORKER_TEST(wrong_record_ends_the_channel),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
