/* Part of mftd; see LICENSE. */
#include <stdio.h>

#include "mftd/base/clock.h"
#include "mftd/conf/conf.h"
#include "mftd/node/coordinator.h"

static const char *const services[MFTD_SERVICE_COUNT] = { "inbound",
	"outbound" };
static const char *const roles[] = { "stopped", "started", "promoted" };

static int
add_node(void *data, const struct mftd_cluster_node *n)
{
	return json_array_append_new(data,
	    json_pack("{s:s, s:s, s:b, s:b, s:b, s:i}", "node", n->node,
		"incarnation", n->incarnation, "member", n->member, "lost",
		n->lost, "recovered", n->recovered, "sessions",
		(int)n->sessions));
}

static int
add_role(void *data, const struct mftd_cluster_role_row *r)
{
	if (r->service >= MFTD_SERVICE_COUNT || r->role >= 3)
		return 0;
	return json_array_append_new(data,
	    json_pack("{s:s, s:s, s:s, s:s, s:I}", "node", r->node, "service",
		services[r->service], "queue", r->queue, "role", roles[r->role],
		"epoch", (json_int_t)r->epoch));
}

static int
add_session(void *data, const char *node, const struct mftd_cluster_session *s)
{
	return json_array_append_new(data,
	    json_pack("{s:s, s:s, s:s, s:s, s:I}", "node", node, "id", s->id,
		"account", s->account, "peer", s->peer, "since_us",
		(json_int_t)s->since_us));
}

/* How old what waits longest is; it was written with this node's clock, or with
 * that of the node whose stream it stands in. */
static json_int_t
lag_us(const struct mftd_msg_volume_state *v, int64_t now_us)
{
	return v->lag_since_us > 0 && v->lag_since_us < now_us
	    ? now_us - v->lag_since_us
	    : 0;
}

static json_t *
volumes(const struct mftd_coordinator *co, int64_t now_us)
{
	json_t *list = json_array();
	int i;

	for (i = 0; i < co->n_journals; i++)
		json_array_append_new(list,
		    json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:s}", "volume",
			co->volumes[i].volume, "healthy",
			(int)mftd_co_volume_well(co, i), "records",
			(json_int_t)co->volumes[i].records, "syncs",
			(json_int_t)co->volumes[i].syncs, "lag_records",
			(json_int_t)co->volumes[i].lag_records, "lag_us",
			lag_us(&co->volumes[i], now_us), "reason",
			co->volumes[i].reason));
	return list;
}

static json_t *
catalog(const struct mftd_coordinator *co, int64_t now_us)
{
	const struct mftd_msg_catalog_state *c = &co->catalog_state;
	json_int_t records = 0, us = 0;
	int i;

	for (i = 0; i < co->n_journals; i++) {
		records += (json_int_t)co->volumes[i].lag_records;
		if (lag_us(&co->volumes[i], now_us) > us)
			us = lag_us(&co->volumes[i], now_us);
	}
	return json_pack("{s:b, s:I, s:I, s:I, s:s}", "reachable",
	    (int)c->reachable, "config_version", (json_int_t)c->config_version,
	    "lag_records", records, "lag_us", us, "reason", c->reason);
}

/* What the listener did with connections. */
static json_t *
door(const struct mftd_coordinator *co)
{
	static const char *const words[MFTD_TURNED_COUNT] = { "not_ready",
		"sessions", "startups", "source", "banned", "proxy" };
	const struct mftd_msg_listener_state *s = &co->listener_state;
	json_t *turned = json_object();
	int i;

	for (i = 0; i < MFTD_TURNED_COUNT; i++)
		json_object_set_new(
		    turned, words[i], json_integer((json_int_t)s->turned[i]));
	return json_pack("{s:I, s:i, s:i, s:i, s:o}", "accepted",
	    (json_int_t)s->accepted, "sessions", (int)s->sessions, "starting",
	    (int)s->starting, "bans", (int)mftd_co_bans_count(co),
	    "turned_away", turned);
}

json_t *
mftd_co_status(struct mftd_coordinator *co)
{
	json_t *nodes = json_array(), *rows = json_array();
	json_t *sessions = json_array();
	int64_t now_us = mftd_clock_wall_us();

	mftd_cluster_nodes(co->cluster, add_node, nodes);
	mftd_cluster_roles(co->cluster, add_role, rows);
	mftd_cluster_sessions(co->cluster, add_session, sessions);
	return json_pack(
	    "{s:b, s:s, s:s, s:s, s:b, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o, "
	    "s:o}",
	    "ok", 1, "node", co->w->conf->node, "incarnation",
	    co->w->incarnation, "version", MFTD_VERSION, "quorate",
	    mftd_cluster_quorate(co->cluster), "ready",
	    mftd_cluster_ready(co->cluster), "lease_left_ms",
	    co->w->conf->cluster ? (json_int_t)mftd_lease_left_ms(co->w->lease)
				 : (json_int_t)-1,
	    "nodes", nodes, "roles", rows, "sessions", sessions, "volumes",
	    volumes(co, now_us), "catalog", catalog(co, now_us), "queues",
	    mftd_co_queues(co), "door", door(co));
}
