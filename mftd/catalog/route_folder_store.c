/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_folder_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

int
mftd_route_folder_put(struct mftd_catalog *c, const struct mftd_route *r)
{
	const struct mftd_route_folder *f = r->folder;

	if (f == NULL)
		return 0;
	const struct mftd_db_value v[] = { DB_TEXT(f->volume), DB_TEXT(f->path),
		DB_INT(f->every_s), DB_INT(f->stable_s), DB_TEXT(r->name) };

	return mftd_rows_put(c,
	    "UPDATE route SET from_volume = $1, from_folder = $2, "
	    "every_s = $3, stable_s = $4 WHERE name = $5",
	    v, N(v));
}

static int
take_folder(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_objects *o = data;
	struct mftd_route_folder *f;
	size_t i;

	(void)n;
	for (i = 0; i < o->n_routes; i++)
		if (strcmp(o->routes[i].name, row[0].p) == 0)
			break;
	if (i == o->n_routes || o->routes[i].folder != NULL)
		return -MFTD_E_CORRUPT;
	f = o->routes[i].folder = calloc(1, sizeof(*f));
	if (f == NULL || !mftd_rows_copy(&f->volume, &row[1]) ||
	    !mftd_rows_copy(&f->path, &row[2]))
		return -ENOMEM;
	f->every_s = (int)row[3].i;
	f->stable_s = (int)row[4].i;
	return 0;
}

int
mftd_route_folders_load(struct mftd_catalog *c, struct mftd_objects *o)
{
	int r = mftd_db_run(c,
	    "SELECT name, from_volume, from_folder, every_s, stable_s "
	    "FROM route WHERE from_volume IS NOT NULL",
	    NULL, 0, take_folder, o);

	return r < 0 ? r : 0;
}
