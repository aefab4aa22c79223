/* Part of mftd; see LICENSE. */
#include "mftd/catalog/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "mftd/base/limits.h"
#include "mftd/base/path.h"

#define FIELD_BYTES 64
#define RSA_BITS_MIN 2048 /* as libssh is told (ssh/server.c) */

int
mftd_check_refuse(
    const struct mftd_check *p, const char *name, const char *words)
{
	char field[FIELD_BYTES];

	snprintf(field, sizeof(field), "%s[%zu].%s", p->list, p->index, name);
	return mftd_yaml_refuse(p->y, field, "%s", words);
}

int
mftd_check_refuse_entry(const struct mftd_check *p, const char *name,
    size_t index, const char *words)
{
	char entry[FIELD_BYTES / 2];

	snprintf(entry, sizeof(entry), "%s[%zu]", name, index);
	return mftd_check_refuse(p, entry, words);
}

bool
mftd_check_given(const struct mftd_check *p, const char *name)
{
	char field[FIELD_BYTES];

	snprintf(field, sizeof(field), "%s[%zu].%s", p->list, p->index, name);
	return mftd_yaml_has(p->y, field);
}

/* Whether the blob of a public key begins with the string type (RFC 4253
 * section 6.6) and holds something behind it. */
static bool
blob_has_type(const uint8_t *blob, size_t len, const char *type, size_t n)
{
	uint32_t be;

	if (len <= sizeof(be) + n)
		return false;
	memcpy(&be, blob, sizeof(be));
	return ntohl(be) == n && memcmp(blob + sizeof(be), type, n) == 0;
}

/* Bits of an RSA key's modulus (RFC 4253 section 6.6: type, e, n); 0: none. */
static size_t
rsa_bits(const uint8_t *blob, size_t len)
{
	size_t at = 0, n = 0;
	uint32_t be;
	int i;

	for (i = 0; i < 3; i++) {
		at += n;
		if (len - at < sizeof(be))
			return 0;
		memcpy(&be, blob + at, sizeof(be));
		at += sizeof(be);
		n = ntohl(be);
		if (n > len - at)
			return 0;
	}
	while (n > 0 && blob[at] == 0) {
		at++;
		n--;
	}
	return n == 0 ? 0 : 8 * n - (size_t)__builtin_clz(blob[at]) + 24;
}

/* NULL, or why no key of that type can ever be used. */
static const char *
kind_fault(const uint8_t *blob, size_t len, const char *type, size_t n)
{
	static const char *const taken[] = { "ssh-ed25519",
		"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
		"ecdsa-sha2-nistp521", "ssh-rsa" };
	size_t i;

	for (i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		if (n == strlen(taken[i]) && strncmp(type, taken[i], n) == 0)
			break;
	if (i == sizeof(taken) / sizeof(taken[0]))
		return "keys of this type are not accepted";
	if (strncmp(type, "ssh-rsa", n) == 0 &&
	    rsa_bits(blob, len) < RSA_BITS_MIN)
		return "an RSA key of less than 2048 bits";
	return NULL;
}

/* NULL, or what is wrong with "type base64 [comment]". */
static const char *
key_fault(const char *line)
{
	size_t type = strcspn(line, " "), chars, len;
	uint8_t blob[MFTD_KEY_BYTES];
	const char *text = line + type;

	if (*text != ' ')
		return "must be: type base64 [comment]";
	text += strspn(text, " ");
	chars = strcspn(text, " ");
	if (chars == 0 || chars % 4 != 0 || chars / 4 * 3 > sizeof(blob) ||
	    EVP_DecodeBlock(blob, (const uint8_t *)text, (int)chars) < 0)
		return "not base64";
	len = chars / 4 * 3;
	if (!blob_has_type(blob, len, line, type))
		return "not a key of the type it names";
	return kind_fault(blob, len, line, type);
}

int
mftd_check_keys(
    const struct mftd_check *p, const char *name, char **keys, size_t n)
{
	const char *fault;
	size_t i;

	for (i = 0; i < n; i++) {
		fault = key_fault(keys[i]);
		if (fault != NULL)
			return mftd_check_refuse_entry(p, name, i, fault);
	}
	return 0;
}

/* Whether text holds no control character. */
bool
mftd_check_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (iscntrl((unsigned char)*text))
			return false;
	return true;
}

int
mftd_check_size(const struct mftd_check *p, const char *name, const char *text,
    const char *units, uint64_t *out)
{
	const char *unit;
	char *end;
	uint64_t v;
	unsigned shift = 0;

	if (text == NULL)
		return 0;
	errno = 0;
	v = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
	if (v == 0 || errno != 0)
		return mftd_check_refuse(p, name, "must be a number from 1");
	if (*end != '\0' && (unit = strchr(units, *end)) != NULL) {
		shift = 10 * (unsigned)(unit - units + 1);
		end++;
	}
	if (*end != '\0' || v > (uint64_t)INT64_MAX >> shift)
		return mftd_check_refuse(p, name, "must be a number from 1");
	*out = v << shift;
	return 0;
}

const char *
mftd_check_path_fault(const char *path)
{
	char clean[MFTD_PATH_BYTES];

	if (mftd_path_clean(path, strlen(path), clean, sizeof(clean)) < 0 ||
	    strcmp(path, clean) != 0 || !mftd_check_plain(path))
		return "must be a path below the volume, like a/b";
	if (strcmp(path, ".") == 0 || strcmp(path, ".mft") == 0 ||
	    strncmp(path, ".mft/", 5) == 0)
		return "overlaps .mft";
	return NULL;
}

int
mftd_check_hooks_run(const struct mftd_check *p, const char *name)
{
	if (p->conf == NULL || mftd_conf_has_queue(p->conf, MFTD_DEFAULT_QUEUE))
		return 0;
	return mftd_check_refuse(p, name,
	    "nobody would be told: hooks run beside the queue default; add it "
	    "to queues in mftd.yaml");
}
