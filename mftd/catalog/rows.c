/* Part of mftd; see LICENSE. */
#include "mftd/catalog/rows.h"

#include <stdlib.h>
#include <string.h>

int
mftd_rows_put(struct mftd_catalog *c, const char *sql,
    const struct mftd_db_value *v, int n)
{
	int r = mftd_db_run(c, sql, v, n, NULL, NULL);

	return r < 0 ? r : 0;
}

void *
mftd_rows_grow(void *list, size_t *n, size_t size)
{
	char **at = list;
	char *more = *at;

	if ((*n & (*n - 1)) == 0) { /* 0 or a power of two: it is full */
		more = realloc(*at, (*n > 0 ? *n * 2 : 1) * size);
		if (more == NULL)
			return NULL;
		*at = more;
	}
	memset(more + *n * size, 0, size);
	return more + (*n)++ * size;
}

bool
mftd_rows_copy(char **out, const struct mftd_db_value *v)
{
	*out = v->type == MFTD_DB_TEXT ? strdup(v->p) : NULL;
	return *out != NULL || v->type == MFTD_DB_NULL;
}
