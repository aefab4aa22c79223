/* Part of mftd; see LICENSE. */
#include "mftd/ipc/lease.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mftd/base/clock.h"

struct mftd_lease {
	_Atomic int64_t until_ms; /* of mftd_clock_ms */
};

static size_t
page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

struct mftd_lease *
mftd_lease_new(void)
{
	void *mem = mmap(NULL, page(), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return mem != MAP_FAILED ? mem : NULL;
}

int
mftd_lease_protect(struct mftd_lease *lease)
{
	return mprotect(lease, page(), PROT_READ) < 0 ? -errno : 0;
}

void
mftd_lease_renew(struct mftd_lease *lease, int ms)
{
	atomic_store(&lease->until_ms, ms > 0 ? mftd_clock_ms() + ms : 0);
}

void
mftd_lease_hold(struct mftd_lease *lease)
{
	atomic_store(&lease->until_ms, INT64_MAX);
}

int64_t
mftd_lease_left_ms(const struct mftd_lease *lease)
{
	int64_t until = atomic_load(&lease->until_ms);
	int64_t now = mftd_clock_ms();

	return until > now ? until - now : 0;
}

bool
mftd_lease_held(const struct mftd_lease *lease)
{
	return mftd_lease_left_ms(lease) > 0;
}
