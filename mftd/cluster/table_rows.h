/* Part of mftd; see LICENSE. */
#ifndef MFTD_CLUSTER_TABLE_ROWS_H
#define MFTD_CLUSTER_TABLE_ROWS_H

#include "mftd/cluster/table.h"

/* Inside of the table, for table*.c only. */

struct mftd_table {
	uint64_t generation;
	uint64_t history;
	uint64_t config;
	size_t n_rows;
	uint64_t changes; /* of sessions and bans */
	uint64_t order; /* of the last session */
	size_t n_bans;
	struct mftd_cluster_ban bans[MFTD_BANS_MAX]; /* by net */
	struct mftd_table_row *rows[MFTD_INCARNATIONS_MAX];
};

/* Adds or replaces; what has expired by now_us goes, and at the bound the one
 * that would end first. */
void mftd_table_ban_add(
    struct mftd_table *t, const struct mftd_cluster_ban *ban, int64_t now_us);
void mftd_table_ban_del(struct mftd_table *t, const char *net);

/* Adds an empty row at the end.  NULL beyond the bound or without memory. */
struct mftd_table_row *mftd_table_add_row(struct mftd_table *t);

/* Removes row i. */
void mftd_table_drop_row(struct mftd_table *t, size_t i);

/* Forgets sessions and roles. */
void mftd_table_row_clear(struct mftd_table_row *r);

/* Adds or replaces.  0, -ENOSPC at the bound, -ENOMEM. */
int mftd_table_row_session(
    struct mftd_table_row *r, const struct mftd_cluster_session *s);
/* The session of that id, or NULL. */
struct mftd_cluster_session *mftd_table_row_session_find(
    const struct mftd_table_row *r, const char *id);
void mftd_table_row_session_del(struct mftd_table_row *r, const char *id);

/* Sets; role stopped removes.  0, -ENOSPC, -ENOMEM. */
int mftd_table_row_role(
    struct mftd_table_row *r, const struct mftd_gm_role *role);

#endif
