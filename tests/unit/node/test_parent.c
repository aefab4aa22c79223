/* Part of mftd; see LICENSE. */
/*
 * The parent with workers of its own kind: processes, locks and channels are
 * real; each coordinator only passes on what this test wants and hears.
 */
#include "mftd/node/parent.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"
#include "mftd/base/log.h"

#define PATIENCE_MS 60000

struct ask {
	uint64_t ref;
	struct mftd_msg_service_set set;
};

struct told {
	uint64_t ref;
	struct mftd_msg_service_state state;
};

/* ---- the workers */

static struct mftd_chan *
to_parent(struct mftd_worker *w, bool ready)
{
	const struct mftd_msg_none none = { 0 };
	struct mftd_chan *c = mftd_chan_new(w->parent_fd, MFTD_PROC_PARENT, "");

	if (c == NULL ||
	    (ready &&
		mftd_chan_send(
		    c, MFTD_MSG_READY, 0, &none, sizeof(none), NULL, 0) < 0))
		_exit(1);
	return c;
}

/* The next message that is no PEER; ends the process on STOP and at the
 * parent's end. */
static int
receive(struct mftd_chan *c, struct mftd_msg *m)
{
	int r;

	do {
		r = mftd_chan_recv(c, m);
		if (r == -EAGAIN)
			return r;
		if (r < 0 || m->type == MFTD_MSG_STOP)
			_exit(0);
		mftd_msg_close(m);
	} while (m->type == MFTD_MSG_PEER);
	return 0;
}

static void
serve(struct mftd_chan *c)
{
	struct pollfd p = { mftd_chan_fd(c), POLLIN, 0 };
	struct mftd_msg m;

	for (;;) {
		poll(&p, 1, -1);
		while (receive(c, &m) == 0)
			;
	}
}

static void
worker_main(struct mftd_worker *w)
{
	serve(to_parent(w, true));
}

static void
unready_main(struct mftd_worker *w)
{
	serve(to_parent(w, false));
}

static void
name_socket(const struct mftd_conf *conf, struct sockaddr_un *sun)
{
	memset(sun, 0, sizeof(*sun));
	sun->sun_family = AF_UNIX;
	snprintf(
	    sun->sun_path, sizeof(sun->sun_path), "%s/test", conf->run_dir);
}

static void
coordinator_main(struct mftd_worker *w)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct mftd_chan *c;
	struct sockaddr_un sun;
	struct pollfd p[2];
	struct mftd_msg m;
	struct ask ask;

	name_socket(w->conf, &sun);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		_exit(1);
	c = to_parent(w, true);
	p[0] = (struct pollfd) { mftd_chan_fd(c), POLLIN, 0 };
	p[1] = (struct pollfd) { fd, POLLIN, 0 };
	for (;;) {
		poll(p, 2, -1);
		if (p[1].revents != 0) {
			if (recv(fd, &ask, sizeof(ask), 0) != sizeof(ask))
				_exit(0);
			mftd_chan_send(c, MFTD_MSG_SERVICE_SET, ask.ref,
			    &ask.set, sizeof(ask.set), NULL, 0);
		}
		while (receive(c, &m) == 0) {
			struct told told = { .ref = m.ref };

			memcpy(&told.state, m.data, sizeof(told.state));
			if (send(fd, &told, sizeof(told), MSG_NOSIGNAL) < 0)
				_exit(0);
		}
	}
}

const struct mftd_kind mftd_kinds[] = {
	{ MFTD_PROC_COORDINATOR, -1, MFTD_ROLE_STOPPED, 0, MFTD_EACH_ONE, false,
	    coordinator_main },
	{ MFTD_PROC_AUTH, MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED, 0,
	    MFTD_EACH_ONE, false, worker_main },
	{ MFTD_PROC_OUTBOUND, MFTD_SERVICE_OUTBOUND, MFTD_ROLE_PROMOTED, 0,
	    MFTD_EACH_QUEUE, true, worker_main },
	{ MFTD_PROC_HOOKS, MFTD_SERVICE_OUTBOUND, MFTD_ROLE_STARTED, 0,
	    MFTD_EACH_DEFAULT, true, unready_main },
	{ 0 },
};

bool
mftd_kinds_talk(enum mftd_proc a, enum mftd_proc b)
{
	return false;
}

/* ---- the test's side */

struct world {
	struct mftd_conf conf;
	char dir[64];
	int listener;
	pid_t parent;
	int fd; /* to the coordinator */
	pid_t coordinator;
};

/* The next coordinator. */
static void
meet(struct world *w)
{
	struct pollfd p = { w->listener, POLLIN, 0 };
	struct ucred cred;
	socklen_t len = sizeof(cred);

	mftd_fd_close(&w->fd);
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	w->fd = accept4(w->listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(w->fd >= 0);
	assert_int_equal(
	    getsockopt(w->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	w->coordinator = cred.pid;
}

static void
ask(struct world *w, uint64_t ref, enum mftd_service service, const char *queue,
    enum mftd_role role)
{
	struct ask a = { .ref = ref,
		.set = { .service = service,
		    .role = role,
		    .deadline_ms = PATIENCE_MS } };

	snprintf(a.set.queue, sizeof(a.set.queue), "%s", queue);
	assert_int_equal(send(w->fd, &a, sizeof(a), MSG_NOSIGNAL), sizeof(a));
}

static struct told
hear(struct world *w)
{
	struct pollfd p = { w->fd, POLLIN, 0 };
	struct told told;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_int_equal(recv(w->fd, &told, sizeof(told), 0), sizeof(told));
	return told;
}

/* Hears until ref is answered: that. */
static struct mftd_msg_service_state
answer(struct world *w, uint64_t ref)
{
	struct told told;

	do {
		told = hear(w);
		assert_true(told.ref == 0 || told.ref == ref);
	} while (told.ref != ref);
	return told.state;
}

/* Hears, unasked, until the service has the role. */
static void
becomes(struct world *w, enum mftd_service service, enum mftd_role role)
{
	struct told told;

	do {
		told = hear(w);
		assert_int_equal(told.ref, 0);
	} while (told.state.service != service || told.state.role != role);
}

static void
kill_coordinator(struct world *w)
{
	assert_int_equal(kill(w->coordinator, SIGKILL), 0);
	meet(w);
}

static int
begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int none[1] = { -1 };
	struct sockaddr_un sun;

	assert_non_null(w);
	w->fd = -1;
	snprintf(w->dir, sizeof(w->dir), "test_parent_XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->conf = (struct mftd_conf) { .cluster = true,
		.node = (char *)"n1",
		.run_dir = w->dir,
		.worker_timeout_s = 1 };
	name_socket(&w->conf, &sun);
	w->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    bind(w->listener, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(w->listener, 4), 0);
	w->parent = fork();
	assert_true(w->parent >= 0);
	if (w->parent == 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		_exit(mftd_parent_run(&w->conf, none, 0,
		    open("/dev/null", O_RDONLY | O_CLOEXEC)));
	}
	meet(w);
	*state = w;
	return 0;
}

static int
end(void **state)
{
	struct world *w = *state;
	char path[128];
	static const char *const files[] = { "test", "inbound.lock",
		"outbound-q.lock", "outbound-default.lock" };
	size_t i;

	if (w->parent > 0) {
		kill(w->parent, SIGTERM);
		waitpid(w->parent, NULL, 0);
	}
	mftd_fd_close(&w->fd);
	mftd_fd_close(&w->listener);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->dir, files[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(w->dir), 0);
	free(w);
	return 0;
}

/* ---- the tests */

/* The parent's end, which is due with the last service. */
static void
ends(struct world *w)
{
	int status;

	assert_int_equal(waitpid(w->parent, &status, 0), w->parent);
	w->parent = 0;
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
next_coordinator_hears_what_came_back(void **state)
{
	struct world *w = *state;

	ask(w, 1, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	assert_int_equal(answer(w, 1).role, MFTD_ROLE_STARTED);
	kill_coordinator(w);
	becomes(w, MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED);
	kill_coordinator(w); /* and of its second life as well */
	becomes(w, MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED);
	ask(w, 1, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STOPPED);
	assert_int_equal(answer(w, 1).role, MFTD_ROLE_STOPPED);
	ends(w);
}

static void
promoted_comes_back_as_standby(void **state)
{
	struct world *w = *state;

	ask(w, 1, MFTD_SERVICE_OUTBOUND, "q", MFTD_ROLE_PROMOTED);
	assert_int_equal(answer(w, 1).role, MFTD_ROLE_PROMOTED);
	kill_coordinator(w);
	becomes(w, MFTD_SERVICE_OUTBOUND, MFTD_ROLE_STARTED);
	ask(w, 1, MFTD_SERVICE_OUTBOUND, "q", MFTD_ROLE_STARTED);
	assert_int_equal(answer(w, 1).role, MFTD_ROLE_STARTED);
}

/* What Pacemaker does when a monitor failed meanwhile. */
static void
stop_before_it_came_back(void **state)
{
	struct world *w = *state;

	ask(w, 1, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	assert_int_equal(answer(w, 1).role, MFTD_ROLE_STARTED);
	ask(w, 2, MFTD_SERVICE_OUTBOUND, "q", MFTD_ROLE_STARTED);
	assert_int_equal(answer(w, 2).role, MFTD_ROLE_STARTED);
	kill_coordinator(w);
	ask(w, 1, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STOPPED);
	assert_int_equal(answer(w, 1).role, MFTD_ROLE_STOPPED);
	ask(w, 2, MFTD_SERVICE_OUTBOUND, "q", MFTD_ROLE_STOPPED);
	assert_int_equal(answer(w, 2).role, MFTD_ROLE_STOPPED);
	ends(w);
}

static void
old_wishes_are_not_answered(void **state)
{
	struct world *w = *state;

	ask(w, 7, MFTD_SERVICE_OUTBOUND, "default", MFTD_ROLE_STARTED);
	/* one more, so that the first is certainly with the parent */
	ask(w, 8, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	assert_int_equal(answer(w, 8).role, MFTD_ROLE_STARTED);
	kill_coordinator(w);
	/* replaces the wish that was 7: to this coordinator it is another's */
	ask(w, 1, MFTD_SERVICE_OUTBOUND, "default", MFTD_ROLE_STOPPED);
	assert_int_equal(answer(w, 1).role, MFTD_ROLE_STOPPED);
}

static void
what_never_started_is_stopped(void **state)
{
	struct world *w = *state;
	char queue[16];
	uint64_t i;

	for (i = 1; i <= 2 * MFTD_SERVICES_MAX; i++) {
		snprintf(queue, sizeof(queue), "q%u", (unsigned)i);
		ask(w, i, MFTD_SERVICE_OUTBOUND, queue, MFTD_ROLE_STOPPED);
		assert_int_equal(answer(w, i).role, MFTD_ROLE_STOPPED);
	}
	/* no entry was made for any of them */
	ask(w, i, MFTD_SERVICE_OUTBOUND, "q", MFTD_ROLE_STARTED);
	assert_int_equal(answer(w, i).role, MFTD_ROLE_STARTED);
}

/* Its loop does not answer PING: it is killed, and the next one started. */
static void
silent_worker_is_ended(void **state)
{
	struct world *w = *state;
	struct told told;

	ask(w, 1, MFTD_SERVICE_OUTBOUND, "q", MFTD_ROLE_PROMOTED);
	assert_int_equal(answer(w, 1).restarts, 0);
	do
		told = hear(w);
	while (told.state.restarts == 0);
	assert_int_equal(told.state.role, MFTD_ROLE_PROMOTED);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    next_coordinator_hears_what_came_back, begin, end),
		cmocka_unit_test_setup_teardown(
		    promoted_comes_back_as_standby, begin, end),
		cmocka_unit_test_setup_teardown(
		    stop_before_it_came_back, begin, end),
		cmocka_unit_test_setup_teardown(
		    old_wishes_are_not_answered, begin, end),
		cmocka_unit_test_setup_teardown(
		    what_never_started_is_stopped, begin, end),
		cmocka_unit_test_setup_teardown(
		    silent_worker_is_ended, begin, end),
	};

	mftd_log_open("stderr", "error");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
