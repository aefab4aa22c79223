/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_SECRET_H
#define MFTD_CATALOG_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * Secrets that must be known in plain, such as a password of ours at a partner:
 * in the catalog they stand encrypted by AES-256-GCM (NIST SP 800-38D) under a
 * key that is in a file on each node, and not in the catalog.  A sealed secret
 * is text, "$aes256gcm$<key>$<base64>": the first 8 hexadecimal digits of the
 * key's SHA-256, and nonce (12 bytes), ciphertext and tag (16 bytes).
 */
#define MFTD_SECRET_KEY_BYTES 32
#define MFTD_SECRET_BYTES 1024 /* of a plain one, with its NUL */
#define MFTD_SEALED_BYTES (32 + (MFTD_SECRET_BYTES + 28) / 3 * 4 + 8)

struct mftd_secret_key {
	uint8_t bytes[MFTD_SECRET_KEY_BYTES];
};

/*
 * Reads the file: 64 hexadecimal digits and a line break, as `openssl rand -hex
 * 32` writes them.  Returns 0, -errno, or -MFTD_E_CORRUPT (not such a file);
 * -EPERM for one that everybody may read, or others than its owner may write.
 */
int mftd_secret_key_read(const char *path, struct mftd_secret_key *out);

/* What is wrong with the file, after such an error: "is a file that …". */
const char *mftd_secret_key_fault(int err);

/*
 * Seals text for a place: what is sealed for another one does not open here.
 * Returns 0, -EMSGSIZE for too long a text, or -EIO.
 */
int mftd_secret_seal(const struct mftd_secret_key *key, const char *place,
    const char *text, char out[MFTD_SEALED_BYTES]);

/*
 * Returns 0; -ENOKEY: sealed under another key; -MFTD_E_CORRUPT: not what was
 * sealed for this place.  out is to be wiped by the caller (explicit_bzero).
 */
int mftd_secret_open(const struct mftd_secret_key *key, const char *place,
    const char *sealed, char out[MFTD_SECRET_BYTES]);

/*
 * The place that a partner's password is sealed for: its name and the n host
 * keys that are pinned for it.  So nobody who can change the catalog, but does
 * not have the key, has it sent to a server of his own.
 */
#define MFTD_SECRET_PLACE_BYTES (MFTD_NAME_BYTES + 128)
void mftd_secret_of_partner(const char *name, char *const *host_keys, size_t n,
    char out[MFTD_SECRET_PLACE_BYTES]);

/* The same for a hook's secret: its name and the server that it is for. */
void mftd_secret_of_hook(
    const char *name, const char *url, char out[MFTD_SECRET_PLACE_BYTES]);

#endif
