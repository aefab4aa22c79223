/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_WIRE_H
#define MFTD_CLUSTER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/buf.h"
#include "mftd/base/limits.h"
#include "mftd/cluster/cluster.h"

/*
 * Messages of the group.  On the wire: protocol version (1 byte), type (1
 * byte), number (8 bytes), then the type's fields in the order of wire.c's
 * table, numbers big-endian, strings with a 32-bit length.  A decoder takes
 * nothing that is longer, shorter, or holds a name that is no name.
 */
#define MFTD_GM_VERSION 1

enum mftd_gm_type {
	/* About the group itself; not numbered (number is 0). */
	MFTD_GM_COLLECT = 1, /* everyone, say what you have: a round begins */
	MFTD_GM_HELLO, /* the answer */
	MFTD_GM_DECIDE, /* some will never answer: decide without them */
	MFTD_GM_SNAPSHOT, /* a piece of the table, for joiners */
	MFTD_GM_BEAT, /* only its sender takes notice */
	/* Changes of the table, numbered from 1 per incarnation. */
	MFTD_GM_SESSION_ADD = 16,
	MFTD_GM_SESSION_DEL,
	MFTD_GM_ROLE,
	MFTD_GM_CONFIG,
	MFTD_GM_GONE,
	MFTD_GM_FENCED,
	MFTD_GM_CLAIM,
	MFTD_GM_RECOVERED,
	MFTD_GM_BAN,
	MFTD_GM_UNBAN,
	MFTD_GM_SESSION_END,
	MFTD_GM_END
};

/* One process in the group.  Corosync vouches for it as a sender. */
struct mftd_gm_member {
	uint32_t nodeid;
	uint32_t pid;
};

/* Names a round: who asked for it, and its count of such. */
struct mftd_gm_round {
	struct mftd_gm_member by;
	uint64_t count;
};

struct mftd_gm_collect {
	struct mftd_gm_round round;
	uint32_t attempt; /* which donor is to be tried */
	bool again; /* also when this configuration had a round */
};

struct mftd_gm_hello {
	struct mftd_gm_round round;
	char node[MFTD_NAME_BYTES];
	char incarnation[MFTD_ID_BYTES];
	char boot_id[MFTD_ID_BYTES];
	bool quorate; /* for exactly this configuration */
	bool synced; /* has a table; the rest describes it */
	uint64_t generation;
	uint64_t history; /* as of the COLLECT */
};

struct mftd_gm_decide {
	struct mftd_gm_round round;
};

#define MFTD_GM_PIECE_BYTES (MFTD_GROUP_MESSAGE_BYTES - 256)

struct mftd_gm_snapshot {
	struct mftd_gm_round round;
	uint32_t total; /* bytes of the whole */
	uint32_t offset;
	uint32_t len; /* <= MFTD_GM_PIECE_BYTES */
	const uint8_t *data; /* the decoded buffer's */
};

struct mftd_gm_beat {
	uint64_t sent_ms; /* the sender's mftd_clock_ms */
};

struct mftd_gm_role {
	uint32_t service;
	uint32_t role;
	char queue[MFTD_NAME_BYTES]; /* "" but for outbound */
	uint64_t epoch;
};

/* GONE has no fields: it is about its sender. */
struct mftd_gm_incarnation {
	char incarnation[MFTD_ID_BYTES];
	uint32_t failed; /* RECOVERED only: 1 when it did not work */
};

struct mftd_gm_config {
	uint64_t version;
};

/* said_us: the sender's wall clock, by which all nodes drop what has expired.
 */
struct mftd_gm_ban {
	struct mftd_cluster_ban row; /* UNBAN: its net */
	int64_t said_us;
};

struct mftd_gm {
	uint32_t type;
	uint64_t number;
	union {
		struct mftd_gm_collect collect;
		struct mftd_gm_hello hello;
		struct mftd_gm_decide decide;
		struct mftd_gm_snapshot snapshot;
		struct mftd_gm_beat beat;
		/* ADD; DEL: its id; END: id and end */
		struct mftd_cluster_session session;
		struct mftd_gm_ban ban;
		struct mftd_gm_role role;
		struct mftd_gm_config config;
		struct mftd_gm_incarnation incarnation; /* FENCED and later */
	} u;
};

/* Appends m to b.  0, -EINVAL when m is none that decode would take, -ENOBUFS.
 */
int mftd_gm_encode(const struct mftd_gm *m, struct mftd_buf *b);

/*
 * Takes a whole message apart.  -EPROTONOSUPPORT for another version, else
 * -EBADMSG for anything not understood to its last byte.  A snapshot's data
 * points into data.
 */
int mftd_gm_decode(const void *data, size_t len, struct mftd_gm *m);

/* The type's name, for logs; never NULL. */
const char *mftd_gm_name(uint32_t type);

bool mftd_gm_same_member(
    const struct mftd_gm_member *a, const struct mftd_gm_member *b);
bool mftd_gm_same_round(
    const struct mftd_gm_round *a, const struct mftd_gm_round *b);

/* By node id, then process: the order in which all nodes go through members. */
int mftd_gm_member_cmp(
    const struct mftd_gm_member *a, const struct mftd_gm_member *b);

#endif
