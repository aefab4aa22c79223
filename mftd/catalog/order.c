/* Part of mftd; see LICENSE. */
#include "mftd/catalog/order.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/rows.h"
#include "mftd/journal/stream.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define RANDOM_DIGITS 16 /* of an incarnation (base/id.h) */
#define US_PER_S 1000000

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
greatest(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t
distance(int64_t us)
{
	return us < 0 ? -us : us;
}

struct mftd_order
mftd_order_of(struct mftd_order_stream *s, int64_t time_us)
{
	const int64_t from = greatest(s->last_us + 1, s->first_us);
	const int64_t until = least(s->now_us, s->next_us);
	const int64_t us = time_us - s->skew_us;
	struct mftd_order o = { .us = greatest(us, from), .off_us = s->off_us };

	/* nothing is later than now, but for what clocks that agree differ */
	if (o.us > s->now_us + MFTD_ORDER_AGREE_US)
		o.us = greatest(s->now_us, from);
	if (o.us > s->next_us)
		o.us = s->next_us;
	if (us + MFTD_ORDER_AGREE_US < from)
		o.off_us =
		    greatest(o.off_us, greatest(from - us, until - from));
	if (us > until + MFTD_ORDER_AGREE_US)
		o.off_us =
		    greatest(o.off_us, greatest(us - until, until - from));
	s->last_us = greatest(s->last_us, o.us);
	if (s->begin_us == 0)
		s->begin_us = o.us;
	return o;
}

void
mftd_order_node(const char *stream, char node[MFTD_ID_BYTES])
{
	const char *end = strrchr(stream, '-');
	size_t len = strlen(stream);

	if (end != NULL && end[1] == 'j' && end - stream > RANDOM_DIGITS + 1 &&
	    end[-RANDOM_DIGITS - 1] == '-')
		len = (size_t)(end - stream) - RANDOM_DIGITS - 1;
	if (len >= MFTD_ID_BYTES)
		len = MFTD_ID_BYTES - 1;
	memcpy(node, stream, len);
	node[len] = '\0';
}

/* The number of the stream among its incarnation's; 0: it has none. */
static unsigned long
number_of(const char *stream)
{
	char node[MFTD_ID_BYTES], *rest;
	unsigned long n;

	mftd_order_node(stream, node);
	if (strcmp(node, stream) == 0)
		return 0;
	n = strtoul(strrchr(stream, '-') + 2, &rest, 16);
	return *rest == '\0' && n < UINT32_MAX ? n : 0;
}

void
mftd_order_of_stream(const char *stream, char of[MFTD_ID_BYTES])
{
	unsigned long place = number_of(stream) >> MFTD_STREAM_STARTS_BITS;
	size_t len;

	mftd_order_node(stream, of);
	len = strlen(of);
	/* it fits where the incarnation did */
	if (place != 0)
		snprintf(of + len, MFTD_ID_BYTES - len, "/%lu", place);
}

/* The name of the stream that the journal of that one wrote before it, by -1,
 * or the next one, by 1; "": there is none. */
static void
beside(const char *stream, int by, char out[MFTD_ID_BYTES])
{
	unsigned long n = number_of(stream);

	out[0] = '\0';
	if (n != 0)
		snprintf(out, MFTD_ID_BYTES, "%.*s-j%lx",
		    (int)(strrchr(stream, '-') - stream), stream,
		    by < 0 ? n - 1 : n + 1);
}

void
mftd_catalog_here(
    struct mftd_catalog *c, const char *node, const char *incarnation)
{
	snprintf(c->node, sizeof(c->node), "%s", node);
	snprintf(c->incarnation, sizeof(c->incarnation), "%s", incarnation);
}

/* ---- what is known */

struct known {
	struct mftd_ordering *o;
	bool marked, met; /* the stream, the node */
	int64_t stream_skew_us, catalog_us, now_us;
};

static int
take_known(void *data, const struct mftd_db_value *row, int n)
{
	struct known *k = data;
	struct mftd_ordering *o = k->o;

	(void)n;
	k->marked = row[0].type != MFTD_DB_NULL;
	k->met = row[3].type != MFTD_DB_NULL;
	o->s.last_us = row[0].i;
	k->stream_skew_us = row[1].i;
	o->s.off_us = row[2].i;
	o->skew_us = row[3].i;
	if (mftd_rows_get(&row[4], o->incarnation, sizeof(o->incarnation)) < 0)
		return -MFTD_E_CORRUPT;
	o->first_us = row[5].i;
	o->last_us = row[6].i;
	k->catalog_us = row[7].i;
	o->before_us = row[8].i;
	o->behind_us = row[9].i;
	k->now_us = row[10].i;
	return 0;
}

static int
read_known(struct mftd_catalog *c, const char *stream, struct known *k)
{
	char before[MFTD_ID_BYTES], behind[MFTD_ID_BYTES], sql[512];

	beside(stream, -1, before);
	beside(stream, 1, behind);
	const struct mftd_db_value v[] = { DB_TEXT(stream), DB_TEXT(k->o->node),
		DB_TEXT(before), DB_TEXT(behind) };

	snprintf(sql, sizeof(sql),
	    "SELECT m.order_us, m.skew_us, m.off_us, n.skew_us, n.incarnation, "
	    "n.first_us, n.last_us, z.last_us, b.order_us, a.first_us, %s "
	    "FROM (SELECT 1) AS one LEFT JOIN mark m ON m.stream = $1 "
	    "LEFT JOIN node_clock n ON n.node = $2 "
	    "LEFT JOIN node_clock z ON z.node = '' "
	    "LEFT JOIN mark b ON b.stream = $3 "
	    "LEFT JOIN mark a ON a.stream = $4",
	    c->db->ops->now_sql);
	return mftd_db_run(c, sql, v, N(v), take_known, k);
}

/* A node's streams of before there was a row for it. */
static int
look_back(struct mftd_catalog *c, struct mftd_ordering *o)
{
	char prefix[MFTD_ID_BYTES + 1];
	int r;

	snprintf(prefix, sizeof(prefix), "%s-", o->node);
	const struct mftd_db_value v[] = { DB_TEXT(prefix),
		DB_INT(strlen(prefix)) };

	r = mftd_db_run(c,
	    "SELECT coalesce(max(order_us), 0) FROM mark WHERE "
	    "substr(stream, 1, CAST($2 AS INTEGER)) = $1",
	    v, N(v), mftd_db_take_int, &o->last_us);
	return r < 0 ? r : 0;
}

/* ---- the clocks */

static int64_t
off_by(int64_t skew_us)
{
	return distance(skew_us) > MFTD_ORDER_AGREE_US ? skew_us : 0;
}

/* Says it when it changes, and for as long as it lasts. */
static void
tell(struct mftd_catalog *c, const struct mftd_ordering *o, int64_t skew_us)
{
	c->skew_us = skew_us;
	c->clock[0] = '\0';
	if (skew_us != 0)
		snprintf(c->clock, sizeof(c->clock),
		    "the clock of this node is %" PRId64 ".%" PRId64
		    " s %s the database's, by which its files are ordered",
		    distance(skew_us) / US_PER_S,
		    distance(skew_us) % US_PER_S * 10 / US_PER_S,
		    skew_us > 0 ? "ahead of" : "behind");
	if (off_by(skew_us - o->skew_us) == 0)
		return;
	if (skew_us != 0)
		log_warn("%s", c->clock);
	else
		log_info("the clock of this node agrees with the database's");
}

const char *
mftd_catalog_clock(const struct mftd_catalog *c)
{
	return c->clock;
}

int64_t
mftd_order_now_us(const struct mftd_catalog *c)
{
	return mftd_clock_wall_us() - c->skew_us;
}

/* How far the records' clock is ahead; where nobody can say, as it was. */
static int64_t
skew_of(const struct known *k, int64_t before_us, int64_t after_us)
{
	int64_t was_us = k->marked ? k->stream_skew_us : k->o->skew_us;

	if (!k->o->here || after_us < before_us ||
	    after_us - before_us > MFTD_ORDER_AGREE_US)
		return was_us;
	return off_by(before_us + (after_us - before_us) / 2 - k->now_us);
}

/* Another skew than before: of records that wait nobody knows which of the two
 * it was, and so until there are none. */
static void
take_skew(struct mftd_catalog *c, struct mftd_ordering *o,
    const struct known *k, int64_t skew_us)
{
	int64_t was_us = k->marked ? k->stream_skew_us
	    : k->met		   ? o->skew_us
				   : skew_us;
	int64_t changed_us = distance(off_by(skew_us - was_us));

	o->s.skew_us = skew_us;
	o->s.off_us = greatest(o->s.off_us, changed_us);
	if (!o->here)
		return;
	tell(c, o, skew_us);
	o->skew_us = skew_us;
}

/* The catalog's clock, as one that does not go back: until it has come to where
 * it was, it is that much off. */
static void
take_now(struct mftd_ordering *o, const struct known *k)
{
	int64_t back_us = k->catalog_us - k->now_us;

	o->s.now_us = greatest(k->now_us, k->catalog_us);
	if (back_us > MFTD_ORDER_AGREE_US)
		o->s.off_us = greatest(o->s.off_us, back_us);
}

/* The node's incarnations: that this node's present one is the last one only it
 * knows for certain. */
static void
take_life(struct mftd_catalog *c, struct mftd_ordering *o, int64_t time_us)
{
	bool known = strcmp(o->incarnation, c->incarnation) == 0;

	if (strcmp(o->node, c->node) != 0)
		return;
	if (!o->here) {
		if (known)
			o->s.next_us = o->first_us - 1;
		return;
	}
	if (!known) {
		memcpy(o->incarnation, c->incarnation, sizeof(o->incarnation));
		o->first_us =
		    greatest(least(time_us - o->s.skew_us, o->s.now_us),
			o->last_us + MFTD_ORDER_GAP_US);
	}
	o->s.first_us = o->first_us;
}

/* The stream before it, and the next one. */
static void
take_neighbours(struct mftd_ordering *o)
{
	if (o->before_us != 0)
		o->s.first_us =
		    greatest(o->s.first_us, o->before_us + MFTD_ORDER_GAP_US);
	if (o->behind_us != 0)
		o->s.next_us = least(o->s.next_us, o->behind_us - 1);
}

int
mftd_order_begin(struct mftd_catalog *c, const char *stream, int64_t time_us,
    struct mftd_ordering *o)
{
	struct known k = { .o = o };
	int64_t before_us = mftd_clock_wall_us(), after_us;
	int r;

	memset(o, 0, sizeof(*o));
	mftd_order_node(stream, o->node);
	mftd_order_of_stream(stream, o->of);
	o->here =
	    c->incarnation[0] != '\0' && mftd_id_of(stream, c->incarnation);
	r = read_known(c, stream, &k);
	after_us = mftd_clock_wall_us();
	if (r >= 0 && !k.met)
		r = look_back(c, o);
	if (r < 0)
		return r;
	if (k.now_us == 0) /* a database of this node's, and of its clock */
		k.now_us = before_us;
	take_skew(c, o, &k, skew_of(&k, before_us, after_us));
	take_now(o, &k);
	o->s.next_us = INT64_MAX;
	take_life(c, o, time_us);
	take_neighbours(o);
	return 0;
}

int
mftd_order_end(struct mftd_catalog *c, const char *stream, bool drained,
    const struct mftd_ordering *o)
{
	const struct mftd_db_value v[] = { DB_TEXT(stream),
		DB_INT(o->s.last_us), DB_INT(o->s.skew_us),
		DB_INT(drained ? 0 : o->s.off_us), DB_INT(o->s.begin_us) };
	const struct mftd_db_value w[] = { DB_TEXT(o->node), DB_INT(o->skew_us),
		DB_TEXT(o->incarnation), DB_INT(o->first_us),
		DB_INT(greatest(o->last_us, o->s.last_us)),
		DB_INT(o->s.now_us) };
	int r;

	r = mftd_db_run(c,
	    "UPDATE mark SET order_us = $2, skew_us = $3, off_us = $4, "
	    "first_us = CASE WHEN first_us = 0 THEN $5 ELSE first_us END "
	    "WHERE stream = $1",
	    v, N(v), NULL, NULL);
	if (r >= 0)
		r = mftd_db_run(c,
		    "INSERT INTO node_clock (node, skew_us, incarnation, "
		    "first_us, last_us) VALUES ($1, $2, $3, $4, $5), "
		    "('', 0, '', 0, $6) ON CONFLICT (node) DO UPDATE SET "
		    "skew_us = excluded.skew_us, "
		    "incarnation = excluded.incarnation, "
		    "first_us = excluded.first_us, last_us = excluded.last_us",
		    w, N(w), NULL, NULL);
	return r < 0 ? r : 0;
}
