/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_UNSEEN_H
#define MFTD_OUTBOUND_UNSEEN_H

struct mftd_job;
struct mftd_queue;

/*
 * What is in PUBLISHING at a partner that cannot be looked at.  It waits for
 * its host; but one that is gone for good does not come back, so when its hours
 * are over, or the configuration has that host no more, it is IN_DOUBT
 * (mftd_delivery_is_unseen), and FAILED where only its trigger file is missing.
 * What goes to an account is not meant: its journal
 * has the word on it, and keeps it.
 */

/* A look at the job was in vain, or was none: its step is written. */
void mftd_unseen_note(struct mftd_job *job);

/* The configuration was loaded anew: by it all are looked at, at once. */
void mftd_unseen_ask(struct mftd_queue *q);

/* Makes its step if nobody is to wait any longer.  It has none so far, and no
 * deliver. */
void mftd_unseen_conclude(struct mftd_job *job);

#endif
