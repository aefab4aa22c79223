/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_CLAIM_H
#define MFTD_CATALOG_CLAIM_H

/*
 * MFTD_DB_CLAIM for each of the two databases (parameters: db.h).
 *
 * What it reads depends on how many partners and ordered routes have something
 * to be sent, not on how much.  It goes by the index delivery_claim from one
 * partner and priority to the next (heads), and takes of each partner the
 * highest priority that has some due: of one no more than its share, so that
 * all together are no more than are wanted.  Of each route that keeps an order
 * it finds by delivery_order the one whose turn it is, which may not be due, or
 * on its way already.  What it finds it then holds against the others of
 * that name, by delivery_version.
 */
extern const char mftd_claim_sqlite[];
extern const char mftd_claim_postgres[];

/* What hooks are told of those that it finds replaced, or HELD since nobody
 * knows whether they are: where there are hooks, PostgreSQL's writes it;
 * SQLite's is asked for each such delivery ($1 id, $2 now_us). */
extern const char mftd_claim_postgres_events[];
extern const char mftd_claim_event_sqlite[];

/* MFTD_DB_INHERITED likewise. */
extern const char mftd_inherited_sqlite[];
extern const char mftd_inherited_postgres[];

#endif
