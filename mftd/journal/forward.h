/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_FORWARD_H
#define MFTD_JOURNAL_FORWARD_H

#include <stdint.h>

#include "mftd/ipc/worker.h"
#include "mftd/journal/stream.h"
#include "mftd/journal/volume.h"

/*
 * What catalog gets of the streams: our own as far as it is committed, and
 * every recovered one that is not wholly forwarded, whichever node wrote it
 * (the catalog passes over what it has, so two journals may offer the same).
 * Outcomes are records of their own: a receipt counts with its PUBLISHED.
 */
struct mftd_forwarder;

/* In the directory of a recovered stream: nothing of it is left to forward. */
#define MFTD_STREAM_FORWARDED "forwarded"

/* All stay the caller's.  NULL without memory. */
struct mftd_forwarder *mftd_forwarder_new(struct mftd_worker *w,
    const struct mftd_volume *vol, const struct mftd_stream *stream);
void mftd_forwarder_free(struct mftd_forwarder *f);

/* The channel to catalog came (all streams are offered), or went (NULL). */
void mftd_forwarder_channel(struct mftd_forwarder *f, struct mftd_chan *c);

/* Our stream grew; told once the channel takes it. */
void mftd_forwarder_grown(struct mftd_forwarder *f);

/* Looks for recovered streams and offers them. */
void mftd_forwarder_scan(struct mftd_forwarder *f);

/* The last record of our own stream that the catalog has. */
uint64_t mftd_forwarder_done(const struct mftd_forwarder *f);

/* Handlers of WANT and FORWARDED.  Return as mftd_handle_fn. */
int mftd_forwarder_want(struct mftd_forwarder *f, const struct mftd_msg *m);
int mftd_forwarder_forwarded(
    struct mftd_forwarder *f, const struct mftd_msg *m);

#endif
