/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_DORMANT_H
#define MFTD_JOURNAL_DORMANT_H

#include "mftd/journal/marks.h"
#include "mftd/journal/work.h"

/*
 * Dormant parts: uploads whose owner is gone without CLOSE, to be gone on with.
 * The name (journal/layout.h) says how much of the file counts: what was
 * durable from its start, less one byte, so that no client takes it for
 * complete.  So the change of name alone lays a part down, and it is done by
 * whoever wins the rename of exactly that id; the file is cut by its adopter,
 * who then is the only one to have it.  Nobody who lays a part down may do so
 * while its owner can still write: only at the end of the owner's channel, or
 * when its incarnation is certainly gone.
 */

/*
 * Lays the part of the directory dir down.  mark: NULL, or how much of it is
 * durable.  Returns 1 when that was done, 0 when nothing is left of it that
 * could be gone on with (then it is to be set aside), -ENOENT when it is not
 * there any more, or -errno.
 */
int mftd_dormant_lay(struct mftd_work *w, int dir, const char *part,
    const struct mftd_mark *mark);

/* What the directory of a name's parts holds, besides one of them. */
struct mftd_dormant_look {
	char name[MFTD_ID_BYTES]; /* the latest dormant one, or "" */
	uint64_t bytes; /* of it that count */
	char live[MFTD_ID_BYTES]; /* one that an owner may have open, or "" */
};

/* but: a part not to be looked at, or "".  0 or -errno. */
int mftd_dormant_look(int dir, const char *but, struct mftd_dormant_look *k);

/*
 * Sets those aside that were laid down before before_s (seconds since the
 * epoch).  Returns how many, or -errno.
 */
int mftd_dormant_reap(struct mftd_work *w, int64_t before_s);

#endif
