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
#include "mftd/base/id.h"
#include "mftd/journal/parts.h"
#include "mftd/journal/quota.h"

/* The part is there, and is the file that the session means. */
static int
check_part(const struct mftd_change *c)
{
	const struct mftd_msg_publish *m = &c->msg.publish;
	struct stat st;

	if (fstatat(c->part_dir, m->part, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? -MFTD_E_SUPERSEDED : -errno;
	if (!S_ISREG(st.st_mode) || st.st_ino != m->inode ||
	    (uint64_t)st.st_size != m->size)
		return -MFTD_E_PROTOCOL;
	return 0;
}

/* By how much publishing makes the account's files grow. */
static struct mftd_tally
growth(const struct mftd_change *c)
{
	struct mftd_tally old, by = { 0 };

	if (!mftd_quota_of(c->owner) || !mftd_quota_counts(c->owner, &c->from))
		return by;
	old = mftd_quota_at(c->owner, &c->from);
	by.bytes = (int64_t)c->msg.publish.size - old.bytes;
	by.files = 1 - old.files;
	return by;
}

static void
record_receipt(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_publish *m = &c->msg.publish;
	struct mftd_rec_receipt rec = { .size = m->size,
		.inode = m->inode,
		.has_routes = c->linked,
		.has_sha256 = m->has_sha256 != 0 };

	memcpy(rec.id, c->receipt, sizeof(rec.id));
	memcpy(rec.session, c->owner->session, sizeof(rec.session));
	memcpy(rec.account, c->owner->account, sizeof(rec.account));
	memcpy(rec.volume, w->vol->name, sizeof(rec.volume));
	if (c->from.folder != NULL) {
		snprintf(
		    rec.folder, sizeof(rec.folder), "%s", c->from.folder->name);
		snprintf(
		    rec.root, sizeof(rec.root), "%s", c->from.folder->path);
	} else {
		memcpy(rec.root, c->owner->root, sizeof(rec.root));
	}
	memcpy(rec.path, m->path, sizeof(rec.path));
	memcpy(rec.part, m->part, sizeof(rec.part));
	if (rec.has_sha256)
		memcpy(rec.sha256, m->sha256, sizeof(rec.sha256));
	mftd_work_receipt(w, &rec);
}

int
mftd_publish_prepare(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_publish *m = &c->msg.publish;
	int r;

	if (!mftd_id_valid(m->part) || !mftd_id_of(m->part, c->owner->session))
		return -MFTD_E_PROTOCOL;
	r = mftd_place_open(w, c->owner, m->path, &c->from);
	if (r < 0)
		return r;
	c->part_dir = mftd_layout_parts_open(
	    c->owner->parts_fd, c->from.key, c->from.base);
	if (c->part_dir < 0) {
		r = c->part_dir;
		c->part_dir = -1;
		return r == -ENOENT ? -MFTD_E_SUPERSEDED : r;
	}
	r = check_part(c);
	if (r == 0)
		r = mftd_quota_hold(w, c, growth(c));
	if (r < 0)
		return r;
	if (snprintf(c->receipt, sizeof(c->receipt), "%s.%llx",
		mftd_stream_id(w->stream),
		(unsigned long long)mftd_stream_next(w->stream)) >=
	    (int)sizeof(c->receipt))
		return -ENAMETOOLONG;
	c->linked = w->links;
	record_receipt(w, c);
	return w->failed;
}

/* Whether the final name is the part's inode. */
static bool
final_is_ours(const struct mftd_change *c)
{
	uint64_t inode;
	mode_t mode;

	return mftd_place_stat(&c->from, &inode, &mode) == 0 &&
	    inode == c->msg.publish.inode;
}

/*
 * The publish failed with err.  The disk decides, as it would in recovery: a
 * final name that is this inode is published (a rename made of link and unlink
 * may end half-way); else the part is set aside, or was by another node.
 * Returns 0 when published, else the error to answer.
 */
static int
abandon(struct mftd_work *w, struct mftd_change *c, int err)
{
	const struct mftd_msg_publish *m = &c->msg.publish;
	int r;

	if (final_is_ours(c)) {
		unlinkat(c->part_dir, m->part, 0);
		return 0;
	}
	r = mftd_parts_set_aside(
	    w, c->part_dir, m->part, c->receipt, mftd_strerror(err));
	if (r == -ENOENT)
		err = -MFTD_E_SUPERSEDED;
	else if (r < 0 && r != -ENOSPC && r != -EDQUOT) {
		w->failed = r;
		return r;
	}
	if (r < 0)
		mftd_work_outcome(w, MFTD_RECORD_ABANDONED, c->receipt, m->part,
		    mftd_strerror(err));
	if (c->linked) {
		/* recovery tries again: nothing refused may be sent on */
		if (unlinkat(w->vol->out, c->receipt, 0) < 0 && errno != ENOENT)
			w->failed = -errno;
		mftd_work_touch(w, w->vol->out);
	}
	c->must_commit = true;
	return err;
}

int
mftd_publish_execute(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_publish *m = &c->msg.publish;
	struct mftd_tally by = growth(c); /* as it is by now */
	int r = 0;

	if (c->linked &&
	    linkat(c->part_dir, m->part, w->vol->out, c->receipt, 0) < 0)
		r = -errno;
	if (r == 0 && m->noreplace)
		r = mftd_rename_noreplace(
		    c->part_dir, m->part, c->from.dir, c->from.base);
	else if (r == 0)
		r = mftd_rename(
		    c->part_dir, m->part, c->from.dir, c->from.base);
	if (r < 0)
		r = abandon(w, c, r);
	if (r < 0) {
		c->receipt[0] = '\0';
		return r;
	}
	c->tally = by;
	if (c->linked)
		mftd_work_touch(w, w->vol->out);
	mftd_work_touch(w, c->from.dir);
	mftd_work_touch(w, c->part_dir);
	mftd_work_outcome(w, MFTD_RECORD_PUBLISHED, c->receipt, m->part, "");
	return 0;
}

/* The parts that a newer upload takes the name from. */
static bool
not_kept(void *data, int dir, const char *part)
{
	(void)dir;
	return strcmp(part, data) != 0;
}

/* The part for whose sake the others go is itself still there. */
static int
check_kept(struct mftd_change *c)
{
	const char *keep = c->msg.supersede.keep;
	struct stat st;

	if (keep[0] == '\0')
		return 0;
	if (!mftd_id_valid(keep) || !mftd_id_of(keep, c->owner->session))
		return -MFTD_E_PROTOCOL;
	c->part_dir = mftd_layout_parts_open(
	    c->owner->parts_fd, c->from.key, c->from.base);
	if (c->part_dir < 0) {
		c->part_dir = -1;
		return -MFTD_E_SUPERSEDED;
	}
	return fstatat(c->part_dir, keep, &st, AT_SYMLINK_NOFOLLOW) < 0
	    ? -MFTD_E_SUPERSEDED
	    : 0;
}

int
mftd_supersede_execute(struct mftd_work *w, struct mftd_change *c)
{
	int r = mftd_place_open(w, c->owner, c->msg.supersede.path, &c->from);

	/* of two that open one new name at once, the first to ask stays */
	if (r == 0)
		r = check_kept(c);
	if (r < 0)
		return r;
	r = mftd_parts_of_name(w, c->owner->parts_fd, c->from.key, c->from.base,
	    not_kept, c->msg.supersede.keep, "superseded");
	c->must_commit = r != 0;
	return r < 0 ? r : 0;
}
