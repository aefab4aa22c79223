/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_QUEUE_H
#define MFTD_OUTBOUND_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mftd/catalog/catalog.h"
#include "mftd/catalog/objects.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/ipc/worker.h"

/* The state of the outbound process; outbound.c, job.c and spawn.c share it. */

struct mftd_queue;

/* A delivery in hand.  Its row is written by us alone, and d is what the row
 * says. */
struct mftd_job {
	struct mftd_queue *q;
	bool used;
	struct mftd_delivery d;
	pid_t pid; /* of its deliver; 0 without */
	int pidfd;
	struct mftd_chan *chan; /* to it */
	bool ended; /* this deliver said how it ended */
	bool pending; /* step is to be written */
	bool unsure; /* an attempt to write it may have gone through */
	struct mftd_msg_deliver_step step;
	int64_t start_ms; /* not before (mftd_clock_ms) */
	uint32_t rounds; /* looks at what became of it */
};

struct mftd_queue {
	struct mftd_worker *w;
	struct mftd_chan *coordinator;
	struct mftd_catalog *catalog; /* NULL: not opened yet */
	char owner[MFTD_ID_BYTES];
	struct mftd_role_row role; /* epoch 0: not raised yet */
	struct mftd_objects *objects;
	bool stale; /* another owner has raised: for good */
	bool inherit; /* rows that we do not know may be ours to finish */
	bool reload; /* the objects may have changed */
	uint64_t delivered;
	uint32_t raises; /* tried in vain */
	int64_t raise_ms, claim_ms, look_ms; /* when to do so next */
	char trouble[MFTD_REASON_BYTES]; /* with the catalog; "" none */
	struct mftd_msg_outbound_state counts; /* as last read */
	struct mftd_msg_outbound_state said;
	int64_t said_ms;
	struct mftd_job jobs[MFTD_JOBS_MAX];
};

/* Notes the outcome of a call of the catalog: trouble, its end, or a stale
 * epoch, which ends all delivers.  Returns r. */
int mftd_queue_outcome(struct mftd_queue *q, const char *what, int r);

/* ---- job.c */

/* Takes a delivery in hand, unless it is already.  False when all places are
 * taken. */
bool mftd_job_take(struct mftd_queue *q, const struct mftd_delivery *d);

/* Places free, and jobs that have not come to PUBLISHING. */
size_t mftd_jobs_free(const struct mftd_queue *q);
size_t mftd_jobs_unpublished(const struct mftd_queue *q);

/* Writes what is to be written, starts what is to be started. */
void mftd_jobs_work(struct mftd_queue *q);

/* Kills all delivers; with wait returns only when they are gone. */
void mftd_jobs_kill(struct mftd_queue *q, bool wait);

/* The link to deliver. */
int mftd_job_on_step(void *data, struct mftd_chan *c, struct mftd_msg *m);
void mftd_job_on_down(void *data, struct mftd_chan *c);

/* Ends the job's tie to its deliver, which was reaped with that status. */
void mftd_job_reaped(struct mftd_job *job, int status);

/* ---- spawn.c */

/* Starts a deliver for the job.  0 or a negative error. */
int mftd_job_spawn(struct mftd_job *job, const struct mftd_partner *p,
    const char *volume_path);

#endif
