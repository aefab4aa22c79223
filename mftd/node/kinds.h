/* Part of mftd; see LICENSE. */
#ifndef MFTD_NODE_KINDS_H
#define MFTD_NODE_KINDS_H

#include <stdbool.h>

#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/proc.h"
#include "mftd/ipc/worker.h"

/*
 * The house plan: which processes there are, what each belongs to, and who
 * talks to whom.  The parent only walks these tables.
 */
enum mftd_each {
	MFTD_EACH_ONE,
	MFTD_EACH_VOLUME, /* one per configured volume */
	MFTD_EACH_QUEUE, /* one per queue of its service */
	MFTD_EACH_DEFAULT /* one, for the queue "default" */
};

struct mftd_kind {
	enum mftd_proc proc;
	int service; /* enum mftd_service; -1: the node itself */
	enum mftd_role role; /* runs while the service is at least this */
	int stage; /* starts when all of lower stages are ready; stops first */
	enum mftd_each each;
	/* Its loop turns, however ill the node is; else it may be for long in
	 * its storage or in a migration. */
	bool answers;
	void (*main)(struct mftd_worker *w);
};

/* The table, ending with main NULL. */
extern const struct mftd_kind mftd_kinds[];

/* Whether the parent makes a channel between two such processes. */
bool mftd_kinds_talk(enum mftd_proc a, enum mftd_proc b);

#endif
