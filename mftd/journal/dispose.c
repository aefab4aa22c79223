/* Part of mftd; see LICENSE. */
#include "mftd/journal/dispose.h"

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
#include "mftd/journal/parts.h"
#include "mftd/journal/taken.h"
#include "mftd/journal/usage.h"

#define NS_PER_S 1000000000LL
/* Records of one: DISPOSE, and RENAME or REMOVE. */
#define RESERVE_BYTES (2 * (MFTD_OUTCOME_BYTES + 256))

struct mftd_disposal *
mftd_disposal_new(uint64_t ref, const struct mftd_msg_dispose *ask)
{
	struct mftd_disposal *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->ref = ref;
	d->ask = *ask;
	d->dir = -1;
	memcpy(d->say.receipt, ask->receipt, sizeof(d->say.receipt));
	return d;
}

void
mftd_disposal_free(struct mftd_disposal *d)
{
	if (d != NULL)
		mftd_fd_close(&d->dir);
	free(d);
}

static bool
is_clean(const char *path)
{
	char clean[MFTD_PATH_BYTES];

	return mftd_path_clean(path, strlen(path), clean, sizeof(clean)) == 0 &&
	    strcmp(path, clean) == 0 && !mftd_layout_reserved(".", path);
}

static int
check(const struct mftd_msg_dispose *m)
{
	if (!mftd_id_valid(m->receipt) || !is_clean(m->path) ||
	    (m->found != 0
		    ? m->account[0] != '\0' || m->root[0] != '\0'
		    : !mftd_id_valid(m->account) || !is_clean(m->root)) ||
	    (m->archive[0] != '\0' && !is_clean(m->archive)))
		return -EINVAL;
	return 0;
}

static bool
is_archived(const struct mftd_disposal *d)
{
	return d->ask.archive[0] != '\0';
}

static int
keep(struct mftd_disposal *d, const char *why)
{
	d->say.source = MFTD_SOURCE_KEPT;
	snprintf(d->say.text, sizeof(d->say.text), "%s", why);
	return 0;
}

/* ---- the archive */

/* The n-th name that it may have there: "a.csv", "a.csv.1". */
static int
name_in_archive(struct mftd_disposal *d, int n)
{
	int len;

	len = n == 0
	    ? snprintf(d->to, sizeof(d->to), "%s/%s", d->ask.archive, d->base)
	    : snprintf(
		  d->to, sizeof(d->to), "%s/%s.%d", d->ask.archive, d->base, n);
	return (size_t)len < sizeof(d->to) ? 0 : -ENAMETOOLONG;
}

static bool
is_there(int dir, const char *name, uint64_t inode)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == inode;
}

/* A name of it in the open archive, in d->to: the one it has, else, with make,
 * the first that is free. */
static int
link_in(struct mftd_work *w, struct mftd_disposal *d, int archive, bool make)
{
	const char *name;
	struct stat st;
	int n, r;

	for (n = 0; n < MFTD_ARCHIVE_NAMES_MAX; n++) {
		r = name_in_archive(d, n);
		if (r < 0)
			return r;
		name = strrchr(d->to, '/') + 1;
		if (make &&
		    linkat(w->vol->out, d->ask.receipt, archive, name, 0) == 0)
			return 0;
		if (make && errno != EEXIST)
			return -errno;
		if (is_there(archive, name, d->out))
			return 0;
		if (!make &&
		    fstatat(archive, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	return -EEXIST;
}

static bool
is_one_directory(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 &&
	    sa.st_ino == sb.st_ino && sa.st_dev == sb.st_dev;
}

/* 1: it is in the archive by that name, durable with the next sync; 0: it is
 * kept.  before: the one before it in its group, or NULL. */
static int
archive_it(struct mftd_work *w, struct mftd_disposal *d,
    const struct mftd_disposal *before)
{
	bool made = before != NULL && before->made &&
	    strcmp(before->ask.archive, d->ask.archive) == 0;
	int fd, r = mftd_volume_dir(w->vol, d->ask.archive, !made, &fd);

	if (r == -MFTD_E_SYNC)
		w->failed = r;
	if (r < 0)
		return r;
	d->made = true;
	if (is_one_directory(fd, d->dir)) {
		r = keep(d, "it lies in the archive");
	} else {
		r = link_in(w, d, fd, true);
		if (r == 0) {
			mftd_work_touch(w, fd);
			r = 1;
		}
	}
	mftd_fd_close(&fd);
	return r;
}

/* Whether somebody archived it already, who took the name. */
static bool
was_archived(struct mftd_work *w, struct mftd_disposal *d)
{
	int fd, r;

	if (!is_archived(d) ||
	    mftd_volume_dir(w->vol, d->ask.archive, false, &fd) < 0)
		return false;
	r = link_in(w, d, fd, false);
	if (r == 0)
		mftd_work_touch(w, fd);
	mftd_fd_close(&fd);
	return r == 0;
}

/* ---- the name */

static const char elsewhere[] =
    "it lies on another file system than its volume";

static int64_t
ctime_ns(const struct stat *st)
{
	return (int64_t)st->st_ctim.tv_sec * NS_PER_S + st->st_ctim.tv_nsec;
}

/* 1: it is the source; 0: it is not, and why was said. */
static int
look(struct mftd_work *w, struct mftd_disposal *d)
{
	char path[MFTD_PATH_BYTES];
	struct stat st;
	int r;

	r = mftd_path_split(d->ask.path, path, sizeof(path), &d->base);
	if (r < 0)
		return r;
	d->dir = mftd_path_open_one_mount(
	    w->vol->root, path, O_RDONLY | O_DIRECTORY, 0);
	if (d->dir < 0) {
		r = d->dir;
		d->dir = -1;
		if (r == -EXDEV && d->taken.found)
			return keep(d, elsewhere);
		return r == -ENOENT || r == -ENOTDIR || r == -ELOOP
		    ? keep(d, "nothing has its name any more")
		    : r;
	}
	if (fstatat(d->dir, d->base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT
		    ? keep(d, "nothing has its name any more")
		    : -errno;
	if (d->taken.found && st.st_dev != d->dev)
		return keep(d, elsewhere);
	return mftd_taken_is(&d->taken, &st) &&
		(!d->taken.found || ctime_ns(&st) == d->ask.ctime_ns)
	    ? 1
	    : keep(d, "another file has its name by now");
}

/* An unfinished upload of that name may show the published bytes behind its
 * own: they stay until it is over. */
static int
check_parts(const struct mftd_work *w, const struct mftd_disposal *d)
{
	char key[MFTD_PARENT_KEY_BYTES];
	int parts, r;

	if (d->taken.found) /* it is no upload's */
		return 0;
	r = mftd_layout_parent_key(w->vol->id, d->dir, key, sizeof(key));
	if (r < 0)
		return r;
	parts = mftd_path_open_nolinks(
	    w->vol->parts, d->ask.account, O_RDONLY | O_DIRECTORY, 0);
	if (parts < 0)
		return parts == -ENOENT ? 0 : parts;
	r = mftd_parts_any(parts, key, d->base);
	mftd_fd_close(&parts);
	return r > 0 ? -EBUSY : r;
}

static void
record(struct mftd_work *w, const struct mftd_disposal *d, uint32_t type)
{
	struct mftd_rec_name rec = { .inode = d->taken.inode,
		.found = d->taken.found,
		.bytes = d->taken.bytes,
		.mtime_ns = d->taken.mtime_ns };

	memcpy(rec.account, d->ask.account, sizeof(rec.account));
	memcpy(rec.volume, w->vol->name, sizeof(rec.volume));
	memcpy(rec.path, d->ask.path, sizeof(rec.path));
	memcpy(rec.cause, d->ask.receipt, sizeof(rec.cause));
	if (is_archived(d))
		memcpy(rec.to, d->to, sizeof(rec.to));
	mftd_work_name(w, type, &rec);
}

/* ---- the quota */

static bool
counts(const struct mftd_disposal *d, const char *path)
{
	const char *root = d->ask.root;
	size_t len = strlen(root);

	return strcmp(root, ".") == 0 ||
	    (strncmp(path, root, len) == 0 && path[len] == '/');
}

/* What the account uses, by the place of the file before and after.  When that
 * cannot be written the next count puts it right. */
static void
settle_usage(struct mftd_work *w, const struct mftd_disposal *d)
{
	int64_t files;
	struct mftd_usage u;
	int fd, r;

	if (d->taken.found)
		return; /* it is no account's */
	files = (is_archived(d) && counts(d, d->to)) -
	    (int64_t)(d->gone && counts(d, d->ask.path));
	r = mftd_usage_peek(w->vol, d->ask.account, &u);
	if (r == 0 && !u.known)
		return; /* it has no quota */
	r = fd = r < 0 ? r : mftd_usage_lock(w->vol, d->ask.account);
	if (r >= 0)
		r = mftd_usage_read(fd, &u);
	if (r == 0) {
		mftd_usage_add(&u, files * (int64_t)d->bytes, files);
		u.stale |= u.counting; /* it may have passed the file */
		r = mftd_usage_write(fd, &u, files > 0);
	}
	if (fd >= 0)
		mftd_fd_close(&fd);
	if (r < 0)
		log_warn("account=%s: usage not settled: %s", d->ask.account,
		    mftd_strerror(r));
}

/* ---- the steps of a group */

/* What can be refused, and the name in the archive. */
static int
prepare(struct mftd_work *w, struct mftd_disposal *d,
    const struct mftd_disposal *before)
{
	struct stat st;
	int r = check(&d->ask);

	if (r < 0)
		return r;
	if (fstatat(w->vol->out, d->ask.receipt, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? keep(d, "its link in out is gone")
				       : -errno;
	d->out = st.st_ino;
	d->dev = st.st_dev;
	d->bytes = (uint64_t)st.st_size;
	d->taken = (struct mftd_taken) { .inode = st.st_ino };
	if (d->ask.found != 0)
		d->taken = (struct mftd_taken) { .found = true,
			.inode = d->ask.inode,
			.bytes = d->ask.bytes,
			.mtime_ns = d->ask.mtime_ns };
	r = look(w, d);
	if (r == 0)
		d->done = was_archived(w, d);
	if (r <= 0)
		return r;
	r = check_parts(w, d);
	if (r == 0)
		r = is_archived(d) ? archive_it(w, d, before) : 1;
	d->goes = r == 1;
	return r < 0 ? r : 0;
}

/* Whoever came before us: what is in the archive by now stays there. */
static int
take(struct mftd_work *w, struct mftd_disposal *d)
{
	int r = mftd_taken_take(w, d->ask.receipt, d->dir, d->base, &d->taken);

	d->gone = r == 1;
	d->done = r == 1 || (is_archived(d) && (r == 0 || r == -ENOENT));
	if (r == 0)
		return keep(d, "another file has its name by now");
	if (r == -ENOENT)
		return keep(d, "nothing has its name any more");
	return r < 0 ? r : 0;
}

/* What is done: its record, and the answer that follows from it. */
static void
conclude(struct mftd_work *w, struct mftd_disposal *d)
{
	if (d->goes)
		settle_usage(w, d);
	d->say.source =
	    is_archived(d) ? MFTD_SOURCE_ARCHIVED : MFTD_SOURCE_DELETED;
	snprintf(d->say.text, sizeof(d->say.text), "%s",
	    is_archived(d) ? d->to : "");
	record(w, d, is_archived(d) ? MFTD_RECORD_RENAME : MFTD_RECORD_REMOVE);
}

/* Names go only when what is in the archive, and that they will go, is
 * durable; and what was taken only when the record of it is. */
static int
run(struct mftd_work *w, struct mftd_disposals *list)
{
	struct mftd_disposal *d, *before = NULL;

	STAILQ_FOREACH(d, list, link) {
		d->say.err = prepare(w, d, before);
		before = d;
	}
	if (mftd_work_sync(w) < 0)
		return w->failed;
	STAILQ_FOREACH(d, list, link)
		if (d->goes)
			record(w, d, MFTD_RECORD_DISPOSE);
	if (mftd_work_commit(w) < 0)
		return w->failed;
	STAILQ_FOREACH(d, list, link)
		if (d->goes && w->failed == 0)
			d->say.err = take(w, d);
	if (mftd_work_sync(w) < 0)
		return w->failed;
	STAILQ_FOREACH(d, list, link)
		if (d->done)
			conclude(w, d);
	if (mftd_work_commit(w) < 0)
		return w->failed;
	STAILQ_FOREACH(d, list, link)
		if (d->gone)
			mftd_taken_drop(
			    w, d->ask.receipt, d->dir, d->base, &d->taken);
	return mftd_work_sync(w);
}

int
mftd_dispose_run(struct mftd_work *w, struct mftd_disposals *list)
{
	struct mftd_disposal *d;
	int r;

	STAILQ_FOREACH(d, list, link)
		w->reserve += RESERVE_BYTES +
		    2 *
			(2 * sizeof("/.1000") + MFTD_FILE_NAME_BYTES +
			    strlen(d->ask.path) + strlen(d->ask.archive));
	r = mftd_work_room(w, w->reserve);
	if (r == 0)
		r = run(w, list);
	else
		STAILQ_FOREACH(d, list, link)
			d->say.err = r;
	w->reserve = 0;
	return w->failed;
}
