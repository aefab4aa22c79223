/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_HOOK_STORE_H
#define MFTD_CATALOG_HOOK_STORE_H

#include "mftd/catalog/db.h"
#include "mftd/catalog/objects.h"

/* Puts a hook with all that belongs to it, and loads them all. */
int mftd_hook_put(struct mftd_catalog *c, const struct mftd_hook *h);
int mftd_hooks_load(struct mftd_catalog *c, struct mftd_objects *o);

#endif
