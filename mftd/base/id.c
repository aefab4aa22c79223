/* Part of mftd; see LICENSE. */
#include "mftd/base/id.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "mftd/base/limits.h"

int
mftd_id_random(const char *prefix, char *out, size_t size)
{
	uint64_t bits;
	int n;

	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		return -EIO;
	n = snprintf(out, size, "%s%s%016llx", prefix != NULL ? prefix : "",
	    prefix != NULL ? "-" : "", (unsigned long long)bits);
	if (n < 0 || (size_t)n >= size || !mftd_id_valid(out))
		return -EINVAL;
	return 0;
}

int
mftd_id_incarnation(const char *node, char *out, size_t size)
{
	if (!mftd_id_valid(node))
		return -EINVAL;
	return mftd_id_random(node, out, size);
}

bool
mftd_id_valid(const char *text)
{
	static const char ok[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "abcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t len = strnlen(text, MFTD_ID_BYTES);

	return len > 0 && len < MFTD_ID_BYTES && text[0] != '.' &&
	    strspn(text, ok) == len;
}

bool
mftd_id_of(const char *id, const char *incarnation)
{
	size_t len = strlen(incarnation);

	return strncmp(id, incarnation, len) == 0 &&
	    (id[len] == '\0' || id[len] == '-' || id[len] == '.');
}
