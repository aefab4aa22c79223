/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_POSTGRES_PLANS_H
#define MFTD_CATALOG_POSTGRES_PLANS_H

#include <stdbool.h>
#include <stddef.h>

#define MFTD_POSTGRES_PLANS_MAX 128 /* of one session */
#define MFTD_POSTGRES_PLAN_NAME_BYTES 16

/* The statements that a session has run: what comes again is prepared, so that
 * the server parses and plans it once. */
struct mftd_postgres_plans {
	struct mftd_postgres_plan {
		char *sql;
		bool prepared;
	} at[MFTD_POSTGRES_PLANS_MAX];
	size_t n;
};

/* The statement, if it was asked for before; NULL: it was not, or there is no
 * room for more. */
struct mftd_postgres_plan *mftd_postgres_plan(
    struct mftd_postgres_plans *plans, const char *sql);

/* What the session calls it. */
void mftd_postgres_plan_name(const struct mftd_postgres_plans *plans,
    const struct mftd_postgres_plan *plan,
    char name[MFTD_POSTGRES_PLAN_NAME_BYTES]);

/* Forgets them: the session is over. */
void mftd_postgres_plans_forget(struct mftd_postgres_plans *plans);

#endif
