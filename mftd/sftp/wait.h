/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_WAIT_H
#define MFTD_SFTP_WAIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct mftd_sftp;
struct mftd_sftp_waiter;

/*
 * A request that cannot be done yet lets others pass that have nothing to do
 * with it.  What it has to do with are its claims: requests with claims in
 * common are done, and so answered, in the order in which they came.
 */
#define MFTD_SFTP_CLAIM_HANDLES 2
#define MFTD_SFTP_CLAIM_PATHS 4

struct mftd_sftp_claims {
	unsigned n_handles, n_paths;
	uint64_t handles[MFTD_SFTP_CLAIM_HANDLES]; /* as on the wire */
	/* What it names, and what the upload of a handle is published as.
	 * below: a change of names, which concerns all that lies below too.
	 * moves: it is where a handle's file has its name, by now. */
	struct {
		const char *path;
		bool below, moves;
	} paths[MFTD_SFTP_CLAIM_PATHS];
};

/* A copy whose paths are its own.  0 or -ENOMEM. */
int mftd_sftp_claims_copy(
    struct mftd_sftp_claims *to, const struct mftd_sftp_claims *from);
void mftd_sftp_claims_free(struct mftd_sftp_claims *c);

/* from was renamed to to: so are the paths of a copy that move.  What there is
 * no memory for keeps its old one. */
void mftd_sftp_claims_renamed(
    struct mftd_sftp_claims *c, const char *from, const char *to);

/*
 * The decision, a pure one.  Two requests conflict when they use one handle;
 * when they name the same path; or when one changes names and the other names
 * something at or below that.  Symmetrical.
 */
bool mftd_sftp_claims_conflict(
    const struct mftd_sftp_claims *a, const struct mftd_sftp_claims *b);

TAILQ_HEAD(mftd_sftp_waiters, mftd_sftp_waiter);

/* The requests that wait, in the order in which they came. */
struct mftd_sftp_wait {
	struct mftd_sftp_waiters list;
	unsigned n;
	size_t bytes;
	const struct mftd_sftp_waiter *at; /* being tried again, or NULL */
};

void mftd_sftp_wait_init(struct mftd_sftp_wait *w);
void mftd_sftp_wait_clear(struct mftd_sftp_wait *w);

/* The same for all that wait. */
void mftd_sftp_wait_renamed(
    struct mftd_sftp_wait *w, const char *from, const char *to);

/* Whether one that came before the request being handled conflicts with it. */
bool mftd_sftp_wait_conflict(
    const struct mftd_sftp_wait *w, const struct mftd_sftp_claims *claims);

/* Keeps a copy of the packet, unless there are MFTD_SFTP_WAITING_MAX, or would
 * be more than MFTD_SFTP_WAITING_BYTES: false, the packet stays the caller's.
 */
bool mftd_sftp_wait_add(struct mftd_sftp_wait *w, const uint8_t *packet,
    size_t len, const struct mftd_sftp_claims *claims);

/* Tries each again, in order: run returns whether the packet is done with. */
void mftd_sftp_wait_run(struct mftd_sftp *s, struct mftd_sftp_wait *w,
    bool (*run)(struct mftd_sftp *s, const uint8_t *packet, size_t len));

#endif
