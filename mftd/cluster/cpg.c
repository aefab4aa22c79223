/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <corosync/corotypes.h>
#include <corosync/cpg.h>

#include "mftd/cluster/group.h"
#include "mftd/cluster/quorum.h"

/*
 * Corosync's closed process groups and its quorum, as one transport.  Both name
 * the totem configuration that they speak of, so quorum is believed only for
 * the one that CPG is in (cpg_model_initialize(3), quorum_model_initialize(3)).
 */

#define GROUP_NAME "mftd"
#define RETRY_MS 20 /* after CS_ERR_TRY_AGAIN */

struct cpg {
	struct mftd_group group;
	qb_loop_t *loop;
	const struct mftd_group_events *events;
	void *data;
	cpg_handle_t handle;
	bool connected, polled, lost;
	int fd; /* the handle's */
	qb_loop_timer_handle retry;
	bool retrying;
	struct mftd_votes *votes;
	struct mftd_ring ring, voted; /* CPG's; that of the vote */
	bool quorate; /* voted */
	enum mftd_quorum told;
};

static void
lose(struct cpg *g, const char *why)
{
	if (g->lost)
		return;
	g->lost = true;
	g->events->lost(g->data, why);
}

/* ---- quorum */

static enum mftd_quorum
judge(const struct cpg *g)
{
	if (g->voted.known && !g->quorate)
		return MFTD_QUORUM_NO;
	if (!g->voted.known || !g->ring.known ||
	    g->voted.nodeid != g->ring.nodeid || g->voted.seq != g->ring.seq)
		return MFTD_QUORUM_UNKNOWN;
	return MFTD_QUORUM_YES;
}

static void
tell_quorum(struct cpg *g)
{
	enum mftd_quorum quorum = judge(g);

	if (quorum == g->told)
		return;
	g->told = quorum;
	g->events->quorum(g->data, quorum);
}

static void
on_votes(void *data, const struct mftd_ring *ring, bool quorate)
{
	struct cpg *g = data;

	g->voted = *ring;
	g->quorate = quorate;
	tell_quorum(g);
}

static void
on_votes_lost(void *data, const char *why)
{
	lose(data, why);
}

static const struct mftd_votes_events votes_events = { on_votes,
	on_votes_lost };

/* ---- callbacks of libcpg */

static struct cpg *
cpg_of(cpg_handle_t handle)
{
	void *context = NULL;

	return cpg_context_get(handle, &context) == CS_OK ? context : NULL;
}

static void
on_deliver(cpg_handle_t handle, const struct cpg_name *name, uint32_t nodeid,
    uint32_t pid, void *msg, size_t len)
{
	const struct mftd_gm_member from = { nodeid, pid };
	struct cpg *g = cpg_of(handle);

	if (g != NULL && !g->lost)
		g->events->deliver(g->data, &from, msg, len);
}

static size_t
members_of(const struct cpg_address *list, size_t n,
    struct mftd_gm_member out[MFTD_GROUP_MEMBERS_MAX])
{
	size_t i;

	if (n > MFTD_GROUP_MEMBERS_MAX)
		n = MFTD_GROUP_MEMBERS_MAX; /* libcpg's own bound */
	for (i = 0; i < n; i++)
		out[i] =
		    (struct mftd_gm_member) { list[i].nodeid, list[i].pid };
	return n;
}

static void
on_change(cpg_handle_t handle, const struct cpg_name *name,
    const struct cpg_address *members, size_t n_members,
    const struct cpg_address *left, size_t n_left,
    const struct cpg_address *joined, size_t n_joined)
{
	struct mftd_gm_member now[MFTD_GROUP_MEMBERS_MAX];
	struct mftd_gm_member gone[MFTD_GROUP_MEMBERS_MAX];
	struct mftd_group_change change = { now, gone, 0, 0 };
	struct cpg *g = cpg_of(handle);

	if (g == NULL || g->lost)
		return;
	change.n_members = members_of(members, n_members, now);
	change.n_left = members_of(left, n_left, gone);
	g->events->change(g->data, &change);
}

static void
on_ring(cpg_handle_t handle, struct cpg_ring_id ring_id, uint32_t n,
    const uint32_t *members)
{
	struct cpg *g = cpg_of(handle);

	if (g == NULL || g->lost)
		return;
	g->ring = (struct mftd_ring) { true, ring_id.nodeid, ring_id.seq };
	tell_quorum(g);
}

/* ---- the loop */

static int
on_readable(int32_t fd, int32_t revents, void *data)
{
	struct cpg *g = data;
	cs_error_t err = CS_OK;

	if ((revents & POLLIN) != 0)
		err = cpg_dispatch(g->handle, CS_DISPATCH_ALL);
	if ((err == CS_OK || err == CS_ERR_TRY_AGAIN) &&
	    (revents & (POLLHUP | POLLERR | POLLNVAL)) == 0)
		return 0;
	qb_loop_poll_del(g->loop, fd);
	g->polled = false;
	lose(g, "Corosync hung up");
	return -1;
}

static void
on_retry(void *data)
{
	struct cpg *g = data;

	g->retrying = false;
	if (!g->lost)
		g->events->writable(g->data);
}

static int
retry_later(struct cpg *g)
{
	int ret = 0;

	if (!g->retrying)
		ret = qb_loop_timer_add(g->loop, QB_LOOP_MED,
		    (uint64_t)RETRY_MS * 1000000, g, on_retry, &g->retry);
	if (ret == 0)
		g->retrying = true;
	return ret;
}

/* ---- the transport */

static void
cpg_close(struct mftd_group *group, bool alive)
{
	struct cpg *g = (struct cpg *)group;

	if (g->retrying)
		qb_loop_timer_del(g->loop, g->retry);
	if (g->polled)
		qb_loop_poll_del(g->loop, g->fd);
	mftd_votes_close(g->votes, alive);
	if (g->connected) {
		/* Finalize asks Corosync and waits without end for an answer;
		 * with the socket shut it fails at once, and Corosync sees this
		 * process leave all the same. */
		if (!alive)
			(void)shutdown(g->fd, SHUT_RDWR);
		(void)cpg_finalize(g->handle);
	}
	free(g);
}

static int
join(struct cpg *g)
{
	cpg_model_v1_data_t model = { .model = CPG_MODEL_V1,
		.cpg_deliver_fn = on_deliver,
		.cpg_confchg_fn = on_change,
		.cpg_totem_confchg_fn = on_ring,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF };
	struct cpg_name name = { .length = sizeof(GROUP_NAME) - 1,
		.value = GROUP_NAME };
	unsigned int nodeid;
	int ret;

	ret = mftd_corosync_errno(cpg_model_initialize(
	    &g->handle, CPG_MODEL_V1, (cpg_model_data_t *)&model, g));
	if (ret < 0)
		return ret;
	g->connected = true;
	ret = mftd_corosync_errno(cpg_fd_get(g->handle, &g->fd));
	if (ret == 0)
		ret = mftd_corosync_errno(cpg_local_get(g->handle, &nodeid));
	if (ret == 0)
		ret = mftd_corosync_errno(cpg_join(g->handle, &name));
	if (ret < 0)
		return ret;
	g->group.me = (struct mftd_gm_member) { nodeid, (uint32_t)getpid() };
	ret = qb_loop_poll_add(
	    g->loop, QB_LOOP_HIGH, g->fd, POLLIN, g, on_readable);
	g->polled = ret == 0;
	return ret;
}

static int
open_group(qb_loop_t *loop, void *arg, const struct mftd_group_events *events,
    void *data, struct mftd_group **out)
{
	struct cpg *g = calloc(1, sizeof(*g));
	int ret;

	if (g == NULL)
		return -ENOMEM;
	g->group.ops = &mftd_group_cpg;
	g->loop = loop;
	g->events = events;
	g->data = data;
	g->fd = -1;
	ret = mftd_votes_open(loop, &votes_events, g, &g->votes);
	if (ret == 0)
		ret = join(g);
	if (ret < 0)
		cpg_close(&g->group, true);
	else
		*out = &g->group;
	return ret;
}

static int
send_group(struct mftd_group *group, const void *msg, size_t len)
{
	struct cpg *g = (struct cpg *)group;
	/* The library only reads it. */
	struct iovec iov = { (void *)(uintptr_t)msg, len };
	int ret;

	if (g->lost)
		return -ENOTCONN;
	ret = mftd_corosync_errno(
	    cpg_mcast_joined(g->handle, CPG_TYPE_AGREED, &iov, 1));
	if (ret == -EAGAIN && retry_later(g) < 0)
		return -ENOMEM;
	return ret;
}

const struct mftd_group_ops mftd_group_cpg = {
	open_group,
	send_group,
	cpg_close,
};
