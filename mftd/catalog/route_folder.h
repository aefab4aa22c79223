/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ROUTE_FOLDER_H
#define MFTD_CATALOG_ROUTE_FOLDER_H

#include <cyaml/cyaml.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* Where a route takes files from: an account's uploads, or a folder that is
 * looked at every now and then. */

/* The "from_folder" of a route in an objects file. */
extern const cyaml_schema_field_t mftd_route_folder_fields[];

/* Checks that it is one of them, or a partner (route_pull.h), and the folder;
 * fills in what the file leaves away.  account: the one that it names, or NULL.
 * 0 or -MFTD_E_CONF. */
int mftd_route_from_check(const struct mftd_check *p, struct mftd_route *r,
    const struct mftd_account *account);

/* Whether a file that comes to the account may come to lie where folder looks:
 * in its root or one of its folders. */
bool mftd_route_folder_within(
    const struct mftd_route_folder *folder, const struct mftd_account *a);

/* folder may be NULL. */
void mftd_route_folder_free(struct mftd_route_folder *folder);

#endif
