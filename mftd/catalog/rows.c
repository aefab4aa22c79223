/* Part of mftd; see LICENSE. */
#include "mftd/catalog/rows.h"

#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"

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

int
mftd_rows_get(const struct mftd_db_value *v, char *out, size_t size)
{
	if (v->len >= size)
		return -MFTD_E_CORRUPT;
	if (v->len > 0)
		memcpy(out, v->p, v->len);
	out[v->len] = '\0';
	return 0;
}

bool
mftd_rows_copy(char **out, const struct mftd_db_value *v)
{
	*out = v->type == MFTD_DB_TEXT ? strdup(v->p) : NULL;
	return *out != NULL || v->type == MFTD_DB_NULL;
}

bool
mftd_rows_join(char *const *lines, size_t n, char **out)
{
	size_t i, len = 1;
	char *at;

	*out = NULL;
	if (n == 0)
		return true;
	for (i = 0; i < n; i++)
		len += strlen(lines[i]) + 1;
	at = *out = malloc(len);
	for (i = 0; at != NULL && i < n; i++) {
		at = stpcpy(at, lines[i]);
		if (i + 1 < n)
			at = stpcpy(at, "\n");
	}
	return at != NULL;
}

bool
mftd_rows_split(const struct mftd_db_value *v, char ***lines, size_t *n)
{
	const char *at = v->type == MFTD_DB_TEXT ? v->p : "";
	char **line;
	size_t len;

	for (; *at != '\0'; at += len + (at[len] == '\n')) {
		len = strcspn(at, "\n");
		line = mftd_rows_grow(lines, n, sizeof(*line));
		if (line == NULL)
			return false;
		*line = strndup(at, len);
		if (*line == NULL)
			return false;
	}
	return true;
}

void
mftd_rows_free(char **lines, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
}
