/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PASSWORD_H
#define MFTD_CATALOG_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Passwords are kept as scrypt hashes (RFC 7914) in the form
 * "$scrypt$ln=17,r=8,p=1$SALT$HASH": N = 2^ln, base64 without padding, 16 bytes
 * of salt, 32 of hash.  One computation at these parameters takes 128 MiB of
 * memory and a few tenths of a second: whoever verifies for peers bounds how
 * many run at once.
 */
#define MFTD_PASSWORD_HASH_BYTES 128 /* a hash with its NUL, at most */

/* Hashes password (less than MFTD_SECRET_BYTES) with a fresh salt into out.
 * Returns 0, -EINVAL, -ENOBUFS when size is too small, -EIO when OpenSSL
 * fails. */
int mftd_password_hash(const char *password, char *out, size_t size);

/* Whether text is a hash of the form above whose parameters are in the bounds
 * that verify accepts (ln 10 to 18, r 1 to 8, p 1 to 4). */
bool mftd_password_hash_valid(const char *text);

/* Whether the hash costs what those of mftd_password_hash do: one that costs
 * less is a weak one, and the time of one that costs more or less tells that
 * its account is there. */
bool mftd_password_hash_usual(const char *text);

/* Compares in constant time.  0: it is the password; -MFTD_E_AUTH: it is not;
 * -EINVAL: hash is not valid as above; -EIO when OpenSSL fails. */
int mftd_password_verify(const char *password, const char *hash);

#endif
