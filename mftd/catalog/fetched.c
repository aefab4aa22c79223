/* Part of mftd; see LICENSE. */
#include "mftd/catalog/fetched.h"

#include <errno.h>
#include <string.h>

static const char *const names[MFTD_FETCHED_COUNT] = {
	[MFTD_FETCHED_KEEP] = "keep",
	[MFTD_FETCHED_DELETE] = "delete",
	[MFTD_FETCHED_MOVE] = "move",
};

const char *
mftd_fetched_name(enum mftd_fetched f)
{
	return f < MFTD_FETCHED_COUNT ? names[f] : "?";
}

int
mftd_fetched_of(const char *name)
{
	int i;

	for (i = 0; i < MFTD_FETCHED_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -EINVAL;
}
