/* Part of mftd; see LICENSE. */
#include "mftd/catalog/partner_sql.h"

#include "mftd/catalog/event.h"
#include "mftd/catalog/postgres_steps.h"

/*
 * The event that the step makes, if some hook wants it, told from the row as it
 * was before: stopped by what was closed, or was only away and now refuses us;
 * back by what was not closed.  Its id has when it was stopped, so that each
 * stop has one of either, whoever writes it and how often.  A partner that is
 * no more configured does not come back.
 */
#define EVENT                                                                  \
	"INSERT INTO event (id, kind, time_us, partner, queue, fault, error) " \
	"SELECT k.kind || '.' || CAST($1 AS TEXT) || '.' || "                  \
	"CAST($4 AS TEXT) || '.' || CASE k.kind WHEN '" MFTD_EVENT_BACK        \
	"' THEN CAST(o.since_us AS TEXT) ELSE "                                \
	"CAST(CAST($8 AS BIGINT) AS TEXT) || '.' || CAST($7 AS TEXT) END, "    \
	"k.kind, CAST($12 AS BIGINT), CAST($4 AS TEXT), CAST($1 AS TEXT), "    \
	"CASE k.kind WHEN '" MFTD_EVENT_BACK "' THEN o.fault "                 \
	"ELSE CAST($7 AS TEXT) END, CAST($9 AS TEXT) FROM (SELECT CASE "       \
	"CAST($6 AS TEXT) WHEN 'closed' THEN '" MFTD_EVENT_BACK                \
	"' ELSE '" MFTD_EVENT_STOPPED                                          \
	"' END AS kind) AS k LEFT JOIN partner_state o "                       \
	"ON o.queue = $1 AND o.partner = $4 WHERE CASE k.kind WHEN "           \
	"'" MFTD_EVENT_BACK "' THEN o.state <> 'closed' ELSE "                 \
	"coalesce(o.state, 'closed') = 'closed' OR o.fault <> $7 END "         \
	"AND EXISTS (SELECT 1 FROM hook_want w WHERE w.event = k.kind) "       \
	"AND EXISTS (SELECT 1 FROM partner p WHERE p.name = $4) "
#define ONCE "ON CONFLICT (id) DO NOTHING"

/* The event reads the row as the statement found it: what one part of a
 * statement writes another does not see. */
const char mftd_partner_postgres[] = ROLE_ROW
    "u AS (INSERT INTO partner_state AS s (queue, partner, state, fault, "
    "since_us, reason, probes, probe_us) SELECT r.queue, $4::text, "
    "$6::text, $7::text, $8::bigint, $9::text, $10::bigint, $11::bigint "
    "FROM r ON CONFLICT (queue, partner) DO UPDATE SET "
    "state = excluded.state, fault = excluded.fault, "
    "since_us = excluded.since_us, reason = excluded.reason, "
    "probes = excluded.probes, probe_us = excluded.probe_us "
    "WHERE s.state IN ($5::text, $6::text) RETURNING s.partner), "
    "e AS (" EVENT "AND EXISTS (SELECT 1 FROM u) " ONCE ")" WITH_ROLE;

/* The role row is looked at first (sqlite.c). */
const char mftd_partner_event_sqlite[] =
    EVENT "AND (o.state IS NULL OR o.state IN ($5, $6)) AND $2 IS NOT NULL AND "
	  "$3 IS NOT NULL AND $10 IS NOT NULL AND $11 IS NOT NULL " ONCE;

const char mftd_partner_sqlite[] =
    "INSERT INTO partner_state AS s (queue, partner, state, fault, "
    "since_us, reason, probes, probe_us) "
    "SELECT $1, $4, $6, $7, $8, $9, $10, $11 WHERE "
    "$2 IS NOT NULL AND $3 IS NOT NULL AND $12 IS NOT NULL "
    "ON CONFLICT (queue, partner) DO UPDATE SET "
    "state = excluded.state, fault = excluded.fault, "
    "since_us = excluded.since_us, reason = excluded.reason, "
    "probes = excluded.probes, probe_us = excluded.probe_us "
    "WHERE s.state IN ($5, $6) RETURNING partner";
