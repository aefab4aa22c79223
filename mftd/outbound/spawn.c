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
#include "mftd/outbound/deposit.h"
#include "mftd/outbound/pace.h"

#define FILES_MAX (2 * MFTD_DELIVER_BATCH_MAX + 64)

/* What the process is to do, for a partner or as a session of an account. */
struct errand {
	const struct mftd_partner *partner; /* NULL: deposit */
	const char *session;
	const struct mftd_policy *policy;
	int journal; /* the channel's end, or -1 */
};

/* A deliver talks to strangers with a private key in its memory. */
void
mftd_child_confine(struct mftd_worker *w, int chan_fd, int other_fd)
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

static int
deliver(
    const struct mftd_runner *rn, const struct errand *e, struct mftd_chan *c)
{
	const struct mftd_conf *conf = rn->q->w->conf;
	struct mftd_deliver j = { .partner = e->partner,
		.host = rn->host[0] != '\0' ? rn->host : NULL,
		.conf = conf,
		.lease = rn->q->w->lease,
		.secret_key = conf->secret_key,
		.probe = rn->probe,
		.pace = mftd_paces_at(rn->q->paces, rn->pace) };

	return mftd_deliver_run(&j, c);
}

static int
deposit(
    const struct mftd_runner *rn, const struct errand *e, struct mftd_chan *c)
{
	struct mftd_deposit j = { .session = e->session,
		.policy = e->policy,
		.conf = rn->q->w->conf,
		.lease = rn->q->w->lease };
	struct mftd_chan *journal =
	    mftd_chan_new(e->journal, MFTD_PROC_JOURNAL, "");

	return journal != NULL ? mftd_deposit_run(&j, c, journal) : -ENOMEM;
}

static void __attribute__((noreturn))
child(struct mftd_runner *rn, const struct errand *e, int fd, pid_t parent)
{
	struct mftd_worker *w = rn->q->w;
	bool local = e->partner == NULL;
	struct mftd_chan *c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGALRM, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	mftd_child_confine(w, fd, e->journal);
	prctl(PR_SET_NAME, local ? "mftd:deposit" : "mftd:deliver");
	mftd_log_open(w->conf->log, w->conf->log_level);
	mftd_log_process(local ? "deposit" : "deliver");
	if (local)
		mftd_log_context("account=%s", rn->partner + 1);
	else
		mftd_log_context("partner=%s", rn->partner);
	c = mftd_chan_new(fd, MFTD_PROC_OUTBOUND, w->instance);
	_exit(c != NULL && (local ? deposit : deliver)(rn, e, c) == 0 ? 0 : 1);
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

static int
spawn(struct mftd_runner *rn, const struct errand *e)
{
	struct mftd_worker *w = rn->q->w;
	pid_t self = getpid(), pid;
	int fds[2], r;

	r = mftd_chan_pair(fds);
	if (r < 0)
		return r;
	pid = fork();
	if (pid == 0)
		child(rn, e, fds[1], self);
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

int
mftd_runner_spawn(struct mftd_runner *rn, const struct mftd_partner *p)
{
	const struct errand e = { .partner = p, .journal = -1 };

	return spawn(rn, &e);
}

int
mftd_runner_spawn_deposit(struct mftd_runner *rn, const char *session,
    const struct mftd_policy *policy, int journal)
{
	const struct errand e = {
		.session = session, .policy = policy, .journal = journal
	};

	return spawn(rn, &e);
}
