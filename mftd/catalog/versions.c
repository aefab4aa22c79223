/* Part of mftd; see LICENSE. */
#include "mftd/catalog/versions.h"

#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define PAGE 10000 /* rows looked at with one statement */

/* FNV-1a, of the text and its NUL. */
static uint64_t
hash(uint64_t h, const char *text)
{
	do
		h = (h ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	while (*text++ != '\0');
	return h;
}

int64_t
mftd_versions_key(const char *route, const char *partner, const char *directory,
    const char *name)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	h = hash(hash(hash(hash(h, route), partner), directory), name);
	return (int64_t)(h != 0 ? h : 1);
}

int
mftd_versions_go(struct mftd_catalog *c, const char *delivery)
{
	const struct mftd_db_value v[] = { DB_TEXT(delivery) };
	int r = mftd_db_run(c,
	    "UPDATE delivery SET behind = '' WHERE " MFTD_VERSIONS_BEHIND(
		"(SELECT d.queue FROM delivery d WHERE d.id = $1)", "$1"),
	    v, N(v), NULL, NULL);

	return r < 0 ? r : 0;
}

/* ---- what was missed */

const char mftd_versions_go_sql[] =
    "UPDATE delivery SET behind = '' WHERE EXISTS (SELECT 1 FROM r) AND "
    "queue = $1 AND behind <> '' AND behind > $4 AND behind <= $5 AND "
    "NOT EXISTS (SELECT 1 FROM delivery b WHERE b.id = delivery.behind "
    "AND b.name_key = delivery.name_key "
    "AND b.state NOT IN (" MFTD_VERSIONS_ENDED ") "
    "AND (b.state NOT IN (" MFTD_VERSIONS_TURN ") OR "
    "(b.order_us, b.order_seq, b.id) < (delivery.order_us, "
    "delivery.order_seq, delivery.id))) RETURNING id";

static int
take_end(void *data, const struct mftd_db_value *row, int n)
{
	if (row[0].type == MFTD_DB_NULL)
		return 0;
	return mftd_rows_get(&row[0], data, MFTD_ID_BYTES);
}

static int
take_gone(void *data, const struct mftd_db_value *row, int n)
{
	return 0;
}

int
mftd_catalog_versions_look(struct mftd_catalog *c,
    const struct mftd_role_row *role, char at[MFTD_ID_BYTES])
{
	char end[MFTD_ID_BYTES] = "";
	const struct mftd_db_value page[] = { DB_TEXT(role->queue), DB_TEXT(at),
		DB_INT(PAGE) };
	int r = mftd_db_run(c,
	    "SELECT max(behind) FROM (SELECT d.behind FROM delivery d "
	    "WHERE d.queue = $1 AND d.behind <> '' AND d.behind > $2 "
	    "ORDER BY d.behind LIMIT $3) AS x",
	    page, N(page), take_end, end);
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_TEXT(at),
		DB_TEXT(end) };

	if (r >= 0)
		r = end[0] == '\0'
		    ? 0
		    : c->db->ops->guarded(
			  c->db, MFTD_DB_VERSIONS_GO, v, N(v), take_gone, NULL);
	if (r >= 0)
		memcpy(at, end, sizeof(end));
	return r;
}
