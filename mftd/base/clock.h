/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_CLOCK_H
#define MFTD_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_BOOTTIME: for deadlines, the same for all processes of
 * a node; goes on in suspend. */
int64_t mftd_clock_ms(void);

/* The same in microseconds. */
int64_t mftd_clock_us(void);

/* Microseconds since the epoch: for records that people and other nodes read;
 * may jump, so nothing is decided by it. */
int64_t mftd_clock_wall_us(void);

/* What is left of deadline_ms (of mftd_clock_ms), for poll(2): 0 when past;
 * -1 (no end) when deadline_ms is negative. */
int mftd_clock_left_ms(int64_t deadline_ms);

#endif
