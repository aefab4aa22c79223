/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_SYNC_H
#define MFTD_SFTP_SYNC_H

#include <stdbool.h>
#include <stdint.h>

struct mftd_sftp;
struct mftd_sftp_op;
struct mftd_sftp_part;

/*
 * Begins to make p durable, data, size and entry, as it is now; journal is told
 * when that is done.  Syncs of one part are done in their order, and once one
 * failed so did all that follow (p->err): a second one would succeed and mean
 * nothing.
 *
 * op, which is in no list, waits for it, then op->synced takes it over, which
 * may be before this returns.  Without op the upload goes on meanwhile, and
 * what failed is in p->err.  Returns 0, or a negative error: op is still the
 * caller's.
 */
int mftd_sftp_sync_begin(
    struct mftd_sftp *s, struct mftd_sftp_part *p, struct mftd_sftp_op *op);

/* Tells journal that p's first bytes are durable, and no more than that.  0 or
 * a negative error. */
int mftd_sftp_sync_tell(
    struct mftd_sftp *s, struct mftd_sftp_part *p, uint64_t bytes);

/* The last one of a part that nobody goes on with: waits for it, and tells. */
void mftd_sftp_sync_last(struct mftd_sftp *s, struct mftd_sftp_part *p);

/* Whether p has to wait with more bytes: as much as may be not durable was
 * written since a sync of it began that is not done yet. */
bool mftd_sftp_sync_full(const struct mftd_sftp_part *p);

/* Takes the syncs that are done, and goes on with what waited for them. */
void mftd_sftp_sync_hear(struct mftd_sftp *s);

/* Ends all without an answer; waits for those that are being done. */
void mftd_sftp_sync_end_all(struct mftd_sftp *s);

#endif
