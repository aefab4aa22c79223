/* Part of mftd; see LICENSE. */
#include "mftd/outbound/pace.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

#include "mftd/base/clock.h"

#define US_PER_S 1000000
#define SLACK_US (US_PER_S / 4) /* that may be made up for */
#define SLICE_US 200000 /* from one question to the next */
#define CHUNK_MIN 512

/* When the bytes of all turns that were taken have gone.  One word: who dies
 * in between leaves nothing half done. */
struct mftd_pace {
	_Atomic int64_t gone_us;
};

struct mftd_pace *
mftd_paces_new(size_t n)
{
	void *mem = mmap(NULL, n * sizeof(struct mftd_pace),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem != MAP_FAILED ? mem : NULL;
}

struct mftd_pace *
mftd_paces_at(struct mftd_pace *paces, size_t i)
{
	return paces + i;
}

void
mftd_pace_reset(struct mftd_pace *p)
{
	atomic_store(&p->gone_us, 0);
}

int64_t
mftd_pace_take(struct mftd_pace *p, uint64_t rate, size_t bytes, int64_t now_us)
{
	int64_t cost = (int64_t)((uint64_t)bytes * US_PER_S / rate);
	int64_t gone = atomic_load(&p->gone_us), from;

	do
		from = gone > now_us - SLACK_US ? gone : now_us - SLACK_US;
	while (!atomic_compare_exchange_weak(&p->gone_us, &gone, from + cost));
	return from > now_us ? from - now_us : 0;
}

static void
sleep_us(int64_t us)
{
	const struct timespec t = { .tv_nsec = (long)us * 1000 };

	nanosleep(&t, NULL);
}

/* Time alone is waited for. */
int
mftd_pace_await(struct mftd_pace *p, uint64_t rate, size_t bytes,
    int (*go_on)(void *data), void *data)
{
	int64_t now = mftd_clock_us(), until;
	int r = 0;

	if (rate == 0)
		return 0;
	until = now + mftd_pace_take(p, rate, bytes, now);
	while (r == 0 && (now = mftd_clock_us()) < until) {
		r = go_on(data);
		if (r == 0)
			sleep_us(
			    until - now < SLICE_US ? until - now : SLICE_US);
	}
	return r;
}

size_t
mftd_pace_chunk(uint64_t rate, size_t chunk)
{
	uint64_t some = rate / (US_PER_S / SLACK_US);

	if (some >= chunk)
		return chunk;
	return some > CHUNK_MIN ? (size_t)some : CHUNK_MIN;
}
