/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_MSG_OUTBOUND_H
#define MFTD_IPC_MSG_OUTBOUND_H

#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/ipc/handling.h"

/* outbound -> deliver: a delivery of the next batch.  When all are there
 * deliver begins, and takes the batch after it only when each of them has
 * ended. */
struct mftd_msg_deliver_job {
	uint32_t item; /* its place in the batch: 0, 1, … */
	uint32_t more; /* how many follow */
	uint32_t evidence; /* its row is in PUBLISHING: look before all else */
	uint32_t settled; /* looked at for a while already (delivery.h) */
	uint32_t delivered; /* it is in DELIVERED: do what comes afterwards */
	uint32_t tries; /* with this one */
	uint32_t has_sha256;
	uint32_t seen; /* under its final name, by an earlier look */
	uint64_t size;
	int64_t mtime; /* to be set; evidence: seen set, or 0 */
	uint8_t sha256[MFTD_SHA256_BYTES];
	char id[MFTD_ID_BYTES];
	char receipt[MFTD_ID_BYTES];
	char volume[MFTD_NAME_BYTES];
	char directory[MFTD_PATH_BYTES];
	char name[MFTD_PATH_BYTES];
	char host[MFTD_NAME_BYTES]; /* where it was under way; "" nowhere */
	struct mftd_handling at; /* the partner */
	struct mftd_progress has; /* come to there */
};

/* An event of a delivery (outbound/delivery.h). */
struct mftd_msg_step {
	uint32_t item;
	uint32_t event;
	int32_t err;
	uint32_t has_sha256;
	uint32_t seen; /* its file was, under its final name */
	int64_t mtime; /* PUBLISH: what the partner shows; 0: not what we set */
	uint64_t bytes; /* of the file, sent by this try so far */
	struct mftd_progress has;
	uint8_t sha256[MFTD_SHA256_BYTES];
	char text[MFTD_REASON_BYTES];
};

/* How deliver's last call of the partner went, if it was not told yet. */
enum mftd_called { MFTD_CALLED_NOT, MFTD_CALLED_LET_IN, MFTD_CALLED_IN_VAIN };

/* deliver -> outbound: events of n deliveries of the batch, each another, in as
 * many struct mftd_msg_step behind this; a probe's first has none.  Answered by
 * DELIVER_ANSWER once their rows are written: deliver goes on only then. */
struct mftd_msg_deliver_step {
	uint32_t n;
	uint32_t called; /* enum mftd_called */
	int32_t err; /* of a call in vain, as in mftd_strerror */
	uint32_t unused;
	char host[MFTD_NAME_BYTES]; /* the address that answered; "" none */
	char why[MFTD_REASON_BYTES]; /* a call in vain */
};

/* outbound -> deliver: for each delivery of the question, by its item: go on
 * (0), or let it alone. */
struct mftd_msg_deliver_answer {
	int32_t err[MFTD_DELIVER_BATCH_MAX];
};

/* outbound -> hooks: the role row under which it writes, and the version of the
 * objects; whenever one of these is another. */
struct mftd_msg_hooks_role {
	uint64_t epoch;
	uint64_t version;
	char queue[MFTD_NAME_BYTES];
	char owner[MFTD_ID_BYTES];
};

#endif
