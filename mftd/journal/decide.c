/* Part of mftd; see LICENSE. */
#include "mftd/journal/decide.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/path.h"
#include "mftd/journal/parts.h"

/* An outcome follows its receipt within the next batch, so few wait. */
#define UNDECIDED_MAX 4096
#define RACE_TRIES 8

struct undecided {
	TAILQ_ENTRY(undecided) link;
	struct mftd_rec_receipt rec;
};

struct mftd_undecided {
	TAILQ_HEAD(, undecided) list;
	size_t n;
};

struct mftd_undecided *
mftd_undecided_new(void)
{
	struct mftd_undecided *u = calloc(1, sizeof(*u));

	if (u != NULL)
		TAILQ_INIT(&u->list);
	return u;
}

static void
drop(struct mftd_undecided *u, struct undecided *one)
{
	TAILQ_REMOVE(&u->list, one, link);
	u->n--;
	free(one);
}

void
mftd_undecided_free(struct mftd_undecided *u)
{
	if (u == NULL)
		return;
	while (!TAILQ_EMPTY(&u->list))
		drop(u, TAILQ_FIRST(&u->list));
	free(u);
}

static int
take_receipt(struct mftd_undecided *u, struct mftd_buf *b)
{
	struct undecided *one;
	int r;

	if (u->n == UNDECIDED_MAX)
		return -MFTD_E_LIMIT;
	one = calloc(1, sizeof(*one));
	if (one == NULL)
		return -ENOMEM;
	r = mftd_rec_receipt_get(b, &one->rec);
	if (r < 0) {
		free(one);
		return -MFTD_E_CORRUPT;
	}
	TAILQ_INSERT_TAIL(&u->list, one, link);
	u->n++;
	return 0;
}

static int
take_outcome(struct mftd_undecided *u, struct mftd_buf *b)
{
	struct mftd_rec_outcome rec;
	struct undecided *one;

	if (mftd_rec_outcome_get(b, &rec) < 0)
		return -MFTD_E_CORRUPT;
	TAILQ_FOREACH(one, &u->list, link)
		if (strcmp(one->rec.id, rec.receipt) == 0) {
			drop(u, one);
			break;
		}
	return 0;
}

int
mftd_undecided_take(struct mftd_undecided *u, const struct mftd_entry *e)
{
	struct mftd_buf *b;
	int r = 0;

	if (e->type != MFTD_RECORD_RECEIPT &&
	    e->type != MFTD_RECORD_PUBLISHED &&
	    e->type != MFTD_RECORD_ABANDONED)
		return 0;
	b = mftd_buf_from(e->payload, e->payload_bytes);
	if (b == NULL)
		return -ENOMEM;
	r = e->type == MFTD_RECORD_RECEIPT ? take_receipt(u, b)
					   : take_outcome(u, b);
	mftd_buf_free(b);
	return r;
}

/* Where a receipt's file may be. */
struct where {
	int final_dir; /* -1: its directory is not there */
	const char *base;
	int part_dir; /* -1: the part is not in its place */
	bool final; /* the final name is the receipt's inode */
	bool aside;
};

static void
where_close(struct where *p)
{
	mftd_fd_close(&p->final_dir);
	mftd_fd_close(&p->part_dir);
}

/* fd or -errno to an open descriptor or -1; a missing thing is no error. */
static int
or_none(int *fd)
{
	int r = *fd;

	if (r >= 0)
		return 0;
	*fd = -1;
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP ? 0 : r;
}

static int
open_final(const struct mftd_work *w, const struct mftd_rec_receipt *rec,
    struct where *p)
{
	const char *path = rec->path;
	char dir[MFTD_PATH_BYTES];
	struct stat st;
	int root, r;

	if (rec->folder[0] != '\0')
		path += strlen(rec->folder) + 1; /* record.c saw to it */
	r = mftd_path_split(path, dir, sizeof(dir), &p->base);
	if (r < 0)
		return r;
	root = mftd_path_open_nolinks(
	    w->vol->root, rec->root, O_RDONLY | O_DIRECTORY, 0);
	r = or_none(&root);
	if (root < 0)
		return r;
	p->final_dir =
	    mftd_path_open_nolinks(root, dir, O_RDONLY | O_DIRECTORY, 0);
	close(root);
	r = or_none(&p->final_dir);
	if (p->final_dir >= 0)
		p->final = fstatat(p->final_dir, p->base, &st,
			       AT_SYMLINK_NOFOLLOW) == 0 &&
		    st.st_ino == rec->inode;
	return r;
}

static int
look(const struct mftd_work *w, const struct mftd_rec_receipt *rec,
    struct where *p)
{
	struct stat st;
	int parts, r;

	*p = (struct where) { .final_dir = -1, .part_dir = -1 };
	r = open_final(w, rec, p);
	if (r < 0)
		return r;
	parts = mftd_path_open_nolinks(
	    w->vol->parts, rec->account, O_RDONLY | O_DIRECTORY, 0);
	r = or_none(&parts);
	if (parts >= 0) {
		p->part_dir = mftd_parts_find(parts, p->base, rec->part);
		close(parts);
		r = or_none(&p->part_dir);
	}
	p->aside =
	    fstatat(w->vol->aside, rec->part, &st, AT_SYMLINK_NOFOLLOW) == 0;
	return r;
}

static int
found_published(struct mftd_work *w, const struct mftd_rec_receipt *rec,
    const struct where *p, struct mftd_recovery *out)
{
	if (p->final && p->part_dir >= 0) {
		unlinkat(p->part_dir, rec->part, 0);
		mftd_work_touch(w, p->part_dir);
	}
	if (p->aside)
		mftd_work_doom(w, rec->part);
	if (p->final && rec->has_routes) {
		/* there already, unless the file system lost the order */
		if (linkat(p->final_dir, p->base, w->vol->out, rec->id, 0) <
			0 &&
		    errno != EEXIST)
			return -errno;
		mftd_work_touch(w, w->vol->out);
	}
	if (p->final_dir >= 0)
		mftd_work_touch(w, p->final_dir);
	mftd_work_outcome(w, MFTD_RECORD_PUBLISHED, rec->id, rec->part, "");
	out->published++;
	return 0;
}

static int
found_abandoned(struct mftd_work *w, const struct mftd_rec_receipt *rec,
    struct mftd_recovery *out)
{
	mftd_work_doom(w, rec->part);
	if (rec->has_routes) {
		if (unlinkat(w->vol->out, rec->id, 0) < 0 && errno != ENOENT)
			return -errno;
		mftd_work_touch(w, w->vol->out);
	}
	out->abandoned++;
	return 0;
}

static int
decide(struct mftd_work *w, const struct mftd_rec_receipt *rec,
    struct mftd_recovery *out)
{
	static const char why[] = "not published when its node stopped";
	struct where p;
	int i, r = -EAGAIN;

	for (i = 0; i < RACE_TRIES && r == -EAGAIN; i++) {
		r = look(w, rec, &p);
		if (r == 0)
			r = mftd_work_room(w, MFTD_OUTCOME_BYTES);
		if (r == 0 && !p.final && p.part_dir >= 0) {
			r = mftd_parts_set_aside(
			    w, p.part_dir, rec->part, rec->id, why);
			if (r == 0)
				r = found_abandoned(w, rec, out);
			else if (r == -ENOENT)
				r = -EAGAIN; /* somebody moved it: look again */
		} else if (r == 0 && !p.final && p.aside) {
			mftd_work_outcome(
			    w, MFTD_RECORD_ABANDONED, rec->id, rec->part, why);
			r = found_abandoned(w, rec, out);
		} else if (r == 0)
			r = found_published(w, rec, &p, out);
		where_close(&p);
	}
	return r;
}

int
mftd_undecided_settle(
    struct mftd_work *w, struct mftd_undecided *u, struct mftd_recovery *out)
{
	struct mftd_recovery counts = { 0 };
	struct undecided *one;
	int r = 0;

	TAILQ_FOREACH(one, &u->list, link)
		if ((r = decide(w, &one->rec, &counts)) < 0)
			break;
	if (r == 0 && w->failed == 0) {
		out->published += counts.published;
		out->abandoned += counts.abandoned;
	}
	return r < 0 ? r : w->failed;
}
