/* Part of mftd; see LICENSE. */
#include "mftd/catalog/partner_sql.h"

#include "mftd/catalog/postgres_steps.h"

const char mftd_partner_postgres[] = ROLE_ROW
    "u AS (INSERT INTO partner_state AS s (queue, partner, state, fault, "
    "since_us, reason, probes, probe_us) SELECT r.queue, $4::text, "
    "$6::text, $7::text, $8::bigint, $9::text, $10::bigint, $11::bigint "
    "FROM r ON CONFLICT (queue, partner) DO UPDATE SET "
    "state = excluded.state, fault = excluded.fault, "
    "since_us = excluded.since_us, reason = excluded.reason, "
    "probes = excluded.probes, probe_us = excluded.probe_us "
    "WHERE s.state IN ($5::text, $6::text) RETURNING s.partner)" WITH_ROLE;

/* The role row is looked at first (sqlite.c). */
const char mftd_partner_sqlite[] =
    "INSERT INTO partner_state AS s (queue, partner, state, fault, "
    "since_us, reason, probes, probe_us) "
    "SELECT $1, $4, $6, $7, $8, $9, $10, $11 WHERE "
    "$2 IS NOT NULL AND $3 IS NOT NULL "
    "ON CONFLICT (queue, partner) DO UPDATE SET "
    "state = excluded.state, fault = excluded.fault, "
    "since_us = excluded.since_us, reason = excluded.reason, "
    "probes = excluded.probes, probe_us = excluded.probe_us "
    "WHERE s.state IN ($5, $6) RETURNING partner";
