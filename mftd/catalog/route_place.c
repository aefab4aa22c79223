/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/id.h"
#include "mftd/conf/place.h"

#define NODE_WORD "node "

_Static_assert(sizeof("@node:") + MFTD_NODE_LEN_MAX <= MFTD_QUEUE_BYTES,
    "every node's place is a queue's name");

static int
check_queue(const struct mftd_check *p, struct mftd_route *r)
{
	if (r->queue == NULL)
		r->queue = strdup(MFTD_DEFAULT_QUEUE);
	if (r->queue == NULL)
		return -ENOMEM;
	if (!mftd_id_valid(r->queue))
		return mftd_check_refuse(p, "queue", "not a name");
	/* its deliveries would wait for ever */
	if (p->conf != NULL && !mftd_conf_has_queue(p->conf, r->queue))
		return mftd_check_refuse(
		    p, "queue", "no such queue in mftd.yaml");
	return 0;
}

/* The queue of the place that is meant.  0 or -MFTD_E_CONF. */
static int
place_of(
    const struct mftd_check *p, const char *word, char queue[MFTD_QUEUE_BYTES])
{
	const char *node = word + sizeof(NODE_WORD) - 1;

	if (strcmp(word, "controller") == 0) {
		memcpy(queue, MFTD_PLACE_CONTROLLER,
		    sizeof(MFTD_PLACE_CONTROLLER));
		return 0;
	}
	if (strncmp(word, NODE_WORD, sizeof(NODE_WORD) - 1) != 0)
		return mftd_check_refuse(p, "runs_on",
		    "must be promoted, controller, or node and its name");
	if (!mftd_id_valid(node) || strlen(node) > MFTD_NODE_LEN_MAX)
		return mftd_check_refuse(
		    p, "runs_on", "no node can have that name");
	mftd_place_of_node(node, queue);
	return 0;
}

int
mftd_route_place_check(const struct mftd_check *p, struct mftd_route *r)
{
	char queue[MFTD_QUEUE_BYTES];
	int e;

	if (r->runs_on == NULL || strcmp(r->runs_on, "promoted") == 0)
		return check_queue(p, r);
	e = place_of(p, r->runs_on, queue);
	if (e < 0)
		return e;
	if (r->queue != NULL)
		return mftd_check_refuse(p, "queue",
		    "means nothing unless it runs_on promoted: a place is a "
		    "queue of its own");
	r->queue = strdup(queue);
	return r->queue != NULL ? 0 : -ENOMEM;
}
