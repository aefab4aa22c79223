/* Part of mftd; see LICENSE. */
#include "mftd/catalog/person.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/partner_state.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/tries.h"
#include "mftd/catalog/versions.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define PAGE 500 /* rows of a list that are held at once */

/* ---- lists */

/* "FROM delivery d … WHERE …" of a filter.  Its first parameter is the id
 * behind which the list goes on. */
struct query {
	char sql[1024];
	size_t len;
	struct mftd_db_value v[4];
	int n;
};

static void __attribute__((format(printf, 2, 3)))
add(struct query *q, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(q->sql + q->len, sizeof(q->sql) - q->len, fmt, ap);
	va_end(ap);
	q->len += (size_t)n;
}

static void
add_text(struct query *q, const char *column, const char *value)
{
	if (value == NULL)
		return;
	q->v[q->n++] = DB_TEXT(value);
	add(q, " AND %s = $%d", column, q->n);
}

/* States stand in the text, not as parameters: so the database sees that the
 * index of just some states will do. */
static void
add_states(struct query *q, uint32_t states)
{
	const char *sep = "";
	int s;

	if (states == 0)
		return;
	add(q, " AND (");
	for (s = 0; s < MFTD_DELIVERY_STATE_COUNT; s++)
		if ((states & 1u << s) != 0) {
			add(q, "%sd.state = '%s'", sep,
			    mftd_delivery_state_name(
				(enum mftd_delivery_state)s));
			sep = " OR ";
		}
	add(q, ")");
}

static void
make_query(struct query *q, const struct mftd_delivery_filter *f)
{
	q->len = 0;
	q->n = 1;
	add(q, " FROM delivery d%s WHERE d.id > $1",
	    f->account != NULL ? " JOIN receipt r ON r.id = d.receipt" : "");
	add_states(q, f->states);
	add_text(q, "d.route", f->route);
	add_text(q, "d.partner", f->partner);
	add_text(q, "r.account", f->account);
}

static int
take_id(void *data, const struct mftd_db_value *row, int n)
{
	if (row[0].len >= MFTD_ID_BYTES)
		return -MFTD_E_CORRUPT;
	memcpy(data, row[0].p, row[0].len + 1);
	return 0;
}

/* Has after be the id before the newest f->last of them. */
static int
skip_to_last(struct mftd_catalog *c, struct query *q,
    const struct mftd_delivery_filter *f, char *after)
{
	char sql[sizeof(q->sql) + 64];
	int r;

	if (f->last == 0)
		return 0;
	snprintf(sql, sizeof(sql),
	    "SELECT d.id%s ORDER BY d.id DESC LIMIT 1 OFFSET %" PRIu64, q->sql,
	    f->last);
	q->v[0] = DB_TEXT(after);
	r = mftd_db_run(c, sql, q->v, q->n, take_id, after);
	return r < 0 ? r : 0;
}

struct page {
	int (*fn)(void *data, const struct mftd_delivery *d);
	void *data;
	struct mftd_delivery d; /* the last one */
};

static int
take_listed(void *data, const struct mftd_db_value *row, int n)
{
	struct page *p = data;
	int r = mftd_db_get_delivery(row, &p->d);

	if (r == 0 &&
	    mftd_rows_get(&row[MFTD_DB_DELIVERY_VALUES], p->d.queue,
		sizeof(p->d.queue)) < 0)
		r = -MFTD_E_CORRUPT;
	return r < 0 ? r : p->fn(p->data, &p->d);
}

int
mftd_catalog_deliveries(struct mftd_catalog *c,
    const struct mftd_delivery_filter *filter,
    int (*fn)(void *data, const struct mftd_delivery *d), void *data)
{
	static const struct mftd_delivery_filter every = { 0 };
	const struct mftd_delivery_filter *f = filter != NULL ? filter : &every;
	struct page p = { .fn = fn, .data = data };
	char after[MFTD_ID_BYTES] = "";
	char sql[2048];
	struct query q;
	int r = 0;

	if (f->since_us > 0)
		r = mftd_id_since("d", f->since_us, after, sizeof(after));
	make_query(&q, f);
	if (r == 0)
		r = skip_to_last(c, &q, f, after);
	if (r < 0)
		return r;
	snprintf(sql, sizeof(sql),
	    "SELECT " MFTD_DB_DELIVERY_COLUMNS
	    ", d.queue%s ORDER BY d.id LIMIT %d",
	    q.sql, PAGE);
	do {
		q.v[0] = DB_TEXT(after);
		r = mftd_db_run(c, sql, q.v, q.n, take_listed, &p);
		memcpy(after, p.d.id, sizeof(after));
	} while (r == PAGE);
	return r < 0 ? r : 0;
}

/* ---- one of them */

static int
take_story(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_delivery_story *s = data;
	const struct mftd_db_value *more = row + MFTD_DB_DELIVERY_VALUES;

	s->received_us = more[5].i;
	s->removed = more[6].i != 0;
	s->fetch_verified = (uint32_t)more[14].i;
	s->configured = more[16].i != 0;
	if (mftd_rows_get(&more[0], s->queue, sizeof(s->queue)) < 0 ||
	    mftd_rows_get(&more[1], s->account, sizeof(s->account)) < 0 ||
	    mftd_rows_get(&more[2], s->session, sizeof(s->session)) < 0 ||
	    mftd_rows_get(&more[3], s->path, sizeof(s->path)) < 0 ||
	    mftd_rows_get(&more[4], s->path_now, sizeof(s->path_now)) < 0 ||
	    mftd_rows_get(&more[7], s->after, sizeof(s->after)) < 0 ||
	    mftd_rows_get(&more[8], s->source, sizeof(s->source)) < 0 ||
	    mftd_rows_get(&more[9], s->source_text, sizeof(s->source_text)) <
		0 ||
	    mftd_rows_get(&more[10], s->origin, sizeof(s->origin)) < 0 ||
	    mftd_rows_get(&more[11], s->fetched, sizeof(s->fetched)) < 0 ||
	    mftd_rows_get(&more[12], s->tidy, sizeof(s->tidy)) < 0 ||
	    mftd_rows_get(&more[13], s->tidy_text, sizeof(s->tidy_text)) < 0 ||
	    mftd_rows_get(&more[15], s->behind, sizeof(s->behind)) < 0)
		return -MFTD_E_CORRUPT;
	return mftd_db_get_delivery(row, &s->d);
}

static int
take_behind(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_delivery_story *s = data;

	return mftd_rows_get(&row[0], s->behind, sizeof(s->behind)) < 0
	    ? -MFTD_E_CORRUPT
	    : 0;
}

/* On a route that keeps an order claims look at the first only (claim.c): so
 * nothing is noted of who waits behind it. */
static int
find_first(
    struct mftd_catalog *c, const char *id, struct mftd_delivery_story *s)
{
	const struct mftd_db_value v[] = { DB_TEXT(id) };

	if (s->behind[0] != '\0' ||
	    (s->d.state != MFTD_DELIVERY_QUEUED &&
		s->d.state != MFTD_DELIVERY_WAITING))
		return 0;
	return mftd_db_run(c,
	    "SELECT d.id FROM delivery x CROSS JOIN delivery d "
	    "WHERE x.id = $1 AND x.ordered > 0 AND d.queue = x.queue "
	    "AND " MFTD_DB_IN_ORDER "AND d.partner = x.partner AND "
	    "d.route = x.route AND (d.order_us, d.order_seq, d.id) < "
	    "(x.order_us, x.order_seq, x.id) "
	    "ORDER BY d.order_us, d.order_seq, d.id LIMIT 1",
	    v, N(v), take_behind, s);
}

int
mftd_catalog_delivery(
    struct mftd_catalog *c, const char *id, struct mftd_delivery_story *out)
{
	const struct mftd_db_value v[] = { DB_TEXT(id) };
	int r;

	r = mftd_db_run(c,
	    "SELECT " MFTD_DB_DELIVERY_COLUMNS ", d.queue, r.account, "
	    "r.session, r.path, r.path_now, r.time_us, r.removed, "
	    "d.after_done, r.source, r.source_text, r.origin, "
	    "p.fetched, p.state, p.text, coalesce(p.checked, 0), d.behind, "
	    "(SELECT count(*) FROM partner k WHERE k.name = d.partner) + "
	    "(SELECT count(*) FROM account a WHERE '@' || a.name = d.partner) "
	    "FROM delivery d JOIN receipt r ON r.id = d.receipt "
	    "LEFT JOIN pull p ON p.receipt = r.id "
	    "WHERE d.id = $1",
	    v, N(v), take_story, out);
	if (r == 0)
		return -ENOENT;
	if (r > 0)
		r = find_first(c, id, out);
	return r < 0 ? r : 0;
}

/* ---- wishes */

struct change {
	const char *delivery;
	const struct mftd_wish *w;
	int64_t due_us;
};

static int
move(struct mftd_catalog *c, const struct change *ch)
{
	const struct mftd_db_value v[] = { DB_TEXT(ch->delivery),
		DB_TEXT(mftd_delivery_state_name(ch->w->from)),
		DB_TEXT(mftd_delivery_state_name(ch->w->to)),
		ch->due_us != 0 ? DB_INT(ch->due_us) : DB_NULL };
	int r;

	/* what somebody wants to go out has all its tries before it again; of
	 * one in doubt the partner may have the file that its temporary name
	 * is of: no host has what is to be gone on with */
	r = mftd_db_run(c,
	    "UPDATE delivery SET state = $3, "
	    "due_us = coalesce(CAST($4 AS BIGINT), due_us), "
	    "tries_before = CASE WHEN $3 = 'QUEUED' THEN tries "
	    "ELSE tries_before END, "
	    "first_us = CASE WHEN $3 = 'QUEUED' THEN 0 ELSE first_us END, "
	    "host = CASE WHEN $2 = 'IN_DOUBT' AND $3 = 'QUEUED' THEN '' "
	    "ELSE host END, due = 1 "
	    "WHERE id = $1 AND state = $2",
	    v, N(v), NULL, NULL);
	return r == 0 ? -ENOENT : r;
}

/* With the row in hand: nobody else counts this delivery's wishes meanwhile. */
static int
note(struct mftd_catalog *c, const struct change *ch)
{
	const struct mftd_db_value v[] = { DB_TEXT(ch->delivery),
		DB_INT(mftd_clock_wall_us()), DB_TEXT(ch->w->who),
		DB_TEXT(ch->w->what),
		DB_TEXT(mftd_delivery_state_name(ch->w->from)),
		DB_TEXT(mftd_delivery_state_name(ch->w->to)) };

	return mftd_db_run(c,
	    "INSERT INTO delivery_wish (delivery, n, time_us, who, what, "
	    "from_state, to_state) VALUES ($1, (SELECT coalesce(max(n), 0) + 1 "
	    "FROM delivery_wish WHERE delivery = $1), $2, $3, $4, $5, $6)",
	    v, N(v), NULL, NULL);
}

static int
change(struct mftd_catalog *c, void *data)
{
	const struct change *ch = data;
	int r = move(c, ch);

	if (r >= 0)
		r = mftd_try_end(c, ch->delivery, ch->w->what);
	if (r >= 0)
		r = mftd_versions_go(c, ch->delivery);
	if (r >= 0 && ch->w->to == MFTD_DELIVERY_QUEUED)
		r = mftd_partner_state_ask(c, ch->delivery);
	return r < 0 ? r : note(c, ch);
}

int
mftd_catalog_wish(struct mftd_catalog *c, const char *delivery,
    const struct mftd_wish *w, int64_t due_us)
{
	struct change ch = { delivery, w, due_us };
	int r = c->db->ops->keeps(c->db);

	if (r == 0)
		r = mftd_db_transaction(c, MFTD_DB_WRITE, change, &ch);
	return r < 0 ? r : 0;
}

struct wishes {
	int (*fn)(void *data, const struct mftd_wish *w);
	void *data;
};

static int
take_wish(void *data, const struct mftd_db_value *row, int n)
{
	struct wishes *all = data;
	struct mftd_wish w = { .time_us = row[0].i };
	int from = mftd_delivery_state_of(row[3].p),
	    to = mftd_delivery_state_of(row[4].p);

	if (from < 0 || to < 0 ||
	    mftd_rows_get(&row[1], w.who, sizeof(w.who)) < 0 ||
	    mftd_rows_get(&row[2], w.what, sizeof(w.what)) < 0)
		return -MFTD_E_CORRUPT;
	w.from = (enum mftd_delivery_state)from;
	w.to = (enum mftd_delivery_state)to;
	return all->fn(all->data, &w);
}

int
mftd_catalog_wishes(struct mftd_catalog *c, const char *delivery,
    int (*fn)(void *data, const struct mftd_wish *w), void *data)
{
	const struct mftd_db_value v[] = { DB_TEXT(delivery) };
	struct wishes all = { fn, data };
	int r;

	r = mftd_db_run(c,
	    "SELECT time_us, who, what, from_state, to_state "
	    "FROM delivery_wish WHERE delivery = $1 ORDER BY n",
	    v, N(v), take_wish, &all);
	return r < 0 ? r : 0;
}
