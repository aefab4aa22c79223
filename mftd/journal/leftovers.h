/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_LEFTOVERS_H
#define MFTD_JOURNAL_LEFTOVERS_H

#include "mftd/ipc/worker.h"
#include "mftd/journal/volume.h"

/*
 * Links in .mft/out that nobody needs any more and that are there all the same:
 * the catalog notes that one may go before it is gone, and a power cut brings
 * back what was just removed.  So now and then all names there are shown to the
 * catalog, some at a time, and it tells which of them may go (RELEASE).
 */
struct mftd_leftovers;

/* All is to be shown.  Both stay the caller's.  NULL without memory. */
struct mftd_leftovers *mftd_leftovers_new(
    struct mftd_worker *w, const struct mftd_volume *vol);
void mftd_leftovers_free(struct mftd_leftovers *l);

/* All are to be shown again, as soon as that can be. */
void mftd_leftovers_want(struct mftd_leftovers *l);

/* To be called now and then: begins, if that is wanted and not under way, over
 * the channel (NULL: there is none). */
void mftd_leftovers_work(struct mftd_leftovers *l, struct mftd_chan *c);

/* Handler of LINKS_SEEN: goes on with the next ones. */
void mftd_leftovers_seen(
    struct mftd_leftovers *l, struct mftd_chan *c, const struct mftd_msg *m);

/* The channel is gone: it is to begin again. */
void mftd_leftovers_end(struct mftd_leftovers *l);

#endif
