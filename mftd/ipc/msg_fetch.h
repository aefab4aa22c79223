/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_MSG_FETCH_H
#define MFTD_IPC_MSG_FETCH_H

#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/ipc/handling.h"

/*
 * What a fetch (outbound/fetch.h), which looks into a partner's folder, asks of
 * outbound.  Each question is answered before fetch goes on: by FETCH_ANSWER,
 * and FETCH_NEXT by FETCH_WISH.  FETCH_PLACE, which says no more than that, is
 * answered once it may call: it has one of the partner's connections then,
 * until FETCH_LOOKED.
 */

/* How the call went that begins a look. */
struct mftd_msg_fetch_called {
	int32_t err; /* 0: let in; as in mftd_strerror */
	uint32_t unused;
	char host[MFTD_NAME_BYTES]; /* the address; "" none */
	char why[MFTD_REASON_BYTES]; /* a call in vain */
};

/* This lies staged (outbound/stage.h).  Answer 1: its row is there; 0: it never
 * will be. */
struct mftd_msg_fetch_staged {
	char id[MFTD_ID_BYTES];
};

/* A file at the partner, as it is known by: another size or time of
 * modification is another file. */
struct mftd_msg_fetch_file {
	uint64_t size;
	int64_t mtime; /* seconds since the epoch */
	char name[MFTD_FILE_NAME_BYTES];
};

/* Which of n files in as many struct mftd_msg_fetch_file behind this were
 * fetched already. */
struct mftd_msg_fetch_ask {
	uint32_t n;
	uint32_t unused;
};

/* This file is here, durable, as .mft/out/<id>: its row is to be written.
 * Answer 0: it is; else FETCH_STAGED tells. */
struct mftd_msg_fetch_found {
	struct mftd_msg_fetch_file file;
	uint32_t verified; /* enum mftd_verification */
	uint32_t unused;
	uint8_t sha256[MFTD_SHA256_BYTES];
	char id[MFTD_ID_BYTES];
};

/* fetch -> outbound: how a look ended, after which it rests.  err: that of a
 * folder that cannot be listed. */
struct mftd_msg_fetch_looked {
	int32_t err;
	uint32_t fetched; /* files */
	char why[MFTD_REASON_BYTES];
};

/* What is to become of a file at the partner.  KEEP: of none any more. */
enum mftd_fetched {
	MFTD_FETCHED_KEEP,
	MFTD_FETCHED_DELETE,
	MFTD_FETCHED_MOVE,
	MFTD_FETCHED_COUNT
};

struct mftd_msg_fetch_wish {
	struct mftd_msg_fetch_file file;
	uint32_t what; /* enum mftd_fetched */
	uint32_t begun; /* it may have been done already */
	uint8_t sha256[MFTD_SHA256_BYTES];
	char id[MFTD_ID_BYTES];
	char directory[MFTD_PATH_BYTES]; /* where it was fetched */
	char move_to[MFTD_PATH_BYTES]; /* the folder at the partner */
	char target[MFTD_PATH_BYTES]; /* begun: the whole name there */
};

/* How far such a wish has come. */
enum mftd_fetch_step {
	MFTD_FETCH_BEGIN, /* about to be done */
	MFTD_FETCH_DONE, /* and forgotten: who comes with its name is new */
	MFTD_FETCH_LATER, /* it did not work */
	MFTD_FETCH_STEP_COUNT
};

struct mftd_msg_fetch_tidy {
	uint32_t step; /* enum mftd_fetch_step */
	int32_t err; /* of LATER */
	char id[MFTD_ID_BYTES];
	char target[MFTD_PATH_BYTES]; /* of BEGIN */
	char text[MFTD_REASON_BYTES];
};

/* For each file of the question, or for the one thing that it was about: 0 or
 * an error. */
struct mftd_msg_fetch_answer {
	int32_t err[MFTD_FETCH_ASK_MAX];
};

#endif
