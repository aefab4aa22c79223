/* Part of mftd; see LICENSE. */
#include "mftd/catalog/numbered.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/path.h"

int
mftd_numbered(const char *name, uint32_t number, char *out, size_t size)
{
	const char *base = mftd_path_base(name), *dot = strrchr(base, '.');
	int n;

	if (dot == NULL || dot == base) /* ".profile" has no suffix */
		dot = base + strlen(base);
	if (number == 0)
		n = snprintf(out, size, "%s", name);
	else
		n = snprintf(out, size, "%.*s-%u%s", (int)(dot - name), name,
		    number, dot);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
