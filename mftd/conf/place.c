/* Part of mftd; see LICENSE. */
#include "mftd/conf/place.h"

#include <stdio.h>
#include <string.h>

#include "mftd/base/id.h"

#define NODE "@node:"

void
mftd_place_of_node(const char *node, char out[MFTD_QUEUE_BYTES])
{
	snprintf(out, MFTD_QUEUE_BYTES, NODE "%s", node);
}

const char *
mftd_place_node(const char *queue)
{
	const size_t n = sizeof(NODE) - 1;

	return strncmp(queue, NODE, n) == 0 ? queue + n : NULL;
}

bool
mftd_place_valid(const char *text)
{
	const char *node = mftd_place_node(text);

	return node != NULL
	    ? strlen(text) < MFTD_QUEUE_BYTES && mftd_id_valid(node)
	    : strcmp(text, MFTD_PLACE_CONTROLLER) == 0;
}

const char *
mftd_place_word(const char *queue, char out[MFTD_QUEUE_BYTES])
{
	const char *node = mftd_place_node(queue);

	if (node != NULL)
		snprintf(out, MFTD_QUEUE_BYTES, "node %s", node);
	else if (strcmp(queue, MFTD_PLACE_CONTROLLER) == 0)
		snprintf(out, MFTD_QUEUE_BYTES, "controller");
	else
		return NULL;
	return out;
}
