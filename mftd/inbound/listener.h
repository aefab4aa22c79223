/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_LISTENER_H
#define MFTD_INBOUND_LISTENER_H

struct mftd_worker;

/*
 * The process that accepts connections and forks a session for each.  Sockets
 * come bound in w->listen_fds.  At its end it ends its sessions in order and
 * returns when all are gone.
 */
void mftd_listener_main(struct mftd_worker *w);

#endif
