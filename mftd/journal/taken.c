/* Part of mftd; see LICENSE. */
#include "mftd/journal/taken.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"

#define NS_PER_S 1000000000LL
#define TAKEN_BYTES (2 * MFTD_ID_BYTES)

/* '~' is in no id: nobody takes it for a link of out. */
static void
name_of(char out[TAKEN_BYTES], const char *receipt, const char *stream)
{
	snprintf(out, TAKEN_BYTES, "%s~%s", receipt, stream);
}

bool
mftd_taken_is(const struct mftd_taken *t, const struct stat *st)
{
	int64_t mtime_ns =
	    (int64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;

	return st->st_ino == t->inode &&
	    (!t->found ||
		(S_ISREG(st->st_mode) && (uint64_t)st->st_size == t->bytes &&
		    mtime_ns == t->mtime_ns));
}

/* Whether both names are the same file's: half a rename, where there is no
 * whole one. */
static bool
is_one_file(
    const struct mftd_work *w, const char *taken, int dir, const char *name)
{
	struct stat a, b;

	return fstatat(w->vol->out, taken, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	    fstatat(dir, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	    a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* A found file whose name is another's: the first numbered one that is free. */
static int
put_beside(struct mftd_work *w, const char *taken, int dir, const char *base)
{
	char name[NAME_MAX + 1];
	int n, r = -EEXIST;

	for (n = 1; n < MFTD_ARCHIVE_NAMES_MAX && r == -EEXIST; n++) {
		snprintf(name, sizeof(name), "%.*s.%d", NAME_MAX - 4, base, n);
		r = mftd_rename_noreplace(w->vol->out, taken, dir, name);
	}
	if (r == 0)
		log_warn("%s came amid the removal of an older one: it is %s",
		    base, name);
	else if (r == -EEXIST)
		log_error("out/%s stays: %s has no free number", taken, base);
	return r == -EEXIST ? 0 : r;
}

/* Another file than the one that was meant: it gets its name back, unless a
 * still newer one has it, which then came over it. */
static int
put_back(struct mftd_work *w, const char *taken, int dir, const char *base,
    bool found)
{
	int r = mftd_rename_noreplace(w->vol->out, taken, dir, base);

	if (r == -EEXIST && found && !is_one_file(w, taken, dir, base))
		r = put_beside(w, taken, dir, base);
	else if (r == -EEXIST && unlinkat(w->vol->out, taken, 0) == 0)
		r = 0;
	mftd_work_touch(w, dir);
	mftd_work_touch(w, w->vol->out);
	return r;
}

int
mftd_taken_take(struct mftd_work *w, const char *receipt, int dir,
    const char *base, const struct mftd_taken *t)
{
	char taken[TAKEN_BYTES];
	struct stat st;
	int r;

	name_of(taken, receipt, mftd_stream_id(w->stream));
	/* renamed onto itself nothing would happen, and the look lie */
	if (fstatat(w->vol->out, taken, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (t->found && !mftd_taken_is(t, &st))
			return -EEXIST; /* nobody else has it */
		if (unlinkat(w->vol->out, taken, 0) < 0)
			return -errno;
	}
	r = mftd_rename(dir, base, w->vol->out, taken);
	if (r < 0)
		return r;
	mftd_work_touch(w, dir);
	mftd_work_touch(w, w->vol->out);
	r = fstatat(w->vol->out, taken, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
								      : 0;
	if (r == 0 && mftd_taken_is(t, &st))
		return 1;
	if (r == 0)
		r = put_back(w, taken, dir, base, t->found);
	if (r < 0)
		w->failed = r; /* neither taken nor back: recovery's */
	return r;
}

void
mftd_taken_drop(struct mftd_work *w, const char *receipt, int dir,
    const char *base, const struct mftd_taken *t)
{
	char taken[TAKEN_BYTES];
	struct stat st;
	int r;

	name_of(taken, receipt, mftd_stream_id(w->stream));
	if (t->found &&
	    fstatat(w->vol->out, taken, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !mftd_taken_is(t, &st)) {
		r = put_back(w, taken, dir, base, true);
		if (r < 0)
			log_error("out/%s stays: %s", taken, mftd_strerror(r));
		return;
	}
	if (unlinkat(w->vol->out, taken, 0) < 0 && errno != ENOENT)
		log_warn("out/%s: %s", taken, mftd_strerror(-errno));
	mftd_work_touch(w, w->vol->out);
}

/* ---- recovery */

struct noted {
	TAILQ_ENTRY(noted) link;
	struct mftd_rec_name rec; /* DISPOSE */
	bool done; /* its outcome is in the stream */
};

struct mftd_takens {
	TAILQ_HEAD(, noted) list; /* of the last batch */
	size_t n;
	uint64_t batch; /* what was durable before it */
};

struct mftd_takens *
mftd_takens_new(void)
{
	struct mftd_takens *t = calloc(1, sizeof(*t));

	if (t != NULL)
		TAILQ_INIT(&t->list);
	return t;
}

static void
forget(struct mftd_takens *t, struct noted *one)
{
	TAILQ_REMOVE(&t->list, one, link);
	t->n--;
	free(one);
}

void
mftd_takens_free(struct mftd_takens *t)
{
	if (t == NULL)
		return;
	while (!TAILQ_EMPTY(&t->list))
		forget(t, TAILQ_FIRST(&t->list));
	free(t);
}

/* The intents of a batch are one commit, and of the batches before it nothing
 * is taken any more. */
static int
note_intent(struct mftd_takens *t, const struct mftd_entry *e,
    const struct mftd_rec_name *rec)
{
	struct noted *one;

	if (t->batch != mftd_entry_durable(e))
		while (!TAILQ_EMPTY(&t->list))
			forget(t, TAILQ_FIRST(&t->list));
	t->batch = mftd_entry_durable(e);
	if (t->n == MFTD_DISPOSALS_MAX)
		return -MFTD_E_LIMIT;
	one = calloc(1, sizeof(*one));
	if (one == NULL)
		return -ENOMEM;
	one->rec = *rec;
	TAILQ_INSERT_TAIL(&t->list, one, link);
	t->n++;
	return 0;
}

int
mftd_takens_note(struct mftd_takens *t, const struct mftd_entry *e)
{
	struct mftd_rec_name rec;
	struct noted *one;
	struct mftd_buf *b;
	int r;

	if (e->type != MFTD_RECORD_DISPOSE && e->type != MFTD_RECORD_RENAME &&
	    e->type != MFTD_RECORD_REMOVE)
		return 0;
	b = mftd_buf_from(e->payload, e->payload_bytes);
	if (b == NULL)
		return -ENOMEM;
	r = mftd_rec_name_get(b, &rec);
	mftd_buf_free(b);
	if (r < 0 || rec.cause[0] == '\0')
		return r < 0 ? -MFTD_E_CORRUPT : 0;
	if (e->type == MFTD_RECORD_DISPOSE)
		return note_intent(t, e, &rec);
	TAILQ_FOREACH(one, &t->list, link)
		if (strcmp(one->rec.cause, rec.cause) == 0)
			one->done = true;
	return 0;
}

/* Says what the dead one did; dir: where the name was, -1: that is gone. */
static int
finish(struct mftd_work *w, const struct noted *one, const char *taken, int dir)
{
	const struct mftd_rec_name *rec = &one->rec;
	uint32_t type =
	    rec->to[0] != '\0' ? MFTD_RECORD_RENAME : MFTD_RECORD_REMOVE;
	int r;

	if (!one->done) {
		r = mftd_work_room(w, MFTD_RECORD_BYTES);
		if (r < 0)
			return r;
		mftd_work_name(w, type, rec);
	}
	/* who took it may not have come to its sync */
	if (dir >= 0)
		mftd_work_touch(w, dir);
	mftd_work_touch(w, w->vol->out);
	if (mftd_work_sync(w) < 0 || mftd_work_record(w) < 0)
		return w->failed;
	if (unlinkat(w->vol->out, taken, 0) < 0 && errno != ENOENT)
		return -errno;
	mftd_work_touch(w, w->vol->out);
	return 0;
}

/* What lies there of one of them.  Another's file whose directory is gone,
 * which was empty then, stays there: bytes that were acknowledged are not
 * removed for that. */
static int
settle(struct mftd_work *w, const struct noted *one, const char *taken,
    const struct stat *st)
{
	const struct mftd_taken t = { .inode = one->rec.inode,
		.found = one->rec.found,
		.bytes = one->rec.bytes,
		.mtime_ns = one->rec.mtime_ns };
	char path[MFTD_PATH_BYTES];
	const char *base;
	int dir, r;

	r = mftd_path_split(one->rec.path, path, sizeof(path), &base);
	if (r < 0)
		return r;
	dir = mftd_path_open_one_mount(
	    w->vol->root, path, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 && dir != -ENOENT && dir != -ENOTDIR && dir != -ELOOP &&
	    dir != -EXDEV)
		return dir;
	if (mftd_taken_is(&t, st))
		r = finish(w, one, taken, dir);
	else if (dir >= 0)
		r = put_back(w, taken, dir, base, t.found);
	else
		log_error("out/%s stays: its directory is gone", taken);
	if (dir >= 0)
		close(dir);
	return r;
}

int
mftd_takens_settle(
    struct mftd_work *w, struct mftd_takens *t, const char *stream)
{
	char taken[TAKEN_BYTES];
	struct noted *one;
	struct stat st;
	int r = 0;

	TAILQ_FOREACH(one, &t->list, link) {
		name_of(taken, one->rec.cause, stream);
		if (fstatat(w->vol->out, taken, &st, AT_SYMLINK_NOFOLLOW) == 0)
			r = settle(w, one, taken, &st);
		else
			r = errno == ENOENT ? 0 : -errno;
		if (r < 0)
			break;
	}
	return r < 0 ? r : w->failed;
}
