/* Part of mftd; see LICENSE. */
#include "mftd/catalog/catalog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/catalog/account_store.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/handling_store.h"
#include "mftd/catalog/hook_store.h"
#include "mftd/catalog/partner_store.h"
#include "mftd/catalog/route_folder_store.h"
#include "mftd/catalog/route_pull_store.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

/* ---- objects into the tables */

static int
put_route(struct mftd_catalog *c, const struct mftd_route *r)
{
	char *files = NULL, *except = NULL;
	int e = -ENOMEM;

	if (!mftd_rows_join(r->files, r->n_files, &files) ||
	    !mftd_rows_join(r->except, r->n_except, &except))
		goto out;
	const struct mftd_db_value v[] = { DB_TEXT(r->name),
		DB_TEXT(r->account), DB_TEXT(r->partner), DB_TEXT(r->directory),
		DB_TEXT(r->queue), DB_INT(r->settle_s), DB_TEXT(files),
		DB_TEXT(except), DB_TEXT(r->name_template),
		DB_TEXT(r->schedule), DB_TEXT(r->time_zone),
		DB_TEXT(r->calendar), DB_INT(r->retry.tries),
		DB_INT(r->retry.hours), DB_INT(r->priority),
		DB_INT(r->ordered ? 1 + r->skip_failed : 0),
		DB_TEXT(r->after != NULL ? r->after : "keep"),
		DB_TEXT(r->archive), DB_TEXT(r->archive_below),
		DB_TEXT(r->to_account), DB_TEXT(r->expected_by),
		DB_INT(r->expected_within_s), DB_TEXT(r->expected_event) };

	e = mftd_rows_put(c,
	    "INSERT INTO route (name, account, partner, directory, queue, "
	    "settle_s, files, except_files, name_template, schedule, "
	    "time_zone, calendar, retry_tries, retry_hours, priority, ordered, "
	    "after_done, archive, archive_below, to_account, expected_by, "
	    "expected_within_s, expected_event) "
	    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
	    "$14, $15, $16, $17, $18, $19, $20, $21, $22, $23)",
	    v, N(v));
	if (e == 0)
		e = mftd_route_handling_put(c, r->name, &r->at);
	if (e == 0)
		e = mftd_route_folder_put(c, r);
	if (e == 0)
		e = mftd_route_pull_put(c, r);
out:
	free(files);
	free(except);
	return e;
}

static int
put_calendar(struct mftd_catalog *c, const struct mftd_calendar *cal)
{
	char *closed = NULL;
	int e;

	if (!mftd_rows_join(cal->closed, cal->n_closed, &closed))
		return -ENOMEM;
	const struct mftd_db_value v[] = { DB_TEXT(cal->name),
		DB_TEXT(closed) };

	e = mftd_rows_put(
	    c, "INSERT INTO calendar (name, closed) VALUES ($1, $2)", v, N(v));
	free(closed);
	return e;
}

static int
put_objects(struct mftd_catalog *c, const struct mftd_objects *o)
{
	size_t i;
	int r;

	r = c->db->ops->script(c->db,
	    "DELETE FROM hook_filter; DELETE FROM hook_want; DELETE FROM hook; "
	    "DELETE FROM route_pull; "
	    "DELETE FROM route; DELETE FROM calendar; DELETE FROM partner_key; "
	    "DELETE FROM partner; "
	    "DELETE FROM account_key; DELETE FROM account_entry; "
	    "DELETE FROM account_folder; DELETE FROM account;");
	for (i = 0; i < o->n_accounts && r == 0; i++)
		r = mftd_account_put(c, &o->accounts[i]);
	for (i = 0; i < o->n_partners && r == 0; i++)
		r = mftd_partner_put(c, &o->partners[i]);
	for (i = 0; i < o->n_calendars && r == 0; i++)
		r = put_calendar(c, &o->calendars[i]);
	for (i = 0; i < o->n_routes && r == 0; i++)
		r = put_route(c, &o->routes[i]);
	for (i = 0; i < o->n_hooks && r == 0; i++)
		r = mftd_hook_put(c, &o->hooks[i]);
	return r;
}

struct apply {
	const struct mftd_objects *o;
	int64_t version;
};

/* The version's row is changed first: two at once come one after the other. */
static int
apply(struct mftd_catalog *c, void *data)
{
	struct apply *a = data;
	int r;

	r = mftd_db_run(c,
	    "UPDATE config SET version = version + 1 RETURNING version", NULL,
	    0, mftd_db_take_int, &a->version);
	return r < 0 ? r : put_objects(c, a->o);
}

int
mftd_catalog_apply(
    struct mftd_catalog *c, const struct mftd_objects *o, uint64_t *version)
{
	struct apply a = { .o = o };
	int r = mftd_db_transaction(c, MFTD_DB_WRITE, apply, &a);

	if (r == 0)
		*version = (uint64_t)a.version;
	return r;
}

int
mftd_catalog_version(struct mftd_catalog *c, uint64_t *version)
{
	int64_t v = 0;
	int r = mftd_db_run(
	    c, "SELECT version FROM config", NULL, 0, mftd_db_take_int, &v);

	if (r < 0)
		return r;
	*version = (uint64_t)v;
	return 0;
}

/* ---- and out again */

static int
take_route(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_objects *o = data;
	struct mftd_route *r =
	    mftd_rows_grow(&o->routes, &o->n_routes, sizeof(*r));

	if (r == NULL || !mftd_rows_copy(&r->name, &row[0]) ||
	    !mftd_rows_copy(&r->account, &row[1]) ||
	    !mftd_rows_copy(&r->partner, &row[2]) ||
	    !mftd_rows_copy(&r->directory, &row[3]) ||
	    !mftd_rows_copy(&r->queue, &row[4]) ||
	    !mftd_rows_split(&row[6], &r->files, &r->n_files) ||
	    !mftd_rows_split(&row[7], &r->except, &r->n_except) ||
	    !mftd_rows_copy(&r->name_template, &row[8]) ||
	    !mftd_rows_copy(&r->schedule, &row[9]) ||
	    !mftd_rows_copy(&r->time_zone, &row[10]) ||
	    !mftd_rows_copy(&r->calendar, &row[11]) ||
	    !mftd_rows_copy(&r->after, &row[16]) ||
	    !mftd_rows_copy(&r->archive, &row[17]) ||
	    !mftd_rows_copy(&r->archive_below, &row[18]) ||
	    !mftd_rows_copy(&r->to_account, &row[19]) ||
	    !mftd_rows_copy(&r->expected_by, &row[20]) ||
	    !mftd_rows_copy(&r->expected_event, &row[22]))
		return -ENOMEM;
	r->settle_s = (int)row[5].i;
	r->retry.tries = (int)row[12].i;
	r->retry.hours = (int)row[13].i;
	r->priority = (int)row[14].i;
	r->ordered = row[15].i > 0;
	r->skip_failed = row[15].i == 2;
	r->expected_within_s = (int)row[21].i;
	return 0;
}

static int
take_calendar(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_objects *o = data;
	struct mftd_calendar *cal =
	    mftd_rows_grow(&o->calendars, &o->n_calendars, sizeof(*cal));

	if (cal == NULL || !mftd_rows_copy(&cal->name, &row[0]) ||
	    !mftd_rows_split(&row[1], &cal->closed, &cal->n_closed))
		return -ENOMEM;
	return 0;
}

static int
load(struct mftd_catalog *c, void *data)
{
	struct mftd_objects *o = data;
	int r;

	if ((r = mftd_catalog_version(c, &o->version)) < 0 ||
	    (r = mftd_accounts_load(c, o)) < 0 ||
	    (r = mftd_partners_load(c, o)) < 0)
		return r;
	r = mftd_db_run(c, "SELECT name, closed FROM calendar ORDER BY name",
	    NULL, 0, take_calendar, o);
	if (r >= 0)
		r = mftd_db_run(c,
		    "SELECT name, account, partner, directory, queue, "
		    "settle_s, files, except_files, name_template, schedule, "
		    "time_zone, calendar, retry_tries, retry_hours, priority, "
		    "ordered, after_done, archive, archive_below, to_account, "
		    "expected_by, expected_within_s, expected_event "
		    "FROM route ORDER BY name",
		    NULL, 0, take_route, o);
	if (r >= 0)
		r = mftd_route_folders_load(c, o);
	if (r >= 0)
		r = mftd_route_pulls_load(c, o);
	if (r >= 0)
		r = mftd_hooks_load(c, o);
	return r < 0 ? r : mftd_route_handlings_load(c, o);
}

int
mftd_catalog_load(struct mftd_catalog *c, struct mftd_objects **out)
{
	struct mftd_objects *o = calloc(1, sizeof(*o));
	int r;

	if (o == NULL)
		return -ENOMEM;
	r = mftd_db_transaction(c, MFTD_DB_READ, load, o);
	if (r < 0) {
		mftd_objects_free(o);
		return r;
	}
	c->db->no_hooks = o->n_hooks == 0;
	*out = o;
	return 0;
}

/* ---- snapshots */

static int
fill(struct mftd_catalog *c, void *data)
{
	const struct mftd_objects *o = data;
	const struct mftd_db_value version = DB_INT(o->version);
	int r;

	r = mftd_db_run(
	    c, "UPDATE config SET version = $1", &version, 1, NULL, NULL);
	return r < 0 ? r : put_objects(c, o);
}

/* An SQLite file without sidecars, as only one file can be renamed at once.  It
 * is durable: that is how each transaction ends (sqlite.c), and the change of
 * its journal's kind is the last one. */
static int
write_snapshot(const struct mftd_objects *o, const char *tmp)
{
	char uri[PATH_MAX];
	struct mftd_catalog *c = NULL;
	int r;

	if (snprintf(uri, sizeof(uri), "sqlite:%s", tmp) >= (int)sizeof(uri))
		return -ENAMETOOLONG;
	r = mftd_catalog_open(uri, "", &c);
	if (r == 0)
		r = mftd_catalog_migrate(c);
	if (r == 0)
		r = mftd_db_transaction(c, MFTD_DB_WRITE, fill, (void *)o);
	if (r == 0)
		r = c->db->ops->script(c->db, "PRAGMA journal_mode = DELETE");
	mftd_catalog_close(c);
	return r;
}

int
mftd_catalog_snapshot(const struct mftd_objects *o, const char *path)
{
	static const char *const leftovers[] = { "", "-wal", "-shm",
		"-journal" };
	char tmp[PATH_MAX], old[PATH_MAX + 16];
	size_t i;
	int r;

	if (snprintf(tmp, sizeof(tmp), "%s.new", path) >= (int)sizeof(tmp))
		return -ENAMETOOLONG;
	for (i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++) {
		snprintf(old, sizeof(old), "%s%s", tmp, leftovers[i]);
		unlink(old);
	}
	r = write_snapshot(o, tmp);
	if (r == 0)
		r = mftd_rename(AT_FDCWD, tmp, AT_FDCWD, path);
	if (r < 0) {
		unlink(tmp);
		return r;
	}
	return mftd_sync_parent(AT_FDCWD, path);
}
