/* Part of mftd; see LICENSE. */
#ifndef MFTD_NODE_COORDINATOR_H
#define MFTD_NODE_COORDINATOR_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "mftd/cluster/cluster.h"
#include "mftd/control/control.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/ipc/worker.h"

/*
 * The coordinator: what this node knows of the group and of its own services.
 * It never touches shared storage or the database.
 */

/* A service as the parent last told, and the outbound process of a queue. */
struct mftd_co_service {
	bool known;
	struct mftd_msg_service_state state;
	struct mftd_msg_outbound_state out; /* of an outbound queue */
	bool out_known;
	struct mftd_chan *outbound; /* its process; NULL: not heard yet */
};

/* A control request that waits for the parent, and then for the group: what is
 * answered must have been said to all before. */
struct mftd_co_wait {
	uint64_t ref; /* 0: a free slot; the same for equal wishes */
	uint64_t client;
	uint32_t service, role; /* the wish */
	char queue[MFTD_NAME_BYTES];
	bool answered; /* by the parent, with: */
	struct mftd_msg_service_state state;
	int64_t until_ms; /* no longer than this for the group */
};

/* A recovery that was handed to the journals. */
struct mftd_co_recovery {
	char incarnation[MFTD_ID_BYTES]; /* "": a free slot */
	int waiting; /* journals that have not answered */
	int err;
};

/* A node that was fenced while the group still saw it: told again. */
struct mftd_co_fenced {
	char node[MFTD_NAME_BYTES]; /* "": a free slot */
	char incarnation[MFTD_ID_BYTES];
	int64_t until_ms;
};

#define MFTD_CO_WAITS_MAX MFTD_CONTROL_CLIENTS_MAX
/* queues, two places, inbound */
#define MFTD_CO_SERVICES_MAX (MFTD_QUEUES_MAX + 3)

/* A session of this node, as its channel has it. */
struct mftd_co_session {
	struct mftd_co_session *next;
	struct mftd_chan *chan;
	char id[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	uint32_t sessions_max; /* of its account */
	bool waiting; /* for the word that it is not one too many */
	bool ending; /* was told so */
};

struct mftd_coordinator {
	struct mftd_worker *w;
	struct mftd_cluster *cluster;
	struct mftd_control *control;
	uint64_t next_ref;
	int64_t started_us; /* wall clock */
	bool announced; /* READY was said */
	struct mftd_co_service services[MFTD_CO_SERVICES_MAX];
	struct mftd_co_wait waits[MFTD_CO_WAITS_MAX];
	struct mftd_co_recovery recoveries[MFTD_NODES_MAX];
	struct mftd_co_fenced fenced[MFTD_NODES_MAX];
	int64_t end_ms; /* last_word's deadline */
	bool restarting; /* a new incarnation is due: no last word */
	struct mftd_chan *catalog;
	struct mftd_chan *journals[MFTD_VOLUMES_MAX];
	struct mftd_msg_volume_state volumes[MFTD_VOLUMES_MAX];
	int64_t heard_ms[MFTD_VOLUMES_MAX]; /* of each journal, last */
	int n_journals;
	struct mftd_msg_catalog_state catalog_state;
	struct mftd_msg_backlog backlog;
	struct mftd_co_session *sessions;
	struct mftd_chan *listener;
	struct mftd_msg_listener_state listener_state;
	struct mftd_co_bans *bans;
};

void mftd_coordinator_main(struct mftd_worker *w);

/* ---- between coordinator.c, requests.c and status.c */

/* The service's entry, made when new; NULL when there are too many. */
struct mftd_co_service *mftd_co_service_find(
    struct mftd_coordinator *co, uint32_t service, const char *queue);

/* Asks the parent; client (0: nobody) is answered when the parent is. */
int mftd_co_service_set(struct mftd_coordinator *co, uint32_t service,
    const char *queue, uint32_t role, uint32_t deadline_ms, uint64_t client);

/* A request on the control socket. */
void mftd_co_request(void *data, uint64_t client, json_t *req);

/* The parent's answer to ref: answers whoever waits for it. */
void mftd_co_answer(struct mftd_coordinator *co, uint64_t ref,
    const struct mftd_msg_service_state *st);

/*
 * Pacemaker's post-stop notify: inbound of node has ended.  Tells the group
 * that it was fenced, unless it stopped in good order; where the group still
 * sees that incarnation, again until it is lost, for a bounded time.
 */
void mftd_co_node_ended(struct mftd_coordinator *co, const char *node);

/* Whether the journal of volume i is well: it says so every 2 s, and one that
 * hangs says nothing. */
bool mftd_co_volume_well(const struct mftd_coordinator *co, int i);

/* How a service does, as agents want it (design section 8). */
json_t *mftd_co_service_json(
    struct mftd_coordinator *co, const struct mftd_co_service *s, int err);

/* `mftctl status`. */
json_t *mftd_co_status(struct mftd_coordinator *co);

/* ---- outbounds.c */

/* What a queue's process here says of itself, and its end. */
void mftd_co_outbound_state(struct mftd_coordinator *co, struct mftd_chan *c,
    const struct mftd_msg_outbound_state *st);
void mftd_co_outbound_down(struct mftd_coordinator *co, struct mftd_chan *c);

/* Tells those here of the configuration, which they would find by themselves,
 * but later. */
void mftd_co_outbound_config(struct mftd_coordinator *co, uint64_t version);

/* ---- queues.c: all queues, whichever node has them */

/* What the catalog says that each still has to do. */
void mftd_co_queues_backlog(
    struct mftd_coordinator *co, const struct mftd_msg_backlog *m);

/* Those of the configuration, of the group and with something to do: the node
 * that has each ("": none) and what is known of it here. */
json_t *mftd_co_queues(struct mftd_coordinator *co);

/* ---- places.c */

/* Takes the place of this node, and standalone that of the controller, while
 * somebody needs it; Pacemaker promotes all else.  When the backlog was told or
 * inbound changed. */
void mftd_co_places_follow(struct mftd_coordinator *co);

/* ---- sessions.c */

/* Ends this node's sessions of an account, each in order. */
void mftd_co_account_shut(
    struct mftd_coordinator *co, const struct mftd_msg_account_shut *m);

/* Ends that session of the account, on whichever node it is. */
void mftd_co_session_yield(
    struct mftd_coordinator *co, const struct mftd_msg_session_yield *m);

/* A session of auth's making; fd is its channel and taken over on success. */
int mftd_co_session_open(struct mftd_coordinator *co,
    const struct mftd_msg_session_open *so, int fd);
void mftd_co_session_down(struct mftd_coordinator *co, struct mftd_chan *c);

/* The table changed: lets in who waits, and ends whom the group wants ended. */
void mftd_co_sessions_look(struct mftd_coordinator *co);

/* {"cmd":"session","action":"list"} or "end" with "id". */
json_t *mftd_co_cmd_session(
    struct mftd_coordinator *co, uint64_t client, json_t *req);

/* ---- bans.c: failures, and whom all nodes keep out */

/* NULL without memory. */
struct mftd_co_bans *mftd_co_bans_new(struct mftd_coordinator *co);
void mftd_co_bans_free(struct mftd_co_bans *b); /* b may be NULL */

/* A source failed. */
void mftd_co_bans_failure(
    struct mftd_coordinator *co, const struct mftd_msg_failure *f);

/* The table changed, or there is a new listener (force). */
void mftd_co_bans_look(struct mftd_coordinator *co, bool force);

/* This node is ready: where the table began here, says what the last life
 * knew. */
void mftd_co_bans_ready(struct mftd_coordinator *co);

/* {"cmd":"ban","action":"list|add|remove","address":..,"seconds":..} */
json_t *mftd_co_cmd_ban(
    struct mftd_coordinator *co, uint64_t client, json_t *req);
uint32_t mftd_co_bans_count(const struct mftd_coordinator *co);

#endif
