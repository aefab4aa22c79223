/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_MSG_LOOK_H
#define MFTD_IPC_MSG_LOOK_H

#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * look -> outbound: one question at a time, about the route that it looks for.
 * Each but KNOWN and END is answered by LOOK_ANSWER, once the catalog has it.
 */

/* catalog/found.h's struct mftd_version. */
struct mftd_msg_version {
	uint64_t size;
	int64_t mtime_ns, ctime_ns;
	uint64_t inode;
};

/* This lies staged, from an earlier look.  Answer 1: its row is there; 0: it
 * never will be. */
struct mftd_msg_look_staged {
	char receipt[MFTD_ID_BYTES];
};

/* What does the route remember behind this name?  Answered by LOOK_ROWS. */
struct mftd_msg_look_known {
	char after[MFTD_FILE_NAME_BYTES];
};

/* outbound -> look.  Fewer than there is room for: these were the last. */
#define MFTD_LOOK_ROWS_MAX 64
struct mftd_msg_look_rows {
	uint32_t n;
	struct {
		struct mftd_msg_version v;
		char name[MFTD_FILE_NAME_BYTES];
	} rows[MFTD_LOOK_ROWS_MAX];
};

/* The file is gone: forget it.  Answer 0. */
struct mftd_msg_look_gone {
	char name[MFTD_FILE_NAME_BYTES];
};

/* A file is found, and lies staged under the receipt's name.  Answer 0: its row
 * is written; else (catalog/found.h) it is not known whether it will be:
 * the next look asks (LOOK_STAGED). */
struct mftd_msg_look_found {
	char receipt[MFTD_ID_BYTES];
	char name[MFTD_FILE_NAME_BYTES];
	struct mftd_msg_version v;
	uint64_t seq; /* its place in this look */
	uint8_t sha256[MFTD_SHA256_BYTES];
};

/* The look is over.  Not answered. */
struct mftd_msg_look_end {
	int32_t err; /* 0; -EAGAIN: not yet, and no trouble; why it failed */
	uint32_t again_ms; /* a file may be stable then; 0: none will */
	int32_t watch; /* the folder's number, or why it has none
			* (outbound/watch.h); 0: it did not come to that */
	char text[MFTD_REASON_BYTES]; /* what was about that */
};

struct mftd_msg_look_answer {
	int32_t err;
};

#endif
