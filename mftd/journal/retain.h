/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_RETAIN_H
#define MFTD_JOURNAL_RETAIN_H

#include <stdint.h>

#include "mftd/journal/work.h"

/*
 * Drops what nobody needs any more: records that are in the catalog, before the
 * checkpoint, and older than they have to be kept.  What is dropped is written
 * down before it goes, as an audit record "journal-dropped".
 */

#define MFTD_AUDIT_DROPPED "journal-dropped" /* text: "STREAM up to SEQ" */

/* So much at a time, as others wait meanwhile: then there may be more. */
#define MFTD_RETAIN_MAX 16

/* Drops segments from the front of our own stream, of which records up to
 * forwarded are in the catalog, that were written to last before before_s
 * (seconds since 1970).  Returns how many, or -errno. */
int mftd_retain_own(struct mftd_work *w, uint64_t forwarded, int64_t before_s);

/* Drops streams, of whichever node, that are recovered, wholly forwarded, and
 * were written to last before then.  Several nodes may do it at once.  Returns
 * how many, or -errno. */
int mftd_retain_dead(struct mftd_work *w, int64_t before_s);

#endif
