/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_ACCOUNTS_H
#define MFTD_INBOUND_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/catalog/objects.h"

/* The decisions of auth, without any I/O. */

/* The account of that name, or NULL.  o may be NULL: none is known. */
const struct mftd_account *mftd_accounts_find(
    const struct mftd_objects *o, const char *name);

/* Whether the public key blob (RFC 4253 section 6.6) is one of the account's.
 * A line that does not parse matches nothing.  a may be NULL: no. */
bool mftd_account_has_key(
    const struct mftd_account *a, const uint8_t *blob, size_t len);

/*
 * The hash to check a password against: the account's, or one that no password
 * fits (of usual cost, so that the time does not tell whether the account or
 * its password exists).  *dummy says which.
 */
const char *mftd_account_hash(const struct mftd_account *a, bool *dummy);

#endif
