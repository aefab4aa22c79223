/* Part of mftd; see LICENSE. */
#include "mftd/control/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "mftd/base/buf.h"
#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/control/wire.h"

#define REPLY_MAX (64 << 20)

static int
wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int r;

	do {
		r = poll(&p, 1, mftd_clock_left_ms(deadline_ms));
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/* connect(2) of a nonblocking UNIX socket: EAGAIN means a full backlog, which
 * nothing can wait for; so SO_SNDTIMEO bounds a blocking one. */
static int
connect_to(const char *path, int64_t deadline_ms)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int left = mftd_clock_left_ms(deadline_ms);
	struct timeval tv = { left / 1000, left % 1000 * 1000 + 1 };
	int fd, r;

	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path) >=
	    (int)sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (deadline_ms >= 0)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	r = errno == EAGAIN ? -ETIMEDOUT : -errno;
	mftd_fd_close(&fd);
	return r;
}

static int
send_request(int fd, json_t *req, int64_t deadline_ms)
{
	char *text = json_dumps(req, JSON_COMPACT);
	int r = 0;

	if (text == NULL)
		return -ENOMEM;
	while (send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN && errno != EINTR)
			r = -errno;
		else
			r = wait_for(fd, POLLOUT, deadline_ms);
		if (r < 0)
			break;
	}
	free(text);
	return r;
}

static int
read_reply(int fd, struct mftd_buf *b, int64_t deadline_ms)
{
	char piece[MFTD_CONTROL_PIECE_BYTES + 1];
	ssize_t n;
	int r;

	do {
		r = wait_for(fd, POLLIN, deadline_ms);
		if (r < 0)
			return r;
		n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			piece[0] = '+';
			continue;
		}
		if (n < 0)
			return -errno;
		if (n == 0 || (piece[0] != '+' && piece[0] != '.'))
			return -MFTD_E_PROTOCOL;
		r = mftd_buf_put(b, piece + 1, (size_t)n - 1);
		if (r < 0)
			return r;
	} while (piece[0] == '+');
	return 0;
}

int
mftd_control_call(
    const char *path, json_t *req, int64_t deadline_ms, json_t **reply)
{
	struct mftd_buf *b = mftd_buf_new(REPLY_MAX);
	json_error_t err;
	int fd = -1, r = -ENOMEM;

	if (b == NULL || req == NULL)
		goto out;
	fd = r = connect_to(path, deadline_ms);
	if (r < 0)
		goto out;
	r = send_request(fd, req, deadline_ms);
	if (r == 0)
		r = read_reply(fd, b, deadline_ms);
	if (r < 0)
		goto out;
	*reply = json_loadb(
	    (const char *)mftd_buf_data(b), mftd_buf_len(b), 0, &err);
	r = *reply != NULL ? 0 : -MFTD_E_PROTOCOL;
out:
	if (fd >= 0)
		mftd_fd_close(&fd);
	mftd_buf_free(b);
	json_decref(req);
	return r;
}
