/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_RUNNER_H
#define MFTD_OUTBOUND_RUNNER_H

#include "mftd/outbound/queue.h"
#include "mftd/outbound/share.h"

/* The delivers of a queue: who gets one, and what it says. */

#define FOR_EACH_RUNNER(rn, q)                                            \
	for ((rn) = (q)->runners; (rn) < (q)->runners + MFTD_RUNNERS_MAX; \
	     (rn)++)

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

/* How the connections of a partner are shared now (share.h). */
struct mftd_share mftd_runners_share(struct mftd_queue *q, const char *partner);

/* The pace of all that serve the partner, or one that nobody has. */
size_t mftd_runners_pace(struct mftd_queue *q, const char *partner);

/* Whether there is a place for a probe now. */
bool mftd_runner_may_probe(const struct mftd_queue *q);

/* Starts a deliver that calls the partner, says how that went, and takes
 * batches then as any other.  -ENOENT: it is not configured. */
int mftd_runner_probe(struct mftd_queue *q, const char *partner);

/* The link to deliver. */
int mftd_runner_on_step(void *data, struct mftd_chan *c, struct mftd_msg *m);
void mftd_runner_on_down(void *data, struct mftd_chan *c);

/* Ends the tie to a deliver, which was reaped with that status. */
void mftd_runner_reaped(struct mftd_runner *rn, int status);

/* ---- retire.c */

/* The configuration has changed, which was old; NULL: none was: each takes no
 * further batch.  Those whose partner is to be called in another way now, or
 * not at all, leave off sending: that is tried again. */
void mftd_runners_retire(struct mftd_queue *q, const struct mftd_objects *old);

/* ---- hung.c */

/* The runner's pulse: when its partner was last heard. */
struct mftd_pulse *mftd_runner_pulse(const struct mftd_runner *rn);

/*
 * How many of MFTD_DELIVERS_MAX places are taken: those whose partner has not
 * answered them for MFTD_SILENT_MS take none, up to MFTD_DELIVERS_SILENT_MAX of
 * them.  So partners that hang, each with all that it may have, fill a queue
 * for so long and no longer.
 */
size_t mftd_places_taken(const struct mftd_queue *q);

/* Notes the partners of which that is so: each has one place, and few claims,
 * until one of its files has gone through. */
void mftd_hung_look(struct mftd_queue *q);
bool mftd_partner_hangs(const struct mftd_queue *q, const char *partner);
void mftd_hung_forget(struct mftd_queue *q, const char *partner);

/* ---- spawn.c */

/* Starts a deliver for partner in the runner's place, whose host is set.  0 or
 * a negative error. */
int mftd_runner_spawn(struct mftd_runner *rn, const struct mftd_partner *p);

/* The same with a deposit (deposit.h) in that session of journal, whose end of
 * the channel stays the caller's. */
int mftd_runner_spawn_deposit(struct mftd_runner *rn, const char *session,
    const struct mftd_policy *policy, int journal);

#endif
