/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROWS_H
#define MFTD_CATALOG_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/catalog/db.h"

/* What storing and loading objects is made of. */

/* Runs a statement for which rows mean nothing.  0 or a negative error. */
int mftd_rows_put(struct mftd_catalog *c, const char *sql,
    const struct mftd_db_value *v, int n);

/* Room for one more at the end of *(T **)list of *n, zeroed; NULL without
 * memory. */
void *mftd_rows_grow(void *list, size_t *n, size_t size);

/* Copies a text or a blob as a C string, NULL as "".  -MFTD_E_CORRUPT: it does
 * not fit into size bytes, so it was not written by us. */
int mftd_rows_get(const struct mftd_db_value *v, char *out, size_t size);

/* A copy of a text column into *out, NULL for NULL; false without memory. */
bool mftd_rows_copy(char **out, const struct mftd_db_value *v);

/* Lines as one text, NULL for none of them: what a column holds.  The caller
 * frees *out.  False without memory. */
bool mftd_rows_join(char *const *lines, size_t n, char **out);

/* The lines of such a column at the end of *lines of *n. */
bool mftd_rows_split(const struct mftd_db_value *v, char ***lines, size_t *n);

/* Frees the lines and their list. */
void mftd_rows_free(char **lines, size_t n);

#endif
