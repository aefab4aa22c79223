/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_CIDR_H
#define MFTD_BASE_CIDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses and networks as people write them.  An IPv4 address is the same
 * whether or not it comes mapped into IPv6 (RFC 4291 section 2.5.5.2). */
struct mftd_cidr {
	uint8_t address[16]; /* IPv4: mapped */
	unsigned bits; /* of 128 */
};

/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32".  Returns 0, or -EINVAL also for
 * bits that are set behind the prefix, which mostly is a mistake. */
int mftd_cidr_parse(const char *text, struct mftd_cidr *out);

/* Whether address, numeric and without a port ("[...]" around it is fine), lies
 * in net.  What does not parse lies nowhere. */
bool mftd_cidr_has(const struct mftd_cidr *net, const char *address);

/* Whether it lies in one of the n; texts that do not parse hold nothing. */
bool mftd_cidr_any(char *const *list, size_t n, const char *address);

#endif
