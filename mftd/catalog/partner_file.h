/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PARTNER_FILE_H
#define MFTD_CATALOG_PARTNER_FILE_H

#include <cyaml/cyaml.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* A partner as it stands in an objects file: with a plain password. */
struct mftd_partner_file {
	struct mftd_partner p;
	char *password;
	char *bandwidth; /* with a unit */
};

/* Of one entry of the list. */
extern const cyaml_schema_value_t mftd_partner_file_schema;

/* Checks list[i] against itself and those before it, and fills in what it left
 * away.  0 or -MFTD_E_CONF. */
int mftd_partner_file_check(
    const struct mftd_check *p, struct mftd_partner_file *list, size_t i);

/* Seals its password, if it has one, with the node's secret key.  0,
 * -MFTD_E_CONF or -ENOMEM. */
int mftd_partner_file_seal(
    const struct mftd_check *p, struct mftd_partner_file *f);

#endif
