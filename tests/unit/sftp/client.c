/* Part of mftd; see LICENSE. */
/* The client's side: requests, what they answer, and what lies on disk. */
#include "tests/unit/sftp/peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"
#include "mftd/sftp/proto.h"

struct mftd_buf *
req_path(struct peer *r, uint8_t type, const char *path)
{
	struct mftd_buf *b = peer_new(r, type, NULL);

	mftd_buf_put_cstring(b, path);
	if (type == SSH_FXP_MKDIR)
		mftd_buf_put_u32(b, 0);
	return b;
}

struct mftd_buf *
req_handle(struct peer *r, uint8_t type, uint64_t h)
{
	struct mftd_buf *b = peer_new(r, type, NULL);

	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, h);
	return b;
}

struct mftd_buf *
req_open(struct peer *r, const char *path, uint32_t flags, int mode)
{
	struct mftd_buf *b = req_path(r, SSH_FXP_OPEN, path);

	mftd_buf_put_u32(b, flags);
	mftd_buf_put_u32(b, mode >= 0 ? SSH_FILEXFER_ATTR_PERMISSIONS : 0);
	if (mode >= 0)
		mftd_buf_put_u32(b, (uint32_t)mode);
	return b;
}

struct mftd_buf *
req_read(struct peer *r, uint64_t h, uint64_t off, uint32_t len)
{
	struct mftd_buf *b = req_handle(r, SSH_FXP_READ, h);

	mftd_buf_put_u64(b, off);
	mftd_buf_put_u32(b, len);
	return b;
}

struct mftd_buf *
req_write(
    struct peer *r, uint64_t h, uint64_t off, const void *data, size_t len)
{
	struct mftd_buf *b = req_handle(r, SSH_FXP_WRITE, h);

	mftd_buf_put_u64(b, off);
	mftd_buf_put_string(b, data, len);
	return b;
}

struct mftd_buf *
req_rename(struct peer *r, const char *from, const char *to, bool posix)
{
	struct mftd_buf *b =
	    peer_new(r, posix ? SSH_FXP_EXTENDED : SSH_FXP_RENAME, NULL);

	if (posix)
		mftd_buf_put_cstring(b, "posix-rename@openssh.com");
	mftd_buf_put_cstring(b, from);
	mftd_buf_put_cstring(b, to);
	return b;
}

struct mftd_buf *
req_setsize(struct peer *r, uint64_t h, uint64_t size)
{
	struct mftd_buf *b = req_handle(r, SSH_FXP_FSETSTAT, h);

	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_SIZE);
	mftd_buf_put_u64(b, size);
	return b;
}

static uint64_t
handle_of(struct answer *a, uint32_t *status)
{
	uint64_t h = 0;
	uint32_t len;

	if (status != NULL)
		*status = a->status;
	if (a->type == SSH_FXP_HANDLE) {
		assert_int_equal(mftd_buf_get_u32(a->body, &len), 0);
		assert_int_equal(len, 8);
		assert_int_equal(mftd_buf_get_u64(a->body, &h), 0);
	} else {
		assert_int_equal(a->type, SSH_FXP_STATUS);
	}
	mftd_buf_free(a->body);
	return h;
}

uint64_t
do_open(struct peer *r, const char *path, uint32_t flags, uint32_t *status)
{
	struct answer a = peer_ask(r, req_open(r, path, flags, -1));

	return handle_of(&a, status);
}

uint64_t
do_opendir(struct peer *r, const char *path)
{
	struct answer a = peer_ask(r, req_path(r, SSH_FXP_OPENDIR, path));

	return handle_of(&a, NULL);
}

uint32_t
do_write(struct peer *r, uint64_t h, uint64_t off, const char *text)
{
	return peer_status(r, req_write(r, h, off, text, strlen(text)));
}

uint32_t
do_close(struct peer *r, uint64_t h)
{
	return peer_status(r, req_handle(r, SSH_FXP_CLOSE, h));
}

int64_t
do_stat(struct peer *r, uint8_t type, const char *path, uint64_t h)
{
	struct answer a;
	uint32_t flags;
	uint64_t size;

	a = peer_ask(r,
	    type == SSH_FXP_FSTAT ? req_handle(r, type, h)
				  : req_path(r, type, path));
	if (a.type == SSH_FXP_STATUS) {
		mftd_buf_free(a.body);
		return -(int64_t)a.status;
	}
	assert_int_equal(a.type, SSH_FXP_ATTRS);
	assert_int_equal(mftd_buf_get_u32(a.body, &flags), 0);
	assert_int_equal(flags, 15);
	assert_int_equal(mftd_buf_get_u64(a.body, &size), 0);
	mftd_buf_free(a.body);
	return (int64_t)size;
}

uint32_t
do_read(struct peer *r, uint64_t h, uint64_t off, uint32_t len, char *text,
    size_t size)
{
	struct answer a = peer_ask(r, req_read(r, h, off, len));

	if (a.type == SSH_FXP_DATA)
		assert_int_equal(mftd_buf_get_cstring(a.body, text, size), 0);
	mftd_buf_free(a.body);
	return a.status;
}

void
file_make(struct peer *r, const char *path, const char *text)
{
	int fd = openat(r->root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(mftd_fd_write_full(fd, text, strlen(text)), 0);
	close(fd);
}

void
file_is(struct peer *r, const char *path, const char *text)
{
	char *data;
	size_t len;

	assert_int_equal(
	    mftd_file_read(r->root, path, 1 << 20, &data, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(data, text, len);
	free(data);
}

bool
file_exists(struct peer *r, const char *path)
{
	struct stat st;

	return fstatat(r->root, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Files below the directory. */
static unsigned
count_files(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	unsigned n = 0;
	struct dirent *d;

	if (dir == NULL)
		return 1;
	while ((d = readdir(dir)) != NULL)
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			n += count_files(fd, d->d_name);
	closedir(dir);
	return n;
}

unsigned
count_parts(struct peer *r)
{
	return count_files(r->parts, ".");
}
