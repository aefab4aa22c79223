/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_RECOVER_H
#define MFTD_JOURNAL_RECOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/journal/work.h"

/*
 * Recovery of dead streams (design section 5).  It never publishes: a RECEIPT
 * without an outcome is decided by what is on disk, the part set aside if it
 * still is in its place.  Outcomes and a SEAL go into the recoverer's own
 * stream; then the dead stream's directory gets the file "recovered" with the
 * last sequence and the recoverer's stream, and only then goes what was set
 * aside.  It may be killed at any point and done again, and several may try:
 * the stream's lock lets one do it.
 */
struct mftd_recovery {
	uint32_t published; /* undecided receipts that turned out so */
	uint32_t abandoned;
	uint32_t held; /* streams whose writer still lives */
	uint32_t damaged; /* streams that are left alone, for a person */
};

#define MFTD_STREAM_RECOVERED "recovered"

/*
 * Recovers a stream of node, unless that was done.  Counts are added to *out.
 * Returns 0, -EBUSY while its writer lives, -errno or -MFTD_E_LIMIT; then it
 * may be tried again, unless w->failed.  -MFTD_E_CORRUPT: less can be read than
 * its head says was there; a person has to look.
 */
int mftd_recover_stream(struct mftd_work *w, const char *node,
    const char *stream, struct mftd_recovery *out);

/*
 * Recovers the streams that earlier processes of this node left, and sets the
 * parts of their sessions aside.  Those that are held, and their parts, are
 * passed over and counted.  started: sessions of ours may exist; then the parts
 * of our incarnation are passed over too.  Must be called once before that.
 */
int mftd_recover_own(struct mftd_work *w, const char *node, bool started,
    struct mftd_recovery *out);

/* Recovers all streams of an incarnation that is certainly gone, whichever
 * node's, and sets its parts aside.  -EBUSY when one is still held. */
int mftd_recover_incarnation(
    struct mftd_work *w, const char *incarnation, struct mftd_recovery *out);

/* Reads how far a recovered stream goes.  -ENOENT: it is not recovered. */
int mftd_recovered_seq(int stream_dir, uint64_t *seq);

/* Calls fn for each stream's directory of node, or of all nodes (NULL); ends
 * at fn's first negative result and returns it. */
typedef int (*mftd_stream_fn)(
    void *data, const char *node, const char *stream, int node_dir);
int mftd_streams_each(
    int journal_fd, const char *node, mftd_stream_fn fn, void *data);

#endif
