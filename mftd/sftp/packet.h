/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_PACKET_H
#define MFTD_SFTP_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define MFTD_SFTP_LENGTH_BYTES 4 /* the length field */

/*
 * Looks for a packet at the start of data (draft-ietf-secsh-filexfer-02,
 * section 3: uint32 length, byte type, then for all but INIT a uint32 id).
 * Returns 1 when it is whole, 0 when more bytes are needed; *size is then its
 * size with the length field, or 0 while the length field itself is not whole.
 * -MFTD_E_PROTOCOL: no packet has that length (less than type and id, more than
 * MFTD_SFTP_PACKET_BYTES), so there is no next boundary to go on from.
 */
int mftd_sftp_packet_size(const uint8_t *data, size_t len, size_t *size);

#endif
