/* Part of mftd; see LICENSE. */
#include "mftd/cluster/engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/ipc/soon.h"

#define TICK_MIN_MS 100
#define TICK_MAX_MS 1000
#define ROUND_MIN_MS 200
#define ROUND_MAX_MS 1000
#define REPEAT_MS 1000 /* an own message must have come back by then */
#define ALIVE_MS 2000 /* Corosync answered that lately */

static void on_job(void *data);
static void on_tick(void *data);

static int
bounded(int v, int min, int max)
{
	return v < min ? min : v > max ? max : v;
}

bool
mftd_engine_is_me(
    const struct mftd_cluster *c, const struct mftd_gm_member *who)
{
	return mftd_gm_same_member(&c->group->me, who);
}

void
mftd_engine_work(struct mftd_cluster *c)
{
	if (c->job || c->closed)
		return;
	if (mftd_soon(c->loop, QB_LOOP_MED, c, on_job, &c->turn) == 0)
		c->job = true;
	else
		log_error("group: no memory for a job");
}

void
mftd_engine_restart(struct mftd_cluster *c, const char *fmt, ...)
{
	va_list ap;

	if (c->dead)
		return;
	va_start(ap, fmt);
	vsnprintf(c->why, sizeof(c->why), fmt, ap);
	va_end(ap);
	c->dead = true;
	mftd_lease_renew(c->lease, 0);
	mftd_engine_work(c);
}

int
mftd_engine_say(struct mftd_cluster *c, const struct mftd_gm *m)
{
	int ret = mftd_outbox_put(&c->outbox, m);

	if (ret == 0)
		mftd_engine_work(c);
	return ret;
}

int
mftd_engine_send(struct mftd_cluster *c, const struct mftd_gm *m)
{
	int ret;

	mftd_buf_reset(c->scratch);
	ret = mftd_gm_encode(m, c->scratch);
	if (ret == 0)
		ret = c->group->ops->send(c->group, mftd_buf_data(c->scratch),
		    mftd_buf_len(c->scratch));
	if (ret < 0 && ret != -EAGAIN)
		mftd_engine_restart(c, "cannot send %s: %s",
		    mftd_gm_name(m->type), mftd_strerror(ret));
	return ret;
}

/* ---- out */

static int
pump_beat(struct mftd_cluster *c)
{
	struct mftd_gm m = { .type = MFTD_GM_BEAT };
	int ret;

	if (!c->want_beat)
		return 0;
	m.u.beat.sent_ms = (uint64_t)mftd_clock_ms();
	ret = mftd_engine_send(c, &m);
	if (ret == 0)
		c->want_beat = false;
	return ret;
}

static int
pump_outbox(struct mftd_cluster *c, bool all)
{
	const struct mftd_gm *m;
	int ret = 0;

	if (c->table == NULL)
		return 0; /* nobody would take it yet */
	while (ret == 0 && (m = mftd_outbox_next(&c->outbox, all)) != NULL) {
		ret = mftd_engine_send(c, m);
		if (ret == 0)
			mftd_outbox_sent(&c->outbox, mftd_clock_ms());
	}
	return ret;
}

static void
pump(struct mftd_cluster *c, bool all)
{
	if (c->dead || c->n_members == 0)
		return;
	if (pump_beat(c) == 0 && mftd_sync_pump(c) == 0)
		(void)pump_outbox(c, all);
}

void
mftd_engine_flush(struct mftd_cluster *c)
{
	pump(c, true);
}

/* A node that is over leaves at once: the others need not wait for it. */
static void
leave_group(struct mftd_cluster *c)
{
	bool alive = c->standalone || mftd_clock_ms() - c->beat_ms < ALIVE_MS;

	if (c->group != NULL)
		c->group->ops->close(c->group, alive);
	c->group = NULL;
}

/* ---- events: from the loop, so that the one told may close */

static void
tell_quorum(struct mftd_cluster *c)
{
	bool ready = mftd_cluster_ready(c), was_ready = c->told_ready;
	bool was_quorate = c->told_quorate;

	c->told_ready = ready;
	if (ready && !was_ready) {
		c->told_quorate = true;
		c->events->quorum(c->data, true);
	} else if (!c->quorate && was_quorate) {
		c->told_quorate = false;
		c->events->quorum(c->data, false);
	}
}

static void
tell_config(struct mftd_cluster *c)
{
	uint64_t version = c->table != NULL ? mftd_table_config(c->table) : 0;

	if (version <= c->told_config)
		return;
	c->told_config = version;
	c->events->config(c->data, version);
}

static void
tell_changed(struct mftd_cluster *c)
{
	uint64_t n = c->table != NULL ? mftd_table_changes(c->table) : 0;

	if (n == c->told_changes)
		return;
	c->told_changes = n;
	c->events->changed(c->data);
}

static void
tell_recover(struct mftd_cluster *c)
{
	char copy[MFTD_ID_BYTES];
	const char *incarnation;

	while (!c->closed && !c->dead &&
	    (incarnation = mftd_duty_next(c, mftd_clock_ms())) != NULL) {
		snprintf(copy, sizeof(copy), "%s", incarnation);
		c->events->recover(c->data, copy);
	}
}

static void
tell(struct mftd_cluster *c)
{
	if (c->dead)
		leave_group(c);
	c->in_event = true;
	if (c->dead && !c->restart_told) {
		c->restart_told = true;
		c->events->restart(c->data, c->why);
	}
	if (!c->closed && !c->dead)
		tell_quorum(c);
	if (!c->closed && !c->dead)
		tell_config(c);
	if (!c->closed && !c->dead)
		tell_changed(c);
	tell_recover(c);
	c->in_event = false;
	if (c->closed)
		mftd_cluster_close(c);
}

static void
on_job(void *data)
{
	struct mftd_cluster *c = data;

	c->job = false;
	if (!c->dead)
		mftd_duty_look(c, mftd_clock_ms());
	pump(c, false);
	tell(c);
}

/* ---- in */

static void
dispatch(struct mftd_cluster *c, const struct mftd_gm_member *from,
    const struct mftd_gm *m)
{
	switch (m->type) {
	case MFTD_GM_COLLECT:
		mftd_sync_collect(c, &m->u.collect);
		break;
	case MFTD_GM_HELLO:
		mftd_sync_hello(c, from, &m->u.hello);
		break;
	case MFTD_GM_DECIDE:
		mftd_sync_decide(c, &m->u.decide);
		break;
	case MFTD_GM_SNAPSHOT:
		mftd_sync_snapshot(c, from, &m->u.snapshot);
		break;
	case MFTD_GM_BEAT:
		if (mftd_engine_is_me(c, from))
			mftd_duty_beat(c, &m->u.beat);
		break;
	default:
		mftd_sync_numbered(c, from, m);
		break;
	}
}

static void
on_deliver(
    void *data, const struct mftd_gm_member *from, const void *msg, size_t len)
{
	struct mftd_cluster *c = data;
	struct mftd_gm m;
	int ret;

	if (c->dead)
		return;
	ret = mftd_gm_decode(msg, len, &m);
	if (ret < 0) {
		log_debug("group: message of node id %u not understood: %s",
		    from->nodeid, mftd_strerror(ret));
		return;
	}
	dispatch(c, from, &m);
	if (m.type != MFTD_GM_BEAT || mftd_engine_is_me(c, from))
		mftd_engine_work(c);
}

static void
on_change(void *data, const struct mftd_group_change *change)
{
	struct mftd_cluster *c = data;

	if (c->dead)
		return;
	mftd_sync_change(c, change);
	mftd_engine_work(c);
}

static void
on_quorum(void *data, enum mftd_quorum quorum)
{
	struct mftd_cluster *c = data;

	if (c->dead)
		return;
	mftd_duty_quorum(c, quorum);
	mftd_sync_tick(c, mftd_clock_ms());
	mftd_engine_work(c);
}

static void
on_writable(void *data)
{
	mftd_engine_work(data);
}

static void
on_lost(void *data, const char *why)
{
	mftd_engine_restart(data, "%s", why);
}

static const struct mftd_group_events group_events = { on_deliver, on_change,
	on_quorum, on_writable, on_lost };

/* ---- time */

static int
start_tick(struct mftd_cluster *c)
{
	int ret = qb_loop_timer_add(c->loop, QB_LOOP_HIGH,
	    (uint64_t)c->tick_ms * 1000000, c, on_tick, &c->tick);

	c->ticking = ret == 0;
	return ret;
}

static void
on_tick(void *data)
{
	struct mftd_cluster *c = data;
	int64_t now = mftd_clock_ms();

	c->ticking = false;
	if (c->dead)
		return;
	c->want_beat = true;
	mftd_sync_tick(c, now);
	mftd_outbox_repeat(&c->outbox, now, REPEAT_MS);
	mftd_engine_work(c);
	if (start_tick(c) < 0)
		mftd_engine_restart(c, "no memory for a timer");
}

/* ---- life */

static int
set_self(struct mftd_cluster *c, const struct mftd_cluster_conf *conf)
{
	if (!mftd_id_valid(conf->node) || !mftd_id_valid(conf->incarnation) ||
	    !mftd_id_valid(conf->boot_id) || conf->lease_ms < 0)
		return -EINVAL;
	strcpy(c->self.node, conf->node);
	strcpy(c->self.incarnation, conf->incarnation);
	strcpy(c->self.boot_id, conf->boot_id);
	c->lease_ms = conf->lease_ms;
	c->tick_ms = bounded(conf->lease_ms / 6, TICK_MIN_MS, TICK_MAX_MS);
	c->round_ms = bounded(conf->lease_ms / 3, ROUND_MIN_MS, ROUND_MAX_MS);
	c->standalone = conf->standalone;
	return 0;
}

static void
destroy(struct mftd_cluster *c)
{
	if (c->ticking)
		qb_loop_timer_del(c->loop, c->tick);
	if (c->job)
		qb_loop_timer_del(c->loop, c->turn);
	leave_group(c);
	mftd_sync_clear(c);
	mftd_outbox_clear(&c->outbox);
	mftd_table_free(c->table);
	mftd_buf_free(c->scratch);
	free(c);
}

int
mftd_engine_open(qb_loop_t *loop, const struct mftd_cluster_conf *conf,
    struct mftd_lease *lease, const struct mftd_cluster_events *events,
    void *data, const struct mftd_group_ops *ops, void *arg,
    struct mftd_cluster **out)
{
	struct mftd_cluster *c = calloc(1, sizeof(*c));
	int ret;

	if (c == NULL)
		return -ENOMEM;
	c->loop = loop;
	c->lease = lease;
	c->events = events;
	c->data = data;
	c->quorum = MFTD_QUORUM_UNKNOWN;
	STAILQ_INIT(&c->joining.held);
	mftd_outbox_init(&c->outbox);
	ret = set_self(c, conf);
	if (ret < 0)
		goto out;
	ret = -ENOMEM;
	c->scratch = mftd_buf_new(MFTD_GROUP_MESSAGE_BYTES);
	if (c->scratch == NULL)
		goto out;
	ret = c->standalone ? 0 : start_tick(c);
	if (ret == 0)
		ret = ops->open(loop, arg, &group_events, c, &c->group);
	if (ret < 0)
		goto out;
	if (c->standalone)
		mftd_lease_hold(lease);
	*out = c;
	return 0;
out:
	destroy(c);
	return ret;
}

void
mftd_cluster_close(struct mftd_cluster *c)
{
	if (c == NULL)
		return;
	c->closed = true;
	if (c->in_event)
		return;
	mftd_engine_flush(c);
	if (!c->standalone)
		mftd_lease_renew(c->lease, 0);
	destroy(c);
}
