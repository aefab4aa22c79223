/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_POSTGRES_ERROR_H
#define MFTD_CATALOG_POSTGRES_ERROR_H

#include <stdbool.h>

/* What a statement's failure means, by its SQLSTATE (NULL: it has none):
 * -MFTD_E_CATALOG_AWAY where trying again later can help, else
 * -MFTD_E_CATALOG.  Appendix A of PostgreSQL's manual. */
int mftd_postgres_error(const char *state);

/* Whether that of a prepared statement says that it has to be prepared anew:
 * the schema has changed, or somebody between has put us on another session. */
bool mftd_postgres_unplanned(const char *state);

/* The server's words, or ours where they do not say what it is about. */
const char *mftd_postgres_words(const char *state, const char *words);

#endif
