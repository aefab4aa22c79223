/* Part of mftd; see LICENSE. */
#include "mftd/catalog/pull.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/fetched.h"
#include "mftd/catalog/found.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define NS_PER_S 1000000000LL

/* Without what says nothing: "./a//b/" is "a/b".  A ".." stays, for what is
 * before it may be a link. */
static void
plain(const char *dir, char out[MFTD_PATH_BYTES])
{
	size_t len, n = 0;

	if (dir[0] == '/')
		out[n++] = '/';
	for (; *dir != '\0'; dir += len) {
		dir += strspn(dir, "/");
		len = strcspn(dir, "/");
		if (len == 0 || (len == 1 && dir[0] == '.'))
			continue;
		if (n + len + 1 >= MFTD_PATH_BYTES)
			break; /* no objects file has that */
		memcpy(out + n, dir, len);
		n += len;
		out[n++] = '/';
	}
	out[n] = '\0';
}

/* Where the file is, as it is remembered, in whatever words its folder is
 * configured: the same name at another partner is another file. */
static int
place_of(const struct mftd_route *route, const char *name, char separator,
    char out[MFTD_PATH_BYTES])
{
	char dir[MFTD_PATH_BYTES];
	int n;

	plain(route->pull->directory, dir);
	n = snprintf(out, MFTD_PATH_BYTES, "%s%c%s%s", route->pull->partner,
	    separator, dir, name);
	return n < MFTD_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

static int
take_any(void *data, const struct mftd_db_value *row, int n)
{
	(void)data;
	(void)row;
	(void)n;
	return 0;
}

/* Whether its wish is done. */
static int
take_done(void *data, const struct mftd_db_value *row, int n)
{
	(void)n;
	*(bool *)data = row[0].i != 0;
	return 0;
}

int
mftd_pull_known(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_route *route, const struct mftd_msg_fetch_file *f)
{
	char place[MFTD_PATH_BYTES];
	bool done = false;
	int r = place_of(route, f->name, '/', place);

	if (r < 0)
		return r;
	const struct mftd_db_value v[] = { DB_TEXT(route->name),
		DB_BLOB(place, strlen(place)), DB_INT(f->size),
		DB_INT(f->mtime * NS_PER_S) };

	r = mftd_db_run(c,
	    "SELECT CASE WHEN p.state = 'DONE' THEN 1 ELSE 0 END FROM found o "
	    "LEFT JOIN pull p ON p.receipt = o.receipt WHERE o.route = $1 AND "
	    "o.path = $2 AND o.size = $3 AND o.mtime_ns = $4",
	    v, N(v), take_done, &done);
	if (r <= 0 || !done)
		return r;
	r = mftd_found_forget(c, role, route->name, place);
	return r < 0 ? r : 0;
}

/* Before its receipt: so each fetched file that there is has its wish. */
static int
put_wish(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_route *route, const struct mftd_msg_fetch_found *f)
{
	const struct mftd_route_pull *p = route->pull;
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_TEXT(f->id),
		DB_TEXT(route->name), DB_TEXT(p->partner),
		DB_TEXT(p->directory),
		DB_BLOB(f->file.name, strlen(f->file.name)),
		DB_INT(f->file.size), DB_INT(f->file.mtime),
		DB_BLOB(f->sha256, MFTD_SHA256_BYTES), DB_TEXT(p->fetched),
		DB_TEXT(p->move_to != NULL ? p->move_to : ""),
		DB_INT(f->verified) };
	int r;

	r = c->db->ops->guarded(
	    c->db, MFTD_DB_PULL_WANT, v, N(v), take_any, NULL);
	return r < 0 ? r : 0;
}

int
mftd_pull_put(struct mftd_catalog *c, const struct mftd_role_row *role,
    uint64_t version, const struct mftd_route *route,
    const struct mftd_pulled *p)
{
	const struct mftd_msg_fetch_file *file = &p->found->file;
	char place[MFTD_PATH_BYTES], shown[MFTD_PATH_BYTES];
	const struct mftd_found f = { .origin = MFTD_ORIGIN_PARTNER,
		.route = route->name,
		.volume = route->pull->volume,
		.path = place,
		.shown = shown,
		.v = { .size = file->size, .mtime_ns = file->mtime * NS_PER_S },
		.sha256 = p->found->sha256,
		.receipt = p->found->id,
		.delivery = p->delivery,
		.now_us = p->now_us };
	int r = place_of(route, file->name, '/', place);

	if (r == 0)
		r = place_of(route, file->name, ':', shown);
	if (r == 0)
		r = put_wish(c, role, route, p->found);
	return r == 0 ? mftd_found_put(c, role, version, &f) : r;
}

static int
take_wish(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_msg_fetch_wish *w = data;
	int what = mftd_fetched_of(row[5].p);

	(void)n;
	if (what < 0 || row[4].len != sizeof(w->sha256) ||
	    mftd_rows_get(&row[0], w->id, sizeof(w->id)) < 0 ||
	    mftd_rows_get(&row[1], w->file.name, sizeof(w->file.name)) < 0 ||
	    mftd_rows_get(&row[6], w->move_to, sizeof(w->move_to)) < 0 ||
	    mftd_rows_get(&row[8], w->target, sizeof(w->target)) < 0 ||
	    mftd_rows_get(&row[9], w->directory, sizeof(w->directory)) < 0)
		return -MFTD_E_CORRUPT;
	w->file.size = (uint64_t)row[2].i;
	w->file.mtime = row[3].i;
	memcpy(w->sha256, row[4].p, sizeof(w->sha256));
	w->what = (uint32_t)what;
	w->begun = strcmp(row[7].p, "BEGUN") == 0;
	return 0;
}

int
mftd_pull_next(struct mftd_catalog *c, const struct mftd_route *route,
    int64_t now_us, struct mftd_msg_fetch_wish *out)
{
	const struct mftd_db_value v[] = { DB_TEXT(route->name),
		DB_TEXT(route->pull->partner), DB_INT(now_us) };

	memset(out, 0, sizeof(*out));
	return mftd_db_run(c,
	    "SELECT receipt, name, size, mtime, sha256, fetched, move_to, "
	    "state, target, directory FROM pull p WHERE route = $1 AND "
	    "partner = $2 AND state IN ('WANTED', 'BEGUN') AND due_us <= $3 "
	    "AND EXISTS (SELECT 1 FROM delivery d WHERE d.receipt = p.receipt) "
	    "AND "
	    "NOT EXISTS (SELECT 1 FROM delivery d WHERE "
	    "d.receipt = p.receipt AND d.state <> 'DONE') "
	    "ORDER BY due_us, receipt LIMIT 1",
	    v, N(v), take_wish, out);
}

/* The file of a wish that is done. */
static int
forget(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *receipt)
{
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_TEXT(receipt) };
	int r = c->db->ops->guarded(
	    c->db, MFTD_DB_PULL_FORGET, v, N(v), take_any, NULL);

	return r < 0 ? r : 0;
}

int
mftd_pull_step(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_msg_fetch_tidy *t, int64_t due_us)
{
	static const char *const states[MFTD_FETCH_STEP_COUNT] = {
		[MFTD_FETCH_BEGIN] = "BEGUN", [MFTD_FETCH_DONE] = "DONE"
	};
	char words[MFTD_REASON_BYTES];
	int r;

	if (t->step >= MFTD_FETCH_STEP_COUNT)
		return -MFTD_E_PROTOCOL;
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_TEXT(t->id),
		DB_TEXT(states[t->step]),
		t->step == MFTD_FETCH_BEGIN
		    ? DB_BLOB(t->target, strlen(t->target))
		    : DB_NULL,
		DB_INT(due_us), mftd_db_ascii(words, sizeof(words), t->text) };

	r = c->db->ops->guarded(
	    c->db, MFTD_DB_PULL_STEP, v, N(v), take_any, NULL);
	if (r < 0 || t->step != MFTD_FETCH_DONE)
		return r < 0 ? r : 0;
	/* a crash before it is mended by mftd_pull_known */
	return forget(c, role, t->id);
}
