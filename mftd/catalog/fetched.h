/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_FETCHED_H
#define MFTD_CATALOG_FETCHED_H

#include "mftd/ipc/msg_fetch.h"

/* "delete", as stored and configured; -EINVAL: no such word. */
const char *mftd_fetched_name(enum mftd_fetched f);
int mftd_fetched_of(const char *name);

#endif
