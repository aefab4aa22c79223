/* Part of mftd; see LICENSE. */
#include "mftd/outbound/longname.h"

#include <stdbool.h>
#include <string.h>

#define MODE_BYTES 10 /* "-rw-r--r--" */
#define LINKS_MOST 1000000

/* Whether it begins as of a plain file. */
static bool
has_mode(const uint8_t *line, size_t len)
{
	size_t i;

	if (len <= MODE_BYTES || line[0] != '-')
		return false;
	for (i = 1; i < MODE_BYTES; i++)
		if (line[i] == '\0' || strchr("-rwxsStT", line[i]) == NULL)
			return false;
	return true;
}

uint32_t
mftd_longname_links(const uint8_t *line, size_t len)
{
	size_t i = MODE_BYTES;
	uint32_t n = 0;

	if (!has_mode(line, len))
		return 0;
	/* of an access list, a security context */
	if (strchr("+.@", line[i]) != NULL && line[i] != '\0')
		i++;
	if (i == len || line[i] != ' ')
		return 0;
	while (i < len && line[i] == ' ')
		i++;
	for (; i < len && line[i] >= '0' && line[i] <= '9'; i++) {
		n = n * 10 + (uint32_t)(line[i] - '0');
		if (n > LINKS_MOST)
			return 0;
	}
	return i < len && line[i] == ' ' ? n : 0;
}
