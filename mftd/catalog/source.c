/* Part of mftd; see LICENSE. */
#include "mftd/catalog/source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/after.h"
#include "mftd/catalog/match.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/source_found.h"
#include "mftd/catalog/template.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define US_PER_S 1000000
/* Of one source: more routes than that take no file. */
#define DESTINATIONS_MAX MFTD_OBJECTS_MAX

static int
run(struct mftd_catalog *c, const char *sql, const struct mftd_db_value *v,
    int n)
{
	int r = mftd_db_run(c, sql, v, n, NULL, NULL);

	return r < 0 ? r : 0;
}

int
mftd_source_want(struct mftd_catalog *c, const char *receipt)
{
	const struct mftd_db_value v[] = { DB_TEXT(receipt) };
	int r = mftd_db_run(c,
	    "UPDATE receipt SET source = 'WANTED' "
	    "WHERE id = $1 AND source = ''",
	    v, N(v), NULL, NULL);

	/* those that are made later find it so (targets.c) */
	return r <= 0
	    ? r
	    : run(c, "UPDATE delivery SET due = 1 WHERE receipt = $1", v, N(v));
}

int
mftd_source_done(struct mftd_catalog *c, const struct mftd_rec_name *rec)
{
	const struct mftd_db_value v[] = { DB_TEXT(rec->cause),
		DB_TEXT(rec->to[0] != '\0' ? "ARCHIVED" : "DELETED"),
		DB_BLOB(rec->to, strlen(rec->to)) };

	return run(c,
	    "UPDATE receipt SET source = $2, source_text = $3 WHERE id = $1 "
	    "AND source NOT IN ('ARCHIVED', 'DELETED')",
	    v, N(v));
}

/* ---- one of them */

struct source {
	char receipt[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	char path[MFTD_PATH_BYTES]; /* as its account sees it */
	int64_t time_us; /* of the upload, or when it was found */
	bool found; /* in a folder: path is below the volume */
	struct source *next;
};

struct destinations {
	struct mftd_destination *list;
	size_t n;
};

static int
take_destination(void *data, const struct mftd_db_value *row, int n)
{
	struct destinations *all = data;
	struct mftd_destination *d;
	int state = mftd_delivery_state_of(row[1].p);
	int after = mftd_after_of(row[3].p);
	char below[16];

	(void)n;
	if (state < 0 || after < 0 || all->n == DESTINATIONS_MAX)
		return -MFTD_E_CORRUPT;
	d = reallocarray(all->list, all->n + 1, sizeof(*d));
	if (d == NULL)
		return -ENOMEM;
	all->list = d;
	d += all->n++;
	d->state = (enum mftd_delivery_state)state;
	d->after = (enum mftd_after)after;
	/* a person's CANCELLED is of a destination, whatever was before */
	d->unmatched = row[2].i != 0 && row[6].i == 0;
	if (mftd_rows_get(&row[0], d->route, sizeof(d->route)) < 0 ||
	    mftd_rows_get(&row[4], d->archive, sizeof(d->archive)) < 0 ||
	    mftd_rows_get(&row[5], below, sizeof(below)) < 0)
		return -MFTD_E_CORRUPT;
	d->on_volume = strcmp(below, "volume") == 0;
	return 0;
}

static int
find_destinations(
    struct mftd_catalog *c, const char *receipt, struct destinations *all)
{
	const struct mftd_db_value v[] = { DB_TEXT(receipt) };

	return mftd_db_run(c,
	    "SELECT d.route, d.state, d.unmatched, d.after_done, d.archive, "
	    "d.archive_below, (SELECT count(*) FROM delivery_wish w WHERE "
	    "w.delivery = d.id AND w.to_state = 'CANCELLED') "
	    "FROM delivery d WHERE d.receipt = $1 ORDER BY d.route",
	    v, N(v), take_destination, all);
}

static int
take_path(void *data, const struct mftd_db_value *row, int n)
{
	(void)n;
	return mftd_rows_get(&row[0], data, MFTD_PATH_BYTES);
}

/* The account's root below the volume.  -ENOENT: it has none there. */
static int
find_root(struct mftd_catalog *c, const struct source *s, char *root)
{
	const struct mftd_db_value v[] = { DB_TEXT(s->account),
		DB_TEXT(s->volume) };
	int r;

	r = mftd_db_run(c,
	    "SELECT root FROM account WHERE name = $1 AND volume = $2", v, N(v),
	    take_path, root);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

static int
join(char *out, const char *folder, const char *path)
{
	int n = strcmp(folder, ".") == 0
	    ? snprintf(out, MFTD_PATH_BYTES, "%s", path)
	    : snprintf(out, MFTD_PATH_BYTES, "%s/%s", folder, path);

	return n < MFTD_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* Where the path lies below the volume: in a virtual folder or the root. */
static int
find_place(
    struct mftd_catalog *c, const struct source *s, const char *root, char *out)
{
	size_t len = strcspn(s->path, "/");
	char name[MFTD_PATH_BYTES], folder[MFTD_PATH_BYTES];
	int r;

	snprintf(name, sizeof(name), "%.*s", (int)len, s->path);
	const struct mftd_db_value v[] = { DB_TEXT(s->account), DB_TEXT(name) };

	if (s->path[len] == '\0')
		return join(out, root, s->path);
	r = mftd_db_run(c,
	    "SELECT path FROM account_folder WHERE account = $1 AND "
	    "name = $2",
	    v, N(v), take_path, folder);
	if (r < 0)
		return r;
	return r > 0 ? join(out, folder, s->path + len + 1)
		     : join(out, root, s->path);
}

/* Which archive: below root, or the volume. */
static int
place_archive(const struct source *s, const struct mftd_destination *by,
    const char *root, struct mftd_msg_dispose *q)
{
	char folder[MFTD_PATH_BYTES];
	int r = mftd_template_folder_make(
	    by->archive, s->time_us, folder, sizeof(folder));

	return r < 0 ? r : join(q->archive, by->on_volume ? "." : root, folder);
}

/* What to ask for the source.  -ENOENT: its account is gone from there. */
static int
make_question(struct mftd_catalog *c, const struct source *s,
    const struct mftd_destination *by, struct mftd_msg_dispose *q)
{
	int r;

	memset(q, 0, sizeof(*q));
	memcpy(q->receipt, s->receipt, sizeof(q->receipt));
	memcpy(q->account, s->account, sizeof(q->account));
	r = find_root(c, s, q->root);
	if (r == 0)
		r = find_place(c, s, q->root, q->path);
	if (r < 0 || by->after != MFTD_AFTER_ARCHIVE)
		return r;
	return place_archive(s, by, q->root, q);
}

/* The same of a found file. */
static int
make_found_question(const struct source *s, const struct mftd_source_found *f,
    const struct mftd_destination *by, struct mftd_msg_dispose *q)
{
	memset(q, 0, sizeof(*q));
	memcpy(q->receipt, s->receipt, sizeof(q->receipt));
	memcpy(q->path, s->path, sizeof(q->path));
	q->found = 1;
	q->bytes = f->v.size;
	q->inode = f->v.inode;
	q->mtime_ns = f->v.mtime_ns;
	q->ctime_ns = f->v.ctime_ns;
	return by->after == MFTD_AFTER_ARCHIVE
	    ? place_archive(s, by, f->folder, q)
	    : 0;
}

static int
keep(struct mftd_catalog *c, const struct source *s, const char *why)
{
	const struct mftd_db_value v[] = { DB_TEXT(s->receipt),
		DB_BLOB(why, strlen(why)) };

	return run(c,
	    "UPDATE receipt SET source = 'KEPT', source_text = $2 "
	    "WHERE id = $1",
	    v, N(v));
}

static int
keep_for(struct mftd_catalog *c, const struct source *s,
    const struct mftd_destination *by)
{
	char why[MFTD_REASON_BYTES];

	if (by == NULL)
		return keep(c, s, "no route took it in the end");
	snprintf(why, sizeof(why),
	    by->state == MFTD_DELIVERY_DONE ? "route %s keeps it"
					    : "route %s has not delivered it",
	    by->route);
	return keep(c, s, why);
}

static int
mark_begun(struct mftd_catalog *c, const struct source *s)
{
	const struct mftd_db_value v[] = { DB_TEXT(s->receipt),
		DB_INT(mftd_clock_wall_us() +
		    (int64_t)MFTD_DISPOSE_AGAIN_S * US_PER_S) };

	return run(c,
	    "UPDATE receipt SET source = 'BEGUN', source_due_us = $2 "
	    "WHERE id = $1",
	    v, N(v));
}

/* By the question that was made (r its outcome): it is begun, or kept. */
static int
ask_or_keep(struct mftd_catalog *c, const struct source *s, int r, bool *ask)
{
	*ask = r == 0;
	if (r == 0)
		return mark_begun(c, s);
	if (r == -ENOENT)
		return keep(c, s, "its account is not there any more");
	if (r == -ENAMETOOLONG || r == -EINVAL)
		return keep(c, s, "the archive's path is none");
	return r;
}

static bool
is_under_way(const struct destinations *all)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (all->list[i].state != MFTD_DELIVERY_DONE &&
		    all->list[i].state != MFTD_DELIVERY_CANCELLED)
			return true;
	return false;
}

static int
compare_routes(const void *a, const void *b)
{
	return strcmp(((const struct mftd_destination *)a)->route,
	    ((const struct mftd_destination *)b)->route);
}

/* A found file whose own destinations want it away: those of the other routes
 * count as well. */
static int
decide_found(struct mftd_catalog *c, const struct source *s,
    struct destinations *all, struct mftd_msg_dispose *q, bool *ask)
{
	struct mftd_destination keeper = { .state = MFTD_DELIVERY_DONE };
	const struct mftd_destination *by;
	struct mftd_source_found f;
	size_t i;
	int r = mftd_source_found_get(c, s->receipt, s->volume, s->path, &f);

	for (i = 0; i < f.n && r >= 0; i++)
		r = find_destinations(c, f.others[i], all);
	if (r == -EALREADY) {
		r = 0;
	} else if (r == -ENOENT) {
		r = keep(c, s, "another file has its name by now, or none");
	} else if (r >= 0 && f.keeper[0] != '\0') {
		memcpy(keeper.route, f.keeper, sizeof(keeper.route));
		r = keep_for(c, s, &keeper);
	} else if (r >= 0 && (f.waits || is_under_way(all))) {
		r = mftd_source_found_wait(c, s->receipt, s->time_us);
	} else if (r >= 0) {
		qsort(all->list, all->n, sizeof(*all->list), compare_routes);
		if (mftd_after_decide(all->list, all->n, &by) ==
		    MFTD_AFTER_KEEP)
			r = keep_for(c, s, by);
		else
			r = ask_or_keep(
			    c, s, make_found_question(s, &f, by, q), ask);
		if (r >= 0)
			r = mftd_source_found_settle(c, &f);
	}
	mftd_source_found_free(&f);
	return r;
}

/* Keeps it, or notes that it is begun: then q is to be asked (*ask). */
static int
decide(struct mftd_catalog *c, const struct source *s,
    struct mftd_msg_dispose *q, bool *ask)
{
	struct destinations all = { 0 };
	const struct mftd_destination *by;
	int r = find_destinations(c, s->receipt, &all);

	*ask = false;
	if (r >= 0 &&
	    mftd_after_decide(all.list, all.n, &by) == MFTD_AFTER_KEEP) {
		r = keep_for(c, s, by);
	} else if (r >= 0 && s->found) {
		r = decide_found(c, s, &all, q, ask);
	} else if (r >= 0) {
		r = ask_or_keep(c, s, make_question(c, s, by, q), ask);
	}
	free(all.list);
	return r;
}

/* ---- those that are due */

/* The ends that nobody has looked at. */
#define ENDED "due > 0 AND (state = 'DONE' OR state = 'CANCELLED')"

/*
 * Which deliveries are marked decides which sources are found, so that one that
 * ends meanwhile is neither looked at nor forgotten.  A mark is a lock, too: a
 * person's wish for one of them comes before or behind all this.
 */
static int
look(struct mftd_catalog *c, void *data)
{
	const struct mftd_db_value v[] = { DB_INT(MFTD_SOURCE_LOOKS_MAX) };
	int n, r;

	n = mftd_db_run(c,
	    "UPDATE delivery SET due = 2 WHERE due = 1 AND " ENDED
	    " AND id IN (SELECT id FROM delivery WHERE due = 1 AND " ENDED
	    " ORDER BY id LIMIT $1)",
	    v, N(v), NULL, NULL);
	if (n <= 0)
		return n;
	r = run(c,
	    "UPDATE receipt SET source_due = 1 WHERE id IN "
	    "(SELECT receipt FROM delivery WHERE due = 2 AND " ENDED ") "
	    "AND NOT EXISTS (SELECT 1 FROM delivery d WHERE "
	    "d.receipt = receipt.id AND d.state NOT IN ('DONE', 'CANCELLED'))",
	    NULL, 0);
	if (r == 0)
		r = run(c,
		    "UPDATE delivery SET due = 0 WHERE due = 2 AND " ENDED,
		    NULL, 0);
	return r < 0 ? r : n;
}

int
mftd_source_look(struct mftd_catalog *c)
{
	int64_t any = 0;
	int r = mftd_db_run(c,
	    "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE due = 1 "
	    "AND " ENDED " LIMIT 1) AS x",
	    NULL, 0, mftd_db_take_int, &any);

	/* mostly there is none, and nobody is locked out for that */
	return r < 0 || any == 0
	    ? (r < 0 ? r : 0)
	    : mftd_db_transaction(c, MFTD_DB_FORWARD, look, NULL);
}

/* "volume = $1", due by $2; a name that is excluded so far (pending) is waited
 * for until $3.  One that a person has sent again is no more due. */
static const char due[] =
    "SELECT id, coalesce(account, ''), volume, path_now, time_us, origin "
    "FROM receipt r "
    "WHERE volume = $1 AND source_due = 1 AND "
    "(source = 'WANTED' OR source = 'BEGUN') AND "
    "source_due_us <= $2 AND has_routes = 1 AND released = 0 AND known = 1 "
    "AND outcome = 'PUBLISHED' AND (pending = 0 OR outcome_us < $3) AND "
    "NOT EXISTS (SELECT 1 FROM delivery d WHERE d.receipt = r.id AND "
    "d.state NOT IN ('DONE', 'CANCELLED')) ORDER BY source_due_us LIMIT $4";

struct round {
	const char *volume;
	struct mftd_msg_dispose *out;
	size_t n, max;
	struct source *list;
};

static int
take_source(void *data, const struct mftd_db_value *row, int n)
{
	struct round *all = data;
	struct source *s = calloc(1, sizeof(*s));

	(void)n;
	if (s == NULL)
		return -ENOMEM;
	s->next = all->list;
	all->list = s;
	s->time_us = row[4].i;
	s->found = strcmp(row[5].p, MFTD_ORIGIN_FOLDER) == 0;
	if (mftd_rows_get(&row[0], s->receipt, sizeof(s->receipt)) < 0 ||
	    mftd_rows_get(&row[1], s->account, sizeof(s->account)) < 0 ||
	    mftd_rows_get(&row[2], s->volume, sizeof(s->volume)) < 0 ||
	    mftd_rows_get(&row[3], s->path, sizeof(s->path)) < 0)
		return -MFTD_E_CORRUPT;
	return 0;
}

static int
find_due(struct mftd_catalog *c, struct round *all)
{
	int64_t now_us = mftd_clock_wall_us();
	const struct mftd_db_value v[] = { DB_TEXT(all->volume), DB_INT(now_us),
		DB_INT(now_us - MFTD_MATCH_PENDING_US), DB_INT(all->max) };

	return mftd_db_run(c, due, v, N(v), take_source, all);
}

static void
free_round(struct round *all)
{
	struct source *s;

	while ((s = all->list) != NULL) {
		all->list = s->next;
		free(s);
	}
}

/* With forwards locked out: what they know of names does not change between
 * the look and the mark. */
static int
begin(struct mftd_catalog *c, void *data)
{
	struct round *all = data;
	const struct source *s;
	int r = find_due(c, all);
	bool ask;

	for (s = all->list; r >= 0 && s != NULL; s = s->next) {
		r = decide(c, s, &all->out[all->n], &ask);
		all->n += ask;
	}
	return r < 0 ? r : 0;
}

int
mftd_source_begin(struct mftd_catalog *c, const char *volume,
    struct mftd_msg_dispose *out, size_t max)
{
	struct round look = { .volume = volume, .max = 1 };
	struct round all = { .volume = volume, .out = out, .max = max };
	int r;

	/* mostly there is none, and nobody is locked out for that */
	r = find_due(c, &look);
	if (r > 0)
		r = mftd_db_transaction(c, MFTD_DB_FORWARD, begin, &all);
	free_round(&look);
	free_round(&all);
	return r < 0 ? r : (int)all.n;
}

static const char *const names[] = {
	[MFTD_SOURCE_KEPT] = "KEPT",
	[MFTD_SOURCE_ARCHIVED] = "ARCHIVED",
	[MFTD_SOURCE_DELETED] = "DELETED",
};

const char *
mftd_source_name(uint32_t source)
{
	return source < N(names) ? names[source] : "?";
}

int
mftd_source_answered(struct mftd_catalog *c, const struct mftd_msg_disposed *m)
{
	const char *text = m->err != 0 ? mftd_strerror(m->err) : m->text;
	int64_t due_us =
	    mftd_clock_wall_us() + (int64_t)MFTD_DISPOSE_ERROR_S * US_PER_S;

	if (m->source >= N(names))
		return -MFTD_E_PROTOCOL;
	const struct mftd_db_value v[] = { DB_TEXT(m->receipt),
		DB_TEXT(m->err != 0 ? "BEGUN" : names[m->source]),
		DB_BLOB(text, strlen(text)), DB_INT(due_us) };

	return run(c,
	    "UPDATE receipt SET source = $2, source_text = $3, "
	    "source_due_us = $4 WHERE id = $1 AND source = 'BEGUN'",
	    v, N(v));
}
