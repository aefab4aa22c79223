/* Part of mftd; see LICENSE. */
#include "mftd/inbound/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/ipc/worker.h"

/* The real listener and its sessions; the test stands for parent, auth and
 * clients that never log in. */
#define WAIT_MS 20000
static const char key_file[] = "test_listener.hostkey";
static const char incarnation[] = "n1-00112233445566aa";

struct rig {
	pid_t pid;
	struct mftd_chan *parent, *auth;
	struct mftd_lease *lease;
	struct sockaddr_in where;
};

static int
bound_socket(struct sockaddr_in *where)
{
	socklen_t len = sizeof(*where);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	memset(where, 0, sizeof(*where));
	where->sin_family = AF_INET;
	where->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)where, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)where, &len), 0);
	return fd;
}

static _Noreturn void
be_listener(int parent_fd, int listen_fd, struct mftd_lease *lease)
{
	struct mftd_conf conf = { .login_grace_s = 120,
		.login_tries = 6,
		.host_keys = { (char *)(uintptr_t)key_file },
		.n_host_keys = 1,
		.startups = { MFTD_STARTUPS_MAX, 100, MFTD_STARTUPS_MAX },
		.max_startups_per_source = MFTD_STARTUPS_SOURCE_MAX,
		.log = (char *)(uintptr_t) "stderr",
		.log_level = (char *)(uintptr_t) "error" };
	struct mftd_worker w = { .proc = MFTD_PROC_LISTENER,
		.conf = &conf,
		.lease = lease,
		.listen_fds = { listen_fd },
		.n_listen = 1,
		.lock_fd = -1,
		.parent_fd = parent_fd };

	strcpy(w.incarnation, incarnation);
	mftd_listener_main(&w);
	_exit(0);
}

static struct mftd_chan *
give_auth(struct rig *r)
{
	const struct mftd_msg_peer p = { .proc = MFTD_PROC_AUTH };
	struct mftd_chan *c;
	int fds[2];

	assert_int_equal(mftd_chan_pair(fds), 0);
	assert_int_equal(mftd_chan_send(r->parent, MFTD_MSG_PEER, 0, &p,
			     sizeof(p), &fds[1], 1),
	    0);
	close(fds[1]);
	c = mftd_chan_new(fds[0], MFTD_PROC_LISTENER, "");
	assert_non_null(c);
	return c;
}

static int
set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct mftd_msg m;
	int fds[2], listen_fd;

	assert_non_null(r);
	r->lease = mftd_lease_new();
	assert_non_null(r->lease);
	mftd_lease_hold(r->lease);
	listen_fd = bound_socket(&r->where);
	assert_int_equal(mftd_chan_pair(fds), 0);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0) {
		close(fds[0]);
		be_listener(fds[1], listen_fd, r->lease);
	}
	close(fds[1]);
	close(listen_fd);
	r->parent = mftd_chan_new(fds[0], MFTD_PROC_LISTENER, "");
	assert_int_equal(
	    mftd_chan_wait(r->parent, &m, mftd_clock_ms() + WAIT_MS), 0);
	assert_int_equal(m.type, MFTD_MSG_READY);
	*state = r;
	return 0;
}

/* Ends the listener as the parent does; its exit code. */
static int
stop(struct rig *r)
{
	int status;

	mftd_chan_free(r->parent);
	r->parent = NULL;
	if (waitpid(r->pid, &status, 0) != r->pid)
		return -1;
	r->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
tear_down(void **state)
{
	struct rig *r = *state;
	int code = r->pid > 0 ? stop(r) : 0;

	mftd_chan_free(r->auth);
	free(r);
	return code;
}

static int
client(struct rig *r)
{
	const struct timeval tv = { .tv_sec = WAIT_MS / 1000 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&r->where, sizeof(r->where)), 0);
	return fd;
}

/* Whether the server greets, else closes. */
static bool
greeted(int fd)
{
	char text[4];
	ssize_t n = recv(fd, text, sizeof(text), MSG_WAITALL);

	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return false;
	assert_int_equal(n, 4);
	assert_memory_equal(text, "SSH-", 4);
	return true;
}

static void
assert_ended(int fd)
{
	char bytes[4096];
	ssize_t n;

	while ((n = recv(fd, bytes, sizeof(bytes), 0)) > 0)
		;
	assert_true(n == 0 || errno == ECONNRESET);
	close(fd);
}

static void
test_refuses(void **state)
{
	struct rig *r = *state;
	int fd;

	fd = client(r); /* nobody could let it in */
	assert_false(greeted(fd));
	close(fd);
	r->auth = give_auth(r);
	/* the channel and the connection come by two ways: until it is there */
	while (!greeted(fd = client(r)))
		close(fd);
	close(fd);
	mftd_lease_renew(r->lease, 0);
	fd = client(r);
	assert_false(greeted(fd));
	close(fd);
}

static void
next_session(struct rig *r, char *id, int *chan_fd)
{
	const struct mftd_msg_session_new *n;
	struct mftd_msg m;

	assert_int_equal(
	    mftd_chan_wait(r->auth, &m, mftd_clock_ms() + WAIT_MS), 0);
	assert_int_equal(m.type, MFTD_MSG_SESSION_NEW);
	n = m.data;
	strcpy(id, n->session);
	assert_memory_equal(n->peer, "127.0.0.1:", 10);
	*chan_fd = m.fds[0];
	m.fds[0] = -1;
	mftd_msg_close(&m);
}

/* Each gets an id of its own and a channel; at the end all of them end. */
static void
test_sessions(void **state)
{
	struct rig *r = *state;
	char id[2][MFTD_ID_BYTES];
	int fd[2], chan[2], i;

	r->auth = give_auth(r);
	while (!greeted(fd[0] = client(r)))
		close(fd[0]);
	fd[1] = client(r);
	assert_true(greeted(fd[1]));
	for (i = 0; i < 2; i++) {
		next_session(r, id[i], &chan[i]);
		assert_memory_equal(id[i], incarnation, strlen(incarnation));
	}
	assert_string_not_equal(id[0], id[1]);
	assert_int_equal(stop(r), 0);
	for (i = 0; i < 2; i++) {
		assert_ended(fd[i]);
		assert_ended(chan[i]);
	}
}

static void
test_bound_of_one_source(void **state)
{
	struct rig *r = *state;
	int fd[MFTD_STARTUPS_SOURCE_MAX], more, i;

	r->auth = give_auth(r);
	while (!greeted(fd[0] = client(r)))
		close(fd[0]);
	for (i = 1; i < MFTD_STARTUPS_SOURCE_MAX; i++) {
		fd[i] = client(r);
		assert_true(greeted(fd[i]));
	}
	more = client(r);
	assert_false(greeted(more));
	close(more);
	/* one that goes makes room, as soon as its session has ended */
	close(fd[0]);
	while (!greeted(fd[0] = client(r)))
		close(fd[0]);
	for (i = 0; i < MFTD_STARTUPS_SOURCE_MAX; i++)
		close(fd[i]);
}

static int
make_host_key(void **state)
{
	char cmd[256];

	signal(SIGPIPE, SIG_IGN);
	alarm(120); /* ends a hung test */
	mftd_log_open("stderr", "error");
	snprintf(cmd, sizeof(cmd),
	    "openssl genpkey -algorithm EC "
	    "-pkeyopt ec_paramgen_curve:P-256 -out %s 2>/dev/null",
	    key_file);
	return system(cmd);
}

static int
remove_host_key(void **state)
{
	return unlink(key_file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_sessions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_bound_of_one_source, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, make_host_key, remove_host_key);
}
