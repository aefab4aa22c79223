/* Part of mftd; see LICENSE. */
#include "mftd/journal/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/ipc/soon.h"
#include "mftd/journal/count.h"
#include "mftd/journal/parts.h"

#define DRAIN_SESSIONS_MAX 256 /* asked for more before a commit */
#define SLOW_MS 2000
#define AUDIT_BYTES 512 /* a record of ours besides its text */
#define DROP_ROUNDS 64
#define MARKS_MAX (MFTD_SFTP_HANDLES_MAX * MFTD_SSH_CHANNELS_MAX)
#define UNCLOSED "session ended without close"

static void
audit(struct mftd_journal *j, const struct mftd_jsession *s, const char *event,
    const char *text)
{
	struct mftd_rec_audit rec = { 0 };

	memcpy(rec.session, s->owner.session, sizeof(rec.session));
	memcpy(rec.account, s->owner.account, sizeof(rec.account));
	snprintf(rec.event, sizeof(rec.event), "%s", event);
	snprintf(rec.text, sizeof(rec.text), "%s", text);
	if (mftd_work_room(j->work, AUDIT_BYTES + strlen(text)) < 0) {
		if (j->dropped++ == 0)
			log_error("no space for the audit trail: lines are "
				  "lost until there is");
		return;
	}
	mftd_work_audit(j->work, &rec);
}

static struct mftd_jsession *
session_new(struct mftd_journal *j, const struct mftd_msg_session_open *o)
{
	struct mftd_jsession *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	memcpy(s->owner.session, o->session, sizeof(s->owner.session));
	memcpy(s->owner.account, o->account, sizeof(s->owner.account));
	memcpy(s->owner.root, o->root, sizeof(s->owner.root));
	memcpy(s->owner.peer, o->peer, sizeof(s->owner.peer));
	s->owner.root_fd = s->owner.parts_fd = -1;
	mftd_marks_init(&s->marks);
	TAILQ_INSERT_HEAD(&j->sessions, s, link);
	return s;
}

static void
session_free(struct mftd_journal *j, struct mftd_jsession *s)
{
	TAILQ_REMOVE(&j->sessions, s, link);
	mftd_allow_forget(&j->allowances, &s->owner);
	mftd_account_close(&s->owner);
	mftd_marks_clear(&s->marks);
	free(s);
}

static void
cut(struct mftd_journal *j, struct mftd_jsession *s)
{
	s->cut = true;
	mftd_worker_detach(j->worker, s->c);
}

/* The session's first message: what it may work on, or why not. */
void
mftd_journal_counted(struct mftd_journal *j, struct mftd_jsession *s, int err)
{
	struct mftd_msg_session_ready ready = { .err = err };
	int fds[2 + MFTD_FOLDERS_MAX];
	size_t i, n = 2;

	s->ready = true;
	fds[0] = s->owner.root_fd;
	fds[1] = s->owner.parts_fd;
	for (i = 0; i < s->owner.folders.n; i++)
		fds[n++] = s->owner.folders.list[i].fd;
	memcpy(ready.volume_id, j->vol.id, sizeof(ready.volume_id));
	mftd_worker_send_fds(j->worker, s->c, MFTD_MSG_SESSION_READY, s->ref,
	    &ready, sizeof(ready), fds, err == 0 ? (int)n : 0);
	if (err < 0) {
		cut(j, s);
		return;
	}
	audit(j, s, "session-open", s->owner.peer);
	mftd_journal_settle(j);
}

static int
on_session_open(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	const struct mftd_msg_session_open *o = m->data;
	struct mftd_jsession *s;
	int r;

	(void)c;
	if (!mftd_id_valid(o->session) ||
	    !mftd_id_of(o->session, j->worker->incarnation))
		return -MFTD_E_PROTOCOL;
	s = session_new(j, o);
	if (s == NULL)
		return 0; /* the session sees its channel close */
	s->ref = m->ref;
	s->c = mftd_worker_attach(
	    j->worker, m->fds[0], MFTD_PROC_SESSION, o->session, s);
	if (s->c == NULL) {
		session_free(j, s);
		return 0;
	}
	m->fds[0] = -1;
	r = j->stream == NULL
	    ? -ENOSPC
	    : mftd_account_open(&j->vol, &j->known, &s->owner, o);
	if (r == -MFTD_E_SYNC)
		j->work->failed = r;
	if (j->work != NULL)
		mftd_journal_insist(j);
	if (r == 0)
		r = mftd_count_want(j, s);
	if (r <= 0)
		mftd_journal_counted(j, s, r);
	return 0;
}

const struct mftd_handler mftd_journal_auth_handlers[] = {
	{ MFTD_MSG_SESSION_OPEN, on_session_open },
	{ 0, NULL },
};

static struct mftd_jsession *
session_of(const struct mftd_change *c)
{
	return (struct mftd_jsession *)((char *)c->owner -
	    offsetof(struct mftd_jsession, owner));
}

/* Moves into list what may be done together: of each session publishes only, or
 * one change of another kind; order is kept. */
static void
take_batch(struct mftd_journal *j, struct mftd_changes *list)
{
	struct mftd_changes rest = STAILQ_HEAD_INITIALIZER(rest);
	struct mftd_jsession *s;
	struct mftd_change *c;
	size_t n = 0;

	TAILQ_FOREACH(s, &j->sessions, link)
		s->in_batch = s->blocked = false;
	while ((c = STAILQ_FIRST(&j->pending)) != NULL) {
		STAILQ_REMOVE_HEAD(&j->pending, link);
		s = session_of(c);
		if (s->blocked || n == MFTD_BATCH_MAX ||
		    (s->in_batch && c->type != MFTD_MSG_PUBLISH)) {
			s->blocked = true;
			STAILQ_INSERT_TAIL(&rest, c, link);
			continue;
		}
		s->in_batch = true;
		s->blocked = c->type != MFTD_MSG_PUBLISH;
		STAILQ_INSERT_TAIL(list, c, link);
		n++;
	}
	STAILQ_CONCAT(&j->pending, &rest);
	j->n_pending -= n;
}

static void
answer(struct mftd_journal *j, struct mftd_change *c)
{
	struct mftd_msg_journal_result res = { .err = c->err };
	const struct mftd_jsession *s = session_of(c);

	if (s->cut)
		return;
	if (c->err == 0)
		memcpy(res.receipt, c->receipt, sizeof(res.receipt));
	else
		log_info("session=%s account=%s %s %s: %s", c->owner->session,
		    c->owner->account, mftd_msg_name(c->type),
		    c->msg.remove.path, mftd_strerror(c->err));
	mftd_worker_send(j->worker, s->c, MFTD_MSG_JOURNAL_RESULT, c->ref, &res,
	    sizeof(res));
}

/* No lease at the second look: what was done stands and is recorded, but who
 * asked hears nothing of it. */
static void
fall_silent(struct mftd_journal *j, struct mftd_changes *list)
{
	struct mftd_jsession *s;

	log_warn("lease lost while publishing: sessions are cut");
	TAILQ_FOREACH(s, &j->sessions, link)
		if (s->in_batch && !s->cut)
			cut(j, s);
}

static void
run_changes(struct mftd_journal *j, struct mftd_changes *list)
{
	struct mftd_change *c;
	int64_t began = mftd_clock_ms(), took;
	char text[MFTD_REASON_BYTES];

	if (!mftd_lease_held(j->worker->lease)) {
		STAILQ_FOREACH(c, list, link)
			c->err = -MFTD_E_NO_LEASE;
	} else {
		j->work->links = began >= j->no_routes_until_ms;
		mftd_batch_run(j->work, list);
		mftd_journal_insist(j);
		if (!mftd_lease_held(j->worker->lease))
			fall_silent(j, list);
	}
	took = mftd_clock_ms() - began;
	snprintf(
	    text, sizeof(text), "slow: a commit took %lld ms", (long long)took);
	mftd_journal_health(j, took < SLOW_MS, took < SLOW_MS ? "" : text);
}

/* What is known of the parts that a change was about. */
static void
keep_marks(const struct mftd_change *c)
{
	struct mftd_marks *marks = &session_of(c)->marks;

	if (c->err == 0 && c->type == MFTD_MSG_PUBLISH)
		mftd_marks_drop(marks, c->msg.publish.part);
	else if (c->err == 0 && c->type == MFTD_MSG_ADOPT &&
	    mftd_marks_set(marks, MARKS_MAX, c->mark.part, c->mark.durable,
		c->mark.base) == 0)
		mftd_marks_find(marks, c->mark.part)->cut = true;
}

static void drain(struct mftd_journal *j);

static void
run_batch(void *data)
{
	struct mftd_journal *j = data;
	struct mftd_changes list = STAILQ_HEAD_INITIALIZER(list);
	struct mftd_change *c;

	drain(j);
	j->batch_due = false;
	take_batch(j, &list);
	if (!STAILQ_EMPTY(&list))
		run_changes(j, &list);
	while ((c = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, link);
		if (mftd_journal_hold(j, c))
			continue;
		keep_marks(c);
		answer(j, c);
		mftd_change_free(c);
	}
	if (j->n_pending > 0)
		mftd_journal_batch_soon(j);
	if (j->work->uncounted[0] != '\0') {
		j->work->uncounted[0] = '\0';
		mftd_count_stale(j);
	}
	mftd_journal_settle(j);
}

void
mftd_journal_batch_soon(struct mftd_journal *j)
{
	if (j->batch_due)
		return;
	j->batch_due = true;
	mftd_soon(j->worker->loop, QB_LOOP_LOW, j, run_batch, NULL);
}

static int
on_change(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	struct mftd_jsession *s = mftd_chan_data(c);
	struct mftd_change *change;

	if (j->stream == NULL || s->cut)
		return -MFTD_E_PROTOCOL;
	change = mftd_change_new(&s->owner, m->type, m->ref, m->data);
	if (change == NULL)
		return -ENOMEM;
	STAILQ_INSERT_TAIL(&j->pending, change, link);
	j->n_pending++;
	TAILQ_REMOVE(&j->sessions, s, link);
	TAILQ_INSERT_HEAD(&j->sessions, s, link);
	mftd_journal_batch_soon(j);
	return 0;
}

/* Whether it is one that the session made, and lives. */
static bool
is_part_of(const struct mftd_jsession *s, const char *part)
{
	uint64_t bytes;

	return mftd_id_valid(part) && mftd_id_of(part, s->owner.session) &&
	    !mftd_layout_is_dormant(part, &bytes);
}

static int
on_part(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	const struct mftd_msg_part *p = m->data;
	struct mftd_jsession *s = mftd_chan_data(c);
	struct mftd_rec_part rec = { .durable = p->durable, .base = p->base };

	if (j->stream == NULL || !is_part_of(s, p->part))
		return -MFTD_E_PROTOCOL;
	log_debug("part %s: %llu bytes durable", p->part,
	    (unsigned long long)p->durable);
	memcpy(rec.part, p->part, sizeof(rec.part));
	if (mftd_marks_set(&s->marks, MARKS_MAX, p->part, p->durable, p->base) <
	    0)
		log_warn("part %s: too many are open: not noted", p->part);
	if (mftd_work_room(j->work, MFTD_OUTCOME_BYTES) == 0)
		mftd_work_part(j->work, &rec);
	mftd_journal_settle(j);
	return 0;
}

static int
on_part_end(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	const struct mftd_msg_part_end *p = m->data;
	struct mftd_jsession *s = mftd_chan_data(c);
	int dir, r;

	if (j->stream == NULL || !is_part_of(s, p->part) ||
	    !mftd_id_valid(p->key))
		return -MFTD_E_PROTOCOL;
	dir = mftd_layout_parts_open(s->owner.parts_fd, p->key, p->name);
	r = dir < 0
	    ? dir
	    : mftd_parts_end(j->work, dir, p->part, UNCLOSED, &s->marks);
	mftd_fd_close(&dir);
	if (r < 0 && r != -ENOENT)
		log_warn(
		    "part %s stays as it is: %s", p->part, mftd_strerror(r));
	mftd_marks_drop(&s->marks, p->part);
	mftd_work_sync(j->work);
	mftd_journal_try_held(j);
	mftd_journal_settle(j);
	return 0;
}

static int
on_audit(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	const struct mftd_msg_audit *a = m->data;

	if (j->stream == NULL)
		return -MFTD_E_PROTOCOL;
	audit(j, mftd_chan_data(c), a->event, a->text);
	mftd_journal_settle(j);
	return 0;
}

static int
on_quota(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	struct mftd_jsession *s = mftd_chan_data(c);
	struct mftd_msg_quota_result res;

	if (j->stream == NULL)
		return -MFTD_E_PROTOCOL;
	mftd_allow(j->work, &j->allowances, &s->owner, m->data, &res);
	return mftd_worker_send(
	    j->worker, c, MFTD_MSG_QUOTA_RESULT, m->ref, &res, sizeof(res));
}

const struct mftd_handler mftd_journal_session_handlers[] = {
	{ MFTD_MSG_PUBLISH, on_change },
	{ MFTD_MSG_SUPERSEDE, on_change },
	{ MFTD_MSG_RENAME, on_change },
	{ MFTD_MSG_REMOVE, on_change },
	{ MFTD_MSG_MKDIR, on_change },
	{ MFTD_MSG_RMDIR, on_change },
	{ MFTD_MSG_SETSTAT, on_change },
	{ MFTD_MSG_LINK, on_change },
	{ MFTD_MSG_SYMLINK, on_change },
	{ MFTD_MSG_ADOPT, on_change },
	{ MFTD_MSG_COMMIT, on_change },
	{ MFTD_MSG_PART, on_part },
	{ MFTD_MSG_PART_END, on_part_end },
	{ MFTD_MSG_AUDIT, on_audit },
	{ MFTD_MSG_QUOTA, on_quota },
	{ 0, NULL },
};

static int
dispatch(struct mftd_journal *j, struct mftd_jsession *s, struct mftd_msg *m)
{
	const struct mftd_handler *h;

	for (h = mftd_journal_session_handlers; h->type != 0; h++)
		if (h->type == m->type)
			return h->handle(j, s->c, m);
	return -MFTD_E_PROTOCOL;
}

/* Takes what the sessions have asked for by now, so that one commit serves all
 * of it: what came while the last one was being made. */
static void
drain(struct mftd_journal *j)
{
	struct mftd_jsession *s, *next;
	struct mftd_msg m;
	int n = 0, r;

	for (s = TAILQ_FIRST(&j->sessions); s != NULL && n < DRAIN_SESSIONS_MAX;
	     s = next, n++) {
		next = TAILQ_NEXT(s, link);
		while (!s->cut && j->n_pending < MFTD_BATCH_MAX) {
			r = mftd_chan_recv(s->c, &m);
			if (r == -EAGAIN || r == -MFTD_E_CLOSED)
				break; /* the loop sees the end, too */
			if (r == 0) {
				r = dispatch(j, s, &m);
				mftd_msg_close(&m);
			}
			if (r < 0)
				cut(j, s);
		}
	}
}

/* What the session had asked for and nobody waits for any more.  How many. */
static size_t
forget_changes(struct mftd_changes *list, const struct mftd_jsession *s)
{
	struct mftd_changes keep = STAILQ_HEAD_INITIALIZER(keep);
	struct mftd_change *c;
	size_t n = 0;

	while ((c = STAILQ_FIRST(list)) != NULL) {
		STAILQ_REMOVE_HEAD(list, link);
		if (c->owner != &s->owner) {
			STAILQ_INSERT_TAIL(&keep, c, link);
			continue;
		}
		n++;
		mftd_change_free(c);
	}
	STAILQ_CONCAT(list, &keep);
	return n;
}

void
mftd_journal_session_down(void *data, struct mftd_chan *c)
{
	struct mftd_journal *j = data;
	struct mftd_jsession *s = mftd_chan_data(c);
	char *id;
	int i, r = 0;

	j->n_pending -= forget_changes(&j->pending, s);
	forget_changes(&j->held, s);
	if (s->owner.parts_fd < 0) {
		session_free(j, s);
		return;
	}
	id = s->owner.session;
	r = mftd_parts_of_account(j->work, s->owner.parts_fd,
	    mftd_parts_made_by, id, UNCLOSED, &s->marks);
	for (i = 0; i < DROP_ROUNDS && (r > 0 || i == 0); i++) {
		if (r > 0 && mftd_work_sync(j->work) == 0)
			mftd_work_commit(j->work);
		mftd_journal_insist(j);
		r = mftd_parts_drop_aside(j->work, mftd_parts_made_by, id);
	}
	if (r < 0)
		log_error("session=%s: its parts could not be set aside: %s",
		    id, mftd_strerror(r));
	audit(j, s, "session-end", "");
	session_free(j, s);
	mftd_journal_try_held(j);
	mftd_journal_settle(j);
}
