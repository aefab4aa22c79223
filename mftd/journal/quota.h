/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_QUOTA_H
#define MFTD_JOURNAL_QUOTA_H

#include <stdbool.h>

#include "mftd/journal/change.h"
#include "mftd/journal/work.h"

/*
 * Quotas in a batch.  Of an account that has one, what may grow is held in its
 * usage (journal/usage.h) before the batch changes a name, and refused where it
 * does not fit; behind the batch the usage gets what really happened.  Regular
 * files below the account's root count, one for each name.
 */

/* Whether the account has a quota. */
bool mftd_quota_of(const struct mftd_owner *o);

/* What the name counts for its owner: nothing when it is no regular file, not
 * there, or in a folder that lies outside the account's root. */
struct mftd_tally mftd_quota_at(
    const struct mftd_owner *o, const struct mftd_place *p);

/* Whether files at p count. */
bool mftd_quota_counts(const struct mftd_owner *o, const struct mftd_place *p);

/* Locks and reads the usage of c's owner, for mftd_quota_hold; close writes it
 * durably.  0, or -errno: then nothing of that account may grow now. */
int mftd_quota_open(struct mftd_work *w, const struct mftd_owner *o);
int mftd_quota_close(struct mftd_work *w);

/* c is about to make its account's files grow by that: 0, or -EDQUOT.  -EAGAIN
 * when the usage is not known; w->uncounted then names the account. */
int mftd_quota_hold(
    struct mftd_work *w, struct mftd_change *c, struct mftd_tally by);

/* All changes of the list are done, c->tally says by how much each. */
void mftd_quota_settle(struct mftd_work *w, struct mftd_changes *list);

#endif
