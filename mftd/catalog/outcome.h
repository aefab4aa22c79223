/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_OUTCOME_H
#define MFTD_CATALOG_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/catalog/catalog.h"

/*
 * What became of a part that outbound made of a file for an account.  Each such
 * part comes to one outcome, whatever dies meanwhile: the journal that was
 * asked to publish it, that of its session's end, or a recoverer says PUBLISHED
 * or ABANDONED, and the catalog gets every journal's records.  So nobody has to
 * guess, only to wait.
 */
enum mftd_part_outcome {
	MFTD_PART_UNKNOWN, /* its journal has not said so far */
	MFTD_PART_PUBLISHED,
	MFTD_PART_ABANDONED
};

/* The part that this try of the file with that id makes in a session of
 * journal: "SESSION.ID.TRIES".  0 or -ENAMETOOLONG. */
int mftd_outcome_part(const char *session, const char *id, uint32_t tries,
    char out[MFTD_ID_BYTES]);

/* What the catalog knows of it, or a negative error. */
int mftd_outcome_of(struct mftd_catalog *c, const char *part);

/* Notes what a record says of part, if it is such a one; receipt: "" for none.
 * Inside a FORWARD transaction.  0 or a negative error. */
int mftd_outcome_note(struct mftd_catalog *c, const char *part,
    const char *outcome, const char *receipt);

#endif
