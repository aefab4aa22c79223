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
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

/* ---- objects into the tables */

static int
put_keys(struct mftd_catalog *c, const char *sql, const char *owner,
    char *const *lines, size_t n)
{
	size_t i;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(owner), DB_INT(i),
			DB_TEXT(lines[i]) };

		r = mftd_rows_put(c, sql, v, N(v));
	}
	return r;
}

static int
put_partner(struct mftd_catalog *c, const struct mftd_partner *p)
{
	const struct mftd_db_value v[] = { DB_TEXT(p->name), DB_TEXT(p->host),
		DB_INT(p->port), DB_TEXT(p->user), DB_TEXT(p->key_file) };
	int r;

	r = mftd_rows_put(c,
	    "INSERT INTO partner (name, host, port, login, key_file) "
	    "VALUES ($1, $2, $3, $4, $5)",
	    v, N(v));
	if (r < 0)
		return r;
	return put_keys(c,
	    "INSERT INTO partner_key (partner, position, line) "
	    "VALUES ($1, $2, $3)",
	    p->name, p->host_keys, p->n_host_keys);
}

static int
put_route(struct mftd_catalog *c, const struct mftd_route *r)
{
	const struct mftd_db_value v[] = { DB_TEXT(r->name),
		DB_TEXT(r->account), DB_TEXT(r->partner), DB_TEXT(r->directory),
		DB_TEXT(r->queue), DB_INT(r->settle_s) };

	return mftd_rows_put(c,
	    "INSERT INTO route (name, account, partner, directory, queue, "
	    "settle_s) VALUES ($1, $2, $3, $4, $5, $6)",
	    v, N(v));
}

static int
put_objects(struct mftd_catalog *c, const struct mftd_objects *o)
{
	size_t i;
	int r;

	r = c->db->ops->script(c->db,
	    "DELETE FROM route; DELETE FROM partner_key; DELETE FROM partner; "
	    "DELETE FROM account_key; DELETE FROM account_entry; "
	    "DELETE FROM account_folder; DELETE FROM account;");
	for (i = 0; i < o->n_accounts && r == 0; i++)
		r = mftd_account_put(c, &o->accounts[i]);
	for (i = 0; i < o->n_partners && r == 0; i++)
		r = put_partner(c, &o->partners[i]);
	for (i = 0; i < o->n_routes && r == 0; i++)
		r = put_route(c, &o->routes[i]);
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
take_partner(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_objects *o = data;
	struct mftd_partner *p =
	    mftd_rows_grow(&o->partners, &o->n_partners, sizeof(*p));

	if (p == NULL || !mftd_rows_copy(&p->name, &row[0]) ||
	    !mftd_rows_copy(&p->host, &row[1]) ||
	    !mftd_rows_copy(&p->user, &row[3]) ||
	    !mftd_rows_copy(&p->key_file, &row[4]))
		return -ENOMEM;
	p->port = (int)row[2].i;
	return 0;
}

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
	    !mftd_rows_copy(&r->queue, &row[4]))
		return -ENOMEM;
	r->settle_s = (int)row[5].i;
	return 0;
}

static int
add_key(char ***keys, size_t *n, const struct mftd_db_value *line)
{
	char **at = mftd_rows_grow(keys, n, sizeof(*at));

	return at != NULL && mftd_rows_copy(at, line) ? 0 : -ENOMEM;
}

/* Keys come in the order of their owners' names, as the owners did. */
struct keys {
	struct mftd_objects *o;
	size_t at;
};

static int
take_partner_key(void *data, const struct mftd_db_value *row, int n)
{
	struct keys *k = data;
	struct mftd_partner *p = k->o->partners;

	while (k->at < k->o->n_partners && strcmp(p[k->at].name, row[0].p) != 0)
		k->at++;
	if (k->at == k->o->n_partners)
		return -MFTD_E_CORRUPT;
	return add_key(&p[k->at].host_keys, &p[k->at].n_host_keys, &row[1]);
}

static int
load(struct mftd_catalog *c, void *data)
{
	struct mftd_objects *o = data;
	struct keys partner_keys = { .o = o };
	const struct {
		const char *sql;
		mftd_db_row_fn take;
		void *data;
	} steps[] = {
		{ "SELECT name, host, port, login, key_file FROM partner "
		  "ORDER BY name",
		    take_partner, o },
		{ "SELECT partner, line FROM partner_key "
		  "ORDER BY partner, position",
		    take_partner_key, &partner_keys },
		{ "SELECT name, account, partner, directory, queue, settle_s "
		  "FROM route ORDER BY name",
		    take_route, o },
	};
	size_t i;
	int r;

	r = mftd_catalog_version(c, &o->version);
	if (r == 0)
		r = mftd_accounts_load(c, o);
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]) && r >= 0; i++)
		r = mftd_db_run(
		    c, steps[i].sql, NULL, 0, steps[i].take, steps[i].data);
	return r < 0 ? r : 0;
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
	mftd_objects_derive(o);
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
