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

/* session -> auth; each answered by AUTH_RESULT with the same ref.  after_key
 * 0: what was proven before counts for nothing any more, since the client asked
 * for another user meanwhile. */
struct mftd_msg_auth_password {
	char user[MFTD_NAME_BYTES];
	uint32_t after_key;
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

/* auth -> journal and auth -> coordinator; the descriptor is their end.  And
 * outbound -> journal, for what it brings to an account. */
struct mftd_msg_session_open {
	char session[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	char root[MFTD_PATH_BYTES]; /* clean, below the volume */
	char peer[MFTD_ADDR_BYTES];
	struct mftd_policy policy;
};

/* coordinator -> session, first on their channel where the account's policy has
 * sessions_max: err says whether it is one too many.  And
 * journal -> session, first on their channel.  With err 0 the descriptors are
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

/* auth, listener -> coordinator: what may cost a source its welcome. */
enum mftd_failure {
	MFTD_FAILURE_PASSWORD,
	MFTD_FAILURE_KEY, /* a proven one: it is not the account's */
	MFTD_FAILURE_TRIES, /* a connection used up its tries */
	MFTD_FAILURE_GARBAGE, /* what came was no SSH */
	MFTD_FAILURE_GRACE, /* no login in time */
	MFTD_FAILURE_COUNT
};

struct mftd_msg_failure {
	uint32_t kind; /* enum mftd_failure */
	char peer[MFTD_ADDR_BYTES];
};

/* coordinator -> listener: all that is kept out now; n of mftd_msg_ban follow
 * the struct. */
struct mftd_msg_ban {
	int64_t until_us; /* wall clock */
	uint8_t address[16]; /* as struct mftd_cidr */
	uint32_t bits;
	uint32_t unused;
};

struct mftd_msg_bans {
	uint32_t n; /* <= MFTD_BANS_MAX */
};

/* listener -> coordinator, each 2 s and at once when it is up. */
enum mftd_turned {
	MFTD_TURNED_NOT_READY, /* no quorum, or no auth */
	MFTD_TURNED_SESSIONS, /* MFTD_SESSIONS_MAX */
	MFTD_TURNED_STARTUPS, /* max_startups */
	MFTD_TURNED_SOURCE, /* max_startups_per_source */
	MFTD_TURNED_BANNED,
	MFTD_TURNED_PROXY, /* a balancer's connection without a header */
	MFTD_TURNED_COUNT
};

struct mftd_msg_listener_state {
	uint64_t accepted;
	uint64_t turned[MFTD_TURNED_COUNT];
	uint32_t sessions;
	uint32_t starting; /* of them, without login */
};

/* auth -> coordinator: this account may no longer be here; its sessions end. */
struct mftd_msg_account_shut {
	char account[MFTD_NAME_BYTES];
	char reason[MFTD_REASON_BYTES];
};

#endif
