/* Part of mftd; see LICENSE. */
#include "mftd/journal/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/path.h"
#include "mftd/journal/parts.h"
#include "mftd/journal/quota.h"

/* Whether nothing is there that a new name would hide. */
static int
check_free(const struct mftd_change *c, const struct mftd_place *p)
{
	uint64_t inode;
	mode_t mode;
	int r = mftd_place_stat(p, &inode, &mode);

	if (r == 0)
		return -EEXIST;
	if (r != -ENOENT)
		return r;
	r = mftd_parts_any(c->owner->parts_fd, p->key, p->base);
	return r > 0 ? -EEXIST : r;
}

/* Each name counts, since each may be the last. */
static int
hold_quota(struct mftd_work *w, struct mftd_change *c)
{
	struct mftd_place as = c->from;

	if (!mftd_quota_counts(c->owner, &c->to))
		return 0;
	as.folder = c->to.folder;
	c->tally = mftd_quota_at(c->owner, &as);
	return mftd_quota_hold(w, c, c->tally);
}

int
mftd_link_prepare(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_link *m = &c->msg.link;
	mode_t mode;
	int r;

	r = mftd_place_open(w, c->owner, m->from, &c->from);
	if (r == 0)
		r = mftd_place_open(w, c->owner, m->to, &c->to);
	if (r < 0)
		return r;
	/* what the account sees there is the upload, not what is published */
	r = mftd_parts_any(c->owner->parts_fd, c->from.key, c->from.base);
	if (r != 0)
		return r > 0 ? -MFTD_E_INCOMPLETE : r;
	r = mftd_place_stat(&c->from, &c->inode, &mode);
	if (r == 0 && !S_ISREG(mode))
		r = S_ISDIR(mode) ? -EISDIR : -EACCES;
	if (r == 0)
		r = check_free(c, &c->to);
	if (r == 0)
		r = hold_quota(w, c);
	if (r < 0)
		c->tally = (struct mftd_tally) { 0 };
	return r;
}

int
mftd_link_execute(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_link *m = &c->msg.link;

	if (linkat(c->from.dir, c->from.base, c->to.dir, c->to.base, 0) < 0) {
		c->tally = (struct mftd_tally) { 0 };
		return -errno;
	}
	mftd_work_touch(w, c->to.dir);
	mftd_change_record(w, c, MFTD_RECORD_LINK, m->from, m->to);
	return 0;
}

/*
 * The text of a link at path that leads to target, both clean: relative, and
 * only ever downwards.  With a "../" in it, it would lead elsewhere once it, or
 * a directory above it, is renamed, and out of the account's root at last.
 */
static int
link_text(const char *path, const char *target, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');
	size_t up = slash != NULL ? (size_t)(slash - path) : 0;
	int len;

	/* what both have in common is the link's whole directory */
	if (up > 0) {
		if (strncmp(path, target, up) != 0 ||
		    (target[up] != '/' && target[up] != '\0'))
			return -MFTD_E_UPWARD;
		target += target[up] == '/' ? up + 1 : up;
	}
	len = snprintf(out, size, "%s", target[0] != '\0' ? target : ".");
	return (size_t)len < size ? 0 : -ENAMETOOLONG;
}

/* The link's text: its target lies in the same root or folder, and below it. */
static int
make_text(const struct mftd_change *c, char *out, size_t size)
{
	const struct mftd_msg_symlink *m = &c->msg.symlink;
	const struct mftd_folders *folders = &c->owner->folders;
	char clean[MFTD_PATH_BYTES];
	const char *path, *target;
	int r;

	r = mftd_path_clean(m->target, strlen(m->target), clean, sizeof(clean));
	if (r == 0 && strcmp(clean, m->target) != 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	if (mftd_folders_find(folders, m->path, &path) !=
	    mftd_folders_find(folders, m->target, &target))
		return -EXDEV;
	return link_text(path, target, out, size);
}

int
mftd_symlink_execute(struct mftd_work *w, struct mftd_change *c)
{
	const struct mftd_msg_symlink *m = &c->msg.symlink;
	char text[MFTD_PATH_BYTES];
	mode_t mode;
	int r;

	if (!c->owner->policy.symlinks)
		return -EACCES;
	r = make_text(c, text, sizeof(text));
	if (r == 0)
		r = mftd_place_open(w, c->owner, m->path, &c->from);
	/* below the volume's own top a link could lead to .mft */
	if (r == 0 && c->from.folder == NULL &&
	    strcmp(c->owner->root, ".") == 0)
		r = -EACCES;
	if (r == 0)
		r = check_free(c, &c->from);
	if (r < 0)
		return r;
	if (symlinkat(text, c->from.dir, c->from.base) < 0)
		return -errno;
	mftd_work_touch(w, c->from.dir);
	r = mftd_place_stat(&c->from, &c->inode, &mode);
	if (r == 0)
		mftd_change_record(
		    w, c, MFTD_RECORD_SYMLINK, m->path, m->target);
	else if (unlinkat(c->from.dir, c->from.base, 0) < 0)
		w->failed = r; /* neither done nor undone: say nothing */
	return r;
}
