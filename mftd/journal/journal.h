/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_JOURNAL_H
#define MFTD_JOURNAL_JOURNAL_H

#include "mftd/ipc/worker.h"

/*
 * The journal process of one volume (w->instance): the only one that changes
 * published names.  Called in the forked child; returns when told to stop, or
 * exits with 1 after logging a fatal error: a failed sync of a segment or a
 * directory ends the stream, and the next start recovers it.  A full disk does
 * not: requests are refused until there is space.
 */
void mftd_journal_main(struct mftd_worker *w);

#endif
