/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_SEQFILE_H
#define MFTD_JOURNAL_SEQFILE_H

#include <stdint.h>

/*
 * A file in a stream's directory that says how far something has come: the
 * sequence of a record, in decimal, and a newline.
 */

/* Replaces it, durably, in one step.  As mftd_file_replace. */
int mftd_seqfile_write(int stream_dir, const char *name, uint64_t seq);

/* 0, -ENOENT: there is none, -MFTD_E_CORRUPT, -errno. */
int mftd_seqfile_read(int stream_dir, const char *name, uint64_t *seq);

#endif
