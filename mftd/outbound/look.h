/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_LOOK_H
#define MFTD_OUTBOUND_LOOK_H

#include "mftd/catalog/objects.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"

/*
 * The process of one look at one route's folder.  It sees which files are there
 * and have not changed for long enough, brings those that are new to .mft/out
 * (stage.h), and asks outbound to write their rows (msg_look.h).  The folder is
 * opened beneath its volume without symbolic links; only the regular files in
 * it count, not those of folders in it.
 */
struct mftd_look {
	const struct mftd_route *route; /* that has a folder */
	const struct mftd_conf *conf; /* the volumes */
	int memory; /* what the look before left (sight.h) */
	int watch; /* that is told of changes from now on; -1: none is */
};

/* Looks once, over c.  0, or a negative error when outbound is gone. */
int mftd_look_run(const struct mftd_look *l, struct mftd_chan *c);

#endif
