/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_BUCKET_H
#define MFTD_INBOUND_BUCKET_H

#include <stddef.h>
#include <stdint.h>

/* A bound on bytes per second: a token bucket that holds one second's worth. */
struct mftd_bucket {
	uint64_t rate; /* bytes per second; 0: no bound */
	uint64_t tokens; /* bytes that may pass */
	uint64_t rest; /* of a byte, in millionths */
	int64_t at_us; /* when that was so */
};

/* Full at now_us. */
void mftd_bucket_init(struct mftd_bucket *b, uint64_t rate, int64_t now_us);

/* How many of want bytes may pass now. */
size_t mftd_bucket_room(struct mftd_bucket *b, size_t want, int64_t now_us);

/* So many have passed; no more than there was room for. */
void mftd_bucket_take(struct mftd_bucket *b, size_t bytes);

/* Milliseconds until there is room worth waking for; 0 when there is. */
int mftd_bucket_wait_ms(struct mftd_bucket *b, int64_t now_us);

#endif
