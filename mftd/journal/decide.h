/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_DECIDE_H
#define MFTD_JOURNAL_DECIDE_H

#include "mftd/journal/recover.h"
#include "mftd/journal/segment.h"

/* The receipts of a dead stream that have no outcome. */
struct mftd_undecided;

/* NULL without memory. */
struct mftd_undecided *mftd_undecided_new(void);
void mftd_undecided_free(struct mftd_undecided *u);

/* Takes the next record of the stream.  0, -ENOMEM, -MFTD_E_CORRUPT for a
 * payload that is none, -MFTD_E_LIMIT when too many are undecided. */
int mftd_undecided_take(struct mftd_undecided *u, const struct mftd_entry *e);

/* Decides all of them by what is on disk and appends their outcomes to w.
 * Returns 0 or a negative error: nothing is committed then, and it may be done
 * again. */
int mftd_undecided_settle(
    struct mftd_work *w, struct mftd_undecided *u, struct mftd_recovery *out);

#endif
