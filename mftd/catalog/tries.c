/* Part of mftd; see LICENSE. */
#include "mftd/catalog/tries.h"

#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

struct tries {
	int (*fn)(void *data, const struct mftd_try *t);
	void *data;
};

static int
take_try(void *data, const struct mftd_db_value *row, int n)
{
	struct tries *all = data;
	struct mftd_try t = { .n = (uint32_t)row[0].i,
		.begin_us = row[1].i,
		.end_us = row[2].i,
		.bytes = (uint64_t)row[4].i };

	if (mftd_rows_get(&row[3], t.host, sizeof(t.host)) < 0 ||
	    mftd_rows_get(&row[5], t.outcome, sizeof(t.outcome)) < 0 ||
	    mftd_rows_get(&row[6], t.error, sizeof(t.error)) < 0)
		return -MFTD_E_CORRUPT;
	return all->fn(all->data, &t);
}

int
mftd_catalog_tries(struct mftd_catalog *c, const char *delivery,
    int (*fn)(void *data, const struct mftd_try *t), void *data)
{
	const struct mftd_db_value v[] = { DB_TEXT(delivery) };
	struct tries all = { fn, data };
	int r;

	r = mftd_db_run(c,
	    "SELECT n, begin_us, end_us, host, bytes, outcome, error "
	    "FROM delivery_try WHERE delivery = $1 ORDER BY n",
	    v, N(v), take_try, &all);
	return r < 0 ? r : 0;
}

int
mftd_try_end(struct mftd_catalog *c, const char *delivery, const char *outcome)
{
	const struct mftd_db_value v[] = { DB_TEXT(delivery),
		DB_INT(mftd_clock_wall_us()), DB_TEXT(outcome) };

	return mftd_db_run(c,
	    "UPDATE delivery_try SET end_us = $2, outcome = $3 "
	    "WHERE delivery = $1 AND end_us = 0 AND n = "
	    "(SELECT tries FROM delivery WHERE id = $1)",
	    v, N(v), NULL, NULL);
}
