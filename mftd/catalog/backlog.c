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
	q->waiting = (uint64_t)row[1].i;
	b->n++;
	return 0;
}

/* From one queue's name to the next, each found by the index. */
int
mftd_catalog_backlog(struct mftd_catalog *c, struct mftd_msg_backlog *out)
{
	const struct mftd_db_value v[] = { DB_INT(MFTD_BACKLOG_MAX) };
	int r;

	memset(out, 0, sizeof(*out));
	r = mftd_db_run(c,
	    "WITH RECURSIVE q (name) AS (SELECT min(queue) FROM delivery "
	    "UNION ALL SELECT (SELECT min(queue) FROM delivery "
	    "WHERE queue > q.name) FROM q WHERE q.name IS NOT NULL) "
	    "SELECT q.name, (SELECT count(*) FROM (SELECT 1 FROM delivery d "
	    "WHERE d.queue = q.name AND d.state IN ('QUEUED', 'WAITING', "
	    "'CLAIMED', 'SENDING', 'SENT', 'PUBLISHING', 'DELIVERED') "
	    "LIMIT $1) AS found) FROM q WHERE q.name IS NOT NULL",
	    v, 1, take_queue, out);
	return r < 0 ? r : 0;
}
