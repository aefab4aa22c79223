/* Part of mftd; see LICENSE. */
#include "mftd/catalog/outcome.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/catalog/db.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

int
mftd_outcome_part(const char *session, const char *id, uint32_t tries,
    char out[MFTD_ID_BYTES])
{
	int n = snprintf(out, MFTD_ID_BYTES, "%s.%s.%u", session, id, tries);

	return n < MFTD_ID_BYTES ? 0 : -ENAMETOOLONG;
}

static int
take_outcome(void *data, const struct mftd_db_value *row, int n)
{
	enum mftd_part_outcome *out = data;

	(void)n;
	*out = strcmp(row[0].p, "PUBLISHED") == 0 ? MFTD_PART_PUBLISHED
						  : MFTD_PART_ABANDONED;
	return 0;
}

int
mftd_outcome_of(struct mftd_catalog *c, const char *part)
{
	const struct mftd_db_value v[] = { DB_TEXT(part) };
	enum mftd_part_outcome out = MFTD_PART_UNKNOWN;
	int r =
	    mftd_db_run(c, "SELECT outcome FROM part_outcome WHERE part = $1",
		v, N(v), take_outcome, &out);

	return r < 0 ? r : (int)out;
}

/* A client's part is "SESSION.N", without the id of a row. */
static bool
is_outbounds(const char *part)
{
	const char *last = strrchr(part, '.'), *id = last;

	while (id != NULL && id > part && id[-1] != '.')
		id--;
	return id != NULL && id > part && strncmp(id, "d-", 2) == 0;
}

/* The first word counts: a recoverer may say again what was said. */
int
mftd_outcome_note(struct mftd_catalog *c, const char *part, const char *outcome,
    const char *receipt)
{
	const struct mftd_db_value v[] = { DB_TEXT(part), DB_TEXT(outcome),
		DB_TEXT(receipt) };
	int r;

	if (!is_outbounds(part))
		return 0;
	r = mftd_db_run(c,
	    "INSERT INTO part_outcome (part, outcome, receipt) "
	    "VALUES ($1, $2, $3) ON CONFLICT (part) DO NOTHING",
	    v, N(v), NULL, NULL);
	return r < 0 ? r : 0;
}
