/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_TEMP_H
#define MFTD_OUTBOUND_TEMP_H

#include "mftd/outbound/batch.h"

/*
 * Temporary names of a partner's convention (mftd_deliver_is_shared). Anybody's
 * file may come to stand there at any time, also one that was delivered, and
 * SFTP version 3 tells of no file which one it is.  So ours has a mark, which
 * is set by its handle and looked for by its name: whatever the name shows with
 * it is what was written.
 *
 * While it is sent that is its atime, which a WRITE leaves alone, of 27 bits by
 * the delivery's id, in the years 2030 to 2034: what lies in the future a
 * reader does not renew under Linux's relatime.  Whole, it has its mtime, which
 * the row knows from BEGIN on; one that is not the delivery's alone (mtime:
 * preserve) with an atime that lies up to a week before it, by the id.
 *
 * Without a mark it is renamed only if its content is the source's; it is never
 * removed, nor written to.
 */

/* The atime that marks it while it is sent: seconds since the epoch. */
uint32_t mftd_temp_mark(const struct mftd_delivery *d);

/* The one that is set with its mtime. */
uint32_t mftd_temp_atime(const struct mftd_delivery *d, uint32_t mtime);

/* Whether what LSTAT showed of its temporary name has the delivery's mark;
 * d->mtime: the one that it has, or is to have. */
bool mftd_temp_is_marked(
    const struct mftd_delivery *d, const struct mftd_remote_attrs *a);

/* Those below are for deliveries with such a name; a negative return is the
 * connection's end. */

/* Before BEGIN: looks at the names of those that are to be sent.  it->own says
 * that its file stands there; another's is let be, and the delivery fails, to
 * be tried again.  One whose temp_directory is just its directory fails for
 * good. */
void mftd_batch_look_at_shared(struct mftd_batch *b);

/* Its OPEN is answered: notes whose the file is, and marks it, or finds the
 * mark of what is gone on with, by the handle. */
int mftd_item_opened_shared(struct mftd_batch *b, struct mftd_item *it);

/* Those of n items whose handles are open are written: gives them their times,
 * unless they have failed, and closes them. */
int mftd_batch_finish_shared(
    struct mftd_batch *b, struct mftd_item *const *items, size_t n);

/* Of the chosen ones, of which LSTAT was answered: who cannot be shown to be at
 * its temporary name fails. */
int mftd_batch_prove_shared(
    struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it));

/* Once more just before they are renamed. */
int mftd_batch_prove_again(struct mftd_batch *b);

/* Removes what stands there of the chosen ones' own; it->own is false when none
 * of it does. */
int mftd_batch_remove_shared(
    struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it));

/* Removes what was looked at and judged to be its own, if it is that still. */
int mftd_item_remove_seen(struct mftd_batch *b, struct mftd_item *it);

/* What was read by us shows no other reader any more: gives it the times of a,
 * by a handle, if that shows the same but for atime.  That this is refused is
 * no failure. */
int mftd_item_restore_times(
    struct mftd_batch *b, const char *path, const struct mftd_remote_attrs *a);

#endif
