/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_VERSIONS_H
#define MFTD_CATALOG_VERSIONS_H

#include <stdint.h>

#include "mftd/catalog/db.h"

/*
 * Versions: deliveries of one route whose files have the same name where they
 * go.  One at a time is on its way, in the order in which they were received,
 * so that the last one stays.  A claim looks for that (claim.c):
 *
 * - An earlier one that is QUEUED or WAITING, and any that is on its way or
 *   IN_DOUBT, for its rename may still happen, keeps it waiting.  Its column
 *   behind then names the other one, and no claim looks at it again until that
 *   has ended (DONE or CANCELLED, or with a person: FAILED or HELD), or is on
 *   its way no more.
 * - What would overwrite is CANCELLED when a later one is DONE; HELD when it is
 *   in doubt which of the two is later (order.h), until a person releases it.
 * - A repetition of the last one that is DONE, whose route wants no file
 *   overwritten, is sent as by "skip": the file may be there, and is its own.
 *
 * behind is a hint, so it needs no lock: who ends the other one clears it, and
 * what was missed in a race the owner of the queue finds by looking.
 */

/* The key of a name, never 0.  Two names of one key are nothing but slower:
 * claims compare the names too. */
int64_t mftd_versions_key(const char *route, const char *partner,
    const char *directory, const char *name);

/*
 * Gives a key to each delivery of before there were keys, but those that had
 * ended: a bounded number in a transaction, until there are none.  What has
 * none is in no order, so nothing may be claimed before.  0 or an error.
 */
int mftd_versions_fill(struct mftd_catalog *c);

/* The states in which one keeps no other waiting, and those in which it keeps
 * just the later ones: a step to any of them lets go who is behind it. */
#define MFTD_VERSIONS_ENDED "'DONE', 'CANCELLED', 'FAILED', 'HELD'"
#define MFTD_VERSIONS_TURN "'QUEUED', 'WAITING'"

/* SQL of those behind a delivery, of whichever queue: id is a text of SQL. */
#define MFTD_VERSIONS_BEHIND(id) "behind = " id " AND behind <> ''"

/* Lets those go that are behind the delivery, whatever it is now: the next
 * claim finds those that still have to wait.  0 or an error. */
int mftd_versions_go(struct mftd_catalog *c, const char *delivery);

/* MFTD_DB_VERSIONS_GO. */
extern const char mftd_versions_go_sql[];

#endif
