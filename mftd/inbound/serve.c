/* Part of mftd; see LICENSE. */
#include "mftd/inbound/session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/sftp/syncer.h"

#define ENDING_MS 5000 /* for the answers that are due */
#define STAT_MS 1000
#define ROUNDS_MAX 16 /* of one channel per turn: the channels take turns */

/* An SFTP channel: a server, and whose it is. */
struct served {
	struct mftd_session *session;
	struct mftd_sftp *sftp;
};

void *
mftd_session_open_sftp(void *data, struct mftd_ssh_chan *c)
{
	struct mftd_session *s = data;
	struct served *v;

	if (s->ending)
		return NULL;
	v = calloc(1, sizeof(*v));
	if (v == NULL)
		return NULL;
	v->session = s;
	v->sftp = mftd_sftp_new(&s->env);
	if (v->sftp == NULL) {
		free(v);
		return NULL;
	}
	return v;
}

ssize_t
mftd_session_input(void *chan_data, const uint8_t *bytes, size_t len)
{
	struct served *v = chan_data;
	struct mftd_session *s = v->session;
	ssize_t n;

	if (s->ending)
		return 0; /* no request after the last answer */
	len = mftd_bucket_room(&s->in, len, mftd_clock_us());
	if (len == 0)
		return 0;
	n = mftd_sftp_input(v->sftp, bytes, len);
	if (n > 0) {
		mftd_bucket_take(&s->in, (size_t)n);
		s->active_ms = mftd_clock_ms();
	}
	if (n < 0)
		log_warn("SFTP channel closed: %s", mftd_strerror((int)n));
	return n;
}

static void
close_channel(struct mftd_ssh_chan *c, int status)
{
	struct served *v = mftd_ssh_chan_data(c);

	mftd_ssh_chan_close(c, status);
	mftd_sftp_free(v->sftp);
	free(v);
}

/* One round: goes on, sends, takes.  1: something moved; 0: nothing; or an
 * error. */
static int
pump_once(struct mftd_ssh_chan *c, struct served *v)
{
	struct mftd_buf *out = mftd_sftp_output(v->sftp);
	struct mftd_session *s = v->session;
	size_t len;
	ssize_t n = 0;
	int r;

	r = mftd_sftp_continue(v->sftp);
	if (r < 0)
		return r;
	len = mftd_buf_len(out);
	if (len > 0)
		len = mftd_bucket_room(&s->out, len, mftd_clock_us());
	if (len > 0)
		n = mftd_ssh_chan_send(c, mftd_buf_data(out), len);
	if (n < 0)
		return (int)n;
	if (n > 0) {
		mftd_buf_consume(out, (size_t)n);
		mftd_bucket_take(&s->out, (size_t)n);
		s->active_ms = mftd_clock_ms();
	}
	r = mftd_ssh_chan_resume(c);
	return r < 0 ? r : r > 0 || n > 0 || mftd_sftp_working(v->sftp);
}

/* Moves what can be moved, and closes the channel at its end. */
static void
pump(struct mftd_ssh_chan *c)
{
	struct served *v = mftd_ssh_chan_data(c);
	enum mftd_ssh_chan_state state;
	int i, r = 1;

	for (i = 0; i < ROUNDS_MAX && r == 1; i++)
		r = pump_once(c, v);
	state = mftd_ssh_chan_state(c);
	if (state == MFTD_SSH_CHAN_CLOSED) /* nobody's any more */
		mftd_buf_consume(mftd_sftp_output(v->sftp),
		    mftd_buf_len(mftd_sftp_output(v->sftp)));
	if (state == MFTD_SSH_CHAN_CLOSED ||
	    (state == MFTD_SSH_CHAN_EOF && !mftd_sftp_waiting(v->sftp) &&
		mftd_buf_len(mftd_sftp_output(v->sftp)) == 0 &&
		!mftd_sftp_busy(v->sftp)))
		mftd_sftp_unheard(v->sftp);
	if (mftd_sftp_busy(v->sftp))
		return; /* somebody works for it: its handles must stay */
	if (r < 0 && state != MFTD_SSH_CHAN_CLOSED) {
		log_warn("channel closed: %s", mftd_strerror(r));
		close_channel(c, 1);
	} else if (state == MFTD_SSH_CHAN_CLOSED) {
		close_channel(c, 1);
	} else if (state == MFTD_SSH_CHAN_EOF && !mftd_sftp_waiting(v->sftp) &&
	    mftd_buf_len(mftd_sftp_output(v->sftp)) == 0) {
		close_channel(c, 0);
	}
}

static void
pump_all(struct mftd_session *s)
{
	struct mftd_ssh_chan *c, *next;

	for (c = mftd_ssh_chan_next(s->ssh, NULL); c != NULL; c = next) {
		next = mftd_ssh_chan_next(s->ssh, c);
		pump(c);
	}
}

/* Whether a channel has work that waits for nobody. */
static bool
working(struct mftd_session *s)
{
	struct mftd_ssh_chan *c = NULL;

	while ((c = mftd_ssh_chan_next(s->ssh, c)) != NULL)
		if (mftd_sftp_working(
			((struct served *)mftd_ssh_chan_data(c))->sftp))
			return true;
	return false;
}

/* Whether answers are still due or wait to be sent. */
static bool
unfinished(struct mftd_session *s)
{
	struct mftd_ssh_chan *c = NULL;
	struct served *v;

	while ((c = mftd_ssh_chan_next(s->ssh, c)) != NULL) {
		v = mftd_ssh_chan_data(c);
		if (mftd_sftp_busy(v->sftp) || mftd_sftp_waiting(v->sftp) ||
		    mftd_buf_len(mftd_sftp_output(v->sftp)) > 0)
			return true;
	}
	return false;
}

static void
begin_end(struct mftd_session *s, const char *why)
{
	if (s->ending)
		return;
	s->ending = true;
	s->ending_ms = mftd_clock_ms() + ENDING_MS;
	snprintf(s->why, sizeof(s->why), "%s", why);
}

static void
journal_result(struct mftd_session *s, const struct mftd_msg *m)
{
	const struct mftd_msg_journal_result *res = m->data;
	struct mftd_ssh_chan *c = NULL;
	struct served *v;

	while ((c = mftd_ssh_chan_next(s->ssh, c)) != NULL) {
		v = mftd_ssh_chan_data(c);
		if (mftd_sftp_journal_result(
			v->sftp, m->ref, res->err, res->receipt) == 0)
			return;
	}
	log_debug("an answer of journal that nobody waits for");
}

static void
quota_result(struct mftd_session *s, const struct mftd_msg *m)
{
	struct mftd_ssh_chan *c = NULL;
	struct served *v;

	while ((c = mftd_ssh_chan_next(s->ssh, c)) != NULL) {
		v = mftd_ssh_chan_data(c);
		if (mftd_sftp_quota_result(v->sftp, m->ref, m->data) == 0)
			return;
	}
}

/* Without journal nothing can be acknowledged: negative cuts the connection,
 * and nobody gets an answer that was due. */
static int
hear_journal(struct mftd_session *s)
{
	struct mftd_msg m;
	int r;

	for (;;) {
		r = mftd_chan_recv(s->journal, &m);
		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		if (m.type == MFTD_MSG_JOURNAL_RESULT)
			journal_result(s, &m);
		else if (m.type == MFTD_MSG_QUOTA_RESULT)
			quota_result(s, &m);
		else
			r = -MFTD_E_PROTOCOL;
		mftd_msg_close(&m);
		if (r < 0)
			return r;
	}
}

static int
hear_coordinator(struct mftd_session *s)
{
	const struct mftd_msg_session_end *e;
	struct mftd_msg m;
	int r;

	for (;;) {
		r = mftd_chan_recv(s->coordinator, &m);
		if (r == -EAGAIN)
			return 0;
		if (r < 0)
			return r;
		e = m.data;
		if (m.type != MFTD_MSG_SESSION_END) {
			r = -MFTD_E_PROTOCOL;
		} else if (e->now != 0) {
			snprintf(s->why, sizeof(s->why), "%s", e->reason);
			r = -MFTD_E_CLOSED;
		} else {
			begin_end(s, e->reason);
		}
		mftd_msg_close(&m);
		if (r < 0)
			return r;
	}
}

/* Waits for POLLOUT too while messages wait. */
static int
watch(struct mftd_session *s, struct mftd_chan *c)
{
	int r = mftd_chan_flush(c);

	if (r < 0 && r != -EAGAIN)
		return r;
	return mftd_ssh_watch(s->ssh, mftd_chan_fd(c),
	    (short)(POLLIN | (r == -EAGAIN ? POLLOUT : 0)));
}

static void
because(struct mftd_session *s, const char *who, int err)
{
	if (s->why[0] == '\0')
		snprintf(
		    s->why, sizeof(s->why), "%s: %s", who, mftd_strerror(err));
}

/* The channels to the other processes.  Negative: cut the connection. */
static int
hear_processes(struct mftd_session *s)
{
	int r = 0;

	if (mftd_ssh_ready(s->ssh, mftd_chan_fd(s->journal))) {
		r = hear_journal(s);
		if (r < 0) {
			because(s, "journal", r);
			return r;
		}
	}
	if (mftd_ssh_ready(s->ssh, mftd_chan_fd(s->coordinator))) {
		r = hear_coordinator(s);
		if (r < 0) {
			because(s, "coordinator", r);
			return r;
		}
	}
	if (mftd_ssh_ready(s->ssh, mftd_syncer_fd(s->syncer)))
		mftd_syncer_heard(s->syncer); /* pump takes what is done */
	if (mftd_ssh_ready(s->ssh, s->signal_fd)) {
		begin_end(s, "the service stops");
		mftd_ssh_watch(s->ssh, s->signal_fd, 0);
	}
	return 0;
}

/* Tells the coordinator how far it is.  Returns how long until it may again, -1
 * when there is nothing new. */
static int
tell_progress(struct mftd_session *s)
{
	const struct mftd_msg_session_stat stat = { s->bytes_in, s->bytes_out,
		s->published };
	uint64_t sum = s->bytes_in + s->bytes_out + s->published;
	int64_t now;

	if (sum == s->stat_sum)
		return -1;
	now = mftd_clock_ms();
	if (now - s->stat_ms < STAT_MS)
		return (int)(STAT_MS - (now - s->stat_ms));
	if (mftd_chan_pending(s->coordinator))
		return STAT_MS; /* it is slow: no more for now */
	mftd_chan_send(s->coordinator, MFTD_MSG_SESSION_STAT, 0, &stat,
	    sizeof(stat), NULL, 0);
	s->stat_ms = now;
	s->stat_sum = sum;
	return -1;
}

/* Goes on with what a channel was asked; its answers are nobody's any more.
 * Whether there is more to be done. */
static bool
carry_on(struct mftd_ssh_chan *c)
{
	struct served *v = mftd_ssh_chan_data(c);
	struct mftd_buf *out = mftd_sftp_output(v->sftp);

	if (mftd_sftp_continue(v->sftp) < 0)
		return false;
	mftd_buf_consume(out, mftd_buf_len(out));
	mftd_sftp_unheard(v->sftp);
	return mftd_sftp_busy(v->sftp) || mftd_sftp_waiting(v->sftp);
}

/*
 * The client is gone, but what it had asked for came whole: a CLOSE among it is
 * as good as any.  sshfs goes so at its unmount, without waiting for the
 * answers.
 */
static void
finish_received(struct mftd_session *s)
{
	struct pollfd fds[2] = {
		{ .fd = mftd_chan_fd(s->journal), .events = POLLIN },
		{ .fd = mftd_syncer_fd(s->syncer), .events = POLLIN },
	};
	int64_t end_ms = mftd_clock_ms() + ENDING_MS;
	struct mftd_ssh_chan *c;
	bool waits;
	int r, left_ms;

	for (;;) {
		waits = false;
		for (c = NULL; (c = mftd_ssh_chan_next(s->ssh, c)) != NULL;)
			waits |= carry_on(c);
		left_ms = mftd_clock_left_ms(end_ms);
		if (!waits || left_ms == 0)
			return;
		r = mftd_chan_flush(s->journal);
		if (r < 0 && r != -EAGAIN)
			return;
		fds[0].events = (short)(POLLIN | (r == -EAGAIN ? POLLOUT : 0));
		if (poll(fds, 2, working(s) ? 0 : left_ms) < 0 &&
		    errno != EINTR)
			return;
		mftd_syncer_heard(s->syncer);
		if (hear_journal(s) < 0)
			return;
	}
}

/* One turn.  0: go on; 1: ended in order; negative: cut. */
static int
turn(struct mftd_session *s, int timeout_ms)
{
	int r;

	r = mftd_ssh_turn(s->ssh, timeout_ms);
	if (r < 0) {
		if (s->why[0] == '\0')
			snprintf(s->why, sizeof(s->why), "client: %s",
			    mftd_ssh_why(s->ssh));
		if (r == -MFTD_E_CLOSED)
			finish_received(s);
		return r;
	}
	r = hear_processes(s);
	if (r < 0)
		return r;
	pump_all(s);
	r = watch(s, s->journal);
	if (r == 0)
		r = watch(s, s->coordinator);
	if (r < 0) {
		because(s, "channel", r);
		return r;
	}
	if (s->ending &&
	    (!unfinished(s) || mftd_clock_left_ms(s->ending_ms) == 0)) {
		mftd_ssh_disconnect(s->ssh, mftd_clock_ms() + STAT_MS);
		return 1;
	}
	return 0;
}

static int
sooner(int a_ms, int b_ms)
{
	if (a_ms < 0 || b_ms < 0)
		return a_ms < 0 ? b_ms : a_ms;
	return a_ms < b_ms ? a_ms : b_ms;
}

/* Whether we, not the client, are who the next byte waits for. */
static bool
at_work(struct mftd_session *s)
{
	struct mftd_ssh_chan *c = NULL;

	while ((c = mftd_ssh_chan_next(s->ssh, c)) != NULL)
		if (mftd_sftp_at_work(
			((struct served *)mftd_ssh_chan_data(c))->sftp))
			return true;
	return false;
}

/* Ends a session that nothing was asked of, and whose answers were not taken,
 * for too long.  Returns how long that still is, -1: for ever. */
static int
look_at_idleness(struct mftd_session *s)
{
	int64_t end_ms = s->active_ms + s->start->conf->idle_timeout_s * 1000LL;

	if (s->start->conf->idle_timeout_s == 0 || s->ending)
		return -1;
	if (at_work(s))
		s->active_ms = mftd_clock_ms();
	else if (mftd_clock_left_ms(end_ms) == 0)
		begin_end(s, "idle for too long");
	return mftd_clock_left_ms(end_ms);
}

/* Asks a client that says nothing for a sign of life.  Negative: it gave none;
 * else how long until it is asked, in *wait_ms, -1: never. */
static int
look_for_life(struct mftd_session *s, int *wait_ms)
{
	const struct mftd_conf *conf = s->start->conf;
	uint64_t heard = mftd_ssh_heard(s->ssh);
	int64_t now = mftd_clock_ms();

	*wait_ms = -1;
	if (conf->keepalive_s == 0)
		return 0;
	if (heard != s->heard) {
		s->heard = heard;
		s->heard_ms = now;
		s->unanswered = 0;
	}
	*wait_ms = mftd_clock_left_ms(s->heard_ms + conf->keepalive_s * 1000LL);
	if (*wait_ms > 0)
		return 0;
	if (s->unanswered >= conf->keepalive_count) {
		snprintf(
		    s->why, sizeof(s->why), "the client gives no sign of life");
		return -MFTD_E_CLOSED;
	}
	s->unanswered++;
	s->heard_ms = now;
	*wait_ms = conf->keepalive_s * 1000;
	return mftd_ssh_keepalive(s->ssh);
}

/* How long a turn may wait at most; what is due is done.  Negative: cut. */
static int
look_at_time(struct mftd_session *s, int *timeout_ms)
{
	int64_t now_us = mftd_clock_us();
	int r, ms;

	*timeout_ms = sooner(tell_progress(s), look_at_idleness(s));
	r = look_for_life(s, &ms);
	*timeout_ms = sooner(*timeout_ms, ms);
	ms = mftd_bucket_wait_ms(&s->in, now_us);
	if (ms > 0)
		*timeout_ms = sooner(*timeout_ms, ms);
	ms = mftd_bucket_wait_ms(&s->out, now_us);
	if (ms > 0)
		*timeout_ms = sooner(*timeout_ms, ms);
	if (s->ending)
		*timeout_ms =
		    unfinished(s) ? mftd_clock_left_ms(s->ending_ms) : 0;
	if (working(s))
		*timeout_ms = 0;
	return r;
}

/* Uploads that the client did not finish are synced and left dormant. */
static void
leave_uploads(struct mftd_session *s)
{
	struct mftd_ssh_chan *c = NULL;
	struct served *v;

	while ((c = mftd_ssh_chan_next(s->ssh, c)) != NULL) {
		v = mftd_ssh_chan_data(c);
		mftd_sftp_free(v->sftp);
		v->sftp = NULL;
	}
}

void
mftd_session_serve(struct mftd_session *s)
{
	int r, timeout_ms = 0;

	s->active_ms = s->heard_ms = mftd_clock_ms();
	mftd_ssh_watch(s->ssh, s->signal_fd, POLLIN);
	mftd_ssh_watch(s->ssh, mftd_syncer_fd(s->syncer), POLLIN);
	mftd_ssh_watch(s->ssh, mftd_chan_fd(s->journal), POLLIN);
	mftd_ssh_watch(s->ssh, mftd_chan_fd(s->coordinator), POLLIN);
	do {
		r = turn(s, timeout_ms);
		if (r == 0)
			r = look_at_time(s, &timeout_ms);
	} while (r == 0);
	leave_uploads(s);
}
