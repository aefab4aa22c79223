/* Part of mftd; see LICENSE. */
#include "mftd/base/clock.h"

#include <limits.h>
#include <time.h>

static int64_t
read_us(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t
mftd_clock_ms(void)
{
	return read_us(CLOCK_BOOTTIME) / 1000;
}

int64_t
mftd_clock_us(void)
{
	return read_us(CLOCK_BOOTTIME);
}

int64_t
mftd_clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

int
mftd_clock_left_ms(int64_t deadline_ms)
{
	int64_t left;

	if (deadline_ms < 0)
		return -1;
	left = deadline_ms - mftd_clock_ms();
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}
