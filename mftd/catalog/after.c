/* Part of mftd; see LICENSE. */
#include "mftd/catalog/after.h"

#include <errno.h>
#include <string.h>

static const char *const names[MFTD_AFTER_COUNT] = {
	[MFTD_AFTER_KEEP] = "keep",
	[MFTD_AFTER_ARCHIVE] = "archive",
	[MFTD_AFTER_DELETE] = "delete",
};

const char *
mftd_after_name(enum mftd_after a)
{
	return a < MFTD_AFTER_COUNT ? names[a] : "?";
}

int
mftd_after_of(const char *name)
{
	int i;

	for (i = 0; i < MFTD_AFTER_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	return -EINVAL;
}

enum mftd_after
mftd_after_decide(const struct mftd_destination *list, size_t n,
    const struct mftd_destination **by)
{
	const struct mftd_destination *d;
	enum mftd_after after = MFTD_AFTER_KEEP;

	*by = NULL;
	for (d = list; d < list + n; d++) {
		if (d->unmatched)
			continue;
		if (d->state != MFTD_DELIVERY_DONE) {
			*by = d;
			return MFTD_AFTER_KEEP;
		}
		if (*by == NULL || d->after < after) {
			*by = d;
			after = d->after;
		}
	}
	return after;
}
