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

/* Why the certificate (inbound/cert.h) does not let its holder in as the
 * account from source at now_s; NULL: it does.  a may be NULL. */
const char *mftd_account_cert_fault(const struct mftd_account *a,
    const uint8_t *blob, size_t len, const char *source, int64_t now_s);

/* What about the account itself forbids a login from source (numeric, without
 * port) at now_s (since the epoch), for the log; NULL: nothing. */
const char *mftd_account_fault(
    const struct mftd_account *a, const char *source, int64_t now_s);

/* Why nobody may be here as the account any more, whoever and from wherever;
 * NULL: it is open.  a may be NULL: there is none of that name. */
const char *mftd_account_shut(const struct mftd_account *a, int64_t now_s);

/* Calls tell for each account that was open at before_s by the older
 * configuration and is shut at now_s by the newer, which may be the same. */
void mftd_accounts_newly_shut(const struct mftd_objects *before,
    int64_t before_s, const struct mftd_objects *now, int64_t now_s,
    void (*tell)(void *data, const char *account, const char *why), void *data);

/* Whether it takes that method at all; both: one alone is not enough, and
 * publickey comes first. */
bool mftd_account_takes_key(const struct mftd_account *a);
bool mftd_account_takes_password(const struct mftd_account *a);
bool mftd_account_needs_both(const struct mftd_account *a);

/*
 * The hash to check a password against: the account's, or one that no password
 * fits (of usual cost, so that the time does not tell whether the account or
 * its password exists).  *dummy says which.
 */
const char *mftd_account_hash(const struct mftd_account *a, bool *dummy);

#endif
