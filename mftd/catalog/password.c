/* Part of mftd; see LICENSE. */
#include "mftd/catalog/password.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "mftd/base/err.h"
#include "mftd/base/limits.h"

#define SALT_BYTES 16
#define HASH_BYTES 32
#define LN 17
#define LN_MIN 10
#define LN_MAX 18
#define R 8
#define R_MAX 8
#define P 1
#define P_MAX 4

struct stored {
	unsigned int ln, r, p;
	uint8_t salt[SALT_BYTES], hash[HASH_BYTES];
};

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789+/";

/* Decodes exactly want bytes; *at moves behind them. */
static int
get_base64(const char **at, uint8_t *out, size_t want)
{
	size_t chars = (want * 8 + 5) / 6, padded = (want + 2) / 3 * 4;
	uint8_t raw[HASH_BYTES + 3];
	char text[64];

	if (strspn(*at, base64) != chars || padded >= sizeof(text))
		return -EINVAL;
	memset(text, '=', padded);
	memcpy(text, *at, chars);
	if (EVP_DecodeBlock(raw, (uint8_t *)text, (int)padded) < (int)want)
		return -EINVAL;
	memcpy(out, raw, want);
	*at += chars;
	return 0;
}

static void
put_base64(char *out, const uint8_t *data, size_t len)
{
	EVP_EncodeBlock((uint8_t *)out, data, (int)len);
	out[strcspn(out, "=")] = '\0';
}

static int
parse(const char *text, struct stored *s)
{
	const char *at = text;
	int used = 0;

	if (strnlen(text, MFTD_PASSWORD_HASH_BYTES) == MFTD_PASSWORD_HASH_BYTES)
		return -EINVAL;
	if (sscanf(text, "$scrypt$ln=%2u,r=%2u,p=%2u$%n", &s->ln, &s->r, &s->p,
		&used) != 3 ||
	    used == 0)
		return -EINVAL;
	if (s->ln < LN_MIN || s->ln > LN_MAX || s->r < 1 || s->r > R_MAX ||
	    s->p < 1 || s->p > P_MAX)
		return -EINVAL;
	at += used;
	if (get_base64(&at, s->salt, SALT_BYTES) < 0 || *at++ != '$' ||
	    get_base64(&at, s->hash, HASH_BYTES) < 0 || *at != '\0')
		return -EINVAL;
	return 0;
}

static int
compute(const char *password, const struct stored *s, uint8_t *out)
{
	uint64_t n = (uint64_t)1 << s->ln;
	/* what scrypt needs: V is 128 * r * N; B and the rest are small */
	uint64_t max = 128 * s->r * (n + s->p + 2) + 65536;

	if (EVP_PBE_scrypt(password, strlen(password), s->salt, SALT_BYTES, n,
		s->r, s->p, max, out, HASH_BYTES) != 1)
		return -EIO;
	return 0;
}

int
mftd_password_hash(const char *password, char *out, size_t size)
{
	struct stored s = { .ln = LN, .r = R, .p = P };
	char salt[SALT_BYTES * 2], hash[HASH_BYTES * 2];
	int r;

	if (strnlen(password, MFTD_SECRET_BYTES) == MFTD_SECRET_BYTES)
		return -EINVAL;
	if (RAND_bytes(s.salt, SALT_BYTES) != 1)
		return -EIO;
	r = compute(password, &s, s.hash);
	if (r < 0)
		return r;
	put_base64(salt, s.salt, SALT_BYTES);
	put_base64(hash, s.hash, HASH_BYTES);
	if (snprintf(out, size, "$scrypt$ln=%u,r=%u,p=%u$%s$%s", s.ln, s.r, s.p,
		salt, hash) >= (int)size)
		return -ENOBUFS;
	return 0;
}

bool
mftd_password_hash_valid(const char *text)
{
	struct stored s;

	return parse(text, &s) == 0;
}

bool
mftd_password_hash_usual(const char *text)
{
	struct stored s;

	return parse(text, &s) == 0 && s.ln == LN && s.r == R && s.p == P;
}

int
mftd_password_verify(const char *password, const char *hash)
{
	uint8_t got[HASH_BYTES];
	struct stored s;
	int r;

	r = parse(hash, &s);
	if (r == 0)
		r = compute(password, &s, got);
	if (r == 0 && CRYPTO_memcmp(got, s.hash, HASH_BYTES) != 0)
		r = -MFTD_E_AUTH;
	OPENSSL_cleanse(got, sizeof(got));
	return r;
}
