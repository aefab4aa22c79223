/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/hook/call.h"
#include "mftd/hook/retry.h"
#include "mftd/hook/state.h"

/* Should a library not keep to the time that it was given. */
#define WATCHDOG_S 5

#define FOR_EACH_TRY(t, hs) \
	for ((t) = (hs)->tries; (t) < (hs)->tries + MFTD_HOOK_RUNS_MAX; (t)++)

struct mftd_hook_try *
mftd_try_place(struct mftd_hooks *hs)
{
	struct mftd_hook_try *t;

	FOR_EACH_TRY(t, hs)
	if (!t->taken)
		return t;
	return NULL;
}

size_t
mftd_tries_of(const struct mftd_hooks *hs, const char *hook)
{
	const struct mftd_hook_try *t;
	size_t n = 0;

	FOR_EACH_TRY(t, hs)
	n += t->taken && (hook == NULL || strcmp(t->run.hook, hook) == 0);
	return n;
}

void
mftd_tries_hand(const struct mftd_hooks *hs, char hand[MFTD_HAND_BYTES])
{
	const struct mftd_hook_try *t;
	size_t n = 0;

	hand[0] = '\0';
	FOR_EACH_TRY(t, hs)
	if (t->taken)
		n += (size_t)snprintf(hand + n, MFTD_HAND_BYTES - n, "%s%s@%s ",
		    n == 0 ? " " : "", t->run.event, t->run.hook);
}

/* ---- the process of one try */

/* It has a secret in its memory, or starts what others wrote: no core, nothing
 * of ours but the lock. */
static void
confine(const struct mftd_worker *w, int said)
{
	const struct rlimit none = { 0, 0 };
	int keep[] = { 0, 1, 2, said, w->lock_fd };
	sigset_t all;

	closelog(); /* its descriptor is about to be someone else's */
	mftd_fd_keep_only(keep, w->lock_fd >= 0 ? 5 : 4);
	signal(SIGTERM, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
}

static void __attribute__((noreturn)) child(const struct mftd_worker *w,
    const struct mftd_hook_call *call, int said, pid_t parent)
{
	char why[MFTD_REASON_BYTES];
	int r;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	confine(w, said);
	prctl(PR_SET_NAME, "mftd:hook");
	alarm((unsigned)call->hook->timeout_s + WATCHDOG_S);
	r = mftd_hook_call(call, why);
	if (r < 0)
		mftd_fd_write_full(said,
		    why[0] != '\0' ? why : mftd_strerror(r),
		    strlen(why[0] != '\0' ? why : mftd_strerror(r)));
	_exit(r == 0 ? 0 : 1);
}

static uint32_t
any_number(void)
{
	uint32_t n = 0;

	if (getrandom(&n, sizeof(n), 0) != sizeof(n))
		n = (uint32_t)mftd_clock_us();
	return n;
}

static void
step(struct mftd_hook_try *t, int err, const char *why)
{
	mftd_hook_step(&t->run, err, why, t->tries_max, mftd_clock_wall_us(),
	    any_number());
	mftd_log(
	    t->run.state == MFTD_RUN_FAILED ? MFTD_LOG_ERROR : MFTD_LOG_INFO,
	    "hook %s: %s: try %u: RUNNING -> %s%s%s", t->run.hook, t->run.event,
	    t->run.tries, mftd_run_state_name(t->run.state),
	    t->run.error[0] != '\0' ? ": " : "", t->run.error);
}

static void
reap(struct mftd_hook_try *t, int status)
{
	char why[MFTD_REASON_BYTES];
	ssize_t n = read(t->said, why, sizeof(why) - 1);

	why[n > 0 ? n : 0] = '\0';
	if (WIFSIGNALED(status) && !t->stopped)
		snprintf(why, sizeof(why), "it was ended by signal %d",
		    WTERMSIG(status));
	t->pid = 0;
	qb_loop_poll_del(t->hs->w->loop, t->pidfd);
	mftd_fd_close(&t->pidfd);
	mftd_fd_close(&t->said);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		step(t, 0, "");
	else if (t->stopped)
		step(t, -ECANCELED, "it was stopped: the node gave it up");
	else
		step(t, -ECHILD, why);
}

static int
on_exit_of_child(int fd, int revents, void *data)
{
	struct mftd_hook_try *t = data;
	int status = 0;

	if (t->pid <= 0 || t->pidfd != fd ||
	    waitpid(t->pid, &status, WNOHANG) != t->pid)
		return 0;
	reap(t, status);
	t->hs->round_ms = 0; /* its place may be wanted */
	return 0;
}

/* Without being told of its end we could not keep count of it. */
static int
watch(struct mftd_hook_try *t)
{
	t->pidfd = pidfd_open(t->pid, 0);
	if (t->pidfd >= 0 &&
	    qb_loop_poll_add(t->hs->w->loop, QB_LOOP_MED, t->pidfd, POLLIN, t,
		on_exit_of_child) == 0)
		return 0;
	kill(t->pid, SIGTERM);
	waitpid(t->pid, NULL, 0);
	return -ENOMEM;
}

static int
spawn(struct mftd_hook_try *t, const struct mftd_hook_call *call)
{
	pid_t self = getpid();
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	t->said = fds[0];
	t->pid = fork();
	if (t->pid == 0)
		child(t->hs->w, call, fds[1], self);
	r = t->pid < 0 ? -errno : 0;
	mftd_fd_close(&fds[1]);
	if (r == 0)
		r = watch(t);
	if (r < 0) {
		t->pid = 0;
		mftd_fd_close(&t->said);
		mftd_fd_close(&t->pidfd);
	}
	return r;
}

void
mftd_try_start(struct mftd_hooks *hs, struct mftd_hook_try *t,
    const struct mftd_run *run, const struct mftd_hook *h)
{
	struct mftd_event event;
	struct mftd_hook_call call = { .hook = h,
		.event = &event,
		.tries = run->tries,
		.secret_key = hs->w->conf->secret_key };
	int r;

	memset(t, 0, sizeof(*t));
	t->hs = hs;
	t->run = *run;
	t->tries_max = (uint32_t)h->tries;
	t->taken = true;
	t->pidfd = t->said = -1;
	r = mftd_hooks_outcome(
	    hs, "event", mftd_event_get(hs->c, run->event, &event));
	if (r == 0)
		r = spawn(t, &call);
	if (r < 0)
		step(t, r, mftd_strerror(r));
}

void
mftd_tries_stop(struct mftd_hooks *hs)
{
	struct mftd_hook_try *t;

	FOR_EACH_TRY(t, hs)
	if (t->pid > 0) {
		t->stopped = true;
		kill(t->pid, SIGTERM);
	}
}

/* ---- its row */

/* An earlier attempt may have gone through though its answer never came: then
 * the row is as we want it already. */
static void
write_row(struct mftd_hooks *hs, struct mftd_hook_try *t)
{
	int r = mftd_hooks_outcome(
	    hs, "end", mftd_run_end(hs->c, &hs->role, &t->run));

	if (r == 0 || r == -ENOENT)
		t->taken = false;
}

void
mftd_tries_write(struct mftd_hooks *hs)
{
	struct mftd_hook_try *t;

	FOR_EACH_TRY(t, hs)
	if (t->taken && t->pid == 0 && !hs->stale)
		write_row(hs, t);
}

void
mftd_tries_wait(struct mftd_hooks *hs, int ms)
{
	struct pollfd fds[MFTD_HOOK_RUNS_MAX];
	struct mftd_hook_try *t;
	nfds_t n = 0;

	FOR_EACH_TRY(t, hs)
	if (t->pid > 0)
		fds[n++] = (struct pollfd) { .fd = t->pidfd, .events = POLLIN };
	poll(fds, n, ms);
	FOR_EACH_TRY(t, hs)
	on_exit_of_child(t->pidfd, 0, t);
}
