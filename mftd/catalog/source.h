/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_SOURCE_H
#define MFTD_CATALOG_SOURCE_H

#include "mftd/catalog/db.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/journal/record.h"

/*
 * Sources whose routes want them archived or deleted (after.h).  A row goes
 * from WANTED over BEGUN, when a journal is asked, to what became of it; from
 * BEGUN on no name of the file matches it to a route any more, and until it is
 * over its link in .mft/out stays.
 *
 * Which node's journal does it is agreed upon here: whose catalog process gets
 * the row.  After MFTD_DISPOSE_AGAIN_S without an answer another one may ask
 * its own, which is safe at any time (journal/dispose.h); the time only keeps
 * them from doing the same work.
 */

/* Inside FORWARD: a delivery of the receipt is new, and its route wants
 * something.  0 or a negative error. */
int mftd_source_want(struct mftd_catalog *c, const char *receipt);

/* Inside FORWARD: a record with a cause, RENAME or REMOVE: it is done.  It
 * stands above what was answered.  As above. */
int mftd_source_done(struct mftd_catalog *c, const struct mftd_rec_name *rec);

/*
 * Looks at up to MFTD_SOURCE_LOOKS_MAX deliveries that have ended and of whose
 * source a route wants something: those sources all of whose deliveries have
 * ended are due from then on.  Returns how many it looked at, or an error.
 */
int mftd_source_look(struct mftd_catalog *c);

/*
 * Takes up to max sources of the volume that are delivered everywhere and due:
 * what is to be kept is noted so, the others are BEGUN and what to ask the
 * journal is put into out.  Returns how many those are, or an error.
 */
int mftd_source_begin(struct mftd_catalog *c, const char *volume,
    struct mftd_msg_dispose *out, size_t max);

/* "ARCHIVED", as stored. */
const char *mftd_source_name(uint32_t source);

/* Notes the journal's answer; one that was not asked for any more changes
 * nothing. */
int mftd_source_answered(
    struct mftd_catalog *c, const struct mftd_msg_disposed *m);

#endif
