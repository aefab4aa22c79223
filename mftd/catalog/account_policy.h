/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ACCOUNT_POLICY_H
#define MFTD_CATALOG_ACCOUNT_POLICY_H

#include "mftd/catalog/objects.h"
#include "mftd/ipc/policy.h"

/* What the account may do.  Returns 0, or -ENOENT when this machine does not
 * know its group. */
int mftd_account_policy(const struct mftd_account *a, struct mftd_policy *out);

#endif
