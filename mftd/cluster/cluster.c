/* Part of mftd; see LICENSE. */
#include "mftd/cluster/cluster.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/cluster/engine.h"
#include "mftd/ipc/msg_node.h"

int
mftd_cluster_open(qb_loop_t *loop, const struct mftd_cluster_conf *conf,
    struct mftd_lease *lease, const struct mftd_cluster_events *events,
    void *data, struct mftd_cluster **out)
{
	return mftd_engine_open(loop, conf, lease, events, data,
	    conf->standalone ? &mftd_group_local : &mftd_group_cpg, NULL, out);
}

bool
mftd_cluster_ready(const struct mftd_cluster *c)
{
	return !c->dead && c->table != NULL && c->quorum == MFTD_QUORUM_YES &&
	    c->view_quorate;
}

bool
mftd_cluster_quorate(const struct mftd_cluster *c)
{
	return !c->dead && c->quorate;
}

static const struct mftd_table_row *
row(const struct mftd_cluster *c, size_t i)
{
	return c->table != NULL ? mftd_table_row(c->table, i) : NULL;
}

bool
mftd_cluster_founder(const struct mftd_cluster *c)
{
	return !c->dead && c->table != NULL && !c->joined;
}

bool
mftd_cluster_settled(const struct mftd_cluster *c)
{
	return !c->dead && c->outbox.n == 0;
}

/* ---- said */

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

	if (c->said_gone)
		return -ESTALE;
	return mftd_engine_say(c, &m);
}

int
mftd_cluster_session_del(struct mftd_cluster *c, const char *id)
{
	struct mftd_gm m = { .type = MFTD_GM_SESSION_DEL };

	if (!copy(m.u.session.id, id))
		return -EINVAL;
	return mftd_engine_say(c, &m);
}

/* A reason for the wire: whatever it says, it must not be refused. */
static void
copy_text(char out[MFTD_ADDR_BYTES], const char *text)
{
	size_t i;

	for (i = 0; i < MFTD_ADDR_BYTES - 1 && text[i] != '\0'; i++)
		out[i] = (char)(text[i] < ' ' || text[i] > '~' ? '?' : text[i]);
	out[i] = '\0';
}

static bool
session_known(const struct mftd_cluster *c, const char *id)
{
	const struct mftd_table_row *r;
	size_t i, j;

	for (i = 0; (r = row(c, i)) != NULL; i++)
		for (j = 0; j < r->n_sessions; j++)
			if (strcmp(r->sessions[j]->id, id) == 0)
				return true;
	return false;
}

int
mftd_cluster_session_end(
    struct mftd_cluster *c, const char *id, const char *reason)
{
	struct mftd_gm m = { .type = MFTD_GM_SESSION_END };

	if (!copy(m.u.session.id, id))
		return -EINVAL;
	if (!session_known(c, id))
		return -ENOENT;
	copy_text(m.u.session.end, reason[0] != '\0' ? reason : "ended");
	return mftd_engine_say(c, &m);
}

int
mftd_cluster_ban(struct mftd_cluster *c, const struct mftd_cluster_ban *ban)
{
	struct mftd_gm m = { .type = MFTD_GM_BAN };

	if (!copy(m.u.ban.row.net, ban->net))
		return -EINVAL;
	copy_text(m.u.ban.row.why, ban->why);
	m.u.ban.row.until_us = ban->until_us;
	m.u.ban.said_us = mftd_clock_wall_us();
	return mftd_engine_say(c, &m);
}

int
mftd_cluster_unban(struct mftd_cluster *c, const char *net)
{
	struct mftd_gm m = { .type = MFTD_GM_UNBAN };
	const struct mftd_cluster_ban *ban;
	size_t i;

	if (!copy(m.u.ban.row.net, net))
		return -EINVAL;
	for (i = 0;
	     c->table != NULL && (ban = mftd_table_ban(c->table, i)) != NULL;
	     i++)
		if (strcmp(ban->net, net) == 0)
			return mftd_engine_say(c, &m);
	return -ENOENT;
}

int
mftd_cluster_role(struct mftd_cluster *c, uint32_t service, const char *queue,
    uint32_t role, uint64_t epoch)
{
	struct mftd_gm m = { .type = MFTD_GM_ROLE };

	if (c->said_gone && role != MFTD_ROLE_STOPPED)
		return -ESTALE;
	m.u.role.service = service;
	m.u.role.role = role;
	m.u.role.epoch = epoch;
	if (!copy(m.u.role.queue, queue != NULL ? queue : ""))
		return -EINVAL;
	return mftd_engine_say(c, &m);
}

int
mftd_cluster_config(struct mftd_cluster *c, uint64_t version)
{
	struct mftd_gm m = { .type = MFTD_GM_CONFIG };

	m.u.config.version = version;
	return mftd_engine_say(c, &m);
}

int
mftd_cluster_gone(struct mftd_cluster *c)
{
	struct mftd_gm m = { .type = MFTD_GM_GONE };
	int ret;

	if (c->said_gone)
		return 0;
	ret = mftd_engine_say(c, &m);
	if (ret < 0)
		return ret;
	c->said_gone = true;
	if (!c->in_event)
		mftd_engine_flush(c); /* close may follow at once */
	return 0;
}

/* By incarnation, as this node's table has it now: what is lost later is not
 * meant. */
static int
say_fenced(struct mftd_cluster *c, const struct mftd_table_row *r)
{
	struct mftd_gm m = { .type = MFTD_GM_FENCED };

	log_info("group: %s is confirmed to be gone", r->incarnation);
	memcpy(m.u.incarnation.incarnation, r->incarnation, MFTD_ID_BYTES);
	return mftd_engine_say(c, &m);
}

int
mftd_cluster_fenced(struct mftd_cluster *c, const char *node)
{
	const struct mftd_table_row *r;
	bool here = false, said = false;
	int ret = 0;
	size_t i;

	for (i = 0; (r = row(c, i)) != NULL && ret == 0; i++) {
		if (strcmp(r->node, node) != 0 || r->gone)
			continue;
		if (r->present) {
			here = true;
			continue;
		}
		ret = say_fenced(c, r);
		said = true;
	}
	return ret == 0 && here && !said ? -EBUSY : ret;
}

int
mftd_cluster_recovered(struct mftd_cluster *c, const char *incarnation, int err)
{
	struct mftd_gm m = { .type = MFTD_GM_RECOVERED };
	const struct mftd_table_row *r;

	if (c->table == NULL)
		return -ENOENT;
	r = mftd_table_find(c->table, incarnation);
	if (r == NULL || strcmp(r->claimer, c->self.incarnation) != 0)
		return -ENOENT;
	memcpy(m.u.incarnation.incarnation, r->incarnation, MFTD_ID_BYTES);
	m.u.incarnation.failed = err != 0 ? 1 : 0;
	return mftd_engine_say(c, &m);
}

/* ---- shown */

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
			out.member = r->present;
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

int
mftd_cluster_bans(const struct mftd_cluster *c,
    int (*fn)(void *data, const struct mftd_cluster_ban *ban), void *data)
{
	const struct mftd_cluster_ban *ban;
	int ret = 0;
	size_t i;

	if (c->table == NULL)
		return 0;
	for (i = 0; (ban = mftd_table_ban(c->table, i)) != NULL && ret >= 0;
	     i++)
		ret = fn(data, ban);
	return ret < 0 ? ret : 0;
}

/* The order of session id, 0 without; or with id NULL how many sessions of the
 * account there are below that order. */
static uint64_t
scan(const struct mftd_cluster *c, const char *account, const char *id,
    uint64_t below)
{
	const struct mftd_table_row *r;
	const struct mftd_cluster_session *s;
	uint64_t n = 0;
	size_t i, j;

	for (i = 0; (r = row(c, i)) != NULL; i++)
		for (j = 0; j < r->n_sessions; j++) {
			s = r->sessions[j];
			if (id != NULL && strcmp(s->id, id) == 0)
				return s->order;
			if (id == NULL && s->order < below &&
			    strcmp(s->account, account) == 0)
				n++;
		}
	return n;
}

int
mftd_cluster_session_rank(
    const struct mftd_cluster *c, const char *account, const char *id)
{
	uint64_t order = scan(c, account, id, 0);

	return order == 0 ? -ENOENT : (int)scan(c, account, NULL, order);
}
