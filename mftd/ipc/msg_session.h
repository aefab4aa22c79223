/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_MSG_SESSION_H
#define MFTD_IPC_MSG_SESSION_H

#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/ipc/policy.h"

/*
 * Identity is the channel: a session starts with one channel, to auth.  On
 * success auth makes a pair for journal and one for coordinator, gives each its
 * end together with the account (SESSION_OPEN), and the session the other ends
 * (AUTH_RESULT).  No later message of a session says who it is.
 */

/* listener -> auth; the descriptor is auth's end of the session's channel. */
struct mftd_msg_session_new {
	char session[MFTD_ID_BYTES];
	char peer[MFTD_ADDR_BYTES]; /* "192.0.2.1:4711", "[2001:db8::1]:4711" */
};

/* session -> auth; each answered by AUTH_RESULT with the same ref. */
struct mftd_msg_auth_password {
	char user[MFTD_NAME_BYTES];
	char password[MFTD_SECRET_BYTES];
};

/* key: the public key blob (RFC 4253 section 6.6).  proven 0: would it do
 * (RFC 4252 section 7, the query); 1: libssh verified its signature. */
struct mftd_msg_auth_key {
	char user[MFTD_NAME_BYTES];
	uint32_t proven;
	uint32_t key_bytes;
	uint8_t key[MFTD_KEY_BYTES];
};

/* auth -> session.  ok 1 carries two descriptors: the channels to journal and
 * to coordinator; a query that would do is ok 2 without descriptors; ok 3: the
 * key is right, and the password of the same user is needed too. */
struct mftd_msg_auth_result {
	uint32_t ok;
	char account[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	char reason[MFTD_REASON_BYTES]; /* for the log, never for the peer */
	struct mftd_policy policy; /* ok 1 */
};

/* auth -> journal and auth -> coordinator; the descriptor is their end. */
struct mftd_msg_session_open {
	char session[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	char root[MFTD_PATH_BYTES]; /* clean, below the volume */
	char peer[MFTD_ADDR_BYTES];
	uint32_t has_routes; /* uploads need a link in .mft/out */
	struct mftd_policy policy;
};

/* journal -> session, first on their channel.  With err 0 the descriptors are
 * the account's root directory, its directory in .mft/parts, and then the
 * directories of its policy's folders, in their order. */
struct mftd_msg_session_ready {
	int32_t err;
	char volume_id[MFTD_ID_BYTES]; /* first part of a parent key */
};

/* coordinator -> session: close in order, or at once when now is set. */
struct mftd_msg_session_end {
	uint32_t now;
	char reason[MFTD_REASON_BYTES];
};

/* session -> coordinator, at most once a second, when changed. */
struct mftd_msg_session_stat {
	uint64_t bytes_in;
	uint64_t bytes_out;
	uint64_t published;
};

#endif
