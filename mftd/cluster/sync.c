/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/cluster/engine.h"

#define JOIN_ROUNDS 5 /* times round_ms without a piece: ask anew */
#define DONATE_WINDOW (32 * MFTD_GM_PIECE_BYTES)

static void
stop_joining(struct mftd_cluster *c)
{
	struct mftd_held *h;

	while ((h = STAILQ_FIRST(&c->joining.held)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->joining.held, entry);
		free(h);
	}
	c->joining.n_held = 0;
	mftd_buf_free(c->joining.snapshot);
	c->joining.snapshot = NULL;
	c->joining.active = false;
}

static void
stop_donating(struct mftd_cluster *c)
{
	mftd_buf_free(c->donating.snapshot);
	c->donating.snapshot = NULL;
}

void
mftd_sync_clear(struct mftd_cluster *c)
{
	stop_joining(c);
	stop_donating(c);
}

static void
ask(struct mftd_cluster *c, bool again)
{
	c->want_collect = true;
	c->want_again = again;
}

/* ---- the configuration */

static void
leave(struct mftd_cluster *c, const struct mftd_gm_member *who)
{
	const struct mftd_table_row *r;

	if (mftd_engine_is_me(c, who)) {
		mftd_engine_restart(c, "the group saw this node leave");
		return;
	}
	if (c->table == NULL)
		return;
	r = mftd_table_present(c->table, who);
	if (r != NULL)
		log_info("group: %s left%s", r->incarnation,
		    r->gone ? "" : " without a word: it is lost");
	mftd_table_leave(c->table, who);
}

void
mftd_sync_change(struct mftd_cluster *c, const struct mftd_group_change *change)
{
	size_t i;

	for (i = 0; i < change->n_left; i++)
		leave(c, &change->left[i]);
	memcpy(c->members, change->members,
	    change->n_members * sizeof(c->members[0]));
	c->n_members = change->n_members;
	mftd_round_change(&c->round);
	c->view_quorate = false;
	c->want_hello = c->want_decide = false;
	stop_joining(c);
	stop_donating(c);
	ask(c, false);
}

/* ---- the round */

void
mftd_sync_collect(struct mftd_cluster *c, const struct mftd_gm_collect *collect)
{
	if (!mftd_round_collect(&c->round, collect))
		return;
	c->round_history = c->table != NULL ? mftd_table_history(c->table) : 0;
	c->round_since_ms = mftd_clock_ms();
	c->want_collect = c->want_decide = false;
	c->want_hello = true;
	stop_joining(c);
	stop_donating(c);
}

static void
start_joining(struct mftd_cluster *c, const struct mftd_round_result *result)
{
	if (mftd_round_answer(&c->round, &c->group->me) == NULL)
		return; /* too late for this one: tick asks again */
	c->joining.snapshot = mftd_buf_new(MFTD_TABLE_BYTES);
	if (c->joining.snapshot == NULL) {
		mftd_engine_restart(c, "no memory for the group's table");
		return;
	}
	c->joining.active = true;
	c->joining.round = c->round.id;
	c->joining.donor = result->donor;
	c->joining.deadline_ms = mftd_clock_ms() + JOIN_ROUNDS * c->round_ms;
}

static void
start_donating(struct mftd_cluster *c)
{
	struct mftd_donating *d = &c->donating;
	int ret = -ENOMEM;

	memset(d, 0, sizeof(*d));
	d->snapshot = mftd_buf_new(MFTD_TABLE_BYTES);
	if (d->snapshot != NULL)
		ret = mftd_table_encode(c->table, d->snapshot);
	if (ret < 0) { /* the joiners will ask another */
		log_error("group: table not sent: %s", mftd_strerror(ret));
		stop_donating(c);
		return;
	}
	d->round = c->round.id;
	d->total = (uint32_t)mftd_buf_len(d->snapshot);
}

static void
install(struct mftd_cluster *c, const struct mftd_round_answer *a)
{
	int ret = mftd_table_install(c->table, &a->who, &a->hello);

	if (ret == -ENOMEM)
		mftd_engine_restart(c, "no memory for the group's table");
	else if (ret < 0)
		log_warn("group: %s not taken in: %s", a->hello.incarnation,
		    ret == -EEXIST ? "it was seen to leave"
				   : mftd_strerror(ret));
}

static void
found(struct mftd_cluster *c)
{
	size_t i;

	if (mftd_round_answer(&c->round, &c->group->me) == NULL)
		return;
	c->table = mftd_table_new();
	if (c->table == NULL) {
		mftd_engine_restart(c, "no memory for the group's table");
		return;
	}
	for (i = 0; i < c->round.n_answers; i++)
		install(c, &c->round.answers[i]);
	mftd_table_next_generation(c->table);
	log_info("group: begun by %zu", c->round.n_answers);
	if (mftd_table_present(c->table, &c->group->me) == NULL)
		mftd_engine_restart(c, "the group did not take this node in");
}

static void
follow(struct mftd_cluster *c, const struct mftd_round_result *result)
{
	const struct mftd_round_answer *a;
	size_t i;

	if (c->table == NULL) {
		start_joining(c, result);
		return;
	}
	if (c->round_history != result->history) {
		mftd_engine_restart(c, "the group went on without this node");
		return;
	}
	for (i = 0; i < c->round.n_answers; i++) {
		a = &c->round.answers[i];
		if (!a->hello.synced)
			install(c, a);
		else if (a->hello.history != result->history)
			mftd_table_leave(c->table, &a->who); /* restarts */
	}
	if (result->quorate)
		mftd_table_next_generation(c->table);
	log_info("group: generation %llu%s, %zu of %zu answered",
	    (unsigned long long)mftd_table_generation(c->table),
	    result->quorate ? "" : " without quorum", c->round.n_answers,
	    c->n_members);
	if (result->joiners && mftd_engine_is_me(c, &result->donor))
		start_donating(c);
}

static void
decide(struct mftd_cluster *c)
{
	struct mftd_round_result result;

	mftd_round_decide(&c->round, &result);
	c->want_hello = c->want_decide = false;
	c->view_quorate = result.quorate;
	switch (result.verdict) {
	case MFTD_ROUND_WAIT:
		log_info("group: waiting for quorum");
		break;
	case MFTD_ROUND_FOUND:
		found(c);
		break;
	case MFTD_ROUND_FOLLOW:
		follow(c, &result);
		break;
	}
	mftd_sync_tick(c, mftd_clock_ms());
}

void
mftd_sync_hello(struct mftd_cluster *c, const struct mftd_gm_member *from,
    const struct mftd_gm_hello *h)
{
	bool complete;

	mftd_round_hello(&c->round, from, h);
	complete = mftd_round_complete(&c->round, c->members, c->n_members);
	if (c->round.open && complete)
		decide(c);
}

void
mftd_sync_decide(struct mftd_cluster *c, const struct mftd_gm_decide *d)
{
	if (c->round.open && mftd_gm_same_round(&c->round.id, &d->round))
		decide(c);
}

/* ---- the snapshot */

/* What was delivered since the round is applied to the table it left. */
static void
apply_held(struct mftd_cluster *c)
{
	struct mftd_held *h;

	STAILQ_FOREACH(h, &c->joining.held, entry)
		mftd_sync_numbered(c, &h->from, &h->m);
}

static void
finish_joining(struct mftd_cluster *c)
{
	const struct mftd_table_row *me;
	int ret;

	ret = mftd_table_decode(mftd_buf_data(c->joining.snapshot),
	    mftd_buf_len(c->joining.snapshot), &c->table);
	if (ret < 0) {
		mftd_engine_restart(
		    c, "the group's table: %s", mftd_strerror(ret));
		return;
	}
	me = mftd_table_present(c->table, &c->group->me);
	if (me == NULL || strcmp(me->incarnation, c->self.incarnation) != 0) {
		mftd_engine_restart(c, "the group did not take this node in");
		return;
	}
	log_info("group: joined at generation %llu",
	    (unsigned long long)mftd_table_generation(c->table));
	c->joined = true;
	c->joining.active = false;
	apply_held(c);
	stop_joining(c);
	c->joining.attempt = 0;
}

static void
take_piece(struct mftd_cluster *c, const struct mftd_gm_snapshot *s)
{
	struct mftd_joining *j = &c->joining;

	if (s->offset != mftd_buf_len(j->snapshot) ||
	    s->total > MFTD_TABLE_BYTES)
		return; /* one was lost: the deadline asks anew */
	if (mftd_buf_put(j->snapshot, s->data, s->len) < 0) {
		mftd_engine_restart(c, "no memory for the group's table");
		return;
	}
	j->deadline_ms = mftd_clock_ms() + JOIN_ROUNDS * c->round_ms;
	if (mftd_buf_len(j->snapshot) == s->total)
		finish_joining(c);
}

void
mftd_sync_snapshot(struct mftd_cluster *c, const struct mftd_gm_member *from,
    const struct mftd_gm_snapshot *s)
{
	struct mftd_donating *d = &c->donating;

	if (c->joining.active &&
	    mftd_gm_same_round(&c->joining.round, &s->round) &&
	    mftd_gm_same_member(&c->joining.donor, from))
		take_piece(c, s);
	if (d->snapshot == NULL || !mftd_engine_is_me(c, from) ||
	    !mftd_gm_same_round(&d->round, &s->round))
		return;
	d->delivered = s->offset + s->len;
	if (d->delivered == d->total)
		stop_donating(c);
}

static void
hold(struct mftd_cluster *c, const struct mftd_gm_member *from,
    const struct mftd_gm *m)
{
	struct mftd_held *h = NULL;

	if (c->joining.n_held < MFTD_GROUP_QUEUE_MAX)
		h = malloc(sizeof(*h));
	if (h == NULL) {
		log_warn("group: too much was said while joining");
		c->joining.attempt++;
		stop_joining(c);
		ask(c, true);
		return;
	}
	h->from = *from;
	h->m = *m;
	STAILQ_INSERT_TAIL(&c->joining.held, h, entry);
	c->joining.n_held++;
}

void
mftd_sync_numbered(struct mftd_cluster *c, const struct mftd_gm_member *from,
    const struct mftd_gm *m)
{
	int ret;

	if (c->joining.active) {
		hold(c, from, m);
		return;
	}
	if (c->table == NULL)
		return;
	ret = mftd_table_apply(c->table, from, m);
	if (ret < 0)
		mftd_engine_restart(c, "no memory for the group's table");
	if (ret > 0 && mftd_engine_is_me(c, from))
		mftd_outbox_delivered(&c->outbox, m->number, mftd_clock_ms());
}

/* ---- out */

static int
send_collect(struct mftd_cluster *c)
{
	struct mftd_gm m = { .type = MFTD_GM_COLLECT };

	m.u.collect.round.by = c->group->me;
	m.u.collect.round.count = ++c->n_collects;
	m.u.collect.attempt = c->joining.attempt;
	m.u.collect.again = c->want_again;
	return mftd_engine_send(c, &m);
}

static int
send_hello(struct mftd_cluster *c)
{
	struct mftd_gm m = { .type = MFTD_GM_HELLO, .u.hello = c->self };

	m.u.hello.round = c->round.id;
	m.u.hello.quorate = c->quorum == MFTD_QUORUM_YES;
	m.u.hello.synced = c->table != NULL;
	if (c->table != NULL)
		m.u.hello.generation = mftd_table_generation(c->table);
	m.u.hello.history = c->round_history;
	return mftd_engine_send(c, &m);
}

static int
send_decide(struct mftd_cluster *c)
{
	struct mftd_gm m = { .type = MFTD_GM_DECIDE };

	m.u.decide.round = c->round.id;
	return mftd_engine_send(c, &m);
}

static int
send_wanted(
    struct mftd_cluster *c, bool *want, int (*send)(struct mftd_cluster *c))
{
	int ret = *want ? send(c) : 0;

	if (ret == 0)
		*want = false;
	return ret;
}

static int
send_pieces(struct mftd_cluster *c)
{
	struct mftd_donating *d = &c->donating;
	struct mftd_gm m = { .type = MFTD_GM_SNAPSHOT };
	struct mftd_gm_snapshot *s = &m.u.snapshot;
	int ret = 0;

	while (ret == 0 && d->snapshot != NULL && d->sent < d->total &&
	    d->sent - d->delivered < DONATE_WINDOW) {
		s->round = d->round;
		s->total = d->total;
		s->offset = d->sent;
		s->len = d->total - d->sent;
		if (s->len > MFTD_GM_PIECE_BYTES)
			s->len = MFTD_GM_PIECE_BYTES;
		s->data = mftd_buf_data(d->snapshot) + d->sent;
		ret = mftd_engine_send(c, &m);
		if (ret == 0)
			d->sent += s->len;
	}
	return ret;
}

int
mftd_sync_pump(struct mftd_cluster *c)
{
	int ret = send_wanted(c, &c->want_collect, send_collect);

	if (ret == 0)
		ret = send_wanted(c, &c->want_hello, send_hello);
	if (ret == 0)
		ret = send_wanted(c, &c->want_decide, send_decide);
	if (ret == 0)
		ret = send_pieces(c);
	return ret;
}

/* ---- time.  Rounds end by what is delivered, never by a clock alone: the
 * clock only says when to ask. */

static void
hurry(struct mftd_cluster *c, int64_t now_ms)
{
	if (mftd_round_answer(&c->round, &c->group->me) == NULL)
		c->want_hello = true;
	if (now_ms - c->round_since_ms >= c->round_ms)
		c->want_decide = true;
}

void
mftd_sync_tick(struct mftd_cluster *c, int64_t now_ms)
{
	if (c->n_members == 0)
		return;
	if (c->round.open) {
		hurry(c, now_ms);
	} else if (!c->round.begun) {
		ask(c, false);
	} else if (c->joining.active) {
		if (now_ms < c->joining.deadline_ms)
			return;
		c->joining.attempt++;
		stop_joining(c);
		ask(c, true);
	} else if (c->quorum == MFTD_QUORUM_YES &&
	    (c->table == NULL || !c->view_quorate)) {
		ask(c, true);
	}
}
