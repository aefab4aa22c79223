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

/* The state of a fetch; fetch.c, fetch_part.c, fetch_read.c and fetch_tidy.c
 * share it. */
#define MFTD_FETCH_PATH_BYTES (MFTD_PATH_BYTES + MFTD_FILE_NAME_BYTES + 1)

/* A READ under way. */
struct mftd_fetch_piece {
	struct mftd_fetch_state *f;
	struct mftd_remote_data data;
	struct mftd_remote_answer answer;
	size_t want, fill; /* of its place in the buffer */
	int place; /* which one; it has none before its first answer */
};

/* How much is here of a file that a cut left. */
struct mftd_fetch_mark {
	struct mftd_msg_fetch_file file;
	uint64_t done; /* bytes from its beginning on; 0: there is no mark */
	uint8_t sha256[MFTD_SHA256_BYTES]; /* of these */
	char host[MFTD_NAME_BYTES]; /* whence they came */
};

/* The part of a file that is gone on with after a cut: one for a route. */
struct mftd_fetch_part {
	int fd; /* it is being fetched; -1: not */
	uint64_t done; /* bytes in it, and in f->sum */
	struct mftd_fetch_mark mark; /* what is durable of it */
	bool reviewed; /* what an earlier process left was looked at */
	EVP_MD_CTX *so_far; /* for sums on the way */
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
	struct mftd_fetch_part part;
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

/* The whole name of a file in a folder there; "": the login's.  0 or
 * -ENAMETOOLONG. */
int mftd_fetch_path(
    const char *dir, const char *name, char out[MFTD_FETCH_PATH_BYTES]);

/* Waits until so many bytes may be asked for, by the partner's bandwidth; an
 * error: the lease is gone.  How many to ask for at a time. */
int mftd_fetch_pace(struct mftd_fetch_state *f, size_t bytes);
size_t mftd_fetch_chunk(const struct mftd_fetch_state *f);

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

/* ---- fetch_part.c: what is left of a large file by a cut
 *
 *	staged/<route>/.part	its first bytes
 *	staged/<route>/.mark	of what file they are, how many of them are
 *				durable for certain, and their SHA-256
 *
 * Once whole it is staged as any other (stage.h).  There is one a route: a
 * part of another file makes place for it.  It goes when its file is gone, or
 * another.
 */

/* Whether a file of that size is to be gone on with after a cut. */
bool mftd_fetch_part_suits(const struct mftd_fetch_state *f, uint64_t size);

/* After a list: looks what is left, and drops what is of no use any more. */
void mftd_fetch_part_review(struct mftd_fetch_state *f);

/* Whether there is a part of that file. */
bool mftd_fetch_part_is_of(
    const struct mftd_fetch_state *f, const struct mftd_listed *e);

/* Opens the part of the file, or an empty one.  Returns a descriptor, the
 * caller's, for the time that it is fetched; or an error. */
int mftd_fetch_part_open(
    struct mftd_fetch_state *f, const struct mftd_msg_fetch_file *file);

/*
 * Proves what is in it against the partner's file, which is open: by the
 * server's SHA-256, or its last MiB.  Then *from is how much of it is right,
 * and in f->sum; without proof it is emptied, and *from 0.  0, or an error.
 */
int mftd_fetch_part_prove(struct mftd_fetch_state *f, const char *path,
    const struct mftd_remote_file *file, uint64_t *from);

/* So much is in it and in f->sum by now; every now and then that is made
 * durable and noted.  Nothing where no part is fetched.  0 or an error. */
int mftd_fetch_part_grew(struct mftd_fetch_state *f, uint64_t done);

/* The fetch failed by err: what is of use is kept, durably, the rest goes. */
void mftd_fetch_part_leave(struct mftd_fetch_state *f, int err);

/* It is whole, and staged under that name, durably.  0 or an error. */
int mftd_fetch_part_finish(struct mftd_fetch_state *f, const char *id);

/* The sum so far; f->sum goes on.  0 or -EIO. */
int mftd_fetch_sum_so_far(
    struct mftd_fetch_state *f, uint8_t sum[MFTD_SHA256_BYTES]);

/* ---- fetch_tidy.c */

/* Does what outbound wishes for what is at the partner. */
int mftd_fetch_tidy(struct mftd_fetch_state *f);

#endif
