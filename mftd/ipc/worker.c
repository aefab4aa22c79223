/* Part of mftd; see LICENSE. */
#include "mftd/ipc/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include <qb/qbdefs.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/soon.h"

/* A packet or two of each channel per turn: none starves the others. */
#define MESSAGES_PER_TURN 64

/* A channel in the loop. */
struct attached {
	struct mftd_worker *w;
	struct mftd_chan *c;
	const struct mftd_link *link;
	bool dead; /* detached; freed by a job */
	bool writing; /* POLLOUT is asked for */
	struct attached *next;
};

static struct attached *
find(struct mftd_worker *w, const struct mftd_chan *c)
{
	struct attached *a;

	for (a = w->attached; a != NULL; a = a->next)
		if (a->c == c && !a->dead)
			return a;
	return NULL;
}

static const struct mftd_link *
find_link(const struct mftd_worker *w, enum mftd_proc proc)
{
	size_t i;

	for (i = 0; i < w->n_links; i++)
		if (w->links[i].peer == proc)
			return &w->links[i];
	return NULL;
}

static int channel_ready(int fd, int revents, void *data);

static void
set_writing(struct attached *a, bool on)
{
	if (a->dead || a->writing == on)
		return;
	a->writing = on;
	qb_loop_poll_mod(a->w->loop, QB_LOOP_MED, mftd_chan_fd(a->c),
	    POLLIN | (on ? POLLOUT : 0), a, channel_ready);
}

static void
reap(void *data)
{
	struct attached *a = data, **at;

	for (at = &a->w->attached; *at != NULL; at = &(*at)->next)
		if (*at == a) {
			*at = a->next;
			break;
		}
	if (a->link != NULL && a->link->down != NULL)
		a->link->down(a->w->data, a->c);
	mftd_chan_free(a->c);
	free(a);
}

static void
bury(struct attached *a)
{
	if (a->dead)
		return;
	a->dead = true;
	qb_loop_poll_del(a->w->loop, mftd_chan_fd(a->c));
	if (mftd_soon(a->w->loop, QB_LOOP_HIGH, a, reap, NULL) < 0)
		log_error("no memory to end a channel");
	if (mftd_chan_proc(a->c) == MFTD_PROC_PARENT)
		mftd_worker_stop(a->w);
}

static int
on_peer(struct mftd_worker *w, struct mftd_msg *m)
{
	const struct mftd_msg_peer *p = m->data;

	if (find_link(w, (enum mftd_proc)p->proc) == NULL)
		return -MFTD_E_PROTOCOL;
	if (mftd_worker_attach(w, m->fds[0], (enum mftd_proc)p->proc,
		p->instance, NULL) == NULL)
		return -ENOMEM;
	m->fds[0] = -1;
	return 0;
}

static int
dispatch(struct attached *a, struct mftd_msg *m)
{
	const struct mftd_msg_none none = { 0 };
	const struct mftd_handler *h;

	if (mftd_chan_proc(a->c) == MFTD_PROC_PARENT) {
		if (m->type == MFTD_MSG_PEER)
			return on_peer(a->w, m);
		if (m->type == MFTD_MSG_STOP) {
			mftd_worker_stop(a->w);
			return 0;
		}
		if (m->type == MFTD_MSG_PING)
			return mftd_worker_send(
			    a->w, a->c, MFTD_MSG_PONG, 0, &none, sizeof(none));
	}
	if (a->link == NULL)
		return -MFTD_E_PROTOCOL;
	for (h = a->link->handlers; h != NULL && h->type != 0; h++)
		if (h->type == m->type)
			return h->handle(a->w->data, a->c, m);
	return -MFTD_E_PROTOCOL;
}

/* Says why a channel ends, where it is not simply closed. */
static void
complain(const struct attached *a, uint32_t type, int err)
{
	if (err == -MFTD_E_CLOSED)
		return;
	log_warn("channel to %s %s given up (message %s): %s",
	    mftd_proc_name(mftd_chan_proc(a->c)), mftd_chan_instance(a->c),
	    mftd_msg_name(type), mftd_strerror(err));
}

static int
channel_ready(int fd, int revents, void *data)
{
	struct attached *a = data;
	struct mftd_msg m = { 0 };
	int i, r = 0;

	if (a->dead)
		return 0;
	if ((revents & POLLOUT) != 0) {
		r = mftd_chan_flush(a->c);
		if (r == 0)
			set_writing(a, false);
		else if (r == -EAGAIN)
			r = 0;
	}
	for (i = 0; r == 0 && !a->dead && i < MESSAGES_PER_TURN; i++) {
		r = mftd_chan_recv(a->c, &m);
		if (r == -EAGAIN)
			return 0;
		if (r == 0) {
			r = dispatch(a, &m);
			mftd_msg_close(&m);
		}
	}
	if (r < 0 && !a->dead) {
		complain(a, m.type, r);
		bury(a);
	}
	return 0;
}

struct mftd_chan *
mftd_worker_attach(struct mftd_worker *w, int fd, enum mftd_proc proc,
    const char *instance, void *data)
{
	struct attached *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->c = mftd_chan_new(fd, proc, instance);
	if (a->c == NULL) {
		free(a);
		return NULL;
	}
	a->w = w;
	a->link = find_link(w, proc);
	mftd_chan_set_data(a->c, data);
	if (qb_loop_poll_add(
		w->loop, QB_LOOP_MED, fd, POLLIN, a, channel_ready) < 0) {
		/* the descriptor stays the caller's: free only our part */
		mftd_chan_release(a->c);
		free(a);
		return NULL;
	}
	a->next = w->attached;
	w->attached = a;
	if (a->link != NULL && a->link->up != NULL)
		a->link->up(w->data, a->c);
	return a->c;
}

void
mftd_worker_detach(struct mftd_worker *w, struct mftd_chan *c)
{
	struct attached *a = find(w, c);

	if (a != NULL)
		bury(a);
}

/* After a send with result r: what waits is sent by the loop, and a peer that
 * takes nothing any more is given up. */
static int
after_send(struct attached *a, uint32_t type, int r)
{
	if (r < 0) {
		complain(a, type, r);
		bury(a);
		return r;
	}
	set_writing(a, mftd_chan_pending(a->c));
	return 0;
}

int
mftd_worker_send_fds(struct mftd_worker *w, struct mftd_chan *c, uint32_t type,
    uint64_t ref, const void *data, size_t len, const int *fds, int n_fds)
{
	struct attached *a = c != NULL ? find(w, c) : NULL;

	if (a == NULL)
		return -MFTD_E_CLOSED;
	return after_send(
	    a, type, mftd_chan_send(c, type, ref, data, len, fds, n_fds));
}

int
mftd_worker_send(struct mftd_worker *w, struct mftd_chan *c, uint32_t type,
    uint64_t ref, const void *data, size_t len)
{
	return mftd_worker_send_fds(w, c, type, ref, data, len, NULL, 0);
}

int
mftd_worker_send_tail(struct mftd_worker *w, struct mftd_chan *c, uint32_t type,
    uint64_t ref, const void *data, size_t len, const void *tail,
    size_t tail_len)
{
	struct attached *a = c != NULL ? find(w, c) : NULL;

	if (a == NULL)
		return -MFTD_E_CLOSED;
	return after_send(a, type,
	    mftd_chan_send_tail(c, type, ref, data, len, tail, tail_len));
}

int
mftd_worker_init(struct mftd_worker *w, const struct mftd_link *links,
    size_t n_links, void *data)
{
	w->links = links;
	w->n_links = n_links;
	w->data = data;
	w->loop = qb_loop_create();
	if (w->loop == NULL)
		return -ENOMEM;
	w->parent =
	    mftd_worker_attach(w, w->parent_fd, MFTD_PROC_PARENT, "", NULL);
	return w->parent != NULL ? 0 : -ENOMEM;
}

int
mftd_worker_ready(struct mftd_worker *w)
{
	const struct mftd_msg_none none = { 0 };

	return mftd_worker_send(
	    w, w->parent, MFTD_MSG_READY, 0, &none, sizeof(none));
}

void
mftd_worker_run(struct mftd_worker *w)
{
	/* qb_loop_run forgets what qb_loop_stop said before it */
	if (!w->stopped)
		qb_loop_run(w->loop);
}

void
mftd_worker_stop(struct mftd_worker *w)
{
	w->stopped = true;
	qb_loop_stop(w->loop);
}

int
mftd_worker_timer(
    struct mftd_worker *w, int ms, void (*fn)(void *data), void *data)
{
	qb_loop_timer_handle handle;

	return qb_loop_timer_add(w->loop, QB_LOOP_MED,
	    (uint64_t)ms * QB_TIME_NS_IN_MSEC, data, fn, &handle);
}
