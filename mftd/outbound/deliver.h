/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_DELIVER_H
#define MFTD_OUTBOUND_DELIVER_H

#include <stddef.h>

#include "mftd/catalog/catalog.h"
#include "mftd/catalog/objects.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"

/* Whom a deliver serves. */
struct mftd_deliver {
	const struct mftd_partner *partner;
	const char *host; /* just this address (ssh/client.h); NULL */
	const struct mftd_conf *conf; /* the volumes */
	const struct mftd_lease *lease;
	const char *secret_key; /* the node's file, or NULL */
	const char *session; /* of a deposit: in place of an address */
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
 * Takes batches of deliveries over c, one after the other, and does them over
 * one connection to the partner.  Each step of each is told to outbound and
 * happens only after its answer (ipc/msg_outbound.h).  Returns 0 when outbound
 * has no more, or a negative error.
 */
int mftd_deliver_run(const struct mftd_deliver *j, struct mftd_chan *c);

#endif
