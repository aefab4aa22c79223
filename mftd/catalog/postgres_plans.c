/* Part of mftd; see LICENSE. */
#include "mftd/catalog/postgres_plans.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mftd_postgres_plan *
mftd_postgres_plan(struct mftd_postgres_plans *plans, const char *sql)
{
	size_t i;

	for (i = 0; i < plans->n; i++)
		if (strcmp(plans->at[i].sql, sql) == 0)
			return &plans->at[i];
	if (i < MFTD_POSTGRES_PLANS_MAX) {
		plans->at[i].prepared = false;
		plans->at[i].sql = strdup(sql);
		plans->n += plans->at[i].sql != NULL;
	}
	return NULL;
}

void
mftd_postgres_plan_name(const struct mftd_postgres_plans *plans,
    const struct mftd_postgres_plan *plan,
    char name[MFTD_POSTGRES_PLAN_NAME_BYTES])
{
	snprintf(name, MFTD_POSTGRES_PLAN_NAME_BYTES, "mftd%d",
	    (int)(plan - plans->at));
}

void
mftd_postgres_plans_forget(struct mftd_postgres_plans *plans)
{
	while (plans->n > 0)
		free(plans->at[--plans->n].sql);
}
