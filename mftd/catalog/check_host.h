/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_CHECK_HOST_H
#define MFTD_CATALOG_CHECK_HOST_H

#include <stdbool.h>

/* Whether text is the name of a host (RFC 1123 section 2.1, and "_"; others in
 * their ASCII form) or its address: nothing else can hide in it. */
bool mftd_check_host(const char *text);

/* The same of HOST, HOST:PORT, a bare address of IPv6, [V6] or [V6]:PORT. */
bool mftd_check_host_port(const char *text);

#endif
