/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_READER_H
#define MFTD_JOURNAL_READER_H

#include <stdint.h>

#include "mftd/journal/segment.h"

/*
 * Reads a stream from its directory, record by record, and trusts nothing:
 * lengths, sums, sequence, chain and the segments' headers are checked, and
 * memory is bounded.  It stops at the first record that does not hold.  It
 * begins with the first record that is there: older segments may have been
 * dropped (retain.h).  Signatures are not looked at.
 */
struct mftd_reader;

/* The lowest and the highest number of a stream's segments.  -ENOENT: it has
 * none; -errno. */
int mftd_segments_range(int stream_dir, uint64_t *first, uint64_t *last);

/* stream_dir stays the caller's.  Returns 0, -errno (-EMFILE, -ENOMEM). */
int mftd_reader_open(
    int stream_dir, const char *stream, struct mftd_reader **out);
void mftd_reader_close(struct mftd_reader *r);

/*
 * The next record; what *e points at is valid until the next call.  Returns 1;
 * 0 at the end; -MFTD_E_CORRUPT when what follows is neither a record nor the
 * end (after a crash: the torn end of the last write); -errno.
 */
int mftd_reader_next(struct mftd_reader *r, struct mftd_entry *e);

/* Goes to where the next record is the one after seq.  0, -ENOENT when the
 * stream does not reach that far or begins behind it, or as
 * mftd_reader_next. */
int mftd_reader_seek(struct mftd_reader *r, uint64_t seq);

/* The last record read: its sequence (0: none) and hash. */
uint64_t mftd_reader_seq(const struct mftd_reader *r);
const uint8_t *mftd_reader_hash(const struct mftd_reader *r);

/* What the header of the segment that the last record stands in says of those
 * before it; valid until the next call. */
const struct mftd_signed_head *mftd_reader_before(const struct mftd_reader *r);

/* Where the next record stands, or should: for messages about -E_CORRUPT. */
void mftd_reader_where(
    const struct mftd_reader *r, uint64_t *segment, uint64_t *offset);

#endif
