/* Part of mftd; see LICENSE. */
#include "mftd/catalog/away.h"

#include <stddef.h>

#include "mftd/catalog/db.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

const char mftd_away_back_sql[] =
    "UPDATE delivery SET due_us = CAST($5 AS BIGINT) WHERE "
    "EXISTS (SELECT 1 FROM r) AND state = 'WAITING' AND id IN "
    "(SELECT d.id FROM delivery d WHERE d.queue = $1 AND d.volume = $4 AND "
    "d.due_us > CAST($5 AS BIGINT) AND d.state = 'WAITING' AND "
    "d.error = '" MFTD_AWAY_TEXT "' ORDER BY d.due_us LIMIT $6) RETURNING id";

static int
take_id(void *data, const struct mftd_db_value *row, int n)
{
	(void)data;
	(void)row;
	(void)n;
	return 0;
}

int
mftd_catalog_away_back(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *volume, int64_t now_us)
{
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_TEXT(volume),
		DB_INT(now_us), DB_INT(MFTD_AWAY_BACK_MAX) };

	return c->db->ops->guarded(
	    c->db, MFTD_DB_AWAY_BACK, v, N(v), take_id, NULL);
}
