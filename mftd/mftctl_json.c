/* Part of mftd; see LICENSE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mftd/base/text.h"
#include "mftd/mftctl.h"

#define HEX_BYTES (2 * MFTD_SHA256_BYTES + 1)

void
mftctl_put(json_t *o, const char *key, const char *text)
{
	size_t i, len = strlen(text), size = len * MFTD_TEXT_GROWS + 1;
	char *safe = malloc(size), more[64];

	if (len == 0 || safe == NULL)
		goto out;
	if (mftd_text_utf8(text, safe, size)) {
		json_object_set_new(o, key, json_string(text));
		goto out;
	}
	json_object_set_new(o, key, json_string(safe));
	for (i = 0; i < len; i++)
		snprintf(safe + 2 * i, 3, "%02x", (unsigned char)text[i]);
	snprintf(more, sizeof(more), "%s_hex", key);
	json_object_set_new(o, more, json_string(safe));
out:
	free(safe);
}

/* text as mftd_text_safe makes it, to be freed; NULL without memory. */
static char *
safe_copy(const char *text)
{
	size_t size = strlen(text) * MFTD_TEXT_GROWS + 1;
	char *safe = malloc(size);

	if (safe != NULL)
		mftd_text_safe(text, safe, size);
	return safe;
}

void
mftctl_make_safe(json_t *v)
{
	const char *key;
	json_t *more;
	char *safe;
	size_t i;

	if (json_is_string(v)) {
		safe = safe_copy(json_string_value(v));
		json_string_set(v, safe != NULL ? safe : "?");
		free(safe);
	}
	json_object_foreach(v, key, more) mftctl_make_safe(more);
	json_array_foreach(v, i, more)
		mftctl_make_safe(more);
}

void
mftctl_print_json(const json_t *v, size_t flags)
{
	char *dump = json_dumps(v, flags), *line, *safe, *rest = NULL;

	for (line = dump != NULL ? strtok_r(dump, "\n", &rest) : NULL;
	     line != NULL; line = strtok_r(NULL, "\n", &rest)) {
		safe = safe_copy(line);
		puts(safe != NULL ? safe : "?");
		free(safe);
	}
	free(dump);
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
