/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_PROCESS_H
#define MFTD_JOURNAL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/ipc/worker.h"
#include "mftd/journal/account.h"
#include "mftd/journal/allow.h"
#include "mftd/journal/change.h"
#include "mftd/journal/dispose.h"
#include "mftd/journal/forward.h"
#include "mftd/journal/leftovers.h"
#include "mftd/journal/marks.h"
#include "mftd/journal/recover.h"
#include "mftd/journal/volume.h"
#include "mftd/journal/work.h"

/* The state of the journal process; internal to journal.c and session.c. */

struct mftd_jsession {
	TAILQ_ENTRY(mftd_jsession) link;
	struct mftd_owner owner;
	struct mftd_chan *c;
	bool cut; /* detached: nothing of it is taken any more */
	bool in_batch; /* has a change in the batch being made … */
	bool blocked; /* … and its next one has to wait for it */
	uint64_t ref; /* of its SESSION_OPEN */
	bool counting; /* READY waits for a count (count.h) */
	bool ready; /* it was sent */
	struct mftd_marks marks; /* of its parts */
};

struct mftd_journal {
	struct mftd_worker *worker;
	const char *node;
	const char *path; /* the volume's */
	unsigned place; /* its, among the configured ones */
	struct mftd_signer *signer; /* the node's key */
	struct mftd_volume vol;
	struct mftd_stream *stream; /* NULL: not started yet, no space */
	struct mftd_work *work;
	struct mftd_forwarder *forwarder;
	struct mftd_leftovers *leftovers;
	struct mftd_chan *coordinator, *catalog; /* NULL: none */
	TAILQ_HEAD(, mftd_jsession) sessions; /* the last active first */
	struct mftd_knowns known;
	LIST_HEAD(, mftd_count) counts; /* under way */
	struct mftd_allowances allowances;
	struct mftd_changes pending;
	size_t n_pending;
	struct mftd_changes held; /* ADOPTs that wait for a part's owner */
	bool held_due; /* a timer for them runs */
	bool batch_due; /* a job for it is in the loop */
	struct mftd_disposals disposals; /* a job is, when there are any */
	size_t n_disposals;
	bool flush_due;
	int64_t no_routes_until_ms; /* the catalog's word (msg_journal.h) */
	bool streams_held; /* of predecessors: look again */
	bool damaged; /* a stream is: it is not recovered */
	uint64_t dropped; /* audit lines without room */
	uint32_t ticks;
	uint64_t checkpoint; /* the segment that it stands in; 1: none */
	bool old_left; /* more is to be dropped */
	bool lags; /* something waits for the catalog, as was last told … */
	int64_t told_ms; /* … then */
	bool healthy;
	char reason[MFTD_REASON_BYTES];
};

/* Ends the process when the work failed: a failed sync is never repeated, the
 * next stream's recovery decides. */
void mftd_journal_insist(struct mftd_journal *j);

/* After records were appended or committed: tells who waits for them, and sees
 * to it that what is not committed will be soon. */
void mftd_journal_settle(struct mftd_journal *j);

/* Notes how the volume does and tells the coordinator of a change. */
void mftd_journal_health(
    struct mftd_journal *j, bool healthy, const char *reason);

/* upkeep.c: what is done each second, between batches: what expired is removed,
 * a checkpoint made, the head signed, what is old dropped. */
void mftd_journal_upkeep(struct mftd_journal *j);

/* Runs a batch of what is pending, with what comes until then. */
void mftd_journal_batch_soon(struct mftd_journal *j);

/* held.c: keeps a change that has to wait for a part's owner, whose session is
 * asked to end.  False: it is to be answered. */
bool mftd_journal_hold(struct mftd_journal *j, struct mftd_change *c);

/* Some part was let go: those that wait try again. */
void mftd_journal_try_held(struct mftd_journal *j);

/* disposals.c: DISPOSE of the catalog. */
int mftd_journal_on_dispose(
    void *data, struct mftd_chan *c, struct mftd_msg *m);

/* session.c: the handlers of auth and of sessions. */
extern const struct mftd_handler mftd_journal_auth_handlers[];
extern const struct mftd_handler mftd_journal_session_handlers[];
void mftd_journal_session_down(void *data, struct mftd_chan *c);

#endif
