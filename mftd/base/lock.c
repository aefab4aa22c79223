/* Part of mftd; see LICENSE. */
#include "mftd/base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/fdio.h"

int
mftd_lock_take(const char *path)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, r;

	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
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

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = fcntl(fd, F_OFD_GETLK, &fl) < 0 ? -errno : fl.l_type != F_UNLCK;
	mftd_fd_close(&fd);
	return r;
}

int
mftd_lock_write(int fd, const char *text)
{
	if (ftruncate(fd, 0) < 0)
		return -errno;
	return mftd_fd_pwrite_full(fd, text, strlen(text), 0);
}
