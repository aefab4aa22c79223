/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_WAITING_H
#define MFTD_INBOUND_WAITING_H

#include <qb/qbloop.h>

/* Balancers' connections until their PROXY header is there: read as it comes,
 * never a byte more, never waited for. */
struct mftd_waiting;

/* Told once for each connection.  peer: its client as the header says (or what
 * add was given, where the balancer speaks for itself); NULL: there will be no
 * header, for that reason.  fd is closed afterwards, and blocking as before. */
typedef void (*mftd_waiting_fn)(
    void *data, int fd, const char *peer, const char *why);

/* NULL without memory. */
struct mftd_waiting *mftd_waiting_new(
    qb_loop_t *loop, mftd_waiting_fn fn, void *data);

/* Closes what waits.  w may be NULL. */
void mftd_waiting_free(struct mftd_waiting *w);

/* Takes fd over on success.  balancer: its own address and port.  -ENOSPC when
 * MFTD_PROXY_WAITING_MAX wait, or another error. */
int mftd_waiting_add(struct mftd_waiting *w, int fd, const char *balancer);

#endif
