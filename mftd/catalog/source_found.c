/* Part of mftd; see LICENSE. */
#include "mftd/catalog/source_found.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/path.h"
#include "mftd/catalog/pattern.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define US_PER_S 1000000

static int
take_version(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_source_found *s = data;

	(void)n;
	s->v = (struct mftd_version) { .size = (uint64_t)row[1].i,
		.mtime_ns = row[2].i,
		.inode = (uint64_t)row[3].i,
		.ctime_ns = row[4].i };
	if (row[5].i == 0)
		return -EALREADY;
	return mftd_rows_get(&row[0], s->route, sizeof(s->route));
}

static int
find_version(struct mftd_catalog *c, const char *receipt, const char *name,
    struct mftd_source_found *s)
{
	const struct mftd_db_value v[] = { DB_TEXT(receipt),
		DB_BLOB(name, strlen(name)) };
	int r;

	r = mftd_db_run(c,
	    "SELECT f.route, f.size, f.mtime_ns, f.inode, f.ctime_ns, "
	    "(SELECT count(*) FROM receipt WHERE id = $1 AND "
	    "source IN ('WANTED', 'BEGUN')) "
	    "FROM delivery d JOIN found f ON f.route = d.route "
	    "WHERE d.receipt = $1 AND f.path = $2 AND f.receipt = $1",
	    v, N(v), take_version, s);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

/* Another route that looks there. */
struct walk {
	struct mftd_source_found *s;
	const char *name;
};

static const char *
text_of(const struct mftd_db_value *v)
{
	return v->type == MFTD_DB_TEXT ? v->p : NULL;
}

static int
take_route(void *data, const struct mftd_db_value *row, int n)
{
	const struct walk *w = data;
	struct mftd_source_found *s = w->s;
	char(*more)[MFTD_ID_BYTES];

	(void)n;
	if (!mftd_patterns_take(text_of(&row[1]), text_of(&row[2]), w->name))
		return 0;
	if (strcmp(row[3].p, "keep") == 0)
		return mftd_rows_get(&row[0], s->keeper, sizeof(s->keeper));
	if (row[4].type == MFTD_DB_NULL) {
		s->waits = true;
		return 0;
	}
	more = reallocarray(s->others, s->n + 1, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	s->others = more;
	return mftd_rows_get(&row[4], more[s->n++], sizeof(*more));
}

static int
find_others(struct mftd_catalog *c, const char *volume, const char *name,
    struct mftd_source_found *s)
{
	struct walk w = { s, name };
	const struct mftd_db_value v[] = { DB_TEXT(volume), DB_TEXT(s->folder),
		DB_TEXT(s->route), DB_BLOB(name, strlen(name)),
		DB_INT(s->v.size), DB_INT(s->v.mtime_ns), DB_INT(s->v.inode),
		DB_INT(s->v.ctime_ns) };
	int r;

	r = mftd_db_run(c,
	    "SELECT r.name, r.files, r.except_files, r.after_done, f.receipt "
	    "FROM route r LEFT JOIN found f ON f.route = r.name AND "
	    "f.path = $4 AND f.size = $5 AND f.mtime_ns = $6 AND "
	    "f.inode = $7 AND f.ctime_ns = $8 WHERE r.from_volume = $1 AND "
	    "r.from_folder = $2 AND r.name <> $3 ORDER BY r.name",
	    v, N(v), take_route, &w);
	return r < 0 ? r : 0;
}

int
mftd_source_found_get(struct mftd_catalog *c, const char *receipt,
    const char *volume, const char *path, struct mftd_source_found *out)
{
	const char *name;
	int r;

	memset(out, 0, sizeof(*out));
	r = mftd_path_split(path, out->folder, sizeof(out->folder), &name);
	if (r == 0)
		r = find_version(c, receipt, name, out);
	return r == 0 ? find_others(c, volume, name, out) : r;
}

void
mftd_source_found_free(struct mftd_source_found *s)
{
	free(s->others);
}

int
mftd_source_found_settle(
    struct mftd_catalog *c, const struct mftd_source_found *s)
{
	char why[MFTD_REASON_BYTES];
	size_t i;
	int r = 0;

	snprintf(why, sizeof(why), "route %s is done with it, too", s->route);
	for (i = 0; i < s->n && r >= 0; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(s->others[i]),
			DB_BLOB(why, strlen(why)) };

		r = mftd_db_run(c,
		    "UPDATE receipt SET source = 'KEPT', source_text = $2 "
		    "WHERE id = $1 AND source = 'WANTED'",
		    v, N(v), NULL, NULL);
	}
	return r < 0 ? r : 0;
}

int
mftd_source_found_wait(
    struct mftd_catalog *c, const char *receipt, int64_t time_us)
{
	int64_t now_us = mftd_clock_wall_us(), wait_us = (now_us - time_us) / 2;

	if (wait_us < US_PER_S)
		wait_us = US_PER_S;
	if (wait_us > (int64_t)MFTD_DISPOSE_WAIT_S * US_PER_S)
		wait_us = (int64_t)MFTD_DISPOSE_WAIT_S * US_PER_S;
	const struct mftd_db_value v[] = { DB_TEXT(receipt),
		DB_INT(now_us + wait_us) };
	int r = mftd_db_run(c,
	    "UPDATE receipt SET source_due_us = $2 WHERE id = $1", v, N(v),
	    NULL, NULL);

	return r < 0 ? r : 0;
}
