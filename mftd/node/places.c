/* Part of mftd; see LICENSE. */
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/conf/place.h"
#include "mftd/node/coordinator.h"

#define WISH_MS 60000 /* then it is wished anew */

static bool
is_wished(const struct mftd_coordinator *co, const char *queue)
{
	const struct mftd_co_wait *wait;

	for (wait = co->waits; wait < co->waits + MFTD_CO_WAITS_MAX; wait++)
		if (wait->ref != 0 && wait->service == MFTD_SERVICE_OUTBOUND &&
		    strcmp(wait->queue, queue) == 0)
			return true;
	return false;
}

static void
bring_to(struct mftd_coordinator *co, const char *queue, enum mftd_role role)
{
	const struct mftd_co_service *s =
	    mftd_co_service_find(co, MFTD_SERVICE_OUTBOUND, queue);
	int r;

	if (s == NULL || s->state.role == (uint32_t)role ||
	    is_wished(co, queue))
		return;
	r = mftd_co_service_set(
	    co, MFTD_SERVICE_OUTBOUND, queue, (uint32_t)role, WISH_MS, 0);
	if (r < 0)
		log_warn("place %s: %s", queue, mftd_strerror(r));
}

/* Its role is nobody else's: another epoch is a forgetful catalog's or that of
 * a machine of the same name, and it takes the place anew. */
static enum mftd_role
own_role(struct mftd_coordinator *co, const char *queue)
{
	const struct mftd_co_service *in =
	    mftd_co_service_find(co, MFTD_SERVICE_INBOUND, "");
	const struct mftd_co_service *s =
	    mftd_co_service_find(co, MFTD_SERVICE_OUTBOUND, queue);

	if (!co->backlog.node_needed || in == NULL || s == NULL ||
	    in->state.role == MFTD_ROLE_STOPPED)
		return MFTD_ROLE_STOPPED;
	return s->out_known && s->out.stale ? MFTD_ROLE_STARTED
					    : MFTD_ROLE_PROMOTED;
}

void
mftd_co_places_follow(struct mftd_coordinator *co)
{
	char own[MFTD_QUEUE_BYTES];

	mftd_place_of_node(co->w->conf->node, own);
	bring_to(co, own, own_role(co, own));
	if (!co->w->conf->cluster && co->backlog.controller_needed)
		bring_to(co, MFTD_PLACE_CONTROLLER, MFTD_ROLE_PROMOTED);
}
