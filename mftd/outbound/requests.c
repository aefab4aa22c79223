/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <string.h>

#include "mftd/outbound/remote_wire.h"

/* What is asked of a partner (remote.h). */

int
mftd_remote_lstat(struct mftd_remote *m, const char *path,
    struct mftd_remote_attrs *a, struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_path(m, FXP_LSTAT, path);

	memset(a, 0, sizeof(*a));
	return r == 0 ? mftd_remote_submit(m, FXP_ATTRS, a, answer) : r;
}

int
mftd_remote_remove(
    struct mftd_remote *m, const char *path, struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_path(m, FXP_REMOVE, path);

	return r == 0 ? mftd_remote_submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_rename(struct mftd_remote *m, const char *from, const char *to,
    struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_path(m, FXP_RENAME, from);

	if (r == 0)
		r = mftd_buf_put_cstring(m->packet, to);
	return r == 0 ? mftd_remote_submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_replace(struct mftd_remote *m, const char *from, const char *to,
    struct mftd_remote_answer *answer)
{
	int r;

	if (!m->has_posix_rename) {
		answer->err = -EOPNOTSUPP;
		return 0;
	}
	r = mftd_remote_begin_path(m, FXP_EXTENDED, "posix-rename@openssh.com");
	if (r == 0)
		r = mftd_buf_put_cstring(m->packet, from);
	if (r == 0)
		r = mftd_buf_put_cstring(m->packet, to);
	return r == 0 ? mftd_remote_submit(m, FXP_STATUS, NULL, answer) : r;
}

bool
mftd_remote_can_replace(const struct mftd_remote *m)
{
	return m->has_posix_rename;
}

int
mftd_remote_sum(struct mftd_remote *m, const char *path, uint64_t length,
    struct mftd_remote_sum *sum, struct mftd_remote_answer *answer)
{
	int r;

	memset(sum, 0, sizeof(*sum));
	if (!m->has_check_file) {
		answer->err = -EOPNOTSUPP;
		return 0;
	}
	r = mftd_remote_begin_path(m, FXP_EXTENDED, "check-file-name");
	if (r == 0)
		r = mftd_buf_put_cstring(m->packet, path);
	if (r == 0)
		r = mftd_buf_put_cstring(m->packet, "sha256");
	if (r == 0)
		r = mftd_buf_put_u64(m->packet, 0);
	if (r == 0)
		r = mftd_buf_put_u64(m->packet, length);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, 0); /* one hash of all */
	return r == 0 ? mftd_remote_submit(m, FXP_EXTENDED_REPLY, sum, answer)
		      : r;
}

bool
mftd_remote_can_sum(const struct mftd_remote *m)
{
	return m->has_check_file;
}

int
mftd_remote_open_file(struct mftd_remote *m, const char *path,
    enum mftd_remote_how how, uint32_t mode, struct mftd_remote_file *f,
    struct mftd_remote_answer *answer)
{
	static const uint32_t flags[] = {
		[MFTD_REMOTE_CREATE] = OPEN_WRITE | OPEN_CREAT | OPEN_EXCL,
		[MFTD_REMOTE_EMPTY] = OPEN_WRITE | OPEN_CREAT | OPEN_TRUNC,
		[MFTD_REMOTE_GO_ON] = OPEN_WRITE,
		[MFTD_REMOTE_LOOK] = OPEN_READ,
	};
	int r = mftd_remote_begin_path(m, FXP_OPEN, path);

	if (r == 0)
		r = mftd_buf_put_u32(m->packet, flags[how]);
	if (r == 0)
		r = mftd_buf_put_u32(
		    m->packet, mode != 0 ? ATTR_PERMISSIONS : 0);
	if (r == 0 && mode != 0)
		r = mftd_buf_put_u32(m->packet, mode);
	return r == 0 ? mftd_remote_submit(m, FXP_HANDLE, f, answer) : r;
}

int
mftd_remote_read(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint64_t offset, struct mftd_remote_data *data,
    struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_file(m, FXP_READ, f);

	data->len = 0;
	if (r == 0)
		r = mftd_buf_put_u64(m->packet, offset);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, (uint32_t)data->size);
	return r == 0 ? mftd_remote_submit(m, FXP_DATA, data, answer) : r;
}

size_t
mftd_remote_read_chunk(const struct mftd_remote *m)
{
	return m->read_chunk;
}

size_t
mftd_remote_chunk(const struct mftd_remote *m)
{
	return m->chunk;
}

int
mftd_remote_write(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint64_t offset, const void *data, size_t len,
    struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_file(m, FXP_WRITE, f);

	if (r == 0)
		r = mftd_buf_put_u64(m->packet, offset);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, (uint32_t)len);
	return r == 0
	    ? mftd_remote_submit_with(m, FXP_STATUS, NULL, answer, data, len)
	    : r;
}

int
mftd_remote_sync(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_answer *answer)
{
	int r;

	if (!m->has_sync) {
		answer->err = -EOPNOTSUPP;
		return 0;
	}
	r = mftd_remote_begin_path(m, FXP_EXTENDED, "fsync@openssh.com");
	if (r == 0)
		r = mftd_buf_put_string(m->packet, f->handle, f->len);
	return r == 0 ? mftd_remote_submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_set_mtime(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint32_t mtime, struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_file(m, FXP_FSETSTAT, f);

	if (r == 0)
		r = mftd_buf_put_u32(m->packet, ATTR_TIMES);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, mtime);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, mtime);
	return r == 0 ? mftd_remote_submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_set_mode(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint32_t mode, struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_file(m, FXP_FSETSTAT, f);

	if (r == 0)
		r = mftd_buf_put_u32(m->packet, ATTR_PERMISSIONS);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, mode);
	return r == 0 ? mftd_remote_submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_close(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_file(m, FXP_CLOSE, f);

	return r == 0 ? mftd_remote_submit(m, FXP_STATUS, NULL, answer) : r;
}
