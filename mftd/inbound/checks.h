/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_CHECKS_H
#define MFTD_INBOUND_CHECKS_H

#include <stdbool.h>

#include <qb/qbloop.h>

/*
 * Password checks take 128 MiB and a few tenths of a second each: they run in
 * children, MFTD_AUTH_POOL at a time and one per source, and at most
 * MFTD_AUTH_QUEUE_MAX wait, in the order they came.
 */
struct mftd_checks;

/* NULL without memory. */
struct mftd_checks *mftd_checks_new(qb_loop_t *loop);

/* Ends the children and forgets what waits; nothing is called any more. */
void mftd_checks_free(struct mftd_checks *c);

/* Calls done(data, ok) later.  source: the peer's address, with or without its
 * port; one source is an IPv4 address or the /64 of an IPv6 one.  All strings
 * are copied.  Returns 0, -ENOBUFS, -EINVAL for no address, -ENAMETOOLONG or
 * -ENOMEM. */
int mftd_checks_add(struct mftd_checks *c, const char *source,
    const char *password, const char *hash, void (*done)(void *data, bool ok),
    void *data);

/* Who asked with data is gone: done is not called. */
void mftd_checks_cancel(struct mftd_checks *c, const void *data);

#endif
