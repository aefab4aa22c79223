/* Part of mftd; see LICENSE. */
#include "mftd/cluster/quorum.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <corosync/corotypes.h>
#include <corosync/quorum.h>

struct mftd_votes {
	qb_loop_t *loop;
	const struct mftd_votes_events *events;
	void *data;
	quorum_handle_t handle;
	bool connected, polled;
	int fd; /* the handle's */
};

int
mftd_corosync_errno(int cs_error)
{
	switch (cs_error) {
	case CS_OK:
		return 0;
	case CS_ERR_TRY_AGAIN:
	case CS_ERR_QUEUE_FULL:
		return -EAGAIN;
	case CS_ERR_LIBRARY:
	case CS_ERR_BAD_HANDLE:
		return -ENOTCONN;
	case CS_ERR_ACCESS:
	case CS_ERR_SECURITY:
		return -EACCES;
	case CS_ERR_NO_MEMORY:
		return -ENOMEM;
	case CS_ERR_TOO_BIG:
		return -EMSGSIZE;
	case CS_ERR_TIMEOUT:
		return -ETIMEDOUT;
	default:
		return -EIO;
	}
}

static void
on_notify(quorum_handle_t handle, uint32_t quorate,
    struct quorum_ring_id ring_id, uint32_t n, const uint32_t *members)
{
	const void *context;
	const struct mftd_votes *v;
	struct mftd_ring ring = { true, ring_id.nodeid, ring_id.seq };

	if (quorum_context_get(handle, &context) != CS_OK)
		return;
	v = context;
	v->events->votes(v->data, &ring, quorate != 0);
}

static void
on_nodes(quorum_handle_t handle, struct quorum_ring_id ring_id, uint32_t n,
    const uint32_t *members, uint32_t n_joined, const uint32_t *joined,
    uint32_t n_left, const uint32_t *left)
{
	/* CPG tells who is there. */
}

static int
on_readable(int32_t fd, int32_t revents, void *data)
{
	struct mftd_votes *v = data;
	cs_error_t err = CS_OK;

	if ((revents & POLLIN) != 0)
		err = quorum_dispatch(v->handle, CS_DISPATCH_ALL);
	if ((err == CS_OK || err == CS_ERR_TRY_AGAIN) &&
	    (revents & (POLLHUP | POLLERR | POLLNVAL)) == 0)
		return 0;
	qb_loop_poll_del(v->loop, fd);
	v->polled = false;
	v->events->lost(v->data, "Corosync's quorum service hung up");
	return -1;
}

static int
start(struct mftd_votes *v)
{
	quorum_model_v1_data_t model = { .model = QUORUM_MODEL_V1,
		.quorum_notify_fn = on_notify,
		.nodelist_notify_fn = on_nodes };
	uint32_t type;
	int ret;

	ret = mftd_corosync_errno(quorum_model_initialize(&v->handle,
	    QUORUM_MODEL_V1, (quorum_model_data_t *)&model, &type, v));
	if (ret < 0)
		return ret;
	v->connected = true;
	ret = mftd_corosync_errno(quorum_fd_get(v->handle, &v->fd));
	if (ret == 0)
		ret = mftd_corosync_errno(quorum_trackstart(
		    v->handle, CS_TRACK_CURRENT | CS_TRACK_CHANGES));
	if (ret == 0)
		ret = qb_loop_poll_add(
		    v->loop, QB_LOOP_HIGH, v->fd, POLLIN, v, on_readable);
	v->polled = ret == 0;
	return ret;
}

int
mftd_votes_open(qb_loop_t *loop, const struct mftd_votes_events *events,
    void *data, struct mftd_votes **out)
{
	struct mftd_votes *v = calloc(1, sizeof(*v));
	int ret;

	if (v == NULL)
		return -ENOMEM;
	v->loop = loop;
	v->events = events;
	v->data = data;
	v->fd = -1;
	ret = start(v);
	if (ret < 0)
		mftd_votes_close(v, true);
	else
		*out = v;
	return ret;
}

void
mftd_votes_close(struct mftd_votes *v, bool alive)
{
	if (v == NULL)
		return;
	if (v->polled)
		qb_loop_poll_del(v->loop, v->fd);
	if (v->connected) {
		if (!alive) /* finalize asks the service, and would wait */
			(void)shutdown(v->fd, SHUT_RDWR);
		(void)quorum_finalize(v->handle);
	}
	free(v);
}
