/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_DIAL_H
#define MFTD_SSH_DIAL_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/base/limits.h"

/* A TCP connection to a partner. */
struct mftd_dial {
	const char *place; /* HOST, HOST:PORT, V6, [V6] or [V6]:PORT */
	bool numeric; /* it is an address: no name is looked up */
	int port; /* where place has none */
	const char *source; /* our address, numeric; NULL: any */
	int connect_ms; /* for all its addresses together */
	int idle_ms; /* until a peer that is silent counts as dead */
};

/*
 * Returns a descriptor, non-blocking; address is then the peer's, numeric, as
 * "192.0.2.1:22" or "[2001:db8::1]:22".  Or -errno, -EHOSTUNREACH for a name
 * that is not found, and what happened in why.
 */
int mftd_dial(const struct mftd_dial *d, char address[MFTD_ADDR_BYTES],
    char *why, size_t size);

#endif
