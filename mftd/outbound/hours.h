/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_HOURS_H
#define MFTD_OUTBOUND_HOURS_H

#include <stdint.h>

/*
 * The clock for the hours of a delivery's tries.  When its first try began says
 * the wall clock, for another owner has to go by it.  When that is set forward
 * these hours have not passed: what it was set forward by while this owner is
 * at work is not counted.  Where it only makes good what it was set back by,
 * that holds just for what may have begun in between.  Pure, but for
 * mftd_hours_read.
 *
 * Not seen: a clock that was set before this owner began.  Where it is set
 * forward twice, what was first tried in between has the first of these times
 * more; where it is set back and forward again, so has what was first tried by
 * less than that before.
 */

/* By less it is not set, but read at two moments. */
#define MFTD_HOURS_JUMP_US INT64_C(1000000)

/* All zero: no clock was seen yet. */
struct mftd_hours {
	int64_t wall_us, boot_us; /* as last seen */
	int64_t ahead_us; /* it was set forward, and not back since */
	int64_t since_us; /* before it was, last */
	int64_t behind_us; /* it was set back, and not forward since */
	int64_t low_us; /* by then the earliest that it said */
	int64_t good_us; /* of that was made good */
	int64_t made_good_us; /* the most that ever was, … */
	int64_t from_us, to_us; /* … for what began from here to there */
};

/* Takes in what both clocks say at one moment, in microseconds: the wall clock
 * and mftd_clock_us.  Returns what it was set forward by since the last time,
 * negative: back; 0: it was not. */
int64_t mftd_hours_see(struct mftd_hours *h, int64_t wall_us, int64_t boot_us);

/* The wall clock as last seen, without what it was set forward by since that
 * time of it. */
int64_t mftd_hours_since_us(const struct mftd_hours *h, int64_t first_us);

/* Sees them now, and logs what it was set forward by, beyond where it had been
 * set back from. */
void mftd_hours_read(struct mftd_hours *h);

#endif
