/* Part of mftd; see LICENSE. */
#ifndef MFTD_NODE_PARENT_H
#define MFTD_NODE_PARENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mftd/conf/conf.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/node/kinds.h"

/*
 * The parent: starts, restarts and reaps the workers, keeps the services'
 * locks, and knows nothing else.  A node's daemon is this one process and its
 * children; their lives are counted in incarnations: when the coordinator ends,
 * all others are ended too, and only when they are proven gone a new
 * incarnation begins.
 */
#define MFTD_CHILDREN_MAX (7 + MFTD_VOLUMES_MAX + MFTD_QUEUES_MAX)
#define MFTD_SERVICES_MAX (3 + MFTD_QUEUES_MAX) /* inbound, two places */

struct mftd_child {
	const struct mftd_kind *kind; /* NULL: a free slot */
	char instance[MFTD_NAME_BYTES];
	int service; /* index into services, -1 */
	pid_t pid; /* 0 while it waits for its restart */
	struct mftd_chan *chan;
	bool ready;
	bool stopping; /* STOP was sent */
	int64_t kill_ms; /* SIGKILL then, 0: not */
	bool asked; /* PING was sent, and no PONG has come */
	int silent_s; /* for so long, while this process ran */
	int64_t started_ms; /* when it was forked */
	int64_t restart_ms; /* not before */
	uint32_t quick; /* ends in a row soon after the start */
};

struct mftd_svc {
	enum mftd_service kind;
	char queue[MFTD_NAME_BYTES];
	enum mftd_role wanted;
	enum mftd_role now;
	bool settled; /* now is what is wanted, and said */
	int lock_fd;
	bool proving; /* workers were ended: prove it by the lock */
	uint64_t ref; /* of the SERVICE_SET to be answered, 0 none */
	int64_t deadline_ms; /* of that answer */
	bool killed; /* it says that all that is left has SIGKILL pending */
	uint32_t restarts;
	char reason[MFTD_REASON_BYTES];
};

struct mftd_parent {
	const struct mftd_conf *conf;
	struct mftd_lease *lease;
	char incarnation[MFTD_ID_BYTES];
	int signal_fd;
	int daemon_lock;
	int listen_fds[MFTD_LISTEN_MAX];
	int n_listen;
	bool ending; /* SIGTERM, or the last service was stopped */
	bool rebirth; /* the coordinator ended: end all, begin anew */
	bool served; /* some service was started in this life */
	bool notified; /* sd_notify was told READY */
	int64_t beat_ms; /* when workers were looked at last */
	struct mftd_child children[MFTD_CHILDREN_MAX];
	struct mftd_svc services[MFTD_SERVICES_MAX];
	int n_services;
};

/*
 * Runs the node until it ends.  listen_fds: n bound sockets, the parent's from
 * now on; daemon_lock: held lock of the run directory.  Returns the exit
 * status.
 */
int mftd_parent_run(const struct mftd_conf *conf, const int *listen_fds,
    int n_listen, int daemon_lock);

/* ---- between parent.c, spawn.c and service.c */

/* Forks the worker of slot ch and connects it with its peers. */
int mftd_spawn(struct mftd_parent *p, struct mftd_child *ch);

/* Asks the worker to end, by SIGKILL after grace_ms. */
void mftd_child_stop(struct mftd_child *ch, int grace_ms);

/* The living coordinator, or NULL. */
struct mftd_child *mftd_parent_coordinator(struct mftd_parent *p);

/* Ends by SIGKILL what else is a child of this process: sessions that their
 * listener left behind.  Returns how many there were, or -errno if they cannot
 * be listed. */
int mftd_orphans_kill(struct mftd_parent *p);

/* A request of the coordinator. */
int mftd_service_set(struct mftd_parent *p,
    const struct mftd_msg_service_set *set, uint64_t ref);

/* Does what is next for each service and the node itself. */
void mftd_services_advance(struct mftd_parent *p);

/* Whether every service is proven stopped. */
bool mftd_services_gone(const struct mftd_parent *p);

/* A worker of this service ended by itself. */
void mftd_service_worker_lost(struct mftd_parent *p, struct mftd_child *ch);

/* Tells the coordinator where the service stands. */
void mftd_service_tell(
    struct mftd_parent *p, struct mftd_svc *s, int err, uint64_t ref);

#endif
