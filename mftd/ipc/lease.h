/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_LEASE_H
#define MFTD_IPC_LEASE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The quorum lease: one page shared by all processes of a node.  The
 * coordinator renews it on each own heartbeat that the group delivered while
 * quorate; the others look at it before they change published names or data,
 * and again before they answer.  It only limits how long a cut-off node goes on
 * acknowledging: courtesy, not safety (design section 6).
 */
struct mftd_lease;

/* Made by the parent before it forks; shared by all its children.  Starts not
 * held.  NULL without memory. */
struct mftd_lease *mftd_lease_new(void);

/* Makes this process's view read-only: for all but the coordinator.  A write
 * through it is then a fault. */
int mftd_lease_protect(struct mftd_lease *lease);

/* Held for ms milliseconds from now on; 0 gives it up at once. */
void mftd_lease_renew(struct mftd_lease *lease, int ms);

/* Held until given up: standalone. */
void mftd_lease_hold(struct mftd_lease *lease);

/* Whether this node may acknowledge now. */
bool mftd_lease_held(const struct mftd_lease *lease);

/* What is left, in milliseconds; 0 when not held. */
int64_t mftd_lease_left_ms(const struct mftd_lease *lease);

#endif
