/* Part of mftd; see LICENSE. */
#include "mftd/journal/parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/journal/dormant.h"
#include "mftd/journal/layout.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

bool
mftd_parts_all(void *data, int dir, const char *part)
{
	(void)data;
	(void)dir;
	(void)part;
	return true;
}

bool
mftd_parts_made_by(void *data, int dir, const char *part)
{
	uint64_t bytes;

	(void)dir;
	return mftd_id_of(part, data) && !mftd_layout_is_dormant(part, &bytes);
}

int
mftd_parts_set_aside(struct mftd_work *w, int dir, const char *part,
    const char *receipt, const char *reason)
{
	uint64_t bytes;
	int r;

	if (!mftd_id_valid(part))
		return -EINVAL;
	r = mftd_work_room(w, w->reserve + MFTD_OUTCOME_BYTES);
	if (r < 0)
		return r;
	r = mftd_rename(dir, part, w->vol->aside, part);
	if (r < 0)
		return r;
	mftd_work_touch(w, dir);
	mftd_work_touch(w, w->vol->aside);
	mftd_work_outcome(w, MFTD_RECORD_ABANDONED, receipt, part, reason);
	/* a dormant one is in no RECEIPT: nobody asks for its proof */
	if (w->doom_all || mftd_id_of(part, w->incarnation) ||
	    mftd_layout_is_dormant(part, &bytes))
		mftd_work_doom(w, part);
	return 0;
}

int
mftd_parts_end(struct mftd_work *w, int dir, const char *part,
    const char *reason, const struct mftd_marks *marks)
{
	int r = 0;

	if (marks != NULL)
		r = mftd_dormant_lay(
		    w, dir, part, mftd_marks_find(marks, part));
	if (r == 0) {
		r = mftd_parts_set_aside(w, dir, part, "", reason);
		return r < 0 ? r : 1;
	}
	return r;
}

/* A way through the directories of parts. */
struct walk {
	struct mftd_work *w;
	const char *key; /* of the level below, or NULL */
	mftd_part_match match;
	void *data;
	const char *reason;
	const struct mftd_marks *marks; /* or NULL */
};

typedef int (*entry_fn)(struct walk *k, int dir, const char *name);

/* Calls fn for each entry of the directory; the sum of its results, or its
 * first error. */
static int
each(struct walk *k, int fd, entry_fn fn)
{
	struct dirent *e;
	int n = 0, r = 0, copy;
	DIR *d;

	copy = openat(fd, ".", DIR_FLAGS);
	d = copy >= 0 ? fdopendir(copy) : NULL;
	if (d == NULL) {
		r = -errno;
		mftd_fd_close(&copy);
		return r;
	}
	while (r >= 0 && (errno = 0, e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		r = fn(k, fd, e->d_name);
		n += r > 0 ? r : 0;
	}
	if (r >= 0 && errno != 0)
		r = -errno;
	closedir(d);
	return r < 0 ? r : n;
}

/* Calls each for the directory name in dir, and takes it away when it is empty
 * then. */
static int
descend(struct walk *k, int dir, const char *name, entry_fn fn)
{
	int fd, r;

	fd = openat(dir, name, DIR_FLAGS);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	r = each(k, fd, fn);
	close(fd);
	if (r >= 0)
		unlinkat(dir, name, AT_REMOVEDIR);
	return r;
}

static int
on_part(struct walk *k, int dir, const char *name)
{
	int r;

	if (!mftd_id_valid(name) || !k->match(k->data, dir, name))
		return 0;
	r = mftd_parts_end(k->w, dir, name, k->reason, k->marks);
	return r == -ENOENT ? 0 : r;
}

static int
on_base(struct walk *k, int dir, const char *name)
{
	return descend(k, dir, name, on_part);
}

static int
on_key(struct walk *k, int dir, const char *name)
{
	return descend(k, dir, name, on_base);
}

static int
on_account(struct walk *k, int dir, const char *name)
{
	int fd, r;

	fd = openat(dir, name, DIR_FLAGS);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	r = k->key != NULL ? on_key(k, fd, k->key) : each(k, fd, on_key);
	close(fd);
	return r;
}

int
mftd_parts_of_name(struct mftd_work *w, int parts_fd, const char *key,
    const char *base, mftd_part_match match, void *data, const char *reason)
{
	struct walk k = { w, NULL, match, data, reason, NULL };
	int fd, r;

	fd = mftd_layout_parts_open(parts_fd, key, base);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = each(&k, fd, on_part);
	close(fd);
	return r;
}

int
mftd_parts_of_key(struct mftd_work *w, int parts_fd, const char *key,
    mftd_part_match match, void *data, const char *reason)
{
	struct walk k = { w, NULL, match, data, reason, NULL };

	return on_key(&k, parts_fd, key);
}

int
mftd_parts_of_account(struct mftd_work *w, int parts_fd, mftd_part_match match,
    void *data, const char *reason, const struct mftd_marks *marks)
{
	struct walk k = { w, NULL, match, data, reason, marks };

	return each(&k, parts_fd, on_key);
}

int
mftd_parts_of_volume(struct mftd_work *w, const char *key,
    mftd_part_match match, void *data, const char *reason,
    const struct mftd_marks *marks)
{
	struct walk k = { w, key, match, data, reason, marks };

	return each(&k, w->vol->parts, on_account);
}

static int
on_aside(struct walk *k, int dir, const char *name)
{
	uint64_t bytes;
	int r;

	/* a dormant one's maker is gone long since, and who set it aside may
	 * be too; it proves nothing, so anybody takes it away */
	if (!mftd_id_valid(name) ||
	    (!k->match(k->data, dir, name) &&
		!mftd_layout_is_dormant(name, &bytes)))
		return 0;
	r = mftd_work_room(k->w, k->w->reserve + MFTD_OUTCOME_BYTES);
	if (r < 0)
		return r;
	mftd_work_outcome(
	    k->w, MFTD_RECORD_ABANDONED, "", name, "left in aside");
	mftd_work_doom(k->w, name);
	return 1;
}

int
mftd_parts_drop_aside(struct mftd_work *w, mftd_part_match match, void *data)
{
	struct walk k = { w, NULL, match, data, NULL, NULL };

	return each(&k, w->vol->aside, on_aside);
}

static int
on_any_part(struct walk *k, int dir, const char *name)
{
	(void)k;
	(void)dir;
	return mftd_id_valid(name) ? 1 : 0;
}

static int
on_any_base(struct walk *k, int dir, const char *name)
{
	return descend(k, dir, name, on_any_part);
}

int
mftd_parts_any(int parts_fd, const char *key, const char *base)
{
	struct walk k = { 0 };
	int fd, r;

	if (base == NULL) {
		r = descend(&k, parts_fd, key, on_any_base);
		return r > 0 ? 1 : r;
	}
	fd = mftd_layout_parts_open(parts_fd, key, base);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	r = each(&k, fd, on_any_part);
	close(fd);
	return r > 0 ? 1 : r;
}

int
mftd_parts_find(int parts_fd, const char *base, const char *part)
{
	struct dirent *e;
	struct stat st;
	int copy, fd = -ENOENT;
	DIR *d;

	copy = openat(parts_fd, ".", DIR_FLAGS);
	d = copy >= 0 ? fdopendir(copy) : NULL;
	if (d == NULL) {
		fd = -errno;
		mftd_fd_close(&copy);
		return fd;
	}
	while (fd == -ENOENT && (errno = 0, e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		fd = mftd_layout_parts_open(parts_fd, e->d_name, base);
		if (fd >= 0 &&
		    fstatat(fd, part, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			close(fd);
			fd = errno == ENOENT ? -ENOENT : -errno;
		}
		if (fd == -ENOTDIR)
			fd = -ENOENT;
	}
	if (fd == -ENOENT && errno != 0)
		fd = -errno;
	closedir(d);
	return fd;
}
