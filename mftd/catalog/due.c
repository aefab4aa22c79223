/* Part of mftd; see LICENSE. */
#include "mftd/catalog/due.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/targets.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

/* A route's deliveries of which the one kind waits for too long. */
struct group {
	char route[MFTD_NAME_BYTES];
	int64_t tried; /* 1: they wait for another try; 0: for the first */
	int64_t due_us; /* the last of them */
	struct group *next;
};

/* A route, and when what came now would be due. */
struct limit {
	char route[MFTD_NAME_BYTES];
	int64_t us; /* -1: never */
	struct limit *next;
};

struct looked {
	struct mftd_catalog *c;
	const struct mftd_role_row *role;
	int64_t now_us, wait_us;
	char partner[MFTD_TARGET_BYTES];
	struct limit *limits;
	struct group *groups;
};

/* ---- statements */

#define FREE "WHERE d.queue = $1 AND " MFTD_DB_FREE
#define IN_ORDER "WHERE d.queue = $1 AND " MFTD_DB_IN_ORDER
#define IN_ORDER_FIRST "ORDER BY d.order_us, d.order_seq, d.id LIMIT "
#define TRIED                                                       \
	"CASE WHEN d.state = 'WAITING' OR d.tries > 0 THEN 1 ELSE " \
	"0 END AS tried "
/* Each of them: so that the index leads to what is behind a time. */
#define PRIORITIES "d.priority IN (0, 1, 2, 3, 4, 5, 6, 7, 8, 9) "
#define GOES_TO "coalesce(r.partner, '@' || r.to_account) "
#define NEXT(which)                                              \
	"SELECT * FROM (SELECT d.partner FROM delivery d " which \
	"AND d.partner > $2 ORDER BY d.partner LIMIT 1) AS x"

static const char next_sql[] = "SELECT min(partner) FROM (" NEXT(
    FREE) " UNION ALL " NEXT(IN_ORDER) ") AS y";

static const char limits_sql[] =
    "SELECT r.name, r.settle_s, r.schedule, r.time_zone, c.closed "
    "FROM route r LEFT JOIN calendar c ON c.name = r.calendar "
    "WHERE " GOES_TO "= $1";

/* Of a route that keeps an order the one whose turn it is. */
static const char groups_sql[] =
    "SELECT x.route, x.tried, max(x.due_us) FROM ("
    "SELECT d.route, d.due_us, " TRIED "FROM delivery d " FREE
    "AND d.partner = $2 AND " PRIORITIES "AND d.due_us > $3 LIMIT $4"
    ") AS x GROUP BY x.route, x.tried UNION ALL "
    "SELECT d.route, " TRIED ", d.due_us FROM route r JOIN delivery d "
    "ON d.id = (SELECT d.id FROM delivery d " IN_ORDER
    "AND d.partner = $2 AND d.route = r.name " IN_ORDER_FIRST "1) "
    "WHERE " GOES_TO "= $2 AND d.due_us > $3 "
    "AND d.state || '' IN ('QUEUED', 'WAITING')";

/* "|| ''": by their ids, not by the indexes for the state. */
const char mftd_due_sql[] =
    "UPDATE delivery SET due_us = CAST($7 AS BIGINT) WHERE "
    "EXISTS (SELECT 1 FROM r) AND state || '' IN ('QUEUED', 'WAITING') AND "
    "due_us > CAST($7 AS BIGINT) AND id IN (SELECT x.id FROM ("
    "SELECT d.id, d.route, " TRIED "FROM delivery d " FREE
    "AND d.partner = $4 AND " PRIORITIES "AND d.due_us > CAST($7 AS BIGINT) "
    "LIMIT $8) AS x WHERE x.route = $5 AND x.tried = CAST($6 AS INTEGER) "
    "UNION ALL SELECT x.id FROM ("
    "SELECT d.id, " TRIED "FROM delivery d " IN_ORDER
    "AND d.partner = $4 AND d.route = $5 " IN_ORDER_FIRST "$8"
    ") AS x WHERE x.tried = CAST($6 AS INTEGER)) RETURNING id";

/* ---- what they say */

static int
take_partner(void *data, const struct mftd_db_value *row, int n)
{
	(void)n;
	if (row[0].type == MFTD_DB_NULL)
		return 0;
	return mftd_rows_get(&row[0], data, MFTD_TARGET_BYTES);
}

static const char *
text_of(const struct mftd_db_value *v)
{
	return v->type == MFTD_DB_TEXT ? v->p : NULL;
}

static int
take_limit(void *data, const struct mftd_db_value *row, int n)
{
	struct looked *l = data;
	struct limit *it = calloc(1, sizeof(*it));

	(void)n;
	if (it == NULL)
		return -ENOMEM;
	it->next = l->limits;
	l->limits = it;
	if (mftd_rows_get(&row[0], it->route, sizeof(it->route)) < 0)
		return -MFTD_E_CORRUPT;
	return mftd_targets_due(l->now_us, row[1].i, text_of(&row[2]),
	    text_of(&row[3]), text_of(&row[4]), &it->us);
}

static int
take_group(void *data, const struct mftd_db_value *row, int n)
{
	struct looked *l = data;
	struct group *g = calloc(1, sizeof(*g));

	(void)n;
	if (g == NULL)
		return -ENOMEM;
	g->next = l->groups;
	l->groups = g;
	g->tried = row[1].i;
	g->due_us = row[2].i;
	return mftd_rows_get(&row[0], g->route, sizeof(g->route));
}

static int
take_moved(void *data, const struct mftd_db_value *row, int n)
{
	(void)data;
	(void)row;
	(void)n;
	return 0;
}

/* ---- the look */

static void
forget(struct looked *l)
{
	struct limit *it;
	struct group *g;

	while ((it = l->limits) != NULL) {
		l->limits = it->next;
		free(it);
	}
	while ((g = l->groups) != NULL) {
		l->groups = g->next;
		free(g);
	}
}

/* Nothing of the partner's that is due by then waits for too long. */
static int64_t
least_limit(const struct looked *l)
{
	int64_t us = l->now_us + l->wait_us;
	const struct limit *it;

	for (it = l->limits; it != NULL; it = it->next)
		if (it->us >= 0 && it->us < us)
			us = it->us;
	return us;
}

/* -1: nobody can say, or never. */
static int64_t
limit_of(const struct looked *l, const struct group *g)
{
	const struct limit *it = l->limits;

	if (g->tried != 0)
		return l->now_us + l->wait_us;
	while (it != NULL && strcmp(it->route, g->route) != 0)
		it = it->next;
	return it != NULL ? it->us : -1;
}

/* Those of the group that wait for longer than that. */
static int
move(const struct looked *l, const struct group *g, int64_t limit_us)
{
	const struct mftd_db_value v[] = { DB_TEXT(l->role->queue),
		DB_INT(l->role->epoch), DB_TEXT(l->role->owner),
		DB_TEXT(l->partner), DB_TEXT(g->route), DB_INT(g->tried),
		DB_INT(limit_us), DB_INT(MFTD_DUE_ROWS_MAX) };
	int r = l->c->db->ops->guarded(
	    l->c->db, MFTD_DB_DUE, v, N(v), take_moved, NULL);

	if (r > 0)
		log_info(
		    "route %s: %d deliveries to %s were to wait for longer "
		    "than %s: a clock was ahead, or the schedule is another",
		    g->route, r, l->partner,
		    g->tried != 0 ? "any try does" : "what comes now");
	return r;
}

/* Of one partner, as mftd_catalog_due_look. */
static int
look_at(struct looked *l)
{
	const struct mftd_db_value to[] = { DB_TEXT(l->partner) };
	const struct group *g;
	int r, moved = 0;

	r = mftd_db_run(l->c, limits_sql, to, N(to), take_limit, l);
	if (r < 0)
		return r;
	const struct mftd_db_value v[] = { DB_TEXT(l->role->queue),
		DB_TEXT(l->partner), DB_INT(least_limit(l)),
		DB_INT(MFTD_DUE_ROWS_MAX) };

	r = mftd_db_run(l->c, groups_sql, v, N(v), take_group, l);
	for (g = l->groups; r >= 0 && g != NULL; g = g->next) {
		int64_t limit_us = limit_of(l, g);

		if (limit_us < 0 || g->due_us <= limit_us)
			continue;
		r = move(l, g, limit_us);
		moved += r > 0 ? r : 0;
	}
	return r < 0 ? r : moved;
}

int
mftd_catalog_due_look(struct mftd_catalog *c, const struct mftd_role_row *role,
    int64_t now_us, int64_t wait_us, char at[MFTD_TARGET_BYTES])
{
	struct looked l = {
		.c = c, .role = role, .now_us = now_us, .wait_us = wait_us
	};
	int i, r = 0, moved = 0;

	for (i = 0; i < MFTD_DUE_PARTNERS_MAX; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(role->queue),
			DB_TEXT(at) };

		l.partner[0] = '\0';
		r = mftd_db_run(c, next_sql, v, N(v), take_partner, l.partner);
		if (r < 0)
			break;
		memcpy(at, l.partner, MFTD_TARGET_BYTES);
		if (at[0] == '\0')
			break;
		r = look_at(&l);
		forget(&l);
		if (r < 0)
			break;
		moved += r;
	}
	return r < 0 ? r : moved;
}
