/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_TAKEN_H
#define MFTD_JOURNAL_TAKEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "mftd/journal/segment.h"
#include "mftd/journal/work.h"

/*
 * Taking a published name away only while it is one certain inode.  No system
 * call does that, and another node's journal may publish under that name at any
 * time: so the name is moved, by one rename, to .mft/out/<receipt>~<stream>,
 * and what lies there then is looked at.  Another file goes back at once.
 *
 * Only the stream's own journal, or who recovers it, touches that name, so it
 * is the proof of what became of the source until the record of it is durable:
 * it goes after that.  A DISPOSE record stands before it comes.
 */

/*
 * Which file is meant.  An upload is its inode: published names are never
 * written to.  A found file may be, in place, by whoever put it there: so it is
 * a version, by size and mtime, too.  (Not by ctime, which the rename sets.)
 *
 * While another upload is held its name may be published anew: then it would
 * have been replaced, and goes.  Nobody knows that of a found file; it goes
 * back under a numbered name then, "a.csv.1".
 */
struct mftd_taken {
	uint64_t inode;
	bool found;
	uint64_t bytes; /* of found ones */
	int64_t mtime_ns; /* likewise, since the epoch */
};

bool mftd_taken_is(const struct mftd_taken *t, const struct stat *st);

/* 1: taken, it lies there; 0: it was another file, which is back, or another
 * upload has its name by now; -ENOENT: nothing has the name; -errno, with
 * nothing changed.  What may be neither goes to w->failed. */
int mftd_taken_take(struct mftd_work *w, const char *receipt, int dir,
    const char *base, const struct mftd_taken *t);

/* The record of it is durable.  A found file that was written to since it was
 * taken goes back, as a new one. */
void mftd_taken_drop(struct mftd_work *w, const char *receipt, int dir,
    const char *base, const struct mftd_taken *t);

/* What a dead stream had taken, by its records. */
struct mftd_takens;

/* NULL without memory. */
struct mftd_takens *mftd_takens_new(void);
void mftd_takens_free(struct mftd_takens *t);

/* Takes the next record of the stream.  0, -ENOMEM, -MFTD_E_CORRUPT,
 * -MFTD_E_LIMIT. */
int mftd_takens_note(struct mftd_takens *t, const struct mftd_entry *e);

/* What lies there goes back, or what was done is recorded in our stream,
 * durably, and it goes.  0 or a negative error: it may be done again. */
int mftd_takens_settle(
    struct mftd_work *w, struct mftd_takens *t, const char *stream);

#endif
