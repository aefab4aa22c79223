/* Part of mftd; see LICENSE. */
#include "mftd/catalog/catalog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/handling_store.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/steps.h"
#include "mftd/catalog/versions.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define CLAIM_LOOKS 16 /* statements of one claim that finds none */

static const char *const state_names[MFTD_DELIVERY_STATE_COUNT] = {
	[MFTD_DELIVERY_QUEUED] = "QUEUED",
	[MFTD_DELIVERY_CLAIMED] = "CLAIMED",
	[MFTD_DELIVERY_SENDING] = "SENDING",
	[MFTD_DELIVERY_SENT] = "SENT",
	[MFTD_DELIVERY_PUBLISHING] = "PUBLISHING",
	[MFTD_DELIVERY_DELIVERED] = "DELIVERED",
	[MFTD_DELIVERY_DONE] = "DONE",
	[MFTD_DELIVERY_WAITING] = "WAITING",
	[MFTD_DELIVERY_IN_DOUBT] = "IN_DOUBT",
	[MFTD_DELIVERY_FAILED] = "FAILED",
	[MFTD_DELIVERY_HELD] = "HELD",
	[MFTD_DELIVERY_CANCELLED] = "CANCELLED",
};

const char *
mftd_delivery_state_name(enum mftd_delivery_state s)
{
	return s < MFTD_DELIVERY_STATE_COUNT ? state_names[s] : "?";
}

int
mftd_delivery_state_of(const char *name)
{
	int i;

	for (i = 0; i < MFTD_DELIVERY_STATE_COUNT; i++)
		if (strcmp(state_names[i], name) == 0)
			return i;
	return -MFTD_E_CORRUPT;
}

const char *
mftd_delivery_account(const struct mftd_delivery *d)
{
	return d->partner[0] == '@' ? d->partner + 1 : NULL;
}

/* These are to be whole as C strings: a NUL inside is corrupt, too. */
static int
get_string(const struct mftd_db_value *v, char *out, size_t size)
{
	if (memchr(v->p != NULL ? v->p : "", '\0', v->len) != NULL)
		return -MFTD_E_CORRUPT;
	return mftd_rows_get(v, out, size);
}

int
mftd_db_get_delivery(const struct mftd_db_value *row, struct mftd_delivery *d)
{
	const struct {
		char *to;
		size_t size;
		int from;
	} texts[] = {
		{ d->id, sizeof(d->id), 0 },
		{ d->receipt, sizeof(d->receipt), 1 },
		{ d->route, sizeof(d->route), 2 },
		{ d->partner, sizeof(d->partner), 3 },
		{ d->volume, sizeof(d->volume), 4 },
		{ d->directory, sizeof(d->directory), 5 },
		{ d->name, sizeof(d->name), 6 },
		{ d->host, sizeof(d->host), 11 },
		{ d->error, sizeof(d->error), 14 },
	};
	size_t i;
	int r = mftd_delivery_state_of(row[7].p);

	if (r < 0)
		return r;
	d->state = (enum mftd_delivery_state)r;
	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		r = get_string(&row[texts[i].from], texts[i].to, texts[i].size);
		if (r < 0)
			return r;
	}
	d->tries = (uint32_t)row[8].i;
	d->size = (uint64_t)row[9].i;
	d->has_sha256 = row[10].len == MFTD_SHA256_BYTES;
	memset(d->sha256, 0, sizeof(d->sha256));
	if (d->has_sha256)
		memcpy(d->sha256, row[10].p, MFTD_SHA256_BYTES);
	d->mtime = row[12].i;
	d->due_us = row[13].i;
	d->retry_tries = (uint32_t)row[MFTD_DB_BOUNDS_AT].i;
	d->retry_hours = (uint32_t)row[MFTD_DB_BOUNDS_AT + 1].i;
	d->tries_before = (uint32_t)row[MFTD_DB_BOUNDS_AT + 2].i;
	d->first_us = row[MFTD_DB_BOUNDS_AT + 3].i;
	d->priority = (uint32_t)row[MFTD_DB_BOUNDS_AT + 4].i;
	d->ordered = row[MFTD_DB_BOUNDS_AT + 5].i != 0;
	r = mftd_handling_get(row + MFTD_DB_HANDLING_AT, &d->at, &d->has);
	d->has.may_be_there = row[MFTD_DB_MAY_BE_THERE_AT].i != 0;
	return r;
}

/* ---- the role */

static int
raise_epoch(struct mftd_catalog *c, struct mftd_role_row *role)
{
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_TEXT(role->owner), DB_INT(mftd_clock_wall_us()) };
	int64_t epoch = 0;
	int r;

	r = mftd_db_run(c,
	    "INSERT INTO role (queue, epoch, owner, raised_us) "
	    "VALUES ($1, 1, $2, $3) ON CONFLICT (queue) DO UPDATE SET "
	    "epoch = role.epoch + 1, owner = excluded.owner, "
	    "raised_us = excluded.raised_us RETURNING epoch",
	    v, N(v), mftd_db_take_int, &epoch);
	if (r < 0)
		return r;
	role->epoch = (uint64_t)epoch;
	return 0;
}

int
mftd_catalog_raise(struct mftd_catalog *c, const char *queue, const char *owner,
    struct mftd_role_row *role)
{
	char name[MFTD_NAME_BYTES + 32];
	int r;

	memset(role, 0, sizeof(*role));
	/* PostgreSQL cuts the names of sessions: a longer one would end those
	 * of another queue */
	if (strlen(queue) >= MFTD_QUEUE_BYTES ||
	    snprintf(role->queue, sizeof(role->queue), "%s", queue) >=
		(int)sizeof(role->queue) ||
	    snprintf(role->owner, sizeof(role->owner), "%s", owner) >=
		(int)sizeof(role->owner))
		return -EINVAL;
	snprintf(name, sizeof(name), "mftd/%s/", queue);
	r = c->db->ops->keeps(c->db);
	/* an open statement of an earlier owner holds the role row until its
	 * connection times out */
	if (r == 0)
		r = c->db->ops->end_sessions(c->db, name);
	/* what a program of before has still made of late; none is claimed
	 * without its place among those of its name */
	if (r == 0)
		r = mftd_versions_fill(c);
	if (r == 0)
		r = raise_epoch(c, role);
	if (r < 0)
		return r;
	snprintf(name, sizeof(name), "mftd/%s/%" PRIu64, queue, role->epoch);
	/* the next raise finds us by it; a failure is mended at reconnect */
	c->db->ops->name_session(c->db, name);
	return 0;
}

/* ---- guarded statements */

struct list {
	struct mftd_delivery *out;
	size_t n, max;
};

static int
take_delivery(void *data, const struct mftd_db_value *row, int n)
{
	struct list *l = data;
	int r;

	if (l->n == l->max)
		return -MFTD_E_CORRUPT;
	r = mftd_db_get_delivery(row, &l->out[l->n]);
	l->n += r == 0;
	return r;
}

/* Of a claim: what was claimed, and how many others it has moved. */
struct claim {
	struct mftd_claim *to;
	struct mftd_catalog *c;
};

static int
take_claimed(void *data, const struct mftd_db_value *row, int n)
{
	struct claim *cl = data;
	struct mftd_delivery *d = &cl->to->out[cl->to->n];
	int r;

	if (cl->to->n == cl->to->max)
		return -MFTD_E_CORRUPT;
	r = mftd_db_get_delivery(row, d);
	if (r < 0)
		return r;
	if (d->state == MFTD_DELIVERY_CLAIMED) {
		cl->to->n++;
		return 0;
	}
	if (d->state == MFTD_DELIVERY_HELD)
		log_warn("delivery %s (%s to %s): HELD: %s", d->id, d->receipt,
		    d->partner, d->error);
	else if (d->state == MFTD_DELIVERY_CANCELLED)
		log_info("delivery %s (%s to %s): CANCELLED: %s", d->id,
		    d->receipt, d->partner, d->error);
	else
		cl->c->versions = true;
	cl->to->others++;
	return 0;
}

bool
mftd_catalog_versions(const struct mftd_catalog *c)
{
	return c->versions;
}

int
mftd_catalog_claim_send(struct mftd_catalog *c,
    const struct mftd_role_row *role, int64_t now_us, const char *busy,
    struct mftd_claim *to)
{
	struct claim cl = { .to = to, .c = c };
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_INT(now_us),
		DB_INT(to->max), DB_INT(MFTD_CLAIM_PARTNER_MAX),
		DB_TEXT(busy) };
	int r;

	to->n = to->others = 0;
	r = c->db->ops->send != NULL
	    ? c->db->ops->send(c->db, MFTD_DB_CLAIM, v, N(v))
	    : c->db->ops->guarded(
		  c->db, MFTD_DB_CLAIM, v, N(v), take_claimed, &cl);
	return r < 0 ? r : 0;
}

int
mftd_catalog_claim_take(
    struct mftd_catalog *c, struct mftd_claim *to, bool wait)
{
	struct claim cl = { .to = to, .c = c };
	int r = 0;

	if (c->db->ops->send != NULL)
		r = c->db->ops->take(c->db, wait, take_claimed, &cl);
	return r < 0 ? r : (int)to->n;
}

/* Where all that was found waits for others of its name, there may be more. */
int
mftd_catalog_claim(struct mftd_catalog *c, const struct mftd_role_row *role,
    int64_t now_us, const char *busy, struct mftd_delivery *out, size_t max)
{
	struct mftd_claim to = { .out = out, .max = max };
	int i, r = 0;

	for (i = 0; i < CLAIM_LOOKS; i++) {
		r = mftd_catalog_claim_send(c, role, now_us, busy, &to);
		if (r == 0)
			r = mftd_catalog_claim_take(c, &to, true);
		if (r != 0 || to.others == 0)
			break;
	}
	return r;
}

int
mftd_catalog_inherited(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *out, size_t max)
{
	struct list l = { .out = out, .max = max };
	const struct mftd_db_value v[] = { DB_TEXT(role->queue),
		DB_INT(role->epoch), DB_TEXT(role->owner), DB_INT(max) };

	return c->db->ops->guarded(
	    c->db, MFTD_DB_INHERITED, v, N(v), take_delivery, &l);
}

/* What the parameters of one step point to beside its delivery. */
struct texts {
	char host[MFTD_NAME_BYTES], error[MFTD_REASON_BYTES];
	char try_host[MFTD_NAME_BYTES];
};

static void
put_try(struct mftd_db_value *v, struct texts *t, const struct mftd_row_step *s)
{
	static const struct mftd_try none;
	const struct mftd_try *try = s->t != NULL ? s->t : &none;

	v[0] = s->t != NULL ? DB_INT(s->d->tries % MFTD_TRIES_KEPT) : DB_NULL;
	v[1] = DB_INT(try->begin_us);
	v[2] = DB_INT(try->end_us);
	v[3] = mftd_db_ascii(t->try_host, sizeof(t->try_host), try->host);
	v[4] = DB_INT(try->bytes);
	v[5] = DB_TEXT(try->outcome);
}

static void
put_step(
    struct mftd_db_value *v, struct texts *t, const struct mftd_row_step *s)
{
	const struct mftd_delivery *d = s->d;

	v[0] = DB_TEXT(d->id);
	v[1] = DB_TEXT(mftd_delivery_state_name(s->from));
	v[2] = DB_TEXT(mftd_delivery_state_name(d->state));
	v[3] = DB_INT(d->tries);
	v[4] = mftd_db_ascii(t->host, sizeof(t->host), d->host);
	v[5] = DB_INT(d->mtime);
	v[6] = DB_INT(d->due_us);
	v[7] = d->has_sha256 ? DB_BLOB(d->sha256, MFTD_SHA256_BYTES) : DB_NULL;
	v[8] = mftd_db_ascii(t->error, sizeof(t->error), d->error);
	mftd_progress_put(v + 9, &d->has);
	v[13] = DB_INT(d->first_us);
	put_try(v + MFTD_DB_STEP_OWN_VALUES, t, s);
}

struct moved {
	struct mftd_row_step *steps;
	size_t n;
	size_t next; /* behind the last one: mostly they come in order */
};

/* The id of a delivery that was moved. */
static int
take_moved(void *data, const struct mftd_db_value *row, int n)
{
	struct moved *m = data;
	size_t i, at;

	for (i = 0; i < m->n; i++) {
		at = (m->next + i) % m->n;
		if (strcmp(m->steps[at].d->id, row[0].p) == 0) {
			m->steps[at].result = 0;
			m->next = at + 1;
			return 0;
		}
	}
	return -MFTD_E_CORRUPT;
}

int
mftd_catalog_steps_send(struct mftd_catalog *c,
    const struct mftd_role_row *role, struct mftd_row_step *steps, size_t n)
{
	struct moved moved = { .steps = steps, .n = n };
	struct mftd_db_value *v;
	struct texts *t;
	size_t i, most = MFTD_DB_ROLE_VALUES + n * MFTD_DB_STEP_VALUES;
	int r = -ENOMEM;

	if (n == 0 || n > MFTD_STEPS_MAX)
		return -EINVAL;
	if (c->of != NULL)
		c->db->no_hooks = c->of->db->no_hooks;
	v = calloc(most, sizeof(*v));
	t = calloc(n, sizeof(*t));
	if (v == NULL || t == NULL)
		goto out;
	v[0] = DB_TEXT(role->queue);
	v[1] = DB_INT(role->epoch);
	v[2] = DB_TEXT(role->owner);
	for (i = 0; i < n; i++) {
		put_step(v + MFTD_DB_ROLE_VALUES + i * MFTD_DB_STEP_VALUES,
		    &t[i], &steps[i]);
		steps[i].result = -ENOENT;
	}
	r = c->db->ops->send != NULL
	    ? c->db->ops->send(c->db, MFTD_DB_STEPS, v, (int)most)
	    : c->db->ops->guarded(
		  c->db, MFTD_DB_STEPS, v, (int)most, take_moved, &moved);
out:
	free(v);
	free(t);
	return r < 0 ? r : 0;
}

int
mftd_catalog_steps_take(
    struct mftd_catalog *c, struct mftd_row_step *steps, size_t n, bool wait)
{
	struct moved moved = { .steps = steps, .n = n };
	int r = 0;

	if (c->db->ops->send != NULL)
		r = c->db->ops->take(c->db, wait, take_moved, &moved);
	return r < 0 ? r : 0;
}

int
mftd_catalog_fd(const struct mftd_catalog *c)
{
	return c->db->ops->send != NULL ? c->db->ops->fd(c->db) : -1;
}

int
mftd_catalog_steps(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_row_step *steps, size_t n)
{
	int r = mftd_catalog_steps_send(c, role, steps, n);

	return r < 0 ? r : mftd_catalog_steps_take(c, steps, n, true);
}

int
mftd_catalog_step(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_delivery *d, enum mftd_delivery_state from)
{
	struct mftd_row_step step = { .d = d, .from = from };
	int r = mftd_catalog_steps(c, role, &step, 1);

	return r < 0 ? r : step.result;
}

/* ---- looking on */

static int
take_counts(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_queue_counts *q = data;

	q->queued = (uint64_t)(row[0].i + row[1].i + row[2].i);
	q->active = (uint64_t)row[3].i;
	q->in_doubt = (uint64_t)row[4].i;
	q->failed = (uint64_t)row[5].i;
	return 0;
}

#define COUNT(predicate) MFTD_DB_COUNT("$1", predicate, "$2")
#define FREE COUNT(MFTD_DB_FREE)
#define BEHIND COUNT(MFTD_DB_BEHIND)
#define IN_ORDER COUNT(MFTD_DB_IN_ORDER "AND d.state IN ('QUEUED', 'WAITING')")
#define IN_HAND COUNT(MFTD_DB_IN_HAND)
#define IN_DOUBT COUNT("d.state = 'IN_DOUBT'")
#define FAILED COUNT("d.state = 'FAILED'")

static const char count_sql[] = "SELECT " FREE ", " BEHIND ", " IN_ORDER
				", " IN_HAND ", " IN_DOUBT ", " FAILED;

int
mftd_catalog_counts(
    struct mftd_catalog *c, const char *queue, struct mftd_queue_counts *out)
{
	const struct mftd_db_value v[] = { DB_TEXT(queue),
		DB_INT(MFTD_COUNT_MAX) };
	int r;

	memset(out, 0, sizeof(*out));
	r = mftd_db_run(c, count_sql, v, N(v), take_counts, out);
	return r < 0 ? r : 0;
}
