/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_pull_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

int
mftd_route_pull_put(struct mftd_catalog *c, const struct mftd_route *r)
{
	const struct mftd_route_pull *f = r->pull;

	if (f == NULL)
		return 0;
	const struct mftd_db_value v[] = { DB_TEXT(r->name),
		DB_TEXT(f->partner), DB_TEXT(f->directory), DB_TEXT(f->volume),
		DB_INT(f->every_s), DB_INT(f->stable_s), DB_TEXT(f->fetched),
		DB_TEXT(f->move_to), DB_TEXT(f->resume) };

	return mftd_rows_put(c,
	    "INSERT INTO route_pull (route, partner, directory, volume, "
	    "every_s, stable_s, fetched, move_to, resume) "
	    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, 'restart'))",
	    v, N(v));
}

static int
take_pull(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_objects *o = data;
	struct mftd_route_pull *f;
	size_t i;

	(void)n;
	for (i = 0; i < o->n_routes; i++)
		if (strcmp(o->routes[i].name, row[0].p) == 0)
			break;
	if (i == o->n_routes || o->routes[i].pull != NULL)
		return -MFTD_E_CORRUPT;
	f = o->routes[i].pull = calloc(1, sizeof(*f));
	if (f == NULL || !mftd_rows_copy(&f->partner, &row[1]) ||
	    !mftd_rows_copy(&f->directory, &row[2]) ||
	    !mftd_rows_copy(&f->volume, &row[3]) ||
	    !mftd_rows_copy(&f->fetched, &row[6]) ||
	    !mftd_rows_copy(&f->move_to, &row[7]) ||
	    !mftd_rows_copy(&f->resume, &row[8]))
		return -ENOMEM;
	f->every_s = (int)row[4].i;
	f->stable_s = (int)row[5].i;
	return 0;
}

int
mftd_route_pulls_load(struct mftd_catalog *c, struct mftd_objects *o)
{
	int r = mftd_db_run(c,
	    "SELECT route, partner, directory, volume, every_s, stable_s, "
	    "fetched, move_to, resume FROM route_pull",
	    NULL, 0, take_pull, o);

	return r < 0 ? r : 0;
}
