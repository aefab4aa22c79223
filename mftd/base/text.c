/* Part of mftd; see LICENSE. */
#include "mftd/base/text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ESCAPE_BYTES (MFTD_TEXT_GROWS + 1)

/* The character at text, of *len bytes; -1: its first byte is not UTF-8. */
static int32_t
decode(const unsigned char *text, size_t *len)
{
	static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = text[0];
	int32_t v;
	size_t i, n;

	*len = 1;
	if (c < 0x80)
		return c;
	n = (c & 0xe0) == 0xc0	 ? 2
	    : (c & 0xf0) == 0xe0 ? 3
	    : (c & 0xf8) == 0xf0 ? 4
				 : 0;
	if (n == 0)
		return -1;
	v = c & (0x7f >> n);
	for (i = 1; i < n; i++) {
		if ((text[i] & 0xc0) != 0x80) /* the end, too */
			return -1;
		v = v << 6 | (text[i] & 0x3f);
	}
	if (v < least[n] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return -1;
	*len = n;
	return v;
}

static bool
is_unsafe(int32_t c)
{
	static const struct {
		int32_t from, to;
	} ranges[] = {
		{ 0, 0x1f }, /* C0 */
		{ 0x7f, 0x9f }, /* DEL, C1 */
		{ 0x61c, 0x61c }, /* ALM */
		{ 0x200e, 0x200f }, /* LRM, RLM */
		{ 0x2028, 0x2029 }, /* line and paragraph separator */
		{ 0x202a, 0x202e }, /* embeddings and overrides */
		{ 0x2066, 0x2069 }, /* isolates */
	};
	size_t i;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

static bool
copy(const char *text, bool safe, char *out, size_t size)
{
	const unsigned char *at = (const unsigned char *)text;
	char escape[ESCAPE_BYTES];
	bool whole = true;
	size_t len, n, used = 0;
	const void *from;
	int32_t c;

	for (; *at != '\0'; at += len) {
		c = decode(at, &len);
		n = 0;
		if (c < 0)
			n = (size_t)snprintf(
			    escape, sizeof(escape), "\\x%02x", *at);
		else if (safe && is_unsafe(c))
			n = (size_t)snprintf(escape, sizeof(escape), "\\u%04x",
			    (unsigned)c & 0xffff);
		from = n > 0 ? (const void *)escape : at;
		n = n > 0 ? n : len;
		whole = whole && c >= 0;
		if (used + n >= size)
			break;
		memcpy(out + used, from, n);
		used += n;
	}
	out[used] = '\0';
	return whole;
}

const char *
mftd_text_safe(const char *text, char *out, size_t size)
{
	copy(text, true, out, size);
	return out;
}

bool
mftd_text_utf8(const char *text, char *out, size_t size)
{
	return copy(text, false, out, size);
}
