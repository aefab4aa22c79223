/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_QUORUM_H
#define MFTD_CLUSTER_QUORUM_H

#include <stdbool.h>
#include <stdint.h>

#include <qb/qbloop.h>

/* Corosync's quorum service, followed on the loop. */
struct mftd_votes;

/* One totem configuration, as CPG and quorum both name it. */
struct mftd_ring {
	bool known;
	uint32_t nodeid;
	uint64_t seq;
};

struct mftd_votes_events {
	/* Of that configuration it is known whether it is quorate. */
	void (*votes)(void *data, const struct mftd_ring *ring, bool quorate);
	void (*lost)(void *data, const char *why);
};

/* May block while Corosync takes the connection.  0, -errno. */
int mftd_votes_open(qb_loop_t *loop, const struct mftd_votes_events *events,
    void *data, struct mftd_votes **out);

/* alive as in mftd_group_ops.close.  v may be NULL. */
void mftd_votes_close(struct mftd_votes *v, bool alive);

/* -errno of a cs_error_t (0 for CS_OK). */
int mftd_corosync_errno(int cs_error);

#endif
