/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_REMOTE_H
#define MFTD_OUTBOUND_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/outbound/delivery.h"

struct mftd_ssh_client;

/*
 * A partner's files over SFTP version 3 (draft-ietf-secsh-filexfer-02), packets
 * of our own: WRITEs are pipelined, and RENAME is the plain one, which must not
 * replace a name that exists.
 *
 * Errors: what the server answered (mftd_remote_answered: -ENOENT, -EACCES,
 * -EOPNOTSUPP, -MFTD_E_PARTNER), or that of the connection (ssh/client.h),
 * after which nothing is known of the request.
 */
struct mftd_remote;

/* Speaks INIT over c, which must outlive it, and asks for the server's limits.
 */
int mftd_remote_open(struct mftd_ssh_client *c, struct mftd_remote **out);

void mftd_remote_free(struct mftd_remote *m);

/* The extensions that it offers, by name with a space between. */
const char *mftd_remote_offers(const struct mftd_remote *m);

/* Whether err is the server's own answer to the request. */
bool mftd_remote_answered(int err);

/* Why the last call failed: the server's words, or the connection's. */
const char *mftd_remote_why(const struct mftd_remote *m);

/* What stands under path itself (a symbolic link is not followed).  0 also when
 * nothing does: then a->exists is false. */
int mftd_remote_lstat(
    struct mftd_remote *m, const char *path, struct mftd_remote_attrs *a);

int mftd_remote_remove(struct mftd_remote *m, const char *path);
int mftd_remote_rename(struct mftd_remote *m, const char *from, const char *to);

struct mftd_remote_file {
	uint8_t handle[256]; /* the draft's bound */
	size_t len;
};

/* Creates path for writing; fails where it exists. */
int mftd_remote_create(
    struct mftd_remote *m, const char *path, struct mftd_remote_file *f);

/* How many bytes one WRITE is to carry. */
size_t mftd_remote_chunk(const struct mftd_remote *m);

/* Sends a WRITE (up to a chunk) without waiting for its answer; a failure may
 * be that of an earlier one. */
int mftd_remote_write(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint64_t offset, const void *data, size_t len);

/* Waits for the answers of all WRITEs: to be called before anything else. */
int mftd_remote_drain(struct mftd_remote *m);

/* fsync@openssh.com.  -EOPNOTSUPP where the server does not offer it. */
int mftd_remote_sync(struct mftd_remote *m, const struct mftd_remote_file *f);

/* Sets access and modification time. */
int mftd_remote_set_mtime(
    struct mftd_remote *m, const struct mftd_remote_file *f, uint32_t mtime);

int mftd_remote_close(struct mftd_remote *m, const struct mftd_remote_file *f);

#endif
