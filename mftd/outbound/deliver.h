/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_DELIVER_H
#define MFTD_OUTBOUND_DELIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/catalog/catalog.h"
#include "mftd/catalog/objects.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"

/* One try of one delivery, or one look at what became of it. */
struct mftd_deliver {
	struct mftd_delivery d; /* tries counts this one; mtime is chosen */
	const struct mftd_partner *partner;
	const char *volume_path;
	const struct mftd_lease *lease;
	bool evidence; /* its row is in PUBLISHING: look before all else */
	bool settled; /* looked at for a while already (delivery.h) */
	const char *secret_key; /* the node's file, or NULL */
};

/* The temporary name of this try: in the final name's directory, and never used
 * by another try, so that what an earlier connection still sends too late finds
 * nothing.  -ENAMETOOLONG beyond size bytes. */
int mftd_deliver_temp_name(
    const struct mftd_delivery *d, uint32_t tries, char *out, size_t size);

/* The final name.  As above. */
int mftd_deliver_final_name(
    const struct mftd_delivery *d, char *out, size_t size);

/*
 * Does it.  Each step is told to outbound over c and happens only after its
 * answer (ipc/msg_outbound.h).  Returns when there is nothing more to do: 0, or
 * a negative error when it was told to stop or outbound is gone.
 */
int mftd_deliver_run(const struct mftd_deliver *j, struct mftd_chan *c);

#endif
