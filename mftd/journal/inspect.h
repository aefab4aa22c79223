/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_INSPECT_H
#define MFTD_JOURNAL_INSPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/journal/segment.h"

/*
 * Journals as they lie on disk, looked at from outside: a running node's, a
 * dead one's, or a copy.  Nothing is written and no lock is taken.
 */

/* A stream that was found. */
struct mftd_found {
	char stream[MFTD_ID_BYTES];
	const char *path; /* of its directory, as it was come to */
	int dir; /* open; the finder's */
};

/*
 * Calls fn for each stream at or below path, which is a stream's directory, a
 * node's, a .mft/journal, or a volume; by name.  A negative return of fn ends
 * and is returned; -ENOENT when there is no stream; -errno.
 */
int mftd_inspect_find(const char *path,
    int (*fn)(void *data, const struct mftd_found *f), void *data);

enum mftd_verdict {
	MFTD_VERDICT_WHOLE, /* every record holds */
	MFTD_VERDICT_SEALED, /* and another stream says that it ends there */
	MFTD_VERDICT_LIVE, /* as far as it is written: its writer is alive */
	MFTD_VERDICT_BAD, /* what follows is neither a record nor the end */
	MFTD_VERDICT_CUT, /* it ends before its seal, or its signed head */
	MFTD_VERDICT_FORGED, /* its record is not the one that was sealed or
			      * signed, or a signature does not hold */
	MFTD_VERDICT_BEHIND, /* it goes on behind its seal, or its last head */
	MFTD_VERDICT_UNSIGNED, /* its signed head is missing */
	MFTD_VERDICT_STRANGE, /* it is signed by a key that is not trusted */
	MFTD_VERDICT_GONE, /* it was sealed, and is not there */
	MFTD_VERDICT_BEHEADED, /* its beginning is missing, and no record says
				* that it was dropped */
};

/* What is known of a stream. */
struct mftd_verified {
	char stream[MFTD_ID_BYTES];
	char *path;
	enum mftd_verdict verdict;
	uint64_t first; /* sequence of its first record; 0: none */
	uint64_t seq; /* of its last good record; 0: none */
	uint64_t signed_seq; /* its head is signed so far; 0: not at all */
	bool has_key; /* a segment is there */
	uint8_t key[MFTD_HEAD_KEY_BYTES]; /* which its first one names */
	uint64_t segment, offset; /* BAD: where the first bad record stands */
	uint64_t sealed; /* the seal's sequence; 0: none */
	char by[MFTD_ID_BYTES]; /* the stream that it stands in */
};

/* What is to be so beyond what the journal says itself. */
struct mftd_expected {
	/* only these sign; n_keys 0: whichever key a stream names */
	const uint8_t (*keys)[MFTD_HEAD_KEY_BYTES];
	int n_keys;
	/* streams that were sealed from then on (microseconds since 1970) are
	 * there, or an audit record says that they were dropped; 0: a part of
	 * a journal is looked at, and others may be elsewhere */
	int64_t since_us;
};

/*
 * Reads all streams at or below path from their first to their last record:
 * sums, sequence, hash chain and signatures, and compares them with the seals
 * in one another. *list, to be freed by mftd_inspect_free, has *n of them by
 * name, then those that are gone.  0, -ENOENT, -ENOMEM or -errno.
 */
int mftd_inspect_verify(const char *path, struct mftd_expected expected,
    struct mftd_verified **list, size_t *n);
void mftd_inspect_free(struct mftd_verified *list, size_t n);

/* Whether that is as it should be. */
bool mftd_verdict_good(enum mftd_verdict v);

/* "cut" and the like. */
const char *mftd_verdict_name(enum mftd_verdict v);

#endif
