/* Part of mftd; see LICENSE. */
#include "mftd/catalog/db.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/claim.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/found_sql.h"
#include "mftd/catalog/partner_sql.h"
#include "mftd/catalog/sqlite_file.h"
#include "mftd/catalog/tries.h"
#include "mftd/catalog/versions.h"

#define BUSY_MS 5000 /* how long another writer is waited for */
#define COLUMNS_MAX 64
#define COMMON_BYTES 4096
#define KEPT_MAX 128 /* statements of a connection */

struct sqlite {
	struct mftd_db db;
	char *path;
	sqlite3 *h; /* NULL until the first call */
	size_t kept; /* statements of it, to be used again */
};

/* SQLite has one writer at a time, so "with the role row" is: in the same write
 * transaction.  The role row itself is looked at first, by guarded below. */
#define ROLE_PARAMS "$1 IS NOT NULL AND $2 IS NOT NULL AND $3 IS NOT NULL "

static const char *const guarded_sql[MFTD_DB_GUARDED_COUNT] = {
	[MFTD_DB_INHERITED] = mftd_inherited_sqlite,
	[MFTD_DB_STEPS] =
	    "UPDATE delivery SET state = $6, tries = $7, host = $8, "
	    "mtime = $9, due_us = $10, sha256 = $11, error = $12, "
	    "temp_try = $13, number = $14, verified = $15, skipped = $16, "
	    "first_us = $17 "
	    "WHERE " ROLE_PARAMS "AND id = $4 AND state = $5 AND queue = $1 "
	    "RETURNING id",
};

static struct sqlite *
of(struct mftd_db *db)
{
	return (struct sqlite *)db;
}

/* Keeps SQLite's words and makes its code ours. */
static int
failed(struct sqlite *s, int code)
{
	snprintf(s->db.why, sizeof(s->db.why), "%s: %s", s->path,
	    s->h != NULL ? sqlite3_errmsg(s->h) : sqlite3_errstr(code));
	switch (code & 0xff) {
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
	case SQLITE_FULL:
	case SQLITE_INTERRUPT:
	case SQLITE_PROTOCOL:
		return -MFTD_E_CATALOG_AWAY;
	default:
		return -MFTD_E_CATALOG;
	}
}

static void
disconnect(struct sqlite *s)
{
	sqlite3_stmt *st;

	while (s->h != NULL && (st = sqlite3_next_stmt(s->h, NULL)) != NULL)
		sqlite3_finalize(st);
	sqlite3_close_v2(s->h);
	s->h = NULL;
	s->kept = 0;
}

/* ---- statements: parsed and planned once for a connection */

/* One that was kept, unless it runs: a row of it may ask the same again. */
static sqlite3_stmt *
find_kept(struct sqlite *s, const char *sql)
{
	sqlite3_stmt *st = NULL;

	while ((st = sqlite3_next_stmt(s->h, st)) != NULL)
		if (!sqlite3_stmt_busy(st) && strcmp(sqlite3_sql(st), sql) == 0)
			return st;
	return NULL;
}

static int
prepare(struct sqlite *s, const char *sql, sqlite3_stmt **st)
{
	int code;

	*st = find_kept(s, sql);
	if (*st != NULL)
		return 0;
	code = sqlite3_prepare_v3(
	    s->h, sql, -1, SQLITE_PREPARE_PERSISTENT, st, NULL);
	s->kept += code == SQLITE_OK;
	return code == SQLITE_OK ? 0 : failed(s, code);
}

/* It is not needed any more, for now. */
static void
done(struct sqlite *s, sqlite3_stmt *st)
{
	if (st == NULL)
		return;
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	if (s->kept > KEPT_MAX) {
		sqlite3_finalize(st);
		s->kept--;
	}
}

static int
sqlite_script(struct mftd_db *db, const char *sql)
{
	struct sqlite *s = of(db);
	int code = sqlite3_exec(s->h, sql, NULL, NULL, NULL);

	return code == SQLITE_OK ? 0 : failed(s, code);
}

/* Only a migration may bring the file into being: a reader that came too early
 * must not leave an empty one. */
static int
connect_to(struct sqlite *s, bool create)
{
	int code, r;

	if (s->h != NULL)
		return 0;
	if (create)
		mftd_sqlite_close_to_others(s->path);
	code = sqlite3_open_v2(s->path, &s->h,
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		(create ? SQLITE_OPEN_CREATE : 0),
	    NULL);
	r = code == SQLITE_OK ? 0 : failed(s, code);
	if (r == 0 && create)
		mftd_sqlite_give_away(s->path);
	if (r == 0) {
		sqlite3_busy_timeout(s->h, BUSY_MS);
		/* the catalog must not forget: every commit is synced */
		r = sqlite_script(&s->db,
		    "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;");
	}
	if (r < 0)
		disconnect(s);
	return r;
}

static struct mftd_db *
sqlite_create(const char *uri, const char *application)
{
	struct sqlite *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->db.ops = &mftd_db_sqlite;
	s->path = strdup(uri + strlen(mftd_db_sqlite.scheme));
	if (s->path == NULL) {
		free(s);
		return NULL;
	}
	return &s->db;
}

static void
sqlite_destroy(struct mftd_db *db)
{
	struct sqlite *s = of(db);

	disconnect(s);
	free(s->path);
	free(s);
}

static int
bind_one(sqlite3_stmt *st, int at, const struct mftd_db_value *v)
{
	switch (v->type) {
	case MFTD_DB_INT:
		return sqlite3_bind_int64(st, at, v->i);
	case MFTD_DB_TEXT:
		return sqlite3_bind_text(
		    st, at, v->p, (int)v->len, SQLITE_STATIC);
	case MFTD_DB_BLOB:
		/* a NULL pointer would be NULL, not empty */
		return sqlite3_bind_blob(
		    st, at, v->len > 0 ? v->p : "", (int)v->len, SQLITE_STATIC);
	default:
		return sqlite3_bind_null(st, at);
	}
}

/* Where the value i has its place: "$4" is a name to SQLite, numbered by its
 * first appearance.  0: it has none. */
static int
place_of(sqlite3_stmt *st, int i)
{
	char name[16];

	snprintf(name, sizeof(name), "$%d", i + 1);
	return sqlite3_bind_parameter_index(st, name);
}

static int
bind_all(sqlite3_stmt *st, const struct mftd_db_value *v, int n)
{
	int i, at, code = SQLITE_OK;

	for (i = 0; i < n && code == SQLITE_OK; i++) {
		at = place_of(st, i);
		code = at > 0 ? bind_one(st, at, &v[i]) : SQLITE_RANGE;
	}
	return code;
}

static int
give_row(sqlite3_stmt *st, mftd_db_row_fn row, void *data)
{
	struct mftd_db_value v[COLUMNS_MAX];
	int i, n = sqlite3_column_count(st);

	for (i = 0; i < n && i < COLUMNS_MAX; i++) {
		v[i] = DB_NULL;
		switch (sqlite3_column_type(st, i)) {
		case SQLITE_INTEGER:
			v[i] = DB_INT(sqlite3_column_int64(st, i));
			break;
		case SQLITE_TEXT:
			v[i] =
			    DB_TEXT((const char *)sqlite3_column_text(st, i));
			break;
		case SQLITE_BLOB:
			v[i] = DB_BLOB(sqlite3_column_blob(st, i),
			    (size_t)sqlite3_column_bytes(st, i));
			break;
		default:
			break;
		}
	}
	return row(data, v, n);
}

static int
step_all(struct sqlite *s, sqlite3_stmt *st, mftd_db_row_fn row, void *data)
{
	int code, n = 0, r = 0;

	while ((code = sqlite3_step(st)) == SQLITE_ROW) {
		n++;
		/* after an error the statement must still run to its end */
		if (row != NULL && r == 0)
			r = give_row(st, row, data);
	}
	if (code != SQLITE_DONE)
		return failed(s, code);
	if (r < 0)
		return r;
	return row != NULL ? n : sqlite3_changes(s->h);
}

static int
sqlite_run(struct mftd_db *db, const char *sql, const struct mftd_db_value *v,
    int n, mftd_db_row_fn row, void *data)
{
	struct sqlite *s = of(db);
	sqlite3_stmt *st = NULL;
	int code, r;

	r = connect_to(s, false);
	if (r < 0)
		return r;
	r = prepare(s, sql, &st);
	if (r < 0)
		return r;
	code = bind_all(st, v, n);
	r = code == SQLITE_OK ? step_all(s, st, row, data) : failed(s, code);
	done(s, st);
	return r;
}

static int
sqlite_begin(struct mftd_db *db, enum mftd_db_lock lock)
{
	struct sqlite *s = of(db);
	int r = connect_to(s, lock == MFTD_DB_MIGRATE);

	if (r < 0)
		return r;
	if (lock == MFTD_DB_READ)
		return sqlite_script(db, "BEGIN");
	/* kept in the file from then on; snapshots are made without it,
	 * because they are replaced as one file.  It waits for nobody: who is
	 * in the file now is another that migrates, and does the same */
	if (lock == MFTD_DB_MIGRATE)
		r = sqlite_script(db, "PRAGMA journal_mode = WAL");
	if (r == -MFTD_E_CATALOG_AWAY)
		r = 0; /* BEGIN waits, and tells if it really is away */
	return r < 0 ? r : sqlite_script(db, "BEGIN IMMEDIATE");
}

static int
sqlite_commit(struct mftd_db *db)
{
	return sqlite_script(db, "COMMIT");
}

static void
sqlite_rollback(struct mftd_db *db)
{
	struct sqlite *s = of(db);

	/* some errors have rolled back already; why stays the first one's */
	if (s->h != NULL && !sqlite3_get_autocommit(s->h))
		sqlite3_exec(s->h, "ROLLBACK", NULL, NULL, NULL);
}

/* The event that it is in its state now, if some hook wants it. */
static int
put_event(struct sqlite *s, const struct mftd_db_value *id)
{
	static const char sql[] =
	    "INSERT INTO event (id, kind, time_us, receipt, delivery, route, "
	    "tries, host, error) SELECT k.event || '.' || d.id || '.' || "
	    "(SELECT count(*) FROM delivery_wish w WHERE w.delivery = d.id), "
	    "k.event, $2, d.receipt, d.id, d.route, d.tries, d.host, d.error "
	    "FROM delivery d JOIN (SELECT DISTINCT event, state FROM "
	    "hook_want) AS k ON k.state = d.state WHERE d.id = $1 "
	    "ON CONFLICT (id) DO NOTHING";
	const struct mftd_db_value v[] = { *id, DB_INT(mftd_clock_wall_us()) };

	return sqlite_run(&s->db, sql, v, 2, NULL, NULL);
}

/* The values of a step that are its delivery's; those behind are its try's. */
#define OWN_VALUES (MFTD_DB_ROLE_VALUES + MFTD_DB_STEP_OWN_VALUES)

/* A statement that runs for many rows, and the places of its values, which to
 * look for took longer than to set them. */
struct often {
	sqlite3_stmt *st;
	int at[OWN_VALUES];
};

static int
prepare_often(struct sqlite *s, const char *sql, int n, struct often *o)
{
	int i, r = prepare(s, sql, &o->st);

	for (i = 0; r == 0 && i < n; i++)
		o->at[i] = place_of(o->st, i);
	return r;
}

static int
run_often(struct sqlite *s, const struct often *o,
    const struct mftd_db_value *v, int n, mftd_db_row_fn row, void *data)
{
	int i, r, code = SQLITE_OK;

	for (i = 0; i < n && code == SQLITE_OK; i++)
		code = bind_one(o->st, o->at[i], &v[i]); /* 0: out of range */
	r = code == SQLITE_OK ? step_all(s, o->st, row, data) : failed(s, code);
	sqlite3_reset(o->st);
	return r;
}

#define TRY_VALUES 9
#define BEHIND_VALUES 2

/* The row of its try. */
static int
put_try(struct sqlite *s, const struct often *o, const struct mftd_db_value *v)
{
	const struct mftd_db_value *try = v + OWN_VALUES;
	const struct mftd_db_value own[TRY_VALUES] = { v[3], try[0], v[6],
		try[1], try[2], try[3], try[4], try[5], v[11] };

	return run_often(s, o, own, TRY_VALUES, NULL, NULL);
}

/* Lets those go that are behind the delivery, which was moved. */
static int
let_go(struct sqlite *s, const struct often *o, const struct mftd_db_value *v)
{
	const struct mftd_db_value own[BEHIND_VALUES] = { v[3], v[5] };

	return run_often(s, o, own, BEHIND_VALUES, NULL, NULL);
}

/* MFTD_DB_STEPS: one delivery after the other. */
static int
run_steps(struct sqlite *s, const struct mftd_db_value *v, int n,
    mftd_db_row_fn row, void *data)
{
	struct mftd_db_value one[MFTD_DB_ROLE_VALUES + MFTD_DB_STEP_VALUES];
	struct mftd_db_value *own = one + MFTD_DB_ROLE_VALUES;
	struct often step = { 0 }, try = { 0 }, go = { 0 };
	bool moved;
	int at, rows = 0, r;

	memcpy(one, v, MFTD_DB_ROLE_VALUES * sizeof(*v));
	r = prepare_often(s, guarded_sql[MFTD_DB_STEPS], OWN_VALUES, &step);
	if (r == 0)
		r = prepare_often(s,
		    MFTD_TRY_INTO "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, "
				  "$9)" MFTD_TRY_UPSERT,
		    TRY_VALUES, &try);
	if (r == 0)
		r = prepare_often(s,
		    "UPDATE delivery SET behind = '' WHERE $2 IN "
		    "(" MFTD_VERSIONS_ENDED ", " MFTD_VERSIONS_TURN
		    ") AND " MFTD_VERSIONS_BEHIND("$1"),
		    BEHIND_VALUES, &go);
	for (at = MFTD_DB_ROLE_VALUES; r >= 0 && at < n;
	     at += MFTD_DB_STEP_VALUES) {
		memcpy(own, v + at, MFTD_DB_STEP_VALUES * sizeof(*v));
		r = run_often(s, &step, one, OWN_VALUES, row, data);
		moved = r > 0;
		rows += r;
		if (r > 0 && one[OWN_VALUES].type != MFTD_DB_NULL)
			r = put_try(s, &try, one);
		if (r >= 0 && moved)
			r = let_go(s, &go, one);
		if (r >= 0 && moved && !s->db.no_hooks &&
		    mftd_event_ends(own[2].p))
			r = put_event(s, &own[0]);
	}
	done(s, step.st);
	done(s, try.st);
	done(s, go.st);
	return r < 0 ? r : rows;
}

/* Of a claim: the ids of those that it has not claimed; mostly there are none.
 */
struct claim {
	mftd_db_row_fn row;
	void *data;
	char (*ids)[MFTD_ID_BYTES];
	size_t n;
};

static int
take_claimed(void *data, const struct mftd_db_value *row, int n)
{
	struct claim *cl = data;
	void *more;

	if (strcmp(row[MFTD_DB_STATE_AT].p, "CANCELLED") == 0 ||
	    strcmp(row[MFTD_DB_STATE_AT].p, "HELD") == 0) {
		more = realloc(cl->ids, (cl->n + 1) * sizeof(*cl->ids));
		if (more == NULL)
			return -ENOMEM;
		cl->ids = more;
		snprintf(cl->ids[cl->n++], sizeof(*cl->ids), "%s",
		    (const char *)row[0].p);
	}
	return cl->row(cl->data, row, n);
}

/* MFTD_DB_CLAIM, and what hooks are to hear of it. */
static int
run_claim(struct sqlite *s, const struct mftd_db_value *v, int n,
    mftd_db_row_fn row, void *data)
{
	struct claim cl = { .row = row, .data = data };
	int rows, r = 0;
	size_t i;

	if (s->db.no_hooks)
		return sqlite_run(&s->db, mftd_claim_sqlite, v, n, row, data);
	rows = sqlite_run(&s->db, mftd_claim_sqlite, v, n, take_claimed, &cl);
	for (i = 0; rows >= 0 && r >= 0 && i < cl.n; i++) {
		const struct mftd_db_value w[] = { DB_TEXT(cl.ids[i]), v[3] };

		r = sqlite_run(
		    &s->db, mftd_claim_event_sqlite, w, 2, NULL, NULL);
	}
	free(cl.ids);
	return r < 0 ? r : rows;
}

/* One that is common to both: r is the role row, which is known to be ours. */
static int
run_common(struct sqlite *s, enum mftd_db_guarded which,
    const struct mftd_db_value *v, int n, mftd_db_row_fn row, void *data)
{
	char sql[COMMON_BYTES];

	if (snprintf(sql, sizeof(sql),
		"WITH r AS (SELECT queue FROM role WHERE queue = $1 AND "
		"epoch = $2 AND owner = $3) %s",
		mftd_db_common_sql[which]) >= (int)sizeof(sql))
		return -EMSGSIZE;
	return sqlite_run(&s->db, sql, v, n, row, data);
}

/* The event reads the row as it is before the step. */
static int
run_partner(struct sqlite *s, const struct mftd_db_value *v, int n,
    mftd_db_row_fn row, void *data)
{
	int r = sqlite_run(&s->db, mftd_partner_event_sqlite, v, n, NULL, NULL);

	if (r < 0)
		return r;
	return sqlite_run(&s->db, mftd_partner_sqlite, v, n, row, data);
}

static int
sqlite_guarded(struct mftd_db *db, enum mftd_db_guarded which,
    const struct mftd_db_value *v, int n, mftd_db_row_fn row, void *data)
{
	static const char role[] = "UPDATE role SET epoch = epoch "
				   "WHERE queue = $1 AND epoch = $2 "
				   "AND owner = $3";
	int r, rows = 0;

	r = sqlite_begin(db, MFTD_DB_WRITE);
	if (r < 0)
		return r;
	r = sqlite_run(db, role, v, MFTD_DB_ROLE_VALUES, NULL, NULL);
	if (r == 0)
		r = -MFTD_E_STALE_EPOCH;
	if (r > 0 && which == MFTD_DB_STEPS)
		r = rows = run_steps(of(db), v, n, row, data);
	else if (r > 0 && which == MFTD_DB_CLAIM)
		r = rows = run_claim(of(db), v, n, row, data);
	else if (r > 0 && which == MFTD_DB_PARTNER)
		r = rows = run_partner(of(db), v, n, row, data);
	else if (r > 0 && which == MFTD_DB_FOUND)
		r = rows = mftd_found_sqlite(db, v, row, data);
	else if (r > 0 && mftd_db_common_sql[which] != NULL)
		r = rows = run_common(of(db), which, v, n, row, data);
	else if (r > 0)
		r = rows = sqlite_run(db, guarded_sql[which], v, n, row, data);
	if (r >= 0)
		r = sqlite_commit(db);
	if (r < 0) {
		sqlite_rollback(db);
		return r;
	}
	return rows;
}

static int
sqlite_keeps(struct mftd_db *db)
{
	return 0; /* synchronous = FULL, set at each open */
}

static int
sqlite_end_sessions(struct mftd_db *db, const char *prefix)
{
	return 0; /* no sessions: a write transaction is short and alone */
}

static int
sqlite_name_session(struct mftd_db *db, const char *application)
{
	return 0;
}

const struct mftd_db_ops mftd_db_sqlite = {
	.scheme = "sqlite:",
	.now_sql = "0",
	.create = sqlite_create,
	.destroy = sqlite_destroy,
	.run = sqlite_run,
	.script = sqlite_script,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.guarded = sqlite_guarded,
	.keeps = sqlite_keeps,
	.end_sessions = sqlite_end_sessions,
	.name_session = sqlite_name_session,
};
