/* Part of mftd; see LICENSE. */
#include "mftd/catalog/check.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "mftd/base/limits.h"

#define FIELD_BYTES 64

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
	if (type == strlen("ssh-dss") && strncmp(line, "ssh-dss", type) == 0)
		return "ssh-dss keys are not accepted";
	return NULL;
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
