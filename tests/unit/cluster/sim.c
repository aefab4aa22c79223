/* Part of mftd; see LICENSE. */
#include "tests/unit/cluster/sim.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <cmocka.h>

#include "mftd/base/clock.h"

/* libqb does not free a job that is deleted while its turn has begun. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:qb_loop_job_add\n";
}

enum what { MESSAGE, CHANGE, QUORUM };

struct event {
	STAILQ_ENTRY(event) entry;
	enum what what;
	struct mftd_gm_member from;
	size_t len;
	uint8_t msg[MFTD_GROUP_MESSAGE_BYTES];
	struct mftd_gm_member members[SIM_NODES], left[SIM_NODES];
	size_t n_members, n_left;
	enum mftd_quorum quorum;
};

struct sim_group {
	struct mftd_group group;
	struct sim_node *node;
	const struct mftd_group_events *events;
	void *data;
	STAILQ_HEAD(, event) inbox;
	struct mftd_gm_member seen[SIM_NODES]; /* last told members */
	size_t n_seen;
	bool job, held, mute;
};

static const struct mftd_group_ops sim_ops;

/* ---- the transport */

static void deliver_all(void *data);

static void
schedule(struct sim_group *g)
{
	if (g->job || g->held)
		return;
	g->job = true;
	assert_int_equal(
	    qb_loop_job_add(g->node->sim->loop, QB_LOOP_MED, g, deliver_all),
	    0);
}

static struct event *
push(struct sim_group *g, enum what what)
{
	struct event *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	e->what = what;
	STAILQ_INSERT_TAIL(&g->inbox, e, entry);
	schedule(g);
	return e;
}

static void
deliver(struct sim_group *g, const struct event *e)
{
	struct mftd_group_change change = { e->members, e->left, e->n_members,
		e->n_left };

	if (e->what == MESSAGE)
		g->events->deliver(g->data, &e->from, e->msg, e->len);
	else if (e->what == CHANGE)
		g->events->change(g->data, &change);
	else
		g->events->quorum(g->data, e->quorum);
}

static void
deliver_all(void *data)
{
	struct sim_group *g = data;
	struct event *e;

	g->job = false;
	while (!g->held && (e = STAILQ_FIRST(&g->inbox)) != NULL) {
		STAILQ_REMOVE_HEAD(&g->inbox, entry);
		deliver(g, e);
		free(e);
	}
	g->events->writable(g->data);
}

static bool
together(const struct sim *s, unsigned int a, unsigned int b)
{
	return s->nodes[b].group != NULL && s->part[a] == s->part[b];
}

static bool
lost(struct sim *s, const uint8_t *msg)
{
	if (s->drop == 0 || msg[1] != s->drop_type)
		return false;
	s->drop--;
	return true;
}

static int
sim_send(struct mftd_group *group, const void *msg, size_t len)
{
	struct sim_group *g = (struct sim_group *)group;
	struct sim *s = g->node->sim;
	struct event *e;
	unsigned int i;

	if (s->writes_full > 0) {
		s->writes_full--;
		schedule(g);
		return -EAGAIN;
	}
	if (g->mute || lost(s, msg))
		return 0;
	for (i = 0; i < s->n; i++) {
		if (!together(s, g->node->index, i))
			continue;
		e = push(s->nodes[i].group, MESSAGE);
		e->from = g->group.me;
		e->len = len;
		memcpy(e->msg, msg, len);
	}
	return 0;
}

static bool
in(const struct mftd_gm_member *list, size_t n, const struct mftd_gm_member *m)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (mftd_gm_same_member(&list[i], m))
			return true;
	return false;
}

static void
fill_members(struct sim *s, unsigned int i, struct event *e)
{
	unsigned int j;

	for (j = 0; j < s->n; j++)
		if (together(s, i, j))
			e->members[e->n_members++] =
			    s->nodes[j].group->group.me;
}

/* Nodes, not processes, have votes. */
static enum mftd_quorum
votes(const struct sim *s, unsigned int i)
{
	unsigned int j, n = 0;

	for (j = 0; j < s->n; j++)
		if (s->part[i] == s->part[j])
			n++;
	return n * 2 > s->n ? MFTD_QUORUM_YES : MFTD_QUORUM_NO;
}

static void
tell(struct sim *s, unsigned int i, bool blink)
{
	struct sim_group *g = s->nodes[i].group;
	struct event *e = push(g, CHANGE);
	size_t j;

	fill_members(s, i, e);
	for (j = 0; j < g->n_seen; j++)
		if (blink ? !mftd_gm_same_member(&g->seen[j], &g->group.me)
			  : !in(e->members, e->n_members, &g->seen[j]))
			e->left[e->n_left++] = g->seen[j];
	memcpy(g->seen, e->members, sizeof(g->seen));
	g->n_seen = e->n_members;
	push(g, QUORUM)->quorum = votes(s, i);
}

static bool
news_for(struct sim *s, unsigned int i)
{
	struct sim_group *g = s->nodes[i].group;
	struct event now = { 0 };
	size_t j;

	fill_members(s, i, &now);
	if (now.n_members != g->n_seen)
		return true;
	for (j = 0; j < now.n_members; j++)
		if (!in(g->seen, g->n_seen, &now.members[j]))
			return true;
	return false;
}

void
sim_moved(struct sim *s)
{
	unsigned int i;

	for (i = 0; i < s->n; i++)
		if (s->nodes[i].group != NULL && news_for(s, i))
			tell(s, i, false);
}

static int
sim_open(qb_loop_t *loop, void *arg, const struct mftd_group_events *events,
    void *data, struct mftd_group **out)
{
	struct sim_node *n = arg;
	struct sim_group *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	g->group.ops = &sim_ops;
	g->group.me.nodeid = n->index + 1;
	g->group.me.pid = 100 + n->lives;
	g->node = n;
	g->events = events;
	g->data = data;
	STAILQ_INIT(&g->inbox);
	n->group = g;
	*out = &g->group;
	sim_moved(n->sim);
	return 0;
}

static void
sim_close(struct mftd_group *group, bool alive)
{
	struct sim_group *g = (struct sim_group *)group;
	struct sim *s = g->node->sim;
	struct event *e;

	if (g->job)
		qb_loop_job_del(s->loop, QB_LOOP_MED, g, deliver_all);
	while ((e = STAILQ_FIRST(&g->inbox)) != NULL) {
		STAILQ_REMOVE_HEAD(&g->inbox, entry);
		free(e);
	}
	g->node->group = NULL;
	free(g);
	sim_moved(s);
}

static const struct mftd_group_ops sim_ops = { sim_open, sim_send, sim_close };

/* ---- the nodes */

static void
reopen(void *data)
{
	struct sim_node *n = data;

	mftd_cluster_close(n->cluster);
	n->cluster = NULL;
	if (!n->stay_down)
		sim_start(n->sim, n->index);
}

static void
on_quorum(void *data, bool quorate)
{
	((struct sim_node *)data)->quorate = quorate;
}

static void
on_recover(void *data, const char *incarnation)
{
	struct sim_node *n = data;

	n->recovers++;
	snprintf(n->recover, sizeof(n->recover), "%s", incarnation);
	if (n->answer != SIM_SILENT)
		assert_int_equal(
		    mftd_cluster_recovered(n->cluster, incarnation, n->answer),
		    0);
}

static void
on_config(void *data, uint64_t version)
{
	((struct sim_node *)data)->config = version;
}

static void
on_restart(void *data, const char *why)
{
	struct sim_node *n = data;

	n->restarts++;
	assert_int_equal(
	    qb_loop_job_add(n->sim->loop, QB_LOOP_MED, n, reopen), 0);
}

static void
on_changed(void *data)
{
}

static const struct mftd_cluster_events events = { on_quorum, on_recover,
	on_config, on_restart, on_changed };

void
sim_init(struct sim *s, unsigned int n)
{
	unsigned int i;

	memset(s, 0, sizeof(*s));
	s->loop = qb_loop_create();
	s->n = n;
	s->lease_ms = 600;
	for (i = 0; i < n; i++) {
		s->nodes[i].sim = s;
		s->nodes[i].index = i;
		s->nodes[i].lease = mftd_lease_new();
		snprintf(s->nodes[i].name, 8, "n%u", i + 1);
		snprintf(s->nodes[i].boot_id, 32, "boot-%u", i + 1);
	}
}

void
sim_end(struct sim *s)
{
	unsigned int i;

	for (i = 0; i < s->n; i++)
		if (s->nodes[i].cluster != NULL)
			sim_kill(s, i);
	qb_loop_destroy(s->loop);
}

void
sim_start(struct sim *s, unsigned int i)
{
	struct sim_node *n = &s->nodes[i];
	struct mftd_cluster_conf conf = { n->name, n->incarnation, n->boot_id,
		false, s->lease_ms };

	n->lives++;
	snprintf(n->incarnation, sizeof(n->incarnation), "n%u-life%u", i + 1,
	    n->lives);
	n->quorate = false;
	n->config = 0;
	assert_int_equal(mftd_engine_open(s->loop, &conf, n->lease, &events, n,
			     &sim_ops, n, &n->cluster),
	    0);
}

void
sim_stop(struct sim *s, unsigned int i)
{
	mftd_cluster_close(s->nodes[i].cluster);
	s->nodes[i].cluster = NULL;
}

void
sim_kill(struct sim *s, unsigned int i)
{
	(void)qb_loop_job_del(s->loop, QB_LOOP_MED, &s->nodes[i], reopen);
	if (s->nodes[i].group != NULL)
		s->nodes[i].group->mute = true;
	sim_stop(s, i);
}

void
sim_move(struct sim *s, unsigned int i, int p)
{
	s->part[i] = p;
}

void
sim_blink(struct sim *s, unsigned int i)
{
	struct sim_group *g = s->nodes[i].group;
	unsigned int j;
	int home = s->part[i];

	s->part[i] = -1;
	for (j = 0; j < s->n; j++)
		if (j != i && s->nodes[j].group != NULL && news_for(s, j))
			tell(s, j, false);
	s->part[i] = home;
	for (j = 0; j < s->n; j++)
		if (j != i && s->nodes[j].group != NULL && news_for(s, j))
			tell(s, j, false);
	if (g != NULL)
		tell(s, i, true);
}

void
sim_hold(struct sim *s, unsigned int i, bool held)
{
	struct sim_group *g = s->nodes[i].group;

	g->held = held;
	if (!held)
		schedule(g);
}

/* ---- running */

struct waiting {
	struct sim *sim;
	bool (*cond)(struct sim *s);
	const char *what;
	int64_t deadline_ms;
	qb_loop_timer_handle timer;
	bool done;
};

static void
look(void *data)
{
	struct waiting *w = data;

	w->done = w->cond != NULL && w->cond(w->sim);
	if (!w->done && mftd_clock_ms() >= w->deadline_ms) {
		if (w->cond != NULL)
			fail_msg("never: %s", w->what);
		w->done = true;
	}
	if (w->done) {
		qb_loop_stop(w->sim->loop);
		return;
	}
	assert_int_equal(qb_loop_timer_add(w->sim->loop, QB_LOOP_LOW, 5000000,
			     w, look, &w->timer),
	    0);
}

void
sim_until(struct sim *s, bool (*cond)(struct sim *s), const char *what)
{
	struct waiting w = { s, cond, what, mftd_clock_ms() + 20000, 0, false };

	look(&w);
	if (!w.done)
		qb_loop_run(s->loop);
}

void
sim_run_ms(struct sim *s, int ms)
{
	struct waiting w = { s, NULL, "", mftd_clock_ms() + ms, 0, false };

	look(&w);
	if (!w.done)
		qb_loop_run(s->loop);
}

bool
sim_ready(struct sim *s, unsigned int i)
{
	return s->nodes[i].cluster != NULL &&
	    mftd_cluster_ready(s->nodes[i].cluster);
}

static struct mftd_buf *
encoded(const struct sim_node *n)
{
	struct mftd_buf *b = mftd_buf_new(MFTD_TABLE_BYTES);

	assert_non_null(b);
	assert_int_equal(mftd_table_encode(n->cluster->table, b), 0);
	return b;
}

static bool
same(const struct mftd_buf *a, const struct mftd_buf *b)
{
	return mftd_buf_len(a) == mftd_buf_len(b) &&
	    memcmp(mftd_buf_data(a), mftd_buf_data(b), mftd_buf_len(a)) == 0;
}

bool
sim_equal(struct sim *s)
{
	struct mftd_buf *first = NULL, *next;
	bool equal = true;
	unsigned int i;

	for (i = 0; i < s->n && equal; i++) {
		if (s->nodes[i].cluster == NULL)
			continue;
		if (s->nodes[i].cluster->table == NULL) {
			equal = false;
			break;
		}
		next = encoded(&s->nodes[i]);
		if (first == NULL) {
			first = next;
			continue;
		}
		equal = same(first, next);
		mftd_buf_free(next);
	}
	mftd_buf_free(first);
	return equal;
}

struct search {
	const char *incarnation;
	struct mftd_cluster_node *out;
};

static int
match(void *data, const struct mftd_cluster_node *n)
{
	const struct search *f = data;

	if (strcmp(n->incarnation, f->incarnation) != 0)
		return 0;
	*f->out = *n;
	return -EEXIST;
}

bool
sim_row(struct sim *s, unsigned int i, const char *incarnation,
    struct mftd_cluster_node *out)
{
	struct search f = { incarnation, out };

	return mftd_cluster_nodes(s->nodes[i].cluster, match, &f) == -EEXIST;
}
