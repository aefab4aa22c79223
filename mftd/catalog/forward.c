/* Part of mftd; see LICENSE. */
#include "mftd/catalog/catalog.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/buf.h"
#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/match.h"
#include "mftd/catalog/order.h"
#include "mftd/catalog/outcome.h"
#include "mftd/catalog/source.h"
#include "mftd/journal/record.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define ROWS_AT_ONCE 64 /* records in one INSERT */
#define ROW_PARAMS 5
#define ENDED_AT_ONCE 1024 /* ended deliveries looked at for links to go */
#define SOME_RECEIPTS 16 /* in one statement: RECEIPTS_AT_ONCE */
#define SAME_INODE_MAX 64 /* receipts of one inode that are not released */

struct forward {
	const char *stream;
	const struct mftd_forward *records;
	size_t n;
};

/* What the records of one forward share. */
struct batch {
	struct mftd_catalog *c;
	const char *stream;
	bool events; /* some hook wants what these records make */
	struct mftd_ordering ordering;
	struct mftd_order order; /* of the present record */
	/* records are too large for a stack with room for others */
	union {
		struct mftd_rec_receipt receipt;
		struct mftd_rec_outcome outcome;
		struct mftd_rec_name name;
	} rec;
};

static int
put(struct batch *b, const char *sql, const struct mftd_db_value *v, int n)
{
	int r = mftd_db_run(b->c, sql, v, n, NULL, NULL);

	return r < 0 ? r : 0;
}

/* The receipt's deliveries as it is known now.  changed: that it is known as
 * published, or is not, is of this record. */
static int
settle(struct batch *b, const char *receipt, bool changed)
{
	int r = mftd_match_settle(b->c, receipt);

	if (r == 0 && b->events && changed)
		r = mftd_event_receive(b->c, receipt, mftd_clock_wall_us());
	if (r == 0 && b->events)
		r = mftd_event_unmatched(b->c, receipt, mftd_clock_wall_us());
	return r;
}

static int
on_receipt(struct batch *b, const struct mftd_forward *f, struct mftd_buf *in)
{
	struct mftd_rec_receipt *rc = &b->rec.receipt;
	int r = mftd_rec_receipt_get(in, rc);

	if (r < 0)
		return -MFTD_E_CORRUPT;
	const struct mftd_db_value path = DB_BLOB(rc->path, strlen(rc->path));
	const struct mftd_db_value v[] = { DB_TEXT(rc->id), DB_TEXT(b->stream),
		DB_INT(f->seq), DB_INT(f->time_us), DB_TEXT(rc->session),
		DB_TEXT(rc->account), DB_TEXT(rc->volume), path,
		DB_TEXT(rc->part), DB_INT(rc->size), DB_INT(rc->inode),
		rc->has_sha256 ? DB_BLOB(rc->sha256, MFTD_SHA256_BYTES)
			       : DB_NULL,
		DB_INT(rc->has_routes), path, DB_INT(b->order.us),
		DB_INT(b->order.off_us), DB_TEXT(b->ordering.of) };

	r = mftd_db_run(b->c,
	    "INSERT INTO receipt (id, known, stream, seq, time_us, session, "
	    "account, volume, path, part, size, inode, sha256, has_routes, "
	    "path_now, order_us, order_off_us, order_by) VALUES ($1, 1, $2, "
	    "$3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, "
	    "$17) "
	    "ON CONFLICT (id) DO UPDATE SET known = 1, "
	    "stream = excluded.stream, seq = excluded.seq, "
	    "time_us = excluded.time_us, session = excluded.session, "
	    "account = excluded.account, volume = excluded.volume, "
	    "path = excluded.path, path_now = excluded.path_now, "
	    "part = excluded.part, size = excluded.size, "
	    "order_us = excluded.order_us, "
	    "order_off_us = excluded.order_off_us, "
	    "order_by = excluded.order_by, "
	    "inode = excluded.inode, sha256 = excluded.sha256, "
	    "has_routes = excluded.has_routes WHERE receipt.known = 0",
	    v, N(v), NULL, NULL);
	return r < 0 ? r : settle(b, rc->id, r > 0);
}

/* The first outcome counts: a recoverer may say again what was said. */
static int
on_outcome(struct batch *b, const struct mftd_forward *f, struct mftd_buf *in)
{
	struct mftd_rec_outcome *o = &b->rec.outcome;
	const char *outcome =
	    f->type == MFTD_RECORD_PUBLISHED ? "PUBLISHED" : "ABANDONED";
	int r = mftd_rec_outcome_get(in, o);

	if (r < 0)
		return -MFTD_E_CORRUPT;
	r = mftd_outcome_note(b->c, o->part, outcome, o->receipt);
	if (r < 0 || o->receipt[0] == '\0') /* a part that never had one */
		return r;
	const struct mftd_db_value v[] = { DB_TEXT(o->receipt),
		DB_TEXT(outcome), DB_TEXT(o->reason), DB_INT(f->time_us) };

	r = mftd_db_run(b->c,
	    "INSERT INTO receipt (id, outcome, reason, outcome_us) "
	    "VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET "
	    "outcome = excluded.outcome, reason = excluded.reason, "
	    "outcome_us = excluded.outcome_us "
	    "WHERE receipt.outcome = 'OPEN'",
	    v, N(v), NULL, NULL);
	return r < 0 ? r : settle(b, o->receipt, r > 0);
}

struct ids {
	char id[SAME_INODE_MAX][MFTD_ID_BYTES];
	size_t n;
};

static int
take_id(void *data, const struct mftd_db_value *row, int n)
{
	struct ids *ids = data;

	if (ids->n == SAME_INODE_MAX || row[0].len >= MFTD_ID_BYTES)
		return -MFTD_E_LIMIT;
	memcpy(ids->id[ids->n++], row[0].p, row[0].len + 1);
	return 0;
}

static int
settle_inode(struct batch *b, const char *volume, uint64_t inode)
{
	const struct mftd_db_value v[] = { DB_TEXT(volume), DB_INT(inode) };
	struct ids ids = { .n = 0 };
	size_t i;
	int r;

	r = mftd_db_run(b->c,
	    "SELECT id FROM receipt WHERE volume = $1 AND inode = $2 AND "
	    "has_routes = 1 AND released = 0",
	    v, N(v), take_id, &ids);
	for (i = 0; i < ids.n && r >= 0; i++)
		r = settle(b, ids.id[i], false);
	return r < 0 ? r : 0;
}

/* RENAME and REMOVE are kept, for receipts of other streams that come later. */
static int
on_name(struct batch *b, const struct mftd_forward *f, struct mftd_buf *in)
{
	struct mftd_rec_name *m = &b->rec.name;
	bool renamed = f->type == MFTD_RECORD_RENAME;
	int r = mftd_rec_name_get(in, m);

	if (r < 0)
		return -MFTD_E_CORRUPT;
	if (m->cause[0] != '\0') /* that names no destination */
		return mftd_source_done(b->c, m);
	if (m->inode == 0)
		return 0;
	const struct mftd_db_value v[] = { DB_TEXT(b->stream), DB_INT(f->seq),
		DB_INT(f->time_us), DB_TEXT(m->volume), DB_INT(m->inode),
		DB_TEXT(renamed ? "RENAME" : "REMOVE"),
		renamed ? DB_BLOB(m->to, strlen(m->to)) : DB_NULL,
		DB_INT(b->order.us) };

	r = put(b,
	    "INSERT INTO name_event (stream, seq, time_us, volume, inode, "
	    "kind, to_path, order_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
	    "ON CONFLICT (stream, seq) DO NOTHING",
	    v, N(v));
	return r < 0 ? r : settle_inode(b, m->volume, m->inode);
}

/* Clients set times right after CLOSE: that too is a record of the inode, and
 * a delivery that has not begun waits for it to settle. */
static int
on_setstat(struct batch *b, const struct mftd_forward *f, struct mftd_buf *in)
{
	struct mftd_rec_name *m = &b->rec.name;

	if (mftd_rec_name_get(in, m) < 0)
		return -MFTD_E_CORRUPT;
	const struct mftd_db_value v[] = { DB_TEXT(m->volume), DB_INT(m->inode),
		DB_INT(mftd_order_now_us(b->c)) };

	return put(b,
	    "UPDATE delivery SET due_us = CAST($3 AS BIGINT) + 1000000 * "
	    "coalesce((SELECT settle_s FROM route WHERE "
	    "route.name = delivery.route), 5) "
	    "WHERE tries = 0 AND state = 'QUEUED' AND receipt IN "
	    "(SELECT id FROM receipt WHERE volume = $1 AND inode = $2 AND "
	    "has_routes = 1 AND released = 0)",
	    v, N(v));
}

/* What a type does beyond the audit trail; the others are only kept. */
static const struct {
	uint32_t type;
	int (*take)(
	    struct batch *b, const struct mftd_forward *f, struct mftd_buf *in);
} handlers[] = {
	{ MFTD_RECORD_RECEIPT, on_receipt },
	{ MFTD_RECORD_PUBLISHED, on_outcome },
	{ MFTD_RECORD_ABANDONED, on_outcome },
	{ MFTD_RECORD_RENAME, on_name },
	{ MFTD_RECORD_REMOVE, on_name },
	{ MFTD_RECORD_SETSTAT, on_setstat },
};

static int
take_record(struct batch *b, const struct mftd_forward *f)
{
	struct mftd_buf *in;
	size_t i;
	int r = 0;

	for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].type != f->type)
			continue;
		in = mftd_buf_from(f->payload, f->payload_bytes);
		if (in == NULL)
			return -ENOMEM;
		r = handlers[i].take(b, f, in);
		mftd_buf_free(in);
	}
	if (r == -MFTD_E_CORRUPT)
		snprintf(b->c->db->why, sizeof(b->c->db->why),
		    "stream %s: record %" PRIu64 " (%s) is not readable",
		    b->stream, f->seq, mftd_record_name(f->type));
	return r;
}

/* The audit trail: up to ROWS_AT_ONCE records in one statement. */
static int
keep_records(struct batch *b, const struct mftd_forward *f, size_t n)
{
	struct mftd_db_value v[ROWS_AT_ONCE * ROW_PARAMS];
	char sql[128 + ROWS_AT_ONCE * 40];
	size_t i, used;
	int k = 0;

	used = (size_t)snprintf(sql, sizeof(sql),
	    "INSERT INTO record (stream, seq, time_us, type, payload) VALUES ");
	for (i = 0; i < n; i++) {
		used += (size_t)snprintf(sql + used, sizeof(sql) - used,
		    "%s($%d, $%d, $%d, $%d, $%d)", i > 0 ? ", " : "", k + 1,
		    k + 2, k + 3, k + 4, k + 5);
		v[k++] = DB_TEXT(b->stream);
		v[k++] = DB_INT(f[i].seq);
		v[k++] = DB_INT(f[i].time_us);
		v[k++] = DB_INT(f[i].type);
		v[k++] = DB_BLOB(f[i].payload, f[i].payload_bytes);
	}
	return put(b, sql, v, k);
}

static int
move_mark(struct batch *b, uint64_t seq)
{
	const struct mftd_db_value v[] = { DB_TEXT(b->stream), DB_INT(seq) };

	return put(b,
	    "INSERT INTO mark (stream, seq) VALUES ($1, $2) "
	    "ON CONFLICT (stream) DO UPDATE SET seq = excluded.seq",
	    v, N(v));
}

int
mftd_catalog_mark(struct mftd_catalog *c, const char *stream, uint64_t *seq)
{
	const struct mftd_db_value v[] = { DB_TEXT(stream) };
	int64_t have = 0;
	int r = mftd_db_run(c, "SELECT seq FROM mark WHERE stream = $1", v,
	    N(v), mftd_db_take_int, &have);

	if (r < 0)
		return r;
	*seq = (uint64_t)have;
	return 0;
}

/* Records after the mark, without a gap: -EINVAL. */
static int
check_sequence(const struct mftd_forward *f, size_t n, uint64_t mark)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (f[i].seq != mark + 1 + i)
			return -EINVAL;
	return 0;
}

static int
forward(struct mftd_catalog *c, void *data)
{
	const struct forward *fw = data;
	struct batch b = { .c = c, .stream = fw->stream };
	const struct mftd_forward *f = fw->records;
	size_t n = fw->n, i;
	uint64_t mark = 0;
	int r;

	r = mftd_catalog_mark(c, fw->stream, &mark);
	for (; n > 0 && f->seq <= mark; f++, n--)
		;
	if (r < 0 || n == 0)
		return r;
	r = check_sequence(f, n, mark);
	if (r == 0)
		r = mftd_order_begin(c, fw->stream, f->time_us, &b.ordering);
	if (r == 0)
		r = mftd_event_wanted(c, &b.events);
	for (i = 0; i < n && r == 0; i += ROWS_AT_ONCE)
		r = keep_records(
		    &b, f + i, n - i < ROWS_AT_ONCE ? n - i : ROWS_AT_ONCE);
	for (i = 0; i < n && r == 0; i++) {
		b.order = mftd_order_of(&b.ordering.s, f[i].time_us);
		r = take_record(&b, &f[i]);
	}
	if (r == 0)
		r = move_mark(&b, f[n - 1].seq);
	return r < 0 ? r
		     : mftd_order_end(c, fw->stream, fw->n < MFTD_FORWARD_MAX,
			   &b.ordering);
}

int
mftd_catalog_forward(struct mftd_catalog *c, const char *stream,
    const struct mftd_forward *records, size_t n)
{
	struct forward fw = { .stream = stream, .records = records, .n = n };

	return n > 0 ? mftd_db_transaction(c, MFTD_DB_FORWARD, forward, &fw)
		     : 0;
}

/* ---- links that are needed no more */

struct released {
	char (*out)[MFTD_ID_BYTES];
	size_t n, max;
};

static int
take_released(void *data, const struct mftd_db_value *row, int n)
{
	struct released *rel = data;

	if (rel->n == rel->max || row[0].len >= MFTD_ID_BYTES)
		return -MFTD_E_CORRUPT;
	memcpy(rel->out[rel->n++], row[0].p, row[0].len + 1);
	return 0;
}

/* Receipts that never had a delivery: not one is coming any more. */
static int
find_bare(struct mftd_catalog *c, struct released *rel)
{
	const struct mftd_db_value v[] = { DB_INT(mftd_clock_wall_us() -
					       MFTD_MATCH_PENDING_US),
		DB_INT(rel->max) };

	return mftd_db_run(c,
	    "SELECT id, outcome_us FROM receipt WHERE has_routes = 1 AND "
	    "released = 0 AND known = 1 AND matched = 0 AND pending = 0 AND "
	    "outcome IN ('ABANDONED', 'PUBLISHED') UNION ALL "
	    "SELECT id, outcome_us FROM receipt WHERE has_routes = 1 AND "
	    "released = 0 AND known = 1 AND matched = 0 AND pending = 1 AND "
	    "outcome_us < $1 AND outcome = 'PUBLISHED' "
	    "ORDER BY outcome_us LIMIT $2",
	    v, N(v), take_released, rel);
}

/* The next receipts of which a delivery has ended. */
struct ended {
	struct released *rel;
	char *at; /* the last one that was looked at */
	size_t looked;
};

static int
take_ended(void *data, const struct mftd_db_value *row, int n)
{
	struct ended *e = data;
	int r = 0;

	if (row[0].len >= MFTD_ID_BYTES)
		return -MFTD_E_CORRUPT;
	e->looked++;
	if (e->rel->n == e->rel->max || strcmp(e->at, row[0].p) == 0)
		return 0; /* it comes again, or has come */
	memcpy(e->at, row[0].p, row[0].len + 1);
	if (row[1].i != 0)
		r = take_released(e->rel, row, n);
	return r;
}

/*
 * Where one delivery of a receipt has ended and another waits for days, looking
 * is in vain.  So each call looks at ENDED_AT_ONCE and the next one goes on
 * from there; after the last it begins anew.
 */
static int
find_ended(struct mftd_catalog *c, struct released *rel)
{
	struct ended e = { .rel = rel, .at = c->ended };
	const struct mftd_db_value v[] = { DB_INT(mftd_clock_wall_us() -
					       MFTD_MATCH_PENDING_US),
		DB_TEXT(c->ended), DB_INT(ENDED_AT_ONCE) };
	int r;

	r = mftd_db_run(c,
	    "SELECT r.id, CASE WHEN r.has_routes = 1 AND r.released = 0 AND "
	    "r.known = 1 AND r.source NOT IN ('WANTED', 'BEGUN') AND "
	    "(r.outcome = 'ABANDONED' OR "
	    "(r.outcome = 'PUBLISHED' AND (r.pending = 0 OR "
	    "r.outcome_us < $1))) AND NOT EXISTS (SELECT 1 FROM delivery o "
	    "WHERE o.receipt = r.id AND o.state NOT IN ('DONE', 'CANCELLED')) "
	    "THEN 1 ELSE 0 END FROM (SELECT d.receipt FROM delivery d WHERE "
	    "d.released = 0 AND d.state IN ('DONE', 'CANCELLED') AND "
	    "d.receipt > $2 ORDER BY d.receipt LIMIT $3) AS x "
	    "JOIN receipt r ON r.id = x.receipt ORDER BY x.receipt",
	    v, N(v), take_ended, &e);
	if (r < 0)
		return r;
	if (e.looked == ENDED_AT_ONCE || rel->n == rel->max)
		return 0;
	c->ended[0] = '\0';
	return 1;
}

int
mftd_catalog_releasable(
    struct mftd_catalog *c, char (*out)[MFTD_ID_BYTES], size_t max)
{
	struct released rel = { .out = out, .max = max };
	bool all = c->ended[0] == '\0';
	int r = find_bare(c, &rel);

	if (r >= 0)
		r = find_ended(c, &rel);
	if (r == 1 && !all)
		r = find_ended(c, &rel);
	return r < 0 ? r : (int)rel.n;
}

#define RECEIPTS_AT_ONCE                                                 \
	"($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, " \
	"$15, $16)"

/* Some of them for one statement; the others are "", which none is. */
static void
take_some(const char (*receipts)[MFTD_ID_BYTES], size_t n,
    struct mftd_db_value v[SOME_RECEIPTS])
{
	size_t i;

	for (i = 0; i < SOME_RECEIPTS; i++)
		v[i] = DB_TEXT(i < n ? receipts[i] : "");
}

struct noted {
	const char (*receipts)[MFTD_ID_BYTES];
	size_t n;
};

static int
note_released(struct mftd_catalog *c, void *data)
{
	const struct noted *it = data;
	struct mftd_db_value v[SOME_RECEIPTS];
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < it->n; i += SOME_RECEIPTS) {
		take_some(it->receipts + i, it->n - i, v);
		r = mftd_db_run(c,
		    "UPDATE receipt SET released = 1 WHERE id "
		    "IN " RECEIPTS_AT_ONCE,
		    v, N(v), NULL, NULL);
		if (r >= 0)
			r = mftd_db_run(c,
			    "UPDATE delivery SET released = 1 "
			    "WHERE receipt IN " RECEIPTS_AT_ONCE,
			    v, N(v), NULL, NULL);
	}
	return r < 0 ? r : 0;
}

int
mftd_catalog_released(
    struct mftd_catalog *c, const char (*receipts)[MFTD_ID_BYTES], size_t n)
{
	struct noted it = { .receipts = receipts, .n = n };

	return n > 0 ? mftd_db_transaction(c, MFTD_DB_WRITE, note_released, &it)
		     : 0;
}

static int
some_gone(struct mftd_catalog *c, const char (*receipts)[MFTD_ID_BYTES],
    size_t n, struct released *rel)
{
	struct mftd_db_value v[SOME_RECEIPTS];

	take_some(receipts, n, v);
	return mftd_db_run(c,
	    "SELECT id FROM receipt WHERE released = 1 AND id "
	    "IN " RECEIPTS_AT_ONCE,
	    v, N(v), take_released, rel);
}

int
mftd_catalog_gone(struct mftd_catalog *c, const char (*receipts)[MFTD_ID_BYTES],
    size_t n, char (*gone)[MFTD_ID_BYTES])
{
	struct released rel = { .out = gone, .max = n };
	size_t i, some;
	int r = 0;

	for (i = 0; r >= 0 && i < n; i += some) {
		some = n - i < SOME_RECEIPTS ? n - i : SOME_RECEIPTS;
		r = some_gone(c, receipts + i, some, &rel);
	}
	return r < 0 ? r : (int)rel.n;
}
