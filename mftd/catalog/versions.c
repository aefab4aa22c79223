/* Part of mftd; see LICENSE. */
#include "mftd/catalog/versions.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define PAGE 10000 /* rows looked at with one statement */
#define FILL 256 /* rows that get a key in one transaction */

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
	    "UPDATE delivery SET behind = '' WHERE " MFTD_VERSIONS_BEHIND("$1"),
	    v, N(v), NULL, NULL);

	return r < 0 ? r : 0;
}

/* ---- what has no key yet */

struct keyless {
	struct {
		char id[MFTD_ID_BYTES];
		int64_t key;
	} rows[FILL];
	size_t n;
};

static int
take_keyless(void *data, const struct mftd_db_value *row, int n)
{
	struct keyless *k = data;
	char route[MFTD_NAME_BYTES], partner[MFTD_TARGET_BYTES];
	char directory[MFTD_PATH_BYTES], name[MFTD_PATH_BYTES];

	if (mftd_rows_get(&row[0], k->rows[k->n].id, MFTD_ID_BYTES) < 0 ||
	    mftd_rows_get(&row[1], route, sizeof(route)) < 0 ||
	    mftd_rows_get(&row[2], partner, sizeof(partner)) < 0 ||
	    mftd_rows_get(&row[3], directory, sizeof(directory)) < 0 ||
	    mftd_rows_get(&row[4], name, sizeof(name)) < 0)
		return -MFTD_E_CORRUPT;
	k->rows[k->n++].key =
	    mftd_versions_key(route, partner, directory, name);
	return 0;
}

/* Some of them; returns 1 when there may be more.  FOR UPDATE would name what
 * SQLite does not know: one that gets another name meanwhile gets its key with
 * it, and is passed over. */
static int
fill_some(struct mftd_catalog *c, void *data)
{
	struct keyless *k = data;
	const struct mftd_db_value most = DB_INT(FILL);
	size_t i;
	int r;

	k->n = 0;
	r = mftd_db_run(c,
	    "SELECT id, route, partner, directory, name FROM delivery "
	    "WHERE name_key = 0 AND state NOT IN ('DONE', 'CANCELLED') "
	    "ORDER BY id LIMIT $1",
	    &most, 1, take_keyless, k);
	for (i = 0; r >= 0 && i < k->n; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(k->rows[i].id),
			DB_INT(k->rows[i].key) };

		r = mftd_db_run(c,
		    "UPDATE delivery SET name_key = $2 "
		    "WHERE id = $1 AND name_key = 0",
		    v, N(v), NULL, NULL);
	}
	return r < 0 ? r : k->n == FILL;
}

int
mftd_versions_fill(struct mftd_catalog *c)
{
	struct keyless *k = malloc(sizeof(*k));
	int r = 1;

	if (k == NULL)
		return -ENOMEM;
	while (r > 0)
		r = mftd_db_transaction(c, MFTD_DB_WRITE, fill_some, k);
	free(k);
	return r;
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
