/* Part of mftd; see LICENSE. */
#include "mftd/cluster/cluster.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "mftd/base/log.h"
#include "mftd/cluster/table.h"

struct saying {
	STAILQ_ENTRY(saying) entry;
	struct mftd_gm m;
};

struct mftd_cluster {
	qb_loop_t *loop;
	struct mftd_lease *lease;
	const struct mftd_cluster_events *events;
	void *data;
	struct mftd_gm_member me;
	struct mftd_gm_hello hello;
	struct mftd_table *table;
	STAILQ_HEAD(, saying) queue;
	size_t n_queue;
	uint64_t number;
	bool job, told_quorum;
	uint64_t told_config;
	bool in_event, closed; /* closed inside of an event: freed after it */
};

static void deliver_all(void *data);

static int
schedule(struct mftd_cluster *c)
{
	int ret;

	if (c->job)
		return 0;
	ret = qb_loop_job_add(c->loop, QB_LOOP_MED, c, deliver_all);
	if (ret == 0)
		c->job = true;
	return ret;
}

static int
say(struct mftd_cluster *c, const struct mftd_gm *m)
{
	struct saying *s;

	if (c->n_queue == MFTD_GROUP_QUEUE_MAX)
		return -ENOBUFS;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->m = *m;
	s->m.number = ++c->number;
	STAILQ_INSERT_TAIL(&c->queue, s, entry);
	c->n_queue++;
	return schedule(c);
}

static void
tell(struct mftd_cluster *c)
{
	c->in_event = true;
	if (!c->told_quorum) {
		c->told_quorum = true;
		c->events->quorum(c->data, true);
	}
	if (!c->closed && mftd_table_config(c->table) > c->told_config) {
		c->told_config = mftd_table_config(c->table);
		c->events->config(c->data, c->told_config);
	}
	c->in_event = false;
	if (c->closed)
		mftd_cluster_close(c);
}

static void
deliver_all(void *data)
{
	struct mftd_cluster *c = data;
	struct saying *s;

	c->job = false;
	while ((s = STAILQ_FIRST(&c->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->queue, entry);
		c->n_queue--;
		if (mftd_table_apply(c->table, &c->me, &s->m) != 1)
			log_error("group: own message not applied");
		free(s);
	}
	tell(c);
}

int
mftd_cluster_open(qb_loop_t *loop, const struct mftd_cluster_conf *conf,
    struct mftd_lease *lease, const struct mftd_cluster_events *events,
    void *data, struct mftd_cluster **out)
{
	struct mftd_cluster *c;
	int ret = -ENOMEM;

	if (!conf->standalone)
		return -ENOSYS;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->loop = loop;
	c->lease = lease;
	c->events = events;
	c->data = data;
	c->me.pid = (uint32_t)getpid();
	STAILQ_INIT(&c->queue);
	strncpy(c->hello.node, conf->node, MFTD_NAME_BYTES - 1);
	strncpy(c->hello.incarnation, conf->incarnation, MFTD_ID_BYTES - 1);
	strncpy(c->hello.boot_id, conf->boot_id, MFTD_ID_BYTES - 1);
	c->table = mftd_table_new();
	if (c->table == NULL)
		goto out;
	ret = mftd_table_install(c->table, &c->me, &c->hello);
	if (ret == 0)
		ret = schedule(c);
	if (ret < 0)
		goto out;
	mftd_lease_hold(lease);
	*out = c;
	return 0;
out:
	mftd_table_free(c->table);
	free(c);
	return ret;
}

void
mftd_cluster_close(struct mftd_cluster *c)
{
	struct saying *s;

	if (c == NULL)
		return;
	c->closed = true;
	if (c->in_event)
		return;
	if (c->job)
		qb_loop_job_del(c->loop, QB_LOOP_MED, c, deliver_all);
	while ((s = STAILQ_FIRST(&c->queue)) != NULL) {
		STAILQ_REMOVE_HEAD(&c->queue, entry);
		free(s);
	}
	mftd_table_free(c->table);
	free(c);
}

bool
mftd_cluster_ready(const struct mftd_cluster *c)
{
	return true;
}

bool
mftd_cluster_quorate(const struct mftd_cluster *c)
{
	return true;
}

static const struct mftd_table_row *
row(const struct mftd_cluster *c, size_t i)
{
	return mftd_table_row(c->table, i);
}

static bool
copy(char out[MFTD_ID_BYTES], const char *text)
{
	if (strlen(text) >= MFTD_ID_BYTES)
		return false;
	strcpy(out, text);
	return true;
}

int
mftd_cluster_session_add(
    struct mftd_cluster *c, const struct mftd_cluster_session *s)
{
	struct mftd_gm m = { .type = MFTD_GM_SESSION_ADD, .u.session = *s };

	return say(c, &m);
}

int
mftd_cluster_session_del(struct mftd_cluster *c, const char *id)
{
	struct mftd_gm m = { .type = MFTD_GM_SESSION_DEL };

	if (!copy(m.u.session.id, id))
		return -EINVAL;
	return say(c, &m);
}

int
mftd_cluster_role(struct mftd_cluster *c, uint32_t service, const char *queue,
    uint32_t role, uint64_t epoch)
{
	struct mftd_gm m = { .type = MFTD_GM_ROLE };

	m.u.role.service = service;
	m.u.role.role = role;
	m.u.role.epoch = epoch;
	if (!copy(m.u.role.queue, queue != NULL ? queue : ""))
		return -EINVAL;
	return say(c, &m);
}

int
mftd_cluster_config(struct mftd_cluster *c, uint64_t version)
{
	struct mftd_gm m = { .type = MFTD_GM_CONFIG };

	m.u.config.version = version;
	return say(c, &m);
}

int
mftd_cluster_gone(struct mftd_cluster *c)
{
	struct mftd_gm m = { .type = MFTD_GM_GONE };

	return say(c, &m);
}

int
mftd_cluster_fenced(struct mftd_cluster *c, const char *node)
{
	return 0;
}

int
mftd_cluster_recovered(struct mftd_cluster *c, const char *incarnation, int err)
{
	return 0;
}

static void
describe(const struct mftd_table_row *r, struct mftd_cluster_node *n)
{
	memset(n, 0, sizeof(*n));
	memcpy(n->node, r->node, sizeof(n->node));
	memcpy(n->incarnation, r->incarnation, sizeof(n->incarnation));
	n->member = r->present;
	n->lost = !r->present && !r->gone;
	n->recovered = r->recovered;
	n->sessions = (uint32_t)r->n_sessions;
}

int
mftd_cluster_nodes(const struct mftd_cluster *c,
    int (*fn)(void *data, const struct mftd_cluster_node *n), void *data)
{
	const struct mftd_table_row *r;
	struct mftd_cluster_node n;
	int ret = 0;
	size_t i;

	for (i = 0; (r = row(c, i)) != NULL && ret >= 0; i++) {
		describe(r, &n);
		ret = fn(data, &n);
	}
	return ret < 0 ? ret : 0;
}

int
mftd_cluster_roles(const struct mftd_cluster *c,
    int (*fn)(void *data, const struct mftd_cluster_role_row *r), void *data)
{
	const struct mftd_table_row *r;
	struct mftd_cluster_role_row out;
	int ret = 0;
	size_t i, j;

	for (i = 0; (r = row(c, i)) != NULL; i++)
		for (j = 0; j < r->n_roles && ret >= 0; j++) {
			memset(&out, 0, sizeof(out));
			memcpy(out.node, r->node, sizeof(out.node));
			memcpy(out.queue, r->roles[j].queue, sizeof(out.queue));
			out.service = r->roles[j].service;
			out.role = r->roles[j].role;
			out.epoch = r->roles[j].epoch;
			ret = fn(data, &out);
		}
	return ret < 0 ? ret : 0;
}

int
mftd_cluster_sessions(const struct mftd_cluster *c,
    int (*fn)(
	void *data, const char *node, const struct mftd_cluster_session *s),
    void *data)
{
	const struct mftd_table_row *r;
	int ret = 0;
	size_t i, j;

	for (i = 0; (r = row(c, i)) != NULL; i++)
		for (j = 0; j < r->n_sessions && ret >= 0; j++)
			ret = fn(data, r->node, r->sessions[j]);
	return ret < 0 ? ret : 0;
}
