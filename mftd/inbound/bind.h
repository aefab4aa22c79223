/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_BIND_H
#define MFTD_INBOUND_BIND_H

#include <sys/socket.h>

#include "mftd/conf/conf.h"

/*
 * Binds a TCP socket for each address of conf->listen, without listening: the
 * listener process does that, and until then the ports refuse.  Logs what
 * fails.  fds: room for MFTD_LISTEN_MAX.  Returns how many, or -errno with none
 * left open.
 */
int mftd_bind_all(const struct mftd_conf *conf, int *fds);

/* "192.0.2.1:4711", "[2001:db8::1]:4711"; "?" for another family. */
void mftd_peer_text(
    const struct sockaddr *sa, socklen_t len, char *out, size_t size);

/* What a client's connection gets: no delay, keepalive. */
void mftd_peer_options(int fd);

#endif
