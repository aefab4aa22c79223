/* Part of mftd; see LICENSE. */
#include "mftd/hook/call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/hook/message.h"

#define TAIL 160 /* of what it prints is kept */
#define LAST_READS 64 /* of what is in the pipe when it ends */

struct program {
	pid_t pid;
	int input, output[2], signals; /* input: the JSON */
	char tail[TAIL + 1];
	size_t n_tail;
	int status;
	bool ended;
};

/* A file in memory takes all of it at once, whether it is read or not. */
static int
make_input(const struct mftd_event *e)
{
	char *json = mftd_hook_json(e);
	int fd, r;

	if (json == NULL)
		return -ENOMEM;
	fd = memfd_create("event", MFD_CLOEXEC);
	r = fd < 0 ? -errno : mftd_fd_write_full(fd, json, strlen(json));
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	free(json);
	if (r < 0)
		mftd_fd_close(&fd);
	return r < 0 ? r : fd;
}

/* Nothing of ours but the three descriptors: no signal that is ignored or
 * blocked, no way to more rights, no core. */
static void __attribute__((noreturn))
become(struct program *p, const struct mftd_hook *h, char **env, pid_t parent)
{
	const struct rlimit none = { 0, 0 };
	char **argv = calloc(h->n_exec + 1, sizeof(*argv));
	int keep[] = { 0, 1, 2 };
	sigset_t all;
	int i;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || argv == NULL || dup2(p->input, 0) < 0 ||
	    dup2(p->output[1], 1) < 0 || dup2(p->output[1], 2) < 0)
		_exit(127);
	mftd_fd_keep_only(keep, 3);
	/* also those that whoever started the daemon ignored */
	for (i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	umask(077);
	memcpy(argv, h->exec, h->n_exec * sizeof(*argv));
	if (chdir("/") == 0)
		execve(argv[0], argv, env);
	dprintf(2, "%s: %s", argv[0], strerror(errno));
	_exit(127);
}

static int
start(struct program *p, const struct mftd_hook_call *call)
{
	char **env =
	    mftd_hook_environment(call->event, call->hook->name, call->tries);
	pid_t self = getpid();
	sigset_t set;
	int r = -ENOMEM;

	if (env == NULL)
		return r;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	p->input = make_input(call->event);
	if (p->signals >= 0 && p->input >= 0 &&
	    pipe2(p->output, O_CLOEXEC) == 0) {
		p->pid = fork();
		if (p->pid == 0)
			become(p, call->hook, env, self);
		r = p->pid < 0 ? -errno : 0;
	} else {
		r = p->input < 0 ? p->input : -errno;
	}
	mftd_hook_environment_free(env);
	mftd_fd_close(&p->input);
	mftd_fd_close(&p->output[1]);
	if (r == 0)
		fcntl(p->output[0], F_SETFL, O_NONBLOCK);
	return r;
}

/* Keeps the end of what it prints.  False when there is no more for now. */
static bool
read_output(struct program *p)
{
	char piece[4096];
	ssize_t n = read(p->output[0], piece, sizeof(piece));
	size_t k, drop;

	if (n < 0)
		return false;
	if (n == 0) {
		mftd_fd_close(&p->output[0]);
		return false;
	}
	k = (size_t)n < TAIL ? (size_t)n : TAIL;
	drop = p->n_tail + k > TAIL ? p->n_tail + k - TAIL : 0;
	memmove(p->tail, p->tail + drop, p->n_tail - drop);
	p->n_tail -= drop;
	memcpy(p->tail + p->n_tail, piece + n - k, k);
	p->n_tail += k;
	return true;
}

/* True when we are to end. */
static bool
read_signals(struct program *p)
{
	struct signalfd_siginfo info;
	bool stop = false;

	while (read(p->signals, &info, sizeof(info)) == sizeof(info))
		stop |= info.ssi_signo == SIGTERM;
	if (waitpid(p->pid, &p->status, WNOHANG) == p->pid)
		p->ended = true;
	return stop;
}

/* Until it has ended: 0; -ETIMEDOUT; -EINTR when we are to end. */
static int
wait_for(struct program *p, int64_t deadline_ms)
{
	struct pollfd fds[] = { { .fd = p->signals, .events = POLLIN },
		{ .events = POLLIN } };
	int left;

	while (!p->ended) {
		left = mftd_clock_left_ms(deadline_ms);
		if (left == 0)
			return -ETIMEDOUT;
		fds[1].fd = p->output[0];
		if (poll(fds, 2, left) < 0 && errno != EINTR)
			return -errno;
		if (fds[1].revents != 0 && p->output[0] >= 0)
			read_output(p);
		if (fds[0].revents != 0 && read_signals(p) && !p->ended)
			return -EINTR;
	}
	return 0;
}

/* What it left behind in its group goes, too. */
static void
finish(struct program *p)
{
	int i;

	kill(-p->pid, SIGKILL);
	if (!p->ended)
		waitpid(p->pid, &p->status, 0);
	for (i = 0; i < LAST_READS && p->output[0] >= 0 && read_output(p); i++)
		;
	while (p->n_tail > 0 && p->tail[p->n_tail - 1] == '\n')
		p->n_tail--;
	p->tail[p->n_tail] = '\0';
}

static int
outcome(
    const struct program *p, int r, int timeout_s, char why[MFTD_REASON_BYTES])
{
	const char *sep = p->tail[0] != '\0' ? ": " : "";

	if (r == -ETIMEDOUT) {
		snprintf(why, MFTD_REASON_BYTES, "it took longer than %d s%s%s",
		    timeout_s, sep, p->tail);
	} else if (r < 0) {
		snprintf(why, MFTD_REASON_BYTES, "it was stopped");
	} else if (WIFSIGNALED(p->status)) {
		snprintf(why, MFTD_REASON_BYTES,
		    "it was ended by signal %d%s%s", WTERMSIG(p->status), sep,
		    p->tail);
		r = -ECHILD;
	} else if (WEXITSTATUS(p->status) != 0) {
		snprintf(why, MFTD_REASON_BYTES, "exit status %d%s%s",
		    WEXITSTATUS(p->status), sep, p->tail);
		r = -ECHILD;
	} else {
		snprintf(why, MFTD_REASON_BYTES, "%s", p->tail);
	}
	return r;
}

int
mftd_hook_exec(const struct mftd_hook_call *call, char why[MFTD_REASON_BYTES])
{
	struct program p = { .input = -1, .output = { -1, -1 }, .signals = -1 };
	int timeout_s = call->hook->timeout_s;
	int r = start(&p, call);

	if (r == 0) {
		r = wait_for(&p, mftd_clock_ms() + 1000LL * timeout_s);
		finish(&p);
		r = outcome(&p, r, timeout_s, why);
	} else {
		snprintf(why, MFTD_REASON_BYTES, "%s", mftd_strerror(r));
	}
	mftd_fd_close(&p.output[0]);
	mftd_fd_close(&p.signals);
	return r;
}
