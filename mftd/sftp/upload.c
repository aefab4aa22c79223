/* Part of mftd; see LICENSE. */
#include "mftd/sftp/upload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/state.h"
#include "mftd/sftp/vfs.h"

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

/* Lays p over what is published as base in parent. */
static int
take_base(struct mftd_sftp_part *p, int parent, const char *base)
{
	int r, fd = openat(parent, base, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	r = mftd_sftp_part_base(p, fd);
	if (r < 0)
		mftd_fd_close(&fd);
	return r;
}

static int
new_part(struct mftd_sftp *s, const char *path, int parent, const char *base,
    uint32_t flags, mode_t mode, struct mftd_sftp_part **out, bool *alone)
{
	struct mftd_sftp_part *p;
	struct stat st;
	bool have;
	int r;

	r = fstatat(parent, base, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
	have = r == 0;
	r = check_target(r, &st, flags);
	/* what CLOSE could not do is refused before the bytes are sent */
	if (r == 0 && faccessat(parent, ".", W_OK | X_OK, AT_EACCESS) < 0)
		r = -errno;
	if (r < 0)
		return r;
	r = mftd_sftp_part_new(s, path, parent, base,
	    mftd_sftp_file_mode(have ? st.st_mode : mode), &p, alone);
	if (r < 0)
		return r;
	p->noreplace = (flags & SSH_FXF_EXCL) != 0;
	p->changed = !have || (flags & SSH_FXF_TRUNC) != 0;
	if (!p->changed && (r = take_base(p, parent, base)) < 0) {
		mftd_sftp_part_put(s, p);
		return r;
	}
	*out = p;
	return 0;
}

int
mftd_sftp_upload_new(struct mftd_sftp *s, const char *path, uint32_t flags,
    mode_t mode, struct mftd_sftp_part **out, bool *alone)
{
	const char *base;
	int r, parent = mftd_sftp_vfs_parent(s, path, false, &base);

	if (parent < 0)
		return parent;
	r = new_part(s, path, parent, base, flags, mode, out, alone);
	mftd_fd_close(&parent);
	return r;
}

int
mftd_sftp_upload_ask(struct mftd_sftp *s, struct mftd_sftp_part *p,
    struct mftd_sftp_handle *h, uint32_t type, const void *data, size_t len,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err))
{
	struct mftd_sftp_op *op = mftd_sftp_op_new(s, p->path, NULL, p, done);
	int r;

	if (op == NULL)
		return -ENOMEM;
	op->handle = h;
	op->tells = false; /* nothing published changes */
	r = mftd_sftp_op_ask(s, op, type, data, len);
	if (r < 0) {
		mftd_sftp_op_free(s, op);
		return r;
	}
	return MFTD_SFTP_LATER;
}

int
mftd_sftp_upload_supersede(struct mftd_sftp *s, struct mftd_sftp_part *p,
    struct mftd_sftp_handle *h,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err))
{
	struct mftd_msg_supersede m;

	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", p->path);
	snprintf(m.keep, sizeof(m.keep), "%s", p->id);
	return mftd_sftp_upload_ask(
	    s, p, h, MFTD_MSG_SUPERSEDE, &m, sizeof(m), done);
}

static void
renewed(struct mftd_sftp *s, struct mftd_sftp_op *op, int err)
{
	if (err < 0)
		mftd_sftp_part_drop(s, op->part, err);
}

int
mftd_sftp_upload_renew(struct mftd_sftp *s, struct mftd_sftp_handle *h)
{
	struct mftd_sftp_part *old = h->part, *p;
	bool alone = true;
	int r;

	if (mftd_sftp_op_conflict(s, old->path, false))
		return MFTD_SFTP_STALL;
	p = mftd_sftp_part_at(s, old->path);
	if (p != NULL) {
		p->users++;
	} else {
		r = mftd_sftp_upload_new(s, old->path, 0, 0, &p, &alone);
		if (r < 0)
			return r;
	}
	if (!alone) {
		r = mftd_sftp_upload_supersede(s, p, NULL, renewed);
		if (r < 0) {
			mftd_sftp_part_put(s, p);
			return r;
		}
	}
	h->part = p;
	mftd_sftp_part_put(s, old);
	return p->busy > 0 ? MFTD_SFTP_STALL : 0;
}
