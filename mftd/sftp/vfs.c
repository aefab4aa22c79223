/* Part of mftd; see LICENSE. */
#include "mftd/sftp/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "mftd/base/fdio.h"
#include "mftd/base/path.h"
#include "mftd/sftp/state.h"

static bool
may_follow(int root_fd)
{
	struct stat st;

	return fstatat(root_fd, ".mft", &st, AT_SYMLINK_NOFOLLOW) < 0 &&
	    errno == ENOENT;
}

int
mftd_sftp_vfs_init(struct mftd_sftp *s)
{
	int r;
	size_t i;

	s->links = may_follow(s->env.root_fd);
	r = mftd_folders_init(&s->folders, s->env.policy, s->env.folder_fds);
	for (i = 0; i < s->folders.n; i++)
		s->folders.list[i].links = may_follow(s->folders.list[i].fd);
	return r;
}

int
mftd_sftp_vfs_may_change(const struct mftd_sftp *s, const char *path)
{
	const struct mftd_folder *f;
	const char *rest;

	f = mftd_folders_find(&s->folders, path, &rest);
	if (s->env.policy->read_only || (f != NULL && f->read_only))
		return -EROFS;
	return strcmp(rest, ".") == 0 ? -EACCES : 0;
}

const struct mftd_folder *
mftd_sftp_vfs_folder(
    const struct mftd_sftp *s, const char *dir, const char *name)
{
	const char *rest;

	if (strcmp(dir, ".") != 0)
		return NULL;
	return mftd_folders_find(&s->folders, name, &rest);
}

bool
mftd_sftp_vfs_hidden(const char *path)
{
	return mftd_sftp_path_within(path, ".mft");
}

/* links: whether to follow them, where that may be. */
static int
open_in(const struct mftd_sftp *s, const char *path, uint64_t flags, bool links)
{
	const struct mftd_folder *f;
	const char *rest;
	int root;

	f = mftd_folders_find(&s->folders, path, &rest);
	root = f != NULL ? f->fd : s->env.root_fd;
	if (links && (f != NULL ? f->links : s->links))
		return mftd_path_open(root, rest, flags, 0);
	return mftd_path_open_nolinks(root, rest, flags, 0);
}

int
mftd_sftp_vfs_open(struct mftd_sftp *s, const char *path, uint64_t flags)
{
	return open_in(s, path, flags, true);
}

int
mftd_sftp_vfs_parent(
    struct mftd_sftp *s, const char *path, bool links, const char **base)
{
	char dir[MFTD_PATH_BYTES];
	int r = mftd_path_split(path, dir, sizeof(dir), base);

	/* a folder is a root: the entry that its name hides is nobody's */
	if (r == 0 && mftd_sftp_vfs_folder(s, dir, *base) != NULL)
		r = -EISDIR;
	if (r < 0)
		return r;
	return open_in(s, dir, O_PATH | O_DIRECTORY, links);
}

int
mftd_sftp_vfs_stat(
    struct mftd_sftp *s, const char *path, bool follow, struct stat *st)
{
	uint64_t flags = O_PATH | (follow ? 0 : O_NOFOLLOW);
	const char *base;
	int fd, r;

	/* O_NOFOLLOW|O_PATH gives the link itself, but RESOLVE_NO_SYMLINKS
	 * would refuse it: look from its directory */
	mftd_folders_find(&s->folders, path, &base);
	if (!follow && strcmp(base, ".") != 0) {
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
