/* Part of mftd; see LICENSE. */
#ifndef MFTD_TESTS_CLUSTER_SIM_H
#define MFTD_TESTS_CLUSTER_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "mftd/cluster/engine.h"

/*
 * Several engines in one process over a transport that orders messages in each
 * part of a network that the test splits and joins.
 */
#define SIM_NODES 5

struct sim;

/* One node, across its lives. */
struct sim_node {
	struct sim *sim;
	unsigned int index;
	uint32_t lives;
	char name[8];
	char incarnation[MFTD_ID_BYTES];
	char boot_id[32];
	struct mftd_cluster *cluster; /* NULL: down */
	struct mftd_lease *lease;
	struct sim_group *group;
	/* seen */
	unsigned int restarts, recovers;
	bool quorate;
	uint64_t config;
	char recover[MFTD_ID_BYTES]; /* the last one asked for */
	int answer; /* what to say to recover: 0, an error, or SIM_SILENT */
	bool stay_down; /* after a restart event */
};
#define SIM_SILENT 1

struct sim {
	qb_loop_t *loop;
	unsigned int n; /* nodes, for the quorum */
	struct sim_node nodes[SIM_NODES];
	int part[SIM_NODES]; /* of the network */
	int lease_ms;
	unsigned int drop_type, drop; /* loses that many of that type */
	unsigned int writes_full; /* so many sends get -EAGAIN */
};

void sim_init(struct sim *s, unsigned int n);
void sim_end(struct sim *s);

void sim_start(struct sim *s, unsigned int i); /* a new life */
void sim_stop(struct sim *s, unsigned int i); /* cluster_close */
void sim_kill(struct sim *s, unsigned int i); /* no last words */

/* Part p of the network for node i; told to all by sim_moved. */
void sim_move(struct sim *s, unsigned int i, int p);
void sim_moved(struct sim *s);

/* The others see node i leave and come back; it sees all at once. */
void sim_blink(struct sim *s, unsigned int i);

/* Node i handles nothing that comes, until held is false. */
void sim_hold(struct sim *s, unsigned int i, bool held);

/* Runs until cond(s) holds; fails the test after 20 s. */
void sim_until(struct sim *s, bool (*cond)(struct sim *s), const char *what);
#define SIM_UNTIL(s, cond) sim_until(s, cond, #cond)

/* Runs that long: to see that nothing happens. */
void sim_run_ms(struct sim *s, int ms);

bool sim_ready(struct sim *s, unsigned int i);

/* Whether all that are up have byte-equal tables. */
bool sim_equal(struct sim *s);

/* The row of an incarnation as node i shows it; false without one. */
bool sim_row(struct sim *s, unsigned int i, const char *incarnation,
    struct mftd_cluster_node *out);

#endif
