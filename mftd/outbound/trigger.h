/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_TRIGGER_H
#define MFTD_OUTBOUND_TRIGGER_H

#include "mftd/outbound/batch.h"

/*
 * Trigger files: they tell the partner that a file is there.
 *
 * One is written under a temporary name before its file is published, and
 * renamed after the row says DELIVERED: so that name says what has become of it
 * after a crash.  There: it is still to be renamed; gone: it was, and the
 * partner may have taken it since.
 *
 * That holds where RENAME is one step.  At OpenSSH's servers it is not, but
 * posix-rename is, and is taken for it, behind a look whether one is there
 * already.
 */

/* Writes those of the deliveries that are about to say PUBLISH; who cannot,
 * does not say it. */
void mftd_batch_write_triggers(struct mftd_batch *b);

/* Renames those of what was delivered, and says FINISH, or RETRY. */
void mftd_batch_trigger(struct mftd_batch *b);

#endif
