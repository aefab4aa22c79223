/* Part of mftd; see LICENSE. */
#include "mftd/catalog/expected.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/catalog/event.h"
#include "mftd/catalog/schedule.h"

#define US_PER_S 1000000
#define DAY_S 86400
#define WITHIN_S_MAX (366 * DAY_S)

/* "06:00" as minutes since midnight, or -1. */
static int
minutes_of(const char *text)
{
	int h, m;
	char end;

	if (strlen(text) != 5 || text[2] != ':' ||
	    strspn(text, "0123456789:") != 5 ||
	    sscanf(text, "%2d:%2d%c", &h, &m, &end) != 2 || h > 23 || m > 59)
		return -1;
	return 60 * h + m;
}

/* NULL, or what is wrong. */
static const char *
parse(const char *text, struct mftd_schedule *out)
{
	char cron[MFTD_SCHEDULE_BYTES];
	int minutes = minutes_of(text);

	if (minutes < 0)
		return mftd_schedule_parse(text, out);
	snprintf(cron, sizeof(cron), "%d %d * * *", minutes % 60, minutes / 60);
	return mftd_schedule_parse(cron, out);
}

int
mftd_expected_check(const struct mftd_check *p, struct mftd_route *r)
{
	struct mftd_schedule schedule;

	if (r->expected_by == NULL) {
		if (mftd_check_given(p, "expected_within_s"))
			return mftd_check_refuse(p, "expected_within_s",
			    "means nothing without expected_by");
		if (r->expected_event != NULL)
			return mftd_check_refuse(p, "expected_event",
			    "means nothing without expected_by");
		return 0;
	}
	if (parse(r->expected_by, &schedule) != NULL)
		return mftd_check_refuse(p, "expected_by",
		    "must be a time, like 06:00, or five fields of crontab");
	if (r->expected_event != NULL &&
	    strcmp(r->expected_event, MFTD_EVENT_RECEIVED) != 0 &&
	    strcmp(r->expected_event, "delivered") != 0)
		return mftd_check_refuse(
		    p, "expected_event", "must be received or delivered");
	if (r->expected_within_s < 0 || r->expected_within_s > WITHIN_S_MAX)
		return mftd_check_refuse(
		    p, "expected_within_s", "must be 0 to 31622400");
	/* what came too late yesterday is not today's */
	if (minutes_of(r->expected_by) >= 0 &&
	    !mftd_check_given(p, "expected_within_s"))
		r->expected_within_s = MFTD_EXPECTED_SINCE_MIDNIGHT;
	return 0;
}

/* What came before that is not for the time at until_us. */
static int
begin_of(const struct mftd_route *r, const char *zone, int64_t after_us,
    int64_t until_us, int64_t *since_us)
{
	if (r->expected_within_s == MFTD_EXPECTED_SINCE_MIDNIGHT)
		/* of midnight itself the day that ends there */
		return mftd_schedule_midnight(zone, until_us - 1, since_us);
	*since_us = r->expected_within_s > 0
	    ? until_us - r->expected_within_s * (int64_t)US_PER_S
	    : after_us;
	return 0;
}

int
mftd_expected_next(const struct mftd_route *r, const char *closed,
    int64_t after_us, int64_t *since_us, int64_t *until_us)
{
	const char *zone = r->time_zone != NULL ? r->time_zone : "UTC";
	struct mftd_schedule s;
	int e;

	if (parse(r->expected_by, &s) != NULL)
		return -EINVAL;
	e = mftd_schedule_next(&s, zone, closed, after_us + 1, until_us);
	return e == 0 ? begin_of(r, zone, after_us, *until_us, since_us) : e;
}
