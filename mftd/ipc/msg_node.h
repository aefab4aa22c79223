/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_MSG_NODE_H
#define MFTD_IPC_MSG_NODE_H

#include <stdint.h>

#include "mftd/base/limits.h"

/* parent -> worker: a channel to another worker is in the one descriptor. */
struct mftd_msg_peer {
	uint32_t proc; /* enum mftd_proc */
	char instance[MFTD_NAME_BYTES];
};

/* READY (worker -> parent: start-up finished), STOP (parent -> worker: end in
 * good order), PING (parent -> worker) and PONG (its loop's answer) carry
 * nothing but this. */
struct mftd_msg_none {
	uint32_t unused;
};

/* What a service of this node is to be, or is. */
enum mftd_role { MFTD_ROLE_STOPPED, MFTD_ROLE_STARTED, MFTD_ROLE_PROMOTED };

enum mftd_service {
	MFTD_SERVICE_INBOUND,
	MFTD_SERVICE_OUTBOUND,
	MFTD_SERVICE_COUNT
};

/* coordinator -> parent.  Answered by SERVICE_STATE with the same ref once it
 * is so, or cannot be. */
struct mftd_msg_service_set {
	uint32_t service; /* enum mftd_service */
	uint32_t role; /* enum mftd_role */
	uint32_t deadline_ms;
	char queue[MFTD_NAME_BYTES]; /* "" but for outbound */
};

/* parent -> coordinator: as an answer, and (ref 0) whenever it changes. */
struct mftd_msg_service_state {
	uint32_t service;
	uint32_t role; /* what it is now */
	int32_t err; /* 0, or why the wish failed */
	uint32_t workers; /* alive now */
	uint32_t ready; /* of them, that said READY */
	uint32_t restarts;
	/* 1, with err: a stop came to its deadline, and each process that is
	 * left of the service has SIGKILL pending; it answers nobody */
	uint32_t killed;
	char queue[MFTD_NAME_BYTES];
	char reason[MFTD_REASON_BYTES];
};

/* coordinator -> catalog: the configuration changed (0: look for yourself). */
struct mftd_msg_config_poke {
	uint64_t version;
};

/* catalog -> coordinator, on every change and each 5 s. */
struct mftd_msg_catalog_state {
	uint32_t reachable;
	uint32_t tried; /* 0: it is not known yet whether it is */
	uint64_t config_version; /* of the snapshot in use; 0: none yet */
	char reason[MFTD_REASON_BYTES];
};

/* catalog -> coordinator, each 5 s while the catalog is reached. */
struct mftd_msg_backlog {
	uint32_t node_needed; /* this node's place (conf/place.h) */
	uint32_t controller_needed; /* that of the controller */
	uint32_t n;
	struct mftd_msg_backlog_queue {
		char queue[MFTD_NAME_BYTES];
		/* deliveries that are not finished; MFTD_BACKLOG_MAX: or more
		 */
		uint64_t waiting;
	} queues[MFTD_QUEUES_MAX];
};

/* catalog -> auth: a new snapshot (an SQLite catalog) stands at path. */
struct mftd_msg_snapshot {
	uint64_t version;
	char path[MFTD_PATH_BYTES];
};

/* coordinator -> journal: this incarnation is certainly gone; recover its
 * streams and set its parts aside.  Idempotent.  Answered by RECOVERED. */
struct mftd_msg_recover {
	char incarnation[MFTD_ID_BYTES];
};

struct mftd_msg_recovered {
	char incarnation[MFTD_ID_BYTES];
	int32_t err;
	uint32_t published; /* undecided receipts that turned out published */
	uint32_t abandoned;
};

/* journal -> coordinator, on change and each 2 s, each second while something
 * waits for the catalog: how its volume does. */
struct mftd_msg_volume_state {
	char volume[MFTD_NAME_BYTES];
	uint32_t healthy;
	uint64_t records; /* written by this stream */
	uint64_t syncs; /* group commits */
	uint64_t lag_records; /* of all streams: forwardable, not forwarded */
	int64_t lag_since_us; /* the oldest's time, wall clock; 0: unknown */
	char reason[MFTD_REASON_BYTES];
};

/* journal -> coordinator: the account goes on with what this session of it
 * uploads, so it is to end, wherever it is. */
struct mftd_msg_session_yield {
	char session[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
};

/* outbound -> coordinator, on change and each 5 s. */
struct mftd_msg_outbound_state {
	char queue[MFTD_NAME_BYTES];
	uint64_t epoch; /* 0: not raised yet */
	uint64_t config_version; /* that it works by; 0: none yet */
	uint32_t stale; /* another owner has the queue: report failed */
	uint64_t queued; /* QUEUED and WAITING */
	uint64_t active;
	uint64_t in_doubt;
	uint64_t failed; /* for good, unless somebody acts */
	uint64_t delivered; /* by this owner */
	char reason[MFTD_REASON_BYTES];
};

#endif
