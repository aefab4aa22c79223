/* Part of mftd; see LICENSE. */
#ifndef MFTD_HOOK_HOOKS_H
#define MFTD_HOOK_HOOKS_H

struct mftd_worker;

/*
 * The process of all hooks, on the node where the queue "default" is promoted;
 * it writes under that queue's epoch, which outbound tells it.  Makes runs of
 * events, claims those that are due, has each try done by a process of its own,
 * and writes what came of it; looks at the deadlines of routes.  Starts nothing
 * without the lease, and where it is lost ends what is under way.  When it is
 * stopped, that may end within MFTD_HOOK_GRACE_MS.
 */
void mftd_hooks_main(struct mftd_worker *w);

#endif
