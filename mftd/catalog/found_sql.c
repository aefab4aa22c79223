/* Part of mftd; see LICENSE. */
#include "mftd/catalog/found_sql.h"

#include <stddef.h>

#include "mftd/catalog/event.h"
#include "mftd/catalog/postgres_steps.h"

/* What both say, but for their parameters. */
#define FOUND_COLUMNS "route, path, size, mtime_ns, inode, ctime_ns, receipt"
#define FOUND_UPSERT                                                      \
	"ON CONFLICT (route, path) DO UPDATE SET size = excluded.size, "  \
	"mtime_ns = excluded.mtime_ns, inode = excluded.inode, "          \
	"ctime_ns = excluded.ctime_ns, receipt = excluded.receipt WHERE " \
	"found.size <> excluded.size OR "                                 \
	"found.mtime_ns <> excluded.mtime_ns OR "                         \
	"found.inode <> excluded.inode OR "                               \
	"found.ctime_ns <> excluded.ctime_ns "
#define NUMBER_UPSERT                                                   \
	"ON CONFLICT (route) DO UPDATE SET last = excluded.last WHERE " \
	"route_sequence.last = excluded.last - 1 "
/* Its inode is none of those whose names journals tell of. */
#define RECEIPT_COLUMNS                                                   \
	"id, known, outcome, origin, volume, path, path_now, "            \
	"size, sha256, time_us, outcome_us, inode, has_routes, matched, " \
	"source"
/* What its route wants of it, for the receipt and the delivery. */
#define SOURCE "CASE WHEN after_done = 'keep' THEN '' ELSE 'WANTED' END"
#define DUE "CASE WHEN after_done = 'keep' THEN 0 ELSE 1 END"
#define RECEIVED_COLUMNS "id, kind, time_us, receipt, route"
#define FAILED_COLUMNS "id, kind, time_us, receipt, delivery, route, error"
#define DELIVERY_COLUMNS                                                 \
	"id, receipt, route, queue, partner, volume, directory, name, "  \
	"state, size, sha256, due_us, seq, unmatched, error, order_us, " \
	"order_seq, name_key, order_by, due, " MFTD_DB_COPIED_COLUMNS
#define TARGET "coalesce(route.partner, '@' || route.to_account)"
#define STATES                                                            \
	"(SELECT 'QUEUED' AS state UNION ALL SELECT 'WAITING' UNION ALL " \
	"SELECT 'CLAIMED' UNION ALL SELECT 'SENDING' UNION ALL "          \
	"SELECT 'SENT' UNION ALL SELECT 'PUBLISHING' UNION ALL "          \
	"SELECT 'DELIVERED' UNION ALL SELECT 'DONE' UNION ALL "           \
	"SELECT 'IN_DOUBT' UNION ALL SELECT 'FAILED' UNION ALL "          \
	"SELECT 'HELD' UNION ALL SELECT 'CANCELLED') AS s "
/* The order of what is found is that in which its one owner at a time writes
 * it, whatever clocks say: behind all of its name, and of its route if that
 * keeps an order.  One probe for each state, by delivery_version. */
#define ORDER_US(now, key)                                                    \
	"(SELECT max(us) FROM (SELECT " now " AS us UNION ALL "               \
	"SELECT (SELECT b.order_us + 1 FROM delivery b "                      \
	"WHERE b.name_key = " key " AND b.name_key <> 0 AND "                 \
	"b.state || '' = s.state ORDER BY b.order_us DESC LIMIT 1) "          \
	"FROM " STATES "UNION ALL SELECT (SELECT d.order_us + 1 "             \
	"FROM delivery d WHERE d.queue = route.queue AND d.partner = " TARGET \
	" AND d.route = route.name AND " MFTD_DB_IN_ORDER                     \
	"ORDER BY d.order_us DESC LIMIT 1)) AS x)"
#define WANTED(kind) \
	"EXISTS (SELECT 1 FROM hook_want WHERE event = '" kind "') "
#define WANT_RECEIVED WANTED(MFTD_EVENT_RECEIVED)
#define WANT_FAILED WANTED(MFTD_EVENT_FAILED)

const char mftd_found_postgres[] = ROLE_ROW
    "g AS (SELECT r.queue FROM r JOIN config c ON c.version = $4::bigint "
    "JOIN route w ON w.name = $5::text AND w.queue = r.queue "
    "WHERE NOT EXISTS (SELECT 1 FROM found o WHERE o.route = $5::text AND "
    "o.path = $6::bytea AND o.size = $7::bigint AND "
    "o.mtime_ns = $8::bigint AND o.inode = $9::bigint AND "
    "o.ctime_ns = $10::bigint)), "
    "s AS (INSERT INTO route_sequence (route, last) "
    "SELECT $5::text, $17::bigint FROM g WHERE $17::bigint > 0 " NUMBER_UPSERT
    "RETURNING last), "
    "f AS (INSERT INTO found (" FOUND_COLUMNS ") SELECT $5::text, $6::bytea, "
    "$7::bigint, $8::bigint, $9::bigint, $10::bigint, $11::text FROM g "
    "WHERE $17::bigint = 0 OR EXISTS (SELECT 1 FROM s) " FOUND_UPSERT
    "RETURNING receipt), "
    "c AS (INSERT INTO receipt (" RECEIPT_COLUMNS ") SELECT $11::text, 1, "
    "'PUBLISHED', $12::text, $13::text, $14::bytea, $14::bytea, $7::bigint, "
    "$15::bytea, $16::bigint, $16::bigint, 0, 1, 1, " SOURCE
    " FROM f CROSS JOIN route WHERE name = $5::text), "
    "e AS (INSERT INTO event (" RECEIVED_COLUMNS ") "
    "SELECT '" MFTD_EVENT_RECEIVED ".' || $11::text, '" MFTD_EVENT_RECEIVED
    "', $16::bigint, $11::text, $5::text FROM f WHERE " WANT_RECEIVED "), "
    "x AS (INSERT INTO event (" FAILED_COLUMNS ") "
    "SELECT '" MFTD_EVENT_FAILED ".' || $18::text || '.0', '" MFTD_EVENT_FAILED
    "', $16::bigint, $11::text, $18::text, $5::text, $22::text FROM f "
    "WHERE $21::text = 'FAILED' AND " WANT_FAILED "), "
    "u AS (INSERT INTO delivery (" DELIVERY_COLUMNS ") "
    "SELECT $18::text, $11::text, $5::text, route.queue, " TARGET
    ", $13::text, directory, $19::bytea, $21::text, $7::bigint, $15::bytea, "
    "$20::bigint, $17::bigint, "
    "CASE WHEN $21::text = 'FAILED' THEN 1 ELSE 0 END, $22::text, " ORDER_US(
	"$16::bigint", "$24::bigint") ", $23::bigint, $24::bigint, "
				      "'/', " DUE ", " MFTD_DB_COPIED_COLUMNS
				      " FROM f CROSS JOIN route WHERE name = "
				      "$5::text RETURNING id)" WITH_ROLE;

/* SQLite has no statement that writes to several tables: each of these must
 * change a row, or give one, for the next; those without must may change none.
 * use: which of the statement's parameters are $1, $2, … of this one. */
static const struct {
	const char *sql;
	bool must;
	int use[15]; /* ends with 0 */
} statements[] = {
	{ "UPDATE config SET version = version WHERE version = $1 AND EXISTS "
	  "(SELECT 1 FROM route WHERE name = $2 AND queue = $3) AND NOT EXISTS "
	  "(SELECT 1 FROM found WHERE route = $2 AND path = $4 AND "
	  "size = $5 AND mtime_ns = $6 AND inode = $7 AND ctime_ns = $8)",
	    true, { 4, 5, 1, 6, 7, 8, 9, 10 } },
	{ "INSERT INTO route_sequence (route, last) "
	  "SELECT $1, $2 WHERE true " NUMBER_UPSERT,
	    true, { 5, 17 } },
	{ "INSERT INTO found (" FOUND_COLUMNS ") "
	  "SELECT $1, $2, $3, $4, $5, $6, $7 WHERE true " FOUND_UPSERT,
	    true, { 5, 6, 7, 8, 9, 10, 11 } },
	{ "INSERT INTO receipt (" RECEIPT_COLUMNS ") SELECT $1, 1, "
	  "'PUBLISHED', $2, $3, $4, $4, $5, $6, $7, $7, 0, 1, 1, " SOURCE
	  " FROM route WHERE name = $8",
	    true, { 11, 12, 13, 14, 7, 15, 16, 5 } },
	{ "INSERT INTO event (" RECEIVED_COLUMNS ") "
	  "SELECT '" MFTD_EVENT_RECEIVED ".' || $1, '" MFTD_EVENT_RECEIVED
	  "', $2, $1, $3 WHERE " WANT_RECEIVED,
	    false, { 11, 16, 5 } },
	{ "INSERT INTO event (" FAILED_COLUMNS ") "
	  "SELECT '" MFTD_EVENT_FAILED ".' || $1 || '.0', '" MFTD_EVENT_FAILED
	  "', $2, $3, $1, $4, $5 WHERE $6 = 'FAILED' AND " WANT_FAILED,
	    false, { 18, 16, 11, 5, 22, 21 } },
	{ "INSERT INTO delivery (" DELIVERY_COLUMNS ") SELECT $1, $2, name, "
	  "queue, " TARGET ", $3, directory, $4, $5, $6, $7, $8, $9, "
	  "CASE WHEN $5 = 'FAILED' THEN 1 ELSE 0 END, $10, " ORDER_US(
	      "$11", "$14") ", $12, $14, '/', " DUE ", " MFTD_DB_COPIED_COLUMNS
			    " FROM route WHERE name = $13 RETURNING id",
	    true, { 18, 11, 13, 19, 21, 7, 15, 20, 17, 22, 16, 23, 5, 24 } },
};

#define N_STATEMENTS (sizeof(statements) / sizeof(statements[0]))
#define NUMBERED 1 /* of them: left out where the route gives no number */

int
mftd_found_sqlite(struct mftd_db *db, const struct mftd_db_value *v,
    mftd_db_row_fn row, void *data)
{
	struct mftd_db_value own[14];
	bool last;
	size_t i;
	int n, r = 0;

	for (i = 0; i < N_STATEMENTS; i++) {
		if (i == NUMBERED && v[16].i == 0)
			continue;
		for (n = 0; statements[i].use[n] != 0; n++)
			own[n] = v[statements[i].use[n] - 1];
		last = i + 1 == N_STATEMENTS;
		r = db->ops->run(db, statements[i].sql, own, n,
		    last ? row : NULL, last ? data : NULL);
		if (r < 0 || (r == 0 && statements[i].must))
			return r;
	}
	return r;
}
