/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_PACE_H
#define MFTD_OUTBOUND_PACE_H

#include <stddef.h>
#include <stdint.h>

/*
 * A partner's bandwidth, shared by all delivers and fetches that serve it: each
 * takes its turn before it sends, or asks for bytes, so that one connection
 * alone has all of it, and several together have no more.
 */
struct mftd_pace;

/* n of them, free, in memory that is shared with every later child; never given
 * back.  NULL without memory. */
struct mftd_pace *mftd_paces_new(size_t n);

/* The i-th. */
struct mftd_pace *mftd_paces_at(struct mftd_pace *paces, size_t i);

/* Nobody has taken a turn. */
void mftd_pace_reset(struct mftd_pace *p);

/*
 * Takes the next turn for so many bytes at rate bytes per second (from 1), at
 * now_us (mftd_clock_us).  Returns how many microseconds it is off; 0: now.
 * Who has been silent for a while may send a quarter of a second's bytes at
 * once.
 */
int64_t mftd_pace_take(
    struct mftd_pace *p, uint64_t rate, size_t bytes, int64_t now_us);

/*
 * Takes the next turn likewise, now, and waits for it; rate 0: at once.  go_on
 * is asked each 200 ms of waiting: a negative return ends it, and is returned.
 */
int mftd_pace_await(struct mftd_pace *p, uint64_t rate, size_t bytes,
    int (*go_on)(void *data), void *data);

/* How much to send at a time: chunk, or less where that takes long. */
size_t mftd_pace_chunk(uint64_t rate, size_t chunk);

#endif
