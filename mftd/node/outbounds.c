/* Part of mftd; see LICENSE. */
#include "mftd/node/coordinator.h"

/* The outbound processes of this node. */

#define FOR_EACH_SERVICE(s, co)    \
	for ((s) = (co)->services; \
	     (s) < (co)->services + MFTD_CO_SERVICES_MAX; (s)++)

void
mftd_co_outbound_state(struct mftd_coordinator *co, struct mftd_chan *c,
    const struct mftd_msg_outbound_state *st)
{
	struct mftd_co_service *s =
	    mftd_co_service_find(co, MFTD_SERVICE_OUTBOUND, st->queue);
	uint64_t before;

	if (s == NULL)
		return;
	before = s->out_known ? s->out.epoch : 0;
	s->outbound = c;
	s->out = *st;
	s->out_known = true;
	if (st->epoch != before)
		mftd_cluster_role(co->cluster, MFTD_SERVICE_OUTBOUND, st->queue,
		    s->state.role, st->epoch);
}

void
mftd_co_outbound_down(struct mftd_coordinator *co, struct mftd_chan *c)
{
	struct mftd_co_service *s;

	FOR_EACH_SERVICE(s, co)
	if (s->outbound == c)
		s->outbound = NULL;
}

void
mftd_co_outbound_config(struct mftd_coordinator *co, uint64_t version)
{
	const struct mftd_msg_config_poke poke = { .version = version };
	struct mftd_co_service *s;

	FOR_EACH_SERVICE(s, co)
	if (s->known && s->outbound != NULL)
		mftd_worker_send(co->w, s->outbound, MFTD_MSG_CONFIG_POKE, 0,
		    &poke, sizeof(poke));
}
