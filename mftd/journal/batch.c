/* Part of mftd; see LICENSE. */
#include "mftd/journal/change.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/quota.h"

/* Records besides paths: three of each change at most, a receipt the longest.
 */
#define RESERVE_BYTES \
	(3 * (MFTD_OUTCOME_BYTES + 256) + MFTD_FOLDER_PATH_BYTES + 128)

/* A batch commits before it does anything: what PART appended, too. */
static int
commit_execute(struct mftd_work *w, struct mftd_change *c)
{
	(void)w;
	(void)c;
	return 0;
}

static const struct kind {
	uint32_t type;
	size_t size;
	mftd_change_fn prepare, execute;
	bool grows; /* what the account uses, maybe: needs its ledger */
} kinds[] = {
	{ MFTD_MSG_PUBLISH, sizeof(struct mftd_msg_publish),
	    mftd_publish_prepare, mftd_publish_execute, true },
	{ MFTD_MSG_SUPERSEDE, sizeof(struct mftd_msg_supersede), NULL,
	    mftd_supersede_execute, false },
	{ MFTD_MSG_ADOPT, sizeof(struct mftd_msg_adopt), NULL,
	    mftd_adopt_execute, false },
	{ MFTD_MSG_COMMIT, sizeof(struct mftd_msg_commit), NULL, commit_execute,
	    false },
	{ MFTD_MSG_RENAME, sizeof(struct mftd_msg_rename), mftd_rename_prepare,
	    mftd_rename_execute, true },
	{ MFTD_MSG_REMOVE, sizeof(struct mftd_msg_remove), NULL,
	    mftd_remove_execute, false },
	{ MFTD_MSG_RMDIR, sizeof(struct mftd_msg_remove), NULL,
	    mftd_rmdir_execute, false },
	{ MFTD_MSG_MKDIR, sizeof(struct mftd_msg_mkdir), NULL,
	    mftd_mkdir_execute, false },
	{ MFTD_MSG_SETSTAT, sizeof(struct mftd_msg_setstat), NULL,
	    mftd_setstat_execute, false },
	{ MFTD_MSG_LINK, sizeof(struct mftd_msg_link), mftd_link_prepare,
	    mftd_link_execute, true },
	{ MFTD_MSG_SYMLINK, sizeof(struct mftd_msg_symlink), NULL,
	    mftd_symlink_execute, false },
};

static const struct kind *
kind_of(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == type)
			return &kinds[i];
	return NULL;
}

struct mftd_change *
mftd_change_new(
    struct mftd_owner *owner, uint32_t type, uint64_t ref, const void *data)
{
	const struct kind *k = kind_of(type);
	struct mftd_change *c = k != NULL ? calloc(1, sizeof(*c)) : NULL;

	if (c == NULL)
		return NULL;
	c->owner = owner;
	c->type = type;
	c->ref = ref;
	c->from.dir = c->to.dir = c->part_dir = -1;
	memcpy(&c->msg, data, k->size);
	return c;
}

/* The name has no more uploads under way: its directory may go.  Who creates
 * the next one makes it again (layout.h). */
static void
tidy(const struct mftd_change *c)
{
	char path[MFTD_PARENT_KEY_BYTES + 258];

	if (c->part_dir < 0)
		return;
	if (snprintf(path, sizeof(path), "%s/%s", c->from.key, c->from.base) <
	    (int)sizeof(path))
		unlinkat(c->owner->parts_fd, path, AT_REMOVEDIR);
}

void
mftd_change_free(struct mftd_change *c)
{
	if (c == NULL)
		return;
	tidy(c);
	mftd_fd_close(&c->part_dir);
	mftd_fd_close(&c->from.dir);
	mftd_fd_close(&c->to.dir);
	free(c);
}

int
mftd_place_open(const struct mftd_work *w, const struct mftd_owner *owner,
    const char *path, struct mftd_place *p)
{
	char clean[MFTD_PATH_BYTES], dir[MFTD_PATH_BYTES];
	const char *rest;
	int r, root;

	r = mftd_path_clean(path, strlen(path), clean, sizeof(clean));
	if (r == 0 && strcmp(path, clean) != 0)
		r = -EINVAL;
	if (r < 0)
		return r;
	p->folder = mftd_folders_find(&owner->folders, path, &rest);
	root = p->folder != NULL ? p->folder->fd : owner->root_fd;
	if (owner->policy.read_only ||
	    (p->folder != NULL && p->folder->read_only))
		return -EROFS;
	if (p->folder != NULL ? strcmp(rest, ".") == 0
			      : mftd_layout_reserved(owner->root, path))
		return -EACCES;
	r = mftd_path_split(rest, dir, sizeof(dir), &p->base);
	if (r < 0)
		return r;
	p->dir = mftd_path_open_nolinks(root, dir, O_RDONLY | O_DIRECTORY, 0);
	if (p->dir < 0) {
		r = p->dir;
		p->dir = -1;
		return r;
	}
	return mftd_layout_parent_key(
	    w->vol->id, p->dir, p->key, sizeof(p->key));
}

int
mftd_place_stat(const struct mftd_place *p, uint64_t *inode, mode_t *mode)
{
	struct stat st;

	if (fstatat(p->dir, p->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*inode = st.st_ino;
	*mode = st.st_mode;
	return 0;
}

/* What the records of c can take at most. */
static size_t
reserve(const struct mftd_change *c)
{
	size_t n = RESERVE_BYTES + 2 * strlen(c->owner->root);

	/* each message begins with a path; some have a second one behind it */
	n += 2 * strlen(c->msg.remove.path);
	if (c->type == MFTD_MSG_RENAME || c->type == MFTD_MSG_LINK ||
	    c->type == MFTD_MSG_SYMLINK)
		n += 2 * strlen(c->msg.rename.to);
	return n;
}

static void
answer_all(struct mftd_changes *list, int err)
{
	struct mftd_change *c;

	STAILQ_FOREACH(c, list, link)
		c->err = err;
}

static void
prepare(struct mftd_work *w, struct mftd_change *c)
{
	const struct kind *k = kind_of(c->type);

	c->prepared = true;
	if (k->prepare != NULL)
		c->err = k->prepare(w, c);
}

/* All changes of one account while its ledger is open: short, since other
 * nodes wait for its lock, and only one at a time, so that none wait for each
 * other. */
static void
prepare_account(struct mftd_work *w, struct mftd_changes *list,
    const struct mftd_owner *owner)
{
	struct mftd_change *c;
	int r = mftd_quota_open(w, owner);

	if (r < 0)
		log_warn("account=%s: its usage: %s", owner->account,
		    mftd_strerror(r));
	STAILQ_FOREACH(c, list, link) {
		if (c->prepared || strcmp(c->owner->account, owner->account))
			continue;
		if (r < 0 && kind_of(c->type)->grows) {
			c->err = r;
			c->prepared = true;
		} else {
			prepare(w, c);
		}
	}
	if (r < 0)
		return;
	r = mftd_quota_close(w);
	if (r == -ENOSPC || r == -EDQUOT)
		log_warn("account=%s: its usage: %s", owner->account,
		    mftd_strerror(r));
	else if (r < 0)
		w->failed = r;
}

static void
prepare_all(struct mftd_work *w, struct mftd_changes *list)
{
	struct mftd_change *c;

	STAILQ_FOREACH(c, list, link)
		if (!mftd_quota_of(c->owner) || !kind_of(c->type)->grows)
			prepare(w, c);
	STAILQ_FOREACH(c, list, link)
		if (!c->prepared)
			prepare_account(w, list, c->owner);
}

/* The steps of a batch that has room; see mftd_batch_run. */
static int
run(struct mftd_work *w, struct mftd_changes *list)
{
	struct mftd_change *c;
	bool must_commit = false;

	prepare_all(w, list);
	if (w->failed != 0 || mftd_work_commit(w) < 0)
		return w->failed;
	STAILQ_FOREACH(c, list, link) {
		if (c->err == 0)
			c->err = kind_of(c->type)->execute(w, c);
		must_commit |= c->must_commit;
	}
	if (mftd_work_sync(w) < 0)
		return w->failed;
	mftd_quota_settle(w, list);
	return must_commit ? mftd_work_commit(w) : 0;
}

int
mftd_batch_run(struct mftd_work *w, struct mftd_changes *list)
{
	struct mftd_change *c;
	int r;

	STAILQ_FOREACH(c, list, link)
		w->reserve += reserve(c);
	r = mftd_work_room(w, w->reserve);
	if (r == 0) {
		r = run(w, list);
	} else {
		answer_all(list, r);
		r = w->failed;
	}
	w->reserve = 0;
	return r;
}
