/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_DIAL_H
#define MFTD_SSH_DIAL_H

#include "mftd/base/limits.h"
#include "mftd/ssh/client.h"

/*
 * Connects to t's address, or else to its host and port, trying all of the
 * host's addresses within t->connect_ms.  A descriptor, not blocking, with the
 * peer in address; or -EINVAL, -EHOSTUNREACH, -ETIMEDOUT or connect's -errno
 * with the words in why.
 */
int mftd_ssh_dial(const struct mftd_ssh_target *t,
    char address[MFTD_ADDR_BYTES], char why[MFTD_REASON_BYTES]);

#endif
