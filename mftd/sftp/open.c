/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/upload.h"
#include "mftd/sftp/vfs.h"
#include "mftd/sftp/view.h"

#define DEFAULT_MODE 0666
/* Flags that change something, or ask for the right to. */
#define MAKES                                                             \
	(SSH_FXF_WRITE | SSH_FXF_APPEND | SSH_FXF_CREAT | SSH_FXF_TRUNC | \
	    SSH_FXF_EXCL)

static void
answer_handle(
    struct mftd_sftp *s, uint32_t id, const struct mftd_sftp_handle *h)
{
	uint8_t name[MFTD_SFTP_HANDLE_BYTES];

	mftd_sftp_handle_name(h, name);
	mftd_sftp_reply_handle(s, id, name, sizeof(name));
}

int
mftd_sftp_open_seen(
    struct mftd_sftp *s, const char *path, int *fd, uint64_t *limit)
{
	struct mftd_sftp_part *p = mftd_sftp_part_at(s, path);
	struct mftd_sftp_view v;
	struct stat st;
	int r = 0;

	*limit = UINT64_MAX;
	if (p != NULL) {
		r = mftd_sftp_base_want(s, p);
		if (r != 0)
			return r;
		*fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 3);
		return *fd >= 0 ? 0 : -errno;
	}
	r = mftd_sftp_view_at(s, path, &v);
	if (r < 0)
		return r;
	if (r == 1) {
		*limit = v.limit;
		*fd = v.fd;
		return 0;
	}
	/* nonblocking: a FIFO's open would wait for its other end */
	*fd = mftd_sftp_vfs_open(s, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (*fd < 0)
		return *fd;
	if (fstat(*fd, &st) < 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		r = -EACCES;
	if (r < 0)
		mftd_fd_close(fd);
	return r;
}

static int
open_read(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h;
	uint64_t limit;
	int fd, r;

	r = mftd_sftp_open_seen(s, req->path, &fd, &limit);
	if (r != 0)
		return r;
	r = mftd_sftp_handle_new(&s->handles, MFTD_SFTP_FILE, req->path, &h);
	if (r < 0) {
		mftd_fd_close(&fd);
		return r;
	}
	h->fd = fd;
	h->limit = limit;
	h->may_read = true;
	answer_handle(s, req->id, h);
	return 0;
}

/* A handle on p, which counts it as a user more. */
static int
part_handle(struct mftd_sftp *s, const struct mftd_sftp_req *req,
    struct mftd_sftp_part *p, uint32_t flags, struct mftd_sftp_handle **out)
{
	struct mftd_sftp_handle *h;
	int r;

	r = mftd_sftp_handle_new(&s->handles, MFTD_SFTP_PART, req->path, &h);
	if (r < 0)
		return r;
	h->part = p;
	p->users++;
	h->may_read =
	    (flags & SSH_FXF_WRITE) == 0 || (flags & SSH_FXF_READ) != 0;
	h->may_write = (flags & SSH_FXF_WRITE) != 0;
	h->append = (flags & SSH_FXF_APPEND) != 0;
	*out = h;
	return 0;
}

/* A live part of this session is shared by its handles. */
static int
open_shared(struct mftd_sftp *s, struct mftd_sftp_req *req,
    struct mftd_sftp_part *p, uint32_t flags)
{
	struct mftd_sftp_handle *h;
	int r;

	if ((flags & SSH_FXF_EXCL) != 0)
		return -EEXIST;
	if (!mftd_sftp_handle_room(&s->handles))
		return -EMFILE;
	if ((flags & SSH_FXF_TRUNC) != 0 &&
	    (r = mftd_sftp_part_truncate(s, p, 0)) < 0)
		return r;
	r = part_handle(s, req, p, flags, &h);
	if (r < 0)
		return r;
	answer_handle(s, req->id, h);
	return 0;
}

/* Journal has set the older parts aside, or not: OPEN is answered. */
static void
superseded(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	if (err == 0) {
		answer_handle(s, op->id, op->handle);
		return;
	}
	mftd_sftp_part_drop(s, op->part, err);
	mftd_sftp_handle_free(&s->handles, op->handle);
	mftd_sftp_part_put(s, op->part); /* the handle's */
	mftd_sftp_reply_error(s, op->id, err);
}

/* Journal made another's upload ours, or not: OPEN is answered. */
static void
adopted(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	if (err == 0)
		err = mftd_sftp_part_adopted(s, op->part);
	if (err == -ENOENT)
		err = -MFTD_E_SUPERSEDED; /* somebody else came first */
	superseded(s, op, err);
}

/* Goes on with what another session of the account began. */
static int
open_adopted(struct mftd_sftp *s, struct mftd_sftp_req *req, uint32_t flags)
{
	struct mftd_sftp_handle *h = NULL;
	struct mftd_sftp_part *p;
	int r;

	r = mftd_sftp_upload_awaited(s, req->path, &p);
	if (r < 0)
		return r;
	r = part_handle(s, req, p, flags, &h);
	if (r == 0)
		r = mftd_sftp_upload_adopt(s, p, h, adopted);
	if (r < 0 && h != NULL) {
		mftd_sftp_handle_free(&s->handles, h);
		mftd_sftp_part_put(s, p);
	}
	mftd_sftp_part_put(s, p);
	return r;
}

static int
open_write(
    struct mftd_sftp *s, struct mftd_sftp_req *req, uint32_t flags, mode_t mode)
{
	struct mftd_sftp_part *p = mftd_sftp_part_at(s, req->path);
	struct mftd_sftp_handle *h = NULL;
	bool alone;
	int r;

	if (p != NULL)
		return open_shared(s, req, p, flags);
	if (!mftd_sftp_handle_room(&s->handles))
		return -EMFILE;
	if ((flags & (SSH_FXF_TRUNC | SSH_FXF_EXCL)) != SSH_FXF_TRUNC) {
		r = mftd_sftp_view_any(s, req->path);
		if (r != 0 && (flags & SSH_FXF_EXCL) != 0)
			return r < 0 ? r : -EEXIST;
		if (r != 0)
			return r < 0 ? r : open_adopted(s, req, flags);
	}
	r = mftd_sftp_upload_new(s, req->path, flags, mode, &p, &alone);
	if (r < 0)
		return r;
	r = part_handle(s, req, p, flags, &h);
	if (r == 0 && !alone)
		r = mftd_sftp_upload_supersede(s, p, h, superseded);
	else if (r == 0)
		answer_handle(s, req->id, h);
	if (r < 0) {
		mftd_sftp_part_drop(s, p, r);
		if (h != NULL) {
			mftd_sftp_handle_free(&s->handles, h);
			mftd_sftp_part_put(s, p);
		}
	}
	mftd_sftp_part_put(s, p);
	return r;
}

int
mftd_sftp_on_open(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_attrs a;
	mode_t mode = DEFAULT_MODE;
	uint32_t flags;
	int r;

	r = mftd_buf_get_u32(req->args, &flags);
	if (r == 0)
		r = mftd_sftp_attrs_get(req->args, &a);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0 && (flags & ~SSH_FXF_ALL) != 0)
		r = -EBADMSG;
	if (r < 0)
		return r;
	if ((a.flags & SSH_FILEXFER_ATTR_PERMISSIONS) != 0)
		mode = a.mode;
	if ((flags & MAKES) != 0)
		r = mftd_sftp_vfs_may_change(s, req->path);
	if (r < 0)
		return r == -EACCES ? -EISDIR : r;
	/* as open(2) has it: what is not to be written may yet be made */
	if ((flags & (SSH_FXF_WRITE | SSH_FXF_TRUNC | SSH_FXF_EXCL)) == 0) {
		r = open_read(s, req);
		if (r != -ENOENT || (flags & SSH_FXF_CREAT) == 0)
			return r;
	}
	return open_write(s, req, flags, mode & ~(mode_t)s->env.policy->umask);
}
