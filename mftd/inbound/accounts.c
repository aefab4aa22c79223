/* Part of mftd; see LICENSE. */
#include "mftd/inbound/accounts.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "mftd/base/cidr.h"
#include "mftd/base/limits.h"
#include "mftd/inbound/cert.h"

/* Same parameters as a fresh hash; nobody knows a password of all-zero bytes'
 * worth of scrypt output, and a match with it is refused all the same. */
#define DUMMY_HASH                                      \
	"$scrypt$ln=17,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$" \
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

const struct mftd_account *
mftd_accounts_find(const struct mftd_objects *o, const char *name)
{
	size_t i;

	for (i = 0; o != NULL && i < o->n_accounts; i++)
		if (strcmp(o->accounts[i].name, name) == 0)
			return &o->accounts[i];
	return NULL;
}

/* Decodes the blob of "type base64 [comment]" into out.  Returns its length, 0
 * when the line does not parse. */
static size_t
line_blob(const char *line, uint8_t *out, size_t size)
{
	const char *b64 = strchr(line, ' ');
	size_t n, pad = 0;
	int got;

	if (b64 == NULL)
		return 0;
	b64 += strspn(b64, " ");
	n = strcspn(b64, " \t\r\n");
	if (n == 0 || n % 4 != 0 || n / 4 * 3 > size)
		return 0;
	while (pad < 2 && b64[n - 1 - pad] == '=')
		pad++;
	got = EVP_DecodeBlock(out, (const unsigned char *)b64, (int)n);
	return got < 0 ? 0 : (size_t)got - pad;
}

static bool
is_one_of(char *const *lines, size_t n, const uint8_t *blob, size_t len)
{
	uint8_t own[MFTD_KEY_BYTES];
	bool found = false;
	size_t i;

	for (i = 0; i < n; i++)
		if (len > 0 && line_blob(lines[i], own, sizeof(own)) == len &&
		    CRYPTO_memcmp(own, blob, len) == 0)
			found = true;
	return found;
}

bool
mftd_account_has_key(
    const struct mftd_account *a, const uint8_t *blob, size_t len)
{
	return a != NULL && is_one_of(a->keys, a->n_keys, blob, len);
}

static bool
is_principal(const struct mftd_account *a, const uint8_t *name, size_t len)
{
	size_t i;

	if (a->n_principals == 0)
		return strlen(a->name) == len &&
		    memcmp(a->name, name, len) == 0;
	for (i = 0; i < a->n_principals; i++)
		if (strlen(a->principals[i]) == len &&
		    memcmp(a->principals[i], name, len) == 0)
			return true;
	return false;
}

const char *
mftd_account_cert_fault(const struct mftd_account *a, const uint8_t *blob,
    size_t len, const char *source, int64_t now_s)
{
	struct mftd_cert c;
	const uint8_t *name;
	size_t i, n;
	int r;

	if (a == NULL)
		return "no such account";
	r = mftd_cert_read(&c, blob, len);
	if (r == 0 &&
	    !is_one_of(a->authorities, a->n_authorities, c.authority,
		c.authority_bytes))
		return "its authority is none of the account's";
	if (r == 0)
		r = mftd_cert_verify(&c);
	if (r < 0)
		return "not a good certificate";
	if (!c.is_user)
		return "not a user certificate";
	if (now_s < 0 || (uint64_t)now_s < c.after ||
	    (uint64_t)now_s >= c.before)
		return "not valid now";
	if (mftd_cert_source_fault(&c, source))
		return "not for this address";
	if (c.unknown_option)
		return "it has an option that is not heeded here";
	for (i = 0; mftd_cert_principal(&c, i, &name, &n); i++)
		if (is_principal(a, name, n))
			return NULL;
	return "names none of the account's principals";
}

const char *
mftd_account_shut(const struct mftd_account *a, int64_t now_s)
{
	if (a == NULL)
		return "no such account";
	if (a->disabled)
		return "disabled";
	if (a->expires_s != 0 && now_s >= a->expires_s)
		return "expired";
	return NULL;
}

const char *
mftd_account_fault(
    const struct mftd_account *a, const char *source, int64_t now_s)
{
	const char *shut = mftd_account_shut(a, now_s);

	if (shut != NULL)
		return shut;
	if (a->n_sources > 0 &&
	    !mftd_cidr_any(a->sources, a->n_sources, source))
		return "not from this address";
	return NULL;
}

bool
mftd_account_takes_key(const struct mftd_account *a)
{
	return a->methods == NULL || strcmp(a->methods, "password") != 0;
}

bool
mftd_account_takes_password(const struct mftd_account *a)
{
	return a->methods == NULL || strcmp(a->methods, "publickey") != 0;
}

bool
mftd_account_needs_both(const struct mftd_account *a)
{
	return a->methods != NULL &&
	    strcmp(a->methods, "publickey+password") == 0;
}

const char *
mftd_account_hash(const struct mftd_account *a, bool *dummy)
{
	*dummy = a == NULL || a->password_hash == NULL;
	return *dummy ? DUMMY_HASH : a->password_hash;
}

/* Both lists are in the order of names, as the snapshot tells them. */
void
mftd_accounts_newly_shut(const struct mftd_objects *before, int64_t before_s,
    const struct mftd_objects *now, int64_t now_s,
    void (*tell)(void *data, const char *account, const char *why), void *data)
{
	const struct mftd_account *a, *b = now->accounts;
	const struct mftd_account *end = b + now->n_accounts;
	const char *why;
	size_t i;

	for (i = 0; i < before->n_accounts; i++) {
		a = &before->accounts[i];
		while (b < end && strcmp(b->name, a->name) < 0)
			b++;
		why = mftd_account_shut(
		    b < end && strcmp(b->name, a->name) == 0 ? b : NULL, now_s);
		if (why != NULL && mftd_account_shut(a, before_s) == NULL)
			tell(data, a->name, why);
	}
}
