/* Part of mftd; see LICENSE. */
#ifndef MFTD_HOOK_STATE_H
#define MFTD_HOOK_STATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "mftd/catalog/hook_runs.h"
#include "mftd/ipc/worker.h"

/* What the files of the process of the hooks share. */

/* A run in hand. */
struct mftd_hook_try {
	struct mftd_hooks *hs;
	struct mftd_run run; /* its row */
	uint32_t tries_max;
	pid_t pid; /* 0: it has ended, or this place is free */
	int pidfd, said; /* where it says what came of it */
	bool taken; /* the place is */
	bool stopped; /* by us */
};

struct mftd_hooks {
	struct mftd_worker *w;
	struct mftd_catalog *c; /* NULL: not opened yet, or nothing to do */
	struct mftd_role_row role; /* epoch 0: not told yet */
	struct mftd_objects *o; /* NULL: there is no hook */
	bool reload, inherit; /* to be done */
	bool stale; /* another owner has raised: until told of our next epoch */
	int64_t round_ms, expire_ms; /* when next */
	char trouble[MFTD_REASON_BYTES]; /* with the catalog; "" none */
	int64_t *deadlines; /* of each route: when next, wall clock; 0: not
			       known */
	struct mftd_hook_try tries[MFTD_HOOK_RUNS_MAX];
};

/* Notes the outcome of a call of the catalog: trouble, its end, or a stale
 * epoch.  Returns r. */
int mftd_hooks_outcome(struct mftd_hooks *hs, const char *what, int r);

/* ---- try.c */

/* A free place, or NULL. */
struct mftd_hook_try *mftd_try_place(struct mftd_hooks *hs);

/* How many tries of that hook are in hand; NULL: of any. */
size_t mftd_tries_of(const struct mftd_hooks *hs, const char *hook);

/* " EVENT@HOOK … " of all in hand. */
#define MFTD_HAND_BYTES (MFTD_HOOK_RUNS_MAX * (MFTD_RUN_ID_BYTES + 1) + 2)
void mftd_tries_hand(const struct mftd_hooks *hs, char hand[MFTD_HAND_BYTES]);

/* Starts a process for the claimed run in that place. */
void mftd_try_start(struct mftd_hooks *hs, struct mftd_hook_try *t,
    const struct mftd_run *run, const struct mftd_hook *h);

/* Ends all that are under way. */
void mftd_tries_stop(struct mftd_hooks *hs);

/* Waits for the end of one, up to so long. */
void mftd_tries_wait(struct mftd_hooks *hs, int ms);

/* Writes the rows of those that have ended; what cannot be written stays in
 * hand. */
void mftd_tries_write(struct mftd_hooks *hs);

/* ---- late.c */

/* Looks at the deadlines that have passed.  0 or a negative error. */
int mftd_hooks_late(struct mftd_hooks *hs);

#endif
