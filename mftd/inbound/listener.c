/* Part of mftd; see LICENSE. */
#include "mftd/inbound/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/base/source.h"
#include "mftd/inbound/admit.h"
#include "mftd/inbound/bind.h"
#include "mftd/inbound/keys.h"
#include "mftd/inbound/sandbox.h"
#include "mftd/inbound/session.h"
#include "mftd/inbound/waiting.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/ipc/worker.h"

#define BACKLOG 512
#define ACCEPTS_PER_TURN 16
#define STATE_MS 2000 /* between reports to the coordinator */
#define STOP_MS 8000 /* a session itself takes 5 s to end */

/* A session's process. */
struct child {
	struct listener *l;
	struct child *next;
	pid_t pid;
	int pidfd;
	int login_fd; /* hangs up at its login; -1 from then on */
	char session[MFTD_ID_BYTES];
	char peer[MFTD_ADDR_BYTES];
	struct mftd_cidr source; /* of the peer */
};

struct listener {
	struct mftd_worker *w;
	struct mftd_ssh_server *server;
	struct mftd_filter *filter;
	struct mftd_chan *auth;
	struct child *children;
	int n_children;
	int n_starting; /* of them, not logged in yet */
	uint64_t counter; /* of session ids */
	struct mftd_chan *coordinator;
	struct mftd_waiting *waiting; /* for PROXY headers */
	struct mftd_msg_ban bans[MFTD_BANS_MAX];
	uint32_t n_bans;
	struct mftd_msg_listener_state state;
	int64_t told_ms; /* of connections turned away, in the log */
};

/* ---- children */

static void
report(struct listener *l, const struct child *c, uint32_t kind)
{
	struct mftd_msg_failure f = { .kind = kind };

	snprintf(f.peer, sizeof(f.peer), "%s", c->peer);
	if (l->coordinator != NULL)
		mftd_worker_send(
		    l->w, l->coordinator, MFTD_MSG_FAILURE, 0, &f, sizeof(f));
}

/* What its end says of its source; only a session without login ends so. */
static void
judge(const struct child *c, const siginfo_t *info)
{
	if (info->si_code != CLD_EXITED) {
		if (info->si_status == SIGALRM)
			report(c->l, c, MFTD_FAILURE_GRACE);
	} else if (info->si_status == MFTD_SESSION_EXIT_GARBAGE) {
		report(c->l, c, MFTD_FAILURE_GARBAGE);
	} else if (info->si_status == MFTD_SESSION_EXIT_TRIES) {
		report(c->l, c, MFTD_FAILURE_TRIES);
	}
}

static void
log_end(const struct child *c, const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED) {
		if (info->si_status != 0 &&
		    info->si_status != MFTD_SESSION_EXIT_GARBAGE &&
		    info->si_status != MFTD_SESSION_EXIT_TRIES)
			log_warn("session=%s ended with code %d", c->session,
			    info->si_status);
		return;
	}
	switch (info->si_status) {
	case SIGSYS:
		log_error("session=%s killed: a system call that its filter "
			  "does not allow",
		    c->session);
		break;
	case SIGALRM:
		log_info("session=%s not logged in within %d s", c->session,
		    c->l->w->conf->login_grace_s);
		break;
	case SIGTERM:
		log_info("session=%s ended before its login", c->session);
		break;
	default:
		log_error("session=%s killed by signal %d", c->session,
		    info->si_status);
	}
}

/* It counts no more as one that may be anybody. */
static void
no_longer_starting(struct child *c)
{
	if (c->login_fd < 0)
		return;
	qb_loop_poll_del(c->l->w->loop, c->login_fd);
	mftd_fd_close(&c->login_fd);
	c->l->n_starting--;
}

static int
logged_in(int fd, int revents, void *data)
{
	no_longer_starting(data);
	return 0;
}

/* Collects a child that has ended; whether it had. */
static bool
collect(struct child *c)
{
	struct child **at;
	siginfo_t info = { 0 };

	if (waitid(P_PIDFD, (id_t)c->pidfd, &info, WEXITED | WNOHANG) == 0 &&
	    info.si_pid == 0)
		return false;
	if (info.si_pid != 0) {
		log_end(c, &info);
		judge(c, &info);
	}
	no_longer_starting(c);
	for (at = &c->l->children; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	c->l->n_children--;
	close(c->pidfd);
	free(c);
	return true;
}

static int
child_ended(int fd, int revents, void *data)
{
	struct child *c = data;

	qb_loop_poll_del(c->l->w->loop, fd);
	collect(c);
	return 0;
}

/* Keeps the child; login_fd is taken over on success.  NULL on failure. */
static struct child *
keep_child(struct listener *l, pid_t pid, const struct mftd_session_start *s,
    int login_fd)
{
	struct child *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->l = l;
	c->pid = pid;
	c->login_fd = login_fd;
	snprintf(c->session, sizeof(c->session), "%s", s->session);
	snprintf(c->peer, sizeof(c->peer), "%s", s->peer);
	mftd_source_of(s->peer, &c->source); /* take saw it work */
	c->pidfd = pidfd_open(pid, 0);
	if (c->pidfd < 0)
		goto fail;
	if (qb_loop_poll_add(
		l->w->loop, QB_LOOP_MED, login_fd, 0, c, logged_in) < 0)
		goto fail;
	if (qb_loop_poll_add(l->w->loop, QB_LOOP_MED, c->pidfd, POLLIN, c,
		child_ended) < 0) {
		qb_loop_poll_del(l->w->loop, login_fd);
		goto fail;
	}
	c->next = l->children;
	l->children = c;
	l->n_children++;
	l->n_starting++;
	return c;
fail:
	mftd_fd_close(&c->pidfd);
	free(c);
	return NULL;
}

/* ---- connections */

/* Forks the session and keeps it.  Returns 0 or -errno. */
static int
spawn(struct listener *l, struct mftd_session_start *start)
{
	int login[2], r = 0;
	pid_t pid;

	if (pipe2(login, O_CLOEXEC) < 0)
		return -errno;
	start->login_fd = login[1];
	pid = fork();
	if (pid == 0)
		mftd_session_main(start);
	if (pid < 0) {
		r = -errno;
	} else if (keep_child(l, pid, start, login[0]) == NULL) {
		kill(pid, SIGKILL); /* nobody could end it later */
		waitpid(pid, NULL, 0);
		r = -ENOMEM;
	}
	if (r < 0)
		close(login[0]);
	close(login[1]);
	return r;
}

/* Says to auth whose the channel is, and forks.  Returns 0 or -errno. */
static int
begin(struct listener *l, struct mftd_session_start *start)
{
	struct mftd_msg_session_new n = { 0 };
	int pair[2], r;

	r = mftd_chan_pair(pair);
	if (r < 0)
		return r;
	snprintf(n.session, sizeof(n.session), "%s", start->session);
	snprintf(n.peer, sizeof(n.peer), "%s", start->peer);
	r = mftd_worker_send_fds(
	    l->w, l->auth, MFTD_MSG_SESSION_NEW, 0, &n, sizeof(n), &pair[0], 1);
	close(pair[0]);
	start->auth_fd = pair[1];
	if (r == 0)
		r = spawn(l, start);
	close(pair[1]);
	return r;
}

static void
take(struct listener *l, int fd, const char *peer)
{
	struct mftd_session_start start = {
		.conf = l->w->conf,
		.lease = l->w->lease,
		.server = l->server,
		.filter = l->filter,
		.fd = fd,
		.lock_fd = l->w->lock_fd,
		.listener = getpid(),
	};
	int r;

	r = snprintf(start.session, sizeof(start.session), "%s-%llx",
	    l->w->incarnation, (unsigned long long)l->counter++);
	snprintf(start.peer, sizeof(start.peer), "%s", peer);
	mftd_peer_options(fd);
	r = r < (int)sizeof(start.session) ? begin(l, &start) : -ENAMETOOLONG;
	if (r < 0)
		log_error("connection from %s: %s", peer, mftd_strerror(r));
}

static int
starting_from(const struct listener *l, const struct mftd_cidr *source)
{
	const struct child *c;
	int n = 0;

	for (c = l->children; c != NULL; c = c->next)
		if (c->login_fd >= 0 && mftd_source_within(source, &c->source))
			n++;
	return n;
}

/* Why a client of that source is turned away: enum mftd_turned, or
 * MFTD_TURNED_COUNT: it is not.  Closing at once lets it try another node's
 * address. */
static int
why_not(const struct listener *l, const struct mftd_cidr *source)
{
	const struct mftd_conf *conf = l->w->conf;

	if (!mftd_lease_held(l->w->lease) || l->auth == NULL)
		return MFTD_TURNED_NOT_READY;
	if (mftd_banned(l->bans, l->n_bans, source, mftd_clock_wall_us()))
		return MFTD_TURNED_BANNED;
	if (l->n_children >= MFTD_SESSIONS_MAX)
		return MFTD_TURNED_SESSIONS;
	if (mftd_startups_drop(
		&conf->startups, l->n_starting, arc4random_uniform(100)))
		return MFTD_TURNED_STARTUPS;
	if (starting_from(l, source) >= conf->max_startups_per_source)
		return MFTD_TURNED_SOURCE;
	return MFTD_TURNED_COUNT;
}

static void
turn_away(struct listener *l, const char *peer, int why, const char *words)
{
	l->state.turned[why]++;
	if (l->told_ms != 0 && mftd_clock_ms() - l->told_ms < 1000)
		return;
	l->told_ms = mftd_clock_ms();
	log_warn("connection from %s closed: %s (%llu such since start)", peer,
	    words, (unsigned long long)l->state.turned[why]);
}

/* A client whose address is known; fd stays the caller's. */
static void
let_in(struct listener *l, int fd, const char *peer)
{
	struct mftd_cidr source;
	int why = MFTD_TURNED_NOT_READY;

	if (mftd_source_of(peer, &source) == 0)
		why = why_not(l, &source);
	if (why != MFTD_TURNED_COUNT) {
		turn_away(l, peer, why, mftd_turned_word(why));
		return;
	}
	l->state.accepted++;
	take(l, fd, peer);
}

static void
on_header(void *data, int fd, const char *peer, const char *why)
{
	if (peer != NULL)
		let_in(data, fd, peer);
	else
		turn_away(data, "a balancer", MFTD_TURNED_PROXY, why);
}

/* Whether the balancer's connection waits for its header now. */
static bool
await_header(struct listener *l, int fd, const char *peer)
{
	struct mftd_cidr source;

	if (mftd_source_of(peer, &source) < 0 ||
	    !mftd_nets_have(&l->w->conf->proxy_from, &source))
		return false;
	if (mftd_waiting_add(l->waiting, fd, peer) == 0)
		return true;
	turn_away(l, peer, MFTD_TURNED_PROXY, "too many without PROXY header");
	close(fd);
	return true;
}

static int
on_connection(int listen_fd, int revents, void *data)
{
	struct listener *l = data;
	struct sockaddr_storage sa;
	char peer[MFTD_ADDR_BYTES];
	socklen_t len;
	int i, fd;

	for (i = 0; i < ACCEPTS_PER_TURN; i++) {
		len = sizeof(sa);
		fd = accept4(
		    listen_fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
		if (fd < 0)
			return 0; /* none waits, or it went again */
		mftd_peer_text((struct sockaddr *)&sa, len, peer, sizeof(peer));
		if (await_header(l, fd, peer))
			continue;
		let_in(l, fd, peer);
		close(fd);
	}
	return 0;
}

/* ---- the coordinator */

static int
on_bans(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct listener *l = data;
	const struct mftd_msg_bans *b = m->data;

	if (b->n > MFTD_BANS_MAX ||
	    m->len != sizeof(*b) + b->n * sizeof(l->bans[0]))
		return -MFTD_E_PROTOCOL;
	memcpy(l->bans, b + 1, b->n * sizeof(l->bans[0]));
	l->n_bans = b->n;
	return 0;
}

static void
tell_state(struct listener *l)
{
	if (l->coordinator == NULL)
		return;
	l->state.sessions = (uint32_t)l->n_children;
	l->state.starting = (uint32_t)l->n_starting;
	mftd_worker_send(l->w, l->coordinator, MFTD_MSG_LISTENER_STATE, 0,
	    &l->state, sizeof(l->state));
}

static void
on_state_time(void *data)
{
	struct listener *l = data;

	tell_state(l);
	if (mftd_worker_timer(l->w, STATE_MS, on_state_time, l) < 0)
		log_error("no memory for a timer");
}

static void
coordinator_up(void *data, struct mftd_chan *c)
{
	struct listener *l = data;

	l->coordinator = c;
	tell_state(l);
}

static void
coordinator_down(void *data, struct mftd_chan *c)
{
	struct listener *l = data;

	if (l->coordinator == c)
		l->coordinator = NULL;
}

/* ---- the process */

static void
auth_up(void *data, struct mftd_chan *c)
{
	((struct listener *)data)->auth = c;
}

static void
auth_down(void *data, struct mftd_chan *c)
{
	struct listener *l = data;

	if (l->auth == c)
		l->auth = NULL;
}

static const struct mftd_handler from_coordinator[] = {
	{ MFTD_MSG_BANS, on_bans },
	{ 0, NULL },
};

static const struct mftd_link links[] = {
	{ MFTD_PROC_AUTH, NULL, auth_up, auth_down },
	{ MFTD_PROC_COORDINATOR, from_coordinator, coordinator_up,
	    coordinator_down },
};

static int
start(struct listener *l)
{
	struct rlimit files;
	char why[MFTD_REASON_BYTES];
	int i, r;

	/* up to two descriptors per session */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	r = mftd_keys_load(l->w->conf, &l->server, why, sizeof(why));
	if (r < 0) {
		log_error("host keys: %s", why);
		return r;
	}
	mftd_keys_log(l->w->conf, l->server);
	r = mftd_sandbox_filter(&l->filter);
	if (r < 0)
		return r;
	if (mftd_ssh_server_warm(l->server) < 0)
		log_warn("the handshake with itself failed: sessions will "
			 "start slower");
	l->waiting = mftd_waiting_new(l->w->loop, on_header, l);
	if (l->waiting == NULL)
		return -ENOMEM;
	r = mftd_worker_timer(l->w, STATE_MS, on_state_time, l);
	if (r < 0)
		return r;
	for (i = 0; i < l->w->n_listen; i++) {
		if (listen(l->w->listen_fds[i], BACKLOG) < 0 ||
		    fcntl(l->w->listen_fds[i], F_SETFL, O_NONBLOCK) < 0)
			return -errno;
		r = qb_loop_poll_add(l->w->loop, QB_LOOP_LOW,
		    l->w->listen_fds[i], POLLIN, l, on_connection);
		if (r < 0)
			return r;
	}
	return 0;
}

static void
signal_all(struct listener *l, int sig)
{
	struct child *c;

	for (c = l->children; c != NULL; c = c->next)
		pidfd_send_signal(c->pidfd, sig, NULL, 0);
}

/* Waits for the children until the deadline (-1: no end). */
static void
wait_all(struct listener *l, int64_t deadline_ms)
{
	struct pollfd p = { .events = POLLIN };

	while (l->children != NULL) {
		p.fd = l->children->pidfd;
		if (poll(&p, 1, mftd_clock_left_ms(deadline_ms)) == 0)
			return;
		if (p.revents != 0)
			collect(l->children);
	}
}

static void
stop(struct listener *l)
{
	int i;

	for (i = 0; i < l->w->n_listen; i++) {
		qb_loop_poll_del(l->w->loop, l->w->listen_fds[i]);
		mftd_fd_close(&l->w->listen_fds[i]);
	}
	mftd_waiting_free(l->waiting);
	log_info("ending %d sessions", l->n_children);
	signal_all(l, SIGTERM);
	wait_all(l, mftd_clock_ms() + STOP_MS);
	if (l->children == NULL)
		return;
	log_warn("%d sessions do not end: killed", l->n_children);
	signal_all(l, SIGKILL);
	wait_all(l, -1);
}

void
mftd_listener_main(struct mftd_worker *w)
{
	struct listener l = { .w = w,
		/* no id is used twice, though this process may start again */
		.counter = (uint64_t)mftd_clock_us() };
	int r;

	r = mftd_worker_init(w, links, sizeof(links) / sizeof(links[0]), &l);
	if (r == 0)
		r = start(&l);
	if (r < 0) {
		log_error("cannot start: %s", mftd_strerror(r));
		exit(1);
	}
	mftd_worker_ready(w);
	mftd_worker_run(w);
	stop(&l);
	mftd_sandbox_filter_free(l.filter);
	mftd_ssh_server_free(l.server);
}
