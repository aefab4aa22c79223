/* Part of mftd; see LICENSE. */
#include "mftd/node/parent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"

#define TICK_MS 1000 /* at least so often deadlines are looked at */
#define JOIN_MS 60000 /* a coordinator joins the group within this */
#define ASK_S 5 /* a worker that answers is asked again after so long */
#define SOON_MS 20 /* while something is being proven or waited for */

/* ---- messages of the workers */

static int
on_message(struct mftd_parent *p, struct mftd_child *ch, struct mftd_msg *m)
{
	int r;

	if (m->type == MFTD_MSG_READY) {
		ch->ready = true;
		log_debug("%s %s is ready", mftd_proc_name(ch->kind->proc),
		    ch->instance);
		return 0;
	}
	if (m->type == MFTD_MSG_PONG) {
		ch->asked = false;
		ch->silent_s = 0;
		return 0;
	}
	if (m->type != MFTD_MSG_SERVICE_SET ||
	    ch->kind->proc != MFTD_PROC_COORDINATOR)
		return -MFTD_E_PROTOCOL;
	r = mftd_service_set(p, m->data, m->ref);
	if (r < 0)
		log_error("service request: %s", mftd_strerror(r));
	return r;
}

static void
drain(struct mftd_parent *p, struct mftd_child *ch)
{
	struct mftd_msg m;
	int r;

	while ((r = mftd_chan_recv(ch->chan, &m)) == 0) {
		r = on_message(p, ch, &m);
		mftd_msg_close(&m);
		if (r < 0)
			break;
	}
	if (r == -EAGAIN)
		return;
	/* closed: its end is near; broken: it shall end */
	mftd_chan_free(ch->chan);
	ch->chan = NULL;
	if (r != -MFTD_E_CLOSED) {
		log_error("%s broke its protocol: killed",
		    mftd_proc_name(ch->kind->proc));
		kill(ch->pid, SIGKILL);
	} else if (ch->kill_ms == 0) {
		ch->kill_ms = mftd_clock_ms() + 2000;
	}
}

/* ---- ends of processes */

static void
say_end(const struct mftd_child *ch, int status)
{
	const char *name = mftd_proc_name(ch->kind->proc);

	if (WIFSIGNALED(status))
		log_warn("%s %s[%d] was ended by signal %d", name, ch->instance,
		    (int)ch->pid, WTERMSIG(status));
	else if (!ch->stopping || WEXITSTATUS(status) != 0)
		log_warn("%s %s[%d] ended with status %d", name, ch->instance,
		    (int)ch->pid, WEXITSTATUS(status));
}

/* All of this incarnation is to go; what was promoted comes back as standby:
 * only Pacemaker promotes.  Who asked the old coordinator is not answered any
 * more: to the next one the same number is another's wish. */
static void
begin_rebirth(struct mftd_parent *p)
{
	int i;

	p->rebirth = true;
	mftd_lease_renew(p->lease, 0);
	for (i = 0; i < p->n_services; i++) {
		p->services[i].ref = 0;
		if (p->services[i].wanted == MFTD_ROLE_PROMOTED)
			p->services[i].wanted = MFTD_ROLE_STARTED;
	}
	log_warn(
	    "the coordinator is gone: incarnation %s ends", p->incarnation);
}

static void
reap_one(struct mftd_parent *p, pid_t pid, int status)
{
	struct mftd_child *ch;

	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++)
		if (ch->kind != NULL && ch->pid == pid)
			break;
	if (ch == p->children + MFTD_CHILDREN_MAX)
		return; /* an orphan of a worker */
	say_end(ch, status);
	ch->pid = 0;
	ch->ready = ch->asked = false;
	ch->silent_s = 0;
	ch->kill_ms = 0;
	mftd_chan_free(ch->chan);
	ch->chan = NULL;
	if (!ch->stopping)
		mftd_service_worker_lost(p, ch);
	ch->stopping = false;
	if (ch->kind->proc == MFTD_PROC_COORDINATOR && !p->ending)
		begin_rebirth(p);
}

static void
on_signals(struct mftd_parent *p)
{
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	while (read(p->signal_fd, &si, sizeof(si)) == sizeof(si))
		if (si.ssi_signo != SIGCHLD && !p->ending) {
			log_info("signal %u: ending", si.ssi_signo);
			p->ending = true;
		}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		reap_one(p, pid, status);
}

/* ---- workers that hang */

static void
ask(struct mftd_child *ch)
{
	const struct mftd_msg_none none = { 0 };

	if (mftd_chan_send(
		ch->chan, MFTD_MSG_PING, 0, &none, sizeof(none), NULL, 0) == 0)
		ch->asked = true;
	ch->silent_s = 0;
}

/* A second later.  Who is asked has not answered since. */
static void
count_silence(const struct mftd_parent *p, struct mftd_child *ch)
{
	ch->silent_s++;
	if (!ch->asked && ch->silent_s >= ASK_S) {
		ask(ch);
	} else if (ch->asked && ch->silent_s == p->conf->worker_timeout_s) {
		log_error("%s %s[%d] has not answered for %d s",
		    mftd_proc_name(ch->kind->proc), ch->instance, (int)ch->pid,
		    ch->silent_s);
		ch->kill_ms = mftd_clock_ms();
	}
}

/* Seconds are those in which this process ran and took what was said to it: a
 * node that stood still has nobody silent. */
static void
watch_workers(struct mftd_parent *p)
{
	int64_t now = mftd_clock_ms();
	struct mftd_child *ch;

	if (p->conf->worker_timeout_s == 0 || now - p->beat_ms < TICK_MS)
		return;
	p->beat_ms = now;
	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++)
		if (ch->pid > 0 && ch->chan != NULL && ch->kind->answers &&
		    ch->ready && !ch->stopping && ch->kill_ms == 0)
			count_silence(p, ch);
}

/* ---- the loop */

static void
kill_overdue(struct mftd_parent *p)
{
	struct mftd_child *ch;
	int64_t now = mftd_clock_ms();

	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++) {
		/* joining blocks while Corosync hangs */
		if (ch->pid > 0 && !ch->ready && ch->kill_ms == 0 &&
		    ch->kind->proc == MFTD_PROC_COORDINATOR &&
		    now - ch->started_ms > JOIN_MS)
			ch->kill_ms = now;
		if (ch->pid > 0 && ch->kill_ms != 0 && now >= ch->kill_ms) {
			log_warn("%s %s[%d] does not end: killed",
			    mftd_proc_name(ch->kind->proc), ch->instance,
			    (int)ch->pid);
			kill(ch->pid, SIGKILL);
			ch->kill_ms = now + 5000;
		}
	}
}

static bool
all_gone(const struct mftd_parent *p)
{
	int i;

	for (i = 0; i < MFTD_CHILDREN_MAX; i++)
		if (p->children[i].pid > 0)
			return false;
	return mftd_services_gone(p);
}

static bool
all_settled(const struct mftd_parent *p)
{
	int i;

	for (i = 0; i < p->n_services; i++)
		if (!p->services[i].settled || p->services[i].proving)
			return false;
	return !p->rebirth && !p->ending;
}

static void
wait_events(struct mftd_parent *p)
{
	struct pollfd fds[MFTD_CHILDREN_MAX + 1];
	struct mftd_child *at[MFTD_CHILDREN_MAX + 1];
	struct mftd_child *ch;
	nfds_t n = 0, i;

	fds[n].fd = p->signal_fd;
	fds[n++].events = POLLIN;
	for (ch = p->children; ch < p->children + MFTD_CHILDREN_MAX; ch++) {
		if (ch->pid <= 0 || ch->chan == NULL)
			continue;
		at[n] = ch;
		fds[n].fd = mftd_chan_fd(ch->chan);
		fds[n++].events = (short)(POLLIN |
		    (mftd_chan_pending(ch->chan) ? POLLOUT : 0));
	}
	if (poll(fds, n, all_settled(p) ? TICK_MS : SOON_MS) <= 0)
		return;
	for (i = 1; i < n; i++) {
		if ((fds[i].revents & POLLOUT) != 0)
			mftd_chan_flush(at[i]->chan);
		if ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			drain(p, at[i]);
	}
	if (fds[0].revents != 0)
		on_signals(p);
}

/* What comes back by itself is not settled before the new coordinator was told:
 * it knows of no service, and would answer agents that nothing runs here. */
static int
new_life(struct mftd_parent *p)
{
	int r = mftd_id_incarnation(
	    p->conf->node, p->incarnation, sizeof(p->incarnation));
	int i;

	for (i = 0; i < p->n_services; i++)
		if (p->services[i].wanted != MFTD_ROLE_STOPPED)
			p->services[i].settled = false;
	if (r == 0)
		log_info("incarnation %s begins", p->incarnation);
	p->rebirth = false;
	return r;
}

/* Tells systemd, if it started us, once the coordinator is at work. */
static void
say_ready(struct mftd_parent *p)
{
	struct mftd_child *co = mftd_parent_coordinator(p);

	if (p->notified || co == NULL || !co->ready)
		return;
	sd_notify(0, "READY=1");
	p->notified = true;
}

static int
prepare(struct mftd_parent *p)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	/* ignored, as it may be inherited, children would be nobody's to reap
	 */
	signal(SIGCHLD, SIG_DFL);
	/* sessions outlive their listener: they become ours, to be reaped */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	/* whom it cannot list it cannot end: better known at once */
	if ((r = mftd_orphans_kill(p)) < 0)
		return r;
	p->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->signal_fd < 0)
		return -errno;
	p->lease = mftd_lease_new();
	return p->lease != NULL ? new_life(p) : -ENOMEM;
}

int
mftd_parent_run(const struct mftd_conf *conf, const int *listen_fds,
    int n_listen, int daemon_lock)
{
	struct mftd_parent *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return 1;
	p->conf = conf;
	p->daemon_lock = daemon_lock;
	memcpy(p->listen_fds, listen_fds, sizeof(int) * (size_t)n_listen);
	p->n_listen = n_listen;
	r = prepare(p);
	if (r < 0) {
		log_error("cannot start: %s", mftd_strerror(r));
		free(p);
		return 1;
	}
	for (;;) {
		mftd_services_advance(p);
		if (p->ending && all_gone(p))
			break;
		if (p->rebirth && all_gone(p) && mftd_orphans_kill(p) == 0 &&
		    new_life(p) < 0)
			break;
		say_ready(p);
		wait_events(p);
		watch_workers(p);
		kill_overdue(p);
	}
	log_info("ended");
	mftd_fd_close(&p->signal_fd);
	free(p);
	return 0;
}
