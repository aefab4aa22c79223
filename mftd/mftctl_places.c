/* Part of mftd; see LICENSE. */
#include <stdio.h>
#include <string.h>

#include "mftd/conf/place.h"
#include "mftd/mftctl.h"

/* Whether routes run on nodes that there are. */

static bool
is_known(const json_t *status, const char *node)
{
	const char *name;
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(status, "nodes"), i, o) {
		name = json_string_value(json_object_get(o, "node"));
		if (name != NULL && strcmp(name, node) == 0)
			return true;
	}
	return false;
}

void
mftctl_warn_places(
    const struct ctl *ctl, const struct mftd_objects *o, const json_t *status)
{
	const struct mftd_route *r;
	const char *node;

	for (r = o->routes; r < o->routes + o->n_routes; r++) {
		node = mftd_place_node(r->queue);
		if (node == NULL || strcmp(node, ctl->conf->node) == 0)
			continue;
		if (ctl->conf->cluster && status == NULL)
			fprintf(stderr,
			    "mftctl: route %s: the daemon does not answer, so "
			    "nobody looked whether there is a node %s\n",
			    r->name, node);
		else if (!ctl->conf->cluster || !is_known(status, node))
			fprintf(stderr,
			    "mftctl: route %s: warning: no node %s is known; "
			    "until there is one its deliveries wait\n",
			    r->name, node);
	}
}
