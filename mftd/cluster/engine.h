/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_ENGINE_H
#define MFTD_CLUSTER_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/base/buf.h"
#include "mftd/cluster/cluster.h"
#include "mftd/cluster/group.h"
#include "mftd/cluster/outbox.h"
#include "mftd/cluster/round.h"
#include "mftd/cluster/table.h"

/*
 * What ties group, round, table and outbox together: inside of the folder only.
 * engine.c drives, sync.c agrees on a table, duty.c recovers and holds the
 * lease, cluster.c is the public face.
 */

/* A message that waits for the table it belongs to. */
struct mftd_held {
	STAILQ_ENTRY(mftd_held) entry;
	struct mftd_gm_member from;
	struct mftd_gm m;
};

/* A joiner between its round and the whole snapshot. */
struct mftd_joining {
	bool active;
	struct mftd_gm_round round;
	struct mftd_gm_member donor;
	struct mftd_buf *snapshot; /* as far as it came */
	STAILQ_HEAD(, mftd_held) held; /* delivered after the round */
	size_t n_held;
	int64_t deadline_ms;
	uint32_t attempt;
};

/* A donor while pieces remain. */
struct mftd_donating {
	struct mftd_buf *snapshot; /* NULL when not */
	struct mftd_gm_round round;
	uint32_t sent, delivered, total;
};

/* What this node remembers of a recovery, beside the table. */
struct mftd_duty {
	char incarnation[MFTD_ID_BYTES];
	uint32_t failures; /* as last seen */
	int64_t not_before_ms; /* of the next claim */
	int64_t told_ms; /* 0: events.recover not called for this claim */
	bool tell; /* call it now */
};

struct mftd_cluster {
	qb_loop_t *loop;
	struct mftd_lease *lease;
	const struct mftd_cluster_events *events;
	void *data;
	bool standalone;
	int lease_ms, tick_ms, round_ms;
	struct mftd_gm_hello self; /* what every HELLO says */

	struct mftd_group *group;
	struct mftd_gm_member members[MFTD_GROUP_MEMBERS_MAX];
	size_t n_members;
	enum mftd_quorum quorum;
	bool quorate; /* the last definite word on it */

	struct mftd_table *table; /* NULL: not synced */
	bool joined; /* the table was another node's */
	struct mftd_round round;
	uint64_t round_history; /* the table's, when the round began */
	int64_t round_since_ms;
	bool view_quorate; /* this configuration's round said so */
	struct mftd_joining joining;
	struct mftd_donating donating;

	struct mftd_outbox outbox;
	struct mftd_buf *scratch; /* for encoding */
	bool want_collect, want_again, want_hello, want_decide, want_beat;
	uint64_t n_collects;
	int64_t beat_ms; /* when the last own beat came back was sent */

	struct mftd_duty duties[MFTD_INCARNATIONS_MAX];
	size_t n_duties;
	bool said_gone;

	qb_loop_timer_handle tick;
	bool ticking, job;
	qb_loop_timer_handle turn; /* while job */
	bool in_event, closed; /* closed inside of an event: freed after it */
	bool dead, restart_told;
	char why[MFTD_REASON_BYTES];
	bool told_quorate, told_ready;
	uint64_t told_config, told_changes;
};

/* mftd_cluster_open over a transport of the caller's choice. */
int mftd_engine_open(qb_loop_t *loop, const struct mftd_cluster_conf *conf,
    struct mftd_lease *lease, const struct mftd_cluster_events *events,
    void *data, const struct mftd_group_ops *ops, void *arg,
    struct mftd_cluster **out);

/* Numbers and queues a change of the table.  0, -ENOBUFS, -ENOMEM. */
int mftd_engine_say(struct mftd_cluster *c, const struct mftd_gm *m);

/* Sends what there is, then tells events, from the loop. */
void mftd_engine_work(struct mftd_cluster *c);

/* Sends with the window open to all; for the last words. */
void mftd_engine_flush(struct mftd_cluster *c);

/* This life is over: nothing is said or applied any more. */
void mftd_engine_restart(struct mftd_cluster *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Encodes and hands over.  What mftd_group's send returns. */
int mftd_engine_send(struct mftd_cluster *c, const struct mftd_gm *m);

bool mftd_engine_is_me(
    const struct mftd_cluster *c, const struct mftd_gm_member *who);

/* ---- sync.c */

void mftd_sync_change(
    struct mftd_cluster *c, const struct mftd_group_change *change);
void mftd_sync_collect(
    struct mftd_cluster *c, const struct mftd_gm_collect *collect);
void mftd_sync_hello(struct mftd_cluster *c, const struct mftd_gm_member *from,
    const struct mftd_gm_hello *h);
void mftd_sync_decide(
    struct mftd_cluster *c, const struct mftd_gm_decide *decide);
void mftd_sync_snapshot(struct mftd_cluster *c,
    const struct mftd_gm_member *from, const struct mftd_gm_snapshot *s);

/* A numbered message: to the table, or held until there is one. */
void mftd_sync_numbered(struct mftd_cluster *c,
    const struct mftd_gm_member *from, const struct mftd_gm *m);

/* Looks whether a round is to be asked for, or hurried. */
void mftd_sync_tick(struct mftd_cluster *c, int64_t now_ms);

/* Sends what is wanted; a negative return of send ends it. */
int mftd_sync_pump(struct mftd_cluster *c);

/* Drops all of it. */
void mftd_sync_clear(struct mftd_cluster *c);

/* ---- duty.c */

/* Claims what is gone, and notes what events.recover is to be told. */
void mftd_duty_look(struct mftd_cluster *c, int64_t now_ms);

/* The next incarnation to tell of, or NULL. */
const char *mftd_duty_next(struct mftd_cluster *c, int64_t now_ms);

/* The lease follows the quorum, and each own beat that comes back. */
void mftd_duty_quorum(struct mftd_cluster *c, enum mftd_quorum quorum);
void mftd_duty_beat(struct mftd_cluster *c, const struct mftd_gm_beat *beat);

#endif
