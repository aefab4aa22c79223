/* Part of mftd; see LICENSE. */
#include "mftd/catalog/db.h"

#include <stddef.h>

#include "mftd/catalog/found_sql.h"
#include "mftd/catalog/away.h"
#include "mftd/catalog/due.h"
#include "mftd/catalog/versions.h"

/* Begins the WHERE of each: the role row is current. */
#define OURS "EXISTS (SELECT 1 FROM r) AND "
#define OPEN "state IN ('QUEUED', 'WAITING')"

/* Whether hook w takes the event by its filters of one kind: it has none, or
 * one that names what the event is of.  A received file is of all routes, and
 * so of all partners, that it goes to; a partner is of the routes, and so of
 * the accounts, that go there by that queue, and of those that fetch. */
#define OF_PARTNER(column)                                                   \
	" OR EXISTS (SELECT 1 FROM route p WHERE p.partner = e.partner AND " \
	"p.queue = e.queue AND p." column " = f.value)"
/* One that fetches from it goes nowhere there. */
#define FETCHED_BY                                                          \
	" OR (f.kind = 'route' AND EXISTS (SELECT 1 FROM route_pull l "     \
	"JOIN route p ON p.name = l.route WHERE l.partner = e.partner AND " \
	"p.queue = e.queue AND p.name = f.value))"
#define FILTER(what, of, column)                                              \
	"(NOT EXISTS (SELECT 1 FROM hook_filter f WHERE f.hook = w.hook AND " \
	"f.kind = '" what "') OR EXISTS (SELECT 1 FROM hook_filter f WHERE "  \
	"f.hook = w.hook AND f.kind = '" what "' AND (f.value = " of " OR "   \
	"(e.kind = 'received' AND EXISTS (SELECT 1 FROM delivery x WHERE "    \
	"x.receipt = e.receipt AND x." what " = f.value))" OF_PARTNER(column) \
	    FETCHED_BY ")))"
#define FILTER_ACCOUNT                                                        \
	"(NOT EXISTS (SELECT 1 FROM hook_filter f WHERE f.hook = w.hook AND " \
	"f.kind = 'account') OR EXISTS (SELECT 1 FROM hook_filter f WHERE "   \
	"f.hook = w.hook AND f.kind = 'account' AND "                         \
	"(f.value = coalesce(c.account, t.account)" OF_PARTNER(               \
	    "account") ")))"

const char *const mftd_db_common_sql[MFTD_DB_GUARDED_COUNT] = {
	[MFTD_DB_EVENTS_TAKE] =
	    "UPDATE event SET spread = 1 WHERE " OURS "id IN (SELECT id "
	    "FROM event WHERE spread = 0 ORDER BY time_us, id LIMIT $4) "
	    "RETURNING id",
	[MFTD_DB_RUNS_MAKE] =
	    "INSERT INTO hook_run (event, hook, state, due_us) "
	    "SELECT e.id, w.hook, 'QUEUED', CAST($4 AS BIGINT) "
	    "FROM r CROSS JOIN event e JOIN hook_want w ON w.event = e.kind "
	    "LEFT JOIN receipt c ON c.id = e.receipt "
	    "LEFT JOIN delivery d ON d.id = e.delivery "
	    "LEFT JOIN route t ON t.name = e.route WHERE e.spread = 1 "
	    "AND " FILTER("route", "e.route", "name") " AND " FILTER("partner",
		"coalesce(d.partner, t.partner, e.partner)",
		"partner") " AND " FILTER_ACCOUNT " ON CONFLICT (event, hook) "
			   "DO NOTHING RETURNING event",
	[MFTD_DB_EVENTS_SPREAD] =
	    "UPDATE event SET spread = 2 WHERE " OURS "spread = 1 "
	    "RETURNING id",
	[MFTD_DB_RUNS_INHERIT] =
	    "UPDATE hook_run SET state = 'WAITING', due_us = $4, "
	    "error = 'it was cut off' WHERE " OURS "state = 'RUNNING' AND "
	    "replace(CAST($5 AS TEXT), ' ' || event || '@' || hook || ' ', '') "
	    "= CAST($5 AS TEXT) RETURNING event",
	[MFTD_DB_RUNS_ABANDON] =
	    "UPDATE hook_run SET state = 'FAILED', ended_us = $4, "
	    "error = 'its hook is not configured any more' WHERE " OURS OPEN
	    " AND NOT EXISTS (SELECT 1 FROM hook h WHERE "
	    "h.name = hook_run.hook) RETURNING event",
	[MFTD_DB_RUNS_CLAIM] =
	    "UPDATE hook_run SET state = 'RUNNING', tries = tries + 1 "
	    "WHERE " OURS OPEN " AND hook = $4 AND event IN (SELECT x.event "
	    "FROM hook_run x WHERE x.hook = $4 AND x." OPEN " AND "
	    "x.due_us <= $5 ORDER BY x.due_us, x.event LIMIT $6) "
	    "RETURNING event, hook, state, tries, due_us, ended_us, error",
	[MFTD_DB_RUN_END] =
	    "UPDATE hook_run SET state = $6, due_us = $7, ended_us = $8, "
	    "error = $9 WHERE " OURS "event = $4 AND hook = $5 AND "
	    "state = 'RUNNING' RETURNING event",
	[MFTD_DB_RUNS_EXPIRE] =
	    "DELETE FROM hook_run WHERE " OURS "event IN (SELECT e.id "
	    "FROM event e WHERE e.time_us < $4 AND e.spread = 2 AND NOT EXISTS "
	    "(SELECT 1 FROM hook_run x WHERE x.event = e.id AND "
	    "x.state NOT IN ('DONE', 'FAILED')) "
	    "ORDER BY e.time_us LIMIT $5) RETURNING event",
	[MFTD_DB_EVENTS_EXPIRE] =
	    "DELETE FROM event WHERE " OURS "id IN (SELECT e.id "
	    "FROM event e WHERE e.time_us < $4 AND e.spread = 2 AND NOT EXISTS "
	    "(SELECT 1 FROM hook_run x WHERE x.event = e.id) "
	    "ORDER BY e.time_us LIMIT $5) RETURNING id",
	[MFTD_DB_DEADLINE_LOOK] =
	    "INSERT INTO deadline (route, looked_us) "
	    "SELECT CAST($4 AS TEXT), CAST($5 AS BIGINT) FROM r WHERE true "
	    "ON CONFLICT (route) DO UPDATE SET looked_us = deadline.looked_us "
	    "RETURNING looked_us",
	/* $9: deliveries of the window have ids from there on */
	[MFTD_DB_DEADLINE_LATE] =
	    "INSERT INTO event (id, kind, time_us, route, since_us, until_us) "
	    "SELECT CAST($4 AS TEXT), 'late', CAST($10 AS BIGINT), "
	    "CAST($5 AS TEXT), CAST($6 AS BIGINT), CAST($7 AS BIGINT) FROM r "
	    "WHERE EXISTS (SELECT 1 FROM hook_want WHERE event = 'late') "
	    "AND NOT EXISTS (SELECT 1 FROM delivery d "
	    "JOIN receipt c ON c.id = d.receipt "
	    "WHERE d.id >= CAST($9 AS TEXT) AND d.route = CAST($5 AS TEXT) "
	    "AND c.outcome_us > CAST($6 AS BIGINT) "
	    "AND c.outcome_us <= CAST($7 AS BIGINT) "
	    "AND (CAST($8 AS BIGINT) = 0 OR d.state = 'DONE') "
	    "AND NOT (d.state = 'CANCELLED' AND d.unmatched = 1)) "
	    "ON CONFLICT (id) DO NOTHING RETURNING id",
	[MFTD_DB_DEADLINE_PASS] =
	    "UPDATE deadline SET looked_us = $5 WHERE " OURS "route = $4 AND "
	    "looked_us < $5 RETURNING route",
	[MFTD_DB_VERSIONS_GO] = mftd_versions_go_sql,
	[MFTD_DB_AWAY_BACK] = mftd_away_back_sql,
	[MFTD_DB_DUE] = mftd_due_sql,
	[MFTD_DB_FOUND_ABANDON] = MFTD_FOUND_ABANDON_SQL,
	[MFTD_DB_FOUND_FORGET] = MFTD_FOUND_FORGET_SQL,
	[MFTD_DB_PULL_WANT] =
	    "INSERT INTO pull (receipt, route, partner, directory, name, size, "
	    "mtime, sha256, fetched, move_to, checked, state) SELECT CAST($4 "
	    "AS TEXT), "
	    "CAST($5 AS TEXT), CAST($6 AS TEXT), CAST($7 AS TEXT), $8, "
	    "CAST($9 AS BIGINT), CAST($10 AS BIGINT), $11, CAST($12 AS TEXT), "
	    "CAST($13 AS TEXT), CAST($14 AS BIGINT), CASE WHEN $12 = 'keep' "
	    "THEN 'KEPT' ELSE 'WANTED' END FROM r WHERE true "
	    "ON CONFLICT (receipt) DO NOTHING RETURNING receipt",
	[MFTD_DB_PULL_STEP] =
	    "UPDATE pull SET state = coalesce($5, state), "
	    "target = coalesce($6, target), due_us = $7, text = $8 "
	    "WHERE " OURS "receipt = $4 AND state IN ('WANTED', 'BEGUN') "
	    "RETURNING receipt",
	[MFTD_DB_PULL_FORGET] =
	    "DELETE FROM found WHERE " OURS "receipt = $4 AND route = "
	    "(SELECT route FROM pull WHERE receipt = $4) RETURNING route",
};
