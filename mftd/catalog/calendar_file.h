/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_CALENDAR_FILE_H
#define MFTD_CATALOG_CALENDAR_FILE_H

#include <stddef.h>

#include <cyaml/cyaml.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* A calendar of an objects file. */
extern const cyaml_schema_value_t mftd_calendar_file_schema;

/* Checks list[at] of those that the file has.  0 or -MFTD_E_CONF. */
int mftd_calendar_file_check(
    const struct mftd_check *p, const struct mftd_calendar *list, size_t at);

#endif
