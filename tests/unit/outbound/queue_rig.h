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
#include "tests/unit/outbound/partner.h"

struct steps;

/*
 * The outbound process with a real partner and a catalog: SQLite, or the
 * PostgreSQL database of the environment's MFTD_TEST_CATALOG, which is emptied.
 * The test plays parent and coordinator.  What fails, fails the test.
 */
struct queue_rig {
	struct partner partner;
	char volume[80], uri[256];
	struct mftd_conf conf;
	struct mftd_lease *lease;
	struct mftd_catalog *catalog;
	uint64_t seq; /* of the records so far */
	pid_t pid; /* of outbound; 0: there is none */
	struct mftd_chan *parent, *coordinator; /* our ends */
};

void queue_rig_open(struct queue_rig *q);
void queue_rig_close(struct queue_rig *q);

/* An upload that was published, with a delivery. */
void queue_rig_upload(struct queue_rig *q, const char *id, uint64_t size);

/* Starts outbound; steps, if not NULL, sees its calls from its start on. */
void queue_rig_start(struct queue_rig *q, struct steps *steps);

/* Ends it by SIGKILL, if it lives; its delivers end with it.  Returns once the
 * partner's servers have done what they were asked. */
void queue_rig_crash(struct queue_rig *q);

/* The deliveries in that state, of which *d is the last. */
int queue_rig_count(struct queue_rig *q, enum mftd_delivery_state state,
    struct mftd_delivery *d);

/* Until there are so many, or outbound has ended: whether there are. */
bool queue_rig_await(
    struct queue_rig *q, enum mftd_delivery_state state, int n);

#endif
