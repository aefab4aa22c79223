/* Part of mftd; see LICENSE. */
#include "mftd/sftp/quota.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"

static bool
has_quota(const struct mftd_sftp *s)
{
	return s->env.policy->quota_bytes != 0 ||
	    s->env.policy->quota_files != 0;
}

static int
ask(struct mftd_sftp *s, struct mftd_sftp_op *op, const char *part,
    uint64_t size, uint64_t more)
{
	struct mftd_msg_quota m;
	int r;

	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", op->path);
	snprintf(m.part, sizeof(m.part), "%s", part);
	m.size = size;
	m.more = more;
	op->tells = false;
	r = mftd_sftp_op_ask(s, op, MFTD_MSG_QUOTA, &m, sizeof(m));
	if (r < 0)
		mftd_sftp_op_free(s, op);
	return r;
}

/* Nobody is answered: the request that waits is handled again. */
static void
granted(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	struct mftd_sftp_part *p = op->part;

	(void)s;
	if (err == 0) {
		p->granted = op->quota.granted;
		return;
	}
	log_info("part %s: %s", p->id, mftd_strerror(err));
	if (p->err == 0)
		p->err = err;
}

int
mftd_sftp_quota_grow(
    struct mftd_sftp *s, struct mftd_sftp_part *p, uint64_t size)
{
	struct mftd_sftp_op *op;
	int r;

	if (!has_quota(s) || p->err != 0 || size <= p->granted ||
	    size > INT64_MAX)
		return p->err;
	op = mftd_sftp_op_new(s, p->path, NULL, p, granted);
	if (op == NULL)
		return -ENOMEM;
	r = ask(s, op, p->id, size, MFTD_QUOTA_STEP_BYTES);
	return r < 0 ? r : MFTD_SFTP_STALL;
}

/* ---- statvfs */

static uint64_t
less(uint64_t n, uint64_t by)
{
	return n > by ? n - by : 0;
}

/* The quota in the file system's terms, never more than that has. */
static void
fit(const struct mftd_policy *p, const struct mftd_msg_quota_result *q,
    struct statvfs *v)
{
	uint64_t unit = v->f_frsize != 0 ? v->f_frsize : 1, left;

	if (p->quota_bytes != 0) {
		left = less(p->quota_bytes, q->used_bytes) / unit;
		v->f_blocks = p->quota_bytes / unit;
		v->f_bfree = left < v->f_bfree ? left : v->f_bfree;
		v->f_bavail = left < v->f_bavail ? left : v->f_bavail;
	}
	if (p->quota_files != 0) {
		left = less(p->quota_files, q->used_files);
		v->f_files = p->quota_files;
		v->f_ffree = left < v->f_ffree ? left : v->f_ffree;
		v->f_favail = left < v->f_favail ? left : v->f_favail;
	}
}

static void
answer(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	struct statvfs *v = op->data;

	if (err == 0)
		fit(s->env.policy, &op->quota, v);
	if (err == 0)
		err = mftd_sftp_reply_statvfs(s, op->id, v);
	if (err < 0)
		mftd_sftp_reply_error(s, op->id, err);
}

int
mftd_sftp_quota_statvfs(
    struct mftd_sftp *s, const char *path, const struct statvfs *v)
{
	struct mftd_sftp_op *op;
	const char *rest;
	int r;

	if (!has_quota(s) ||
	    mftd_folders_find(&s->folders, path, &rest) != NULL)
		return mftd_sftp_reply_statvfs(s, s->req.id, v);
	op = mftd_sftp_op_new(s, "", NULL, NULL, answer);
	if (op == NULL)
		return -ENOMEM;
	op->data = malloc(sizeof(*v));
	if (op->data == NULL) {
		mftd_sftp_op_free(s, op);
		return -ENOMEM;
	}
	memcpy(op->data, v, sizeof(*v));
	r = ask(s, op, "", 0, 0);
	return r < 0 ? r : MFTD_SFTP_LATER;
}
