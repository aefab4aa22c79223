/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_HEAD_H
#define MFTD_JOURNAL_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * Signed heads: "this stream has seq records, and the hash of the last one is
 * this", signed with the node's Ed25519 key (RFC 8032).  As each record holds
 * the hash of the one before, a head proves all up to it.  One stands in each
 * segment's header and says what is before that segment; the newest stands in
 * the file "head" of the stream's directory, so that an end that was cut off is
 * missed.
 *
 * What is signed are 144 bytes: "MFTDHEAD" for the newest, "MFTDLAST" for the
 * last one, "MFTDSEGM" for a segment's, so that none passes for another; the
 * stream's name (96 bytes,
 * zero-padded), the sequence (8, big-endian), the hash.
 */
#define MFTD_HEAD_KEY_BYTES 32
#define MFTD_HEAD_SIGNATURE_BYTES 64

enum mftd_head_use {
	MFTD_HEAD_NEWEST, /* so far: more may come */
	MFTD_HEAD_LAST, /* its writer ended in good order: nothing comes */
	MFTD_HEAD_SEGMENT, /* of what is before a segment */
};

struct mftd_head {
	char stream[MFTD_ID_BYTES];
	uint64_t seq;
	uint8_t hash[MFTD_SHA256_BYTES]; /* of that record; zeros for seq 0 */
};

struct mftd_signed_head {
	struct mftd_head head;
	uint8_t key[MFTD_HEAD_KEY_BYTES]; /* public */
	uint8_t signature[MFTD_HEAD_SIGNATURE_BYTES];
};

#define MFTD_STREAM_HEAD "head"

struct mftd_signer;

/*
 * The node's key: "journal.key" (PKCS #8 in PEM, 0600) in its state directory,
 * with "journal.pub" (PEM) beside it for those who check.  Both are made when
 * they are missing, durably; of several processes that do so at once all get
 * the same.  Returns 0, -errno, or -MFTD_E_CORRUPT for a file that is no such
 * key.
 */
int mftd_signer_open(int state_dir, struct mftd_signer **out);
void mftd_signer_close(struct mftd_signer *s);

/* Signs s->head for that use and sets its key and signature.  0 or -ENOMEM. */
int mftd_head_sign(const struct mftd_signer *by, enum mftd_head_use use,
    struct mftd_signed_head *s);

/* Whether s->key signed s->head for that use. */
bool mftd_head_holds(enum mftd_head_use use, const struct mftd_signed_head *s);

/* Reads all public keys of a file in PEM.  Returns how many, up to max; -EINVAL
 * when it holds something that is no Ed25519 key, or none; -errno. */
int mftd_head_keys(
    const char *path, uint8_t (*out)[MFTD_HEAD_KEY_BYTES], int max);

/* Replaces the file "head" of a stream's directory, durably: the newest or the
 * last one. */
int mftd_head_write(
    int stream_dir, enum mftd_head_use use, const struct mftd_signed_head *s);

/* Reads it; whether it holds is not looked at.  0, -ENOENT, -MFTD_E_CORRUPT,
 * -errno. */
int mftd_head_read(
    int stream_dir, enum mftd_head_use *use, struct mftd_signed_head *s);

#endif
