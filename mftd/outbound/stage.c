/* Part of mftd; see LICENSE. */
#include "mftd/outbound/stage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/path.h"
#include "mftd/journal/layout.h"

#define OUT MFTD_LAYOUT_DIR "/out"
#define STAGED MFTD_LAYOUT_DIR "/staged"
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY)

static int
open_dir(struct mftd_stage *s)
{
	int fd = mftd_path_open_nolinks(s->root, s->path, DIR_FLAGS, 0);

	if (fd >= 0)
		s->dir = fd;
	return fd < 0 && fd != -ENOENT ? fd : 0;
}

int
mftd_stage_open(struct mftd_stage *s, const char *volume, const char *route)
{
	s->out = s->dir = -1;
	snprintf(s->path, sizeof(s->path), "%s/%s", STAGED, route);
	s->root = open(volume, DIR_FLAGS | O_CLOEXEC);
	if (s->root < 0)
		return -errno;
	s->out = mftd_path_open_nolinks(s->root, OUT, DIR_FLAGS, 0);
	return s->out < 0 ? s->out : open_dir(s);
}

void
mftd_stage_close(struct mftd_stage *s)
{
	mftd_fd_close(&s->dir);
	mftd_fd_close(&s->out);
	mftd_fd_close(&s->root);
}

int
mftd_stage_each(struct mftd_stage *s,
    int (*fn)(void *data, const char *receipt), void *data)
{
	struct dirent *e;
	DIR *dir;
	int fd, r = 0;

	if (s->dir < 0)
		return 0;
	fd = openat(s->dir, ".", DIR_FLAGS | O_CLOEXEC);
	dir = fd >= 0 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		r = -errno;
		mftd_fd_close(&fd);
		return r;
	}
	while (r >= 0 && (errno = 0, e = readdir(dir)) != NULL)
		if (mftd_id_valid(e->d_name))
			r = fn(data, e->d_name);
	if (r >= 0)
		r = -errno;
	closedir(dir);
	return r;
}

/* Makes a directory below the volume, durably: also one that is there, since
 * who made it may have been killed before its sync. */
static int
make_one(const struct mftd_stage *s, const char *path)
{
	if (mkdirat(s->root, path, 0700) < 0 && errno != EEXIST)
		return -errno;
	return mftd_sync_parent(s->root, path);
}

int
mftd_stage_dir(struct mftd_stage *s)
{
	int r;

	if (s->dir >= 0)
		return 0;
	r = make_one(s, STAGED);
	if (r == 0)
		r = make_one(s, s->path);
	if (r == 0)
		r = open_dir(s);
	return r == 0 && s->dir < 0 ? -ENOENT : r;
}

int
mftd_stage_make(struct mftd_stage *s, const char *receipt)
{
	int fd, r = mftd_stage_dir(s);

	if (r < 0)
		return r;
	fd = mftd_path_open_nolinks(
	    s->dir, receipt, O_RDWR | O_CREAT | O_EXCL, 0640);
	if (fd < 0)
		return fd;
	/* else a power cut could leave it in out alone, where nobody looks */
	r = mftd_sync_all(s->dir);
	if (r < 0)
		mftd_fd_close(&fd);
	return r < 0 ? r : fd;
}

int
mftd_stage_ready(const struct mftd_stage *s, const char *receipt, int fd)
{
	int r = mftd_sync_all(fd);

	if (r == 0 && linkat(s->dir, receipt, s->out, receipt, 0) < 0)
		r = -errno;
	return r == 0 ? mftd_sync_all(s->out) : r;
}

int
mftd_stage_keep(const struct mftd_stage *s, const char *receipt)
{
	return unlinkat(s->dir, receipt, 0) < 0 && errno != ENOENT ? -errno : 0;
}

int
mftd_stage_drop(const struct mftd_stage *s, const char *receipt)
{
	int r = 0;

	if (unlinkat(s->out, receipt, 0) < 0 && errno != ENOENT)
		return -errno;
	/* it may not come back when nothing tells of it any more; also when it
	 * is gone already: who removed it may have been killed before this */
	r = mftd_sync_all(s->out);
	return r == 0 ? mftd_stage_keep(s, receipt) : r;
}
