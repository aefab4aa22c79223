/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_MSG_H
#define MFTD_IPC_MSG_H

#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * Messages between the processes of a node.  Each is a C struct (they are all
 * forks of one program); msg.c has one row per type: its size, its strings and
 * how many descriptors it carries.  Nothing that does not fit its row reaches a
 * handler.  The structs: msg_node.h, msg_session.h, msg_journal.h,
 * msg_outbound.h, msg_look.h, msg_fetch.h.
 */
enum mftd_msg_type {
	/* parent and everybody; parent and coordinator: msg_node.h */
	MFTD_MSG_PEER = 1,
	MFTD_MSG_READY,
	MFTD_MSG_STOP,
	MFTD_MSG_PING,
	MFTD_MSG_PONG,
	MFTD_MSG_SERVICE_SET,
	MFTD_MSG_SERVICE_STATE,
	/* coordinator, catalog, journal, outbound: msg_node.h */
	MFTD_MSG_CONFIG_POKE,
	MFTD_MSG_CATALOG_STATE,
	MFTD_MSG_BACKLOG,
	MFTD_MSG_SNAPSHOT,
	MFTD_MSG_RECOVER,
	MFTD_MSG_RECOVERED,
	MFTD_MSG_VOLUME_STATE,
	MFTD_MSG_OUTBOUND_STATE,
	MFTD_MSG_SESSION_YIELD,
	/* listener, auth, session, coordinator: msg_session.h */
	MFTD_MSG_SESSION_NEW,
	MFTD_MSG_AUTH_PASSWORD,
	MFTD_MSG_AUTH_KEY,
	MFTD_MSG_AUTH_RESULT,
	MFTD_MSG_SESSION_OPEN,
	MFTD_MSG_SESSION_READY,
	MFTD_MSG_SESSION_END,
	MFTD_MSG_SESSION_STAT,
	MFTD_MSG_FAILURE,
	MFTD_MSG_ACCOUNT_SHUT,
	MFTD_MSG_BANS,
	MFTD_MSG_LISTENER_STATE,
	/* session and journal, outbound and journal: msg_journal.h */
	MFTD_MSG_PUBLISH,
	MFTD_MSG_SUPERSEDE,
	MFTD_MSG_PART,
	MFTD_MSG_PART_END,
	MFTD_MSG_COMMIT,
	MFTD_MSG_ADOPT,
	MFTD_MSG_RENAME,
	MFTD_MSG_REMOVE,
	MFTD_MSG_MKDIR,
	MFTD_MSG_RMDIR,
	MFTD_MSG_SETSTAT,
	MFTD_MSG_LINK,
	MFTD_MSG_SYMLINK,
	MFTD_MSG_AUDIT,
	MFTD_MSG_JOURNAL_RESULT,
	MFTD_MSG_RELEASE,
	MFTD_MSG_QUOTA,
	MFTD_MSG_QUOTA_RESULT,
	/* catalog and journal: msg_journal.h */
	MFTD_MSG_STREAM,
	MFTD_MSG_WANT,
	MFTD_MSG_RECORD,
	MFTD_MSG_FORWARDED,
	MFTD_MSG_LINKS,
	MFTD_MSG_LINKS_SEEN,
	MFTD_MSG_ROUTES,
	MFTD_MSG_DISPOSE,
	MFTD_MSG_DISPOSED,
	/* outbound and deliver: msg_outbound.h */
	MFTD_MSG_DELIVER_JOB,
	MFTD_MSG_DELIVER_STEP,
	MFTD_MSG_DELIVER_ANSWER,
	/* outbound and hooks: msg_outbound.h */
	MFTD_MSG_HOOKS_ROLE,
	/* outbound and look: msg_look.h */
	MFTD_MSG_LOOK_STAGED,
	MFTD_MSG_LOOK_KNOWN,
	MFTD_MSG_LOOK_ROWS,
	MFTD_MSG_LOOK_GONE,
	MFTD_MSG_LOOK_FOUND,
	MFTD_MSG_LOOK_END,
	MFTD_MSG_LOOK_ANSWER,
	/* outbound and fetch: msg_fetch.h */
	MFTD_MSG_FETCH_PLACE,
	MFTD_MSG_FETCH_CALLED,
	MFTD_MSG_FETCH_STAGED,
	MFTD_MSG_FETCH_ASK,
	MFTD_MSG_FETCH_FOUND,
	MFTD_MSG_FETCH_LOOKED,
	MFTD_MSG_FETCH_NEXT,
	MFTD_MSG_FETCH_WISH,
	MFTD_MSG_FETCH_TIDY,
	MFTD_MSG_FETCH_ANSWER,
	MFTD_MSG_TYPE_END
};

/* A message as received.  data points into the channel's buffer and is valid
 * until its next receive.  A handler that keeps a descriptor sets its slot to
 * -1; the others are closed after it returned. */
struct mftd_msg {
	uint32_t type;
	uint64_t ref; /* the sender's; an answer carries its question's */
	const void *data;
	size_t len;
	int fds[MFTD_MSG_FDS];
	int n_fds;
};

/* "publish"; "?" for an unknown type. */
const char *mftd_msg_name(uint32_t type);

/*
 * The gate: whether m has the size, the terminated strings and the number of
 * descriptors of its type.  Returns 0 or -MFTD_E_PROTOCOL.
 */
int mftd_msg_check(const struct mftd_msg *m);

#endif
