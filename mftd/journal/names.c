/* Part of mftd; see LICENSE. */
#include "mftd/journal/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/path.h"
#include "mftd/journal/account.h"
#include "mftd/journal/dormant.h"
#include "mftd/journal/parts.h"
#include "mftd/journal/quota.h"

/*
 * Where the record stands, and why.  RENAME: recorded before it is done, since
 * its record is what makes a file match under its new name: a rename that was
 * done but is in no record would leave a delivery undone for ever, while one
 * recorded but not done sends what its client asked for, once.  If it fails,
 * a second record takes it back.  The others: done first; a REMOVE that is in
 * the record but was not done would cancel a delivery of a file that is there.
 * Records of both are durable before the answer.
 */

void
mftd_change_record(struct mftd_work *w, struct mftd_change *c, uint32_t type,
    const char *path, const char *to)
{
	struct mftd_rec_name rec = { .inode = c->inode };

	memcpy(rec.session, c->owner->session, sizeof(rec.session));
	memcpy(rec.account, c->owner->account, sizeof(rec.account));
	memcpy(rec.volume, w->vol->name, sizeof(rec.volume));
	snprintf(rec.path, sizeof(rec.path), "%s", path);
	snprintf(rec.to, sizeof(rec.to), "%s", to);
	mftd_work_name(w, type, &rec);
	c->must_commit = true;
}

/*
 * Of a file with hard links the names mean nothing to its delivery any more:
 * removing or renaming one of them leaves it what it was uploaded as.  One link
 * more than names may be that in .mft/out.
 */
static void
ignore_if_linked(struct mftd_change *c)
{
	struct stat st;

	if (fstatat(c->from.dir, c->from.base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) && st.st_nlink > 2)
		c->inode = 0;
}

static bool
is_one_file(const struct mftd_place *a, const struct mftd_place *b)
{
	uint64_t ia, ib;
	mode_t mode;

	return mftd_place_stat(a, &ia, &mode) == 0 &&
	    mftd_place_stat(b, &ib, &mode) == 0 && ia == ib;
}

/* By how much a rename makes what counts grow.  Of a directory it is not known:
 * one that would come in is refused, one that goes out is counted later. */
static int
rename_growth(struct mftd_change *c, struct mftd_tally *by)
{
	bool in = mftd_quota_counts(c->owner, &c->to);
	bool out = mftd_quota_counts(c->owner, &c->from);
	struct mftd_place as = c->from;
	struct mftd_tally moved, old;
	uint64_t inode;
	mode_t mode = 0;

	memset(by, 0, sizeof(*by));
	if (!mftd_quota_of(c->owner))
		return 0;
	mftd_place_stat(&c->from, &inode, &mode);
	if (S_ISDIR(mode) && in && !out)
		return -EPERM;
	c->untold = S_ISDIR(mode) && out && !in;
	if (is_one_file(&c->from, &c->to))
		return 0; /* two names of one file: nothing happens */
	as.folder = in ? c->to.folder : c->from.folder;
	moved = mftd_quota_at(c->owner, &as);
	old = mftd_quota_at(c->owner, &c->to);
	by->bytes =
	    (in ? moved.bytes : 0) - (out ? moved.bytes : 0) - old.bytes;
	by->files =
	    (in ? moved.files : 0) - (out ? moved.files : 0) - old.files;
	return 0;
}

/* An upload that is not the session's own cannot be renamed, and what it lies
 * over is not to be seen: it is the name. */
static int
check_unfinished(const struct mftd_change *c)
{
	struct mftd_dormant_look k;
	int r,
	    dir = mftd_layout_parts_open(
		c->owner->parts_fd, c->from.key, c->from.base);

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	r = mftd_dormant_look(dir, c->msg.rename.part, &k);
	close(dir);
	if (r == 0 && (k.name[0] != '\0' || k.live[0] != '\0'))
		r = -MFTD_E_INCOMPLETE;
	return r;
}

int
mftd_rename_prepare(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_rename *m = &c->msg.rename;
	struct mftd_tally by;
	uint64_t inode;
	mode_t mode;
	int r;

	r = mftd_place_open(w, c->owner, m->from, &c->from);
	if (r == 0)
		r = mftd_place_open(w, c->owner, m->to, &c->to);
	if (r < 0)
		return r;
	r = check_unfinished(c);
	if (r == 0)
		r = mftd_place_stat(&c->from, &c->inode, &mode);
	if (r < 0)
		return r;
	if (!m->overwrite) {
		r = mftd_place_stat(&c->to, &inode, &mode);
		if (r == 0)
			return -EEXIST;
		if (r != -ENOENT)
			return r;
		r = mftd_parts_any(c->owner->parts_fd, c->to.key, c->to.base);
		if (r != 0)
			return r > 0 ? -EEXIST : r;
	}
	r = rename_growth(c, &by);
	if (r == 0)
		r = mftd_quota_hold(w, c, by);
	if (r < 0)
		return r;
	ignore_if_linked(c);
	mftd_change_record(w, c, MFTD_RECORD_RENAME, m->from, m->to);
	return w->failed;
}

int
mftd_rename_execute(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_rename *m = &c->msg.rename;
	struct mftd_tally by;
	int r;

	r = rename_growth(c, &by);
	/* before it is done: it could not be refused any more */
	if (r == 0 && m->overwrite && strcmp(m->from, m->to) != 0)
		r = mftd_parts_of_name(w, c->owner->parts_fd, c->to.key,
		    c->to.base, mftd_parts_all, NULL, "renamed over");
	if (r < 0)
		goto failed;
	if (m->overwrite)
		r = mftd_rename(
		    c->from.dir, c->from.base, c->to.dir, c->to.base);
	else
		r = mftd_rename_noreplace(
		    c->from.dir, c->from.base, c->to.dir, c->to.base);
	if (r < 0)
		goto failed;
	c->tally = by;
	c->moved = true;
	mftd_work_touch(w, c->from.dir);
	mftd_work_touch(w, c->to.dir);
	return 0;
failed:
	c->untold = false;
	mftd_change_record(w, c, MFTD_RECORD_RENAME, m->to, m->from);
	return r;
}

int
mftd_remove_execute(struct mftd_work *w, struct mftd_change *c)
{
	const char *path = c->msg.remove.path;
	struct mftd_tally old = { 0 };
	mode_t mode;
	int r, parts;

	r = mftd_place_open(w, c->owner, path, &c->from);
	if (r < 0)
		return r;
	r = mftd_place_stat(&c->from, &c->inode, &mode);
	if (r == 0 && S_ISDIR(mode))
		return -EISDIR;
	if (r < 0 && r != -ENOENT)
		return r;
	/* the part first: what is published is not gone if that fails */
	parts = mftd_parts_of_name(w, c->owner->parts_fd, c->from.key,
	    c->from.base, mftd_parts_all, NULL, "removed");
	if (parts != 0)
		c->must_commit = true;
	if (parts < 0)
		return parts;
	if (r == 0) {
		ignore_if_linked(c);
		old = mftd_quota_at(c->owner, &c->from);
	}
	if (r == 0 && unlinkat(c->from.dir, c->from.base, 0) < 0)
		r = -errno;
	if (r == 0) {
		c->tally.bytes = -old.bytes;
		c->tally.files = -old.files;
		mftd_work_touch(w, c->from.dir);
		mftd_change_record(w, c, MFTD_RECORD_REMOVE, path, "");
	}
	return parts > 0 && r == -ENOENT ? 0 : r;
}

int
mftd_rmdir_execute(struct mftd_work *w, struct mftd_change *c)
{
	const char *path = c->msg.remove.path;
	char key[MFTD_PARENT_KEY_BYTES];
	mode_t mode;
	int fd, r;

	r = mftd_place_open(w, c->owner, path, &c->from);
	if (r == 0)
		r = mftd_place_stat(&c->from, &c->inode, &mode);
	if (r < 0)
		return r;
	fd = mftd_path_open_nolinks(
	    c->from.dir, c->from.base, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	r = mftd_layout_parent_key(w->vol->id, fd, key, sizeof(key));
	close(fd);
	if (r == 0)
		r = mftd_parts_any(c->owner->parts_fd, key, NULL);
	if (r != 0)
		return r > 0 ? -ENOTEMPTY : r;
	if (unlinkat(c->from.dir, c->from.base, AT_REMOVEDIR) < 0)
		return -errno;
	mftd_work_touch(w, c->from.dir);
	mftd_change_record(w, c, MFTD_RECORD_RMDIR, path, "");
	return 0;
}

/* Makes the directory that is there the account's own, with nothing of what its
 * inode was before. */
static int
settle_in(struct mftd_work *w, struct mftd_change *c)
{
	char key[MFTD_PARENT_KEY_BYTES];
	mode_t mode;
	int fd, r;

	r = mftd_place_stat(&c->from, &c->inode, &mode);
	fd = r < 0 ? r
		   : mftd_path_open_nolinks(
			 c->from.dir, c->from.base, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	mftd_work_touch(w, fd);
	/* the inode may have been a directory's before: what was being put
	 * into that one must not show up in this one */
	r = mftd_layout_parent_key(w->vol->id, fd, key, sizeof(key));
	if (r == 0)
		r = mftd_account_adopt(c->owner, fd, c->msg.mkdir.mode);
	close(fd);
	if (r == 0)
		r = mftd_parts_of_volume(
		    w, key, mftd_parts_all, NULL, "directory is gone", NULL);
	return r < 0 ? r : 0;
}

int
mftd_mkdir_execute(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_mkdir *m = &c->msg.mkdir;
	int r;

	r = mftd_place_open(w, c->owner, m->path, &c->from);
	if (r < 0)
		return r;
	r = mftd_parts_any(c->owner->parts_fd, c->from.key, c->from.base);
	if (r != 0)
		return r > 0 ? -EEXIST : r;
	if (mkdirat(c->from.dir, c->from.base, (m->mode & 0777) | 0700) < 0)
		return -errno;
	mftd_work_touch(w, c->from.dir);
	r = settle_in(w, c);
	if (r == 0)
		mftd_change_record(w, c, MFTD_RECORD_MKDIR, m->path, "");
	else if (unlinkat(c->from.dir, c->from.base, AT_REMOVEDIR) < 0)
		w->failed = r; /* neither done nor undone: say nothing */
	return r;
}

/* The bytes of a published file never change: links in .mft/out share them. */
static int
check_size(int fd, uint64_t size)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return (uint64_t)st.st_size == size ? 0 : -EOPNOTSUPP;
}

static int
set_attributes(int fd, const struct mftd_msg_setstat *m, bool is_dir)
{
	const struct timespec times[2] = { { .tv_sec = m->atime },
		{ .tv_sec = m->mtime } };
	int r = 0;

	if ((m->mask & MFTD_SET_SIZE) != 0)
		r = is_dir ? -EISDIR : check_size(fd, m->size);
	/* the owner's bits stay: this service must be able to read it back */
	if (r == 0 && (m->mask & MFTD_SET_MODE) != 0 &&
	    fchmod(fd, (m->mode & 0777) | (is_dir ? 0700 : 0600)) < 0)
		r = -errno;
	if (r == 0 && (m->mask & MFTD_SET_TIMES) != 0 &&
	    futimens(fd, times) < 0)
		r = -errno;
	return r == 0 ? mftd_sync_all(fd) : r;
}

int
mftd_setstat_execute(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_setstat *m = &c->msg.setstat;
	mode_t mode;
	int fd, r;

	r = mftd_place_open(w, c->owner, m->path, &c->from);
	if (r == 0)
		r = mftd_place_stat(&c->from, &c->inode, &mode);
	if (r < 0)
		return r;
	if (!S_ISREG(mode) && !S_ISDIR(mode))
		return -EINVAL;
	fd = mftd_path_open_nolinks(
	    c->from.dir, c->from.base, O_RDONLY | O_NONBLOCK, 0);
	if (fd < 0)
		return fd;
	r = set_attributes(fd, m, S_ISDIR(mode));
	close(fd);
	if (r == 0)
		mftd_change_record(w, c, MFTD_RECORD_SETSTAT, m->path, "");
	return r;
}
