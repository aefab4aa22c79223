/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_STREAM_H
#define MFTD_JOURNAL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/buf.h"
#include "mftd/base/limits.h"
#include "mftd/journal/head.h"

/*
 * The stream that this process writes: .mft/journal/<node>/<stream id>/ with
 * segments (journal/segment.h) and the file "lock", which its writer holds an
 * OFD write lock on as long as it lives.  Only its writer ever writes it, and
 * nobody truncates it.
 */
struct mftd_stream;

#define MFTD_STREAM_LOCK "lock"

/* Of the number in a stream's name: how many bits count the streams of a
 * volume; the volume's place is above them. */
#define MFTD_STREAM_STARTS_BITS 20

/*
 * Makes a new stream "<incarnation>-j<n>" with its OPEN record, durably.
 * journal_fd: .mft/journal.  place: of the volume among the node's, below
 * MFTD_VOLUMES_MAX; no two streams have the same name, on whichever volume.
 * signer: stays the caller's and outlives it.
 * segment_bytes: 0 for the sizes of segment.h; else that of each, for tests.
 * Returns 0 or -errno; after -ENOSPC or -EDQUOT it may be tried again.
 */
int mftd_stream_create(int journal_fd, const char *node,
    const char *incarnation, const char *volume, unsigned place,
    const struct mftd_signer *signer, size_t segment_bytes,
    struct mftd_stream **out);

/* Closes it and lets the lock go; what was not committed is lost.  May be
 * NULL. */
void mftd_stream_close(struct mftd_stream *s);

/*
 * Makes sure that bytes of records (with their headers) can be appended and
 * committed, by a new segment if need be.  Returns 0; -ENOSPC, -EDQUOT and the
 * like: nothing changed, ask again when there is space; when
 * mftd_stream_failed() then, the stream is at its end.
 */
int mftd_stream_room(struct mftd_stream *s, size_t bytes);

/* Appends a record in memory; payload stays the caller's.  *seq (may be NULL)
 * gets its sequence.  Returns 0, -EMSGSIZE, -ENOMEM, or -ENOSPC beyond what
 * mftd_stream_room made sure of. */
int mftd_stream_append(struct mftd_stream *s, uint32_t type,
    const struct mftd_buf *payload, uint64_t *seq);

/* Makes all that was appended durable: one write, one fdatasync.  A failure is
 * the stream's end: never tried again. */
int mftd_stream_commit(struct mftd_stream *s);

/*
 * Signs how far the stream is committed into its file "head", durably, unless
 * that is what stands there.  Returns 0 or an error, after which it may be
 * tried again: the stream itself is not concerned.
 */
int mftd_stream_sign(struct mftd_stream *s);

/* Commits, and signs that this was the last record: whoever finds one behind it
 * knows that it is none of ours.  Nothing can be written any more.  0 or an
 * error. */
int mftd_stream_end(struct mftd_stream *s);

/* Whether a write or sync failed: the process has to end. */
bool mftd_stream_failed(const struct mftd_stream *s);

/* Whether something waits for a commit. */
bool mftd_stream_dirty(const struct mftd_stream *s);

const char *mftd_stream_id(const struct mftd_stream *s);

/* The sequence that the next record will get, and the last durable one. */
uint64_t mftd_stream_next(const struct mftd_stream *s);
uint64_t mftd_stream_committed(const struct mftd_stream *s);

/* Commits so far. */
uint64_t mftd_stream_syncs(const struct mftd_stream *s);

/* The number of the segment that is being written, from 1. */
uint64_t mftd_stream_segment(const struct mftd_stream *s);

/* Its directory; stays the stream's. */
int mftd_stream_dir(const struct mftd_stream *s);

/*
 * Takes the write lock of a stream's directory.  Returns its descriptor, -EBUSY
 * while another process holds it, or -errno.  create: the file may be missing
 * (its writer died before it made it).
 */
int mftd_stream_lock(int stream_dir, bool create);

#endif
