/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_TIDY_H
#define MFTD_OUTBOUND_TIDY_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/ipc/msg_fetch.h"
#include "mftd/outbound/delivery.h"

/*
 * What to do at the partner with a file that was fetched and delivered: pure.
 * It is touched only while it is what was fetched: of the same size and mtime,
 * by a look after whatever took its time.
 * Its row says BEGIN before that.  When it said so already, and nobody knows
 * what came of it, an equal file may be the one, or one that came after it:
 * then its bytes must be the same, too.
 */
struct mftd_tidy {
	enum mftd_fetched what; /* DELETE, MOVE */
	bool begun;
	uint64_t size;
	int64_t mtime;
	struct mftd_remote_attrs source; /* as it is now; content: by look */
	struct mftd_remote_attrs target; /* MOVE: the name it is to have */
};

enum mftd_tidy_action {
	MFTD_TIDY_BEGIN, /* write the row, then ask again with begun */
	MFTD_TIDY_READ, /* look into the source, then ask again */
	MFTD_TIDY_REMOVE, /* the source */
	MFTD_TIDY_RENAME, /* the source to the target */
	MFTD_TIDY_NAME, /* the target is taken: another one, not begun */
	MFTD_TIDY_DONE, /* there is nothing (more) to do */
	MFTD_TIDY_UNSURE, /* what is there is not told: nothing, for now */
	MFTD_TIDY_ACTIONS
};

/* fresh: begun by this very process, and nothing was asked since: what looks as
 * it did before is the same. */
enum mftd_tidy_action mftd_tidy_next(const struct mftd_tidy *t, bool fresh);

/* The n-th name to try in the folder for a file of that name and id: its own,
 * then one with the id, which nobody else has.  0; -ENOENT: there are no more;
 * -ENAMETOOLONG. */
int mftd_tidy_name(const char *folder, const char *name, const char *id,
    unsigned n, char *out, size_t size);

#endif
