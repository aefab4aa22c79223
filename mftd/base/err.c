/* Part of mftd; see LICENSE. */
#include "mftd/base/err.h"

#include <stdlib.h>
#include <string.h>

static const char *const words[] = {
	[MFTD_E_PROTOCOL - MFTD_E_FIRST] = "protocol violation",
	[MFTD_E_NO_LEASE - MFTD_E_FIRST] = "no quorum: lease not held",
	[MFTD_E_STALE_EPOCH - MFTD_E_FIRST] = "stale epoch",
	[MFTD_E_SUPERSEDED - MFTD_E_FIRST] = "superseded by a newer upload",
	[MFTD_E_INCOMPLETE - MFTD_E_FIRST] = "upload incomplete",
	[MFTD_E_HELD - MFTD_E_FIRST] = "upload held by another session",
	[MFTD_E_GAP - MFTD_E_FIRST] = "nothing is known of the bytes before",
	[MFTD_E_UPWARD - MFTD_E_FIRST] = "link leads up from its directory",
	[MFTD_E_CATALOG_AWAY - MFTD_E_FIRST] = "catalog away",
	[MFTD_E_CATALOG - MFTD_E_FIRST] = "catalog refused",
	[MFTD_E_CONF - MFTD_E_FIRST] = "configuration error",
	[MFTD_E_CORRUPT - MFTD_E_FIRST] = "stored data corrupt",
	[MFTD_E_PARTNER - MFTD_E_FIRST] = "partner refused",
	[MFTD_E_PARTNER_KEY - MFTD_E_FIRST] = "partner host key mismatch",
	[MFTD_E_AUTH - MFTD_E_FIRST] = "authentication refused",
	[MFTD_E_LIMIT - MFTD_E_FIRST] = "limit reached",
	[MFTD_E_CLOSED - MFTD_E_FIRST] = "channel closed",
	[MFTD_E_NOT_CONFIGURED - MFTD_E_FIRST] = "not in the configuration",
	[MFTD_E_SYNC - MFTD_E_FIRST] = "sync failed",
};

const char *
mftd_strerror(int err)
{
	err = abs(err);
	if (err >= MFTD_E_FIRST && err < MFTD_E_LAST)
		return words[err - MFTD_E_FIRST];
	return strerror(err);
}
