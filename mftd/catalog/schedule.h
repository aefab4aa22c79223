/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_SCHEDULE_H
#define MFTD_CATALOG_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * When a route may begin to send: minute, hour, day of month, month and day of
 * week as in crontab(5), by the clock of a time zone, but not on closed days.
 * Pure, but for the zone, which GLib reads from the system's tzdata.
 */
#define MFTD_SCHEDULE_BYTES 256
#define MFTD_ZONE_BYTES 64

struct mftd_schedule {
	uint64_t minutes; /* bit i: minute i */
	uint32_t hours, days; /* days from bit 1 */
	uint16_t months; /* from bit 1 */
	uint8_t weekdays; /* bit 0: Sunday */
	bool any_day, any_weekday; /* "*": then the other one alone decides,
				      else either */
};

/*
 * Parses five fields, each "*", or a list of A, A-B and their steps (slash and
 * number), months and days of week also by the first three letters of their
 * English names; 7 is Sunday, too.  Returns NULL, or what is wrong.
 */
const char *mftd_schedule_parse(const char *text, struct mftd_schedule *out);

/* Whether there is such a zone, "Europe/Berlin" or "UTC". */
bool mftd_schedule_zone(const char *zone);

/* Whether text is a day, "2027-01-31". */
bool mftd_schedule_day(const char *text);

/* When the day of that moment began in the zone, which is not always at its
 * midnight.  0 or -EINVAL. */
int mftd_schedule_midnight(const char *zone, int64_t at_us, int64_t *begin_us);

/*
 * The first time at or after after_us (microseconds since the epoch) that s
 * names; closed: days in the zone, a line each, or NULL.  A time that comes
 * twice when clocks are put back counts the first time, and both where s has
 * each hour; one that is skipped when they are put forward is the moment behind
 * that.  Returns 0, -EINVAL for a zone that is none, or -ENOENT: none in ten
 * years.
 */
int mftd_schedule_next(const struct mftd_schedule *s, const char *zone,
    const char *closed, int64_t after_us, int64_t *next_us);

#endif
