/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/conf/place.h"
#include "mftd/node/coordinator.h"

#define DEADLINE_DEFAULT_MS 10000
#define DEADLINE_MAX_MS 3600000
#define SETTLE_MS 1000
#define SETTLE_TICK_MS 5

static json_t *
failure(const char *reason)
{
	return json_pack("{s:b, s:s}", "ok", 0, "reason", reason);
}

static const char *
text_of(json_t *req, const char *key, const char *otherwise)
{
	const char *s = json_string_value(json_object_get(req, key));

	return s != NULL ? s : otherwise;
}

/* ---- services */

static const char *const service_words[MFTD_SERVICE_COUNT] = { "inbound",
	"outbound" };

static int
service_of(const char *word)
{
	int i;

	for (i = 0; i < MFTD_SERVICE_COUNT; i++)
		if (strcmp(word, service_words[i]) == 0)
			return i;
	return -1;
}

/* Whether the service is all there: its workers, the group, the storage. */
static const char *
refused_why(
    struct mftd_coordinator *co, const struct mftd_co_service *s, int err)
{
	if (err < 0)
		return s->state.reason[0] != '\0' ? s->state.reason
						  : mftd_strerror(err);
	if (s->state.role == MFTD_ROLE_STOPPED)
		return NULL;
	if (!mftd_cluster_quorate(co->cluster))
		return "no quorum";
	if (s->out_known && s->out.stale)
		return "stale epoch: another node has the queue";
	if (s->state.reason[0] != '\0' && s->state.ready < s->state.workers)
		return s->state.reason;
	return NULL;
}

static const char *
degraded_why(struct mftd_coordinator *co, const struct mftd_co_service *s)
{
	int i;

	if (s->state.role == MFTD_ROLE_STOPPED)
		return NULL;
	/* who has just started does not know yet, and is not the worse for it
	 */
	if (!co->catalog_state.reachable && co->catalog_state.tried)
		return "the catalog is away";
	if (s->state.service == MFTD_SERVICE_OUTBOUND)
		return s->state.role == MFTD_ROLE_PROMOTED &&
			(!s->out_known || s->out.epoch == 0)
		    ? "the epoch is not raised yet"
		    : NULL;
	for (i = 0; i < co->n_journals; i++)
		if (!mftd_co_volume_well(co, i))
			return "the storage does not answer";
	return NULL;
}

json_t *
mftd_co_service_json(
    struct mftd_coordinator *co, const struct mftd_co_service *s, int err)
{
	static const char *const roles[] = { "stopped", "started", "promoted" };
	const char *health = "ok", *reason = refused_why(co, s, err);

	if (reason != NULL)
		health = "refused";
	else if ((reason = degraded_why(co, s)) != NULL)
		health = "degraded";
	return json_pack("{s:b, s:s, s:s, s:s, s:s, s:I, s:i}", "ok", err == 0,
	    "incarnation", co->w->incarnation, "state", roles[s->state.role],
	    "health", health, "reason", reason != NULL ? reason : "", "epoch",
	    (json_int_t)(s->out_known ? s->out.epoch : 0), "restarts",
	    (int)s->state.restarts);
}

static void
give_answer(struct mftd_coordinator *co, struct mftd_co_wait *wait)
{
	const struct mftd_msg_service_state *st = &wait->state;
	struct mftd_co_service *s;
	json_t *reply;

	wait->ref = 0;
	if (st->err < 0)
		log_warn("service %s %s: %s", service_words[st->service],
		    st->queue,
		    st->reason[0] != '\0' ? st->reason
					  : mftd_strerror(st->err));
	s = mftd_co_service_find(co, st->service, st->queue);
	if (wait->client == 0 || s == NULL)
		return;
	reply = mftd_co_service_json(co, s, st->err);
	if (st->killed)
		json_object_set_new(reply, "killed", json_true());
	mftd_control_reply(co->control, wait->client, reply);
}

/* Without quorum nothing is delivered: then it is answered all the same, and
 * Pacemaker's own word does not get far either. */
static void
give_settled(void *data)
{
	struct mftd_coordinator *co = data;
	struct mftd_co_wait *wait;
	bool settled = mftd_cluster_settled(co->cluster), left = false;

	for (wait = co->waits; wait < co->waits + MFTD_CO_WAITS_MAX; wait++) {
		if (wait->ref == 0 || !wait->answered)
			continue;
		if (settled || mftd_clock_ms() >= wait->until_ms)
			give_answer(co, wait);
		else
			left = true;
	}
	if (left)
		mftd_worker_timer(co->w, SETTLE_TICK_MS, give_settled, co);
}

void
mftd_co_answer(struct mftd_coordinator *co, uint64_t ref,
    const struct mftd_msg_service_state *st)
{
	struct mftd_co_wait *wait;

	for (wait = co->waits; wait < co->waits + MFTD_CO_WAITS_MAX; wait++) {
		if (wait->ref != ref)
			continue;
		wait->answered = true;
		wait->state = *st;
		wait->until_ms = mftd_clock_ms() + SETTLE_MS;
	}
	give_settled(co);
}

/* Post-stop of nodes: Pacemaker ordered it after their fencing, if they were
 * fenced; the group knows who left uncleanly. */
static json_t *
notify(struct mftd_coordinator *co, json_t *n)
{
	json_t *name;
	size_t i;

	if (strcmp(text_of(n, "type", ""), "post") != 0 ||
	    strcmp(text_of(n, "operation", ""), "stop") != 0)
		return json_pack("{s:b}", "ok", 1);
	json_array_foreach(json_object_get(n, "stop"), i, name) {
		const char *node = json_string_value(name);

		if (node == NULL || !mftd_id_valid(node) ||
		    strcmp(node, co->w->conf->node) == 0)
			continue;
		mftd_co_node_ended(co, node);
	}
	return json_pack("{s:b}", "ok", 1);
}

static const struct {
	const char *word;
	uint32_t role;
	bool or_more; /* a higher role will do: start never demotes */
} wishes[] = {
	{ "start", MFTD_ROLE_STARTED, true },
	{ "stop", MFTD_ROLE_STOPPED, false },
	{ "promote", MFTD_ROLE_PROMOTED, false },
	{ "demote", MFTD_ROLE_STARTED, false },
};

/* Even a stop of what seems to be stopped is the parent's to answer: it alone
 * knows what is about to come back after another coordinator's end. */
static void
wish(struct mftd_coordinator *co, uint64_t client, json_t *req,
    struct mftd_co_service *s, uint32_t role)
{
	json_int_t deadline =
	    json_integer_value(json_object_get(req, "deadline_ms"));
	int r;

	if (deadline <= 0 || deadline > DEADLINE_MAX_MS)
		deadline = DEADLINE_DEFAULT_MS;
	r = mftd_co_service_set(co, s->state.service, s->state.queue, role,
	    (uint32_t)deadline, client);
	if (r < 0)
		mftd_control_reply(
		    co->control, client, failure(mftd_strerror(r)));
}

static json_t *
cmd_service(struct mftd_coordinator *co, uint64_t client, json_t *req)
{
	int service = service_of(text_of(req, "service", ""));
	const char *queue = text_of(req, "queue", MFTD_DEFAULT_QUEUE);
	const char *action = text_of(req, "action", "");
	struct mftd_co_service *s;
	size_t i;

	if (service != MFTD_SERVICE_OUTBOUND)
		queue = "";
	/* of places just this one is Pacemaker's */
	if (service < 0 || strlen(queue) >= MFTD_QUEUE_BYTES ||
	    (queue[0] != '\0' && !mftd_id_valid(queue) &&
		strcmp(queue, MFTD_PLACE_CONTROLLER) != 0))
		return failure("no such service or queue");
	s = mftd_co_service_find(co, (uint32_t)service, queue);
	if (s == NULL)
		return failure("too many queues");
	if (strcmp(action, "monitor") == 0)
		return mftd_co_service_json(co, s, 0);
	if (strcmp(action, "notify") == 0)
		return notify(co, json_object_get(req, "notify"));
	for (i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
		if (strcmp(action, wishes[i].word) == 0) {
			/* but what this node promoted by itself, alone, no
			 * cluster manager knows of */
			if (wishes[i].or_more &&
			    (co->w->conf->cluster || mftd_place_valid(queue)) &&
			    s->state.role > wishes[i].role)
				return mftd_co_service_json(co, s, 0);
			wish(co, client, req, s, wishes[i].role);
			return NULL;
		}
	return failure("no such action");
}

/* ---- the others */

static json_t *
cmd_status(struct mftd_coordinator *co, uint64_t client, json_t *req)
{
	return mftd_co_status(co);
}

static json_t *
cmd_config_changed(struct mftd_coordinator *co, uint64_t client, json_t *req)
{
	json_int_t v = json_integer_value(json_object_get(req, "version"));
	const struct mftd_msg_config_poke poke = { .version = (uint64_t)v };

	mftd_worker_send(
	    co->w, co->catalog, MFTD_MSG_CONFIG_POKE, 0, &poke, sizeof(poke));
	mftd_co_outbound_config(co, (uint64_t)v);
	mftd_cluster_config(co->cluster, (uint64_t)v);
	return json_pack("{s:b}", "ok", 1);
}

/* -EEXIST when the node of that name is lost, which ends the walk. */
static int
is_lost(void *data, const struct mftd_cluster_node *n)
{
	return n->lost && strcmp(n->node, data) == 0 ? -EEXIST : 0;
}

static json_t *
cmd_confirm_dead(struct mftd_coordinator *co, uint64_t client, json_t *req)
{
	const char *text = text_of(req, "node", "");
	char node[MFTD_NAME_BYTES];
	bool lost;
	int r;

	if (!mftd_id_valid(text))
		return failure("no such node");
	snprintf(node, sizeof(node), "%s", text);
	lost = mftd_cluster_nodes(co->cluster, is_lost, node) == -EEXIST;
	r = mftd_cluster_fenced(co->cluster, node);
	if (r == -EBUSY)
		return failure("the group still sees that node");
	if (r < 0)
		return failure(mftd_strerror(r));
	if (!lost)
		return failure("no node of that name is LOST: see status");
	log_warn("a person confirms that node %s is dead", node);
	return json_pack("{s:b}", "ok", 1);
}

static const struct {
	const char *word;
	json_t *(*fn)(struct mftd_coordinator *co, uint64_t client,
	    json_t *req); /* NULL: the answer comes later */
} commands[] = {
	{ "service", cmd_service },
	{ "status", cmd_status },
	{ "config-changed", cmd_config_changed },
	{ "confirm-dead", cmd_confirm_dead },
	{ "session", mftd_co_cmd_session },
	{ "ban", mftd_co_cmd_ban },
};

void
mftd_co_request(void *data, uint64_t client, json_t *req)
{
	struct mftd_coordinator *co = data;
	const char *cmd = text_of(req, "cmd", "");
	json_t *reply;
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(cmd, commands[i].word) == 0)
			break;
	if (i == sizeof(commands) / sizeof(commands[0]))
		reply = failure("no such command");
	else
		reply = commands[i].fn(co, client, req);
	if (reply != NULL)
		mftd_control_reply(co->control, client, reply);
}
