/* Part of mftd; see LICENSE. */
#include "mftd/catalog/postgres_error.h"

#include <stddef.h>
#include <string.h>

#include "mftd/base/err.h"

int
mftd_postgres_error(const char *state)
{
	/* connection, read-only (a standby now), deadlock, resources, not
	 * ready, shutdown and timeout */
	static const char *const classes[] = { "08", "25", "40", "53", "55",
		"57" };
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (state != NULL && strncmp(state, classes[i], 2) == 0)
			return -MFTD_E_CATALOG_AWAY;
	return -MFTD_E_CATALOG;
}

bool
mftd_postgres_unplanned(const char *state)
{
	/* invalid_sql_statement_name, and feature_not_supported: "cached plan
	 * must not change result type" */
	return state != NULL &&
	    (strcmp(state, "26000") == 0 || strcmp(state, "0A000") == 0);
}

const char *
mftd_postgres_words(const char *state, const char *words)
{
	/* lock_not_available: only migrations have a lock_timeout */
	if (state != NULL && strcmp(state, "55P03") == 0)
		return "the schema is to be changed, but another session holds "
		       "a lock on it; tried again";
	return words;
}
