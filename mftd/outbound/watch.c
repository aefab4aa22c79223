/* Part of mftd; see LICENSE. */
#include "mftd/outbound/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/limits.h"
#include "mftd/base/path.h"

/* Those that linux/magic.h does not have. */
#define MAGIC_XFS 0x58465342
#define MAGIC_JFS 0x3153464a
#define MAGIC_ZFS 0x2fc12fc1
#define MAGIC_BCACHEFS 0xca451a4e

#define EVENTS_BYTES 65536
#define PARENTS_MAX 16 /* of a folder, from the root on */
/* A directory is not where it was. */
#define GOES (IN_DELETE_SELF | IN_MOVE_SELF)

/* On a shared or remote one others write unseen, and a call may hang. */
static const uint32_t local[] = { EXT4_SUPER_MAGIC, MAGIC_XFS,
	BTRFS_SUPER_MAGIC, F2FS_SUPER_MAGIC, TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC,
	MAGIC_ZFS, MAGIC_JFS, MAGIC_BCACHEFS };

int
mftd_watch_open(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	return fd >= 0 ? fd : -errno;
}

bool
mftd_watch_is_local(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(local) / sizeof(local[0]); i++)
		if (local[i] == type)
			return true;
	return false;
}

static int
add(int watch, int folder, uint32_t mask)
{
	char path[64];
	int number;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", folder);
	number = inotify_add_watch(watch, path, mask | GOES | IN_ONESHOT);
	return number >= 0 ? number : -errno;
}

int
mftd_watch_add(int watch, int folder)
{
	struct statfs fs;

	if (fstatfs(folder, &fs) < 0)
		return -errno;
	if (!mftd_watch_is_local((uint32_t)fs.f_type))
		return -ENOTSUP;
	/* not IN_MODIFY: what grows is looked at until it is stable */
	return add(watch, folder, IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO);
}

/* IN_MASK_ADD: one may be the folder of another route. */
void
mftd_watch_add_parents(int watch, int root, const char *path)
{
	const char *slash = strchr(path, '/');
	char parent[MFTD_PATH_BYTES];
	int dir, i;

	for (i = 0; slash != NULL && i < PARENTS_MAX; i++) {
		snprintf(
		    parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		dir = mftd_path_open_nolinks(
		    root, parent, O_RDONLY | O_DIRECTORY, 0);
		if (dir < 0)
			return;
		add(watch, dir, IN_MASK_ADD);
		mftd_fd_close(&dir);
		slash = strchr(slash + 1, '/');
	}
}

void
mftd_watch_parse(const void *data, size_t len,
    void (*fn)(void *data, int number), void *fn_data)
{
	const char *at = data;
	struct inotify_event e;

	while (len >= sizeof(e)) {
		memcpy(&e, at, sizeof(e));
		if (len - sizeof(e) < e.len)
			break;
		at += sizeof(e) + e.len;
		len -= sizeof(e) + e.len;
		if ((e.mask & IN_Q_OVERFLOW) != 0)
			fn(fn_data, -1);
		else if (e.mask != IN_IGNORED) /* behind each event */
			fn(fn_data, e.wd);
		if ((e.mask & GOES) != 0)
			fn(fn_data, -1);
	}
}

int
mftd_watch_read(int watch, void (*fn)(void *data, int number), void *data)
{
	char events[EVENTS_BYTES];
	ssize_t n;

	while ((n = read(watch, events, sizeof(events))) > 0)
		mftd_watch_parse(events, (size_t)n, fn, data);
	return n == 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}
