/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_SHARE_H
#define MFTD_OUTBOUND_SHARE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Who gets a connection to a partner, of which it has so many: pure.  Delivers
 * and fetches have them in common.  While both wait for the last one they take
 * turns; a deliver's turn ends between two batches, a fetch's with its look.
 */
struct mftd_share {
	size_t most; /* connections, from 1 */
	size_t delivers, fetches; /* that have one */
	bool deliver_waits, fetch_waits; /* for one more */
	bool fetch_was_last; /* who began */
};

bool mftd_share_for_deliver(const struct mftd_share *s);
bool mftd_share_for_fetch(const struct mftd_share *s);

/* Whether a deliver that is between two batches is to make place; whether one
 * is that has no batch. */
bool mftd_share_is_over(const struct mftd_share *s);
bool mftd_share_is_wanted(const struct mftd_share *s);

#endif
