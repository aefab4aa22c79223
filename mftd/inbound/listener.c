/* Part of mftd; see LICENSE. */
#include "mftd/inbound/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include "mftd/inbound/sandbox.h"
#include "mftd/inbound/session.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/ipc/worker.h"

#define BACKLOG 512
#define ACCEPTS_PER_TURN 16
#define STOP_MS 8000 /* a session itself takes 5 s to end */

/* A session's process. */
struct child {
	struct listener *l;
	struct child *next;
	pid_t pid;
	int pidfd;
	int login_fd; /* hangs up at its login; -1 from then on */
	char session[MFTD_ID_BYTES];
	char source[MFTD_ADDR_BYTES]; /* the peer without its port */
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
	uint64_t turned_away;
	int64_t told_ms; /* of turned_away */
};

/* ---- children */

static void
log_end(const struct child *c, const siginfo_t *info)
{
	if (info->si_code == CLD_EXITED) {
		if (info->si_status != 0)
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
	if (info.si_pid != 0)
		log_end(c, &info);
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

/* "192.0.2.1:4711" without its port. */
static void
source_of(const char *peer, char *out, size_t size)
{
	char *colon;

	snprintf(out, size, "%s", peer);
	colon = strrchr(out, ':');
	if (colon != NULL)
		*colon = '\0';
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
	source_of(s->peer, c->source, sizeof(c->source));
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

static void
peer_text(const struct sockaddr *sa, socklen_t len, char *out, size_t size)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(out, size, "?");
	else
		snprintf(out, size,
		    sa->sa_family == AF_INET6 ? "[%.45s]:%s" : "%.45s:%s", host,
		    port);
}

static void
set_options(int fd)
{
	const int on = 1, idle_s = 60, interval_s = 15, probes = 4;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(
	    fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

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

	snprintf(start.session, sizeof(start.session), "%.46s-%llx",
	    l->w->incarnation, (unsigned long long)l->counter++);
	snprintf(start.peer, sizeof(start.peer), "%s", peer);
	set_options(fd);
	r = begin(l, &start);
	if (r < 0)
		log_error("connection from %s: %s", peer, mftd_strerror(r));
}

static int
starting_from(const struct listener *l, const char *peer)
{
	char source[MFTD_ADDR_BYTES];
	const struct child *c;
	int n = 0;

	source_of(peer, source, sizeof(source));
	for (c = l->children; c != NULL; c = c->next)
		if (c->login_fd >= 0 && strcmp(c->source, source) == 0)
			n++;
	return n;
}

/* Why peer cannot be let in now, or NULL.  Closing at once lets a client try
 * another node's address. */
static const char *
why_not(const struct listener *l, const char *peer)
{
	if (!mftd_lease_held(l->w->lease))
		return "this node is not quorate";
	if (l->auth == NULL)
		return "auth is not there";
	if (l->n_children >= MFTD_SESSIONS_MAX)
		return "as many sessions as there may be";
	if (l->n_starting >= MFTD_STARTUPS_MAX)
		return "as many without login as there may be";
	if (starting_from(l, peer) >= MFTD_STARTUPS_SOURCE_MAX)
		return "as many without login as one address may have";
	return NULL;
}

static void
turn_away(struct listener *l, const char *peer, const char *why)
{
	l->turned_away++;
	if (l->told_ms != 0 && mftd_clock_ms() - l->told_ms < 1000)
		return;
	l->told_ms = mftd_clock_ms();
	log_warn("connection from %s closed: %s (%llu since start)", peer, why,
	    (unsigned long long)l->turned_away);
}

static int
on_connection(int listen_fd, int revents, void *data)
{
	struct listener *l = data;
	struct sockaddr_storage sa;
	char peer[MFTD_ADDR_BYTES];
	const char *why;
	socklen_t len;
	int i, fd;

	for (i = 0; i < ACCEPTS_PER_TURN; i++) {
		len = sizeof(sa);
		fd = accept4(
		    listen_fd, (struct sockaddr *)&sa, &len, SOCK_CLOEXEC);
		if (fd < 0)
			return 0; /* none waits, or it went again */
		peer_text((struct sockaddr *)&sa, len, peer, sizeof(peer));
		why = why_not(l, peer);
		if (why != NULL)
			turn_away(l, peer, why);
		else
			take(l, fd, peer);
		close(fd);
	}
	return 0;
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

static const struct mftd_link links[] = {
	{ MFTD_PROC_AUTH, NULL, auth_up, auth_down },
	{ MFTD_PROC_COORDINATOR, NULL, NULL, NULL },
};

static int
start(struct listener *l)
{
	const struct mftd_conf *conf = l->w->conf;
	struct rlimit files;
	char why[MFTD_REASON_BYTES];
	size_t k;
	int i, r;

	/* up to two descriptors per session */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	r = mftd_ssh_server_new(
	    conf->host_keys, conf->n_host_keys, &l->server, why, sizeof(why));
	if (r < 0) {
		log_error("host keys: %s", why);
		return r;
	}
	for (k = 0; k < conf->n_next_host_keys; k++) {
		r = mftd_ssh_server_announce(
		    l->server, conf->next_host_keys[k], why, sizeof(why));
		if (r < 0) {
			log_error("next host keys: %s", why);
			return r;
		}
	}
	r = mftd_sandbox_filter(&l->filter);
	if (r < 0)
		return r;
	if (mftd_ssh_server_warm(l->server) < 0)
		log_warn("the handshake with itself failed: sessions will "
			 "start slower");
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
