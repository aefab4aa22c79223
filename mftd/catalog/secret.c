/* Part of mftd; see LICENSE. */
#include "mftd/catalog/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"

#define NONCE_BYTES 12
#define TAG_BYTES 16
#define PREFIX "$aes256gcm$"
#define BLOB_BYTES (NONCE_BYTES + MFTD_SECRET_BYTES + TAG_BYTES + 3)

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
parse_key(const char *text, struct mftd_secret_key *out)
{
	int i, high, low;

	for (i = 0; i < MFTD_SECRET_KEY_BYTES; i++) {
		high = hex_digit(text[2 * i]);
		low = high >= 0 ? hex_digit(text[2 * i + 1]) : -1;
		if (low < 0)
			return -MFTD_E_CORRUPT;
		out->bytes[i] = (uint8_t)(high << 4 | low);
	}
	return text[2 * i] == '\n' && text[2 * i + 1] == '\0' ? 0
							      : -MFTD_E_CORRUPT;
}

int
mftd_secret_key_read(const char *path, struct mftd_secret_key *out)
{
	char text[2 * MFTD_SECRET_KEY_BYTES + 3] = "";
	struct stat st;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		r = -errno;
	else if (!S_ISREG(st.st_mode))
		r = -MFTD_E_CORRUPT;
	else if ((st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
		r = -EPERM;
	if (r == 0) {
		n = mftd_fd_pread_full(fd, text, sizeof(text) - 1, 0);
		r = n < 0 ? (int)n : parse_key(text, out);
	}
	explicit_bzero(text, sizeof(text));
	close(fd);
	return r;
}

const char *
mftd_secret_key_fault(int err)
{
	switch (err) {
	case -EPERM:
		return "is a file that everybody may read, or others may write";
	case -MFTD_E_CORRUPT:
		return "is no file of 64 hexadecimal digits";
	default:
		return mftd_strerror(err);
	}
}

/* "$aes256gcm$01234567$", what a text sealed under key begins with. */
static void
begin_of(const struct mftd_secret_key *key, char out[32])
{
	uint8_t sum[SHA256_DIGEST_LENGTH];

	SHA256(key->bytes, sizeof(key->bytes), sum);
	snprintf(out, 32, PREFIX "%02x%02x%02x%02x$", sum[0], sum[1], sum[2],
	    sum[3]);
}

/*
 * blob: nonce, len bytes, tag.  Encrypts the bytes in place and sets the tag,
 * or decrypts them and checks it.  The place is authenticated with them.
 */
static int
run(bool seal, const struct mftd_secret_key *key, const char *place,
    uint8_t *blob, size_t len)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	uint8_t *text = blob + NONCE_BYTES, *tag = text + len;
	int n, good = c != NULL;

	good = good &&
	    EVP_CipherInit_ex(
		c, EVP_aes_256_gcm(), NULL, key->bytes, blob, seal) == 1 &&
	    EVP_CipherUpdate(
		c, NULL, &n, (const uint8_t *)place, (int)strlen(place)) == 1 &&
	    EVP_CipherUpdate(c, text, &n, text, (int)len) == 1;
	if (!seal)
		good = good &&
		    EVP_CIPHER_CTX_ctrl(
			c, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, tag) == 1;
	good = good && EVP_CipherFinal_ex(c, text + len, &n) == 1;
	if (seal)
		good = good &&
		    EVP_CIPHER_CTX_ctrl(
			c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag) == 1;
	EVP_CIPHER_CTX_free(c);
	return good ? 0 : -EIO;
}

int
mftd_secret_seal(const struct mftd_secret_key *key, const char *place,
    const char *text, char out[MFTD_SEALED_BYTES])
{
	uint8_t blob[BLOB_BYTES];
	size_t len = strlen(text);
	int r;

	if (len >= MFTD_SECRET_BYTES)
		return -EMSGSIZE;
	memcpy(blob + NONCE_BYTES, text, len);
	if (RAND_bytes(blob, NONCE_BYTES) != 1) {
		explicit_bzero(blob, sizeof(blob));
		return -EIO;
	}
	r = run(true, key, place, blob, len);
	if (r == 0) {
		begin_of(key, out);
		EVP_EncodeBlock((uint8_t *)out + strlen(out), blob,
		    (int)(NONCE_BYTES + len + TAG_BYTES));
	}
	explicit_bzero(blob, sizeof(blob));
	return r;
}

/* Base64 as it is encoded, and nothing else.  How many bytes, or
 * -MFTD_E_CORRUPT. */
static int
decode(const char *text, uint8_t *out, size_t size)
{
	size_t len = strlen(text), pad = len - strcspn(text, "=");
	char again[MFTD_SEALED_BYTES];
	int n;

	if (len % 4 != 0 || pad > 2 || len / 4 * 3 > size)
		return -MFTD_E_CORRUPT;
	n = EVP_DecodeBlock(out, (const uint8_t *)text, (int)len);
	if (n < (int)pad)
		return -MFTD_E_CORRUPT;
	n -= (int)pad;
	EVP_EncodeBlock((uint8_t *)again, out, n);
	return strcmp(again, text) == 0 ? n : -MFTD_E_CORRUPT;
}

int
mftd_secret_open(const struct mftd_secret_key *key, const char *place,
    const char *sealed, char out[MFTD_SECRET_BYTES])
{
	uint8_t blob[BLOB_BYTES];
	char begin[32];
	size_t len;
	int n;

	begin_of(key, begin);
	if (strncmp(sealed, PREFIX, strlen(PREFIX)) != 0)
		return -MFTD_E_CORRUPT;
	if (strncmp(sealed, begin, strlen(begin)) != 0)
		return -ENOKEY;
	n = decode(sealed + strlen(begin), blob, sizeof(blob));
	if (n < NONCE_BYTES + TAG_BYTES ||
	    n >= NONCE_BYTES + TAG_BYTES + MFTD_SECRET_BYTES)
		return -MFTD_E_CORRUPT;
	len = (size_t)n - NONCE_BYTES - TAG_BYTES;
	if (run(false, key, place, blob, len) < 0) {
		explicit_bzero(blob, sizeof(blob));
		return -MFTD_E_CORRUPT;
	}
	memcpy(out, blob + NONCE_BYTES, len);
	out[len] = '\0';
	explicit_bzero(blob, sizeof(blob));
	return 0;
}

void
mftd_secret_of_partner(const char *name, char *const *host_keys, size_t n,
    char out[MFTD_SECRET_PLACE_BYTES])
{
	uint8_t sum[SHA256_DIGEST_LENGTH] = { 0 };
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	uint8_t both[2 * SHA256_DIGEST_LENGTH];
	size_t i;

	/* of all keys so far, then of that and the next one's */
	for (i = 0; i < n; i++) {
		memcpy(both, sum, sizeof(sum));
		SHA256((const uint8_t *)host_keys[i], strlen(host_keys[i]),
		    both + sizeof(sum));
		SHA256(both, sizeof(both), sum);
	}
	for (i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	snprintf(out, MFTD_SECRET_PLACE_BYTES, "partner %s password for %s",
	    name, hex);
}

void
mftd_secret_of_hook(
    const char *name, const char *url, char out[MFTD_SECRET_PLACE_BYTES])
{
	uint8_t sum[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];
	size_t i;

	SHA256((const uint8_t *)url, strlen(url), sum);
	for (i = 0; i < sizeof(sum); i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	snprintf(
	    out, MFTD_SECRET_PLACE_BYTES, "hook %s secret for %s", name, hex);
}
