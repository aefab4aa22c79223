/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_time.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/catalog/expected.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/schedule.h"

static int
check_words(const struct mftd_check *p, const struct mftd_route *r)
{
	struct mftd_schedule schedule;
	const char *fault = r->schedule != NULL
	    ? mftd_schedule_parse(r->schedule, &schedule)
	    : NULL;

	if (fault != NULL)
		return mftd_check_refuse(p, "schedule", fault);
	if (r->schedule == NULL && r->expected_by == NULL &&
	    r->time_zone != NULL)
		return mftd_check_refuse(p, "time_zone",
		    "means nothing without a schedule or expected_by");
	if (r->schedule == NULL && r->expected_by == NULL &&
	    r->calendar != NULL)
		return mftd_check_refuse(p, "calendar",
		    "means nothing without a schedule or expected_by");
	if (r->time_zone != NULL && !mftd_schedule_zone(r->time_zone))
		return mftd_check_refuse(p, "time_zone", "no such time zone");
	return r->expected_by != NULL ? mftd_check_hooks_run(p, "expected_by")
				      : 0;
}

/* Whether it ever comes; closed: as mftd_schedule_next has it. */
static int
check_comes(
    const struct mftd_check *p, const struct mftd_route *r, const char *closed)
{
	static const char never[] = "comes in none of the next ten years";
	const char *zone = r->time_zone != NULL ? r->time_zone : "UTC";
	int64_t now_us = mftd_clock_wall_us(), at, since;
	struct mftd_schedule schedule;

	if (r->schedule != NULL &&
	    mftd_schedule_parse(r->schedule, &schedule) == NULL &&
	    mftd_schedule_next(&schedule, zone, closed, now_us, &at) < 0)
		return mftd_check_refuse(p, "schedule", never);
	if (r->expected_by != NULL &&
	    mftd_expected_next(r, closed, now_us, &since, &at) < 0)
		return mftd_check_refuse(p, "expected_by", never);
	return 0;
}

int
mftd_route_time_check(const struct mftd_check *p,
    const struct mftd_calendar *calendars, size_t n, struct mftd_route *r)
{
	const struct mftd_calendar *calendar = NULL;
	char *closed = NULL;
	size_t i;
	int e = check_words(p, r);

	for (i = 0; r->calendar != NULL && i < n; i++)
		if (strcmp(calendars[i].name, r->calendar) == 0)
			calendar = &calendars[i];
	if (e == 0 && r->calendar != NULL && calendar == NULL)
		e = mftd_check_refuse(p, "calendar", "no such calendar");
	if (e == 0)
		e = mftd_expected_check(p, r);
	if (e == 0 && calendar != NULL &&
	    !mftd_rows_join(calendar->closed, calendar->n_closed, &closed))
		e = -ENOMEM;
	if (e == 0)
		e = check_comes(p, r, closed);
	free(closed);
	return e;
}
