/* Part of mftd; see LICENSE. */
#include "mftd/catalog/targets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/path.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/order.h"
#include "mftd/catalog/pattern.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/schedule.h"
#include "mftd/catalog/source.h"
#include "mftd/catalog/template.h"
#include "mftd/catalog/versions.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define US_PER_S 1000000

/* The columns of a route that a delivery copies, and how it calls the file. */
struct target {
	char route[MFTD_NAME_BYTES];
	char queue[MFTD_NAME_BYTES];
	char partner[MFTD_TARGET_BYTES];
	char directory[MFTD_PATH_BYTES];
	char template[MFTD_TEMPLATE_BYTES]; /* "": as it is called */
	int64_t settle_s;
	int64_t due_us; /* -1: its schedule names no time any more */
	bool takes;
	bool wants; /* something of the source afterwards */
	struct target *next;
};

struct targets {
	const char *path;
	int64_t now_us;
	struct target *list;
};

static const char *
text_of(const struct mftd_db_value *v)
{
	return v->type == MFTD_DB_TEXT ? v->p : NULL;
}

int
mftd_targets_due(int64_t now_us, int64_t settle_s, const char *schedule,
    const char *zone, const char *closed, int64_t *due_us)
{
	struct mftd_schedule s;
	int r;

	*due_us = now_us + settle_s * US_PER_S;
	if (schedule == NULL)
		return 0;
	if (mftd_schedule_parse(schedule, &s) != NULL)
		return -MFTD_E_CORRUPT;
	r = mftd_schedule_next(
	    &s, zone != NULL ? zone : "UTC", closed, *due_us, due_us);
	if (r == -ENOENT)
		*due_us = -1;
	return r == -ENOENT ? 0 : r;
}

static int
take_target(void *data, const struct mftd_db_value *row, int n)
{
	struct targets *all = data;
	struct target *t = calloc(1, sizeof(*t));

	(void)n;
	if (t == NULL)
		return -ENOMEM;
	t->next = all->list;
	all->list = t;
	t->settle_s = row[4].i;
	t->takes =
	    mftd_patterns_take(text_of(&row[5]), text_of(&row[6]), all->path);
	if (mftd_rows_get(&row[0], t->route, sizeof(t->route)) < 0 ||
	    mftd_rows_get(&row[1], t->queue, sizeof(t->queue)) < 0 ||
	    mftd_rows_get(&row[2], t->partner, sizeof(t->partner)) < 0 ||
	    mftd_rows_get(&row[3], t->directory, sizeof(t->directory)) < 0 ||
	    mftd_rows_get(&row[7], t->template, sizeof(t->template)) < 0)
		return -MFTD_E_CORRUPT;
	t->wants = strcmp(row[11].p, "keep") != 0;
	return mftd_targets_due(all->now_us, t->settle_s, text_of(&row[8]),
	    text_of(&row[9]), text_of(&row[10]), &t->due_us);
}

/* ---- the name */

/* The route's number of this file: the one it has, else the next one. */
static int
number_of(struct mftd_catalog *c, const struct mftd_candidate *f,
    const struct target *t, int64_t *seq)
{
	const struct mftd_db_value v[] = { DB_TEXT(f->receipt),
		DB_TEXT(t->route) };
	int r;

	*seq = 0;
	r = mftd_db_run(c,
	    "SELECT seq FROM delivery WHERE receipt = $1 AND route = $2", v,
	    N(v), mftd_db_take_int, seq);
	if (r < 0 || *seq > 0)
		return r;
	return mftd_db_run(c,
	    "INSERT INTO route_sequence (route, last) VALUES ($1, 1) "
	    "ON CONFLICT (route) DO UPDATE SET last = route_sequence.last + 1 "
	    "RETURNING last",
	    v + 1, 1, mftd_db_take_int, seq);
}

/* The number that the route gives next; it is not given by this. */
static int
next_number(struct mftd_catalog *c, const struct target *t, int64_t *seq)
{
	const struct mftd_db_value v[] = { DB_TEXT(t->route) };
	int r;

	*seq = 0;
	r = mftd_db_run(c, "SELECT last FROM route_sequence WHERE route = $1",
	    v, N(v), mftd_db_take_int, seq);
	++*seq;
	return r < 0 ? r : 0;
}

/* How t calls the file; receipt NULL: it would.  1; 0 for a name that no file
 * can have: then it is the file's own; an error. */
static int
make_name(struct mftd_catalog *c, const struct mftd_candidate *f,
    const struct target *t, char out[MFTD_PATH_BYTES], int64_t *seq)
{
	struct mftd_template_values v = { .name = mftd_path_base(f->path),
		.time_us = f->time_us };
	int r = 0;

	*seq = 0;
	if (t->template[0] != '\0') {
		if (mftd_template_counts(t->template))
			r = f->receipt != NULL ? number_of(c, f, t, seq)
					       : next_number(c, t, seq);
		if (r < 0)
			return r;
		v.seq = (uint64_t)*seq;
		if (mftd_template_make(t->template, &v, out, MFTD_PATH_BYTES) ==
		    0)
			return 1;
	}
	snprintf(out, MFTD_PATH_BYTES, "%s", v.name);
	return t->template[0] == '\0';
}

/* ---- the rows */

/* What is wrong with what make_name returned, or the time; NULL: nothing. */
static const char *
fault_of(const struct mftd_candidate *f, const struct target *t, int made)
{
	if (f->lost)
		return "received before its node knew of any route: upload it "
		       "again";
	if (made == 0)
		return "no file can have the name that its route's template "
		       "makes";
	return t->due_us < 0 ? "its route's schedule names no time" : NULL;
}

/* One receipt, one route, one row: made, or given the new name while it has
 * not begun.  What was held before its name took it back is held again. */
static int
put_delivery(struct mftd_catalog *c, const struct mftd_candidate *f,
    const struct target *t)
{
	char id[MFTD_ID_BYTES], name[MFTD_PATH_BYTES];
	const char *fault;
	int64_t seq;
	int e = mftd_id_timed("d", mftd_clock_wall_us(), id, sizeof(id));

	if (e == 0)
		e = make_name(c, f, t, name, &seq);
	if (e < 0)
		return e;
	fault = fault_of(f, t, e);
	const struct mftd_db_value v[] = { DB_TEXT(id), DB_TEXT(f->receipt),
		DB_TEXT(t->route), DB_TEXT(t->queue), DB_TEXT(t->partner),
		DB_TEXT(f->volume), DB_TEXT(t->directory),
		DB_BLOB(name, strlen(name)), DB_INT(f->size),
		f->sha256 != NULL ? DB_BLOB(f->sha256, MFTD_SHA256_BYTES)
				  : DB_NULL,
		DB_INT(t->due_us), DB_INT(seq),
		DB_TEXT(fault == NULL ? "QUEUED" : "FAILED"),
		DB_INT(fault != NULL), DB_TEXT(fault != NULL ? fault : ""),
		DB_INT(f->order_us), DB_INT(f->seq),
		DB_INT(mftd_versions_key(
		    t->route, t->partner, t->directory, name)),
		DB_INT(f->order_off_us), DB_TEXT(f->order_by) };

	return mftd_db_run(c,
	    "INSERT INTO delivery (id, receipt, route, queue, partner, volume, "
	    "directory, name, state, size, sha256, due_us, seq, unmatched, "
	    "error, order_us, order_seq, name_key, order_off_us, order_by, "
	    "due, " MFTD_DB_COPIED_COLUMNS
	    ") SELECT $1, $2, $3, $4, $5, $6, $7, $8, $13, $9, $10, $11, "
	    "$12, $14, $15, $16, $17, $18, $19, $20, "
	    "(SELECT count(*) FROM receipt c WHERE c.id = $2 AND "
	    "c.source = 'WANTED'), " MFTD_DB_COPIED_COLUMNS
	    " FROM route WHERE name = $3 "
	    "ON CONFLICT (receipt, route) DO UPDATE SET name = excluded.name, "
	    "name_key = excluded.name_key, behind = '', due = excluded.due, "
	    "due_us = excluded.due_us, unmatched = excluded.unmatched, "
	    "error = excluded.error, "
	    "state = CASE WHEN excluded.state = 'QUEUED' AND "
	    "(delivery.state = 'HELD' OR (SELECT w.to_state FROM delivery_wish "
	    "w WHERE w.delivery = delivery.id ORDER BY w.n DESC LIMIT 1) = "
	    "'HELD') THEN 'HELD' ELSE excluded.state END "
	    "WHERE delivery.tries = 0 AND (delivery.state IN "
	    "('QUEUED', 'HELD') OR (delivery.state IN ('CANCELLED', 'FAILED') "
	    "AND delivery.unmatched = 1))",
	    v, N(v), NULL, NULL);
}

int
mftd_targets_cancel(struct mftd_catalog *c, const char *receipt,
    const char *route, const char *reason)
{
	const struct mftd_db_value v[] = { DB_TEXT(receipt), DB_TEXT(reason),
		DB_TEXT(route != NULL ? route : "") };

	return mftd_db_run(c,
	    "UPDATE delivery SET state = 'CANCELLED', unmatched = 1, "
	    "error = $2 WHERE receipt = $1 AND tries = 0 AND "
	    "($3 = '' OR route = $3) AND (state IN ('QUEUED', 'HELD') OR "
	    "(state = 'FAILED' AND unmatched = 1))",
	    v, N(v), NULL, NULL);
}

#define TARGET_COLUMNS                                              \
	"r.name, queue, coalesce(partner, '@' || to_account), "     \
	"directory, settle_s, files, except_files, name_template, " \
	"schedule, time_zone, closed, after_done "                  \
	"FROM route r LEFT JOIN calendar c ON c.name = r.calendar "

int
mftd_targets_put(
    struct mftd_catalog *c, const struct mftd_candidate *f, bool *waits)
{
	const struct mftd_db_value v[] = { DB_TEXT(f->account) };
	struct targets all = { .path = f->path,
		.now_us = mftd_order_now_us(c) };
	struct target *t;
	bool taken = false;
	int e;

	e = mftd_db_run(c,
	    "SELECT " TARGET_COLUMNS "WHERE account = $1 ORDER BY r.name DESC",
	    v, N(v), take_target, &all);
	*waits = all.list != NULL;
	while ((t = all.list) != NULL) {
		if (e >= 0 && t->takes)
			e = put_delivery(c, f, t);
		if (e >= 0 && t->takes && t->wants && !f->lost)
			e = mftd_source_want(c, f->receipt);
		if (e >= 0 && !t->takes)
			e = mftd_targets_cancel(c, f->receipt, t->route,
			    "its name is none that its route takes");
		taken |= t->takes;
		all.list = t->next;
		free(t);
	}
	*waits = *waits && !taken;
	return e < 0 ? e : 0;
}

int
mftd_targets_plan(struct mftd_catalog *c, const char *route, const char *path,
    int64_t time_us, struct mftd_plan *plan)
{
	const struct mftd_db_value v[] = { DB_TEXT(route) };
	const struct mftd_candidate f = { .path = path, .time_us = time_us };
	struct targets all = { .path = path, .now_us = mftd_order_now_us(c) };
	struct target *t;
	int r;

	memset(plan, 0, sizeof(*plan));
	r = mftd_db_run(c, "SELECT " TARGET_COLUMNS "WHERE r.name = $1", v,
	    N(v), take_target, &all);
	t = all.list;
	if (r == 0)
		return -ENOENT;
	if (r > 0)
		r = make_name(c, &f, t, plan->name, &plan->seq);
	if (r >= 0) {
		plan->fault = fault_of(&f, t, r);
		plan->due_us = t->due_us;
		plan->name_key = mftd_versions_key(
		    t->route, t->partner, t->directory, plan->name);
	}
	free(t);
	return r < 0 ? r : 0;
}
