/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ACCOUNT_FILE_H
#define MFTD_CATALOG_ACCOUNT_FILE_H

#include <cyaml/cyaml.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* An account as it stands in an objects file: texts for what is kept as
 * numbers, and a plain password. */
struct mftd_account_file {
	struct mftd_account a;
	char *password;
	char *expires;
	char *umask;
	char *symlinks;
	struct mftd_account_quota {
		char *bytes;
		char *files;
	} * quota;
	struct mftd_account_bandwidth {
		char *in, *out;
	} * bandwidth;
};

/* Of one entry of the list. */
extern const cyaml_schema_value_t mftd_account_file_schema;

/* Checks list[i] against itself and those before it, and fills in what its
 * texts say.  0 or -MFTD_E_CONF. */
int mftd_account_file_check(
    const struct mftd_check *p, struct mftd_account_file *list, size_t i);

#endif
