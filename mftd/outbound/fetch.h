/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_FETCH_H
#define MFTD_OUTBOUND_FETCH_H

#include <stdint.h>

#include "mftd/catalog/objects.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"

struct mftd_pace;

/* A folder of a partner, looked into for one route. */
struct mftd_fetch {
	const struct mftd_partner *partner;
	const char *route;
	const char *directory; /* there; "" the login's */
	char *const *files; /* patterns of what is taken; none: all */
	size_t n_files;
	char *const *except; /* and of what is not */
	size_t n_except;
	int every_s; /* between two looks */
	int stable_s; /* so long a file must not have changed */
	uint64_t mark_bytes; /* 0: what is cut begins anew; else one of
				MFTD_RESUME_BYTES or more is gone on with, and
				so often it is noted how far it is */
	const struct mftd_conf *conf;
	const char *volume; /* where the bytes are kept (stage.h) */
	const struct mftd_lease *lease;
	const char *secret_key; /* the node's file, or NULL */
	struct mftd_pace *pace; /* all that serve the partner share it; NULL if
				   it has no bound */
};

/*
 * Looks into the folder again and again, each time over a connection of its
 * own, for which it asks outbound.  Regular files that did not change for
 * stable_s, and that outbound does not know, are brought to .mft/out, durable,
 * before outbound is told of them; after them outbound's wishes for what is at
 * the partner are done (ipc/msg_fetch.h).  Ends when a call is in vain, so that
 * outbound decides when the next one is, or when the channel ends: 0, or a
 * negative error.
 */
int mftd_fetch_run(const struct mftd_fetch *j, struct mftd_chan *c);

#endif
