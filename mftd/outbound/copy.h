/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_COPY_H
#define MFTD_OUTBOUND_COPY_H

#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * Fills the empty file `to` with the first size bytes of `from`, as a clone
 * where the file system can, and sums up what is then in it.  Not durable yet.
 * Returns 0, -errno, or -MFTD_E_CORRUPT: from has fewer.
 */
int mftd_copy(
    int from, int to, uint64_t size, uint8_t sha256[MFTD_SHA256_BYTES]);

#endif
