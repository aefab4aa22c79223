/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_DISPOSE_H
#define MFTD_JOURNAL_DISPOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/ipc/msg_journal.h"
#include "mftd/journal/taken.h"
#include "mftd/journal/work.h"

/*
 * What becomes of a source that was delivered everywhere: its name goes, and
 * before that, if it is archived, the link in .mft/out gets a second one in the
 * archive.  So what the archive has are the bytes that were delivered, whoever
 * has the name by then; and the name goes only while it is that inode
 * (taken.h).  The link of a found file is a copy: its name goes only while it
 * is the version that was copied.
 */
struct mftd_disposal {
	STAILQ_ENTRY(mftd_disposal) link;
	uint64_t ref;
	struct mftd_msg_dispose ask;
	struct mftd_msg_disposed say;
	/* under way */
	int dir; /* of the name; -1: not open */
	const char *base; /* in ask.path */
	char to[MFTD_PATH_BYTES]; /* in the archive */
	struct mftd_taken taken; /* which file the name must be */
	uint64_t out, bytes; /* inode of the link in out, and its size */
	dev_t dev; /* where that is */
	bool made; /* the archive is there, durably */
	bool goes; /* the name is to be taken */
	bool gone; /* … and was, by us */
	bool done; /* that is to be recorded */
};

STAILQ_HEAD(mftd_disposals, mftd_disposal);

/* As it was asked for.  NULL without memory. */
struct mftd_disposal *mftd_disposal_new(
    uint64_t ref, const struct mftd_msg_dispose *ask);
void mftd_disposal_free(struct mftd_disposal *d);

/*
 * Does all of them (MFTD_DISPOSALS_MAX at most) as one group, durably; each
 * say is then its answer.  Doing one again, or on two nodes at once, does no
 * harm: the same name in the archive, and one of them takes the name away.
 * The lease is the caller's to check.  Returns 0, or the error that ends this
 * process: then nothing may be answered.
 */
int mftd_dispose_run(struct mftd_work *w, struct mftd_disposals *list);

#endif
