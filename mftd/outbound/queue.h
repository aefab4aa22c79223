/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_QUEUE_H
#define MFTD_OUTBOUND_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "mftd/catalog/catalog.h"
#include "mftd/catalog/objects.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/ipc/policy.h"
#include "mftd/ipc/worker.h"
#include "mftd/outbound/breaker.h"
#include "mftd/outbound/child.h"
#include "mftd/outbound/claim.h"
#include "mftd/outbound/delivery.h"
#include "mftd/outbound/hours.h"
#include "mftd/outbound/lane.h"
#include "mftd/outbound/place.h"

/* The state of the outbound process; outbound.c, job.c, step.c, runner.c,
 * spawn.c and breakers.c share it. */

struct mftd_looks;
struct mftd_pace;
struct mftd_pulls;
struct mftd_pulse;
struct mftd_queue;
struct mftd_runner;

/* Each deliver and each fetch may be of another partner. */
#define MFTD_PACES (MFTD_RUNNERS_MAX + MFTD_FETCHES_MAX)

/* A delivery in hand.  Its row is written by us alone, and d is what the row
 * says. */
struct mftd_job {
	TAILQ_ENTRY(mftd_job) link; /* by priority, then as they were taken */
	struct mftd_queue *q;
	struct mftd_runner *runner; /* whose batch has it; NULL */
	uint32_t item; /* its place there */
	bool asked; /* the runner waits to hear of it */
	bool pending; /* step is to be written … */
	bool writing; /* … and is: its lane's statement is under way */
	bool unsure; /* an attempt to write it may have gone through */
	bool begun; /* d.tries counts a try that no row has yet */
	bool not_called; /* step: its partner was not to be had */
	int64_t wait_ms; /* not_called: for so long at least */
	int64_t begin_us; /* when a deliver got it */
	int64_t start_ms; /* not before (mftd_clock_ms) */
	bool waited; /* for the journal of its account's volume */
	uint32_t rounds; /* looks at what became of it */
	uint32_t gone; /* of them the last ones, in vain, at a host that is not
			  in the configuration any more */
	bool seen; /* by one of them, under its final name */
	bool counted; /* while partners' jobs are */
	struct mftd_place place; /* its names: who has one of them waits */
	struct mftd_delivery d;
	struct mftd_msg_step step;
	char host[MFTD_NAME_BYTES]; /* where step happened */
};

/* A deliver process: it has one batch at a time, all of one partner. */
struct mftd_runner {
	struct mftd_queue *q;
	struct mftd_child child; /* no process: this place is free */
	struct mftd_chan *chan; /* to it; NULL: it is to end */
	bool retire; /* no further batch: its configuration is of yesterday */
	bool probe; /* it calls, and has not said yet how that went */
	int64_t idle_ms; /* since when it has no batch (mftd_clock_ms); 0: it
			    has one */
	char partner[MFTD_TARGET_BYTES];
	char host[MFTD_NAME_BYTES]; /* just there; "" as configured */
	char address[MFTD_NAME_BYTES]; /* where it is; "" nowhere yet */
	struct mftd_job *jobs[MFTD_DELIVER_BATCH_MAX]; /* by item */
	uint32_t n; /* of them, that have not ended */
	uint32_t asked; /* of them, that it waits to hear of */
	struct mftd_msg_deliver_answer answer; /* so far */
	size_t pace; /* the partner's, of the queue's paces */
};

/* A partner's circuit breaker. */
struct mftd_breaker {
	TAILQ_ENTRY(mftd_breaker) link;
	struct mftd_partner_row row; /* as it is to be */
	enum mftd_partner_state written; /* what the catalog has */
	bool pending; /* it is to be written */
	bool probing; /* half-open: a deliver is at it */
	bool seen; /* among the rows that were just read */
	uint32_t calls; /* in vain, since one was answered */
	int64_t probe_ms; /* when the next probe is due (mftd_clock_ms) */
};

/* A volume that some delivery waits for (away.h). */
struct mftd_away {
	char volume[MFTD_NAME_BYTES]; /* "": free, and so are all behind it */
	char probe[MFTD_ID_BYTES]; /* the delivery that comes back soon … */
	int64_t probe_ms; /* … then */
	bool back; /* it is there: the others are to follow */
};

struct mftd_queue {
	struct mftd_worker *w;
	struct mftd_chan *coordinator;
	struct mftd_chan *journals[MFTD_VOLUMES_MAX]; /* in no order */
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
	int64_t vain_ms; /* nothing to be claimed before, … */
	char *vain; /* … as long as just these partners are left out */
	char *unknown; /* where deliveries are to go that the objects do not
			  have, " a @b "; NULL: none was found */
	char versions[MFTD_ID_BYTES]; /* as far as those were looked at that
					 wait for another of their name */
	char trouble[MFTD_REASON_BYTES]; /* with the catalog; "" none */
	struct mftd_msg_outbound_state counts; /* as last read */
	struct mftd_msg_outbound_state said;
	int64_t said_ms;
	TAILQ_HEAD(mftd_jobs, mftd_job) jobs;
	size_t n_jobs; /* up to MFTD_JOBS_MAX */
	struct mftd_places places; /* theirs */
	TAILQ_HEAD(mftd_breakers, mftd_breaker) breakers;
	bool breakers_read; /* since the epoch is ours */
	struct mftd_runner runners[MFTD_RUNNERS_MAX];
	struct mftd_pace *paces; /* MFTD_PACES of them */
	struct mftd_pulse *pulses; /* the runners' */
	char *hung; /* partners that do not answer, " a b "; NULL: none */
	struct mftd_claiming claiming;
	struct mftd_lane lanes[MFTD_LANES];
	size_t n_lanes; /* 0: not opened yet */
	struct mftd_away away[MFTD_VOLUMES_MAX];
	int64_t follow_ms; /* no others follow before */
	char due[MFTD_TARGET_BYTES]; /* as far as it was looked for those that
					wait for too long (due.h) */
	int64_t due_ms; /* the next look */
	struct mftd_hours hours; /* of tries */
	struct mftd_looks *looks; /* looks.h; NULL: none yet */
	struct mftd_pulls *pulls; /* pulls.h; likewise */
};

/* Notes the outcome of a call of the catalog: trouble, its end, or a stale
 * epoch, which ends all delivers.  Returns r. */
int mftd_queue_outcome(struct mftd_queue *q, const char *what, int r);

/* The same, in these words of the catalog's. */
int mftd_queue_tell(
    struct mftd_queue *q, const char *what, int r, const char *why);

/* There is something to do: soon, once, behind what the loop has in hand. */
void mftd_queue_wake(struct mftd_queue *q);

/* ---- job.c */

/* Takes a delivery in hand, unless it is already.  False when all places are
 * taken. */
bool mftd_job_take(struct mftd_queue *q, const struct mftd_delivery *d);

/* Jobs that have not come to PUBLISHING. */
size_t mftd_jobs_unpublished(const struct mftd_queue *q);

/*
 * How many places more a partner may take which has own of the taken ones: as
 * many as leave half of what the others leave free, so that one that holds its
 * places for long never leaves none; and whoever has none gets one while there
 * is any.
 */
size_t mftd_jobs_room(size_t places, size_t taken, size_t own);

/* How many jobs may be claimed now, so that there is room for others' still. */
size_t mftd_jobs_wanted(const struct mftd_queue *q);

/* The partners that have no room for one more job, to f as " a b ". */
void mftd_jobs_busy(struct mftd_queue *q, FILE *f);

/* Whether a deliver may have it now. */
bool mftd_job_is_ready(const struct mftd_job *job);

/* Whether it may have the name that is its own with that number, which it takes
 * then; false: another one is at it, or at its trigger's. */
bool mftd_job_may_be_called(struct mftd_job *job, uint32_t number);

/* Any number; by the clock where there is no entropy. */
uint32_t mftd_job_any_number(void);

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

/* What its deliver says of it, with that head. */
void mftd_job_said(struct mftd_job *job,
    const struct mftd_msg_deliver_step *head, const struct mftd_msg_step *s);

/* Its partner is not to be had, in those words: what has not come to PUBLISHING
 * goes back, and the try that was to begin does not count. */
void mftd_job_put_back(struct mftd_job *job, int err, const char *text);

/* ---- breakers.c */

/* A call of the partner came to err (0: let in), in those words. */
void mftd_breakers_called(
    struct mftd_queue *q, const char *partner, int err, const char *why);

/* Why nothing is sent to the partner; NULL: it is. */
const char *mftd_breaker_stops(const struct mftd_queue *q, const char *partner);

/* Whether it is stopped, and calls of ours were in vain. */
bool mftd_breaker_is_away(const struct mftd_queue *q, const char *partner);

/* How long a delivery waits of whose partner a call was in vain. */
int64_t mftd_breaker_backoff_ms(
    const struct mftd_queue *q, const char *partner);

/* The partners to which nothing is sent, a space behind each. */
void mftd_breakers_print(const struct mftd_queue *q, FILE *f);

/* Reads all rows: at first, and then what people did.  0 or an error. */
int mftd_breakers_read(struct mftd_queue *q);

/* Writes what is to be written, starts the probes that are due. */
void mftd_breakers_work(struct mftd_queue *q);

/* Whether a probe waits for a place. */
bool mftd_breakers_want_probe(const struct mftd_queue *q);

/* The configuration has changed: it may be mended, probe them all. */
void mftd_breakers_ask(struct mftd_queue *q);

void mftd_breakers_free(struct mftd_queue *q);

/* ---- local.c */

/* The link to journal. */
void mftd_local_journal_up(void *data, struct mftd_chan *c);
void mftd_local_journal_down(void *data, struct mftd_chan *c);

/* Starts a deposit for the job's account in the runner's place.  0; 1: not now,
 * the job is ready again later; or a negative error with the reason in *why,
 * if it has words of its own. */
int mftd_local_start(
    struct mftd_runner *rn, struct mftd_job *job, const char **why);

/* Looks what became of those in PUBLISHING that went to an account. */
void mftd_locals_examine(struct mftd_queue *q);

#endif
