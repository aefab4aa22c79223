/* Part of mftd; see LICENSE. */
#include "mftd/outbound/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_outbound.h"

#define FILES_MAX (2 * MFTD_DELIVER_BATCH_MAX + 64)
#define COMM_BYTES 16 /* prctl(2), PR_SET_NAME */

/* Some talk to strangers with a private key in their memory. */
static void
confine(struct mftd_worker *w, int chan_fd, int other_fd)
{
	const struct rlimit none = { 0, 0 };
	const struct rlimit files = { FILES_MAX, FILES_MAX };
	int keep[] = { 0, 1, 2, chan_fd, other_fd, w->lock_fd };

	closelog(); /* its descriptor is about to be someone else's */
	mftd_fd_keep_only(keep, sizeof(keep) / sizeof(keep[0]));
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	setrlimit(RLIMIT_CORE, &none);
	setrlimit(RLIMIT_NOFILE, &files);
}

static void __attribute__((noreturn)) be_child(
    struct mftd_worker *w, const struct mftd_errand *e, int fd, pid_t parent)
{
	char comm[COMM_BYTES];
	struct mftd_chan *c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	confine(w, fd, e->fd);
	snprintf(comm, sizeof(comm), "mftd:%s", e->name);
	prctl(PR_SET_NAME, comm);
	mftd_log_open(w->conf->log, w->conf->log_level);
	mftd_log_process(e->name);
	mftd_log_context("%s", e->context);
	c = mftd_chan_new(fd, MFTD_PROC_OUTBOUND, w->instance);
	_exit(c != NULL && e->run(e->job, c) == 0 ? 0 : 1);
}

static int
on_exit_of_child(int fd, int revents, void *data)
{
	struct mftd_child *ch = data;
	int status = 0;

	(void)revents;
	if (ch->pidfd != fd || waitpid(ch->pid, &status, WNOHANG) == 0)
		return 0;
	qb_loop_poll_del(ch->w->loop, fd);
	mftd_fd_close(&ch->pidfd);
	ch->pid = 0;
	ch->ended(ch->data, status);
	return 0;
}

/* Without being told of its end we could not keep count of it. */
static int
give_up(struct mftd_child *ch)
{
	mftd_child_kill(ch);
	mftd_child_wait(ch);
	return -ENOMEM;
}

static int
watch(struct mftd_child *ch, const struct mftd_errand *e, int fd,
    struct mftd_chan **chan)
{
	ch->pidfd = pidfd_open(ch->pid, 0);
	if (ch->pidfd < 0 ||
	    qb_loop_poll_add(ch->w->loop, QB_LOOP_MED, ch->pidfd, POLLIN, ch,
		on_exit_of_child) < 0)
		return give_up(ch);
	*chan = mftd_worker_attach(ch->w, fd, e->kind, e->instance, e->data);
	return *chan != NULL ? 0 : give_up(ch);
}

int
mftd_child_start(struct mftd_child *ch, struct mftd_worker *w,
    const struct mftd_errand *e, struct mftd_chan **chan)
{
	pid_t self = getpid();
	int fds[2], r;

	r = mftd_chan_pair(fds);
	if (r < 0)
		return r;
	*ch = (struct mftd_child) {
		.pidfd = -1, .w = w, .ended = e->ended, .data = e->data
	};
	ch->pid = fork();
	if (ch->pid == 0)
		be_child(w, e, fds[1], self);
	r = ch->pid < 0 ? -errno : 0;
	mftd_fd_close(&fds[1]);
	if (r < 0)
		ch->pid = 0;
	else
		r = watch(ch, e, fds[0], chan);
	if (r < 0)
		mftd_fd_close(&fds[0]);
	return r;
}

void
mftd_child_kill(const struct mftd_child *ch)
{
	if (ch->pid > 0)
		kill(ch->pid, SIGKILL);
}

void
mftd_child_wait(struct mftd_child *ch)
{
	if (ch->pid == 0)
		return;
	waitpid(ch->pid, NULL, 0);
	ch->pid = 0;
	if (ch->pidfd >= 0)
		qb_loop_poll_del(ch->w->loop, ch->pidfd);
	mftd_fd_close(&ch->pidfd);
}
