/* Part of mftd; see LICENSE. */
#include "mftd/catalog/hook_runs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/event.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define ROLE(r) DB_TEXT((r)->queue), DB_INT((r)->epoch), DB_TEXT((r)->owner)
#define US_PER_S 1000000
#define RUN_COLUMNS "event, hook, state, tries, due_us, ended_us, error"

static const char *const state_names[MFTD_RUN_STATE_COUNT] = { "QUEUED",
	"RUNNING", "WAITING", "DONE", "FAILED" };

const char *
mftd_run_state_name(enum mftd_run_state s)
{
	return state_names[s];
}

int
mftd_run_state_of(const char *name)
{
	int s;

	for (s = 0; s < MFTD_RUN_STATE_COUNT; s++)
		if (strcmp(state_names[s], name) == 0)
			return s;
	return -MFTD_E_CORRUPT;
}

/* ---- guarded statements */

static int
ignore_row(void *data, const struct mftd_db_value *row, int n)
{
	return 0;
}

static int
guarded(struct mftd_catalog *c, enum mftd_db_guarded which,
    const struct mftd_db_value *v, int n)
{
	return c->db->ops->guarded(c->db, which, v, n, ignore_row, NULL);
}

/*
 * Three statements, so that none leaves a transaction open: some events are
 * marked, the runs of the marked ones are made, the marks say so.  Whoever was
 * interrupted, or another owner, finds the marks and goes on.
 */
int
mftd_runs_spread(
    struct mftd_catalog *c, const struct mftd_role_row *role, int64_t now_us)
{
	const struct mftd_db_value take[] = { ROLE(role),
		DB_INT(MFTD_EVENTS_SPREAD_MAX) };
	const struct mftd_db_value make[] = { ROLE(role), DB_INT(now_us) };
	int64_t n = 0;
	int r;

	r = mftd_db_run(c,
	    "SELECT count(*) FROM (SELECT 1 FROM event WHERE spread = 0 LIMIT "
	    "1) AS a",
	    NULL, 0, mftd_db_take_int, &n);
	if (r >= 0 && n > 0)
		r = guarded(c, MFTD_DB_EVENTS_TAKE, take, N(take));
	if (r >= 0)
		r = mftd_db_run(c,
		    "SELECT count(*) FROM event WHERE spread = 1", NULL, 0,
		    mftd_db_take_int, &n);
	if (r < 0 || n == 0)
		return r < 0 ? r : 0;
	r = guarded(c, MFTD_DB_RUNS_MAKE, make, N(make));
	if (r >= 0)
		r = guarded(
		    c, MFTD_DB_EVENTS_SPREAD, make, MFTD_DB_ROLE_VALUES);
	return r < 0 ? r : (int)n;
}

int
mftd_runs_inherit(struct mftd_catalog *c, const struct mftd_role_row *role,
    int64_t now_us, const char *hand)
{
	const struct mftd_db_value v[] = { ROLE(role), DB_INT(now_us),
		DB_TEXT(hand) };

	return guarded(c, MFTD_DB_RUNS_INHERIT, v, N(v));
}

int
mftd_runs_abandon(
    struct mftd_catalog *c, const struct mftd_role_row *role, int64_t now_us)
{
	const struct mftd_db_value v[] = { ROLE(role), DB_INT(now_us) };

	return guarded(c, MFTD_DB_RUNS_ABANDON, v, N(v));
}

/* ---- rows */

static int
get_run(const struct mftd_db_value *row, struct mftd_run *run)
{
	int s = mftd_run_state_of(row[2].p);

	if (s < 0 || row[0].len >= sizeof(run->event) ||
	    row[1].len >= sizeof(run->hook) || row[6].len >= sizeof(run->error))
		return -MFTD_E_CORRUPT;
	memcpy(run->event, row[0].p, row[0].len + 1);
	memcpy(run->hook, row[1].p, row[1].len + 1);
	memcpy(run->error, row[6].p, row[6].len + 1);
	run->state = (enum mftd_run_state)s;
	run->tries = (uint32_t)row[3].i;
	run->due_us = row[4].i;
	run->ended_us = row[5].i;
	return 0;
}

struct claimed {
	struct mftd_run *out;
	size_t n, max;
};

static int
take_claimed(void *data, const struct mftd_db_value *row, int n)
{
	struct claimed *l = data;

	return l->n < l->max ? get_run(row, &l->out[l->n++]) : -MFTD_E_CORRUPT;
}

int
mftd_runs_claim(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *hook, int64_t now_us, struct mftd_run *out, size_t max)
{
	const struct mftd_db_value v[] = { ROLE(role), DB_TEXT(hook),
		DB_INT(now_us), DB_INT(max) };
	struct claimed l = { .out = out, .max = max };

	return c->db->ops->guarded(
	    c->db, MFTD_DB_RUNS_CLAIM, v, N(v), take_claimed, &l);
}

/* What a program printed or a server said may be any bytes; the database takes
 * UTF-8. */
static void
make_ascii(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i] != '\0'; i++)
		out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	out[i] = '\0';
}

int
mftd_run_end(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_run *run)
{
	char error[MFTD_REASON_BYTES];
	const struct mftd_db_value v[] = { ROLE(role), DB_TEXT(run->event),
		DB_TEXT(run->hook), DB_TEXT(mftd_run_state_name(run->state)),
		DB_INT(run->due_us), DB_INT(run->ended_us),
		{ .type = MFTD_DB_TEXT,
		    .p = error,
		    .len = strnlen(run->error, sizeof(error) - 1) } };
	int r;

	make_ascii(error, sizeof(error), run->error);
	r = guarded(c, MFTD_DB_RUN_END, v, N(v));
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

int
mftd_events_expire(
    struct mftd_catalog *c, const struct mftd_role_row *role, int64_t before_us)
{
	const struct mftd_db_value v[] = { ROLE(role), DB_INT(before_us),
		DB_INT(MFTD_EVENTS_SPREAD_MAX) };
	int r = guarded(c, MFTD_DB_RUNS_EXPIRE, v, N(v));

	return r < 0 ? r : guarded(c, MFTD_DB_EVENTS_EXPIRE, v, N(v));
}

/* ---- what is due */

struct names {
	int (*fn)(void *data, const char *hook);
	void *data;
};

static int
take_name(void *data, const struct mftd_db_value *row, int n)
{
	const struct names *names = data;

	return names->fn(names->data, row[0].p);
}

int
mftd_runs_due(struct mftd_catalog *c, int64_t now_us,
    int (*fn)(void *data, const char *hook), void *data)
{
	const struct mftd_db_value v[] = { DB_INT(now_us) };
	struct names names = { .fn = fn, .data = data };
	int r = mftd_db_run(c,
	    "SELECT h.name FROM hook h WHERE EXISTS (SELECT 1 FROM hook_run x "
	    "WHERE x.hook = h.name AND x.state IN ('QUEUED', 'WAITING') AND "
	    "x.due_us <= $1) ORDER BY h.name",
	    v, N(v), take_name, &names);

	return r < 0 ? r : 0;
}

/* ---- deadlines */

int
mftd_deadline_looked(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *route, int64_t now_us, int64_t *looked_us)
{
	const struct mftd_db_value v[] = { ROLE(role), DB_TEXT(route),
		DB_INT(now_us) };
	int r = c->db->ops->guarded(
	    c->db, MFTD_DB_DEADLINE_LOOK, v, N(v), mftd_db_take_int, looked_us);

	return r < 0 ? r : 0;
}

int
mftd_deadline_late(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_deadline *d, int64_t now_us)
{
	char id[MFTD_EVENT_ID_BYTES], first[MFTD_ID_BYTES];
	int r = mftd_id_since("d", d->since_us, first, sizeof(first));

	if (r < 0)
		return r;
	snprintf(id, sizeof(id), MFTD_EVENT_LATE ".%s.%" PRId64, d->route,
	    d->until_us / US_PER_S);
	const struct mftd_db_value v[] = { ROLE(role), DB_TEXT(id),
		DB_TEXT(d->route), DB_INT(d->since_us), DB_INT(d->until_us),
		DB_INT(d->delivered), DB_TEXT(first), DB_INT(now_us) };

	r = guarded(c, MFTD_DB_DEADLINE_LATE, v, N(v));
	return r;
}

int
mftd_deadline_pass(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *route, int64_t looked_us)
{
	const struct mftd_db_value v[] = { ROLE(role), DB_TEXT(route),
		DB_INT(looked_us) };
	int r = guarded(c, MFTD_DB_DEADLINE_PASS, v, N(v));

	return r < 0 ? r : 0;
}

/* ---- for people */

struct listed {
	int (*fn)(void *data, const struct mftd_run *run);
	void *data;
};

static int
take_listed(void *data, const struct mftd_db_value *row, int n)
{
	const struct listed *l = data;
	struct mftd_run run;
	int r = get_run(row, &run);

	return r < 0 ? r : l->fn(l->data, &run);
}

int
mftd_runs_list(struct mftd_catalog *c, const char *hook, uint32_t states,
    size_t most, int (*fn)(void *data, const struct mftd_run *run), void *data)
{
	const struct mftd_db_value v[] = { DB_TEXT(hook != NULL ? hook : ""),
		DB_INT(most) };
	struct listed l = { .fn = fn, .data = data };
	char sql[768], in[128] = "";
	size_t used = 0;
	int r, s;

	for (s = 0; s < MFTD_RUN_STATE_COUNT; s++)
		if (states == 0 || (states & 1u << s) != 0)
			used += (size_t)snprintf(in + used, sizeof(in) - used,
			    "%s'%s'", used > 0 ? ", " : "", state_names[s]);
	snprintf(sql, sizeof(sql),
	    "SELECT " RUN_COLUMNS " FROM (SELECT x.event, x.hook, x.state, "
	    "x.tries, x.due_us, x.ended_us, x.error, e.time_us "
	    "FROM hook_run x JOIN event e ON e.id = x.event "
	    "WHERE ($1 = '' OR x.hook = $1) AND x.state IN (%s) "
	    "ORDER BY e.time_us DESC, x.event DESC, x.hook DESC LIMIT $2) "
	    "AS a ORDER BY time_us, event, hook",
	    in);
	r = mftd_db_run(c, sql, v, N(v), take_listed, &l);
	return r < 0 ? r : 0;
}

static int
take_run(void *data, const struct mftd_db_value *row, int n)
{
	return get_run(row, data);
}

int
mftd_run_get(struct mftd_catalog *c, const char *event, const char *hook,
    struct mftd_run *out)
{
	const struct mftd_db_value v[] = { DB_TEXT(event), DB_TEXT(hook) };
	int r = mftd_db_run(c,
	    "SELECT " RUN_COLUMNS " FROM hook_run WHERE event = $1 AND "
	    "hook = $2",
	    v, N(v), take_run, out);

	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}

static int
take_count(void *data, const struct mftd_db_value *row, int n)
{
	uint64_t *counts = data;
	int s = mftd_run_state_of(row[0].p);

	if (s < 0)
		return s;
	counts[s] = (uint64_t)row[1].i;
	return 0;
}

int
mftd_runs_count(struct mftd_catalog *c, const char *hook,
    uint64_t counts[MFTD_RUN_STATE_COUNT])
{
	const struct mftd_db_value v[] = { DB_TEXT(hook) };
	int r;

	memset(counts, 0, MFTD_RUN_STATE_COUNT * sizeof(*counts));
	r = mftd_db_run(c,
	    "SELECT state, count(*) FROM hook_run WHERE hook = $1 "
	    "GROUP BY state",
	    v, N(v), take_count, counts);
	return r < 0 ? r : 0;
}

int
mftd_run_retry(
    struct mftd_catalog *c, const char *event, const char *hook, int64_t now_us)
{
	const struct mftd_db_value v[] = { DB_TEXT(event), DB_TEXT(hook),
		DB_INT(now_us) };
	int r = c->db->ops->keeps(c->db);

	if (r == 0)
		r = mftd_db_run(c,
		    "UPDATE hook_run SET state = 'QUEUED', tries = 0, "
		    "due_us = $3 WHERE event = $1 AND hook = $2 AND "
		    "state IN ('FAILED', 'WAITING')",
		    v, N(v), NULL, NULL);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}
