/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_COMPARE_H
#define MFTD_OUTBOUND_COMPARE_H

#include <stdint.h>

#include "mftd/ipc/handling.h"
#include "mftd/outbound/batch.h"

/*
 * Whether what lies at the partner is the source.  A negative return is the
 * connection's end; what the server will not say is just not known.
 */

/* Whether the server can be asked for the hash of so many bytes. */
static inline bool
mftd_batch_may_sum(const struct mftd_batch *b, uint64_t length)
{
	return length <= MFTD_REMOTE_SUM_BYTES &&
	    mftd_remote_can_sum(b->remote);
}

/* The source's SHA-256, or of its first length bytes.  0 or -EIO. */
int mftd_source_sum(struct mftd_batch *b, const struct mftd_item *it,
    uint64_t length, uint8_t sum[MFTD_SHA256_BYTES]);

/* Looks into path and sets a->content, by it->sum: the server's hash, or what
 * is read back.  how, which may be NULL, says which. */
int mftd_item_look_into(struct mftd_batch *b, const struct mftd_item *it,
    const char *path, struct mftd_remote_attrs *a, enum mftd_verification *how);

/* Whether the file at path begins with the len bytes of text, a trigger's at
 * most; what cannot be read does not. */
int mftd_batch_is_text(struct mftd_batch *b, const char *path, const char *text,
    size_t len, bool *same);

/* How much of what an earlier try left under the item's temporary name is the
 * source's beginning for certain: to it->from. */
int mftd_item_prove_prefix(struct mftd_batch *b, struct mftd_item *it);

#endif
