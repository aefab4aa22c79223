/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_CLUSTER_H
#define MFTD_CLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "mftd/base/limits.h"
#include "mftd/ipc/lease.h"

/*
 * The group as the coordinator sees it (design section 6): who is in it, what
 * all agreed on (the table), and what this node has to do about it.  Two
 * implementations behind this interface: Corosync (CPG and quorum), and one
 * node alone, where everything said is delivered to itself.  All calls are from
 * the coordinator's loop and none blocks.
 */
struct mftd_cluster;

/* What the coordinator is told.  None may be NULL. */
struct mftd_cluster_events {
	/* true: this node is ready (again); also after each change of who is
	 * here.  false: quorum is lost, and the lease with it. */
	void (*quorum)(void *data, bool quorate);
	/* This node is the recoverer of that incarnation: it is certainly gone.
	 * Told again every 30 s while the answer (mftd_cluster_recovered)
	 * has not come: one that runs still is no second one. */
	void (*recover)(void *data, const char *incarnation);
	/* Some node saw the configuration change to this version. */
	void (*config)(void *data, uint64_t version);
	/* This node was seen to leave, or lost Corosync: it must end its
	 * sessions, drop everything and come back as a new incarnation. */
	void (*restart)(void *data, const char *why);
	/* Sessions, bans, or the wish that a session ends: something of the
	 * table changed.  Once for all that one turn of the loop brought. */
	void (*changed)(void *data);
};

struct mftd_cluster_conf {
	const char *node; /* Corosync's node name, an id */
	const char *incarnation; /* of this life */
	const char *boot_id; /* of the kernel */
	bool standalone;
	int lease_ms;
};

/* Joins.  Returns 0 with *out, or a negative error. */
int mftd_cluster_open(qb_loop_t *loop, const struct mftd_cluster_conf *conf,
    struct mftd_lease *lease, const struct mftd_cluster_events *events,
    void *data, struct mftd_cluster **out);

/* Leaves at once; frees c (may be NULL). */
void mftd_cluster_close(struct mftd_cluster *c);

/* Synced with the group's table, and quorate; not while the group agrees after
 * a change of who is here (milliseconds, at most about a second). */
bool mftd_cluster_ready(const struct mftd_cluster *c);
bool mftd_cluster_quorate(const struct mftd_cluster *c);

/* ---- said to all; agreed when delivered.  0, -ENOBUFS when too much waits,
 * -ENOMEM, -EINVAL for names that are none. */

/* Whether all that this node said has been delivered here: whatever anyone
 * says from now on comes after it, on every node. */
bool mftd_cluster_settled(const struct mftd_cluster *c);

struct mftd_cluster_session {
	char id[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char peer[MFTD_ADDR_BYTES];
	int64_t since_us; /* wall clock */
	/* kept by the table: */
	uint64_t order; /* of the sessions' first appearance */
	char end[MFTD_ADDR_BYTES]; /* why its node is to end it; "" */
};

/* An address or network that is kept out. */
struct mftd_cluster_ban {
	char net[MFTD_ADDR_BYTES]; /* as mftd_cidr_parse takes it */
	char why[MFTD_ADDR_BYTES]; /* printable */
	int64_t until_us; /* wall clock */
};

int mftd_cluster_session_add(
    struct mftd_cluster *c, const struct mftd_cluster_session *s);
int mftd_cluster_session_del(struct mftd_cluster *c, const char *id);

/* The node that has the session is to end it, for that reason (printable, cut
 * to MFTD_ADDR_BYTES); its row says so from then on (end).  -ENOENT: no node
 * has it. */
int mftd_cluster_session_end(
    struct mftd_cluster *c, const char *id, const char *reason);

/* Keeps ban->net out until then, on all nodes; at MFTD_BANS_MAX the one that
 * would end first goes. */
int mftd_cluster_ban(
    struct mftd_cluster *c, const struct mftd_cluster_ban *ban);
/* -ENOENT: there is none. */
int mftd_cluster_unban(struct mftd_cluster *c, const char *net);

/* Whether the table began with this node: nobody else knows bans of before. */
bool mftd_cluster_founder(const struct mftd_cluster *c);

/* role: enum mftd_role of service (enum mftd_service) and queue on this node.
 */
int mftd_cluster_role(struct mftd_cluster *c, uint32_t service,
    const char *queue, uint32_t role, uint64_t epoch);

int mftd_cluster_config(struct mftd_cluster *c, uint64_t version);

/* This node's word that all its workers of this incarnation are gone: others
 * take over what it left, at once.  It is final: later sessions and started
 * roles of this incarnation are refused with -ESTALE.  So: before close, when
 * nothing is to be started again in this life. */
int mftd_cluster_gone(struct mftd_cluster *c);

/* node was fenced (post-stop notify), or a person confirms it dead: its
 * incarnations that the group saw leave uncleanly are certainly gone.  A node
 * that left cleanly, or is here, is not concerned.  -EBUSY: nothing was said
 * because the group still sees it; when it was fenced in fact, say it again
 * once that is seen (its row is lost). */
int mftd_cluster_fenced(struct mftd_cluster *c, const char *node);

/* The recovery that events->recover asked for has ended; err != 0: it did not
 * work and is claimed anew, later.  -ENOENT: it is not this node's. */
int mftd_cluster_recovered(
    struct mftd_cluster *c, const char *incarnation, int err);

/* ---- the table, for status */

struct mftd_cluster_node {
	char node[MFTD_NAME_BYTES];
	char incarnation[MFTD_ID_BYTES];
	bool member; /* in the group now */
	bool lost; /* left uncleanly and not confirmed gone */
	bool recovered; /* gone, and its streams are recovered */
	uint32_t sessions;
};

struct mftd_cluster_role_row {
	char node[MFTD_NAME_BYTES];
	char queue[MFTD_NAME_BYTES];
	uint32_t service;
	uint32_t role;
	uint64_t epoch;
	bool member; /* its node is; else that was its last word */
};

/* Each calls fn per row; a negative return of fn ends and is returned. */
int mftd_cluster_nodes(const struct mftd_cluster *c,
    int (*fn)(void *data, const struct mftd_cluster_node *n), void *data);
int mftd_cluster_roles(const struct mftd_cluster *c,
    int (*fn)(void *data, const struct mftd_cluster_role_row *r), void *data);
int mftd_cluster_sessions(const struct mftd_cluster *c,
    int (*fn)(
	void *data, const char *node, const struct mftd_cluster_session *s),
    void *data);

/* By net.  Those that have expired may be among them. */
int mftd_cluster_bans(const struct mftd_cluster *c,
    int (*fn)(void *data, const struct mftd_cluster_ban *ban), void *data);

/* How many sessions of the account on all nodes the group knew before that one;
 * -ENOENT: it does not know that one (yet). */
int mftd_cluster_session_rank(
    const struct mftd_cluster *c, const char *account, const char *id);

#endif
