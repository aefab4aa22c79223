/* Part of mftd; see LICENSE. */
#include "mftd/catalog/found.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/targets.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

/* Takes the id of the delivery, or of whatever the row is about. */
static int
take_any(void *data, const struct mftd_db_value *row, int n)
{
	(void)data;
	(void)row;
	(void)n;
	return 0;
}

static int
take_receipt(void *data, const struct mftd_db_value *row, int n)
{
	(void)n;
	return mftd_rows_get(&row[0], data, MFTD_ID_BYTES);
}

/* Nothing was written just now: because this version is known? */
static int
why_not(struct mftd_catalog *c, const struct mftd_found *f)
{
	char receipt[MFTD_ID_BYTES] = "";
	const struct mftd_db_value v[] = { DB_TEXT(f->route),
		DB_BLOB(f->path, strlen(f->path)), DB_INT(f->v.size),
		DB_INT(f->v.mtime_ns), DB_INT(f->v.inode),
		DB_INT(f->v.ctime_ns) };
	int r;

	r = mftd_db_run(c,
	    "SELECT receipt FROM found WHERE route = $1 AND path = $2 AND "
	    "size = $3 AND mtime_ns = $4 AND inode = $5 AND ctime_ns = $6",
	    v, N(v), take_receipt, receipt);
	if (r < 0)
		return r;
	if (r == 0)
		return -EAGAIN;
	return strcmp(receipt, f->receipt) == 0 ? 0 : -EEXIST;
}

int
mftd_found_put(struct mftd_catalog *c, const struct mftd_role_row *role,
    uint64_t version, const struct mftd_found *f)
{
	struct mftd_plan plan;
	const char *fault;
	int r;

	r = mftd_targets_plan(c, f->route, f->path, f->now_us, &plan);
	if (r < 0)
		return r == -ENOENT ? -EAGAIN : r;
	fault = plan.fault;
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_INT(version),
		DB_TEXT(f->route), DB_BLOB(f->path, strlen(f->path)),
		DB_INT(f->v.size), DB_INT(f->v.mtime_ns), DB_INT(f->v.inode),
		DB_INT(f->v.ctime_ns), DB_TEXT(f->receipt), DB_TEXT(f->origin),
		DB_TEXT(f->volume), DB_BLOB(f->shown, strlen(f->shown)),
		f->sha256 != NULL ? DB_BLOB(f->sha256, MFTD_SHA256_BYTES)
				  : DB_NULL,
		DB_INT(f->now_us), DB_INT(plan.seq), DB_TEXT(f->delivery),
		DB_BLOB(plan.name, strlen(plan.name)), DB_INT(plan.due_us),
		DB_TEXT(fault == NULL ? "QUEUED" : "FAILED"),
		DB_TEXT(fault != NULL ? fault : ""), DB_INT(f->seq),
		DB_INT(plan.name_key) };

	r = c->db->ops->guarded(c->db, MFTD_DB_FOUND, v, N(v), take_any, NULL);
	if (r < 0)
		return r;
	return r > 0 ? 0 : why_not(c, f);
}

/* What has become of a receipt. */
static int
take_outcome(void *data, const struct mftd_db_value *row, int n)
{
	bool *written = data;

	(void)n;
	*written = strcmp(row[0].p, "PUBLISHED") == 0;
	return 0;
}

int
mftd_found_abandon(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *receipt, int64_t now_us)
{
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_TEXT(receipt),
		DB_INT(now_us) };
	bool written = false;
	int r;

	r = c->db->ops->guarded(
	    c->db, MFTD_DB_FOUND_ABANDON, v, N(v), take_outcome, &written);
	if (r < 0)
		return r;
	return r == 0 ? -MFTD_E_CORRUPT : written;
}

int
mftd_found_forget(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *route, const char *path)
{
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_TEXT(route),
		DB_BLOB(path, strlen(path)) };
	int r = c->db->ops->guarded(
	    c->db, MFTD_DB_FOUND_FORGET, v, N(v), take_any, NULL);

	return r < 0 ? r : 0;
}

struct listing {
	int (*fn)(void *data, const char *path, const struct mftd_version *v);
	void *data;
};

static int
take_found(void *data, const struct mftd_db_value *row, int n)
{
	const struct listing *l = data;
	const struct mftd_version v = { .size = (uint64_t)row[1].i,
		.mtime_ns = row[2].i,
		.inode = (uint64_t)row[3].i,
		.ctime_ns = row[4].i };
	char path[MFTD_PATH_BYTES];
	int r = mftd_rows_get(&row[0], path, sizeof(path));

	(void)n;
	return r < 0 ? r : l->fn(l->data, path, &v);
}

int
mftd_found_list(struct mftd_catalog *c, const char *route, const char *after,
    size_t max,
    int (*fn)(void *data, const char *path, const struct mftd_version *v),
    void *data)
{
	struct listing l = { fn, data };
	const struct mftd_db_value v[] = { DB_TEXT(route),
		DB_BLOB(after, strlen(after)), DB_INT(max) };

	return mftd_db_run(c,
	    "SELECT path, size, mtime_ns, inode, ctime_ns FROM found "
	    "WHERE route = $1 AND path > $2 ORDER BY path LIMIT $3",
	    v, N(v), take_found, &l);
}
