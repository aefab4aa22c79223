/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_FORWARD_H
#define MFTD_JOURNAL_FORWARD_H

#include <stdbool.h>
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

/*
 * In that of any stream: the catalog had taken it up to this record, or
 * further, when this was written.  It is for the status alone, while the
 * catalog is away and cannot say it: nothing is decided by it, and without it
 * the lag is shown too high.  Written by who forwards the stream.
 */
#define MFTD_STREAM_TAKEN "taken"

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

/* The last record of our own stream that the catalog has, by its own word. */
uint64_t mftd_forwarder_done(const struct mftd_forwarder *f);

/* Handler of WANT.  Returns as mftd_handle_fn. */
int mftd_forwarder_want(struct mftd_forwarder *f, const struct mftd_msg *m);

/* Handler of FORWARDED. */
void mftd_forwarder_forwarded(
    struct mftd_forwarder *f, const struct mftd_msg *m);

/* Whether anything waits for the catalog. */
bool mftd_forwarder_lags(const struct mftd_forwarder *f);

/* Whether what is to be forwarded next, of whichever stream, cannot be read. */
bool mftd_forwarder_stuck(const struct mftd_forwarder *f);

/* How many records wait, of our own and all recovered streams, and the time of
 * the oldest by the clock of who wrote it; 0: it is not known (yet). */
void mftd_forwarder_lag(
    const struct mftd_forwarder *f, uint64_t *records, int64_t *since_us);

/* Looks into the streams for that time, as far as it is not known from what was
 * sent: a segment of some of them in each call. */
void mftd_forwarder_look(struct mftd_forwarder *f);

/* Writes down how far each stream is forwarded, where that changed. */
void mftd_forwarder_note(struct mftd_forwarder *f);

#endif
