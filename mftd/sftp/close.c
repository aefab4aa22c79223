/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/sync.h"
#include "mftd/sftp/upload.h"

/* The audit trail knows downloads too; what it cannot take is logged. */
static void
audit_download(struct mftd_sftp *s, const struct mftd_sftp_handle *h)
{
	struct mftd_msg_audit m;
	int r;

	if (h->kind != MFTD_SFTP_FILE || h->bytes_read == 0)
		return;
	memset(&m, 0, sizeof(m));
	snprintf(m.event, sizeof(m.event), "download");
	/* the count first: a long path is cut at its end */
	if (snprintf(m.text, sizeof(m.text), "bytes=%llu path=%s",
		(unsigned long long)h->bytes_read,
		h->path) >= (int)sizeof(m.text))
		log_debug("audit: path cut");
	r = mftd_chan_send(
	    s->env.journal, MFTD_MSG_AUDIT, 0, &m, sizeof(m), NULL, 0);
	if (r == -MFTD_E_CLOSED)
		s->fatal = true;
	else if (r < 0)
		log_warn("audit: download not recorded: %s", mftd_strerror(r));
}

static void
published(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	struct mftd_sftp_part *p = op->part;

	if (err == 0) {
		p->published = true;
		p->changed = false;
		(*s->env.published)++;
	} else {
		log_warn(
		    "part %s: not published: %s", p->id, mftd_strerror(err));
		mftd_sftp_part_drop(s, p, err);
	}
	mftd_sftp_reply_error(s, op->id, err);
}

int
mftd_sftp_upload_publish(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	struct mftd_sftp_op *op;

	if (p->err != 0) {
		mftd_sftp_part_drop(s, p, p->err);
		return p->err;
	}
	if (p->published || !p->changed) {
		mftd_sftp_reply_error(s, s->req.id, 0);
		return 0;
	}
	op = mftd_sftp_op_new(s, p->path, NULL, p, published);
	if (op == NULL)
		return -ENOMEM;
	TAILQ_INSERT_TAIL(&s->closing, op, link);
	s->n_ops++;
	return MFTD_SFTP_LATER;
}

int
mftd_sftp_on_close(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h = req->handle;
	struct mftd_sftp_part *p = h->part;
	int r;

	r = mftd_sftp_req_end(req);
	if (r < 0)
		return r;
	/* a RENAME under way may be moving what it is published as */
	if (p != NULL && mftd_sftp_op_conflict(s, p->path, false))
		return MFTD_SFTP_STALL;
	if (p != NULL && p->changed && mftd_sftp_base_want(s, p) > 0)
		return MFTD_SFTP_STALL;
	audit_download(s, h);
	mftd_sftp_handle_free(&s->handles, h);
	if (p != NULL) {
		r = mftd_sftp_upload_publish(s, p);
		mftd_sftp_part_put(s, p);
		return r;
	}
	mftd_sftp_reply_error(s, req->id, 0);
	return 0;
}

static int
ask_publish(struct mftd_sftp *s, struct mftd_sftp_op *op)
{
	struct mftd_sftp_part *p = op->part;
	struct mftd_msg_publish m;

	memset(&m, 0, sizeof(m));
	/* the part's path, not op's: an earlier rename may have moved it */
	snprintf(m.path, sizeof(m.path), "%s", p->path);
	snprintf(m.part, sizeof(m.part), "%s", p->id);
	m.size = p->size;
	m.inode = p->inode;
	m.noreplace = p->noreplace;
	m.has_sha256 = mftd_sftp_part_sha256(p, m.sha256);
	return mftd_sftp_op_ask(s, op, MFTD_MSG_PUBLISH, &m, sizeof(m));
}

/* The upload is durable, or not: the next step of its CLOSE. */
static void
synced(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	if (err == 0)
		err = ask_publish(s, op);
	if (err == 0)
		return;
	if (!s->fatal) {
		mftd_sftp_part_drop(s, op->part, err);
		mftd_sftp_reply_error(s, op->id, err);
	}
	mftd_sftp_op_free(s, op);
}

void
mftd_sftp_close_flush(struct mftd_sftp *s)
{
	struct mftd_sftp_op *op;
	int r;

	/* write-back of all starts before the first sync waits: on a journaling
	 * file system that one then commits the others too; whose fails, is
	 * told so by its own sync */
	TAILQ_FOREACH(op, &s->closing, link)
		(void)mftd_sftp_part_write_back(op->part, 0, 0);
	while (!s->fatal && (op = TAILQ_FIRST(&s->closing)) != NULL) {
		TAILQ_REMOVE(&s->closing, op, link);
		s->n_ops--;
		op->synced = synced;
		r = mftd_sftp_sync_begin(s, op->part, op);
		if (r < 0)
			synced(s, op, r);
	}
}

static void
fsync_done(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	mftd_sftp_reply_error(s, op->id, err);
}

/* The bytes are durable; that they are has to be, too: what was written after
 * the journal's last word is cut off when the upload is gone on with. */
static void
fsynced(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	struct mftd_msg_commit m = { 0 };

	if (err == 0 && !mftd_lease_held(s->env.lease))
		err = -MFTD_E_NO_LEASE;
	/* nothing is written meanwhile: journal was too busy to be told */
	if (err == 0 && op->part->durable < op->part->contig)
		err = -ENOBUFS;
	snprintf(m.part, sizeof(m.part), "%s", op->part->id);
	if (err == 0)
		err = mftd_sftp_op_ask(s, op, MFTD_MSG_COMMIT, &m, sizeof(m));
	if (err == 0)
		return;
	mftd_sftp_reply_error(s, op->id, err);
	mftd_sftp_op_free(s, op);
}

static int
sync_upload(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	struct mftd_sftp_op *op;
	int r;

	/* a RENAME under way may be moving its entry */
	if (mftd_sftp_op_conflict(s, p->path, false))
		return MFTD_SFTP_STALL;
	r = mftd_sftp_base_want(s, p);
	if (r != 0)
		return r;
	op = mftd_sftp_op_new(s, p->path, NULL, p, fsync_done);
	if (op == NULL)
		return -ENOMEM;
	op->quiet = true;
	op->synced = fsynced;
	r = mftd_sftp_sync_begin(s, p, op);
	if (r < 0)
		mftd_sftp_op_free(s, op);
	return r < 0 ? r : MFTD_SFTP_LATER;
}

int
mftd_sftp_on_fsync(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h = req->handle;
	int r = mftd_sftp_req_end(req);

	if (r == 0 && h->kind == MFTD_SFTP_DIR)
		r = -EBADF;
	if (r == 0 && h->part != NULL && !h->part->published)
		return sync_upload(s, h->part);
	if (r == 0)
		mftd_sftp_reply_error(s, req->id, 0);
	return r;
}
