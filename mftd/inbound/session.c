/* Part of mftd; see LICENSE. */
#include "mftd/inbound/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <syslog.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/inbound/sandbox.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/sftp/syncer.h"

#define READY_MS 30000 /* journal opens the account's directories */
#define FLUSH_MS 1000 /* for the last audit record */

static _Noreturn void
die(const char *what, int err)
{
	log_error("%s: %s", what, mftd_strerror(err));
	_exit(1);
}

/* ---- login: auth decides */

/* Asks auth.  The answer's descriptors, if any, are in m, which the caller
 * closes.  Without auth there is no login: the process ends. */
static const struct mftd_msg_auth_result *
ask(struct mftd_session *s, uint32_t type, const void *q, size_t len,
    struct mftd_msg *m)
{
	int r;

	r = mftd_chan_send(s->auth, type, ++s->auth_ref, q, len, NULL, 0);
	if (r == 0)
		r = mftd_chan_wait(s->auth, m, -1); /* the alarm bounds it */
	if (r == 0 &&
	    (m->type != MFTD_MSG_AUTH_RESULT || m->ref != s->auth_ref))
		r = -MFTD_E_PROTOCOL;
	if (r < 0)
		die("auth", r);
	return m->data;
}

static struct mftd_chan *
take_chan(struct mftd_msg *m, int i, enum mftd_proc proc)
{
	struct mftd_chan *c = mftd_chan_new(m->fds[i], proc, "");

	if (c == NULL)
		die("channel", -ENOMEM);
	m->fds[i] = -1;
	return c;
}

/* Waits until journal has opened the account's directories. */
static void
take_ready(struct mftd_session *s)
{
	const struct mftd_msg_session_ready *ready;
	struct mftd_msg m;
	uint32_t i;
	int r;

	r = mftd_chan_wait(s->journal, &m, mftd_clock_ms() + READY_MS);
	if (r < 0)
		die("journal", r);
	ready = m.data;
	if (m.type != MFTD_MSG_SESSION_READY)
		die("journal", -MFTD_E_PROTOCOL);
	if (ready->err != 0 || m.n_fds != 2 + (int)s->policy.n_folders)
		die("journal: directories",
		    ready->err != 0 ? ready->err : -MFTD_E_PROTOCOL);
	snprintf(s->volume_id, sizeof(s->volume_id), "%s", ready->volume_id);
	s->root_fd = m.fds[0];
	s->parts_fd = m.fds[1];
	for (i = 0; i < s->policy.n_folders; i++)
		s->folder_fds[i] = m.fds[2 + i];
	m.n_fds = 0; /* all of them taken */
	mftd_msg_close(&m);
}

static void
confine(const struct mftd_session *s)
{
	int dirs[2 + MFTD_FOLDERS_MAX] = { s->parts_fd, s->root_fd };
	size_t n = 2;
	int r;

	for (; n < 2 + s->policy.n_folders; n++)
		dirs[n] = s->folder_fds[n - 2];
	r = mftd_sandbox_confine(dirs, n);
	if (r == -EOPNOTSUPP)
		log_warn("this kernel has no Landlock");
	else if (r < 0)
		die("Landlock", r);
}

/* Where the account's sessions are counted: waits for the group's word, so that
 * a login itself is refused. */
static bool
may_be_one_more(struct mftd_session *s)
{
	const struct mftd_msg_session_ready *word;
	struct mftd_msg m;
	int r;

	if (s->policy.sessions_max == 0)
		return true;
	r = mftd_chan_wait(s->coordinator, &m, -1); /* the alarm bounds it */
	if (r < 0)
		die("coordinator", r);
	if (m.type != MFTD_MSG_SESSION_READY)
		die("coordinator", -MFTD_E_PROTOCOL);
	word = m.data;
	s->one_too_many = word->err != 0;
	mftd_msg_close(&m);
	return !s->one_too_many;
}

/* auth let it in: gets what it needs, and loses the rest. */
static bool
enter(struct mftd_session *s, const struct mftd_msg_auth_result *res,
    struct mftd_msg *m, const char *method)
{
	sigset_t term;

	if (m->n_fds != 2 || res->policy.n_folders > MFTD_FOLDERS_MAX)
		die("auth", -MFTD_E_PROTOCOL);
	s->policy = res->policy;
	snprintf(s->account, sizeof(s->account), "%s", res->account);
	s->method = method;
	mftd_log_context(
	    "session=%s account=%s", s->start->session, s->account);
	s->journal = take_chan(m, 0, MFTD_PROC_JOURNAL);
	s->coordinator = take_chan(m, 1, MFTD_PROC_COORDINATOR);
	if (!may_be_one_more(s))
		return false;
	take_ready(s);
	confine(s);
	close(s->start->login_fd);
	/* from here on an end is an orderly one (serve.c) */
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	return true;
}

/* A name or password that is too long is none; it must not match by being
 * cut. */
static bool
fill(char *out, size_t size, const char *text)
{
	if (strlen(text) >= size)
		return false;
	memset(out, 0, size);
	memcpy(out, text, strlen(text));
	return true;
}

static enum mftd_ssh_verdict
on_password(void *data, const char *user, const char *password, bool after_key)
{
	struct mftd_session *s = data;
	struct mftd_msg_auth_password q = { 0 };
	const struct mftd_msg_auth_result *res;
	struct mftd_msg m;
	bool ok;

	if (s->one_too_many)
		return MFTD_SSH_REFUSED;
	/* asked all the same: it takes its time whoever it is */
	if (!fill(q.user, sizeof(q.user), user) ||
	    !fill(q.password, sizeof(q.password), password))
		snprintf(q.user, sizeof(q.user), "?");
	q.after_key = after_key;
	res = ask(s, MFTD_MSG_AUTH_PASSWORD, &q, sizeof(q), &m);
	explicit_bzero(&q, sizeof(q));
	ok = res->ok == 1 && enter(s, res, &m, "password");
	mftd_msg_close(&m);
	return ok ? MFTD_SSH_ACCEPTED : MFTD_SSH_REFUSED;
}

static enum mftd_ssh_verdict
on_key(
    void *data, const char *user, const uint8_t *key, size_t len, bool proven)
{
	struct mftd_session *s = data;
	struct mftd_msg_auth_key q = { 0 };
	const struct mftd_msg_auth_result *res;
	enum mftd_ssh_verdict v = MFTD_SSH_REFUSED;
	struct mftd_msg m;

	if (s->one_too_many || len > sizeof(q.key) ||
	    !fill(q.user, sizeof(q.user), user))
		return MFTD_SSH_REFUSED;
	q.proven = proven;
	q.key_bytes = (uint32_t)len;
	memcpy(q.key, key, len);
	res = ask(s, MFTD_MSG_AUTH_KEY, &q, sizeof(q), &m);
	if (res->ok == (proven ? 1 : 2))
		v = MFTD_SSH_ACCEPTED;
	else if (proven && res->ok == 3)
		v = MFTD_SSH_PARTIAL;
	if (v == MFTD_SSH_ACCEPTED && proven && !enter(s, res, &m, "publickey"))
		v = MFTD_SSH_REFUSED;
	mftd_msg_close(&m);
	return v;
}

static const struct mftd_ssh_ops ops = {
	.password = on_password,
	.key = on_key,
	.open = mftd_session_open_sftp,
	.input = mftd_session_input,
};

/* ---- the process */

static void
reset_signals(void)
{
	sigset_t none;
	int i;

	for (i = 1; i < NSIG; i++)
		signal(i, i == SIGPIPE ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Everything that needs what the sandbox forbids. */
static void
prepare(struct mftd_session *s)
{
	const struct mftd_session_start *start = s->start;
	int keep[4] = { start->fd, start->auth_fd, start->login_fd,
		start->lock_fd };
	sigset_t term;
	int r;

	reset_signals();
	/* until its login it ends with its listener: nobody else knows it, and
	 * key exchange would hold the service's lock for the whole grace */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != start->listener)
		_exit(1);
	prctl(PR_SET_NAME, "mftd:session");
	mftd_log_process("session");
	mftd_log_context("session=%s", start->session);
	closelog(); /* its socket would be closed behind its back */
	mftd_fd_keep_only(keep, 4);
	mftd_log_open(start->conf->log, start->conf->log_level);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	s->signal_fd = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->signal_fd < 0)
		die("signalfd", -errno);
	s->syncer = mftd_syncer_new(); /* its threads come after login */
	if (s->syncer == NULL)
		die("eventfd", -errno);
	s->auth = mftd_chan_new(start->auth_fd, MFTD_PROC_AUTH, "");
	s->ssh = mftd_ssh_new(start->server, start->fd, &ops, s);
	if (s->auth == NULL || s->ssh == NULL)
		die("connection", -ENOMEM);
	r = mftd_sandbox_enter(start->filter);
	if (r < 0)
		die("sandbox", r);
}

static void
audit(struct mftd_session *s, const char *event, const char *text)
{
	struct mftd_msg_audit a = { 0 };

	snprintf(a.event, sizeof(a.event), "%s", event);
	snprintf(a.text, sizeof(a.text), "%s", text);
	mftd_chan_send(s->journal, MFTD_MSG_AUDIT, 0, &a, sizeof(a), NULL, 0);
}

static void
begin(struct mftd_session *s)
{
	char text[MFTD_ADDR_BYTES + 64];

	/* from now on the coordinator knows it: it outlives its listener */
	prctl(PR_SET_PDEATHSIG, 0);
	s->env = (struct mftd_sftp_env) {
		.session = s->start->session,
		.account = s->account,
		.volume_id = s->volume_id,
		.root_fd = s->root_fd,
		.parts_fd = s->parts_fd,
		.journal = s->journal,
		.lease = s->start->lease,
		.syncer = s->syncer,
		.policy = &s->policy,
		.folder_fds = s->folder_fds,
		.next_part = &s->next_part,
		.next_ref = &s->next_ref,
		.bytes_in = &s->bytes_in,
		.bytes_out = &s->bytes_out,
		.published = &s->published,
	};
	snprintf(
	    text, sizeof(text), "peer=%s method=%s", s->start->peer, s->method);
	audit(s, "login", text);
	if (mftd_ssh_announce(s->ssh) < 0)
		log_warn("host keys not announced");
	mftd_bucket_init(&s->in, s->policy.in_bytes_s, mftd_clock_us());
	mftd_bucket_init(&s->out, s->policy.out_bytes_s, mftd_clock_us());
}

static void
finish(struct mftd_session *s)
{
	char text[MFTD_REASON_BYTES + 128];
	struct mftd_msg m;

	snprintf(text, sizeof(text), "in=%llu out=%llu published=%llu: %s",
	    (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out,
	    (unsigned long long)s->published, s->why);
	log_info("ended: %s", text);
	audit(s, "logout", text);
	if (mftd_chan_pending(s->journal) &&
	    mftd_chan_wait(s->journal, &m, mftd_clock_ms() + FLUSH_MS) == 0)
		mftd_msg_close(&m);
}

/* The listener tells the coordinator (bans).  A client that merely goes away,
 * as health checks do, is no failure; libssh says that in words only. */
static int
exit_code(int err, const char *why)
{
	/* their beginnings: what follows may be the client's own text */
	static const char *const went[] = { "Socket error: ",
		"Received SSH_MSG_DISCONNECT: ",
		"Connection correctly closed" };
	size_t i;

	if (err == -MFTD_E_AUTH)
		return MFTD_SESSION_EXIT_TRIES;
	if ((err != -MFTD_E_PROTOCOL && err != -MFTD_E_CLOSED) ||
	    why[0] == '\0')
		return 0;
	for (i = 0; i < sizeof(went) / sizeof(went[0]); i++)
		if (strncmp(why, went[i], strlen(went[i])) == 0)
			return 0;
	return MFTD_SESSION_EXIT_GARBAGE;
}

_Noreturn void
mftd_session_main(const struct mftd_session_start *start)
{
	struct mftd_session s = { .start = start,
		.root_fd = -1,
		.parts_fd = -1,
		.next_part = 1,
		.next_ref = 1 };
	int r;

	prepare(&s);
	alarm((unsigned)start->conf
		  ->login_grace_s); /* also cuts a blocked key exchange */
	r = mftd_ssh_login(s.ssh, start->conf->login_tries);
	alarm(0);
	if (r < 0) {
		log_info("no login from %s: %s: %s", start->peer,
		    mftd_strerror(r), mftd_ssh_why(s.ssh));
		r = exit_code(r, mftd_ssh_why(s.ssh));
		mftd_ssh_disconnect(s.ssh, mftd_clock_ms() + FLUSH_MS);
		_exit(r);
	}
	mftd_chan_free(s.auth);
	s.auth = NULL;
	begin(&s);
	mftd_session_serve(&s);
	mftd_ssh_free(s.ssh); /* cut, unless it has said goodbye */
	finish(&s);
	_exit(0);
}
