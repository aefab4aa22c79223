/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/vfs.h"

#define UMASK 022
#define DEFAULT_MODE 0644

static void
answer_handle(
    struct mftd_sftp *s, uint32_t id, const struct mftd_sftp_handle *h)
{
	uint8_t name[MFTD_SFTP_HANDLE_BYTES];

	mftd_sftp_handle_name(h, name);
	mftd_sftp_reply_handle(s, id, name, sizeof(name));
}

/* A descriptor of what the account sees at path: its own part, or what is
 * published.  -errno. */
static int
open_seen(struct mftd_sftp *s, const char *path)
{
	struct mftd_sftp_part *p = mftd_sftp_part_at(s, path);
	struct stat st;
	int fd, r = 0;

	if (p != NULL) {
		r = mftd_sftp_part_whole(p);
		if (r < 0)
			return r;
		fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 3);
		return fd >= 0 ? fd : -errno;
	}
	/* nonblocking: a FIFO's open would wait for its other end */
	fd = mftd_sftp_vfs_open(s, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (!S_ISREG(st.st_mode))
		r = -EACCES;
	if (r < 0) {
		mftd_fd_close(&fd);
		return r;
	}
	return fd;
}

static int
open_read(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h;
	int fd, r;

	fd = open_seen(s, req->path);
	if (fd < 0)
		return fd;
	r = mftd_sftp_handle_new(&s->handles, MFTD_SFTP_FILE, req->path, &h);
	if (r < 0) {
		mftd_fd_close(&fd);
		return r;
	}
	h->fd = fd;
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
	h->may_read = (flags & SSH_FXF_READ) != 0;
	h->may_write = true;
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
	    (r = mftd_sftp_part_truncate(p, 0)) < 0)
		return r;
	r = part_handle(s, req, p, flags, &h);
	if (r < 0)
		return r;
	answer_handle(s, req->id, h);
	return 0;
}

static void
superseded(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	struct mftd_sftp_handle *h = op->handle;

	if (err == 0) {
		if (h != NULL)
			answer_handle(s, op->id, h);
		return;
	}
	mftd_sftp_part_drop(s, op->part, err);
	if (h == NULL)
		return;
	mftd_sftp_handle_free(&s->handles, h);
	mftd_sftp_part_put(s, op->part);
	mftd_sftp_reply_error(s, op->id, err);
}

/* Asks journal to set aside all other parts of p's name.  h: the handle that is
 * answered with then, or NULL. */
static int
ask_supersede(
    struct mftd_sftp *s, struct mftd_sftp_part *p, struct mftd_sftp_handle *h)
{
	struct mftd_sftp_op *op;
	struct mftd_msg_supersede m;
	int r;

	op = mftd_sftp_op_new(s, p->path, NULL, p, superseded);
	if (op == NULL)
		return -ENOMEM;
	op->handle = h;
	op->tells = false; /* nothing published changes */
	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", p->path);
	snprintf(m.keep, sizeof(m.keep), "%s", p->id);
	r = mftd_sftp_op_ask(s, op, MFTD_MSG_SUPERSEDE, &m, sizeof(m));
	if (r < 0) {
		mftd_sftp_op_free(s, op);
		return r;
	}
	return MFTD_SFTP_LATER;
}

/* Whether an upload may take the name whose lstat gave r and st. */
static int
check_target(int r, const struct stat *st, uint32_t flags)
{
	if (r == -ENOENT)
		return (flags & SSH_FXF_CREAT) != 0 ? 0 : -ENOENT;
	if (r < 0)
		return r;
	if ((flags & SSH_FXF_EXCL) != 0)
		return -EEXIST;
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	/* publishing would put a file in the link's or the device's place */
	return S_ISREG(st->st_mode) ? 0 : -EACCES;
}

/* Makes the part for an upload to base in parent: empty, or over what is
 * published there. */
static int
new_part(struct mftd_sftp *s, struct mftd_sftp_req *req, int parent,
    const char *base, uint32_t flags, mode_t mode, struct mftd_sftp_part **out,
    bool *alone)
{
	struct stat st;
	int fd, r;
	bool have;

	r = fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	have = r == 0;
	r = check_target(r, &st, flags);
	/* what CLOSE could not do is refused before the bytes are sent */
	if (r == 0 && faccessat(parent, ".", W_OK | X_OK, AT_EACCESS) < 0)
		r = -errno;
	if (r < 0)
		return r;
	if (have)
		mode = st.st_mode;
	r = mftd_sftp_part_new(
	    s, req->path, parent, base, mftd_sftp_file_mode(mode), out, alone);
	if (r < 0)
		return r;
	(*out)->noreplace = (flags & SSH_FXF_EXCL) != 0;
	(*out)->changed = !have || (flags & SSH_FXF_TRUNC) != 0;
	if ((*out)->changed)
		return 0;
	fd = openat(parent, base, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	r = fd >= 0 ? mftd_sftp_part_base(*out, fd) : -errno;
	if (r < 0) {
		mftd_fd_close(&fd);
		mftd_sftp_part_put(s, *out);
	}
	return r;
}

static int
open_write(
    struct mftd_sftp *s, struct mftd_sftp_req *req, uint32_t flags, mode_t mode)
{
	struct mftd_sftp_part *p = NULL;
	struct mftd_sftp_handle *h = NULL;
	const char *base;
	int parent, r;
	bool alone;

	p = mftd_sftp_part_at(s, req->path);
	if (p != NULL)
		return open_shared(s, req, p, flags);
	if (!mftd_sftp_handle_room(&s->handles))
		return -EMFILE;
	parent = mftd_sftp_vfs_parent(s, req->path, &base);
	if (parent < 0)
		return parent;
	r = new_part(s, req, parent, base, flags, mode, &p, &alone);
	mftd_fd_close(&parent);
	if (r < 0)
		return r;
	r = part_handle(s, req, p, flags, &h);
	if (r == 0 && !alone)
		r = ask_supersede(s, p, h);
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
		mode = a.mode & ~(mode_t)UMASK;
	if ((flags & SSH_FXF_WRITE) != 0)
		return open_write(s, req, flags, mode);
	/* CREAT and the like say how to write */
	return flags == SSH_FXF_READ ? open_read(s, req) : -EINVAL;
}

int
mftd_sftp_on_read(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h = req->handle;
	uint64_t off;
	uint32_t len;
	ssize_t n;
	int r, fd = h->fd;

	r = mftd_buf_get_u64(req->args, &off);
	if (r == 0)
		r = mftd_buf_get_u32(req->args, &len);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0 && h->kind == MFTD_SFTP_DIR)
		r = -EBADF;
	if (r == 0 && !h->may_read)
		r = -EACCES;
	if (r == 0 && off > INT64_MAX)
		r = -EINVAL;
	if (r == 0 && h->part != NULL) {
		r = mftd_sftp_part_whole(h->part);
		fd = h->part->fd;
	}
	if (r < 0)
		return r;
	if (len > MFTD_SFTP_READ_BYTES)
		len = MFTD_SFTP_READ_BYTES;
	n = mftd_sftp_reply_data(s, req->id, fd, len, (int64_t)off);
	if (n < 0)
		return (int)n;
	h->bytes_read += (uint64_t)n;
	*s->env.bytes_out += (uint64_t)n;
	return 0;
}

/* Another handle's CLOSE published the part that h writes: what h writes from
 * now on is an upload of its own, based on it. */
static int
renew_part(
    struct mftd_sftp *s, struct mftd_sftp_req *req, struct mftd_sftp_handle *h)
{
	struct mftd_sftp_part *old = h->part, *p;
	const char *base;
	int parent, r;
	bool alone;

	p = mftd_sftp_part_at(s, old->path);
	if (p != NULL) {
		p->users++;
		h->part = p;
		mftd_sftp_part_put(s, old);
		return p->busy > 0 ? MFTD_SFTP_STALL : 0;
	}
	parent = mftd_sftp_vfs_parent(s, old->path, &base);
	if (parent < 0)
		return parent;
	snprintf(req->path, sizeof(req->path), "%s", old->path);
	r = new_part(s, req, parent, base, 0, DEFAULT_MODE, &p, &alone);
	mftd_fd_close(&parent);
	if (r < 0)
		return r;
	if (!alone && (r = ask_supersede(s, p, NULL)) < 0) {
		mftd_sftp_part_put(s, p);
		return r;
	}
	h->part = p;
	mftd_sftp_part_put(s, old);
	return alone ? 0 : MFTD_SFTP_STALL;
}

static int
write_handle(struct mftd_sftp *s, struct mftd_sftp_req *req, uint64_t off,
    const uint8_t *data, size_t len)
{
	struct mftd_sftp_handle *h = req->handle;
	struct stat st;
	int r;

	if (h->part->published && (r = renew_part(s, req, h)) != 0)
		return r;
	if (h->append) {
		r = mftd_sftp_part_stat(h->part, &st);
		if (r < 0)
			return r;
		off = (uint64_t)st.st_size;
	}
	return mftd_sftp_part_write(s, h->part, data, len, off);
}

int
mftd_sftp_on_write(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	const uint8_t *data;
	uint64_t off;
	size_t len;
	int r;

	r = mftd_buf_get_u64(req->args, &off);
	if (r == 0)
		r = mftd_buf_get_string(req->args, &data, &len);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0 && req->handle->kind == MFTD_SFTP_DIR)
		r = -EBADF;
	if (r == 0 && !req->handle->may_write)
		r = -EACCES;
	if (r == 0)
		r = write_handle(s, req, off, data, len);
	if (r != 0)
		return r;
	*s->env.bytes_in += len;
	mftd_sftp_reply_error(s, req->id, 0);
	return 0;
}
