/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_ALLOW_H
#define MFTD_JOURNAL_ALLOW_H

#include <stdbool.h>
#include <sys/queue.h>

#include "mftd/ipc/msg_journal.h"
#include "mftd/journal/change.h"
#include "mftd/journal/work.h"

/*
 * A quota's word ahead of time, so that a client hears before it has sent all.
 * Here parts count, and the published versions that they shadow do not: of this
 * node's parts that is known, those of others count in full.
 */

/* What the part of a session shadows.  It is forgotten when the part is seen no
 * more. */
struct mftd_allowance {
	LIST_ENTRY(mftd_allowance) link;
	const struct mftd_owner *owner;
	char part[MFTD_ID_BYTES];
	struct mftd_tally shadows;
	bool outside; /* it will lie where nothing counts */
	bool seen; /* by the last look at the parts */
};
LIST_HEAD(mftd_allowances, mftd_allowance);

/* Answers m of owner in res. */
void mftd_allow(struct mftd_work *w, struct mftd_allowances *list,
    const struct mftd_owner *owner, const struct mftd_msg_quota *m,
    struct mftd_msg_quota_result *res);

/* The owner's session has ended. */
void mftd_allow_forget(
    struct mftd_allowances *list, const struct mftd_owner *owner);

#endif
