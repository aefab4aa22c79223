/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_DEPOSIT_H
#define MFTD_OUTBOUND_DEPOSIT_H

#include <stdint.h>

#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/policy.h"

/*
 * The process that brings files to an account's folder.  It is to journal what
 * a session of that account is: it writes parts and asks for them to be
 * published, under the same rules; but nobody sees a part of it before it is
 * whole.  To outbound it is what deliver is (deliver.h): each step of a
 * delivery is told, and happens only after its answer.  The row of one in
 * PUBLISHING names the session in place of a host; with its id and tries that
 * names the part, of which the catalog will know what became
 * (catalog/outcome.h).
 */
struct mftd_deposit {
	const char *session; /* as journal was told */
	const struct mftd_policy *policy; /* likewise */
	const struct mftd_conf *conf; /* the volumes */
	const struct mftd_lease *lease;
};

/* Takes batches over c, and publishes by way of journal.  Returns 0 when
 * outbound has no more, or a negative error. */
int mftd_deposit_run(const struct mftd_deposit *j, struct mftd_chan *c,
    struct mftd_chan *journal);

#endif
