/* Part of mftd; see LICENSE. */
#include "mftd/catalog/partner_state.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define COLUMNS \
	"queue, partner, state, fault, since_us, reason, probes, probe_us"

static const char *const state_names[MFTD_PARTNER_STATE_COUNT] = {
	[MFTD_PARTNER_CLOSED] = "closed",
	[MFTD_PARTNER_OPEN] = "open",
	[MFTD_PARTNER_HALF_OPEN] = "half-open",
};

static const char *const fault_names[MFTD_FAULT_COUNT] = {
	[MFTD_FAULT_AWAY] = "away",
	[MFTD_FAULT_REFUSED] = "refused",
};

const char *
mftd_partner_state_name(enum mftd_partner_state s)
{
	return s < MFTD_PARTNER_STATE_COUNT ? state_names[s] : "?";
}

const char *
mftd_partner_fault_name(enum mftd_partner_fault f)
{
	return f < MFTD_FAULT_COUNT ? fault_names[f] : "?";
}

/* The place of that name among n of them, or -MFTD_E_CORRUPT. */
static int
place_of(const struct mftd_db_value *name, const char *const *names, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (strcmp(names[i], name->p) == 0)
			return i;
	return -MFTD_E_CORRUPT;
}

struct rows {
	int (*fn)(void *data, const struct mftd_partner_row *p);
	void *data;
};

static int
take_row(void *data, const struct mftd_db_value *row, int n)
{
	struct rows *all = data;
	struct mftd_partner_row p = { .since_us = row[4].i,
		.probes = (uint32_t)row[6].i,
		.probe_us = row[7].i };
	int state = place_of(&row[2], state_names, MFTD_PARTNER_STATE_COUNT);
	int fault = place_of(&row[3], fault_names, MFTD_FAULT_COUNT);

	if (state < 0 || fault < 0 ||
	    mftd_rows_get(&row[0], p.queue, sizeof(p.queue)) < 0 ||
	    mftd_rows_get(&row[1], p.partner, sizeof(p.partner)) < 0 ||
	    mftd_rows_get(&row[5], p.reason, sizeof(p.reason)) < 0)
		return -MFTD_E_CORRUPT;
	p.state = (enum mftd_partner_state)state;
	p.fault = (enum mftd_partner_fault)fault;
	return all->fn(all->data, &p);
}

int
mftd_catalog_partner_states(struct mftd_catalog *c, const char *queue,
    int (*fn)(void *data, const struct mftd_partner_row *p), void *data)
{
	const struct mftd_db_value v[] = { DB_TEXT(queue) };
	struct rows all = { fn, data };
	int r;

	if (queue != NULL)
		r = mftd_db_run(c,
		    "SELECT " COLUMNS " FROM partner_state WHERE queue = $1 "
		    "AND state <> 'closed' ORDER BY partner",
		    v, N(v), take_row, &all);
	else
		r = mftd_db_run(c,
		    "SELECT " COLUMNS " FROM partner_state "
		    "ORDER BY partner, queue",
		    NULL, 0, take_row, &all);
	return r < 0 ? r : 0;
}

static int
take_moved(void *data, const struct mftd_db_value *row, int n)
{
	*(bool *)data = true;
	return 0;
}

int
mftd_catalog_partner_step(struct mftd_catalog *c,
    const struct mftd_role_row *role, const struct mftd_partner_row *p,
    enum mftd_partner_state from)
{
	char reason[MFTD_REASON_BYTES];
	bool moved = false;
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_TEXT(p->partner),
		DB_TEXT(mftd_partner_state_name(from)),
		DB_TEXT(mftd_partner_state_name(p->state)),
		DB_TEXT(mftd_partner_fault_name(p->fault)), DB_INT(p->since_us),
		mftd_db_ascii(reason, sizeof(reason), p->reason),
		DB_INT(p->probes), DB_INT(p->probe_us),
		DB_INT(mftd_clock_wall_us()) };
	int r = c->db->ops->guarded(
	    c->db, MFTD_DB_PARTNER, v, N(v), take_moved, &moved);

	if (r < 0)
		return r;
	return moved ? 0 : -ENOENT;
}

struct resume {
	const char *partner, *reason;
	int64_t now_us;
};

/* The rows are marked first, and so locked: what an owner opens meanwhile is
 * not among those that are closed and told of. */
static int
resume(struct mftd_catalog *c, void *data)
{
	const struct resume *it = data;
	const struct mftd_db_value v[] = { DB_TEXT(it->partner),
		DB_TEXT(it->reason), DB_INT(it->now_us) };
	int n, r;

	n = r = mftd_db_run(c,
	    "UPDATE partner_state SET probes = -1 "
	    "WHERE partner = $1 AND state <> 'closed'",
	    v, 1, NULL, NULL);
	if (r > 0)
		r = mftd_db_run(c,
		    "INSERT INTO event (id, kind, time_us, partner, queue, "
		    "fault, error) SELECT '" MFTD_EVENT_BACK ".' || s.queue || "
		    "'.' || s.partner || '.' || CAST(s.since_us AS TEXT), "
		    "'" MFTD_EVENT_BACK "', CAST($3 AS BIGINT), s.partner, "
		    "s.queue, s.fault, CAST($2 AS TEXT) FROM partner_state s "
		    "WHERE s.partner = $1 AND s.probes = -1 AND EXISTS "
		    "(SELECT 1 FROM hook_want w WHERE w.event = "
		    "'" MFTD_EVENT_BACK "') ON CONFLICT (id) DO NOTHING",
		    v, N(v), NULL, NULL);
	if (n > 0 && r >= 0)
		r = mftd_db_run(c,
		    "UPDATE partner_state SET state = 'closed', reason = $2, "
		    "since_us = $3, probes = 0 "
		    "WHERE partner = $1 AND probes = -1",
		    v, N(v), NULL, NULL);
	return r < 0 ? r : n;
}

int
mftd_catalog_partner_resume(
    struct mftd_catalog *c, const char *partner, const char *reason)
{
	struct resume it = { .partner = partner,
		.reason = reason,
		.now_us = mftd_clock_wall_us() };
	int r = c->db->ops->keeps(c->db);

	if (r < 0)
		return r;
	return mftd_db_transaction(c, MFTD_DB_WRITE, resume, &it);
}

int
mftd_partner_state_ask(struct mftd_catalog *c, const char *delivery)
{
	const struct mftd_db_value v[] = { DB_TEXT(delivery) };

	return mftd_db_run(c,
	    "UPDATE partner_state SET probe_us = 0 WHERE state = 'open' AND "
	    "(queue, partner) IN "
	    "(SELECT queue, partner FROM delivery WHERE id = $1)",
	    v, N(v), NULL, NULL);
}
