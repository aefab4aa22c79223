/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_CRC32C_H
#define MFTD_JOURNAL_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli, RFC 3720 appendix B.4) of len bytes, going on from crc
 * (0 at the start). */
uint32_t mftd_crc32c(uint32_t crc, const void *data, size_t len);

#endif
