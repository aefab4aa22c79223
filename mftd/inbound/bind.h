/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_BIND_H
#define MFTD_INBOUND_BIND_H

#include "mftd/conf/conf.h"

/*
 * Binds a TCP socket for each address of conf->listen, without listening: the
 * listener process does that, and until then the ports refuse.  Logs what
 * fails.  fds: room for MFTD_LISTEN_MAX.  Returns how many, or -errno with none
 * left open.
 */
int mftd_bind_all(const struct mftd_conf *conf, int *fds);

#endif
