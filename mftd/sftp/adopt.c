/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/state.h"
#include "mftd/sftp/upload.h"
#include "mftd/sftp/vfs.h"

/* Uploads that another session of the account began. */

int
mftd_sftp_upload_awaited(
    struct mftd_sftp *s, const char *path, struct mftd_sftp_part **out)
{
	const char *base;
	int r = 0, parent = mftd_sftp_vfs_parent(s, path, false, &base);

	if (parent < 0)
		return parent;
	/* what CLOSE could not do is refused before the bytes are sent */
	if (faccessat(parent, ".", W_OK | X_OK, AT_EACCESS) < 0)
		r = -errno;
	if (r == 0)
		r = mftd_sftp_part_await(s, path, parent, base, out);
	mftd_fd_close(&parent);
	return r;
}

int
mftd_sftp_upload_adopt(struct mftd_sftp *s, struct mftd_sftp_part *p,
    struct mftd_sftp_handle *h,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err))
{
	struct mftd_msg_adopt m;

	memset(&m, 0, sizeof(m));
	snprintf(m.path, sizeof(m.path), "%s", p->path);
	snprintf(m.part, sizeof(m.part), "%s", p->id);
	return mftd_sftp_upload_ask(
	    s, p, h, MFTD_MSG_ADOPT, &m, sizeof(m), done);
}

static int
open_file(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	int dir = mftd_layout_parts_open(s->env.parts_fd, p->key, p->name);
	struct stat st;

	if (dir < 0)
		return dir;
	p->fd = openat(dir, p->id, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	mftd_fd_close(&dir);
	if (p->fd < 0 || fstat(p->fd, &st) < 0)
		return -errno;
	p->inode = st.st_ino;
	p->size = p->contig = p->durable = p->flushed = (uint64_t)st.st_size;
	return 0;
}

int
mftd_sftp_part_adopted(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	int r = open_file(s, p);

	if (r < 0)
		return r;
	p->entry_durable = true;
	p->adopted = p->guarded = true;
	p->err = 0;
	return 0;
}
