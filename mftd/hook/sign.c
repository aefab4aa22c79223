/* Part of mftd; see LICENSE. */
#include "mftd/hook/sign.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "mftd/base/limits.h"

#define PREFIX "whsec_"

/* The key that secret stands for.  Its length or -EINVAL. */
static int
key_of(const char *secret, uint8_t key[MFTD_SECRET_BYTES])
{
	size_t len = strlen(secret), pad = 0;
	int n;

	if (len >= MFTD_SECRET_BYTES)
		return -EINVAL;
	if (strncmp(secret, PREFIX, strlen(PREFIX)) != 0) {
		memcpy(key, secret, len);
		return (int)len;
	}
	secret += strlen(PREFIX);
	len -= strlen(PREFIX);
	while (pad < 2 && pad < len && secret[len - 1 - pad] == '=')
		pad++;
	n = len > 0 && len % 4 == 0
	    ? EVP_DecodeBlock(key, (const uint8_t *)secret, (int)len)
	    : -1;
	return n < 0 ? -EINVAL : n - (int)pad;
}

int
mftd_hook_sign(const char *secret, const char *id, long long timestamp,
    const char *body, char out[MFTD_HOOK_SIGNATURE_BYTES])
{
	uint8_t key[MFTD_SECRET_BYTES], sum[EVP_MAX_MD_SIZE], *made;
	char *text = NULL;
	unsigned len = 0;
	int n = key_of(secret, key);

	if (n < 0)
		return n;
	if (asprintf(&text, "%s.%lld.%s", id, timestamp, body) < 0)
		return -ENOMEM;
	made = HMAC(EVP_sha256(), key, n, (const uint8_t *)text, strlen(text),
	    sum, &len);
	explicit_bzero(key, sizeof(key));
	free(text);
	if (made == NULL)
		return -EIO;
	memcpy(out, "v1,", 3);
	EVP_EncodeBlock((uint8_t *)out + 3, sum, (int)len);
	return 0;
}
