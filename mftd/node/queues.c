/* Part of mftd; see LICENSE. */
#include <string.h>

#include "mftd/conf/conf.h"
#include "mftd/conf/place.h"
#include "mftd/node/coordinator.h"

void
mftd_co_queues_backlog(
    struct mftd_coordinator *co, const struct mftd_msg_backlog *m)
{
	uint32_t i;

	co->backlog = *m;
	if (co->backlog.n > MFTD_QUEUES_MAX)
		co->backlog.n = MFTD_QUEUES_MAX;
	for (i = 0; i < co->backlog.n; i++)
		co->backlog.queues[i].queue[MFTD_NAME_BYTES - 1] = '\0';
}

/* The queue's entry, made when new. */
static json_t *
entry(json_t *by_name, const char *queue)
{
	json_t *o = json_object_get(by_name, queue);
	char place[MFTD_QUEUE_BYTES];

	if (o != NULL)
		return o;
	o = json_pack("{s:s, s:s, s:I, s:I, s:b}", "queue", queue, "node", "",
	    "epoch", (json_int_t)0, "waiting", (json_int_t)0, "more", 0);
	if (mftd_place_word(queue, place) != NULL)
		json_object_set_new(o, "place", json_string(place));
	json_object_set_new(by_name, queue, o);
	return o;
}

/* A node that left has nothing any more, whatever its last word was. */
static int
add_owner(void *data, const struct mftd_cluster_role_row *r)
{
	json_t *o;

	if (r->service != MFTD_SERVICE_OUTBOUND)
		return 0;
	o = entry(data, r->queue);
	if (r->role != MFTD_ROLE_PROMOTED || !r->member)
		return 0;
	json_object_set_new(o, "node", json_string(r->node));
	json_object_set_new(o, "epoch", json_integer((json_int_t)r->epoch));
	return 0;
}

/* What its process here says of it. */
static void
add_own(json_t *o, const struct mftd_msg_outbound_state *out)
{
	json_t *own = json_pack("{s:I, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:s}",
	    "config_version", (json_int_t)out->config_version, "epoch",
	    (json_int_t)out->epoch, "stale", (int)out->stale, "queued",
	    (json_int_t)out->queued, "active", (json_int_t)out->active,
	    "in_doubt", (json_int_t)out->in_doubt, "failed",
	    (json_int_t)out->failed, "delivered", (json_int_t)out->delivered,
	    "reason", out->reason);

	json_object_update(o, own);
	json_decref(own);
}

static json_t *
values_of(json_t *by_name)
{
	json_t *list = json_array(), *o;
	const char *queue;

	json_object_foreach(by_name, queue, o) json_array_append(list, o);
	json_decref(by_name);
	return list;
}

json_t *
mftd_co_queues(struct mftd_coordinator *co)
{
	const struct mftd_msg_backlog *b = &co->backlog;
	const struct mftd_co_service *s;
	json_t *by_name = json_object(), *o;
	size_t i;

	for (i = 0; i < co->w->conf->n_queues; i++)
		entry(by_name, co->w->conf->queues[i]);
	mftd_cluster_roles(co->cluster, add_owner, by_name);
	for (i = 0; i < b->n; i++) {
		o = entry(by_name, b->queues[i].queue);
		json_object_set_new(o, "waiting",
		    json_integer((json_int_t)b->queues[i].waiting));
		json_object_set_new(o, "more",
		    json_boolean(b->queues[i].waiting >= MFTD_BACKLOG_MAX));
	}
	for (s = co->services; s < co->services + MFTD_CO_SERVICES_MAX; s++)
		if (s->known && s->out_known)
			add_own(entry(by_name, s->state.queue), &s->out);
	return values_of(by_name);
}
