/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_SOURCE_H
#define MFTD_BASE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/base/cidr.h"

/* Where connections come from, as limits and bans count it: an IPv4 address, or
 * the /64 of an IPv6 one, of which one host may have any. */

/* The source of "192.0.2.1:4711", "[2001:db8::1]:4711", or such an address
 * without its port.  0 or -EINVAL. */
int mftd_source_of(const char *peer, struct mftd_cidr *out);

/* "192.0.2.1", "2001:db8::/64": as mftd_cidr_parse takes it. */
void mftd_source_text(const struct mftd_cidr *net, char *out, size_t size);

/* Whether all of inner lies in net. */
bool mftd_source_within(
    const struct mftd_cidr *net, const struct mftd_cidr *inner);

#endif
