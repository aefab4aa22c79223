/* Part of mftd; see LICENSE. */
#include "mftd/sftp/packet.h"

#include <endian.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/limits.h"

#define LEAST_BYTES 5 /* type, and id or version */

int
mftd_sftp_packet_size(const uint8_t *data, size_t len, size_t *size)
{
	uint32_t n;

	*size = 0;
	if (len < MFTD_SFTP_LENGTH_BYTES)
		return 0;
	memcpy(&n, data, sizeof(n));
	n = be32toh(n);
	if (n < LEAST_BYTES || n > MFTD_SFTP_PACKET_BYTES)
		return -MFTD_E_PROTOCOL;
	*size = MFTD_SFTP_LENGTH_BYTES + (size_t)n;
	return len >= *size;
}
