/* Part of mftd; see LICENSE. */
#include "mftd/outbound/hours.h"

#include "mftd/base/clock.h"
#include "mftd/base/log.h"

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void
go_forward(struct mftd_hours *h, int64_t by_us, int64_t from_us)
{
	int64_t good_us = least(by_us, h->behind_us);

	if (good_us > 0) {
		h->behind_us -= good_us;
		h->good_us += good_us;
		h->from_us = h->made_good_us > 0 ? least(h->from_us, h->low_us)
						 : h->low_us;
		h->to_us = most(h->to_us, from_us);
		h->made_good_us = most(h->made_good_us, h->good_us);
	}
	if (by_us == good_us)
		return;
	h->ahead_us += by_us - good_us;
	h->since_us = from_us;
}

static void
go_back(struct mftd_hours *h, int64_t by_us)
{
	int64_t right_us = least(by_us, h->ahead_us);

	h->ahead_us -= right_us;
	if (by_us == right_us)
		return;
	if (h->behind_us == 0)
		h->good_us = 0;
	if (h->behind_us == 0 || h->wall_us < h->low_us)
		h->low_us = h->wall_us;
	h->behind_us += by_us - right_us;
}

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
		go_forward(h, by_us, expected_us);
	else
		go_back(h, -by_us);
	return by_us;
}

int64_t
mftd_hours_since_us(const struct mftd_hours *h, int64_t first_us)
{
	int64_t now_us = h->wall_us;

	if (first_us <= h->since_us)
		now_us -= h->ahead_us;
	if (first_us >= h->from_us && first_us <= h->to_us)
		now_us -= h->made_good_us;
	return now_us;
}

void
mftd_hours_read(struct mftd_hours *h)
{
	int64_t wall_us, boot_us, ahead_us = h->ahead_us;

	/* one moment: who stands still between the two reads again */
	do {
		boot_us = mftd_clock_us();
		wall_us = mftd_clock_wall_us();
	} while (mftd_clock_us() - boot_us >= MFTD_HOURS_JUMP_US / 2);
	mftd_hours_see(h, wall_us, boot_us);
	if (h->ahead_us > ahead_us)
		log_warn("the clock was set forward by %lld s: the hours of "
			 "deliveries' tries are counted without that",
		    (long long)((h->ahead_us - ahead_us) / 1000000));
}
