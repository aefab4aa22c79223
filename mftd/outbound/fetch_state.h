/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_FETCH_STATE_H
#define MFTD_OUTBOUND_FETCH_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "mftd/ipc/msg_fetch.h"
#include "mftd/outbound/call.h"
#include "mftd/outbound/fetch.h"
#include "mftd/outbound/listing.h"
#include "mftd/outbound/remote.h"
#include "mftd/outbound/stage.h"
#include "mftd/ssh/client.h"

/* The state of a fetch; fetch.c, fetch_read.c and fetch_tidy.c share it. */
#define MFTD_FETCH_PATH_BYTES (MFTD_PATH_BYTES + MFTD_FILE_NAME_BYTES + 1)

/* A READ under way. */
struct mftd_fetch_piece {
	struct mftd_fetch_state *f;
	struct mftd_remote_data data;
	struct mftd_remote_answer answer;
	size_t want, fill; /* of its place in the buffer */
	int place; /* which one; it has none before its first answer */
};

struct mftd_fetch_state {
	const struct mftd_fetch *j;
	struct mftd_chan *c;
	bool gone; /* outbound is */
	struct mftd_call call;
	struct mftd_ssh_client *client;
	struct mftd_remote *remote;
	struct mftd_listing seen;
	struct mftd_stage stage;
	EVP_MD *sha256;
	EVP_MD_CTX *sum;
	struct mftd_fetch_piece pieces[MFTD_FETCH_READS];
	uint8_t *buffer; /* of places; NULL before the first READ */
	uint64_t places; /* a bit for each that is taken */
	uint32_t fetched; /* by this look */
	char why[MFTD_REASON_BYTES]; /* what went wrong in it */
	bool refused; /* the server says so of a file; the call goes on */
	int one_err; /* of the first file that it had no luck with, or 0 */
	char one_why[MFTD_REASON_BYTES];
};

/* Notes what went wrong, with the server's words or the error's.  Returns
 * err. */
int mftd_fetch_fail(
    struct mftd_fetch_state *f, int err, const char *what, const char *detail);

/* The same of an answer, once r, the connection's error, is 0.  0 when there
 * was none. */
int mftd_fetch_result(struct mftd_fetch_state *f, int r,
    const struct mftd_remote_answer *a, const char *what);

/* Asks outbound, and waits for the answer, which is of that type.  A negative
 * return: it is gone. */
int mftd_fetch_ask(struct mftd_fetch_state *f, uint32_t type, const void *data,
    size_t len, const void *tail, size_t tail_len, uint32_t answer_type,
    struct mftd_msg *m);

/* The whole name of a file in the folder.  0 or -ENAMETOOLONG. */
int mftd_fetch_path(const struct mftd_fetch_state *f, const char *name,
    char out[MFTD_FETCH_PATH_BYTES]);

/* ---- fetch_read.c */

/*
 * Reads the file at path, which must be of that size and mtime before and
 * after, into fd (-1: nowhere) and sums it up.  -ESTALE: it is not, any more;
 * else an error as above.
 */
int mftd_fetch_read(struct mftd_fetch_state *f, const char *path, uint64_t size,
    int64_t mtime, int fd, uint8_t sum[MFTD_SHA256_BYTES]);

/* The server's own sum of it, where it has one: *known. */
int mftd_fetch_remote_sum(struct mftd_fetch_state *f, const char *path,
    uint64_t size, struct mftd_remote_sum *sum);

/* ---- fetch_tidy.c */

/* Does what outbound wishes for what is at the partner. */
int mftd_fetch_tidy(struct mftd_fetch_state *f);

#endif
