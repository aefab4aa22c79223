/* Part of mftd; see LICENSE. */
#include "mftd/base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/limits.h"

void
mftd_fd_close(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

static int
by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void
mftd_fd_keep_only(int *keep, int n)
{
	unsigned from = STDERR_FILENO + 1;
	int i;

	qsort(keep, (size_t)n, sizeof(*keep), by_number);
	for (i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0U, 0);
}

ssize_t
mftd_fd_pread_full(int fd, void *data, size_t len, int64_t off)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pread(
		    fd, (char *)data + done, len - done, off + (int64_t)done);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int
mftd_fd_pwrite_full(int fd, const void *data, size_t len, int64_t off)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = pwrite(fd, (const char *)data + done, len - done,
		    off + (int64_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

int
mftd_fd_write_full(int fd, const void *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = write(fd, (const char *)data + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

int
mftd_file_read(int dir, const char *path, size_t max, char **data, size_t *len)
{
	struct stat st;
	char *mem = NULL;
	ssize_t n;
	int fd, r = 0;

	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = -errno;
		goto out;
	}
	if ((uint64_t)st.st_size > max) {
		r = -EFBIG;
		goto out;
	}
	mem = malloc((size_t)st.st_size + 1);
	if (mem == NULL) {
		r = -ENOMEM;
		goto out;
	}
	n = mftd_fd_pread_full(fd, mem, (size_t)st.st_size, 0);
	if (n < 0) {
		r = (int)n;
		goto out;
	}
	mem[n] = '\0';
	*data = mem;
	*len = (size_t)n;
	mem = NULL;
out:
	free(mem);
	mftd_fd_close(&fd);
	return r;
}

/* After a sync: an XFS that shuts down meanwhile, or has, lets it succeed
 * though it has dropped what was to become durable; what it does refuse is a
 * stat. */
static int
look_again(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : 0;
}

int
mftd_sync_data(int fd)
{
	return fdatasync(fd) < 0 ? -errno : look_again(fd);
}

int
mftd_sync_start(int fd, int64_t off, int64_t len)
{
	if (sync_file_range(fd, off, len, SYNC_FILE_RANGE_WRITE) == 0)
		return 0;
	return errno == ENOSYS || errno == EINVAL || errno == ESPIPE ? 0
								     : -errno;
}

int
mftd_sync_all(int fd)
{
	return fsync(fd) < 0 ? -errno : look_again(fd);
}

int
mftd_sync_dir(int dir, const char *path)
{
	int fd, r;

	fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	r = mftd_sync_all(fd);
	close(fd);
	return r;
}

int
mftd_sync_parent(int dir, const char *path)
{
	char parent[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	size_t len;

	if (slash != NULL) {
		len = slash == path ? 1 : (size_t)(slash - path);
		if (len >= sizeof(parent))
			return -ENAMETOOLONG;
		memcpy(parent, path, len);
		parent[len] = '\0';
	}
	return mftd_sync_dir(dir, parent);
}

/* Makes the file tmp with data, which is durable then; its name is not.  On
 * failure it is gone again. */
static int
write_new(int dir, const char *tmp, int flags, const void *data, size_t len,
    mode_t mode)
{
	int fd, r;

	fd = openat(dir, tmp,
	    O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | flags, mode);
	if (fd < 0)
		return -errno;
	r = mftd_fd_write_full(fd, data, len);
	if (r == 0 && mftd_sync_all(fd) < 0)
		r = -MFTD_E_SYNC;
	mftd_fd_close(&fd);
	if (r < 0)
		unlinkat(dir, tmp, 0);
	return r;
}

int
mftd_file_replace(
    int dir, const char *path, const void *data, size_t len, mode_t mode)
{
	char tmp[PATH_MAX];
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	r = write_new(dir, tmp, O_TRUNC, data, len, mode);
	if (r < 0)
		return r;
	r = mftd_rename(dir, tmp, dir, path);
	if (r < 0) {
		unlinkat(dir, tmp, 0);
		return r;
	}
	return mftd_sync_parent(dir, path) < 0 ? -MFTD_E_SYNC : 0;
}

int
mftd_file_create(
    int dir, const char *path, const void *data, size_t len, mode_t mode)
{
	char tmp[PATH_MAX], id[MFTD_ID_BYTES];
	int r;

	r = mftd_id_random(NULL, id, sizeof(id));
	if (r == 0 &&
	    snprintf(tmp, sizeof(tmp), "%s.%s", path, id) >= (int)sizeof(tmp))
		r = -ENAMETOOLONG;
	if (r == 0)
		r = write_new(dir, tmp, O_EXCL, data, len, mode);
	if (r < 0)
		return r;
	if (linkat(dir, tmp, dir, path, 0) < 0)
		r = -errno;
	unlinkat(dir, tmp, 0);
	if (r < 0 && r != -EEXIST)
		return r;
	return mftd_sync_parent(dir, path) < 0 ? -MFTD_E_SYNC : r;
}

int
mftd_rename(int fromdir, const char *from, int todir, const char *to)
{
	return renameat(fromdir, from, todir, to) < 0 ? -errno : 0;
}

int
mftd_rename_noreplace(int fromdir, const char *from, int todir, const char *to)
{
	if (renameat2(fromdir, from, todir, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (linkat(fromdir, from, todir, to, 0) < 0)
		return -errno;
	return unlinkat(fromdir, from, 0) < 0 ? -errno : 0;
}

int
mftd_mkdir_all(int dir, const char *path, mode_t mode)
{
	char part[PATH_MAX];
	size_t len = strlen(path), i;
	int r;

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	for (i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdirat(dir, part, mode) == 0)
			r = mftd_sync_parent(dir, part);
		else
			r = errno == EEXIST ? 0 : -errno;
		if (r < 0)
			return r;
	}
	return 0;
}
