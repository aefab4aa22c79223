/* Part of mftd; see LICENSE. */
#include "mftd/sftp/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/upload.h"
#include "mftd/sftp/vfs.h"
#include "mftd/sftp/view.h"

#define DIR_MODE 0777

static void
answer(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	mftd_sftp_reply_error(s, op->id, err);
}

int
mftd_sftp_ask_name(struct mftd_sftp *s, const char *path, const char *to,
    uint32_t type, const void *data, size_t len,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err))
{
	struct mftd_sftp_op *op;
	int r;

	op = mftd_sftp_op_new(s, path, to, NULL, done != NULL ? done : answer);
	if (op == NULL)
		return -ENOMEM;
	r = mftd_sftp_op_ask(s, op, type, data, len);
	if (r < 0) {
		mftd_sftp_op_free(s, op);
		return r;
	}
	return MFTD_SFTP_LATER;
}

static int
ask_remove(struct mftd_sftp *s, struct mftd_sftp_req *req, uint32_t type,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err))
{
	struct mftd_msg_remove m;

	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", req->path);
	return mftd_sftp_ask_name(
	    s, req->path, NULL, type, &m, sizeof(m), done);
}

/* With the name goes this session's upload to it: its CLOSE will fail. */
static void
removed(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	struct mftd_sftp_part *p;

	p = err == 0 || err == -ENOENT ? mftd_sftp_part_at(s, op->path) : NULL;
	if (p != NULL) {
		mftd_sftp_part_drop(s, p, -MFTD_E_SUPERSEDED);
		err = 0;
	}
	mftd_sftp_reply_error(s, op->id, err);
}

int
mftd_sftp_on_remove(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	int r = mftd_sftp_req_end(req);

	return r < 0 ? r : ask_remove(s, req, MFTD_MSG_REMOVE, removed);
}

/* Whether this session uploads into the directory at path. */
static bool
has_parts(struct mftd_sftp *s, const char *path)
{
	struct mftd_sftp_part *p;
	struct stat st;

	if (LIST_EMPTY(&s->parts) ||
	    mftd_sftp_vfs_stat(s, path, false, &st) < 0)
		return false;
	LIST_FOREACH(p, &s->parts, link)
	if (p->parent_ino == st.st_ino && p->parent_dev == st.st_dev &&
	    p->err == 0 && !p->published)
		return true;
	return false;
}

int
mftd_sftp_on_rmdir(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	int r = mftd_sftp_req_end(req);

	if (r == 0 && has_parts(s, req->path))
		r = -ENOTEMPTY;
	return r < 0 ? r : ask_remove(s, req, MFTD_MSG_RMDIR, NULL);
}

int
mftd_sftp_on_mkdir(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_msg_mkdir m;
	struct mftd_sftp_attrs a;
	int r;

	r = mftd_sftp_attrs_get(req->args, &a);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0)
		r = mftd_sftp_view_any(s, req->path);
	if (r != 0)
		return r < 0 ? r : -EEXIST;
	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", req->path);
	m.mode = DIR_MODE;
	if ((a.flags & SSH_FILEXFER_ATTR_PERMISSIONS) != 0)
		m.mode = a.mode & 0777;
	m.mode = (m.mode & ~s->env.policy->umask) | 0700;
	return mftd_sftp_ask_name(
	    s, req->path, NULL, MFTD_MSG_MKDIR, &m, sizeof(m), NULL);
}

/* What stands for a handle's file goes with it. */
static void
follow(struct mftd_sftp *s, const char *from, const char *to)
{
	mftd_sftp_handles_renamed(&s->handles, from, to);
	mftd_sftp_wait_renamed(&s->wait, from, to);
	mftd_sftp_job_renamed(s, from, to);
}

static void
renamed(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	if (err == 0) {
		mftd_sftp_part_renamed(s, op->path, op->to);
		follow(s, op->path, op->to);
	}
	mftd_sftp_reply_error(s, op->id, err);
}

static void
moved(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	if (err < 0)
		mftd_sftp_part_drop(s, op->part, err);
	mftd_sftp_reply_error(s, op->id, err);
}

/* Nothing is published as the upload p yet: it alone is renamed. */
static int
rename_upload(struct mftd_sftp *s, struct mftd_sftp_req *req,
    struct mftd_sftp_part *p, bool overwrite)
{
	struct mftd_sftp_part *other = mftd_sftp_part_at(s, req->path2);
	struct stat st;
	int r;

	if (other == p)
		return -EEXIST;
	r = mftd_sftp_vfs_stat(s, req->path2, false, &st);
	if (r == 0 && !overwrite)
		return -EEXIST;
	if (r == 0 && !S_ISREG(st.st_mode))
		return S_ISDIR(st.st_mode) ? -EISDIR : -EACCES;
	if (r < 0 && r != -ENOENT)
		return r;
	if (other != NULL)
		other->err = -MFTD_E_SUPERSEDED;
	r = mftd_sftp_part_move(s, p, req->path2);
	p->noreplace = !overwrite;
	if (r < 0)
		return r;
	follow(s, req->path, req->path2);
	return mftd_sftp_upload_supersede(s, p, NULL, moved);
}

static int
ask_rename(struct mftd_sftp *s, struct mftd_sftp_req *req, bool overwrite)
{
	struct mftd_msg_rename m;
	struct mftd_sftp_part *p;
	struct stat st;
	int r = mftd_sftp_req_end(req);

	if (r == 0 && !overwrite)
		r = mftd_sftp_view_any(s, req->path2);
	if (r != 0)
		return r < 0 ? r : -EEXIST;
	p = mftd_sftp_part_at(s, req->path);
	if (p != NULL &&
	    mftd_sftp_vfs_stat(s, req->path, false, &st) == -ENOENT)
		return rename_upload(s, req, p, overwrite);
	memset(&m, 0, sizeof(m));
	snprintf(m.from, sizeof(m.from), "%s", req->path);
	snprintf(m.to, sizeof(m.to), "%s", req->path2);
	if (p != NULL)
		snprintf(m.part, sizeof(m.part), "%s", p->id);
	m.overwrite = overwrite;
	return mftd_sftp_ask_name(
	    s, req->path, req->path2, MFTD_MSG_RENAME, &m, sizeof(m), renamed);
}

int
mftd_sftp_on_rename(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	return ask_rename(s, req, false);
}

int
mftd_sftp_on_posix_rename(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	return ask_rename(s, req, true);
}

int
mftd_sftp_on_realpath(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	char name[MFTD_PATH_BYTES + 1];
	bool root = strcmp(req->path, ".") == 0;
	int r = mftd_sftp_req_end(req);

	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "/%s", root ? "" : req->path);
	mftd_sftp_reply_name(s, req->id, name);
	return 0;
}
