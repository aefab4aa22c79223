/* Part of mftd; see LICENSE. */
#include "mftd/journal/head.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pemerr.h>
#include <openssl/x509.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"

#define KEY_FILE "journal.key"
#define PUBLIC_FILE "journal.pub"
#define PEM_BYTES_MAX 4096
#define HEAD_FILE_BYTES_MAX 1024

static const struct {
	const char *signed_as, *word;
} uses[] = { { "MFTDHEAD", "newest" }, { "MFTDLAST", "last" },
	{ "MFTDSEGM", "segment" } };

/* What is signed. */
struct statement {
	char use[8];
	char stream[MFTD_ID_BYTES];
	uint64_t seq;
	uint8_t hash[MFTD_SHA256_BYTES];
};

struct mftd_signer {
	EVP_PKEY *pkey;
	uint8_t public[MFTD_HEAD_KEY_BYTES];
};

static void
state(enum mftd_head_use use, const struct mftd_head *h, struct statement *st)
{
	memset(st, 0, sizeof(*st));
	memcpy(st->use, uses[use].signed_as, sizeof(st->use));
	memcpy(st->stream, h->stream, strnlen(h->stream, MFTD_ID_BYTES));
	st->seq = htobe64(h->seq);
	memcpy(st->hash, h->hash, sizeof(st->hash));
}

int
mftd_head_sign(const struct mftd_signer *by, enum mftd_head_use use,
    struct mftd_signed_head *s)
{
	size_t len = sizeof(s->signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct statement st;
	int ok;

	state(use, &s->head, &st);
	memcpy(s->key, by->public, sizeof(s->key));
	ok = ctx != NULL &&
	    EVP_DigestSignInit(ctx, NULL, NULL, NULL, by->pkey) == 1 &&
	    EVP_DigestSign(
		ctx, s->signature, &len, (const uint8_t *)&st, sizeof(st)) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : -ENOMEM;
}

bool
mftd_head_holds(enum mftd_head_use use, const struct mftd_signed_head *s)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_public_key(
	    EVP_PKEY_ED25519, NULL, s->key, sizeof(s->key));
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct statement st;
	bool holds;

	state(use, &s->head, &st);
	holds = key != NULL && ctx != NULL &&
	    EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(ctx, s->signature, sizeof(s->signature),
		(const uint8_t *)&st, sizeof(st)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	return holds;
}

/* ---- the node's key */

/* The bytes that a PEM writer left; b stays the caller's. */
static int
create(int dir, const char *name, BIO *b, mode_t mode)
{
	char *text;
	long len = BIO_get_mem_data(b, &text);
	int r = mftd_file_create(dir, name, text, (size_t)len, mode);

	return r == -EEXIST ? 0 : r;
}

static int
make_key(int dir)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	BIO *b = BIO_new(BIO_s_secmem());
	int r = -ENOMEM;

	if (key != NULL && b != NULL &&
	    PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL) == 1)
		r = create(dir, KEY_FILE, b, 0600);
	BIO_free(b);
	EVP_PKEY_free(key);
	return r;
}

static int
make_public(int dir, EVP_PKEY *key)
{
	BIO *b = BIO_new(BIO_s_mem());
	int r = -ENOMEM;

	if (b != NULL && PEM_write_bio_PUBKEY(b, key) == 1)
		r = create(dir, PUBLIC_FILE, b, 0644);
	BIO_free(b);
	return r;
}

/* key if it is of our kind; else it is freed. */
static EVP_PKEY *
ed25519(EVP_PKEY *key)
{
	if (key == NULL || EVP_PKEY_get_id(key) == EVP_PKEY_ED25519)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

static int
read_key(int dir, EVP_PKEY **key)
{
	char *text;
	size_t len;
	BIO *b;
	int r = mftd_file_read(dir, KEY_FILE, PEM_BYTES_MAX, &text, &len);

	if (r < 0)
		return r;
	b = BIO_new_mem_buf(text, (int)len);
	*key = b != NULL ? ed25519(PEM_read_bio_PrivateKey(b, NULL, NULL, NULL))
			 : NULL;
	BIO_free(b);
	explicit_bzero(text, len);
	free(text);
	return *key != NULL ? 0 : -MFTD_E_CORRUPT;
}

static int
public_of(EVP_PKEY *key, uint8_t out[MFTD_HEAD_KEY_BYTES])
{
	size_t len = MFTD_HEAD_KEY_BYTES;

	return EVP_PKEY_get_raw_public_key(key, out, &len) == 1 &&
		len == MFTD_HEAD_KEY_BYTES
	    ? 0
	    : -MFTD_E_CORRUPT;
}

int
mftd_signer_open(int state_dir, struct mftd_signer **out)
{
	struct mftd_signer *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return -ENOMEM;
	r = read_key(state_dir, &s->pkey);
	if (r == -ENOENT) {
		r = make_key(state_dir);
		if (r == 0)
			r = read_key(state_dir, &s->pkey);
	}
	if (r == 0)
		r = public_of(s->pkey, s->public);
	if (r == 0)
		r = make_public(state_dir, s->pkey);
	if (r < 0) {
		mftd_signer_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void
mftd_signer_close(struct mftd_signer *s)
{
	if (s == NULL)
		return;
	EVP_PKEY_free(s->pkey);
	free(s);
}

/* The next public key in b: 1, 0 at its end, -EINVAL for what is none. */
static int
next_key(BIO *b, uint8_t out[MFTD_HEAD_KEY_BYTES])
{
	char *name = NULL, *header = NULL;
	uint8_t *data = NULL;
	const uint8_t *at;
	EVP_PKEY *key;
	long len = 0;
	int r;

	ERR_clear_error();
	if (PEM_read_bio(b, &name, &header, &data, &len) != 1)
		return ERR_GET_REASON(ERR_peek_last_error()) ==
			PEM_R_NO_START_LINE
		    ? 0
		    : -EINVAL;
	at = data;
	key = ed25519(d2i_PUBKEY(NULL, &at, len));
	r = key != NULL && public_of(key, out) == 0 ? 1 : -EINVAL;
	EVP_PKEY_free(key);
	OPENSSL_free(name);
	OPENSSL_free(header);
	OPENSSL_free(data);
	return r;
}

int
mftd_head_keys(const char *path, uint8_t (*out)[MFTD_HEAD_KEY_BYTES], int max)
{
	uint8_t key[MFTD_HEAD_KEY_BYTES];
	char *text;
	size_t len;
	BIO *b;
	int n = 0, r;

	r = mftd_file_read(
	    AT_FDCWD, path, (size_t)max * PEM_BYTES_MAX, &text, &len);
	if (r < 0)
		return r;
	b = BIO_new_mem_buf(text, (int)len);
	while (b != NULL && (r = next_key(b, key)) == 1 && n < max)
		memcpy(out[n++], key, sizeof(key));
	BIO_free(b);
	free(text);
	return r == 0 && n > 0 ? n : -EINVAL;
}

/* ---- the file */

/* A line of the file: a word and bytes in hex. */
static int
put_hex(char *out, size_t size, const char *word, const uint8_t *in, size_t n)
{
	int at = snprintf(out, size, "%s ", word);
	size_t i;

	for (i = 0; i < n; i++)
		at += snprintf(out + at, size - (size_t)at, "%02x", in[i]);
	return at + snprintf(out + at, size - (size_t)at, "\n");
}

static bool
get_hex(const char *text, uint8_t *out, size_t n)
{
	size_t len;

	return strlen(text) == 2 * n &&
	    OPENSSL_hexstr2buf_ex(out, n, &len, text, '\0') == 1 && len == n;
}

int
mftd_head_write(
    int stream_dir, enum mftd_head_use use, const struct mftd_signed_head *s)
{
	char text[HEAD_FILE_BYTES_MAX];
	int n = snprintf(text, sizeof(text), "%s\nstream %s\nseq %" PRIu64 "\n",
	    uses[use].word, s->head.stream, s->head.seq);

	n += put_hex(text + n, sizeof(text) - (size_t)n, "hash", s->head.hash,
	    sizeof(s->head.hash));
	n += put_hex(
	    text + n, sizeof(text) - (size_t)n, "key", s->key, sizeof(s->key));
	n += put_hex(text + n, sizeof(text) - (size_t)n, "signature",
	    s->signature, sizeof(s->signature));
	return mftd_file_replace(
	    stream_dir, MFTD_STREAM_HEAD, text, (size_t)n, 0640);
}

int
mftd_head_read(
    int stream_dir, enum mftd_head_use *use, struct mftd_signed_head *s)
{
	char word[8];
	char hash[2 * MFTD_SHA256_BYTES + 1];
	char key[2 * MFTD_HEAD_KEY_BYTES + 1];
	char signature[2 * MFTD_HEAD_SIGNATURE_BYTES + 1];
	char *text;
	size_t len;
	bool good;
	int r = mftd_file_read(
	    stream_dir, MFTD_STREAM_HEAD, HEAD_FILE_BYTES_MAX, &text, &len);

	if (r < 0)
		return r == -EFBIG ? -MFTD_E_CORRUPT : r;
	memset(s, 0, sizeof(*s));
	good = sscanf(text,
		   "%7s stream %95s seq %" SCNu64 " hash %64s key %64s "
		   "signature %128s",
		   word, s->head.stream, &s->head.seq, hash, key,
		   signature) == 6 &&
	    (strcmp(word, "newest") == 0 || strcmp(word, "last") == 0) &&
	    mftd_id_valid(s->head.stream) &&
	    get_hex(hash, s->head.hash, sizeof(s->head.hash)) &&
	    get_hex(key, s->key, sizeof(s->key)) &&
	    get_hex(signature, s->signature, sizeof(s->signature));
	free(text);
	*use = good && strcmp(word, "last") == 0 ? MFTD_HEAD_LAST
						 : MFTD_HEAD_NEWEST;
	return good ? 0 : -MFTD_E_CORRUPT;
}
