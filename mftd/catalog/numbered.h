/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_NUMBERED_H
#define MFTD_CATALOG_NUMBERED_H

#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"

/* What a name of MFTD_PATH_BYTES may become. */
#define MFTD_NUMBERED_BYTES (MFTD_PATH_BYTES + 16)

/* The name or path with a delivery's number (0: none) before the suffix of its
 * last component: "a-2.txt".  0; -ENAMETOOLONG when it does not fit into size
 * bytes. */
int mftd_numbered(const char *name, uint32_t number, char *out, size_t size);

#endif
