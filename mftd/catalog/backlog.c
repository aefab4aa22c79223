/* Part of mftd; see LICENSE. */
#include "mftd/catalog/backlog.h"

#include <stdio.h>
#include <string.h>

#include "mftd/catalog/catalog.h"
#include "mftd/catalog/db.h"

static int
take_queue(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_msg_backlog *b = data;
	struct mftd_msg_backlog_queue *q = &b->queues[b->n];

	if (row[1].i == 0 || b->n == MFTD_QUEUES_MAX)
		return 0;
	snprintf(q->queue, sizeof(q->queue), "%s", (const char *)row[0].p);
	q->waiting = (uint64_t)(row[1].i < MFTD_BACKLOG_MAX ? row[1].i
							    : MFTD_BACKLOG_MAX);
	b->n++;
	return 0;
}

#define WAITS_IN_ORDER MFTD_DB_IN_ORDER "AND d.state IN ('QUEUED', 'WAITING')"
#define COUNT(predicate) MFTD_DB_COUNT("q.name", predicate, "$1")
#define FREE COUNT(MFTD_DB_FREE)
#define BEHIND COUNT(MFTD_DB_BEHIND)
#define IN_ORDER COUNT(WAITS_IN_ORDER)
#define IN_HAND COUNT(MFTD_DB_IN_HAND)

/* The next queue's name, and the first one's, by each of the indexes. */
#define AFTER(name, predicate)                                         \
	"SELECT (SELECT d.queue FROM delivery d WHERE d.queue > " name \
	" AND " predicate " ORDER BY d.queue LIMIT 1) AS n"
#define OR " UNION ALL "
#define LEAST(four) "SELECT (SELECT min(n) FROM (" four ") AS x)"
#define NEXT(name)                                                     \
	LEAST(AFTER(name, MFTD_DB_FREE) OR AFTER(name, MFTD_DB_BEHIND) \
		OR AFTER(name, MFTD_DB_IN_ORDER)                       \
		    OR AFTER(name, MFTD_DB_IN_HAND))
#define FIRST NEXT("''")
#define NEXT_ONE NEXT("q.name")

static const char backlog_sql[] =
    "WITH RECURSIVE q (name) AS (" FIRST " UNION ALL " NEXT_ONE
    " FROM q WHERE q.name IS NOT NULL) "
    "SELECT q.name, " FREE " + " BEHIND " + " IN_ORDER " + " IN_HAND
    " FROM q WHERE q.name IS NOT NULL";

int
mftd_catalog_backlog(struct mftd_catalog *c, struct mftd_msg_backlog *out)
{
	const struct mftd_db_value v[] = { DB_INT(MFTD_BACKLOG_MAX) };
	int r;

	memset(out, 0, sizeof(*out));
	r = mftd_db_run(c, backlog_sql, v, 1, take_queue, out);
	return r < 0 ? r : 0;
}

/* ---- places */

#define WAITS(predicate)                                           \
	" OR EXISTS (SELECT 1 FROM delivery d WHERE d.queue = $1 " \
	"AND " predicate ")"

static const char needed_sql[] =
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM route WHERE queue = $1)" WAITS(
	MFTD_DB_FREE) WAITS(MFTD_DB_IN_ORDER)
	WAITS(MFTD_DB_IN_HAND) " THEN 1 ELSE 0 END";

int
mftd_catalog_place_needed(struct mftd_catalog *c, const char *queue, bool *out)
{
	const struct mftd_db_value v[] = { DB_TEXT(queue) };
	int64_t needed = 0;
	int r;

	r = mftd_db_run(c, needed_sql, v, 1, mftd_db_take_int, &needed);
	if (r < 0)
		return r;
	*out = needed != 0;
	return 0;
}
