/* Part of mftd; see LICENSE. */
#include "mftd/base/id.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "mftd/base/limits.h"

#define TIME_END (1LL << 52) /* 13 hex digits: until 2112 */

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
mftd_id_since(const char *prefix, int64_t time_us, char *out, size_t size)
{
	int n;

	if (time_us < 0)
		return -EINVAL;
	if (time_us >= TIME_END) /* no id can be of then */
		time_us = TIME_END - 1;
	n = snprintf(
	    out, size, "%s-%013llx", prefix, (unsigned long long)time_us);
	return n < 0 || (size_t)n >= size ? -EINVAL : 0;
}

int
mftd_id_timed(const char *prefix, int64_t time_us, char *out, size_t size)
{
	uint64_t bits;
	size_t len;
	int n,
	    r = time_us < TIME_END ? mftd_id_since(prefix, time_us, out, size)
				   : -EINVAL;

	if (r < 0)
		return r;
	if (getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
		return -EIO;
	len = strlen(out);
	n = snprintf(
	    out + len, size - len, "%012llx", (unsigned long long)(bits >> 16));
	return n < 0 || (size_t)n >= size - len || !mftd_id_valid(out) ? -EINVAL
								       : 0;
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
