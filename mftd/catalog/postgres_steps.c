/* Part of mftd; see LICENSE. */
#include "mftd/catalog/postgres_steps.h"

#include <stdio.h>
#include <stdlib.h>

#include "mftd/catalog/db.h"
#include "mftd/catalog/tries.h"

static const char head[] = ROLE_ROW "v (id, was, state, tries, host, mtime, "
				    "due_us, sha256, error, temp_try, number, "
				    "verified, skipped, first_us, slot, "
				    "begin_us, end_us, try_host, bytes, "
				    "outcome) AS (VALUES ";
/* "|| ''": the rows are to be found by their ids, not by the indexes for queue
 * and state, which a planner without statistics takes for narrower. */
static const char tail[] =
    "), m AS (UPDATE delivery AS d SET state = v.state, tries = v.tries, "
    "host = v.host, mtime = v.mtime, due_us = v.due_us, sha256 = v.sha256, "
    "error = v.error, temp_try = v.temp_try, number = v.number, "
    "verified = v.verified, skipped = v.skipped, first_us = v.first_us "
    "FROM r, v WHERE d.id = v.id AND "
    "d.state || '' = v.was AND d.queue || '' = r.queue RETURNING v.*), "
    "t AS (" MFTD_TRY_INTO "SELECT id, slot, tries, begin_us, end_us, "
    "try_host, bytes, outcome, error FROM m WHERE slot IS NOT "
    "NULL" MFTD_TRY_UPSERT "), u AS (SELECT id FROM m)" WITH_ROLE;

char *
mftd_postgres_steps(int n)
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
		    "$%d::bigint, $%d::bigint, $%d::bytea, $%d::text, "
		    "$%d::bigint, $%d::bigint, $%d::text, $%d::bigint, "
		    "$%d::bigint, $%d::bigint, $%d::bigint, $%d::bigint, "
		    "$%d::text, $%d::bigint, $%d::text)%s",
		    at, at + 1, at + 2, at + 3, at + 4, at + 5, at + 6, at + 7,
		    at + 8, at + 9, at + 10, at + 11, at + 12, at + 13, at + 14,
		    at + 15, at + 16, at + 17, at + 18, at + 19,
		    rows > 0 ? ", " : "");
	fputs(tail, f);
	if (fclose(f) != 0) {
		free(sql);
		return NULL;
	}
	return sql;
}
