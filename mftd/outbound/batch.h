/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_BATCH_H
#define MFTD_OUTBOUND_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "mftd/ipc/msg_outbound.h"
#include "mftd/outbound/call.h"
#include "mftd/outbound/deliver.h"
#include "mftd/outbound/delivery.h"
#include "mftd/outbound/names.h"
#include "mftd/outbound/remote.h"
#include "mftd/ssh/client.h"

/*
 * Deliveries on their way together, in phases: what is asked of the partner in
 * one phase is asked for all of them before the answers are waited for, and the
 * rows of one phase are written together before the next begins.  Who fails
 * drops out; the others go on.  deliver.c, tell.c, send.c and publish.c share
 * it.
 */
#define MFTD_REMOTE_PATH_BYTES (2 * MFTD_PATH_BYTES + 2)
#define MFTD_OPEN_MOST 16 /* handles asked for at a time: servers have few */

struct mftd_item {
	struct mftd_delivery d; /* tries counts this one; mtime is chosen */
	bool active; /* not ended, and not let alone */
	bool evidence; /* its row is in PUBLISHING: look before all else */
	bool settled; /* looked at for a while already (delivery.h) */
	bool publishing; /* its row may be in PUBLISHING */
	bool renaming; /* its row is, and the rename is ours to do */
	bool lasting; /* trying again is of no use */
	bool drop; /* its temporary name, once its event is told */
	bool delivered; /* what comes after it is to be done */
	bool taken; /* its final name is another's: it needs a number */
	bool going_on; /* its temporary name may hold what a cut try sent */
	bool resumed; /* an earlier try's server may write to it too */
	bool unanswered; /* an earlier connection's rename of it may be */
	bool seen; /* its file was, under its final name (delivery.h) */
	bool tracing; /* its directory is being looked at for it (traces.h) */
	bool blind; /* there who reads a file leaves no trace */
	uint64_t from; /* what is before this the partner has */
	bool summed; /* sum is known */
	uint32_t event; /* to be told next; MFTD_EVENT_COUNT: none */
	int err; /* with it */
	char why[MFTD_REASON_BYTES];
	int source;
	uint8_t sum[MFTD_SHA256_BYTES];
	int64_t mtime; /* as the partner shows it, or 0 */
	uint64_t sent; /* bytes, on their way or there */
	struct mftd_remote_file file;
	struct mftd_remote_attrs temp_attrs, final_attrs;
	struct mftd_remote_sum remote_sum;
	struct mftd_remote_answer opened, wrote, synced, dated, allowed;
	struct mftd_remote_answer closed, checked, looked, renamed, removed;
	char temp[MFTD_REMOTE_PATH_BYTES];
	char final[MFTD_REMOTE_PATH_BYTES];
	char trigger[MFTD_REMOTE_PATH_BYTES]; /* "" none */
	char trigger_temp[MFTD_REMOTE_PATH_BYTES];
};

struct mftd_batch {
	const struct mftd_deliver *j;
	struct mftd_chan *c;
	struct mftd_call call;
	struct mftd_ssh_client *client;
	struct mftd_remote *remote; /* NULL: no connection */
	uint64_t answers; /* on it, as far as they were noticed */
	enum mftd_called called; /* to be told with the next events */
	int call_err; /* of a call in vain */
	char call_why[MFTD_REASON_BYTES];
	EVP_MD *sha256;
	EVP_MD_CTX *sum;
	struct mftd_item *items; /* MFTD_DELIVER_BATCH_MAX of them */
	uint32_t n;
};

/* The items that still take part, whatever else they are. */
#define FOR_EACH_ACTIVE(it, b)                                      \
	for ((it) = (b)->items; (it) < (b)->items + (b)->n; (it)++) \
		if ((it)->active)

/* ---- deliver.c */

/* Notes how an item failed: told with the next events.  err is as in
 * mftd_strerror. */
void mftd_item_fail(
    struct mftd_item *it, int err, const char *what, const char *detail);

/* The same by an answer of the server: false when it was none (0). */
bool mftd_item_refused(
    struct mftd_item *it, const struct mftd_remote_answer *a, const char *what);

/* Waits until so many bytes may go, by the partner's bandwidth.  An error: the
 * lease is gone. */
int mftd_batch_pace(struct mftd_batch *b, size_t bytes);

/* The connection failed by err: gives it up, and fails every item that has no
 * event yet. */
void mftd_batch_lost(struct mftd_batch *b, int err);

/* Fails them likewise when the lease is gone.  False then. */
bool mftd_batch_may_go_on(struct mftd_batch *b);

/* Whether the item is for the present phase: nothing is to be told of it. */
static inline bool
mftd_item_goes_on(const struct mftd_item *it)
{
	return it->active && it->event == MFTD_EVENT_COUNT;
}

/* The same of one that is to be sent. */
static inline bool
mftd_item_is_fresh(const struct mftd_item *it)
{
	return mftd_item_goes_on(it) && !it->evidence && !it->delivered;
}

/* Gives it the temporary name of its own try. */
void mftd_item_begin_anew(struct mftd_item *it);

/* ---- tell.c */

/* Waits for the next batch.  -MFTD_E_CLOSED: there is none. */
int mftd_batch_take(struct mftd_batch *b);

/* Tells of the call, and n steps, and waits for the answer.  What this process
 * has done so far is nothing that could not wait: no deadline.  An error:
 * outbound is gone. */
int mftd_batch_ask(struct mftd_batch *b, const struct mftd_msg_step *steps,
    uint32_t n, struct mftd_msg_deliver_answer *answer);

/* Tells the events of all items and waits until their rows are written; who is
 * to be let alone, or has ended, is active no more.  An error: outbound is
 * gone. */
int mftd_batch_tell(struct mftd_batch *b);

/* Says event of all that are to be sent, and go on. */
void mftd_batch_say(struct mftd_batch *b, enum mftd_delivery_event event);

/* ---- send.c */

/* Opens .mft/out/<receipt>, and takes its mtime where that is wanted. */
void mftd_item_open_source(const struct mftd_conf *conf, struct mftd_item *it);

/* Brings all that go on to the partner, under their temporary names, and checks
 * them there. */
void mftd_batch_send(struct mftd_batch *b);

/* Removes once more what earlier tries left of those that have arrived: an
 * owner that stood still may have gone on, and its deliver have opened a file,
 * since that was done first.  Failing to harms nobody. */
void mftd_batch_tidy_again(struct mftd_batch *b);

/* ---- publish.c */

/* Before a new try of it: forgets what earlier ones came to, but for where they
 * may have left it. */
void mftd_item_start_over(struct mftd_item *it);

/* Those that were SENT: does with the ones whose name exists what their route
 * says, and says PUBLISH of the others. */
void mftd_batch_announce(struct mftd_batch *b);

/* Those in PUBLISHING of which it is not known what has become: looks, and
 * says. */
void mftd_batch_examine(struct mftd_batch *b);

/* Those that are ours to rename: does it, and says what came of it: of one that
 * needs another name PUBLISH once more. */
void mftd_batch_rename(struct mftd_batch *b);

/* Removes the temporary names that are of no more use; failing to harms nobody.
 */
void mftd_batch_drop(struct mftd_batch *b);

/* ---- number.c */

/* Gives those whose final name is taken the first number that is free. */
int mftd_batch_number(struct mftd_batch *b);

#endif
