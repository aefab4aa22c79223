/* Part of mftd; see LICENSE. */
/* Fortified inline versions of what is defined here would stand in the way. */
#undef _FORTIFY_SOURCE
#include "mftd/ssh/shim.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define RECV_BYTES (256 * 1024)
#define IDLE_MS 1000
#define HEAP_KEEP_BYTES (4 * 1024 * 1024)
#define ANSWERS_MAX 64 /* polls answered without asking the system */

/* The one process-wide state: recv and poll have no other way to find it. */
static struct {
	int fd;
	bool writing;
	char *buf; /* RECV_BYTES, or NULL */
	size_t off, len; /* of what waits in it */
	unsigned answers; /* since the system was asked */
} shim = { .fd = -1 };

void
mftd_shim_serve(int fd)
{
	free(shim.buf);
	shim.buf = NULL;
	shim.off = shim.len = 0;
	shim.writing = false;
	shim.fd = fd;
}

void
mftd_shim_keep_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, HEAP_KEEP_BYTES);
	mallopt(M_TRIM_THRESHOLD, HEAP_KEEP_BYTES);
}

void
mftd_shim_writing(bool on)
{
	shim.writing = on;
}

static ssize_t
take(void *data, size_t len)
{
	if (len > shim.len)
		len = shim.len;
	memcpy(data, shim.buf + shim.off, len);
	shim.off += len;
	shim.len -= len;
	return (ssize_t)len;
}

ssize_t
recv(int fd, void *data, size_t len, int flags)
{
	ssize_t n;

	if (fd != shim.fd || fd < 0 || flags != 0)
		return recvfrom(fd, data, len, flags, NULL, NULL);
	if (shim.len == 0) {
		if (shim.buf == NULL)
			shim.buf = malloc(RECV_BYTES);
		if (shim.buf == NULL)
			return recvfrom(fd, data, len, 0, NULL, NULL);
		n = recvfrom(fd, shim.buf, RECV_BYTES, 0, NULL, NULL);
		if (n <= 0)
			return n;
		shim.off = 0;
		shim.len = (size_t)n;
	}
	return take(data, len);
}

ssize_t
send(int fd, const void *data, size_t len, int flags)
{
	ssize_t n;

	if (fd != shim.fd || fd < 0)
		return sendto(fd, data, len, flags, NULL, 0);
	n = sendto(fd, data, len, flags | MSG_DONTWAIT, NULL, 0);
	/* libssh takes every error as fatal, but 0 as "nothing went" */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n;
}

static int
system_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec ts = { .tv_sec = timeout_ms / 1000,
		.tv_nsec = (long)(timeout_ms % 1000) * 1000000 };

	return ppoll(fds, n, timeout_ms < 0 ? NULL : &ts, NULL);
}

/* A session that is quiet for a second gives its memory back. */
static int
patient_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	int r;

	if (shim.buf == NULL || (timeout_ms >= 0 && timeout_ms < IDLE_MS))
		return system_poll(fds, n, timeout_ms);
	r = system_poll(fds, n, IDLE_MS);
	if (r != 0)
		return r;
	free(shim.buf);
	shim.buf = NULL;
	malloc_trim(0);
	if (timeout_ms >= 0)
		timeout_ms -= IDLE_MS;
	return system_poll(fds, n, timeout_ms);
}

/*
 * libssh forgets to stop asking for POLLOUT when it comes together with POLLIN,
 * and from then on believes that it cannot write: one at a time.  What can be
 * read is reported again by the next poll.
 */
static void
writing_first(struct pollfd *ours)
{
	if ((ours->revents & (POLLOUT | POLLHUP | POLLERR)) == POLLOUT)
		ours->revents = POLLOUT;
}

/* Bytes wait in the buffer.  libssh takes 4 KiB of them a time, and asks each
 * time: the system is asked now and then, for the others' sake. */
static int
answer(struct pollfd *fds, nfds_t n, struct pollfd *ours)
{
	nfds_t i;
	int r = 0;

	if ((ours->events & POLLOUT) != 0 || shim.answers++ >= ANSWERS_MAX) {
		shim.answers = 0;
		r = system_poll(fds, n, 0);
		if (r < 0)
			return r;
	} else {
		for (i = 0; i < n; i++)
			fds[i].revents = 0;
	}
	if (ours->revents == 0)
		r++;
	ours->revents |= POLLIN;
	writing_first(ours);
	return r;
}

/* glibc declares that poll only writes to fds, which is not so.  (The first two
 * are for compilers that do not know the third.) */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
int
poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct pollfd *ours = NULL;
	short asked;
	nfds_t i;
	int r;

	for (i = 0; shim.fd >= 0 && i < n; i++)
		if (fds[i].fd == shim.fd)
			ours = &fds[i];
	if (ours == NULL)
		return system_poll(fds, n, timeout_ms);
	asked = ours->events;
	if (shim.writing)
		ours->events &= (short)~POLLIN;
	if ((ours->events & POLLIN) == 0 || shim.len == 0) {
		/* only a wait for input is a quiet one */
		r = shim.len == 0 ? patient_poll(fds, n, timeout_ms)
				  : system_poll(fds, n, timeout_ms);
		ours->events = asked;
		writing_first(ours);
		return r;
	}
	return answer(fds, n, ours);
}
#pragma GCC diagnostic pop
