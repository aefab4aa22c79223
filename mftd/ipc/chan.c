/* Part of mftd; see LICENSE. */
#include "mftd/ipc/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"

struct head {
	uint32_t type;
	uint32_t len; /* of what follows */
	uint64_t ref;
};

struct waiting {
	STAILQ_ENTRY(waiting) link;
	int fds[MFTD_MSG_FDS];
	int n_fds;
	size_t len;
	uint8_t bytes[];
};

struct mftd_chan {
	int fd;
	enum mftd_proc proc;
	char instance[MFTD_ID_BYTES];
	void *data;
	STAILQ_HEAD(, waiting) queue;
	int n_waiting;
	alignas(16) uint8_t in[MFTD_MSG_BYTES];
};

int
mftd_chan_pair(int fds[2])
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0, fds) < 0)
		return -errno;
	return 0;
}

struct mftd_chan *
mftd_chan_new(int fd, enum mftd_proc proc, const char *instance)
{
	struct mftd_chan *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->fd = fd;
	c->proc = proc;
	snprintf(c->instance, sizeof(c->instance), "%s", instance);
	STAILQ_INIT(&c->queue);
	return c;
}

static void
drop_first(struct mftd_chan *c)
{
	struct waiting *w = STAILQ_FIRST(&c->queue);
	int i;

	STAILQ_REMOVE_HEAD(&c->queue, link);
	c->n_waiting--;
	for (i = 0; i < w->n_fds; i++)
		mftd_fd_close(&w->fds[i]);
	free(w);
}

void
mftd_chan_free(struct mftd_chan *c)
{
	if (c == NULL)
		return;
	while (!STAILQ_EMPTY(&c->queue))
		drop_first(c);
	mftd_fd_close(&c->fd);
	free(c);
}

void
mftd_chan_release(struct mftd_chan *c)
{
	c->fd = -1;
	mftd_chan_free(c);
}

int
mftd_chan_fd(const struct mftd_chan *c)
{
	return c->fd;
}

enum mftd_proc
mftd_chan_proc(const struct mftd_chan *c)
{
	return c->proc;
}

const char *
mftd_chan_instance(const struct mftd_chan *c)
{
	return c->instance;
}

void
mftd_chan_set_data(struct mftd_chan *c, void *data)
{
	c->data = data;
}

void *
mftd_chan_data(const struct mftd_chan *c)
{
	return c->data;
}

int
mftd_chan_pending(const struct mftd_chan *c)
{
	return c->n_waiting > 0;
}

/* One sendmsg of a whole packet.  0, -EAGAIN or -MFTD_E_CLOSED. */
static int
send_packet(int fd, struct iovec *iov, int n_iov, const int *fds, int n_fds)
{
	alignas(struct cmsghdr) char
	    space[CMSG_SPACE(sizeof(int) * MFTD_MSG_FDS)] = { 0 };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n_iov };
	struct cmsghdr *cm;
	ssize_t n;

	if (n_fds > 0) {
		msg.msg_control = space;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n_fds);
		cm = CMSG_FIRSTHDR(&msg);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n_fds);
		memcpy(CMSG_DATA(cm), fds, sizeof(int) * (size_t)n_fds);
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	/* ENOBUFS, ETOOMANYREFS: the kernel's bound, passing like a full one */
	if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
		return -EAGAIN;
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
		return -MFTD_E_CLOSED;
	return -errno;
}

int
mftd_chan_flush(struct mftd_chan *c)
{
	struct waiting *w;
	struct iovec iov;
	int r;

	while ((w = STAILQ_FIRST(&c->queue)) != NULL) {
		iov.iov_base = w->bytes;
		iov.iov_len = w->len;
		r = send_packet(c->fd, &iov, 1, w->fds, w->n_fds);
		if (r < 0)
			return r;
		drop_first(c);
	}
	return 0;
}

/* Keeps a copy of the packet, with duplicates of its descriptors. */
static int
enqueue(struct mftd_chan *c, const struct iovec *iov, int n_iov, const int *fds,
    int n_fds)
{
	struct waiting *w;
	size_t len = 0;
	int i;

	if (c->n_waiting >= MFTD_CHAN_QUEUE_MAX)
		return -ENOBUFS;
	for (i = 0; i < n_iov; i++)
		len += iov[i].iov_len;
	w = calloc(1, sizeof(*w) + len);
	if (w == NULL)
		return -ENOMEM;
	for (i = 0; i < n_iov; i++) {
		if (iov[i].iov_len > 0)
			memcpy(
			    w->bytes + w->len, iov[i].iov_base, iov[i].iov_len);
		w->len += iov[i].iov_len;
	}
	for (i = 0; i < n_fds; i++) {
		w->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (w->fds[i] < 0) {
			i = -errno;
			while (w->n_fds > 0)
				close(w->fds[--w->n_fds]);
			free(w);
			return i;
		}
		w->n_fds++;
	}
	STAILQ_INSERT_TAIL(&c->queue, w, link);
	c->n_waiting++;
	return 0;
}

static int
send_parts(struct mftd_chan *c, struct head *head, struct iovec *iov, int n_iov,
    const int *fds, int n_fds)
{
	int i, r;

	if (n_fds < 0 || n_fds > MFTD_MSG_FDS)
		return -EINVAL;
	for (i = 1; i < n_iov; i++)
		head->len += (uint32_t)iov[i].iov_len;
	if (head->len > MFTD_MSG_BYTES - sizeof(*head))
		return -EMSGSIZE;
	if (c->n_waiting > 0) {
		r = mftd_chan_flush(c);
		if (r < 0 && r != -EAGAIN)
			return r;
	}
	r = -EAGAIN;
	if (c->n_waiting == 0)
		r = send_packet(c->fd, iov, n_iov, fds, n_fds);
	if (r == -EAGAIN)
		r = enqueue(c, iov, n_iov, fds, n_fds);
	return r;
}

int
mftd_chan_send(struct mftd_chan *c, uint32_t type, uint64_t ref,
    const void *data, size_t len, const int *fds, int n_fds)
{
	struct head head = { .type = type, .ref = ref };
	struct iovec iov[2] = { { &head, sizeof(head) },
		{ (void *)(uintptr_t)data, len } };

	return send_parts(c, &head, iov, 2, fds, n_fds);
}

int
mftd_chan_send_tail(struct mftd_chan *c, uint32_t type, uint64_t ref,
    const void *data, size_t len, const void *tail, size_t tail_len)
{
	struct head head = { .type = type, .ref = ref };
	struct iovec iov[3] = { { &head, sizeof(head) },
		{ (void *)(uintptr_t)data, len },
		{ (void *)(uintptr_t)tail, tail_len } };

	return send_parts(c, &head, iov, 3, NULL, 0);
}

/* Takes the descriptors out of the control data, all of them, so that none is
 * left open by a message that is refused. */
static void
take_fds(struct msghdr *msg, struct mftd_msg *m)
{
	struct cmsghdr *cm;
	size_t i, n;
	int fd;

	for (cm = CMSG_FIRSTHDR(msg); cm != NULL; cm = CMSG_NXTHDR(msg, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++) {
			memcpy(
			    &fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			if (m->n_fds < MFTD_MSG_FDS)
				m->fds[m->n_fds++] = fd;
			else
				close(fd);
		}
	}
}

int
mftd_chan_recv(struct mftd_chan *c, struct mftd_msg *m)
{
	alignas(
	    struct cmsghdr) char space[CMSG_SPACE(sizeof(int) * MFTD_MSG_FDS)];
	struct iovec iov = { c->in, sizeof(c->in) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = space,
		.msg_controllen = sizeof(space) };
	struct head head;
	ssize_t n;

	memset(m, 0, sizeof(*m));
	/* a peer that went with something unread is told once by ECONNRESET,
	 * ahead of what it had said before: that is heard first */
	do {
		n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	if (n == 0)
		return -MFTD_E_CLOSED;
	take_fds(&msg, m);
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 ||
	    (size_t)n < sizeof(head))
		goto refuse;
	memcpy(&head, c->in, sizeof(head));
	if (head.len != (size_t)n - sizeof(head))
		goto refuse;
	m->type = head.type;
	m->ref = head.ref;
	m->data = c->in + sizeof(head);
	m->len = head.len;
	if (mftd_msg_check(m) == 0)
		return 0;
refuse:
	mftd_msg_close(m);
	return -MFTD_E_PROTOCOL;
}

int
mftd_chan_wait(struct mftd_chan *c, struct mftd_msg *m, int64_t deadline_ms)
{
	struct pollfd p = { .fd = c->fd };
	int r, sent;

	for (;;) {
		sent = mftd_chan_flush(c);
		/* what the peer said before it went is heard all the same */
		r = mftd_chan_recv(c, m);
		if (r != -EAGAIN)
			return r;
		if (sent < 0 && sent != -EAGAIN)
			return sent;
		p.events = (short)(POLLIN | (sent == -EAGAIN ? POLLOUT : 0));
		r = poll(&p, 1, mftd_clock_left_ms(deadline_ms));
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r == 0)
			return -ETIMEDOUT;
	}
}

void
mftd_msg_close(struct mftd_msg *m)
{
	int i;

	for (i = 0; i < m->n_fds; i++)
		mftd_fd_close(&m->fds[i]);
	m->n_fds = 0;
}
