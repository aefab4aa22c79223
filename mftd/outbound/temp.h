/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_TEMP_H
#define MFTD_OUTBOUND_TEMP_H

#include "mftd/outbound/batch.h"

/*
 * Temporary names of a partner's convention (mftd_deliver_is_shared). Anybody's
 * file may stand there, also one that was delivered; so what is removed or
 * written over is this delivery's own, for certain: this worker has made it
 * (OPEN with EXCL), or an earlier try's row says that it was about to and what
 * stands there is the source's beginning.  Of what is sent again out of doubt,
 * whose row names no host any more (person.c), it is all of the source, with
 * the delivery's own mtime; one whose mtime is the source's is nobody's for
 * certain.
 */

/* Before BEGIN, which is that row: looks at the names of those that are to be
 * sent.  it->own says that its file stands there; another's is let be, and the
 * delivery fails, to be tried again.  One whose temp_directory is just its
 * directory fails for good. */
void mftd_batch_look_at_shared(struct mftd_batch *b);

/* Notes how the OPEN of it went, which is answered. */
void mftd_item_opened_shared(struct mftd_item *it);

#endif
