/* Part of mftd; see LICENSE. */
#include "mftd/outbound/pulse.h"

#include <stdatomic.h>
#include <sys/mman.h>

struct mftd_pulse {
	_Atomic int64_t ms;
	_Atomic bool stopped;
};

struct mftd_pulse *
mftd_pulses_new(size_t n)
{
	void *mem = mmap(NULL, n * sizeof(struct mftd_pulse),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem != MAP_FAILED ? mem : NULL;
}

struct mftd_pulse *
mftd_pulses_at(struct mftd_pulse *pulses, size_t i)
{
	return pulses + i;
}

void
mftd_pulse_beat(struct mftd_pulse *p, int64_t now_ms)
{
	atomic_store_explicit(&p->ms, now_ms, memory_order_relaxed);
}

int64_t
mftd_pulse_ms(const struct mftd_pulse *p)
{
	return atomic_load_explicit(&p->ms, memory_order_relaxed);
}

void
mftd_pulse_stop(struct mftd_pulse *p, bool yes)
{
	atomic_store_explicit(&p->stopped, yes, memory_order_relaxed);
}

bool
mftd_pulse_is_stopped(const struct mftd_pulse *p)
{
	return atomic_load_explicit(&p->stopped, memory_order_relaxed);
}
