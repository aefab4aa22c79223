/* Part of mftd; see LICENSE. */
#include "mftd/journal/taken.h"

#include <errno.h>
#include <fcntl.h>
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

#define TAKEN_BYTES (2 * MFTD_ID_BYTES)

/* '~' is in no id: nobody takes it for a link of out. */
static void
name_of(char out[TAKEN_BYTES], const char *receipt, const char *stream)
{
	snprintf(out, TAKEN_BYTES, "%s~%s", receipt, stream);
}

/* Another file than the one that was meant: it gets its name back, unless a
 * still newer one has it, which then came over it. */
static int
put_back(struct mftd_work *w, const char *taken, int dir, const char *base)
{
	int r = mftd_rename_noreplace(w->vol->out, taken, dir, base);

	if (r == -EEXIST && unlinkat(w->vol->out, taken, 0) == 0)
		r = 0;
	mftd_work_touch(w, dir);
	mftd_work_touch(w, w->vol->out);
	return r;
}

int
mftd_taken_take(struct mftd_work *w, const char *receipt, int dir,
    const char *base, uint64_t inode)
{
	char taken[TAKEN_BYTES];
	struct stat st;
	int r;

	name_of(taken, receipt, mftd_stream_id(w->stream));
	/* renamed onto itself nothing would happen, and the look lie */
	if (fstatat(w->vol->out, taken, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    unlinkat(w->vol->out, taken, 0) < 0)
		return -errno;
	r = mftd_rename(dir, base, w->vol->out, taken);
	if (r < 0)
		return r;
	mftd_work_touch(w, dir);
	mftd_work_touch(w, w->vol->out);
	r = fstatat(w->vol->out, taken, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
								      : 0;
	if (r == 0 && st.st_ino == inode)
		return 1;
	if (r == 0)
		r = put_back(w, taken, dir, base);
	if (r < 0)
		w->failed = r; /* neither taken nor back: recovery's */
	return r;
}

void
mftd_taken_drop(struct mftd_work *w, const char *receipt)
{
	char taken[TAKEN_BYTES];

	name_of(taken, receipt, mftd_stream_id(w->stream));
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
    uint64_t inode)
{
	char path[MFTD_PATH_BYTES];
	const char *base;
	int dir, r;

	r = mftd_path_split(one->rec.path, path, sizeof(path), &base);
	if (r < 0)
		return r;
	dir = mftd_path_open_nolinks(
	    w->vol->root, path, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 && dir != -ENOENT && dir != -ENOTDIR && dir != -ELOOP)
		return dir;
	if (inode == one->rec.inode)
		r = finish(w, one, taken, dir);
	else if (dir >= 0)
		r = put_back(w, taken, dir, base);
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
			r = settle(w, one, taken, st.st_ino);
		else
			r = errno == ENOENT ? 0 : -errno;
		if (r < 0)
			break;
	}
	return r < 0 ? r : w->failed;
}
