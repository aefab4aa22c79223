/* Part of mftd; see LICENSE. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mftd/mftctl.h"

#define HEX_BYTES (2 * MFTD_SHA256_BYTES + 1)

void
mftctl_put(json_t *o, const char *key, const char *text)
{
	char safe[6 * MFTD_PATH_BYTES];
	json_t *s = json_string(text);
	size_t n = 0;

	if (s == NULL) {
		for (; *text != '\0' && n + 2 < sizeof(safe); text++) {
			uint8_t c = (uint8_t)*text;

			if (c < 0x80) {
				safe[n++] = (char)c;
			} else {
				safe[n++] = (char)(0xc0 | c >> 6);
				safe[n++] = (char)(0x80 | (c & 0x3f));
			}
		}
		s = json_stringn(safe, n);
	}
	if (text[0] != '\0' || n > 0)
		json_object_set_new(o, key, s);
	else
		json_decref(s);
}

void
mftctl_put_number(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

void
mftctl_put_hash(
    json_t *o, const char *key, const uint8_t hash[MFTD_SHA256_BYTES])
{
	char hex[HEX_BYTES];
	size_t i;

	for (i = 0; i < MFTD_SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	mftctl_put(o, key, hex);
}

void
mftctl_put_time(json_t *o, const char *key, int64_t time_us)
{
	time_t s = (time_t)(time_us / 1000000);
	char text[64], when[96];
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(
	    when, sizeof(when), "%s.%06dZ", text, (int)(time_us % 1000000));
	mftctl_put(o, key, when);
}
