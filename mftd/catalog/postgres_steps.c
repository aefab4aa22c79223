/* Part of mftd; see LICENSE. */
#include "mftd/catalog/postgres_steps.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "mftd/base/clock.h"
#include "mftd/catalog/event.h"

static const char head[] = ROLE_ROW "v (id, was, state, tries, host, mtime, "
				    "due_us, sha256, error) AS (VALUES ";
/* "|| ''": the rows are to be found by their ids, not by the indexes for queue
 * and state, which a planner without statistics takes for narrower. */
static const char tail[] =
    "), u AS (UPDATE delivery AS d SET state = v.state, tries = v.tries, "
    "host = v.host, mtime = v.mtime, due_us = v.due_us, sha256 = v.sha256, "
    "error = v.error FROM r, v WHERE d.id = v.id AND d.state || '' = v.was "
    "AND d.queue || '' = r.queue RETURNING d.id)";
/* Behind it, if some delivery comes to an end that a hook may want. */
static const char event[] =
    ", ev AS (INSERT INTO event (id, kind, time_us, receipt, delivery, route, "
    "tries, host, error) SELECT k.event || '.' || u.id || '.' || "
    "(SELECT count(*) FROM delivery_wish w WHERE w.delivery = u.id), k.event, "
    "%" PRId64 ", d.receipt, u.id, d.route, v.tries, v.host, v.error "
    "FROM u JOIN v ON v.id = u.id JOIN delivery d ON d.id = u.id "
    "JOIN (SELECT DISTINCT event, state FROM hook_want) AS k "
    "ON k.state = v.state ON CONFLICT (id) DO NOTHING)";

static bool
some_end(const struct mftd_db_value *v, int n)
{
	int at = MFTD_DB_ROLE_VALUES + 2; /* the state that it gets */

	for (; at < n; at += MFTD_DB_STEP_VALUES)
		if (mftd_event_ends(v[at].p))
			return true;
	return false;
}

char *
mftd_postgres_common(enum mftd_db_guarded which)
{
	char *sql = NULL;

	if (asprintf(&sql, ROLE_ROW "u AS (%s)" WITH_ROLE,
		mftd_db_common_sql[which]) < 0)
		return NULL;
	return sql;
}

char *
mftd_postgres_steps(const struct mftd_db_value *v, int n, bool events)
{
	int at, rows = (n - MFTD_DB_ROLE_VALUES) / MFTD_DB_STEP_VALUES;
	char *sql = NULL;
	size_t size;
	FILE *f = open_memstream(&sql, &size);

	if (f == NULL)
		return NULL;
	fputs(head, f);
	for (at = MFTD_DB_ROLE_VALUES + 1; rows-- > 0;
	     at += MFTD_DB_STEP_VALUES)
		fprintf(f,
		    "($%d::text, $%d::text, $%d::text, $%d::bigint, $%d::text, "
		    "$%d::bigint, $%d::bigint, $%d::bytea, $%d::text)%s",
		    at, at + 1, at + 2, at + 3, at + 4, at + 5, at + 6, at + 7,
		    at + 8, rows > 0 ? ", " : "");
	fputs(tail, f);
	if (events && some_end(v, n))
		fprintf(f, event, mftd_clock_wall_us());
	fputs(WITH_ROLE, f);
	if (fclose(f) != 0) {
		free(sql);
		return NULL;
	}
	return sql;
}
