/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_QUEUE_H
#define MFTD_OUTBOUND_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "mftd/catalog/catalog.h"
#include "mftd/catalog/objects.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/ipc/worker.h"
#include "mftd/outbound/delivery.h"

/* The state of the outbound process; outbound.c, job.c, step.c, runner.c and
 * spawn.c share it. */

struct mftd_queue;
struct mftd_runner;

/* A delivery in hand.  Its row is written by us alone, and d is what the row
 * says. */
struct mftd_job {
	TAILQ_ENTRY(mftd_job) link; /* in the order in which they were taken */
	struct mftd_queue *q;
	struct mftd_delivery d;
	struct mftd_runner *runner; /* whose batch has it; NULL */
	uint32_t item; /* its place there */
	bool asked; /* the runner waits to hear of it */
	bool pending; /* step is to be written */
	bool unsure; /* an attempt to write it may have gone through */
	struct mftd_msg_step step;
	char host[MFTD_NAME_BYTES]; /* where step happened */
	int64_t start_ms; /* not before (mftd_clock_ms) */
	uint32_t rounds; /* looks at what became of it */
};

/* A deliver process: it has one batch at a time, all of one partner. */
struct mftd_runner {
	struct mftd_queue *q;
	pid_t pid; /* 0: this place is free */
	int pidfd;
	struct mftd_chan *chan; /* to it; NULL: it is to end */
	bool retire; /* no further batch: its configuration is of yesterday */
	char partner[MFTD_NAME_BYTES];
	char host[MFTD_NAME_BYTES]; /* just there; "" as configured */
	char address[MFTD_NAME_BYTES]; /* where it is; "" nowhere yet */
	struct mftd_job *jobs[MFTD_DELIVER_BATCH_MAX]; /* by item */
	uint32_t n; /* of them, that have not ended */
	uint32_t asked; /* of them, that it waits to hear of */
	struct mftd_msg_deliver_answer answer; /* so far */
};

/* A step that is being written. */
struct mftd_attempt {
	struct mftd_job *job;
	struct mftd_delivery d; /* the row as it is to be */
	enum mftd_delivery_action action;
	int64_t wait_ms;
};

struct mftd_queue {
	struct mftd_worker *w;
	struct mftd_chan *coordinator;
	struct mftd_chan *hooks; /* NULL: not there, or another queue's */
	struct mftd_catalog *catalog; /* NULL: not opened yet */
	char owner[MFTD_ID_BYTES];
	struct mftd_role_row role; /* epoch 0: not raised yet */
	struct mftd_objects *objects;
	bool stale; /* another owner has raised: for good */
	bool inherit; /* rows that we do not know may be ours to finish */
	bool reload; /* the objects may have changed */
	bool awake; /* mftd_queue_wake was called */
	uint64_t delivered;
	uint32_t raises; /* tried in vain */
	int64_t raise_ms, claim_ms, look_ms; /* when to do so next */
	char trouble[MFTD_REASON_BYTES]; /* with the catalog; "" none */
	struct mftd_msg_outbound_state counts; /* as last read */
	struct mftd_msg_outbound_state said;
	int64_t said_ms;
	TAILQ_HEAD(mftd_jobs, mftd_job) jobs;
	size_t n_jobs; /* up to MFTD_JOBS_MAX */
	struct mftd_runner runners[MFTD_DELIVERS_MAX];
	struct mftd_attempt attempts[MFTD_STEPS_MAX];
};

/* Notes the outcome of a call of the catalog: trouble, its end, or a stale
 * epoch, which ends all delivers.  Returns r. */
int mftd_queue_outcome(struct mftd_queue *q, const char *what, int r);

/* There is something to do: soon, once, behind what the loop has in hand. */
void mftd_queue_wake(struct mftd_queue *q);

/* ---- job.c */

/* Takes a delivery in hand, unless it is already.  False when all places are
 * taken. */
bool mftd_job_take(struct mftd_queue *q, const struct mftd_delivery *d);

/* Jobs that have not come to PUBLISHING. */
size_t mftd_jobs_unpublished(const struct mftd_queue *q);

/* The partners that have MFTD_CLAIMED_PARTNER_MAX of these, as " a b ". */
#define MFTD_BUSY_BYTES \
	(MFTD_CLAIMED_MAX / MFTD_CLAIMED_PARTNER_MAX * MFTD_NAME_BYTES + 2)
void mftd_jobs_busy(const struct mftd_queue *q, char *out, size_t size);

/* Whether a deliver may have it now. */
bool mftd_job_is_ready(const struct mftd_job *job);

/* Begins a try, or a look at what became of it: what the row will say of it. */
void mftd_job_begin(struct mftd_job *job);

/* Writes what is to be written, starts what is to be started. */
void mftd_jobs_work(struct mftd_queue *q);

/* Lets all go. */
void mftd_jobs_free(struct mftd_queue *q);

/* ---- step.c */

/* An event of our own. */
void mftd_job_set_step(struct mftd_job *job, enum mftd_delivery_event event,
    int err, const char *text);

/* Writes all pending steps, many at a time; they stay pending while the catalog
 * is away. */
void mftd_steps_write(struct mftd_queue *q);

/* ---- runner.c */

/* Gives the jobs that are ready to delivers, and ends those without work. */
void mftd_runners_work(struct mftd_queue *q);

/* Tells its runner, if it waits for that: go on (0), or let it alone; ended:
 * the job is no more in its hands. */
void mftd_runner_answer(struct mftd_job *job, int err, bool ended);

/* Kills the process at once; its jobs stay until it is reaped. */
void mftd_runner_kill(struct mftd_runner *rn);

/* Kills all delivers; with wait returns only when they are gone. */
void mftd_runners_kill(struct mftd_queue *q, bool wait);

/* The configuration has changed: each takes no further batch. */
void mftd_runners_retire(struct mftd_queue *q);

/* The link to deliver. */
int mftd_runner_on_step(void *data, struct mftd_chan *c, struct mftd_msg *m);
void mftd_runner_on_down(void *data, struct mftd_chan *c);

/* Ends the tie to a deliver, which was reaped with that status. */
void mftd_runner_reaped(struct mftd_runner *rn, int status);

/* ---- spawn.c */

/* Starts a deliver for partner in the runner's place, whose host is set.  0 or
 * a negative error. */
int mftd_runner_spawn(struct mftd_runner *rn, const struct mftd_partner *p);

#endif
