/* Part of mftd; see LICENSE. */
#include "mftd/catalog/claim.h"

#include "mftd/catalog/db.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/postgres_steps.h"
#include "mftd/catalog/versions.h"

/* What is in each of the two indexes; along them, the first. */
#define FREE "WHERE d.queue = $1 AND " MFTD_DB_FREE
#define FREE_FIRST \
	"ORDER BY d.partner DESC, d.priority DESC, d.due_us, d.id LIMIT 1"
#define IN_ORDER "WHERE d.queue = $1 AND " MFTD_DB_IN_ORDER
#define IN_ORDER_FIRST \
	"ORDER BY d.partner, d.route, d.order_us, d.order_seq, d.id LIMIT 1"

/* Of the partner of which `due` tells. */
#define SOME_DUE                                                          \
	FREE "AND d.partner = due.partner AND d.priority = due.priority " \
	     "AND d.due_us <= $4 ORDER BY d.due_us, d.id LIMIT "
#define MAY_GO "d.state IN ('QUEUED', 'WAITING') AND d.due_us <= $4 AND "
#define URGENT_FIRST "ORDER BY priority DESC, due_us, id LIMIT $5"

/* ---- what is found, as one of the versions of its name (versions.h)
 *
 * d is what might be claimed, b another one of its name.  By an expression, not
 * the column state: so delivery_version is the only index that will do. */
#define SAME                                                            \
	"b.name_key = d.name_key AND b.name_key <> 0 AND "              \
	"b.route = d.route AND b.partner = d.partner AND "              \
	"b.directory = d.directory AND b.name = d.name AND b.state || " \
	"'' "
#define ORDER "(b.order_us, b.order_seq, b.id)"
#define ORDER_OF_IT "(d.order_us, d.order_seq, d.id) "
#define LAST_OF_THEM \
	"ORDER BY b.order_us DESC, b.order_seq DESC, b.id DESC LIMIT 1"

/* The next one before it in that state. */
#define BEFORE_IN(state)                                            \
	"(SELECT b.id FROM delivery b WHERE " SAME "= '" state "' " \
	"AND " ORDER " < " ORDER_OF_IT LAST_OF_THEM ")"
#define QUEUED_BEFORE BEFORE_IN("QUEUED")
#define WAITING_BEFORE BEFORE_IN("WAITING")
/* One that is on its way, or may be. */
#define ON_ITS_WAY                                 \
	"(SELECT b.id FROM delivery b WHERE " SAME \
	"IN ('CLAIMED', 'SENDING', 'SENT', "       \
	"'PUBLISHING', 'DELIVERED', 'IN_DOUBT') LIMIT 1)"
#define OVERWRITES                       \
	"(d.if_exists = 'overwrite' OR " \
	"substr(d.partner, 1, 1) = '@') "
/* A later one that is where it would overwrite that, if there is no doubt which
 * of the two is later (order.h). */
#define BY_MORE_THAN_IT_MAY_BE_OFF                \
	"(b.order_by = d.order_by OR "            \
	"b.order_off_us + d.order_off_us = 0 OR " \
	"b.order_us - d.order_us > b.order_off_us + d.order_off_us) "
#define OVERWRITTEN                                                           \
	"CASE WHEN " OVERWRITES "THEN (SELECT b.id "                          \
	"FROM delivery b WHERE " SAME "= 'DONE' AND " ORDER " > " ORDER_OF_IT \
	"AND " BY_MORE_THAN_IT_MAY_BE_OFF LAST_OF_THEM ") "                   \
	"ELSE NULL END"
/* One of which that is not certain: the one or the other may be off.  Of each
 * kind by an index that has but those. */
#define NEAR_IT                                                           \
	"(SELECT b.id FROM delivery b WHERE d.order_off_us > 0 AND " SAME \
	"= 'DONE' AND b.order_us >= d.order_us - d.order_off_us AND "     \
	"b.order_us <= d.order_us + d.order_off_us AND "                  \
	"b.order_by <> d.order_by " LAST_OF_THEM ")"
#define NEAR_SOME                                                    \
	"(SELECT b.id FROM delivery b WHERE b.order_off_us > 0 AND " \
	"b.name_key + 0 = d.name_key AND d.name_key <> 0 AND "       \
	"b.route = d.route AND b.partner = d.partner AND "           \
	"b.directory = d.directory AND d.name = b.name AND "         \
	"b.state = 'DONE' AND b.order_by <> d.order_by AND "         \
	"abs(b.order_us - d.order_us) <= "                           \
	"b.order_off_us + d.order_off_us LIMIT 1)"
#define UNSURE                                                                 \
	"CASE WHEN d.order_asked = 0 AND " OVERWRITES "THEN coalesce(" NEAR_IT \
	", " NEAR_SOME ") ELSE NULL END"
/* Whether it repeats the last one that is there. */
#define REPEATS                                                        \
	"coalesce((SELECT CASE WHEN b.size = d.size AND "              \
	"(d.sha256 IS NULL OR b.sha256 = d.sha256) THEN 1 ELSE 0 END " \
	"FROM delivery b WHERE " SAME "= 'DONE' " LAST_OF_THEM "), 0) = 1"

/* Whether there is any: mostly there is none, and that is one look. */
#define ANY_OTHER                                                         \
	"EXISTS (SELECT 1 FROM delivery b WHERE b.name_key = d.name_key " \
	"AND b.name_key <> 0 AND b.id <> d.id)"

/* Of those before it the next one: so they let go one another, and not the
 * first one all of them. */
#define WAITS_FOR \
	"coalesce(" QUEUED_BEFORE ", " WAITING_BEFORE ", " ON_ITS_WAY ", '')"
#define JUDGED                                             \
	"CASE WHEN " ANY_OTHER " THEN " WAITS_FOR          \
	" ELSE '' END AS waits_for, coalesce(" OVERWRITTEN \
	", '') AS replaced_by, coalesce(" UNSURE           \
	", '') AS unsure, CASE WHEN d.if_exists = 'fail' " \
	"AND " REPEATS " THEN 'skip' ELSE d.if_exists END AS if_exists_now "
#define BECOMES                                                          \
	"state = CASE WHEN j.waits_for <> '' THEN d.state "              \
	"WHEN j.replaced_by <> '' THEN 'CANCELLED' "                     \
	"WHEN j.unsure <> '' THEN 'HELD' ELSE 'CLAIMED' END, "           \
	"behind = j.waits_for, error = CASE WHEN j.waits_for <> '' "     \
	"THEN d.error WHEN j.replaced_by <> '' "                         \
	"THEN 'replaced by a later version: ' || j.replaced_by "         \
	"WHEN j.unsure <> '' THEN 'a clock was set, so it may be older " \
	"than ' || j.unsure || ', which is DONE: release it to have it " \
	"replace that one, or cancel it' "                               \
	"ELSE d.error END, order_asked = CASE WHEN j.waits_for = '' "    \
	"AND j.replaced_by = '' AND j.unsure <> '' THEN 1 "              \
	"ELSE d.order_asked END, if_exists = CASE WHEN "                 \
	"j.waits_for = '' THEN j.if_exists_now ELSE d.if_exists END "
/* On a route that keeps an order what has to wait need not be kept from the
 * next claim: there is one of it. */
#define MOVES "(j.waits_for = '' OR d.ordered = 0) "

/* ---- finding it */

/* From each to the next: first of the same partner.  By "(a, b) < (x, y)" both
 * databases would pass over all rows that have x and y. */

/* ---- PostgreSQL */

#define P_HEAD "(SELECT d.partner, d.priority, d.due_us FROM delivery d "
#define P_HEADS                                                             \
	"heads AS (" P_HEAD FREE "AND EXISTS (SELECT 1 FROM r) " FREE_FIRST \
	") UNION ALL SELECT n.* FROM heads h, LATERAL (" P_HEAD FREE        \
	"AND d.partner = h.partner AND d.priority < h.priority " FREE_FIRST \
	") UNION ALL " P_HEAD FREE "AND d.partner < h.partner " FREE_FIRST  \
	") LIMIT 1) AS n), "
#define P_DUE                                                \
	"due AS (SELECT partner, max(priority) AS priority " \
	"FROM heads WHERE due_us <= $4 AND "                 \
	"strpos($7::text, ' ' || partner || ' ') = 0 "       \
	"GROUP BY partner), "
#define P_TURN                                                             \
	"(SELECT d.partner, d.route, d.id, d.priority, d.due_us, d.state " \
	"FROM delivery d "
#define P_TURNS                                                           \
	"turns AS (" P_TURN IN_ORDER                                      \
	"AND EXISTS (SELECT 1 FROM r) " IN_ORDER_FIRST                    \
	") UNION ALL SELECT n.* FROM turns t, LATERAL (" P_TURN IN_ORDER  \
	"AND d.partner = t.partner AND d.route > t.route " IN_ORDER_FIRST \
	") UNION ALL " P_TURN IN_ORDER                                    \
	"AND d.partner > t.partner " IN_ORDER_FIRST ") LIMIT 1) AS n), "
#define P_SHARE                                           \
	"(SELECT greatest(1, least($6, $5 / greatest(1, " \
	"count(*)))) FROM due)"
#define P_FOUND                                                             \
	"found AS MATERIALIZED (SELECT id FROM ("                           \
	"SELECT x.* FROM due, LATERAL (SELECT d.id, d.priority, d.due_us "  \
	"FROM delivery d " SOME_DUE P_SHARE ") AS x UNION ALL "             \
	"SELECT d.id, d.priority, d.due_us FROM turns d WHERE " MAY_GO      \
	"strpos($7::text, ' ' || d.partner || ' ') = 0) AS y " URGENT_FIRST \
	"), "

#define P_JUDGED                                                          \
	"judged AS MATERIALIZED (SELECT d.id, " JUDGED "FROM found JOIN " \
	"delivery d ON d.id = found.id), "

/* "|| ''": by their ids, not by the index of all that might be claimed. */
#define P_CLAIM                                                             \
	ROLE_ROW P_HEADS P_DUE P_TURNS P_FOUND P_JUDGED                     \
	    "u AS (UPDATE delivery AS d SET " BECOMES "FROM judged j "      \
	    "WHERE d.id = j.id AND d.state || '' IN ('QUEUED', 'WAITING') " \
	    "AND " MOVES "RETURNING " MFTD_DB_DELIVERY_COLUMNS ")"

const char mftd_claim_postgres[] = P_CLAIM WITH_ROLE;

/* What hooks are told of one that is not to be sent. */
#define TOLD                                                       \
	"CASE d.state WHEN 'CANCELLED' THEN '" MFTD_EVENT_REPLACED \
	"' WHEN 'HELD' THEN '" MFTD_EVENT_IN_DOUBT "' END"
#define TOLD_INTO                                                          \
	"INSERT INTO event (id, kind, time_us, receipt, delivery, route, " \
	"tries, host, error) SELECT k.event || '.' || d.id || '.' || "     \
	"(SELECT count(*) FROM delivery_wish w WHERE w.delivery = d.id), " \
	"k.event, "
#define TOLD_FROM ", d.receipt, d.id, d.route, d.tries, d.host, d.error FROM "
#define TOLD_WANTED                                            \
	" d JOIN (SELECT DISTINCT event FROM hook_want) AS k " \
	"ON k.event = " TOLD

const char mftd_claim_postgres_events[] =
    P_CLAIM ", ev AS (" TOLD_INTO "$4::bigint" TOLD_FROM "u" TOLD_WANTED
	    " ON CONFLICT (id) DO NOTHING)" WITH_ROLE;

const char mftd_claim_event_sqlite[] =
    TOLD_INTO "$2" TOLD_FROM "delivery" TOLD_WANTED
	      " WHERE d.id = $1 ON CONFLICT (id) DO NOTHING";

const char mftd_inherited_postgres[] =
    ROLE_ROW "u AS MATERIALIZED (SELECT " MFTD_DB_DELIVERY_COLUMNS
	     " FROM delivery d WHERE EXISTS (SELECT 1 FROM r) AND d.queue = $1 "
	     "AND " MFTD_DB_IN_HAND "ORDER BY d.id LIMIT $4)" WITH_ROLE;

/* ---- SQLite */

/* It has no LATERAL: what is found goes from one step to the next by its row's
 * number; the last has none. */
#define S_ONE "(SELECT d.rowid FROM delivery d "
#define ROW " CROSS JOIN delivery d ON d.rowid = at "
#define LAST " CROSS JOIN delivery l ON l.rowid = at"
#define S_HEADS                                                              \
	"heads (at) AS (SELECT " S_ONE FREE FREE_FIRST ") UNION ALL SELECT " \
	"coalesce(" S_ONE FREE "AND d.partner = l.partner AND "              \
	"d.priority < l.priority " FREE_FIRST "), " S_ONE FREE               \
	"AND d.partner < l.partner " FREE_FIRST ")) FROM heads" LAST "), "
#define S_DUE                                            \
	"due (partner, priority) AS (SELECT d.partner, " \
	"max(d.priority) "                               \
	"FROM heads" ROW "WHERE d.due_us <= $4 AND "     \
	"instr($7, ' ' || d.partner || ' ') "            \
	"= 0 GROUP BY d.partner), "
#define S_TURNS                                                               \
	"turns (at) AS (SELECT " S_ONE IN_ORDER IN_ORDER_FIRST ") UNION ALL " \
	"SELECT coalesce(" S_ONE IN_ORDER "AND d.partner = l.partner AND "    \
	"d.route > l.route " IN_ORDER_FIRST "), " S_ONE IN_ORDER              \
	"AND d.partner > l.partner " IN_ORDER_FIRST ")) FROM turns" LAST "), "
#define S_SHARE "(SELECT max(1, min($6, $5 / max(1, count(*)))) FROM due)"
#define S_FOUND                                                           \
	"found (at, priority, due_us, id) AS (SELECT x.rowid, "           \
	"x.priority, x.due_us, x.id FROM due CROSS JOIN delivery x "      \
	"ON x.rowid IN (SELECT d.rowid FROM delivery d " SOME_DUE S_SHARE \
	") UNION ALL SELECT d.rowid, d.priority, d.due_us, d.id "         \
	"FROM turns" ROW "WHERE " MAY_GO                                  \
	"instr($7, ' ' || d.partner || ' ') = 0), "
#define S_JUDGED                                                \
	"judged AS MATERIALIZED (SELECT d.rowid AS at, " JUDGED \
	"FROM (SELECT at "                                      \
	"FROM found " URGENT_FIRST ")" ROW ") "

const char mftd_claim_sqlite[] =
    "WITH RECURSIVE " S_HEADS S_DUE S_TURNS S_FOUND S_JUDGED
    "UPDATE delivery AS d SET " BECOMES "FROM judged j WHERE $2 IS NOT NULL "
    "AND $3 IS NOT NULL AND d.rowid = j.at AND " MOVES
    "RETURNING id, receipt, route, partner, volume, directory, name, state, "
    "tries, size, sha256, host, mtime, due_us, error, " MFTD_DB_DELIVERY_MORE
    ", " MFTD_DB_MAY_BE_THERE("id");

const char mftd_inherited_sqlite[] =
    "SELECT " MFTD_DB_DELIVERY_COLUMNS " FROM delivery d WHERE "
    "$2 IS NOT NULL AND $3 IS NOT NULL AND d.queue = $1 AND " MFTD_DB_IN_HAND
    "ORDER BY d.id LIMIT $4";
