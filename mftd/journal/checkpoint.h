/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_CHECKPOINT_H
#define MFTD_JOURNAL_CHECKPOINT_H

#include <stdint.h>

#include "mftd/journal/reader.h"

/*
 * A stream's checkpoint: up to this record every receipt has its outcome, what
 * was renamed is durable in its directories, and how far each part in hand is
 * durable is said again behind it.  So recovery needs nothing before it.  The
 * file "checkpoint" of the stream's directory holds its sequence.
 */
#define MFTD_STREAM_CHECKPOINT "checkpoint"

/* Replaces it, durably.  All that it promises must be committed. */
int mftd_checkpoint_write(int stream_dir, uint64_t seq);

/* 0, -ENOENT: there is none yet, -MFTD_E_CORRUPT, -errno. */
int mftd_checkpoint_read(int stream_dir, uint64_t *seq);

/* Opens a reader that begins behind the checkpoint; without one that can be
 * used, with the first record that is there.  Returns as mftd_reader_open. */
int mftd_checkpoint_open(
    int stream_dir, const char *stream, struct mftd_reader **out);

#endif
