/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_DELIVER_H
#define MFTD_OUTBOUND_DELIVER_H

#include <stdbool.h>

#include "mftd/catalog/catalog.h"
#include "mftd/catalog/objects.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/outbound/pace.h"
#include "mftd/outbound/pulse.h"

/* Whom a deliver serves. */
struct mftd_deliver {
	const struct mftd_partner *partner;
	bool probe; /* call first, and say how that went */
	const char *host; /* just this address (ssh/client.h); NULL */
	const struct mftd_conf *conf; /* the volumes */
	const struct mftd_lease *lease;
	const char *secret_key; /* the node's file, or NULL */
	struct mftd_pace *pace; /* the partner's, if it has a bandwidth */
	struct mftd_pulse *pulse; /* beats when the partner answers; or NULL */
	const char *session; /* of a deposit: in place of an address */
};

/*
 * Takes batches of deliveries over c, one after the other, and does them over
 * one connection to the partner.  Each step of each is told to outbound and
 * happens only after its answer (ipc/msg_outbound.h).  Returns 0 when outbound
 * has no more, or a negative error.
 */
int mftd_deliver_run(const struct mftd_deliver *j, struct mftd_chan *c);

#endif
