/* Part of mftd; see LICENSE. */
#include "mftd/outbound/hours.h"

#include "mftd/base/clock.h"
#include "mftd/base/log.h"

int64_t
mftd_hours_see(struct mftd_hours *h, int64_t wall_us, int64_t boot_us)
{
	int64_t expected_us = h->wall_us + (boot_us - h->boot_us);
	int64_t by_us = h->boot_us != 0 ? wall_us - expected_us : 0;

	h->wall_us = wall_us;
	h->boot_us = boot_us;
	if (by_us > -MFTD_HOURS_JUMP_US && by_us < MFTD_HOURS_JUMP_US)
		return 0;
	if (by_us > 0)
		h->since_us = expected_us;
	h->ahead_us += by_us;
	if (h->ahead_us < 0)
		h->ahead_us = 0;
	return by_us;
}

int64_t
mftd_hours_since_us(const struct mftd_hours *h, int64_t first_us)
{
	return h->wall_us - (first_us <= h->since_us ? h->ahead_us : 0);
}

void
mftd_hours_read(struct mftd_hours *h)
{
	int64_t wall_us, boot_us, by_us;

	/* one moment: who stands still between the two reads again */
	do {
		boot_us = mftd_clock_us();
		wall_us = mftd_clock_wall_us();
	} while (mftd_clock_us() - boot_us >= MFTD_HOURS_JUMP_US / 2);
	by_us = mftd_hours_see(h, wall_us, boot_us);
	if (by_us > 0)
		log_warn("the clock was set forward by %lld s: the hours of "
			 "deliveries' tries are counted without that",
		    (long long)(by_us / 1000000));
}
