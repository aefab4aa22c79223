/* Part of mftd; see LICENSE. */
#include <string.h>

#include "mftd/catalog/event.h"

static const struct {
	const char *kind, *state;
} kinds[] = {
	{ MFTD_EVENT_RECEIVED, "" },
	{ "delivered", "DONE" },
	{ MFTD_EVENT_FAILED, "FAILED" },
	{ MFTD_EVENT_IN_DOUBT, "IN_DOUBT" },
	{ MFTD_EVENT_REPLACED, "" },
	{ MFTD_EVENT_LATE, "" },
	{ MFTD_EVENT_STOPPED, "" },
	{ MFTD_EVENT_BACK, "" },
};

const char *
mftd_event_state(const char *kind)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].state;
	return NULL;
}

bool
mftd_event_ends(const char *state)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].state, state) == 0)
			return true;
	return false;
}

const char *
mftd_event_kinds(void)
{
	return "received, delivered, failed, in_doubt, replaced, "
	       "late, " MFTD_EVENT_STOPPED ", " MFTD_EVENT_BACK;
}
