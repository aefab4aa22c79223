/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_MSG_OUTBOUND_H
#define MFTD_IPC_MSG_OUTBOUND_H

#include <stdint.h>

#include "mftd/base/limits.h"

/* deliver -> outbound: an event of the delivery (outbound/delivery.h), answered
 * by DELIVER_ANSWER once its row is written: deliver goes on only then. */
struct mftd_msg_deliver_step {
	uint32_t event;
	int32_t err;
	uint64_t bytes;
	int64_t mtime; /* PUBLISH: what the partner shows; 0: not what we set */
	uint32_t has_sha256;
	uint8_t sha256[MFTD_SHA256_BYTES];
	char host[MFTD_NAME_BYTES]; /* BEGIN: the address that answered */
	char text[MFTD_REASON_BYTES];
};

/* outbound -> deliver: go on (0), or stop at once. */
struct mftd_msg_deliver_answer {
	int32_t err;
};

#endif
