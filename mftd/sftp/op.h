/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_OP_H
#define MFTD_SFTP_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/ipc/msg_journal.h"

struct mftd_sftp;
struct mftd_sftp_part;
struct mftd_sftp_handle;

/* Something that a sync or journal was, or is about to be, asked to do, and the
 * request that its result answers. */
struct mftd_sftp_op {
	TAILQ_ENTRY(mftd_sftp_op) link;
	uint64_t ref;
	uint32_t id; /* the request */
	char *path, *to; /* what it is about; to may be NULL */
	struct mftd_sftp_part *part; /* counted as user and busy, or NULL */
	struct mftd_sftp_handle *handle; /* of OPEN, or NULL */
	void *data; /* freed with it */
	struct mftd_msg_quota_result quota; /* QUOTA's answer */
	bool quiet; /* only changes of names wait for it */
	bool tells; /* an OK says that something is durable: needs the lease */
	void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err);
	/* A sync that it waited for is done; takes op over (sync.h). */
	void (*synced)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err);
};

TAILQ_HEAD(mftd_sftp_ops, mftd_sftp_op);

/* An op for the request being handled; its part, if not NULL, becomes busy.
 * NULL without memory. */
struct mftd_sftp_op *mftd_sftp_op_new(struct mftd_sftp *s, const char *path,
    const char *to, struct mftd_sftp_part *part,
    void (*done)(struct mftd_sftp *s, struct mftd_sftp_op *op, int err));

/* Frees op, which is in no list, and lets its part go. */
void mftd_sftp_op_free(struct mftd_sftp *s, struct mftd_sftp_op *op);

/* Whether one more may wait. */
bool mftd_sftp_op_room(const struct mftd_sftp *s);

/*
 * Sends the message to journal and keeps op until its result.  On failure op is
 * still the caller's; -MFTD_E_CLOSED also makes the server fatal: nobody can
 * know what became of the others.
 */
int mftd_sftp_op_ask(struct mftd_sftp *s, struct mftd_sftp_op *op,
    uint32_t type, const void *data, size_t len);

/* The op with that ref, taken out of its list; NULL when there is none. */
struct mftd_sftp_op *mftd_sftp_op_take(struct mftd_sftp *s, uint64_t ref);

/* Whether an op is under way that path has to wait for: one about path or a
 * directory above it, and if the request changes names (below) also one about
 * something below path. */
bool mftd_sftp_op_conflict(
    const struct mftd_sftp *s, const char *path, bool below);

/* Whether path is dir or lies below it; both clean. */
bool mftd_sftp_path_within(const char *path, const char *dir);

#endif
