/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/node/parent.h"

/* The child's descriptors: what it was given, and nothing of its siblings. */
static void
close_others(const struct mftd_parent *p, const struct mftd_worker *w)
{
	int keep[MFTD_LISTEN_MAX + 3] = { w->parent_fd, p->daemon_lock,
		w->lock_fd };
	int n = 3, i;

	for (i = 0; i < w->n_listen; i++)
		keep[n++] = w->listen_fds[i];
	mftd_fd_keep_only(keep, n);
}

static void __attribute__((noreturn)) child_main(
    struct mftd_parent *p, const struct mftd_kind *kind, struct mftd_worker *w)
{
	sigset_t none;
	char title[16];

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(
	    SIGINT, SIG_IGN); /* the terminal's ^C is the parent's business */
	mftd_log_process(mftd_proc_name(kind->proc));
	snprintf(
	    title, sizeof(title), "mftd:%.10s", mftd_proc_name(kind->proc));
	prctl(PR_SET_NAME, title);
	close_others(p, w);
	if (kind->proc != MFTD_PROC_COORDINATOR &&
	    mftd_lease_protect(p->lease) < 0)
		_exit(1);
	kind->main(w);
	_exit(0);
}

/* A channel between a and b, one end to each. */
static void
introduce(struct mftd_child *a, struct mftd_child *b)
{
	struct mftd_msg_peer to_a = { .proc = b->kind->proc };
	struct mftd_msg_peer to_b = { .proc = a->kind->proc };
	int fds[2];
	int r = mftd_chan_pair(fds);

	snprintf(to_a.instance, sizeof(to_a.instance), "%s", b->instance);
	snprintf(to_b.instance, sizeof(to_b.instance), "%s", a->instance);
	if (r == 0) {
		r = mftd_chan_send(
		    a->chan, MFTD_MSG_PEER, 0, &to_a, sizeof(to_a), &fds[0], 1);
		if (r == 0)
			r = mftd_chan_send(b->chan, MFTD_MSG_PEER, 0, &to_b,
			    sizeof(to_b), &fds[1], 1);
		mftd_fd_close(&fds[0]);
		mftd_fd_close(&fds[1]);
	}
	/* one of them is ending: its restart makes the channel again */
	if (r < 0)
		log_debug("no channel %s-%s: %s", mftd_proc_name(a->kind->proc),
		    mftd_proc_name(b->kind->proc), mftd_strerror(r));
}

static void
fill_worker(
    struct mftd_parent *p, struct mftd_child *ch, struct mftd_worker *w, int fd)
{
	int i;

	w->proc = ch->kind->proc;
	snprintf(w->instance, sizeof(w->instance), "%s", ch->instance);
	memcpy(w->incarnation, p->incarnation, sizeof(w->incarnation));
	w->conf = p->conf;
	w->lease = p->lease;
	w->lock_fd = ch->service >= 0 ? p->services[ch->service].lock_fd : -1;
	w->parent_fd = fd;
	for (i = 0; i < MFTD_LISTEN_MAX; i++)
		w->listen_fds[i] = -1;
	if (w->proc != MFTD_PROC_LISTENER)
		return;
	memcpy(w->listen_fds, p->listen_fds, sizeof(int) * (size_t)p->n_listen);
	w->n_listen = p->n_listen;
}

int
mftd_spawn(struct mftd_parent *p, struct mftd_child *ch)
{
	struct mftd_worker w = { 0 };
	struct mftd_child *other;
	int fds[2], r;

	r = mftd_chan_pair(fds);
	if (r < 0)
		return r;
	ch->chan = mftd_chan_new(fds[0], ch->kind->proc, ch->instance);
	if (ch->chan == NULL) {
		mftd_fd_close(&fds[0]);
		mftd_fd_close(&fds[1]);
		return -ENOMEM;
	}
	fill_worker(p, ch, &w, fds[1]);
	ch->pid = fork();
	if (ch->pid == 0)
		child_main(p, ch->kind, &w);
	r = ch->pid < 0 ? -errno : 0;
	mftd_fd_close(&fds[1]);
	if (r < 0) {
		ch->pid = 0;
		mftd_chan_free(ch->chan);
		ch->chan = NULL;
		return r;
	}
	ch->ready = ch->stopping = false;
	ch->kill_ms = 0;
	ch->started_ms = mftd_clock_ms();
	for (other = p->children; other < p->children + MFTD_CHILDREN_MAX;
	     other++)
		if (other != ch && other->pid > 0 && other->chan != NULL &&
		    mftd_kinds_talk(ch->kind->proc, other->kind->proc))
			introduce(ch, other);
	return 0;
}

void
mftd_child_stop(struct mftd_child *ch, int grace_ms)
{
	const struct mftd_msg_none none = { 0 };

	if (ch->pid <= 0 || ch->stopping)
		return;
	ch->stopping = true;
	ch->kill_ms = mftd_clock_ms() + grace_ms;
	if (ch->chan == NULL ||
	    mftd_chan_send(
		ch->chan, MFTD_MSG_STOP, 0, &none, sizeof(none), NULL, 0) < 0)
		kill(ch->pid, SIGKILL);
}

static bool
is_known(const struct mftd_parent *p, pid_t pid)
{
	int i;

	for (i = 0; i < MFTD_CHILDREN_MAX; i++)
		if (p->children[i].pid == pid)
			return true;
	return false;
}

int
mftd_orphans_kill(struct mftd_parent *p)
{
	char path[64];
	FILE *f;
	long pid;
	int n = 0;

	snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	if (f == NULL)
		return -errno;
	/* nobody else reaps: no pid of the list is another's meanwhile, and
	 * none goes from it while it is read */
	while (fscanf(f, "%ld", &pid) == 1)
		if (!is_known(p, (pid_t)pid)) {
			kill((pid_t)pid, SIGKILL);
			n++;
		}
	fclose(f);
	return n;
}
