/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "mftd/base/fdio.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/vfs.h"
#include "mftd/sftp/view.h"

/* Name twice, the second time in a line of ls, and attributes. */
#define LONGNAME_BYTES (NAME_MAX + 256)
#define ENTRY_BYTES (NAME_MAX + LONGNAME_BYTES + 64)

int
mftd_sftp_on_opendir(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	uint8_t name[MFTD_SFTP_HANDLE_BYTES];
	struct mftd_sftp_handle *h;
	DIR *dir;
	int fd, r;

	r = mftd_sftp_req_end(req);
	if (r == 0 && !mftd_sftp_handle_room(&s->handles))
		r = -EMFILE;
	if (r < 0)
		return r;
	fd = mftd_sftp_vfs_open(s, req->path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	dir = fdopendir(fd);
	if (dir == NULL) {
		r = -errno;
		mftd_fd_close(&fd);
		return r;
	}
	r = mftd_sftp_handle_new(&s->handles, MFTD_SFTP_DIR, req->path, &h);
	if (r < 0) {
		closedir(dir);
		return r;
	}
	h->dir = dir;
	r = mftd_sftp_names_new(s, fd, &h->parts);
	if (r < 0) {
		mftd_sftp_handle_free(&s->handles, h);
		return r;
	}
	mftd_sftp_handle_name(h, name);
	mftd_sftp_reply_handle(s, req->id, name, sizeof(name));
	return 0;
}

static bool
is_same(int fd, const struct stat *st)
{
	struct stat other;

	return fstat(fd, &other) == 0 && other.st_ino == st->st_ino &&
	    other.st_dev == st->st_dev;
}

/* Whether the directory is one that an account's paths begin in. */
static bool
is_root(const struct mftd_sftp *s, const struct stat *dir_st)
{
	size_t i;

	for (i = 0; i < s->folders.n; i++)
		if (is_same(s->folders.list[i].fd, dir_st))
			return true;
	return is_same(s->env.root_fd, dir_st);
}

/* What is told of one entry.  -ENOENT: it is not shown, or gone by now. */
static int
entry_stat(struct mftd_sftp *s, const struct mftd_sftp_handle *h,
    const struct stat *dir_st, const char *name, struct stat *st)
{
	struct mftd_sftp_part *p;
	struct mftd_sftp_view v;
	int r, dir = dirfd(h->dir);

	if (mftd_sftp_vfs_folder(s, h->path, name) != NULL)
		return -ENOENT; /* hidden by it */
	if (strcmp(name, MFTD_LAYOUT_DIR) == 0 &&
	    is_same(s->env.root_fd, dir_st))
		return -ENOENT;
	if (strcmp(name, "..") == 0 && is_root(s, dir_st)) {
		*st = *dir_st; /* above it is nothing of theirs */
		return 0;
	}
	p = mftd_sftp_part_find(s, dir_st, name);
	if (p != NULL)
		return mftd_sftp_part_stat(p, st);
	if (mftd_sftp_names_has(h->parts, name)) {
		r = mftd_sftp_view_find(s, dir, name, &v);
		if (r == 1) {
			mftd_fd_close(&v.fd);
			*st = v.st;
		}
		if (r != 0)
			return r < 0 ? r : 0;
	}
	return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int
put_entry(struct mftd_sftp *s, struct mftd_buf *b, const char *name,
    const struct stat *st)
{
	char line[LONGNAME_BYTES];
	size_t len;
	int r;

	len = mftd_sftp_longname(st, s->env.account, name, line, sizeof(line));
	r = mftd_buf_put_cstring(b, name);
	if (r == 0)
		r = mftd_buf_put_string(b, line, len);
	if (r == 0)
		r = mftd_sftp_attrs_put(b, st);
	return r;
}

/* Uploads of this session that were begun since OPENDIR and that nothing
 * published stands behind yet: they come after the directory's own entries. */
static int
put_parts(struct mftd_sftp *s, const struct mftd_sftp_handle *h,
    const struct stat *dir_st, struct mftd_buf *b, uint32_t *count)
{
	struct mftd_sftp_part *p;
	struct stat st;
	int r = 0;

	LIST_FOREACH(p, &s->parts, link)
	{
		if (mftd_sftp_part_find(s, dir_st, p->name) != p ||
		    mftd_sftp_names_has(h->parts, p->name) ||
		    fstatat(dirfd(h->dir), p->name, &st, AT_SYMLINK_NOFOLLOW) ==
			0)
			continue;
		r = mftd_sftp_part_stat(p, &st);
		if (r == 0)
			r = put_entry(s, b, p->name, &st);
		if (r < 0)
			break;
		(*count)++;
	}
	return r;
}

/* Uploads that were there at OPENDIR, of whatever session or dormant, come
 * last: also those that were published meanwhile, when the directory's own
 * entries had been read past their place. */
static int
put_untold(struct mftd_sftp *s, struct mftd_sftp_handle *h,
    const struct stat *dir_st, struct mftd_buf *b, uint32_t *count)
{
	const char *name;
	struct stat st;
	int r = 0;

	while (r == 0 && mftd_buf_len(b) < MFTD_SFTP_NAMES_BYTES) {
		name = mftd_sftp_names_next(h->parts);
		h->parts_end = name == NULL;
		if (h->parts_end)
			break;
		if (entry_stat(s, h, dir_st, name, &st) < 0)
			continue;
		r = put_entry(s, b, name, &st);
		(*count)++;
	}
	return r;
}

/* The root's folders stand with its entries. */
static int
put_folders(struct mftd_sftp *s, const struct mftd_sftp_handle *h,
    struct mftd_buf *b, uint32_t *count)
{
	const struct mftd_folder *f = s->folders.list;
	const struct mftd_folder *end = f + s->folders.n;
	struct stat st;
	int r = 0;

	for (; r == 0 && strcmp(h->path, ".") == 0 && f < end; f++) {
		r = fstat(f->fd, &st) < 0 ? -errno
					  : put_entry(s, b, f->name, &st);
		(*count)++;
	}
	return r;
}

/* Fills b with the next names.  Sets h->parts_end behind the last one. */
static int
put_names(struct mftd_sftp *s, struct mftd_sftp_handle *h, struct mftd_buf *b,
    uint32_t *count)
{
	int r = 0, dir = dirfd(h->dir);
	struct stat dir_st, st;
	struct dirent *d;

	if (fstat(dir, &dir_st) < 0)
		return -errno;
	while (!h->dir_end && mftd_buf_len(b) < MFTD_SFTP_NAMES_BYTES) {
		errno = 0;
		d = readdir(h->dir);
		if (d == NULL && errno != 0)
			return -errno;
		if (d == NULL) {
			h->dir_end = true;
			r = put_folders(s, h, b, count);
			if (r == 0)
				r = put_parts(s, h, &dir_st, b, count);
			break;
		}
		if (entry_stat(s, h, &dir_st, d->d_name, &st) < 0)
			continue;
		r = put_entry(s, b, d->d_name, &st);
		if (r < 0)
			return r;
		mftd_sftp_names_tell(h->parts, d->d_name);
		(*count)++;
	}
	if (r == 0 && h->dir_end)
		r = put_untold(s, h, &dir_st, b, count);
	return r;
}

int
mftd_sftp_on_readdir(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	/* behind the last name come at most as many parts as handles */
	const size_t max = MFTD_SFTP_NAMES_BYTES +
	    (MFTD_SFTP_HANDLES_MAX + MFTD_FOLDERS_MAX + 1) * ENTRY_BYTES;
	struct mftd_buf *names = NULL, *body = NULL;
	uint32_t count = 0;
	int r;

	r = mftd_sftp_req_end(req);
	if (r == 0 && req->handle->kind != MFTD_SFTP_DIR)
		r = -EBADF;
	if (r < 0)
		return r;
	if (req->handle->parts_end) {
		mftd_sftp_reply_status(
		    s, req->id, SSH_FX_EOF, "End of directory");
		return 0;
	}
	names = mftd_buf_new(max);
	body = mftd_buf_new(max + sizeof(count));
	if (names == NULL || body == NULL) {
		r = -ENOMEM;
		goto out;
	}
	r = put_names(s, req->handle, names, &count);
	if (r == 0)
		r = mftd_buf_put_u32(body, count);
	if (r == 0)
		r = mftd_buf_put(
		    body, mftd_buf_data(names), mftd_buf_len(names));
	if (r == 0 && count == 0)
		mftd_sftp_reply_status(
		    s, req->id, SSH_FX_EOF, "End of directory");
	else if (r == 0)
		mftd_sftp_reply_body(s, SSH_FXP_NAME, req->id, body);
out:
	mftd_buf_free(names);
	mftd_buf_free(body);
	return r;
}
