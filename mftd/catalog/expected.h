/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_EXPECTED_H
#define MFTD_CATALOG_EXPECTED_H

#include <stdint.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/*
 * When something must have come for a route: "06:00", each day that is not
 * closed, or times in cron form (schedule.h).  Pure, but for the zone.
 */

/* As a route's expected_within_s: since its day began in the route's zone, of
 * midnight itself the day before; that is not always as many hours. */
#define MFTD_EXPECTED_SINCE_MIDNIGHT (-1)

/* Checks these fields of a route and fills in what it left away.  0 or
 * -MFTD_E_CONF. */
int mftd_expected_check(const struct mftd_check *p, struct mftd_route *r);

/* The route's first time behind after_us, and since when something must have
 * come until then.  closed: as for mftd_schedule_next, whose errors it
 * returns. */
int mftd_expected_next(const struct mftd_route *r, const char *closed,
    int64_t after_us, int64_t *since_us, int64_t *until_us);

#endif
