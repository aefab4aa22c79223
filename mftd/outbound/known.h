/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_KNOWN_H
#define MFTD_OUTBOUND_KNOWN_H

#include "mftd/outbound/queue.h"

/* What deliveries name, and the objects have or do not. */

/* A partner, an account, of the objects; NULL: there is none. */
const struct mftd_partner *mftd_known_partner(
    const struct mftd_queue *q, const char *name);
const struct mftd_account *mftd_known_account(
    const struct mftd_queue *q, const char *name);

/* Why d waits: the objects do not have its partner or account.  NULL: they do.
 */
const char *mftd_unknown(
    const struct mftd_queue *q, const struct mftd_delivery *d);

/* Nothing is claimed for that partner or "@account" until new objects are
 * loaded, which forget it. */
void mftd_unknown_note(struct mftd_queue *q, const char *target);
bool mftd_unknown_is_noted(const struct mftd_queue *q, const char *target);
void mftd_unknown_forget(struct mftd_queue *q);

#endif
