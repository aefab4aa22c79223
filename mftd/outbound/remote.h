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

/* How many requests were answered on it so far. */
uint64_t mftd_remote_answers(const struct mftd_remote *m);

/* When the last one came, or it was opened (mftd_clock_ms). */
int64_t mftd_remote_heard_ms(const struct mftd_remote *m);

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

/* posix-rename@openssh.com: replaces what is there.  Where the server does not
 * offer it, its answer is -EOPNOTSUPP at once. */
int mftd_remote_replace(struct mftd_remote *m, const char *from, const char *to,
    struct mftd_remote_answer *answer);
bool mftd_remote_can_replace(const struct mftd_remote *m);

/* The SHA-256 of length bytes from 0 on, 0: of all: by check-file
 * (draft-ietf-secsh-filexfer-extensions-00, section 3).  Where the server does
 * not offer it, its answer is -EOPNOTSUPP at once. */
struct mftd_remote_sum {
	bool known;
	uint8_t sha256[MFTD_SHA256_BYTES];
};
int mftd_remote_sum(struct mftd_remote *m, const char *path, uint64_t length,
    struct mftd_remote_sum *sum, struct mftd_remote_answer *answer);
bool mftd_remote_can_sum(const struct mftd_remote *m);

struct mftd_remote_file {
	uint8_t handle[256]; /* the draft's bound */
	size_t len;
};

enum mftd_remote_how {
	MFTD_REMOTE_CREATE, /* to write; fails where it exists */
	MFTD_REMOTE_EMPTY, /* to write, nothing left of what was there */
	MFTD_REMOTE_GO_ON, /* to write what exists */
	MFTD_REMOTE_LOOK /* to read */
};

/* Opens path.  mode: what one that is made is to have, 0: as the server
 * likes. */
int mftd_remote_open_file(struct mftd_remote *m, const char *path,
    enum mftd_remote_how how, uint32_t mode, struct mftd_remote_file *f,
    struct mftd_remote_answer *answer);

/* READs up to size bytes to at; len: so many came, 0: the end.  Where at is
 * NULL, place is asked when they come for room for size bytes: the place of
 * what was used up just now is still in the processor's cache. */
struct mftd_remote_data {
	uint8_t *at;
	size_t size, len;
	uint8_t *(*place)(void *data);
	void *data;
};
int mftd_remote_read(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint64_t offset, struct mftd_remote_data *data,
    struct mftd_remote_answer *answer);

/* How many bytes one WRITE is to carry, or one READ to ask for. */
size_t mftd_remote_chunk(const struct mftd_remote *m);
size_t mftd_remote_read_chunk(const struct mftd_remote *m);

/* What an open file is. */
int mftd_remote_fstat(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_attrs *a, struct mftd_remote_answer *answer);

/* A directory, and the names that stand in it (OPENDIR and READDIR, section 6.7
 * of the draft): some at a time, n of them; 0: there are no more.  take is
 * given each name as the server says it: len bytes that may be any. */
struct mftd_remote_names {
	void (*take)(void *data, const uint8_t *name, size_t len,
	    const struct mftd_remote_attrs *a);
	void *data;
	uint32_t n;
};

/* The absolute path of path (REALPATH, section 6.11), with what links lead to
 * where the server follows them: the one name that is taken. */
int mftd_remote_realpath(struct mftd_remote *m, const char *path,
    struct mftd_remote_names *names, struct mftd_remote_answer *answer);

int mftd_remote_open_dir(struct mftd_remote *m, const char *path,
    struct mftd_remote_file *f, struct mftd_remote_answer *answer);
int mftd_remote_read_dir(struct mftd_remote *m,
    const struct mftd_remote_file *f, struct mftd_remote_names *names,
    struct mftd_remote_answer *answer);

/* WRITEs up to a chunk, which is copied or sent at once; waits where too much
 * is on its way. */
int mftd_remote_write(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint64_t offset, const void *data, size_t len,
    struct mftd_remote_answer *answer);

/* fsync@openssh.com.  Where the server does not offer it, its answer is
 * -EOPNOTSUPP at once. */
int mftd_remote_sync(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_answer *answer);

/* Sets modification and access time; by path also of what is not open. */
int mftd_remote_set_times(struct mftd_remote *m,
    const struct mftd_remote_file *f, uint32_t mtime, uint32_t atime,
    struct mftd_remote_answer *answer);
int mftd_remote_set_times_of(struct mftd_remote *m, const char *path,
    uint32_t mtime, uint32_t atime, struct mftd_remote_answer *answer);

/* Sets permissions. */
int mftd_remote_set_mode(struct mftd_remote *m,
    const struct mftd_remote_file *f, uint32_t mode,
    struct mftd_remote_answer *answer);

int mftd_remote_close(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_answer *answer);

/* Waits until all are answered.  0, or the connection's error. */
int mftd_remote_drain(struct mftd_remote *m);

/* The same until those are answered that were given this answer. */
int mftd_remote_await(
    struct mftd_remote *m, const struct mftd_remote_answer *a);

#endif
