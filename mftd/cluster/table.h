/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_TABLE_H
#define MFTD_CLUSTER_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/cluster/cluster.h"
#include "mftd/cluster/wire.h"

/*
 * The replicated state: what the group knows of each incarnation of each node.
 * Pure: no I/O, no clock, no chance.  Nodes that start from the same table and
 * are told the same things in the same order have the same table, byte for
 * byte in its encoded form.
 *
 * A life of an incarnation:
 *
 *	member ---leave---> lost --FENCED, newer HELLO--> gone --RECOVERED--> -
 *	   \-------GONE-----------------------------------^
 *
 * The history is a hash of all that has ever been applied: two tables with the
 * same history are the same table.
 */
struct mftd_table;

#define MFTD_TABLE_BYTES (64u << 20) /* an encoded table at most */
#define MFTD_TABLE_ROLES_MAX (MFTD_QUEUES_MAX + 4) /* of one node */

struct mftd_table_row {
	char node[MFTD_NAME_BYTES];
	char incarnation[MFTD_ID_BYTES];
	char boot_id[MFTD_ID_BYTES];
	struct mftd_gm_member member; /* its process, now or last */
	uint64_t next; /* number of its next message */
	bool present; /* in the group now */
	bool replaced; /* its node has a newer incarnation */
	bool gone; /* all its workers certainly ended */
	bool recovered; /* gone, and its streams are recovered */
	char claimer[MFTD_ID_BYTES]; /* incarnation that recovers it, or "" */
	uint32_t failures; /* recoveries that did not work */
	/* kept by table.c: */
	struct mftd_gm_role *roles;
	size_t n_roles;
	struct mftd_cluster_session **sessions; /* by id */
	size_t n_sessions, size_sessions;
};

/* Empty.  NULL without memory. */
struct mftd_table *mftd_table_new(void);
void mftd_table_free(struct mftd_table *t); /* t may be NULL */

/*
 * A HELLO of a process that the group takes in.  What it says of older
 * incarnations of its node is taken for granted: the parent starts a new
 * incarnation only after all workers of the old one were reaped, and another
 * boot id means that the machine has been down.
 * Returns 0 (also when that process is in already), -EEXIST when this
 * incarnation was here and left: it may not return; -EADDRINUSE when another
 * machine with this node name is here; -ENOSPC, -ENOMEM.
 */
int mftd_table_install(struct mftd_table *t, const struct mftd_gm_member *who,
    const struct mftd_gm_hello *h);

/* A process left, or was seen to; unknown ones are no error. */
void mftd_table_leave(struct mftd_table *t, const struct mftd_gm_member *who);

/* A quorate configuration was agreed. */
void mftd_table_next_generation(struct mftd_table *t);

/*
 * A numbered message of that sender.  Returns 1 when it was applied (it may
 * still have changed nothing: a lost claim), 0 when it is not its turn or not a
 * member's: the sender will repeat it, or not be here.  -ENOMEM: this table is
 * not the group's any more.
 */
int mftd_table_apply(struct mftd_table *t, const struct mftd_gm_member *from,
    const struct mftd_gm *m);

uint64_t mftd_table_generation(const struct mftd_table *t);
uint64_t mftd_table_history(const struct mftd_table *t);
uint64_t mftd_table_config(const struct mftd_table *t);

/* Counts changes of sessions and bans. */
uint64_t mftd_table_changes(const struct mftd_table *t);

/* Bans by net, i from 0; NULL at the end.  Valid until the table changes. */
const struct mftd_cluster_ban *mftd_table_ban(
    const struct mftd_table *t, size_t i);

/* Rows in the order of their first appearance, i from 0; NULL at the end.
 * Valid until the table changes. */
const struct mftd_table_row *mftd_table_row(
    const struct mftd_table *t, size_t i);

/* The row of an incarnation, or of a process that is present; or NULL. */
const struct mftd_table_row *mftd_table_find(
    const struct mftd_table *t, const char *incarnation);
const struct mftd_table_row *mftd_table_present(
    const struct mftd_table *t, const struct mftd_gm_member *who);

/* Appends the encoded table.  0, -ENOBUFS, -ENOMEM. */
int mftd_table_encode(const struct mftd_table *t, struct mftd_buf *b);

/* Makes a table of len bytes, which are not trusted.  -EBADMSG, -ENOMEM. */
int mftd_table_decode(const void *data, size_t len, struct mftd_table **out);

#endif
