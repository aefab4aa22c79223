/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_REMOTE_H
#define MFTD_OUTBOUND_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/outbound/delivery.h"

struct mftd_ssh_client;

/*
 * A partner's files over SFTP version 3 (draft-ietf-secsh-filexfer-02), packets
 * of our own: requests are sent without waiting for the answers of those before
 * them, and RENAME is the plain one, which must not replace a name that exists.
 *
 * Requests about one handle are done in the order in which they were sent; of
 * others a server may answer, and do, the later ones first (section 3 of the
 * draft): who needs an order drains in between.
 */
struct mftd_remote;

/* What the server answered to the requests that were given it: of several the
 * first failure.  To be zeroed before. */
struct mftd_remote_answer {
	uint32_t open; /* not answered (yet): nothing is known of them */
	int err; /* -ENOENT, -EACCES, -EOPNOTSUPP, -MFTD_E_PARTNER */
	char why[MFTD_REASON_BYTES]; /* its words */
};

/* Speaks INIT over c, which must outlive it, and asks for the server's limits.
 * 0, or the connection's error (ssh/client.h). */
int mftd_remote_open(struct mftd_ssh_client *c, struct mftd_remote **out);

void mftd_remote_free(struct mftd_remote *m);

/* The extensions that it offers, by name with a space between. */
const char *mftd_remote_offers(const struct mftd_remote *m);

/* Why the connection is of no use any more. */
const char *mftd_remote_why(const struct mftd_remote *m);

/*
 * The requests.  Each puts itself on its way and returns 0, or the connection's
 * error, after which nothing more is to be had of it.  What a request points to
 * must live until it is answered or the connection is given up.
 */

/* What stands under path itself (a symbolic link is not followed).  That
 * nothing does is no failure: a->exists is false then. */
int mftd_remote_lstat(struct mftd_remote *m, const char *path,
    struct mftd_remote_attrs *a, struct mftd_remote_answer *answer);

int mftd_remote_remove(
    struct mftd_remote *m, const char *path, struct mftd_remote_answer *answer);
int mftd_remote_rename(struct mftd_remote *m, const char *from, const char *to,
    struct mftd_remote_answer *answer);

struct mftd_remote_file {
	uint8_t handle[256]; /* the draft's bound */
	size_t len;
};

/* Creates path for writing; fails where it exists. */
int mftd_remote_create(struct mftd_remote *m, const char *path,
    struct mftd_remote_file *f, struct mftd_remote_answer *answer);

/* How many bytes one WRITE is to carry. */
size_t mftd_remote_chunk(const struct mftd_remote *m);

/* WRITEs up to a chunk, which is copied or sent at once; waits where too much
 * is on its way. */
int mftd_remote_write(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint64_t offset, const void *data, size_t len,
    struct mftd_remote_answer *answer);

/* fsync@openssh.com.  Where the server does not offer it, its answer is
 * -EOPNOTSUPP at once. */
int mftd_remote_sync(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_answer *answer);

/* Sets access and modification time. */
int mftd_remote_set_mtime(struct mftd_remote *m,
    const struct mftd_remote_file *f, uint32_t mtime,
    struct mftd_remote_answer *answer);

int mftd_remote_close(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_answer *answer);

/* Waits until all are answered.  0, or the connection's error. */
int mftd_remote_drain(struct mftd_remote *m);

#endif
