/* Part of mftd; see LICENSE. */
#include "mftd/sftp/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "mftd/base/fdio.h"
#include "mftd/base/path.h"
#include "mftd/sftp/state.h"

bool
mftd_sftp_vfs_links(int root_fd)
{
	struct stat st;

	return fstatat(root_fd, ".mft", &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT;
}

bool
mftd_sftp_vfs_hidden(const char *path)
{
	return mftd_sftp_path_within(path, ".mft");
}

int
mftd_sftp_vfs_open(struct mftd_sftp *s, const char *path, uint64_t flags)
{
	if (s->links)
		return mftd_path_open(s->env.root_fd, path, flags, 0);
	return mftd_path_open_nolinks(s->env.root_fd, path, flags, 0);
}

int
mftd_sftp_vfs_parent(
    struct mftd_sftp *s, const char *path, bool links, const char **base)
{
	char dir[MFTD_PATH_BYTES];
	int r = mftd_path_split(path, dir, sizeof(dir), base);

	if (r < 0)
		return r;
	if (links)
		return mftd_sftp_vfs_open(s, dir, O_PATH | O_DIRECTORY);
	return mftd_path_open_nolinks(
	    s->env.root_fd, dir, O_PATH | O_DIRECTORY, 0);
}

int
mftd_sftp_vfs_stat(
    struct mftd_sftp *s, const char *path, bool follow, struct stat *st)
{
	uint64_t flags = O_PATH | (follow ? 0 : O_NOFOLLOW);
	int fd, r;

	/* O_NOFOLLOW|O_PATH gives the link itself, but RESOLVE_NO_SYMLINKS
	 * would refuse it: look from its directory */
	if (!follow && strcmp(path, ".") != 0) {
		const char *base;

		fd = mftd_sftp_vfs_parent(s, path, true, &base);
		if (fd < 0)
			return fd;
		r = fstatat(fd, base, st, AT_SYMLINK_NOFOLLOW);
	} else {
		fd = mftd_sftp_vfs_open(s, path, flags);
		if (fd < 0)
			return fd;
		r = fstat(fd, st);
	}
	r = r < 0 ? -errno : 0;
	mftd_fd_close(&fd);
	return r;
}
