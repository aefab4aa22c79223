/* Part of mftd; see LICENSE. */
#include "mftd/journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

#define LIFE "n1-0123456789abcdef"
#define OTHER_LIFE "n1-00000000000000ff"
#define NEXT_LIFE "n1-fedcba9876543210"

struct world {
	struct tree t;
	struct rig r;
	struct rig_session s;
};

static void
setup(struct world *w, const char *root)
{
	tree_make(&w->t);
	rig_start(&w->r, w->t.path, LIFE, NULL, NULL);
	assert_true(rig_ready(&w->r));
	assert_int_equal(rig_open(&w->r, &w->s, 1, "alice", root), 0);
}

static void
teardown(struct world *w)
{
	if (w->s.c != NULL)
		rig_close(&w->s);
	assert_int_equal(rig_stop(&w->r), 0);
	tree_remove(&w->t);
}

static void
count_type(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	int *counts = data;

	if (type < 32)
		counts[type]++;
}

static int
records(struct world *w, uint32_t type)
{
	int counts[32] = { 0 };

	rig_records(w->t.path, count_type, counts);
	return counts[type];
}

/* Polls for what has no event of its own. */
static bool
comes_true(bool (*fn)(struct world *w), struct world *w)
{
	int64_t deadline = mftd_clock_ms() + 10000;

	while (!fn(w)) {
		if (mftd_clock_ms() > deadline)
			return false;
		poll(NULL, 0, 5);
	}
	return true;
}

static int
ask_path(struct rig_session *s, uint32_t type, const char *path)
{
	struct mftd_msg_remove m = { 0 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	return rig_ask(s, type, &m, sizeof(m));
}

static int
ask_rename(struct rig_session *s, const char *from, const char *to, int over)
{
	struct mftd_msg_rename m = { .overwrite = (uint32_t)over };

	snprintf(m.from, sizeof(m.from), "%s", from);
	snprintf(m.to, sizeof(m.to), "%s", to);
	return rig_ask(s, MFTD_MSG_RENAME, &m, sizeof(m));
}

static int
ask_mkdir(struct rig_session *s, const char *path)
{
	struct mftd_msg_mkdir m = { .mode = 0755 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	return rig_ask(s, MFTD_MSG_MKDIR, &m, sizeof(m));
}

static void
publish_replaces_the_name(void **state)
{
	struct world w;
	struct mftd_msg_journal_result res;
	struct mftd_msg_publish m;
	char out[256];

	setup(&w, "home/alice");
	assert_int_equal(rig_upload(&w.s, "f", "first"), 0);
	assert_true(tree_holds(&w.t, "home/alice/f", "first"));
	rig_part(&w.s, "f", "second", &m);
	assert_int_equal(
	    rig_answer(
		&w.s, rig_send(&w.s, MFTD_MSG_PUBLISH, &m, sizeof(m)), &res),
	    0);
	assert_true(tree_holds(&w.t, "home/alice/f", "second"));
	snprintf(out, sizeof(out), ".mft/out/%s", res.receipt);
	assert_int_equal(tree_inode(&w.t, out), m.inode);
	assert_int_equal(tree_count(&w.t, ".mft/out"), 2);
	assert_int_equal(tree_count(&w.t, ".mft/aside"), 0);
	assert_int_equal(records(&w, MFTD_RECORD_RECEIPT), 2);
	teardown(&w);
}

static bool
two_published(struct world *w)
{
	return records(w, MFTD_RECORD_PUBLISHED) == 2;
}

static void
outcome_follows_without_another_request(void **state)
{
	struct world w;

	setup(&w, "alice");
	assert_int_equal(rig_upload(&w.s, "a", "1"), 0);
	assert_int_equal(rig_upload(&w.s, "b", "2"), 0);
	assert_true(comes_true(two_published, &w));
	teardown(&w);
}

/* Says so, and sees that it was heard. */
static void
say_no_routes(struct world *w, int64_t until_ms)
{
	const struct mftd_msg_routes routes = { .none_until_ms = until_ms };
	const struct mftd_msg_want want = { .stream = "n1-1.s", .most = 1 };
	struct mftd_msg m;

	mftd_chan_send(
	    w->r.catalog, MFTD_MSG_ROUTES, 0, &routes, sizeof(routes), NULL, 0);
	mftd_chan_send(
	    w->r.catalog, MFTD_MSG_WANT, 7, &want, sizeof(want), NULL, 0);
	assert_true(rig_wait(w->r.catalog, MFTD_MSG_RECORD, &m));
}

/* Whether an upload gets a link is known when it is published, not when its
 * session begins; and nothing is believed for ever. */
static void
no_link_only_while_no_route_is(void **state)
{
	struct world w;

	(void)state;
	setup(&w, "alice");
	assert_int_equal(rig_upload(&w.s, "unknown", "1"), 0);
	assert_int_equal(tree_count(&w.t, ".mft/out"), 1);
	say_no_routes(&w, mftd_clock_ms() + 600000);
	assert_int_equal(rig_upload(&w.s, "none", "2"), 0);
	assert_int_equal(tree_count(&w.t, ".mft/out"), 1);
	say_no_routes(&w, 0);
	assert_int_equal(rig_upload(&w.s, "some", "3"), 0);
	assert_int_equal(tree_count(&w.t, ".mft/out"), 2);
	say_no_routes(&w, mftd_clock_ms() - 1);
	assert_int_equal(rig_upload(&w.s, "old news", "4"), 0);
	assert_int_equal(tree_count(&w.t, ".mft/out"), 3);
	teardown(&w);
}

/* What a session says of itself or its part is not believed. */
static void
publish_refuses_what_is_not_so(void **state)
{
	struct world w;
	struct rig_session other;
	struct mftd_msg_publish m, bad;

	setup(&w, "alice");
	assert_int_equal(rig_open(&w.r, &other, 2, "alice", "alice"), 0);
	rig_part(&w.s, "f", "text", &m);
	assert_int_equal(rig_ask(&other, MFTD_MSG_PUBLISH, &m, sizeof(m)),
	    -MFTD_E_PROTOCOL); /* another session's part */
	bad = m;
	bad.size++;
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_PUBLISH, &bad, sizeof(bad)),
	    -MFTD_E_PROTOCOL);
	bad = m;
	bad.inode++;
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_PUBLISH, &bad, sizeof(bad)),
	    -MFTD_E_PROTOCOL);
	bad = m;
	strcpy(bad.path, "../f");
	assert_true(rig_ask(&w.s, MFTD_MSG_PUBLISH, &bad, sizeof(bad)) < 0);
	strcpy(bad.path, "g"); /* that name has no such part */
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_PUBLISH, &bad, sizeof(bad)),
	    -MFTD_E_SUPERSEDED);
	assert_int_equal(symlinkat("/tmp", w.s.root, "link"), 0);
	strcpy(bad.path, "link/f");
	assert_int_equal(
	    rig_ask(&w.s, MFTD_MSG_PUBLISH, &bad, sizeof(bad)), -ELOOP);
	assert_int_equal(records(&w, MFTD_RECORD_RECEIPT), 0);
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_PUBLISH, &m, sizeof(m)), 0);
	rig_close(&other);
	teardown(&w);
}

static void
exclusive_publish_keeps_what_is_there(void **state)
{
	struct world w;
	struct mftd_msg_publish m;

	setup(&w, "alice");
	rig_part(&w.s, "f", "mine", &m);
	m.noreplace = 1;
	tree_write(&w.t, "alice/f", "theirs");
	assert_int_equal(
	    rig_ask(&w.s, MFTD_MSG_PUBLISH, &m, sizeof(m)), -EEXIST);
	assert_true(tree_holds(&w.t, "alice/f", "theirs"));
	assert_int_equal(tree_count(&w.t, ".mft/out"), 0);
	assert_int_equal(tree_count(&w.t, ".mft/aside"), 0);
	assert_int_equal(records(&w, MFTD_RECORD_ABANDONED), 1);
	unlinkat(w.t.fd, "alice/f", 0);
	rig_part(&w.s, "f", "mine", &m);
	m.noreplace = 1;
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_PUBLISH, &m, sizeof(m)), 0);
	teardown(&w);
}

static void
without_a_lease_nothing_changes(void **state)
{
	struct world w;
	struct mftd_msg_publish m;

	setup(&w, "alice");
	rig_part(&w.s, "f", "text", &m);
	mftd_lease_renew(w.r.lease, 0);
	assert_int_equal(
	    rig_ask(&w.s, MFTD_MSG_PUBLISH, &m, sizeof(m)), -MFTD_E_NO_LEASE);
	assert_int_equal(ask_mkdir(&w.s, "d"), -MFTD_E_NO_LEASE);
	assert_true(tree_holds(&w.t, "alice/f", NULL));
	assert_int_equal(records(&w, MFTD_RECORD_RECEIPT), 0);
	mftd_lease_hold(w.r.lease);
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_PUBLISH, &m, sizeof(m)), 0);
	teardown(&w);
}

static void
pipelined_requests_share_commits_and_keep_order(void **state)
{
	enum { N = 200 };
	struct world w;
	struct mftd_msg_publish *m = calloc(N, sizeof(*m));
	struct mftd_msg_journal_result res;
	const struct mftd_msg_volume_state *st;
	struct mftd_msg msg;
	uint64_t refs[N];
	char path[32];
	int i;

	setup(&w, "alice");
	for (i = 0; i < N; i++) {
		snprintf(path, sizeof(path), "f%d", i % 50);
		snprintf(m[i].path, sizeof(m[i].path), "%d", i);
		rig_part(&w.s, path, m[i].path, &m[i]);
	}
	for (i = 0; i < N; i++)
		refs[i] = rig_send(&w.s, MFTD_MSG_PUBLISH, &m[i], sizeof(m[i]));
	for (i = 0; i < N; i++)
		assert_int_equal(rig_answer(&w.s, refs[i], &res), 0);
	for (i = 0; i < 50; i++) { /* the last of each name */
		snprintf(path, sizeof(path), "alice/f%d", i);
		assert_int_equal(tree_inode(&w.t, path), m[N - 50 + i].inode);
	}
	do { /* it tells by itself, every two seconds */
		assert_true(
		    rig_wait(w.r.coordinator, MFTD_MSG_VOLUME_STATE, &msg));
		st = msg.data;
		assert_true(st->healthy);
	} while (st->records < 2 * N);
	assert_true(st->syncs < N / 4);
	free(m);
	teardown(&w);
}

/* Requests of one session that build on each other, sent at once. */
static void
dependent_requests_wait_for_each_other(void **state)
{
	struct world w;
	struct mftd_msg_mkdir d = { .path = "d", .mode = 0755 };
	struct mftd_msg_mkdir e = { .path = "d/e", .mode = 0755 };
	struct mftd_msg_rename r1 = { .from = "d/e", .to = "x" };
	struct mftd_msg_rename r2 = { .from = "x", .to = "y" };
	struct mftd_msg_remove rm = { .path = "y" };
	struct mftd_msg_rename up = { .from = "f.part", .to = "f" };
	struct mftd_msg_publish m;
	struct mftd_msg_journal_result res;
	uint64_t ref;

	setup(&w, "alice");
	rig_part(&w.s, "f.part", "text", &m);
	ref = rig_send(&w.s, MFTD_MSG_PUBLISH, &m, sizeof(m));
	rig_send(&w.s, MFTD_MSG_RENAME, &up, sizeof(up));
	rig_send(&w.s, MFTD_MSG_MKDIR, &d, sizeof(d));
	rig_send(&w.s, MFTD_MSG_MKDIR, &e, sizeof(e));
	rig_send(&w.s, MFTD_MSG_RENAME, &r1, sizeof(r1));
	rig_send(&w.s, MFTD_MSG_RENAME, &r2, sizeof(r2));
	rig_send(&w.s, MFTD_MSG_RMDIR, &rm, sizeof(rm));
	for (; ref <= w.s.ref; ref++)
		assert_int_equal(rig_answer(&w.s, ref, &res), 0);
	assert_true(tree_holds(&w.t, "alice/f", "text"));
	assert_int_equal(tree_count(&w.t, "alice"), 2); /* f and d */
	teardown(&w);
}

static void
names_change_as_asked(void **state)
{
	struct world w;
	struct mftd_msg_setstat st = { .path = "b",
		.mask = MFTD_SET_MODE | MFTD_SET_TIMES,
		.mode = 04070,
		.atime = 1000,
		.mtime = 2000 };
	struct stat got;

	setup(&w, ".");
	assert_int_equal(rig_upload(&w.s, "a", "A"), 0);
	assert_int_equal(rig_upload(&w.s, "c", "C"), 0);
	assert_int_equal(ask_rename(&w.s, "a", "c", 0), -EEXIST);
	assert_int_equal(ask_rename(&w.s, "none", "d", 1), -ENOENT);
	assert_int_equal(ask_rename(&w.s, "a", "b", 0), 0);
	assert_int_equal(ask_rename(&w.s, "c", "b", 1), 0);
	assert_true(tree_holds(&w.t, "b", "C"));
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_SETSTAT, &st, sizeof(st)), 0);
	assert_int_equal(fstatat(w.t.fd, "b", &got, 0), 0);
	assert_int_equal(got.st_mode & 07777, 0670); /* owner's bits stay */
	assert_int_equal(got.st_mtim.tv_sec, 2000);
	st.mask = MFTD_SET_SIZE; /* what is published never changes */
	st.size = 0;
	assert_int_equal(
	    rig_ask(&w.s, MFTD_MSG_SETSTAT, &st, sizeof(st)), -EOPNOTSUPP);
	assert_true(tree_holds(&w.t, "b", "C"));
	assert_int_equal(ask_mkdir(&w.s, "d"), 0);
	assert_int_equal(ask_mkdir(&w.s, "d"), -EEXIST);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_REMOVE, "d"), -EISDIR);
	assert_int_equal(rig_upload(&w.s, "d/f", "F"), 0);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_RMDIR, "d"), -ENOTEMPTY);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_REMOVE, "d/f"), 0);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_RMDIR, "d"), 0);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_REMOVE, "d"), -ENOENT);
	/* the service's own directory is no client's */
	assert_int_equal(ask_path(&w.s, MFTD_MSG_RMDIR, ".mft"), -EACCES);
	assert_int_equal(ask_mkdir(&w.s, ".mft/x"), -EACCES);
	assert_int_equal(ask_rename(&w.s, "b", ".mft/out/x", 1), -EACCES);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_RMDIR, "."), -EISDIR);
	assert_int_equal(records(&w, MFTD_RECORD_RENAME), 2);
	assert_int_equal(records(&w, MFTD_RECORD_REMOVE), 1);
	assert_int_equal(records(&w, MFTD_RECORD_SETSTAT), 1);
	assert_int_equal(records(&w, MFTD_RECORD_RMDIR), 1);
	teardown(&w);
}

/* A rename that fails after its record is taken back by a second one. */
static void
failed_rename_is_taken_back(void **state)
{
	struct world w;

	setup(&w, "alice");
	assert_int_equal(ask_mkdir(&w.s, "d"), 0);
	assert_int_equal(ask_rename(&w.s, "d", "d/e", 1), -EINVAL);
	assert_int_equal(records(&w, MFTD_RECORD_RENAME), 2);
	teardown(&w);
}

static void
newer_upload_supersedes(void **state)
{
	struct world w;
	struct rig_session other;
	struct mftd_msg_publish old, new;
	struct mftd_msg_supersede sup = { .path = "f" };

	setup(&w, "alice");
	assert_int_equal(rig_open(&w.r, &other, 2, "alice", "alice"), 0);
	rig_part(&w.s, "f", "old", &old);
	rig_part(&other, "f", "new", &new);
	memcpy(sup.keep, new.part, sizeof(sup.keep));
	assert_int_equal(
	    rig_ask(&other, MFTD_MSG_SUPERSEDE, &sup, sizeof(sup)), 0);
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_PUBLISH, &old, sizeof(old)),
	    -MFTD_E_SUPERSEDED);
	assert_int_equal(
	    rig_ask(&other, MFTD_MSG_PUBLISH, &new, sizeof(new)), 0);
	assert_true(tree_holds(&w.t, "alice/f", "new"));
	assert_int_equal(tree_count(&w.t, ".mft/aside"), 0);
	assert_int_equal(records(&w, MFTD_RECORD_ABANDONED), 1);
	rig_close(&other);
	teardown(&w);
}

static void
removal_takes_the_upload_with_it(void **state)
{
	struct world w;
	struct mftd_msg_publish m;

	setup(&w, "alice");
	rig_part(&w.s, "f", "text", &m);
	assert_int_equal(ask_rename(&w.s, "f", "g", 0), -MFTD_E_INCOMPLETE);
	assert_int_equal(ask_mkdir(&w.s, "f"), -EEXIST);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_REMOVE, "f"), 0);
	assert_int_equal(
	    rig_ask(&w.s, MFTD_MSG_PUBLISH, &m, sizeof(m)), -MFTD_E_SUPERSEDED);
	assert_true(tree_holds(&w.t, "alice/f", NULL));
	assert_int_equal(ask_mkdir(&w.s, "d"), 0);
	rig_part(&w.s, "d/f", "text", &m);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_RMDIR, "d"), -ENOTEMPTY);
	teardown(&w);
}

static bool
no_parts(struct world *w)
{
	return tree_count(&w->t, ".mft/parts/alice") == 0;
}

static void
session_end_drops_its_parts_only(void **state)
{
	struct world w;
	struct rig_session other;
	struct mftd_msg_publish a, b;

	setup(&w, "alice");
	assert_int_equal(rig_open(&w.r, &other, 16, "alice", "alice"), 0);
	rig_part(&w.s, "f", "one", &a);
	rig_part(&other, "f", "two", &b); /* "…-10" is not of "…-1" */
	rig_close(&w.s);
	while (records(&w, MFTD_RECORD_ABANDONED) == 0)
		poll(NULL, 0, 5);
	assert_int_equal(rig_ask(&other, MFTD_MSG_PUBLISH, &b, sizeof(b)), 0);
	assert_true(tree_holds(&w.t, "alice/f", "two"));
	rig_close(&other);
	assert_true(comes_true(no_parts, &w));
	assert_int_equal(tree_count(&w.t, ".mft/aside"), 0);
	teardown(&w);
}

static void
sessions_are_not_believed(void **state)
{
	struct world w;
	struct rig_session s;

	setup(&w, "alice");
	assert_int_equal(rig_open(&w.r, &s, 2, "bob", ".mft"), -EPERM);
	rig_close(&s);
	assert_int_equal(rig_open(&w.r, &s, 3, "bob", "a/../b"), -EINVAL);
	rig_close(&s);
	assert_int_equal(rig_open(&w.r, &s, 4, "a/b", "b"), -EINVAL);
	rig_close(&s);
	assert_int_equal(symlinkat("/tmp", w.t.fd, "out"), 0);
	assert_int_equal(rig_open(&w.r, &s, 5, "bob", "out/x"), -ELOOP);
	rig_close(&s);
	teardown(&w);
}

/* The streams that a fresh journal offers, up to its own: whether stream is
 * among them. */
static bool
is_offered(struct rig *r, const char *stream)
{
	const struct mftd_msg_stream *offer;
	struct mftd_msg m;
	bool found = false;

	do {
		assert_true(rig_wait(r->catalog, MFTD_MSG_STREAM, &m));
		offer = m.data;
		found |= strcmp(offer->stream, stream) == 0;
	} while (strncmp(offer->stream, r->incarnation,
		     strlen(r->incarnation)) != 0);
	return found;
}

/* Asks for what is after seq, three at a time.  Returns the last it got. */
static uint64_t
fetch(struct rig *r, const char *stream, uint64_t seq, int *published)
{
	struct mftd_msg_want want = { .after = seq, .most = 3 };
	const struct mftd_msg_record *rec;
	struct mftd_msg m;
	int i;

	snprintf(want.stream, sizeof(want.stream), "%s", stream);
	mftd_chan_send(
	    r->catalog, MFTD_MSG_WANT, 7, &want, sizeof(want), NULL, 0);
	for (i = 0; i < 3; i++) {
		assert_true(rig_wait(r->catalog, MFTD_MSG_RECORD, &m));
		rec = m.data;
		assert_int_equal(m.ref, 7);
		if (rec->type == 0)
			break;
		assert_int_equal(rec->seq, ++seq);
		assert_int_equal(rec->payload_bytes, m.len - sizeof(*rec));
		*published += rec->type == MFTD_RECORD_PUBLISHED;
	}
	return seq;
}

static bool
mark_is_there(struct world *w)
{
	return tree_inode(&w->t, ".mft/journal/n1/" LIFE "-j1/forwarded") != 0;
}

static void
catalog_gets_all_in_order(void **state)
{
	struct mftd_msg_forwarded done = { .stream = LIFE "-j1" };
	struct world w;
	uint64_t seq = 0;
	int published = 0;

	setup(&w, "alice");
	assert_true(is_offered(&w.r, done.stream));
	assert_int_equal(rig_upload(&w.s, "f", "text"), 0);
	while (published == 0)
		seq = fetch(&w.r, done.stream, seq, &published);
	rig_close(&w.s);
	assert_int_equal(rig_stop(&w.r), 0);
	/* the next one offers it, until it is wholly forwarded */
	rig_start(&w.r, w.t.path, OTHER_LIFE, NULL, NULL);
	assert_true(is_offered(&w.r, done.stream));
	do {
		done.seq = seq;
		seq = fetch(&w.r, done.stream, seq, &published);
	} while (seq > done.seq);
	assert_int_equal(published, 1);
	assert_false(mark_is_there(&w));
	mftd_chan_send(
	    w.r.catalog, MFTD_MSG_FORWARDED, 0, &done, sizeof(done), NULL, 0);
	assert_true(comes_true(mark_is_there, &w));
	assert_int_equal(rig_stop(&w.r), 0);
	rig_start(&w.r, w.t.path, NEXT_LIFE, NULL, NULL);
	assert_false(is_offered(&w.r, done.stream));
	teardown(&w);
}

/* More old streams than are offered at a time: all get their turn. */
static void
many_old_streams_get_their_turn(void **state)
{
	enum { N = 40 };
	const struct mftd_msg_stream *offer;
	struct mftd_msg_forwarded done = { 0 };
	struct mftd_msg m;
	struct tree t;
	struct rig r;
	char life[MFTD_ID_BYTES];
	int i;

	tree_make(&t);
	for (i = 0; i <= N; i++) {
		snprintf(life, sizeof(life), "n1-%016x", i);
		rig_start(&r, t.path, life, NULL, NULL);
		assert_true(rig_ready(&r));
		if (i < N)
			assert_int_equal(rig_stop(&r), 0);
	}
	for (i = 0; i < N;) {
		assert_true(rig_wait(r.catalog, MFTD_MSG_STREAM, &m));
		offer = m.data;
		if (strncmp(offer->stream, life, strlen(life)) == 0)
			continue;
		memcpy(done.stream, offer->stream, sizeof(done.stream));
		done.seq = offer->seq;
		mftd_chan_send(r.catalog, MFTD_MSG_FORWARDED, 0, &done,
		    sizeof(done), NULL, 0);
		i++;
	}
	assert_int_equal(rig_stop(&r), 0);
	tree_remove(&t);
}

/* After kill -9 the next process of the node recovers its streams and parts
 * before it takes sessions; another one does so when told. */
static void
restart_recovers(void **state)
{
	struct world w;
	struct mftd_msg_publish m;

	setup(&w, "alice");
	assert_int_equal(rig_upload(&w.s, "f", "text"), 0);
	rig_part(&w.s, "g", "half", &m);
	rig_kill(&w.r);
	rig_close(&w.s);
	rig_start(&w.r, w.t.path, NEXT_LIFE, NULL, NULL);
	assert_true(rig_ready(&w.r));
	assert_true(tree_holds(&w.t, "alice/f", "text"));
	assert_int_equal(tree_count(&w.t, ".mft/parts/alice"), 0);
	assert_int_equal(tree_count(&w.t, ".mft/aside"), 0);
	assert_int_equal(tree_count(&w.t, ".mft/out"), 1);
	assert_int_equal(records(&w, MFTD_RECORD_SEAL), 1);
	assert_int_equal(records(&w, MFTD_RECORD_PUBLISHED), 1);
	assert_int_equal(records(&w, MFTD_RECORD_ABANDONED), 1);
	assert_int_equal(rig_open(&w.r, &w.s, 1, "alice", "alice"), 0);
	assert_int_equal(rig_upload(&w.s, "f", "newer"), 0);
	teardown(&w);
}

static void
recover_message_waits_for_the_lock(void **state)
{
	struct world w;
	struct rig second;
	struct mftd_msg_recover ask = { .incarnation = LIFE };
	const struct mftd_msg_recovered *res;
	struct mftd_msg_publish part;
	struct mftd_msg m;

	setup(&w, "alice");
	rig_part(&w.s, "g", "half", &part);
	rig_start(&second, w.t.path, NEXT_LIFE, NULL, NULL);
	assert_true(rig_ready(&second));
	assert_false(no_parts(&w)); /* its owner lives */
	mftd_chan_send(second.coordinator, MFTD_MSG_RECOVER, 1, &ask,
	    sizeof(ask), NULL, 0);
	assert_true(rig_wait(second.coordinator, MFTD_MSG_RECOVERED, &m));
	res = m.data;
	assert_int_equal(res->err, -EBUSY);
	assert_false(no_parts(&w));
	rig_kill(&w.r);
	rig_close(&w.s);
	mftd_chan_send(second.coordinator, MFTD_MSG_RECOVER, 1, &ask,
	    sizeof(ask), NULL, 0);
	assert_true(rig_wait(second.coordinator, MFTD_MSG_RECOVERED, &m));
	res = m.data;
	assert_int_equal(res->err, 0);
	assert_true(no_parts(&w));
	assert_int_equal(rig_stop(&second), 0);
	tree_remove(&w.t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publish_replaces_the_name),
		cmocka_unit_test(outcome_follows_without_another_request),
		cmocka_unit_test(no_link_only_while_no_route_is),
		cmocka_unit_test(publish_refuses_what_is_not_so),
		cmocka_unit_test(exclusive_publish_keeps_what_is_there),
		cmocka_unit_test(without_a_lease_nothing_changes),
		cmocka_unit_test(
		    pipelined_requests_share_commits_and_keep_order),
		cmocka_unit_test(dependent_requests_wait_for_each_other),
		cmocka_unit_test(names_change_as_asked),
		cmocka_unit_test(failed_rename_is_taken_back),
		cmocka_unit_test(newer_upload_supersedes),
		cmocka_unit_test(removal_takes_the_upload_with_it),
		cmocka_unit_test(session_end_drops_its_parts_only),
		cmocka_unit_test(sessions_are_not_believed),
		cmocka_unit_test(catalog_gets_all_in_order),
		cmocka_unit_test(many_old_streams_get_their_turn),
		cmocka_unit_test(restart_recovers),
		cmocka_unit_test(recover_message_waits_for_the_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
