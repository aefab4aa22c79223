/* Part of mftd; see LICENSE. */
#include "mftd/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/fdio.h"

/* Whoever may read a file may lock it for reading, and so keep us out: an older
 * version's file is closed to others as well. */
static int
open_own(const char *path, int flags)
{
	struct stat st;
	int fd, r;

	fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 &&
	    ((st.st_mode & 077) == 0 || fchmod(fd, 0600) == 0))
		return fd;
	r = -errno;
	mftd_fd_close(&fd);
	return r;
}

int
mftd_lock_take(const char *path)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, r;

	fd = open_own(path, O_RDWR | O_CREAT);
	if (fd < 0)
		return fd;
	if (fcntl(fd, F_OFD_SETLK, &fl) == 0)
		return fd;
	r = errno == EACCES ? -EAGAIN : -errno;
	mftd_fd_close(&fd);
	return r;
}

int
mftd_lock_held(const char *path)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, r;

	fd = open_own(path, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = fcntl(fd, F_OFD_GETLK, &fl) < 0 ? -errno : fl.l_type != F_UNLCK;
	mftd_fd_close(&fd);
	return r;
}

int
mftd_lock_write(int fd, const char *text)
{
	size_t len = strlen(text);
	int r = mftd_fd_pwrite_full(fd, text, len, 0);

	if (r < 0)
		return r;
	return ftruncate(fd, (off_t)len) < 0 ? -errno : 0;
}
