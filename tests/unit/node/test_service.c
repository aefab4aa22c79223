/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"
#include "mftd/base/lock.h"
#include "mftd/node/parent.h"

#define PLACE "@node:n1"
#define PATIENCE_MS 30000

/* ---- a house of three, and children that are none */

static void
no_main(struct mftd_worker *w)
{
}

const struct mftd_kind mftd_kinds[] = {
	{ MFTD_PROC_COORDINATOR, -1, MFTD_ROLE_STOPPED, 0, MFTD_EACH_ONE, false,
	    no_main },
	{ MFTD_PROC_LISTENER, MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED, 0,
	    MFTD_EACH_ONE, false, no_main },
	{ MFTD_PROC_OUTBOUND, MFTD_SERVICE_OUTBOUND, MFTD_ROLE_PROMOTED, 0,
	    MFTD_EACH_QUEUE, false, no_main },
	{ 0 },
};

struct house {
	struct mftd_conf conf;
	struct mftd_parent p;
	char dir[32];
	struct mftd_chan *coordinator; /* its end */
};

/* What mftd_orphans_kill says. */
static int orphans;

int
mftd_spawn(struct mftd_parent *p, struct mftd_child *ch)
{
	static pid_t last = 1000;

	ch->pid = ++last;
	ch->ready = ch->kind->proc != MFTD_PROC_LISTENER;
	return 0;
}

void
mftd_child_stop(struct mftd_child *ch, int grace_ms)
{
	ch->stopping = true;
}

int
mftd_orphans_kill(struct mftd_parent *p)
{
	return orphans;
}

static int
setup(void **state)
{
	struct house *h = test_calloc(1, sizeof(*h));

	strcpy(h->dir, "test_service_XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	h->conf.run_dir = h->dir;
	h->conf.node = "n1";
	h->conf.cluster = true;
	h->p.conf = &h->conf;
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct house *h = *state;
	char path[96];
	int i;

	for (i = 0; i < h->p.n_services; i++) {
		const struct mftd_svc *s = &h->p.services[i];

		mftd_fd_close(&h->p.services[i].lock_fd);
		snprintf(path, sizeof(path), "%s/%s%s%s.lock", h->dir,
		    s->kind == MFTD_SERVICE_INBOUND ? "inbound" : "outbound",
		    s->queue[0] != '\0' ? "-" : "", s->queue);
		unlink(path);
	}
	rmdir(h->dir);
	mftd_chan_free(h->coordinator);
	if (mftd_parent_coordinator(&h->p) != NULL)
		mftd_chan_free(mftd_parent_coordinator(&h->p)->chan);
	test_free(h);
	return 0;
}

/* ---- what happens in it */

static void
want(struct house *h, enum mftd_service kind, const char *queue,
    enum mftd_role role)
{
	struct mftd_msg_service_set set = {
		.service = kind, .role = role, .deadline_ms = 60000
	};

	snprintf(set.queue, sizeof(set.queue), "%s", queue);
	assert_int_equal(mftd_service_set(&h->p, &set, 0), 0);
}

static struct mftd_svc *
service(struct house *h, const char *queue)
{
	int i;

	for (i = 0; i < h->p.n_services; i++)
		if (strcmp(h->p.services[i].queue, queue) == 0)
			return &h->p.services[i];
	fail();
	return NULL;
}

static struct mftd_child *
child(struct house *h, enum mftd_proc proc, const char *instance)
{
	struct mftd_child *ch;

	for (ch = h->p.children; ch < h->p.children + MFTD_CHILDREN_MAX; ch++)
		if (ch->kind != NULL && ch->kind->proc == proc && ch->pid > 0 &&
		    strcmp(ch->instance, instance) == 0)
			return ch;
	return NULL;
}

static struct mftd_child *
place(struct house *h)
{
	return child(h, MFTD_PROC_OUTBOUND, PLACE);
}

/* Until nothing changes without a word or an end of a child. */
static void
advance(struct house *h)
{
	int i;

	for (i = 0; i < 8; i++)
		mftd_services_advance(&h->p);
}

/* The listener says READY. */
static void
listens(struct house *h)
{
	child(h, MFTD_PROC_LISTENER, "")->ready = true;
	advance(h);
}

/* The children that are to end do. */
static void
reap(struct house *h)
{
	struct mftd_child *ch;

	for (ch = h->p.children; ch < h->p.children + MFTD_CHILDREN_MAX; ch++)
		if (ch->stopping) {
			ch->pid = 0;
			ch->stopping = ch->ready = false;
		}
	advance(h);
}

static void
bring_up_all(struct house *h)
{
	want(h, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	want(h, MFTD_SERVICE_OUTBOUND, PLACE, MFTD_ROLE_PROMOTED);
	want(h, MFTD_SERVICE_OUTBOUND, "@controller", MFTD_ROLE_PROMOTED);
	advance(h);
	listens(h);
	assert_int_equal(service(h, "")->now, MFTD_ROLE_STARTED);
	assert_int_equal(service(h, PLACE)->now, MFTD_ROLE_PROMOTED);
	assert_int_equal(service(h, "@controller")->now, MFTD_ROLE_PROMOTED);
}

static void
place_waits_for_inbound(void **state)
{
	struct house *h = *state;

	want(h, MFTD_SERVICE_OUTBOUND, PLACE, MFTD_ROLE_PROMOTED);
	want(h, MFTD_SERVICE_OUTBOUND, "@controller", MFTD_ROLE_PROMOTED);
	advance(h);
	assert_null(place(h));
	assert_int_equal(service(h, PLACE)->now, MFTD_ROLE_STOPPED);
	assert_non_null(child(h, MFTD_PROC_OUTBOUND, "@controller"));
	want(h, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	advance(h);
	assert_null(place(h));
	listens(h);
	assert_non_null(place(h));
}

/* First the place, and only when it is proven gone the rest of inbound. */
static void
inbound_takes_its_place_along(void **state)
{
	struct house *h = *state;
	int held;

	bring_up_all(h);
	want(h, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STOPPED);
	advance(h);
	assert_true(place(h)->stopping);
	assert_false(child(h, MFTD_PROC_LISTENER, "")->stopping);
	assert_false(child(h, MFTD_PROC_OUTBOUND, "@controller")->stopping);
	/* a deliver of it still holds the lock */
	held = dup(service(h, PLACE)->lock_fd);
	reap(h);
	assert_null(place(h));
	assert_false(child(h, MFTD_PROC_LISTENER, "")->stopping);
	mftd_fd_close(&held);
	advance(h);
	assert_int_equal(service(h, PLACE)->now, MFTD_ROLE_STOPPED);
	assert_true(child(h, MFTD_PROC_LISTENER, "")->stopping);
	assert_int_equal(service(h, "")->now, MFTD_ROLE_STARTED);
	reap(h);
	assert_int_equal(service(h, "")->now, MFTD_ROLE_STOPPED);
	assert_int_equal(service(h, "@controller")->now, MFTD_ROLE_PROMOTED);
	/* and comes back with it */
	want(h, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	advance(h);
	listens(h);
	assert_int_equal(service(h, PLACE)->now, MFTD_ROLE_PROMOTED);
}

/* What is wished of a place keeps no daemon alive. */
static void
daemon_ends_with_the_others(void **state)
{
	struct house *h = *state;

	bring_up_all(h);
	want(h, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STOPPED);
	advance(h);
	reap(h);
	reap(h);
	assert_false(h->p.ending);
	want(h, MFTD_SERVICE_OUTBOUND, "@controller", MFTD_ROLE_STOPPED);
	advance(h);
	reap(h);
	assert_true(h->p.ending);
}

/* ---- a stop that comes to its deadline */

static const struct mftd_kind journal = { MFTD_PROC_JOURNAL,
	MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED, 0, MFTD_EACH_ONE, false,
	no_main };

/* A process that does not end by itself is that child. */
static pid_t
hangs(struct mftd_child *ch)
{
	pid_t test = getpid();

	ch->pid = fork();
	assert_true(ch->pid >= 0);
	if (ch->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (getppid() == test)
			pause();
		_exit(0);
	}
	return ch->pid;
}

/* Asked to be there at once; what the coordinator is answered. */
static struct mftd_msg_service_state
role_now(struct house *h, enum mftd_service kind, const char *queue,
    enum mftd_role role)
{
	struct mftd_msg_service_set set = { .service = kind, .role = role };
	struct mftd_child *co = mftd_parent_coordinator(&h->p);
	struct mftd_msg_service_state st;
	struct mftd_msg m = { 0 };
	int fds[2];

	assert_int_equal(mftd_chan_pair(fds), 0);
	co->chan = mftd_chan_new(fds[0], MFTD_PROC_COORDINATOR, "");
	h->coordinator = mftd_chan_new(fds[1], MFTD_PROC_PARENT, "");
	snprintf(set.queue, sizeof(set.queue), "%s", queue);
	assert_int_equal(mftd_service_set(&h->p, &set, 7), 0);
	advance(h);
	do {
		mftd_msg_close(&m);
		assert_int_equal(mftd_chan_recv(h->coordinator, &m), 0);
	} while (m.ref != 7);
	memcpy(&st, m.data, sizeof(st));
	mftd_msg_close(&m);
	assert_int_equal(st.err, -ETIMEDOUT);
	return st;
}

static struct mftd_msg_service_state
stop_now(struct house *h, enum mftd_service kind, const char *queue)
{
	return role_now(h, kind, queue, MFTD_ROLE_STOPPED);
}

static void
assert_killed(pid_t pid)
{
	struct pollfd p = { pidfd_open(pid, 0), POLLIN, 0 };
	int status;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	mftd_fd_close(&p.fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* It can still be stopped, which who has a SIGKILL pending cannot. */
static void
assert_lives(pid_t pid)
{
	int status;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_killed(pid);
}

static struct mftd_child *
started_inbound(struct house *h)
{
	orphans = 0;
	want(h, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	advance(h);
	listens(h);
	return child(h, MFTD_PROC_LISTENER, "");
}

static void
rest_of_inbound_is_killed(void **state)
{
	struct house *h = *state;
	struct mftd_child *ch = started_inbound(h);
	pid_t pid = hangs(ch);

	ch->kind = &journal;
	assert_int_equal(stop_now(h, MFTD_SERVICE_INBOUND, "").killed, 1);
	assert_killed(pid);
	/* it is stopped when it is gone, not before */
	assert_int_equal(service(h, "")->now, MFTD_ROLE_STARTED);
	reap(h);
	assert_int_equal(service(h, "")->now, MFTD_ROLE_STOPPED);
}

/* Who still listens has children that are not ours to kill. */
static void
sessions_of_a_listener(void **state)
{
	struct house *h = *state;
	pid_t pid = hangs(started_inbound(h));

	assert_int_equal(stop_now(h, MFTD_SERVICE_INBOUND, "").killed, 0);
	assert_killed(pid);
}

static void
sessions_not_listed(void **state)
{
	struct house *h = *state;
	struct mftd_child *ch = started_inbound(h);
	pid_t pid = hangs(ch);

	ch->kind = &journal;
	orphans = -EACCES;
	assert_int_equal(stop_now(h, MFTD_SERVICE_INBOUND, "").killed, 0);
	orphans = 0;
	assert_killed(pid);
}

/* Whoever delivers must be gone, also as a part of inbound. */
static void
rest_of_outbound_is_not(void **state)
{
	struct house *h = *state;
	pid_t pid;

	bring_up_all(h);
	pid = hangs(child(h, MFTD_PROC_OUTBOUND, "@controller"));
	assert_int_equal(
	    stop_now(h, MFTD_SERVICE_OUTBOUND, "@controller").killed, 0);
	assert_lives(pid);
}

static void
place_is_not(void **state)
{
	struct house *h = *state;
	pid_t pid, listener;

	bring_up_all(h);
	pid = hangs(place(h));
	listener = hangs(child(h, MFTD_PROC_LISTENER, ""));
	assert_int_equal(stop_now(h, MFTD_SERVICE_INBOUND, "").killed, 0);
	assert_lives(listener);
	assert_lives(pid);
}

/* Whoever reads why looks for who has not come, or for who does not go. */
static void
late_start_names_who(void **state)
{
	struct house *h = *state;
	struct mftd_msg_service_state st;

	want(h, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STOPPED);
	advance(h);
	st = role_now(h, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	assert_string_equal(st.reason,
	    "not started within its deadline: listener is not ready");
}

static void
late_demotion_is_no_late_start(void **state)
{
	struct house *h = *state;
	struct mftd_msg_service_state st;
	pid_t pid;

	bring_up_all(h);
	pid = hangs(child(h, MFTD_PROC_OUTBOUND, "@controller"));
	st = role_now(
	    h, MFTD_SERVICE_OUTBOUND, "@controller", MFTD_ROLE_STARTED);
	assert_string_equal(st.reason, "workers are left: they do not end");
	assert_lives(pid);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    place_waits_for_inbound, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    inbound_takes_its_place_along, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    daemon_ends_with_the_others, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    rest_of_inbound_is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    sessions_of_a_listener, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    sessions_not_listed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    rest_of_outbound_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(place_is_not, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    late_start_names_who, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    late_demotion_is_no_late_start, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
