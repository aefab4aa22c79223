/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "mftd/base/limits.h"
#include "mftd/cluster/group.h"
#include "mftd/ipc/soon.h"

/* One node alone: what is said comes back from the loop. */

struct note {
	STAILQ_ENTRY(note) entry;
	size_t len;
	uint8_t data[];
};

struct local {
	struct mftd_group group;
	qb_loop_t *loop;
	const struct mftd_group_events *events;
	void *data;
	STAILQ_HEAD(, note) notes;
	size_t n_notes;
	bool told, job;
	qb_loop_timer_handle turn; /* while job */
};

static void deliver_all(void *data);

static int
schedule(struct local *l)
{
	int ret = 0;

	if (!l->job)
		ret = mftd_soon(l->loop, QB_LOOP_MED, l, deliver_all, &l->turn);
	if (ret == 0)
		l->job = true;
	return ret;
}

static void
tell_first(struct local *l)
{
	const struct mftd_group_change change = { .members = &l->group.me,
		.n_members = 1 };

	l->told = true;
	l->events->change(l->data, &change);
	l->events->quorum(l->data, MFTD_QUORUM_YES);
}

static void
deliver_all(void *data)
{
	struct local *l = data;
	struct note *n;
	size_t turn = l->n_notes;

	l->job = false;
	if (!l->told)
		tell_first(l);
	while (turn-- > 0) {
		n = STAILQ_FIRST(&l->notes);
		STAILQ_REMOVE_HEAD(&l->notes, entry);
		l->n_notes--;
		l->events->deliver(l->data, &l->group.me, n->data, n->len);
		free(n);
	}
	l->events->writable(l->data);
	if (l->n_notes > 0)
		(void)schedule(l);
}

static int
local_open(qb_loop_t *loop, void *arg, const struct mftd_group_events *events,
    void *data, struct mftd_group **out)
{
	struct local *l = calloc(1, sizeof(*l));
	int ret;

	if (l == NULL)
		return -ENOMEM;
	l->group.ops = &mftd_group_local;
	l->group.me.pid = (uint32_t)getpid();
	l->loop = loop;
	l->events = events;
	l->data = data;
	STAILQ_INIT(&l->notes);
	ret = schedule(l);
	if (ret < 0) {
		free(l);
		return ret;
	}
	*out = &l->group;
	return 0;
}

static int
local_send(struct mftd_group *g, const void *msg, size_t len)
{
	struct local *l = (struct local *)g;
	struct note *n;
	int ret;

	if (l->n_notes >= MFTD_GROUP_QUEUE_MAX)
		return -EAGAIN;
	n = malloc(sizeof(*n) + len);
	if (n == NULL)
		return -ENOMEM;
	n->len = len;
	memcpy(n->data, msg, len);
	ret = schedule(l);
	if (ret < 0) {
		free(n);
		return ret;
	}
	STAILQ_INSERT_TAIL(&l->notes, n, entry);
	l->n_notes++;
	return 0;
}

static void
local_close(struct mftd_group *g, bool alive)
{
	struct local *l = (struct local *)g;
	struct note *n;

	if (l->job)
		qb_loop_timer_del(l->loop, l->turn);
	while ((n = STAILQ_FIRST(&l->notes)) != NULL) {
		STAILQ_REMOVE_HEAD(&l->notes, entry);
		free(n);
	}
	free(l);
}

const struct mftd_group_ops mftd_group_local = {
	local_open,
	local_send,
	local_close,
};
