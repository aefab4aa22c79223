/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/name.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/quota.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/upload.h"
#include "mftd/sftp/vfs.h"
#include "mftd/sftp/view.h"

#define STATVFS_RDONLY 1u /* OpenSSH PROTOCOL, section 4.3 */
#define STATVFS_NOSUID 2u

static int
stat_path(struct mftd_sftp *s, struct mftd_sftp_req *req, bool follow)
{
	struct mftd_sftp_part *p;
	struct mftd_sftp_view v;
	int r;

	r = mftd_sftp_req_end(req);
	if (r < 0)
		return r;
	p = mftd_sftp_part_at(s, req->path);
	if (p != NULL) {
		r = mftd_sftp_part_stat(p, &v.st);
	} else {
		r = mftd_sftp_view_at(s, req->path, &v);
		if (r == 1)
			mftd_fd_close(&v.fd);
		else if (r == 0)
			r = mftd_sftp_vfs_stat(s, req->path, follow, &v.st);
	}
	if (r >= 0)
		mftd_sftp_reply_attrs(s, req->id, &v.st);
	return r < 0 ? r : 0;
}

int
mftd_sftp_on_stat(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	return stat_path(s, req, true);
}

int
mftd_sftp_on_lstat(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	return stat_path(s, req, false);
}

static int
handle_fd(const struct mftd_sftp_handle *h)
{
	if (h->part != NULL)
		return h->part->fd;
	return h->dir != NULL ? dirfd(h->dir) : h->fd;
}

int
mftd_sftp_on_fstat(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h = req->handle;
	struct stat st;
	int r = mftd_sftp_req_end(req);

	if (r == 0 && h->part != NULL)
		r = mftd_sftp_part_stat(h->part, &st);
	else if (r == 0 && fstat(handle_fd(h), &st) < 0)
		r = -errno;
	if (r == 0 && (uint64_t)st.st_size > h->limit)
		st.st_size = (off_t)h->limit;
	if (r == 0)
		mftd_sftp_reply_attrs(s, req->id, &st);
	return r;
}

/* Takes the attributes to be set.  Owners cannot be changed here: every file is
 * the account's. */
static int
take_attrs(struct mftd_sftp_req *req, struct mftd_sftp_attrs *a)
{
	int r = mftd_sftp_attrs_get(req->args, a);

	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0 && (a->flags & SSH_FILEXFER_ATTR_UIDGID) != 0 &&
	    (a->uid != geteuid() || a->gid != getegid()))
		r = -EPERM;
	return r;
}

static int
set_mode_and_times(int fd, const struct mftd_sftp_attrs *a, mode_t also)
{
	struct timespec times[2] = { { .tv_sec = a->atime },
		{ .tv_sec = a->mtime } };

	if ((a->flags & SSH_FILEXFER_ATTR_PERMISSIONS) != 0 &&
	    fchmod(fd, mftd_sftp_file_mode(a->mode) | also) < 0)
		return -errno;
	if ((a->flags & SSH_FILEXFER_ATTR_ACMODTIME) != 0 &&
	    futimens(fd, times) < 0)
		return -errno;
	return 0;
}

/* Sets them on a part: shown at once, kept by publishing it. */
static int
set_part(struct mftd_sftp *s, struct mftd_sftp_part *p,
    const struct mftd_sftp_attrs *a)
{
	int r = p->err;

	if (r == 0 && (a->flags & SSH_FILEXFER_ATTR_SIZE) != 0)
		r = mftd_sftp_part_truncate(s, p, a->size);
	/* whatever is still to be copied would change the time again */
	if (r == 0 && (a->flags & SSH_FILEXFER_ATTR_ACMODTIME) != 0)
		r = mftd_sftp_base_want(s, p);
	return r != 0 ? r
		      : set_mode_and_times(p->fd, a, mftd_sftp_part_mark(p));
}

/* The same on another session's, or one that lies dormant.  Its size is its
 * owner's, or its adopter's, to change. */
static int
set_other(struct mftd_sftp *s, const struct mftd_sftp_req *req,
    const struct mftd_sftp_view *v, const struct mftd_sftp_attrs *a)
{
	int r;

	if ((a->flags & SSH_FILEXFER_ATTR_SIZE) != 0 &&
	    a->size != (uint64_t)v->st.st_size)
		return -MFTD_E_INCOMPLETE;
	r = set_mode_and_times(v->fd, a, 0);
	if (r == 0)
		mftd_sftp_reply_error(s, req->id, 0);
	return r;
}

static int
ask_setstat(struct mftd_sftp *s, struct mftd_sftp_req *req, const char *path,
    const struct mftd_sftp_attrs *a)
{
	struct mftd_msg_setstat m;

	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", path);
	if ((a->flags & SSH_FILEXFER_ATTR_SIZE) != 0)
		m.mask |= MFTD_SET_SIZE;
	if ((a->flags & SSH_FILEXFER_ATTR_PERMISSIONS) != 0)
		m.mask |= MFTD_SET_MODE;
	if ((a->flags & SSH_FILEXFER_ATTR_ACMODTIME) != 0)
		m.mask |= MFTD_SET_TIMES;
	m.mode = a->mode & 0777;
	m.size = a->size;
	m.atime = a->atime;
	m.mtime = a->mtime;
	if (m.mask == 0) {
		mftd_sftp_reply_error(s, req->id, 0);
		return 0;
	}
	return mftd_sftp_ask_name(
	    s, path, NULL, MFTD_MSG_SETSTAT, &m, sizeof(m), NULL);
}

/* As long as nothing was written CLOSE will publish nothing: then the published
 * file has to get them too. */
static int
set_upload(struct mftd_sftp *s, struct mftd_sftp_req *req,
    struct mftd_sftp_part *p, const struct mftd_sftp_attrs *a)
{
	int r = 0;

	if ((a->flags & SSH_FILEXFER_ATTR_SIZE) != 0)
		r = mftd_sftp_quota_grow(s, p, a->size);
	if (r == 0)
		r = set_part(s, p, a);
	if (r == 0 && !p->changed && !p->adopted)
		return ask_setstat(s, req, p->path, a);
	if (r == 0)
		mftd_sftp_reply_error(s, req->id, 0);
	return r;
}

struct resize {
	struct mftd_sftp_job job;
	struct mftd_sftp_attrs attrs;
};

static int
resize_step(struct mftd_sftp *s, struct mftd_sftp_job *job)
{
	struct resize *z = (struct resize *)job;
	int r = mftd_sftp_base_slice(s, job->part);

	if (r == MFTD_SFTP_LATER || r == MFTD_SFTP_STALL)
		return r;
	s->req.id = job->id;
	if (r == 0)
		r = set_part(s, job->part, &z->attrs);
	if (r == 0)
		r = mftd_sftp_upload_publish(s, job->part);
	else
		mftd_sftp_part_drop(s, job->part, r);
	return r < 0 ? r : MFTD_SFTP_ANSWERED;
}

static void
resize_free(struct mftd_sftp_job *job)
{
	free(job);
}

/* A published file's bytes never change: another size is an upload of its own,
 * over what is there, published before the answer. */
static int
resize_published(struct mftd_sftp *s, struct mftd_sftp_req *req,
    const struct mftd_sftp_attrs *a)
{
	struct mftd_sftp_part *p;
	struct resize *z;
	bool alone;
	int r;

	if (!mftd_sftp_job_room(s))
		return MFTD_SFTP_STALL;
	z = calloc(1, sizeof(*z));
	if (z == NULL)
		return -ENOMEM;
	r = mftd_sftp_upload_new(s, req->path, 0, 0, &p, &alone);
	if (r < 0) {
		free(z);
		return r;
	}
	/* no more than that of it is needed */
	if (p->base_fd >= 0 && a->size < p->base_size)
		p->base_size = a->size;
	z->job.step = resize_step;
	z->job.free = resize_free;
	z->attrs = *a;
	r = mftd_sftp_job_add(s, &z->job, p);
	mftd_sftp_part_put(s, p);
	return r;
}

/* Whether the file at path has another size than is asked for. */
static bool
resizes(struct mftd_sftp *s, const char *path, const struct mftd_sftp_attrs *a)
{
	struct stat st;

	return (a->flags & SSH_FILEXFER_ATTR_SIZE) != 0 &&
	    mftd_sftp_vfs_stat(s, path, false, &st) == 0 &&
	    S_ISREG(st.st_mode) && (uint64_t)st.st_size != a->size;
}

static int
setstat(struct mftd_sftp *s, struct mftd_sftp_req *req,
    const struct mftd_sftp_attrs *a)
{
	struct mftd_sftp_part *p = mftd_sftp_part_at(s, req->path);
	struct mftd_sftp_view v;
	int r = p == NULL ? mftd_sftp_view_at(s, req->path, &v) : 0;

	if (r < 0)
		return r;
	if (r == 1) {
		r = set_other(s, req, &v, a);
		mftd_fd_close(&v.fd);
		return r;
	}
	if (p == NULL && resizes(s, req->path, a))
		return resize_published(s, req, a);
	if (p == NULL)
		return ask_setstat(s, req, req->path, a);
	return set_upload(s, req, p, a);
}

int
mftd_sftp_on_setstat(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_attrs a;
	int r = take_attrs(req, &a);

	return r < 0 ? r : setstat(s, req, &a);
}

/* lsetstat@openssh.com (OpenSSH PROTOCOL, section 4.7).  SETSTAT does not
 * follow links either; they have no attributes of their own to set here. */
int
mftd_sftp_on_lsetstat(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_attrs a;
	struct stat st;
	int r = take_attrs(req, &a);

	if (r == 0 && (a.flags & SSH_FILEXFER_ATTR_SIZE) != 0)
		r = -EBADMSG;
	if (r == 0 && mftd_sftp_vfs_stat(s, req->path, false, &st) == 0 &&
	    S_ISLNK(st.st_mode))
		r = -EOPNOTSUPP;
	return r < 0 ? r : setstat(s, req, &a);
}

int
mftd_sftp_on_fsetstat(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h = req->handle;
	struct mftd_sftp_attrs a;
	int r = take_attrs(req, &a);

	/* a name could be another file's by now: only what is being written */
	if (r == 0 && (h->part == NULL || !h->may_write))
		r = -EACCES;
	if (r == 0 && mftd_sftp_op_conflict(s, h->part->path, false))
		r = MFTD_SFTP_STALL;
	if (r == 0 && h->part->published && resizes(s, h->part->path, &a))
		r = mftd_sftp_upload_renew(s, h);
	if (r == 0 && h->part->published)
		return ask_setstat(s, req, h->part->path, &a);
	return r == 0 ? set_upload(s, req, h->part, &a) : r;
}

int
mftd_sftp_reply_statvfs(
    struct mftd_sftp *s, uint32_t id, const struct statvfs *v)
{
	const uint64_t words[] = { v->f_bsize, v->f_frsize, v->f_blocks,
		v->f_bfree, v->f_bavail, v->f_files, v->f_ffree, v->f_favail,
		v->f_fsid,
		((v->f_flag & ST_RDONLY) != 0 ? STATVFS_RDONLY : 0) |
		    ((v->f_flag & ST_NOSUID) != 0 ? STATVFS_NOSUID : 0),
		v->f_namemax };
	struct mftd_buf *b = mftd_buf_new(256);
	int r = 0;
	size_t i;

	if (b == NULL)
		return -ENOMEM;
	for (i = 0; r == 0 && i < sizeof(words) / sizeof(words[0]); i++)
		r = mftd_buf_put_u64(b, words[i]);
	if (r == 0)
		mftd_sftp_reply_body(s, SSH_FXP_EXTENDED_REPLY, id, b);
	mftd_buf_free(b);
	return r;
}

static int
answer_statvfs(struct mftd_sftp *s, const char *path, int fd)
{
	struct statvfs v;

	if (fstatvfs(fd, &v) < 0)
		return -errno;
	return mftd_sftp_quota_statvfs(s, path, &v);
}

int
mftd_sftp_on_statvfs(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	int fd, r = mftd_sftp_req_end(req);

	if (r < 0)
		return r;
	fd = mftd_sftp_vfs_open(s, req->path, O_PATH);
	if (fd < 0)
		return fd;
	r = answer_statvfs(s, req->path, fd);
	mftd_fd_close(&fd);
	return r;
}

int
mftd_sftp_on_fstatvfs(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	int r = mftd_sftp_req_end(req);

	return r < 0
	    ? r
	    : answer_statvfs(s, req->handle->path, handle_fd(req->handle));
}
