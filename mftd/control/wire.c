/* Part of mftd; see LICENSE. */
#include "mftd/control/wire.h"

#include <errno.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

ssize_t
mftd_control_send_piece(int fd, const char *text, size_t len)
{
	size_t part = len;
	char mark = '.';
	struct iovec iov[2] = { { &mark, 1 }, { (void *)(uintptr_t)text, 0 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	if (part > MFTD_CONTROL_PIECE_BYTES) {
		part = MFTD_CONTROL_PIECE_BYTES;
		mark = '+';
	}
	iov[1].iov_len = part;
	if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	return (ssize_t)part;
}
