/* Part of mftd; see LICENSE. */
#include "mftd/inbound/cert.h"

#include <errno.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "mftd/base/buf.h"
#include "mftd/base/cidr.h"
#include "mftd/base/limits.h"

#define SSH_CERT_TYPE_USER 1
#define WORD_BYTES 64
#define RSA_BITS_MIN 2048

/* Which fields of the key stand between nonce and serial. */
static const struct {
	const char *type;
	int fields;
} types[] = {
	{ "ssh-ed25519-cert-v01@openssh.com", 1 }, /* key */
	{ "ecdsa-sha2-nistp256-cert-v01@openssh.com", 2 }, /* curve, point */
	{ "ecdsa-sha2-nistp384-cert-v01@openssh.com", 2 },
	{ "ecdsa-sha2-nistp521-cert-v01@openssh.com", 2 },
	{ "ssh-rsa-cert-v01@openssh.com", 2 }, /* e, n */
};

#define N_TYPES (sizeof(types) / sizeof(types[0]))

static bool
is_word(const uint8_t *data, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(data, word, len) == 0;
}

/* The row of the blob's type, N_TYPES for another. */
static size_t
type_of(const uint8_t *name, size_t len)
{
	size_t i;

	for (i = 0; i < N_TYPES; i++)
		if (is_word(name, len, types[i].type))
			break;
	return i;
}

bool
mftd_cert_is(const uint8_t *blob, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(blob, len);
	const uint8_t *name;
	size_t n;
	bool is = b != NULL && mftd_buf_get_string(b, &name, &n) == 0 &&
	    type_of(name, n) < N_TYPES;

	mftd_buf_free(b);
	return is;
}

/* source-address is heeded; force-command cannot be, here is no command. */
static int
read_options(struct mftd_cert *c, const uint8_t *data, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(data, len), *v = NULL;
	const uint8_t *name, *value;
	size_t name_len, value_len;
	int r = b != NULL ? 0 : -ENOMEM;

	while (r == 0 && mftd_buf_len(b) > 0) {
		r = mftd_buf_get_string(b, &name, &name_len);
		if (r == 0)
			r = mftd_buf_get_string(b, &value, &value_len);
		if (r < 0)
			break;
		if (!is_word(name, name_len, "source-address")) {
			c->unknown_option = true;
			continue;
		}
		v = mftd_buf_from(value, value_len);
		r = v != NULL
		    ? mftd_buf_get_string(v, &c->sources, &c->sources_bytes)
		    : -ENOMEM;
		if (r == 0 && mftd_buf_len(v) > 0)
			r = -EBADMSG;
		mftd_buf_free(v);
	}
	mftd_buf_free(b);
	return r;
}

/* Behind the key's own fields. */
static int
read_rest(struct mftd_cert *c, struct mftd_buf *b)
{
	const uint8_t *skip, *options;
	size_t n, options_bytes;
	uint64_t serial;
	uint32_t type;
	int r = mftd_buf_get_u64(b, &serial);

	if (r == 0)
		r = mftd_buf_get_u32(b, &type);
	if (r == 0) /* key id */
		r = mftd_buf_get_string(b, &skip, &n);
	if (r == 0)
		r = mftd_buf_get_string(
		    b, &c->principals, &c->principals_bytes);
	if (r == 0)
		r = mftd_buf_get_u64(b, &c->after);
	if (r == 0)
		r = mftd_buf_get_u64(b, &c->before);
	if (r == 0)
		r = mftd_buf_get_string(b, &options, &options_bytes);
	if (r == 0) /* extensions allow what is not here anyway */
		r = mftd_buf_get_string(b, &skip, &n);
	if (r == 0) /* reserved */
		r = mftd_buf_get_string(b, &skip, &n);
	if (r == 0)
		r = mftd_buf_get_string(b, &c->authority, &c->authority_bytes);
	if (r < 0)
		return r;
	c->is_user = type == SSH_CERT_TYPE_USER;
	return read_options(c, options, options_bytes);
}

int
mftd_cert_read(struct mftd_cert *c, const uint8_t *blob, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(blob, len);
	const uint8_t *field;
	size_t n, type = N_TYPES;
	int i, r = b != NULL ? 0 : -ENOMEM;

	memset(c, 0, sizeof(*c));
	if (r == 0)
		r = mftd_buf_get_string(b, &field, &n);
	if (r == 0) {
		type = type_of(field, n);
		r = type < N_TYPES ? 0 : -EBADMSG;
	}
	/* the nonce, and the key */
	for (i = 0; r == 0 && i < 1 + types[type].fields; i++)
		r = mftd_buf_get_string(b, &field, &n);
	if (r == 0)
		r = read_rest(c, b);
	if (r == 0) {
		c->signed_part = blob;
		c->signed_bytes = len - mftd_buf_len(b);
		r = mftd_buf_get_string(b, &c->signature, &c->signature_bytes);
	}
	if (r == 0 && mftd_buf_len(b) > 0)
		r = -EBADMSG;
	mftd_buf_free(b);
	return r < 0 && r != -ENOMEM ? -EBADMSG : r;
}

/* ---- the signature */

/* A key of that type from the n parameters in bld, or NULL. */
static EVP_PKEY *
build(const char *type, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static EVP_PKEY *
rsa_key(struct mftd_buf *b)
{
	const uint8_t *e, *n;
	size_t e_len, n_len;
	BIGNUM *be = NULL, *bn = NULL;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY *key = NULL;

	if (bld == NULL || mftd_buf_get_string(b, &e, &e_len) < 0 ||
	    mftd_buf_get_string(b, &n, &n_len) < 0)
		goto out;
	be = BN_bin2bn(e, (int)e_len, NULL);
	bn = BN_bin2bn(n, (int)n_len, NULL);
	if (be == NULL || bn == NULL || BN_num_bits(bn) < RSA_BITS_MIN ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) != 1 ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) != 1)
		goto out;
	key = build("RSA", bld);
out:
	BN_free(be);
	BN_free(bn);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

static EVP_PKEY *
ec_key(struct mftd_buf *b, const char *curve, const char *group)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	const uint8_t *name, *point;
	size_t name_len, len;
	EVP_PKEY *key = NULL;

	if (bld != NULL && mftd_buf_get_string(b, &name, &name_len) == 0 &&
	    is_word(name, name_len, curve) &&
	    mftd_buf_get_string(b, &point, &len) == 0 &&
	    OSSL_PARAM_BLD_push_utf8_string(
		bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(
		bld, OSSL_PKEY_PARAM_PUB_KEY, point, len) == 1)
		key = build("EC", bld);
	OSSL_PARAM_BLD_free(bld);
	return key;
}

static EVP_PKEY *
ed25519_key(struct mftd_buf *b)
{
	const uint8_t *raw;
	size_t len;

	if (mftd_buf_get_string(b, &raw, &len) < 0)
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, len);
}

/* An ECDSA signature of SSH (RFC 5656 section 3.1.2: two mpints) as DER. */
static int
ec_der(const uint8_t *sig, size_t len, uint8_t **der)
{
	struct mftd_buf *b = mftd_buf_from(sig, len);
	ECDSA_SIG *es = ECDSA_SIG_new();
	const uint8_t *r, *s;
	size_t r_len, s_len;
	BIGNUM *br = NULL, *bs = NULL;
	int n = -1;

	*der = NULL;
	if (b != NULL && es != NULL &&
	    mftd_buf_get_string(b, &r, &r_len) == 0 &&
	    mftd_buf_get_string(b, &s, &s_len) == 0 && mftd_buf_len(b) == 0) {
		br = BN_bin2bn(r, (int)r_len, NULL);
		bs = BN_bin2bn(s, (int)s_len, NULL);
		if (br != NULL && bs != NULL &&
		    ECDSA_SIG_set0(es, br, bs) == 1) {
			br = bs = NULL; /* es has them now */
			n = i2d_ECDSA_SIG(es, der);
		}
	}
	BN_free(br);
	BN_free(bs);
	ECDSA_SIG_free(es);
	mftd_buf_free(b);
	return n;
}

/* What a key type may sign with: its name in the signature, and the digest. */
static const struct scheme {
	const char *key_type, *signature;
	const EVP_MD *(*md)(void); /* NULL: none */
	const char *curve, *group; /* of EC */
} schemes[] = {
	{ "ssh-ed25519", "ssh-ed25519", NULL, NULL, NULL },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256", EVP_sha256, "nistp256",
	    "prime256v1" },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", EVP_sha384, "nistp384",
	    "secp384r1" },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521", EVP_sha512, "nistp521",
	    "secp521r1" },
	/* never ssh-rsa with its SHA-1 */
	{ "ssh-rsa", "rsa-sha2-256", EVP_sha256, NULL, NULL },
	{ "ssh-rsa", "rsa-sha2-512", EVP_sha512, NULL, NULL },
};

static bool
verify_with(const struct mftd_cert *c, const struct scheme *s,
    struct mftd_buf *key_fields, const uint8_t *sig, size_t sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key;
	uint8_t *der = NULL;
	int n;
	bool ok = false;

	if (s->curve != NULL)
		key = ec_key(key_fields, s->curve, s->group);
	else
		key = s->md != NULL ? rsa_key(key_fields)
				    : ed25519_key(key_fields);
	if (key == NULL || ctx == NULL || mftd_buf_len(key_fields) > 0)
		goto out;
	if (s->curve != NULL) {
		n = ec_der(sig, sig_len, &der);
		if (n <= 0)
			goto out;
		sig = der;
		sig_len = (size_t)n;
	}
	ok = EVP_DigestVerifyInit(
		 ctx, NULL, s->md != NULL ? s->md() : NULL, NULL, key) == 1 &&
	    EVP_DigestVerify(
		ctx, sig, sig_len, c->signed_part, c->signed_bytes) == 1;
out:
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	EVP_MD_CTX_free(ctx);
	return ok;
}

int
mftd_cert_verify(const struct mftd_cert *c)
{
	struct mftd_buf *key = mftd_buf_from(c->authority, c->authority_bytes);
	struct mftd_buf *b = mftd_buf_from(c->signature, c->signature_bytes);
	const uint8_t *type, *name, *sig;
	size_t type_len, name_len, sig_len, i;
	bool ok = false;

	if (key == NULL || b == NULL ||
	    mftd_buf_get_string(key, &type, &type_len) < 0 ||
	    mftd_buf_get_string(b, &name, &name_len) < 0 ||
	    mftd_buf_get_string(b, &sig, &sig_len) < 0 || mftd_buf_len(b) > 0)
		goto out;
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (is_word(type, type_len, schemes[i].key_type) &&
		    is_word(name, name_len, schemes[i].signature)) {
			ok = verify_with(c, &schemes[i], key, sig, sig_len);
			break;
		}
out:
	mftd_buf_free(key);
	mftd_buf_free(b);
	return ok ? 0 : -EBADMSG;
}

/* ---- what it says */

bool
mftd_cert_principal(
    const struct mftd_cert *c, size_t i, const uint8_t **name, size_t *len)
{
	struct mftd_buf *b;
	int r = 0;

	b = mftd_buf_from(c->principals, c->principals_bytes);
	if (b == NULL)
		return false;
	for (i++; r == 0 && i > 0; i--)
		r = mftd_buf_get_string(b, name, len);
	mftd_buf_free(b);
	return r == 0;
}

bool
mftd_cert_source_fault(const struct mftd_cert *c, const char *source)
{
	const uint8_t *at = c->sources, *end = at + c->sources_bytes, *comma;
	char word[WORD_BYTES];
	struct mftd_cidr net;
	size_t n;

	if (at == NULL)
		return false;
	for (; at < end; at += n + 1) {
		comma = memchr(at, ',', (size_t)(end - at));
		n = comma != NULL ? (size_t)(comma - at) : (size_t)(end - at);
		if (n >= sizeof(word))
			return true;
		memcpy(word, at, n);
		word[n] = '\0';
		if (mftd_cidr_parse(word, &net) == 0 &&
		    mftd_cidr_has(&net, source))
			return false;
	}
	return true;
}
