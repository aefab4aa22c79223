/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_DIAL_H
#define MFTD_SSH_DIAL_H

#include <stdbool.h>

#include "mftd/base/limits.h"
#include "mftd/ssh/client.h"

/*
 * A TCP connection to place (HOST, HOST:PORT, V6, [V6] or [V6]:PORT; t's port
 * where it has none), from t's source, trying all of its addresses within
 * t->connect_ms.  numeric: it is an address, no name is looked up.  Tells t the
 * stages RESOLVED and CONNECTED.
 * Returns a descriptor, non-blocking; address is then the peer's, numeric, as
 * "192.0.2.1:22" or "[2001:db8::1]:22".  Or -errno, -EHOSTUNREACH for a name
 * that is not found, with the words in why.
 */
int mftd_ssh_dial(const struct mftd_ssh_target *t, const char *place,
    bool numeric, char address[MFTD_ADDR_BYTES], char why[MFTD_REASON_BYTES]);

/* Splits a place in its own memory: *host is in it, and so is the port that is
 * returned; NULL: it has none. */
char *mftd_ssh_split_place(char *text, char **host);

/* Whether t->address is, as far as that can be known now, one of t's host and
 * other_hosts: a name that is not found may be its. */
bool mftd_ssh_has_address(const struct mftd_ssh_target *t);

#endif
