/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_GROUP_H
#define MFTD_CLUSTER_GROUP_H

#include <stdbool.h>
#include <stddef.h>

#include <qb/qbloop.h>

#include "mftd/cluster/wire.h"

/*
 * What carries messages to all in the same order, and says who is there: a
 * table of calls with Corosync (cpg.c), one node alone (local.c), and in tests
 * several nodes in one process behind it.
 */

/* What is known of the quorum of the configuration last told by change. */
enum mftd_quorum {
	MFTD_QUORUM_UNKNOWN, /* quorum speaks of another configuration yet */
	MFTD_QUORUM_NO,
	MFTD_QUORUM_YES
};

#define MFTD_GROUP_MEMBERS_MAX 128 /* CPG_MEMBERS_MAX */

struct mftd_group_change {
	const struct mftd_gm_member *members; /* all that are there now */
	const struct mftd_gm_member *left; /* may be in members again */
	size_t n_members, n_left; /* each <= MFTD_GROUP_MEMBERS_MAX */
};

/* Called from the loop, never from inside a call of the group. */
struct mftd_group_events {
	void (*deliver)(void *data, const struct mftd_gm_member *from,
	    const void *msg, size_t len);
	void (*change)(void *data, const struct mftd_group_change *change);
	void (*quorum)(void *data, enum mftd_quorum quorum);
	/* Send may be tried again after -EAGAIN. */
	void (*writable)(void *data);
	/* The group is gone for this process: only close remains. */
	void (*lost)(void *data, const char *why);
};

struct mftd_group;

struct mftd_group_ops {
	/* arg is the transport's own.  Joins.  Returns 0 with *out, -errno. */
	int (*open)(qb_loop_t *loop, void *arg,
	    const struct mftd_group_events *events, void *data,
	    struct mftd_group **out);
	/* Never blocks.  0: on its way, which is not yet delivered; -EAGAIN:
	 * writable will be called; else it is lost. */
	int (*send)(struct mftd_group *g, const void *msg, size_t len);
	/* Leaves and frees.  alive: own messages have come back lately, so a
	 * call into the cluster's daemon will not hang. */
	void (*close)(struct mftd_group *g, bool alive);
};

/* The beginning of each transport's own struct. */
struct mftd_group {
	const struct mftd_group_ops *ops;
	struct mftd_gm_member me;
};

extern const struct mftd_group_ops mftd_group_cpg;
extern const struct mftd_group_ops mftd_group_local;

#endif
