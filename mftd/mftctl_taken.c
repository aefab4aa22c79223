/* Part of mftd; see LICENSE. */
#include "mftd/mftctl.h"

/* Whether a node works by what was applied. */

static bool
is_older(const json_t *o, uint64_t version)
{
	return (uint64_t)json_integer_value(
		   json_object_get(o, "config_version")) < version;
}

/* Whether the node sends for the queue, and by an older one.  Not: who cannot
 * send, and says why. */
static bool
sends_by_older(const json_t *queue, uint64_t version)
{
	const char *reason =
	    json_string_value(json_object_get(queue, "reason"));

	return reason != NULL && reason[0] == '\0' && is_older(queue, version);
}

bool
mftctl_is_taken(const json_t *status, uint64_t version)
{
	const json_t *c = json_object_get(status, "catalog"), *queue;
	size_t i;

	if (!json_is_true(json_object_get(c, "reachable")))
		return true;
	json_array_foreach(json_object_get(status, "queues"), i, queue)
		if (sends_by_older(queue, version))
			return false;
	return !is_older(c, version);
}
