/* Part of mftd; see LICENSE. */
#include "mftd/inbound/bucket.h"

#define SECOND_US 1000000
#define WAKE_PER_SECOND 10 /* rather in lumps than byte by byte */

void
mftd_bucket_init(struct mftd_bucket *b, uint64_t rate, int64_t now_us)
{
	b->rate = rate;
	b->tokens = rate;
	b->rest = 0;
	b->at_us = now_us;
}

/* What the time since then brought. */
static void
fill(struct mftd_bucket *b, int64_t now_us)
{
	uint64_t gone = now_us > b->at_us ? (uint64_t)(now_us - b->at_us) : 0;
	unsigned __int128 more;

	if (gone == 0)
		return;
	b->at_us = now_us;
	if (gone > SECOND_US)
		gone = SECOND_US;
	more = (unsigned __int128)gone * b->rate + b->rest;
	b->rest = (uint64_t)(more % SECOND_US);
	b->tokens += (uint64_t)(more / SECOND_US);
	if (b->tokens >= b->rate) {
		b->tokens = b->rate;
		b->rest = 0;
	}
}

size_t
mftd_bucket_room(struct mftd_bucket *b, size_t want, int64_t now_us)
{
	if (b->rate == 0)
		return want;
	fill(b, now_us);
	return b->tokens < want ? (size_t)b->tokens : want;
}

void
mftd_bucket_take(struct mftd_bucket *b, size_t bytes)
{
	if (b->rate != 0)
		b->tokens -= bytes < b->tokens ? bytes : b->tokens;
}

int
mftd_bucket_wait_ms(struct mftd_bucket *b, int64_t now_us)
{
	uint64_t lump = b->rate / WAKE_PER_SECOND + 1, ms;

	if (b->rate == 0)
		return 0;
	fill(b, now_us);
	if (b->tokens >= lump || b->tokens == b->rate)
		return 0;
	ms = (lump - b->tokens) * 1000 / b->rate + 1;
	return ms < 1000 ? (int)ms : 1000;
}
