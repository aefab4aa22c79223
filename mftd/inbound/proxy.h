/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_PROXY_H
#define MFTD_INBOUND_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"

/* What a balancer says first (HAProxy's proxy-protocol.txt, versions 1 and 2).
 */
struct mftd_proxy {
	bool known; /* else it speaks for itself: LOCAL, UNKNOWN, AF_UNSPEC */
	char peer[MFTD_ADDR_BYTES]; /* "192.0.2.1:4711", "[2001:db8::1]:4711" */
};

/*
 * Looks at the first len bytes of a connection.  Returns the length of the
 * header (at most MFTD_PROXY_BYTES) once it is whole, 0 when all of it so far
 * is right but more must come, -EBADMSG when it is none, or too long.
 */
int mftd_proxy_parse(const uint8_t *data, size_t len, struct mftd_proxy *out);

#endif
