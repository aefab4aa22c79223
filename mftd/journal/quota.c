/* Part of mftd; see LICENSE. */
#include "mftd/journal/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/journal/usage.h"

/* The usage that is open for a batch. */
struct mftd_ledger {
	int fd;
	bool changed;
	struct mftd_usage usage;
};

bool
mftd_quota_of(const struct mftd_owner *o)
{
	return o->policy.quota_bytes != 0 || o->policy.quota_files != 0;
}

bool
mftd_quota_counts(const struct mftd_owner *o, const struct mftd_place *p)
{
	size_t len = strlen(o->root);

	if (p->folder == NULL || strcmp(o->root, ".") == 0)
		return true;
	/* a folder that is the account's own directory by another name */
	return strncmp(p->folder->path, o->root, len) == 0 &&
	    (p->folder->path[len] == '\0' || p->folder->path[len] == '/');
}

struct mftd_tally
mftd_quota_at(const struct mftd_owner *o, const struct mftd_place *p)
{
	struct mftd_tally t = { 0 };
	struct stat st;

	if (mftd_quota_of(o) && mftd_quota_counts(o, p) &&
	    fstatat(p->dir, p->base, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode)) {
		t.bytes = st.st_size;
		t.files = 1;
	}
	return t;
}

int
mftd_quota_open(struct mftd_work *w, const struct mftd_owner *o)
{
	struct mftd_ledger *l = calloc(1, sizeof(*l));
	int r;

	if (l == NULL)
		return -ENOMEM;
	r = l->fd = mftd_usage_lock(w->vol, o->account);
	if (r >= 0)
		r = mftd_usage_read(l->fd, &l->usage);
	if (r < 0) {
		if (l->fd >= 0)
			mftd_fd_close(&l->fd);
		free(l);
		return r;
	}
	w->ledger = l;
	return 0;
}

int
mftd_quota_close(struct mftd_work *w)
{
	struct mftd_ledger *l = w->ledger;
	int r = 0;

	if (l->changed)
		r = mftd_usage_write(l->fd, &l->usage, true);
	mftd_fd_close(&l->fd);
	free(l);
	w->ledger = NULL;
	return r;
}

static bool
fits(uint64_t used, int64_t by, uint64_t quota)
{
	return by <= 0 || quota == 0 ||
	    (used <= quota && (uint64_t)by <= quota - used);
}

int
mftd_quota_hold(
    struct mftd_work *w, struct mftd_change *c, struct mftd_tally by)
{
	const struct mftd_policy *p = &c->owner->policy;
	struct mftd_ledger *l = w->ledger;
	int64_t bytes = by.bytes > 0 ? by.bytes : 0;
	int64_t files = by.files > 0 ? by.files : 0;

	if (!mftd_quota_of(c->owner) || (bytes == 0 && files == 0))
		return 0;
	if (l == NULL)
		return -EAGAIN;
	if (!l->usage.known) {
		memcpy(w->uncounted, c->owner->account, sizeof(w->uncounted));
		return -EAGAIN;
	}
	if (!fits(l->usage.bytes, bytes, p->quota_bytes) ||
	    !fits(l->usage.files, files, p->quota_files))
		return -EDQUOT;
	mftd_usage_add(&l->usage, bytes, files);
	l->changed = true;
	c->held.bytes += bytes;
	c->held.files += files;
	c->held_seq = l->usage.seq;
	return 0;
}

/* What one change did, to the usage.  A count that began since it was held did
 * not hear of it, and may have passed before the file was there. */
static void
settle_one(struct mftd_usage *u, struct mftd_change *c)
{
	mftd_usage_add(
	    u, c->tally.bytes - c->held.bytes, c->tally.files - c->held.files);
	if (c->held_seq != 0)
		mftd_usage_passed(u, c->held_seq, c->held.bytes, c->held.files);
	u->stale |= c->untold || (c->moved && u->counting);
}

static bool
is_of(const struct mftd_change *c, const struct mftd_owner *o)
{
	return strcmp(c->owner->account, o->account) == 0;
}

static bool
has_news(const struct mftd_change *c)
{
	return mftd_quota_of(c->owner) &&
	    (c->held.bytes != 0 || c->held.files != 0 || c->tally.bytes != 0 ||
		c->tally.files != 0 || c->untold || c->moved);
}

static int
settle_account(
    struct mftd_work *w, struct mftd_changes *list, const struct mftd_owner *o)
{
	struct mftd_usage before, u = { 0 };
	struct mftd_change *c;
	int r, fd;

	r = fd = mftd_usage_lock(w->vol, o->account);
	if (r >= 0)
		r = mftd_usage_read(fd, &u);
	before = u;
	STAILQ_FOREACH(c, list, link) {
		if (!has_news(c) || !is_of(c, o))
			continue;
		if (r == 0)
			settle_one(&u, c);
		c->held = c->tally = (struct mftd_tally) { 0 };
		c->untold = c->moved = false;
	}
	if (r == 0 && u.known && memcmp(&before, &u, sizeof(u)) != 0)
		r = mftd_usage_write(
		    fd, &u, u.bytes > before.bytes || u.files > before.files);
	if (fd >= 0)
		mftd_fd_close(&fd);
	return r;
}

void
mftd_quota_settle(struct mftd_work *w, struct mftd_changes *list)
{
	struct mftd_change *c;
	int r;

	STAILQ_FOREACH(c, list, link) {
		if (!has_news(c))
			continue;
		r = settle_account(w, list, c->owner);
		if (r < 0)
			log_warn("account=%s: usage not settled: %s",
			    c->owner->account, mftd_strerror(r));
	}
}
