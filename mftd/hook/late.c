/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/catalog/expected.h"
#include "mftd/catalog/rows.h"
#include "mftd/hook/state.h"

#define US_PER_S 1000000
/* What came in time needs a moment to get from the journal to the catalog. */
#define GRACE_US (10LL * US_PER_S)
/* Of deadlines that passed while there was no owner only the first counts, and
 * those of the last hour. */
#define BEHIND_US (3600LL * US_PER_S)

/* The closed days of a calendar as schedule.h wants them.  0 or -ENOMEM. */
static int
closed_of(const struct mftd_objects *o, const char *name, char **out)
{
	size_t i;

	*out = NULL;
	for (i = 0; name != NULL && i < o->n_calendars; i++)
		if (strcmp(o->calendars[i].name, name) == 0)
			return mftd_rows_join(o->calendars[i].closed,
				   o->calendars[i].n_closed, out)
			    ? 0
			    : -ENOMEM;
	return 0;
}

/* The route's deadline behind looked_us. */
static int
next_of(const struct mftd_objects *o, const struct mftd_route *r,
    int64_t looked_us, struct mftd_deadline *d)
{
	char *closed;
	int e = closed_of(o, r->calendar, &closed);

	if (e == 0)
		e = mftd_expected_next(
		    r, closed, looked_us, &d->since_us, &d->until_us);
	free(closed);
	d->route = r->name;
	d->delivered = r->expected_event != NULL &&
	    strcmp(r->expected_event, "delivered") == 0;
	if (e == -ENOENT) /* its schedule names no time any more */
		d->until_us = INT64_MAX - GRACE_US;
	return e == -ENOENT ? 0 : e;
}

static int
look_at(struct mftd_hooks *hs, const struct mftd_route *r, int64_t *next_us)
{
	const struct mftd_role_row *role = &hs->role;
	int64_t now_us = mftd_clock_wall_us(), looked_us;
	struct mftd_deadline d = { .until_us = 0 };
	int e;

	e = mftd_deadline_looked(hs->c, role, r->name, now_us, &looked_us);
	if (e == 0)
		e = next_of(hs->o, r, looked_us, &d);
	if (e < 0)
		return e;
	*next_us = d.until_us + GRACE_US;
	if (*next_us > now_us)
		return 0;
	e = mftd_deadline_late(hs->c, role, &d, now_us);
	if (e > 0)
		log_warn("route %s: nothing came in time", r->name);
	if (e >= 0)
		e = mftd_deadline_pass(hs->c, role, r->name,
		    d.until_us > now_us - BEHIND_US ? d.until_us
						    : now_us - BEHIND_US);
	*next_us = 0; /* what comes behind it is seen at the next look */
	return e;
}

int
mftd_hooks_late(struct mftd_hooks *hs)
{
	size_t i;
	int r = 0;

	for (i = 0; i < hs->o->n_routes && r == 0; i++)
		if (hs->o->routes[i].expected_by != NULL &&
		    hs->deadlines[i] <= mftd_clock_wall_us())
			r = look_at(hs, &hs->o->routes[i], &hs->deadlines[i]);
	return r;
}
