/* Part of mftd; see LICENSE. */
#include "mftd/inbound/auth.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/password.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/ipc/worker.h"

/*
 * The real auth process, with a real snapshot; the test stands for parent,
 * listener, catalog, journal, coordinator and the sessions.
 */
#define WAIT_MS 20000
#define KEY "key-one" /* the blob of alice's key */

/* scrypt of "right", ln=10, salt of 16 zero bytes ("openssl kdf"). */
#define CHEAP                                           \
	"$scrypt$ln=10,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" \
	"SRIuiwiFOhYpoLr809AJSZaSe9BE7MDdwoMsxwti8nE"

static const char snapshot_file[] = "test_auth.snapshot";
static const char state_dir[] = "test_auth.state";
static const char state_snapshot[] = "test_auth.state/" MFTD_CATALOG_SNAPSHOT;

struct rig {
	pid_t pid;
	struct mftd_chan *parent, *listener, *catalog, *journal, *coordinator;
	int sessions;
};

/* ---- the snapshot */

static int
make_snapshot(void **state)
{
	char *keys[] = { (char *)(uintptr_t) "ssh-ed25519 a2V5LW9uZQ== alice" };
	char dear[MFTD_PASSWORD_HASH_BYTES];
	char *nets[] = { (char *)(uintptr_t) "198.51.100.0/24" };
#define WORD(w) ((char *)(uintptr_t)(w))
#define ACCOUNT(n) .name = WORD(n), .volume = WORD("main"), .root = WORD(n)
	struct mftd_account accounts[] = {
		{ .name = WORD("alice"),
		    .volume = WORD("main"),
		    .root = WORD("customers/alice"),
		    .password_hash = WORD(CHEAP),
		    .keys = keys,
		    .n_keys = 1,
		    .read_only = true },
		{ ACCOUNT("bob"), .keys = keys, .n_keys = 1 },
		{ ACCOUNT("dear"), .password_hash = dear },
		{ .name = WORD("far"),
		    .volume = WORD("elsewhere"),
		    .root = WORD("far"),
		    .keys = keys,
		    .n_keys = 1 },
		{ ACCOUNT("both"), .password_hash = WORD(CHEAP), .keys = keys,
		    .n_keys = 1, .methods = WORD("publickey+password") },
		{ ACCOUNT("keyed"), .password_hash = WORD(CHEAP), .keys = keys,
		    .n_keys = 1, .methods = WORD("publickey") },
		{ ACCOUNT("worded"), .password_hash = WORD(CHEAP), .keys = keys,
		    .n_keys = 1, .methods = WORD("password") },
		{ ACCOUNT("late"), .password_hash = WORD(CHEAP), .keys = keys,
		    .n_keys = 1, .expires_s = 1 },
		{ ACCOUNT("off"), .password_hash = WORD(CHEAP), .keys = keys,
		    .n_keys = 1, .disabled = true },
		{ ACCOUNT("placed"), .password_hash = WORD(CHEAP), .keys = keys,
		    .n_keys = 1, .sources = nets, .n_sources = 1 },
	};
	const struct mftd_objects o = {
		.version = 1, .accounts = accounts, .n_accounts = 10
	};

	signal(SIGPIPE, SIG_IGN);
	mftd_log_open("stderr", "error");
	if (mftd_password_hash("right", dear, sizeof(dear)) < 0)
		return -1;
	return mftd_catalog_snapshot(&o, snapshot_file);
}

static int
remove_snapshot(void **state)
{
	return unlink(snapshot_file);
}

/* ---- the neighbours */

static struct mftd_chan *
neighbour(struct rig *r, enum mftd_proc proc, const char *instance)
{
	struct mftd_msg_peer p = { .proc = proc };
	struct mftd_chan *c;
	int fds[2];

	snprintf(p.instance, sizeof(p.instance), "%s", instance);
	assert_int_equal(mftd_chan_pair(fds), 0);
	assert_int_equal(mftd_chan_send(r->parent, MFTD_MSG_PEER, 0, &p,
			     sizeof(p), &fds[1], 1),
	    0);
	close(fds[1]);
	c = mftd_chan_new(fds[0], MFTD_PROC_AUTH, "");
	assert_non_null(c);
	return c;
}

static void
hear(struct mftd_chan *c, uint32_t type, struct mftd_msg *m)
{
	assert_int_equal(mftd_chan_wait(c, m, mftd_clock_ms() + WAIT_MS), 0);
	assert_int_equal(m->type, type);
}

static void
give_snapshot(struct rig *r, const char *path)
{
	struct mftd_msg_snapshot s = { .version = 1 };

	snprintf(s.path, sizeof(s.path), "%s", path);
	mftd_chan_send(
	    r->catalog, MFTD_MSG_SNAPSHOT, 0, &s, sizeof(s), NULL, 0);
}

static int grace_s = 120;

static int
set_up_in(void **state, const char *dir)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct mftd_conf conf = { .state_dir = WORD(dir),
		.login_grace_s = grace_s };
	struct mftd_worker w = { .proc = MFTD_PROC_AUTH, .conf = &conf };
	struct mftd_msg m;
	int fds[2];

	assert_non_null(r);
	assert_int_equal(mftd_chan_pair(fds), 0);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0) {
		close(fds[0]);
		w.parent_fd = fds[1];
		mftd_auth_main(&w);
		_exit(0);
	}
	close(fds[1]);
	r->parent = mftd_chan_new(fds[0], MFTD_PROC_AUTH, "");
	hear(r->parent, MFTD_MSG_READY, &m);
	r->listener = neighbour(r, MFTD_PROC_LISTENER, "");
	r->catalog = neighbour(r, MFTD_PROC_CATALOG, "");
	r->journal = neighbour(r, MFTD_PROC_JOURNAL, "main");
	r->coordinator = neighbour(r, MFTD_PROC_COORDINATOR, "");
	*state = r;
	return 0;
}

static int
set_up(void **state)
{
	return set_up_in(state, "no/such/directory");
}

static int
set_up_impatient(void **state)
{
	int r;

	grace_s = 1;
	r = set_up(state);
	grace_s = 120;
	return r;
}

/* Where an earlier catalog's process left a snapshot. */
static int
set_up_with_snapshot(void **state)
{
	assert_int_equal(mkdir(state_dir, 0700), 0);
	assert_int_equal(link(snapshot_file, state_snapshot), 0);
	return set_up_in(state, state_dir);
}

static int
tear_down(void **state)
{
	struct rig *r = *state;
	int status;

	/* the parent's end is auth's, in good order */
	mftd_chan_free(r->parent);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	mftd_chan_free(r->listener);
	mftd_chan_free(r->catalog);
	mftd_chan_free(r->journal);
	mftd_chan_free(r->coordinator);
	free(r);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int
tear_down_with_snapshot(void **state)
{
	unlink(state_snapshot);
	rmdir(state_dir);
	return tear_down(state);
}

/* ---- a session */

static struct mftd_chan *
session(struct rig *r)
{
	struct mftd_msg_session_new n = { 0 };
	struct mftd_chan *c;
	int fds[2];

	assert_int_equal(mftd_chan_pair(fds), 0);
	snprintf(n.session, sizeof(n.session), "n1-1-%x", r->sessions++);
	snprintf(n.peer, sizeof(n.peer), "192.0.2.%d:4711", r->sessions);
	assert_int_equal(mftd_chan_send(r->listener, MFTD_MSG_SESSION_NEW, 0,
			     &n, sizeof(n), &fds[1], 1),
	    0);
	close(fds[1]);
	c = mftd_chan_new(fds[0], MFTD_PROC_AUTH, "");
	assert_non_null(c);
	return c;
}

static int
send_key(struct mftd_chan *c, const char *user, const char *key, bool proven)
{
	struct mftd_msg_auth_key q = { .proven = proven };

	snprintf(q.user, sizeof(q.user), "%s", user);
	q.key_bytes = (uint32_t)strlen(key);
	memcpy(q.key, key, strlen(key));
	return mftd_chan_send(c, MFTD_MSG_AUTH_KEY, 5, &q, sizeof(q), NULL, 0);
}

static void
ask_key(struct mftd_chan *c, const char *user, const char *key, bool proven)
{
	assert_int_equal(send_key(c, user, key, proven), 0);
}

/* What the session says of the requests before a password. */
static bool asked_another;

static void
ask_password(struct mftd_chan *c, const char *user, const char *password)
{
	struct mftd_msg_auth_password q = { .after_key = !asked_another };

	snprintf(q.user, sizeof(q.user), "%s", user);
	snprintf(q.password, sizeof(q.password), "%s", password);
	assert_int_equal(mftd_chan_send(c, MFTD_MSG_AUTH_PASSWORD, 6, &q,
			     sizeof(q), NULL, 0),
	    0);
}

static int
verdict(struct mftd_chan *c, uint64_t ref)
{
	const struct mftd_msg_auth_result *res;
	struct mftd_msg m;
	int ok;

	hear(c, MFTD_MSG_AUTH_RESULT, &m);
	assert_int_equal(m.ref, ref);
	res = m.data;
	ok = (int)res->ok;
	assert_int_equal(m.n_fds, ok == 1 ? 2 : 0);
	mftd_msg_close(&m);
	return ok;
}

static int
key(struct mftd_chan *c, const char *user, const char *blob, bool proven)
{
	ask_key(c, user, blob, proven);
	return verdict(c, 5);
}

static int
password(struct mftd_chan *c, const char *user, const char *word)
{
	ask_password(c, user, word);
	return verdict(c, 6);
}

static void
assert_given_up(struct mftd_chan *c)
{
	struct mftd_msg m;

	assert_int_equal(
	    mftd_chan_wait(c, &m, mftd_clock_ms() + WAIT_MS), -MFTD_E_CLOSED);
}

/* A session in which alice's key is answered so: other channels are not in
 * step with the sessions'. */
static struct mftd_chan *
session_until(struct rig *r, bool proven, int answer)
{
	int64_t deadline = mftd_clock_ms() + WAIT_MS;
	struct mftd_chan *c = session(r);

	while (key(c, "alice", KEY, proven) != answer) {
		assert_true(mftd_clock_ms() < deadline);
		mftd_chan_free(c);
		c = session(r);
	}
	return c;
}

/* ---- tests */

static void
test_keys(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = session(r);

	give_snapshot(r, snapshot_file);
	assert_int_equal(key(c, "alice", "key-two", true), 0);
	assert_int_equal(key(c, "alice", "", true), 0);
	assert_int_equal(key(c, "carol", KEY, true), 0);
	assert_int_equal(key(c, "alice", KEY, false), 2);
	assert_int_equal(key(c, "alice", KEY, true), 1);
	mftd_chan_free(c);
}

/* A session after which the snapshot of set_up is in use. */
static struct mftd_chan *
informed(struct rig *r)
{
	give_snapshot(r, snapshot_file);
	return session_until(r, false, 2);
}

static void
check_open(struct mftd_chan *from, int *fd)
{
	const struct mftd_msg_session_open *o;
	struct mftd_msg m;

	hear(from, MFTD_MSG_SESSION_OPEN, &m);
	o = m.data;
	assert_string_equal(o->account, "alice");
	assert_string_equal(o->volume, "main");
	assert_string_equal(o->root, "customers/alice");
	assert_memory_equal(o->session, "n1-1-", 5);
	assert_memory_equal(o->peer, "192.0.2.", 8);
	assert_int_equal(o->policy.read_only, 1);
	assert_int_equal(m.n_fds, 1);
	*fd = m.fds[0];
	m.fds[0] = -1;
	mftd_msg_close(&m);
}

static void
assert_joined(int a, int b)
{
	char got = 0;

	assert_int_equal(write(a, "x", 1), 1);
	assert_int_equal(read(b, &got, 1), 1);
	assert_int_equal(got, 'x');
	close(a);
	close(b);
}

/* Journal and coordinator learn from auth who it is, and the session gets the
 * other ends. */
static void
test_introduction(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = informed(r);
	const struct mftd_msg_auth_result *res;
	struct mftd_msg m;
	int journal, coordinator;

	ask_key(c, "alice", KEY, true);
	hear(c, MFTD_MSG_AUTH_RESULT, &m);
	res = m.data;
	assert_int_equal(res->ok, 1);
	assert_string_equal(res->account, "alice");
	assert_string_equal(res->volume, "main");
	check_open(r->journal, &journal);
	check_open(r->coordinator, &coordinator);
	assert_joined(journal, m.fds[0]);
	assert_joined(coordinator, m.fds[1]);
	m.fds[0] = m.fds[1] = -1;
	mftd_msg_close(&m);
	/* one login a session */
	ask_key(c, "alice", KEY, true);
	assert_given_up(c);
	mftd_chan_free(c);
}

static void
test_passwords(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = informed(r);

	assert_int_equal(password(c, "alice", "wrong"), 0);
	assert_int_equal(password(c, "alice", ""), 0);
	assert_int_equal(password(c, "carol", "right"), 0);
	assert_int_equal(password(c, "bob", "right"), 0); /* has none */
	assert_int_equal(password(c, "alice", "right"), 1);
	mftd_chan_free(c);
}

/* One alone is not enough, the key comes first, and both are one user's. */
static void
test_both(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = informed(r);

	assert_int_equal(password(c, "both", "right"), 0);
	assert_int_equal(key(c, "both", KEY, false), 2);
	assert_int_equal(password(c, "both", "right"), 0); /* nothing proven */
	assert_int_equal(key(c, "both", KEY, true), 3);
	assert_int_equal(
	    key(c, "keyed", "key-two", true), 0); /* another user */
	assert_int_equal(password(c, "both", "right"), 0);
	assert_int_equal(key(c, "both", KEY, true), 3);
	asked_another = true; /* which auth did not hear itself */
	assert_int_equal(password(c, "both", "right"), 0);
	asked_another = false;
	assert_int_equal(password(c, "both", "right"), 0);
	assert_int_equal(key(c, "both", KEY, true), 3);
	assert_int_equal(password(c, "both", "wrong"), 0);
	assert_int_equal(password(c, "both", "right"), 1);
	mftd_chan_free(c);
}

static void
test_methods(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = informed(r), *d = session(r);

	assert_int_equal(password(c, "keyed", "right"), 0);
	assert_int_equal(key(c, "keyed", KEY, true), 1);
	assert_int_equal(key(d, "worded", KEY, false), 0);
	assert_int_equal(key(d, "worded", KEY, true), 0);
	assert_int_equal(password(d, "worded", "right"), 1);
	mftd_chan_free(c);
	mftd_chan_free(d);
}

/* The right key or password of an account that may not log in here and now. */
static void
test_account_faults(void **state)
{
	static const char *const users[] = { "late", "off", "placed" };
	struct rig *r = *state;
	struct mftd_chan *c = informed(r);
	size_t i;

	for (i = 0; i < 3; i++) {
		assert_int_equal(key(c, users[i], KEY, false), 0);
		assert_int_equal(key(c, users[i], KEY, true), 0);
		assert_int_equal(password(c, users[i], "right"), 0);
	}
	mftd_chan_free(c);
}

/* While a dear check runs, others are answered. */
static void
test_not_blocked(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *a = informed(r), *b = session(r);
	struct mftd_msg m;

	ask_password(a, "dear", "right");
	assert_int_equal(key(b, "alice", KEY, true), 1);
	assert_int_equal(mftd_chan_recv(a, &m), -EAGAIN);
	assert_int_equal(verdict(a, 6), 1);
	mftd_chan_free(a);
	mftd_chan_free(b);
}

/* Whoever does not wait for the answer is none of ours. */
/* Whoever cannot be let in by a password costs a whole check all the same:
 * other clients' questions, asked later, are answered before the refusal comes.
 */
static void
test_refusal_takes_its_time(void **state)
{
	static const char *const users[] = { "nobody-such", "bob", "keyed",
		"?" };
	struct rig *r = *state;
	struct mftd_chan *c = informed(r), *d = session(r);
	struct pollfd p = { .fd = mftd_chan_fd(c), .events = POLLIN };
	size_t i;
	int k;

	for (i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		ask_password(c, users[i], "wrong");
		for (k = 0; k < 3; k++) {
			assert_int_equal(key(d, "keyed", KEY, false), 2);
			assert_int_equal(poll(&p, 1, 0), 0);
		}
		assert_int_equal(verdict(c, 6), 0);
	}
	mftd_chan_free(c);
	mftd_chan_free(d);
}

static void
test_impatient(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = informed(r);

	ask_password(c, "dear", "right");
	ask_password(c, "dear", "right");
	assert_given_up(c);
	mftd_chan_free(c);
}

static void
test_asks_without_end(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = informed(r);
	struct mftd_msg m;
	int i, sent = 0, answers = 0;

	/* it may give up before we are done */
	for (i = 0; i < 400 && sent == 0; i++)
		sent = send_key(c, "alice", "key-two", true);
	assert_true(sent == 0 || sent == -MFTD_E_CLOSED);
	while (mftd_chan_wait(c, &m, mftd_clock_ms() + WAIT_MS) == 0)
		answers++;
	assert_in_range(answers, sent == 0 ? 1 : 0, 200);
	mftd_chan_free(c);
}

static void
test_no_journal(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = informed(r);

	assert_int_equal(key(c, "far", KEY, false), 2);
	assert_int_equal(key(c, "far", KEY, true), 0);
	/* a new journal of the volume may have come while the old one went */
	mftd_chan_free(r->journal);
	r->journal = neighbour(r, MFTD_PROC_JOURNAL, "main");
	mftd_chan_free(c);
	mftd_chan_free(session_until(r, true, 1));
}

/* Waits until auth has taken all that catalog said: a message that catalog may
 * not send ends their channel. */
static void
end_catalog(struct rig *r)
{
	const struct mftd_msg_none none = { 0 };

	mftd_chan_send(
	    r->catalog, MFTD_MSG_READY, 0, &none, sizeof(none), NULL, 0);
	assert_given_up(r->catalog);
}

static void
test_last_good_snapshot(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = informed(r);

	give_snapshot(r, "/dev/null");
	give_snapshot(r, "no/such/snapshot");
	end_catalog(r);
	assert_int_equal(key(c, "alice", KEY, true), 1);
	mftd_chan_free(c);
}

/* The catalog's process may say nothing for long. */
static void
test_snapshot_of_before(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = session(r);

	assert_int_equal(key(c, "alice", KEY, false), 2);
	mftd_chan_free(c);
}

/* What is asked before the first snapshot is answered with it, each session's
 * one question; who goes meanwhile, or asks more, is in nobody's way. */
static void
test_no_accounts_yet(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = session(r), *d = session(r), *gone = session(r),
			 *greedy = session(r);
	struct mftd_msg m;

	ask_key(c, "alice", KEY, true);
	ask_password(d, "alice", "right");
	ask_password(gone, "alice", "right");
	mftd_chan_free(gone);
	ask_key(greedy, "alice", KEY, true);
	ask_key(greedy, "alice", KEY, true);
	assert_given_up(greedy);
	mftd_chan_free(greedy);
	assert_int_equal(mftd_chan_wait(c, &m, mftd_clock_ms()), -ETIMEDOUT);
	give_snapshot(r, snapshot_file);
	assert_int_equal(verdict(c, 5), 1);
	assert_int_equal(verdict(d, 6), 1);
	mftd_chan_free(c);
	mftd_chan_free(d);
}

/* Before its grace is over a session is told, which is nobody's failure. */
static void
test_no_accounts_for_long(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = session(r);
	struct mftd_msg m;

	assert_int_equal(key(c, "alice", KEY, true), 0);
	assert_int_equal(password(c, "alice", "right"), 0);
	end_catalog(r);
	assert_int_equal(
	    mftd_chan_wait(r->coordinator, &m, mftd_clock_ms()), -ETIMEDOUT);
	mftd_chan_free(c);
}

/* One that came before its catalog, and ends so. */
static void
test_no_accounts_ever(void **state)
{
	struct rig *r = *state;
	struct mftd_chan *c = session(r);

	ask_password(c, "alice", "right");
	end_catalog(r);
	mftd_chan_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_introduction, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_passwords, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_both, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_refusal_takes_its_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_methods, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_account_faults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_not_blocked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_impatient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_asks_without_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_journal, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_last_good_snapshot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_accounts_yet, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_accounts_ever, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_no_accounts_for_long, set_up_impatient, tear_down),
		cmocka_unit_test_setup_teardown(test_snapshot_of_before,
		    set_up_with_snapshot, tear_down_with_snapshot),
	};

	return cmocka_run_group_tests(tests, make_snapshot, remove_snapshot);
}
