/* Part of mftd; see LICENSE. */
#include "mftd/inbound/accounts.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "mftd/base/limits.h"

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

bool
mftd_account_has_key(
    const struct mftd_account *a, const uint8_t *blob, size_t len)
{
	uint8_t own[MFTD_KEY_BYTES];
	bool found = false;
	size_t i;

	for (i = 0; a != NULL && i < a->n_keys; i++)
		if (len > 0 && line_blob(a->keys[i], own, sizeof(own)) == len &&
		    CRYPTO_memcmp(own, blob, len) == 0)
			found = true;
	return found;
}

const char *
mftd_account_hash(const struct mftd_account *a, bool *dummy)
{
	*dummy = a == NULL || a->password_hash == NULL;
	return *dummy ? DUMMY_HASH : a->password_hash;
}
