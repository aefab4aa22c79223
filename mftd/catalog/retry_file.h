/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_RETRY_FILE_H
#define MFTD_CATALOG_RETRY_FILE_H

#include <cyaml/cyaml.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* The "retry" of a route in an objects file. */
extern const cyaml_schema_field_t mftd_retry_file_fields[];

/* Fills in what the file leaves away, and checks the rest.  p: of the route.  0
 * or -MFTD_E_CONF. */
int mftd_retry_file_check(const struct mftd_check *p, struct mftd_retry *r);

#endif
