/* Part of mftd; see LICENSE. */
#include "mftd/inbound/waiting.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mftd/inbound/proxy.h"

struct connection {
	struct connection *next;
	struct mftd_waiting *w;
	int fd;
	size_t len;
	qb_loop_timer_handle timer;
	char balancer[MFTD_ADDR_BYTES];
	uint8_t bytes[MFTD_PROXY_BYTES];
};

struct mftd_waiting {
	qb_loop_t *loop;
	mftd_waiting_fn fn;
	void *data;
	struct connection *list;
	int n;
};

struct mftd_waiting *
mftd_waiting_new(qb_loop_t *loop, mftd_waiting_fn fn, void *data)
{
	struct mftd_waiting *w = calloc(1, sizeof(*w));

	if (w != NULL) {
		w->loop = loop;
		w->fn = fn;
		w->data = data;
	}
	return w;
}

/* Out of the list and the loop; timed: its timer is over already. */
static void
take_out(struct connection *c, bool timed)
{
	struct connection **at = &c->w->list;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->w->n--;
	qb_loop_poll_del(c->w->loop, c->fd);
	if (!timed)
		qb_loop_timer_del(c->w->loop, c->timer);
}

static void
finish(struct connection *c, bool timed, const char *peer, const char *why)
{
	take_out(c, timed);
	c->w->fn(c->w->data, c->fd, peer, why);
	close(c->fd);
	free(c);
}

void
mftd_waiting_free(struct mftd_waiting *w)
{
	struct connection *c;

	if (w == NULL)
		return;
	while ((c = w->list) != NULL) {
		take_out(c, false);
		close(c->fd);
		free(c);
	}
	free(w);
}

static void
on_late(void *data)
{
	finish(data, true, NULL, "no PROXY header in time");
}

/* Drops n bytes that were looked at from the socket. */
static bool
drop(int fd, void *bytes, size_t n)
{
	return n == 0 || recv(fd, bytes, n, MSG_DONTWAIT) == (ssize_t)n;
}

static int
on_bytes(int fd, int revents, void *data)
{
	struct connection *c = data;
	struct mftd_proxy p;
	ssize_t got;
	int n;

	got = recv(fd, c->bytes + c->len, sizeof(c->bytes) - c->len,
	    MSG_PEEK | MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0) {
		finish(c, false, NULL, "closed before its PROXY header");
		return 0;
	}
	n = mftd_proxy_parse(c->bytes, c->len + (size_t)got, &p);
	if (n < 0) {
		finish(c, false, NULL, "no PROXY header");
		return 0;
	}
	/* what belongs to the header is taken, so that poll waits for more */
	got = n > 0 ? (ssize_t)((size_t)n - c->len) : got;
	if (!drop(fd, c->bytes + c->len, (size_t)got)) {
		finish(c, false, NULL, "cannot read its PROXY header");
		return 0;
	}
	c->len += (size_t)got;
	if (n > 0)
		finish(c, false, p.known ? p.peer : c->balancer, NULL);
	return 0;
}

int
mftd_waiting_add(struct mftd_waiting *w, int fd, const char *balancer)
{
	struct connection *c;
	int r;

	if (w->n == MFTD_PROXY_WAITING_MAX)
		return -ENOSPC;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->w = w;
	c->fd = fd;
	snprintf(c->balancer, sizeof(c->balancer), "%s", balancer);
	r = qb_loop_timer_add(w->loop, QB_LOOP_MED,
	    (uint64_t)MFTD_PROXY_S * 1000000000, c, on_late, &c->timer);
	if (r == 0) {
		r = qb_loop_poll_add(
		    w->loop, QB_LOOP_MED, fd, POLLIN, c, on_bytes);
		if (r < 0)
			qb_loop_timer_del(w->loop, c->timer);
	}
	if (r < 0) {
		free(c);
		return r;
	}
	c->next = w->list;
	w->list = c;
	w->n++;
	return 0;
}
