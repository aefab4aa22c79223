/* Part of mftd; see LICENSE. */
#include "mftd/outbound/queue.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/outbound/deliver.h"
#include "mftd/outbound/pace.h"

#define FILES_MAX (MFTD_DELIVER_BATCH_MAX + 64)

/* It talks to strangers with a private key in its memory: no core, no way to
 * more rights, nothing of outbound's descriptors but its lock. */
static void
confine(struct mftd_worker *w, int chan_fd)
{
	const struct rlimit none = { 0, 0 };
	const struct rlimit files = { FILES_MAX, FILES_MAX };
	int keep[] = { 0, 1, 2, chan_fd, w->lock_fd };

	closelog(); /* its descriptor is about to be someone else's */
	mftd_fd_keep_only(keep, w->lock_fd >= 0 ? 5 : 4);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NOFILE, &files);
}

static void __attribute__((noreturn)) child(
    struct mftd_runner *rn, const struct mftd_partner *p, int fd, pid_t parent)
{
	struct mftd_worker *w = rn->q->w;
	struct mftd_deliver j = { .partner = p,
		.probe = rn->probe,
		.host = rn->host[0] != '\0' ? rn->host : NULL,
		.conf = w->conf,
		.lease = w->lease,
		.secret_key = w->conf->secret_key,
		.pace = mftd_paces_at(rn->q->paces, rn->pace) };
	struct mftd_chan *c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	confine(w, fd);
	prctl(PR_SET_NAME, "mftd:deliver");
	mftd_log_open(w->conf->log, w->conf->log_level);
	mftd_log_process("deliver");
	mftd_log_context("partner=%s", rn->partner);
	c = mftd_chan_new(fd, MFTD_PROC_OUTBOUND, w->instance);
	_exit(c != NULL && mftd_deliver_run(&j, c) == 0 ? 0 : 1);
}

static int
on_exit_of_child(int fd, int revents, void *data)
{
	struct mftd_runner *rn = data;
	int status = 0;

	if (rn->pidfd != fd)
		return 0;
	if (waitpid(rn->pid, &status, WNOHANG) == 0)
		return 0;
	qb_loop_poll_del(rn->q->w->loop, fd);
	mftd_fd_close(&rn->pidfd);
	mftd_runner_reaped(rn, status);
	return 0;
}

/* Without being told of its end we could not keep count of it. */
static int
give_up(pid_t pid, int err)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return err;
}

int
mftd_runner_spawn(struct mftd_runner *rn, const struct mftd_partner *p)
{
	struct mftd_worker *w = rn->q->w;
	pid_t self = getpid(), pid;
	int fds[2], r;

	r = mftd_chan_pair(fds);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		child(rn, p, fds[1], self);
	r = pid < 0 ? -errno : 0;
	mftd_fd_close(&fds[1]);
	if (r < 0) {
		mftd_fd_close(&fds[0]);
		return r;
	}
	rn->pidfd = pidfd_open(pid, 0);
	if (rn->pidfd < 0 ||
	    qb_loop_poll_add(w->loop, QB_LOOP_MED, rn->pidfd, POLLIN, rn,
		on_exit_of_child) < 0) {
		mftd_fd_close(&rn->pidfd);
		mftd_fd_close(&fds[0]);
		return give_up(pid, -ENOMEM);
	}
	rn->chan =
	    mftd_worker_attach(w, fds[0], MFTD_PROC_DELIVER, rn->partner, rn);
	if (rn->chan == NULL) {
		qb_loop_poll_del(w->loop, rn->pidfd);
		mftd_fd_close(&rn->pidfd);
		mftd_fd_close(&fds[0]);
		return give_up(pid, -ENOMEM);
	}
	rn->pid = pid;
	return 0;
}
