/* Part of mftd; see LICENSE. */
/*
 * The agents' view of one service inside the node's daemon: the control socket
 * <rundir>/control.sock and the service's lock file.
 */
#ifndef MFTD_AGENTS_SERVICE_H
#define MFTD_AGENTS_SERVICE_H

#include "ocf/notify.h"
#include "ocf/ocf.h"

enum {
	MFTD_SERVICE_PACKET_MAX = 65536, /* bytes of a packet on the socket */
	MFTD_SERVICE_REPLY_MAX = 65536, /* bytes of a whole reply */
	MFTD_SERVICE_REASON_MAX = 256, /* bytes kept of a reason */
	MFTD_SERVICE_RUNDIR_MAX = 90, /* leaves room for names in sun_path */
	MFTD_SERVICE_QUEUE_MAX = 57, /* bytes of a queue's name */
	MFTD_SERVICE_LIFE_MAX = 65, /* bytes of an incarnation and its NUL */
};

/* In order of the words in a reply. */
enum mftd_service_state {
	MFTD_SERVICE_STOPPED,
	MFTD_SERVICE_STARTED,
	MFTD_SERVICE_PROMOTED,
};

enum mftd_service_health {
	MFTD_SERVICE_OK,
	MFTD_SERVICE_DEGRADED,
	MFTD_SERVICE_REFUSED,
};

struct mftd_service {
	const char *rundir; /* <= MFTD_SERVICE_RUNDIR_MAX bytes, borrowed */
	const char *name; /* "inbound", "outbound" */
	/* outbound: its queue, or that of a place; else NULL */
	const char *queue;
};

struct mftd_service_answer {
	bool ok; /* the action was done */
	/* a stop: not done, but all that is left has SIGKILL pending */
	bool killed;
	enum mftd_service_state state;
	enum mftd_service_health health;
	char reason[MFTD_SERVICE_REASON_MAX];
	/* the daemon's incarnation, a word: another one when the node was out
	 * of the group; "" if it does not say */
	char life[MFTD_SERVICE_LIFE_MAX];
};

/*
 * Asks the daemon for one action. Returns 0 and *answer; -ENOENT if nobody
 * listens (no socket, or one left behind); -ETIMEDOUT if there was no whole
 * answer in time; -ECONNRESET if the daemon hung up; -EPROTO if the answer is
 * none; or another -errno. notify may be NULL.
 */
int mftd_service_request(const struct mftd_service *svc, const char *action,
    const struct mftd_ocf_notify *notify, int64_t timeout_ms,
    struct mftd_service_answer *answer);

/* Connects to the control socket: a descriptor, or -errno as above. */
int mftd_service_connect(const struct mftd_service *svc, int64_t timeout_ms);

/*
 * Who holds the service's lock, asked without touching it: STOPPED if nobody
 * does; STARTED or PROMOTED, by the word in the file, if somebody does or if
 * it cannot be known. Each worker of the service inherits the lock, so
 * STOPPED proves that none is left.
 */
enum mftd_service_state mftd_service_lock(const struct mftd_service *svc);

/* Waits until the lock is free. False if timeout_ms went by. */
bool mftd_service_wait_gone(const struct mftd_service *svc, int64_t timeout_ms);

/* The exit code of a service in this state. */
enum mftd_ocf_code mftd_service_code(
    enum mftd_service_state state, enum mftd_service_health health);

#endif
