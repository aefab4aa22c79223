/* Part of mftd; see LICENSE. */
#include "mftd/journal/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/journal/layout.h"

#define ID_FILE MFTD_LAYOUT_DIR "/volume-id"
#define ROOT_MODE 0750
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY)

/* Where a directory is: its mount and its file system. */
static int
locate(int fd, uint64_t *mount, uint64_t *dev)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID,
		&st) < 0)
		return -errno;
	*dev = ((uint64_t)st.stx_dev_major << 32) | st.stx_dev_minor;
	/* kernels before 5.8 do not say: the device has to do */
	*mount = (st.stx_mask & STATX_MNT_ID) != 0 ? st.stx_mnt_id : 0;
	return 0;
}

static int
same_mount(const struct mftd_volume *v, int fd)
{
	uint64_t mount, dev;
	int r = locate(fd, &mount, &dev);

	if (r < 0)
		return r;
	return mount == v->mount && dev == v->dev ? 0 : -EXDEV;
}

/* A sync's result: its failure is told from all else that may go wrong, since
 * it may be neither repeated nor passed over. */
static int
synced(int r, const char *what)
{
	if (r == 0)
		return 0;
	log_error("%s: sync: %s", what, mftd_strerror(r));
	return -MFTD_E_SYNC;
}

/* Makes a directory below parent, durably, if make says so: also one that is
 * there, since who made it may have been killed before its sync. */
static int
make_one(int parent, const char *name, mode_t mode, bool make)
{
	if (!make)
		return 0;
	if (mkdirat(parent, name, mode) < 0 && errno != EEXIST)
		return -errno;
	return synced(mftd_sync_all(parent), name);
}

/* Makes and opens the directories of .mft. */
static int
open_mft(struct mftd_volume *v)
{
	const struct {
		const char *name;
		int *fd;
	} dirs[] = { { "parts", &v->parts }, { "out", &v->out },
		{ "aside", &v->aside }, { "journal", &v->journal },
		{ "usage", &v->usage } };
	int mft, r;
	size_t i;

	r = make_one(v->root, MFTD_LAYOUT_DIR, 0700, true);
	if (r < 0)
		return r;
	mft = mftd_path_open_nolinks(v->root, MFTD_LAYOUT_DIR, DIR_FLAGS, 0);
	if (mft < 0)
		return mft;
	for (i = 0; r >= 0 && i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		r = make_one(mft, dirs[i].name, 0700, true);
		if (r == 0)
			r = *dirs[i].fd = mftd_path_open_nolinks(
			    mft, dirs[i].name, DIR_FLAGS, 0);
		if (r >= 0)
			r = same_mount(v, *dirs[i].fd);
	}
	close(mft);
	return r < 0 ? r : 0;
}

/* A fresh id; the first one that is written stays. */
static int
make_id(struct mftd_volume *v)
{
	char id[MFTD_ID_BYTES];
	int r = mftd_id_random(NULL, id, sizeof(id));

	if (r == 0)
		r = mftd_file_create(v->root, ID_FILE, id, strlen(id), 0640);
	return r == -EEXIST ? 0 : r;
}

static int
read_id(struct mftd_volume *v)
{
	char *text;
	size_t len;
	int r = mftd_file_read(v->root, ID_FILE, MFTD_ID_BYTES, &text, &len);

	if (r < 0)
		return r;
	snprintf(v->id, sizeof(v->id), "%s", text);
	free(text);
	return mftd_id_valid(v->id) ? 0 : -MFTD_E_CORRUPT;
}

int
mftd_volume_open(struct mftd_volume *v, const char *name, const char *path)
{
	int r;

	memset(v, 0, sizeof(*v));
	v->parts = v->out = v->aside = v->journal = v->usage = -1;
	snprintf(v->name, sizeof(v->name), "%s", name);
	v->root = open(path, DIR_FLAGS | O_CLOEXEC);
	if (v->root < 0)
		return -errno;
	r = locate(v->root, &v->mount, &v->dev);
	if (r == 0)
		r = open_mft(v);
	if (r == 0)
		r = read_id(v);
	if (r == -ENOENT) {
		r = make_id(v);
		if (r == 0)
			r = read_id(v);
	}
	if (r < 0)
		mftd_volume_close(v);
	return r;
}

void
mftd_volume_close(struct mftd_volume *v)
{
	mftd_fd_close(&v->root);
	mftd_fd_close(&v->parts);
	mftd_fd_close(&v->out);
	mftd_fd_close(&v->aside);
	mftd_fd_close(&v->journal);
	mftd_fd_close(&v->usage);
}

/* Opens root below the volume, one component after the other, making what is
 * missing. */
static int
open_root(const struct mftd_volume *v, const char *root, bool make)
{
	char part[MFTD_PATH_BYTES];
	size_t len = strlen(root), i, from = 0;
	int fd, next, r = 0;

	fd = mftd_path_open_nolinks(v->root, ".", DIR_FLAGS, 0);
	for (i = 0; fd >= 0 && i <= len; i++) {
		if (root[i] != '/' && root[i] != '\0')
			continue;
		memcpy(part, root + from, i - from);
		part[i - from] = '\0';
		from = i + 1;
		r = strcmp(part, ".") == 0
		    ? 0
		    : make_one(fd, part, ROOT_MODE, make);
		next =
		    r < 0 ? r : mftd_path_open_nolinks(fd, part, DIR_FLAGS, 0);
		close(fd);
		fd = next;
	}
	return fd;
}

int
mftd_volume_dir(
    const struct mftd_volume *v, const char *path, bool make, int *fd)
{
	int r;

	*fd = -1;
	if (mftd_layout_reserved(".", path))
		return -EPERM;
	r = open_root(v, path, make);
	if (r < 0)
		return r;
	*fd = r;
	r = same_mount(v, *fd);
	if (r < 0)
		mftd_fd_close(fd);
	return r;
}

int
mftd_volume_account(const struct mftd_volume *v, const char *account,
    const char *root, bool make, int *root_fd, int *parts_fd)
{
	int r;

	*root_fd = *parts_fd = -1;
	if (!mftd_id_valid(account))
		return -EINVAL;
	r = mftd_volume_dir(v, root, make, root_fd);
	if (r == 0)
		r = make_one(v->parts, account, 0700, make);
	if (r == 0)
		r = *parts_fd =
		    mftd_path_open_nolinks(v->parts, account, DIR_FLAGS, 0);
	if (r < 0) {
		mftd_fd_close(root_fd);
		mftd_fd_close(parts_fd);
		return r;
	}
	return 0;
}
