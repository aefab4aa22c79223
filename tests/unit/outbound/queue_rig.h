/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_OUTBOUND_QUEUE_RIG_H
#define TESTS_UNIT_OUTBOUND_QUEUE_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mftd/catalog/catalog.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/msg_node.h"
#include "tests/unit/outbound/partner.h"

struct steps;

/*
 * The outbound process with a real partner and a catalog: SQLite, or the
 * PostgreSQL database of the environment's MFTD_TEST_CATALOG, which is emptied.
 * The test plays parent and coordinator.  What fails, fails the test.
 */
struct world {
	struct partner partner;
	char volume[80], uri[256];
	char from[80]; /* not "": the route is from this folder of the partner,
			  looked into without a pause, and deletes there */
	struct mftd_conf conf;
	struct mftd_lease *lease;
	struct mftd_catalog *catalog; /* NULL: it was not made */
	uint64_t seq; /* of the records so far */
	struct outbound {
		pid_t pid; /* 0: there is none */
		struct mftd_chan *parent, *coordinator; /* our ends */
		struct mftd_msg_outbound_state state; /* as last said */
		bool ready;
	} ob;
};

/* All but the catalog and the process.  False without a partner. */
bool world_open(struct world *w);

/* Crashes it, if it lives, and removes everything. */
void world_close(struct world *w);

/* With alice, whose uploads go to acme; apply_objects says so again. */
void make_catalog(struct world *w);
void apply_objects(struct world *w);

/* An upload that was published, with a delivery: its link, and what its stream
 * says. */
void upload(struct world *w, const char *id, uint64_t size);

/* Starts outbound; steps see its calls from its start on. */
void start(struct world *w);
void start_in_steps(struct world *w, struct steps *steps);

/* Until it ends by itself. */
void finish(struct world *w);

/* kill -9; its delivers die with it. */
void crash(struct world *w);

/* Takes in what outbound has said, or it could not go on saying it. */
void listen_to(struct world *w);

/* What deliveries there are. */
struct tally {
	int by_state[MFTD_DELIVERY_STATE_COUNT];
	int rows;
	struct mftd_delivery last;
};
void look(struct world *w, struct tally *t);

#endif
