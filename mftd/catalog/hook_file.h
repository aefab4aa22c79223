/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_HOOK_FILE_H
#define MFTD_CATALOG_HOOK_FILE_H

#include <cyaml/cyaml.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Of one entry of an objects file's hooks, a struct mftd_hook whose secrets are
 * plain. */
extern const cyaml_schema_value_t mftd_hook_file_schema;

/* What a hook may name. */
struct mftd_hook_names {
	const void *data;
	bool (*route)(const void *data, const char *name);
	bool (*account)(const void *data, const char *name);
	bool (*partner)(const void *data, const char *name);
};

/* Checks list[i] against itself and those before it, and fills in what it left
 * away.  0 or -MFTD_E_CONF. */
int mftd_hook_file_check(const struct mftd_check *p, struct mftd_hook *list,
    size_t i, const struct mftd_hook_names *names);

/* Seals its secret, if it has one, with the node's secret key: the plain one is
 * wiped.  0, -MFTD_E_CONF or -ENOMEM. */
int mftd_hook_file_seal(const struct mftd_check *p, struct mftd_hook *h);

/* Wipes what is in plain yet. */
void mftd_hook_file_wipe(struct mftd_hook *h);

#endif
