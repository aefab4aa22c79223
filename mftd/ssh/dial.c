/* Part of mftd; see LICENSE. */
#include "mftd/ssh/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "mftd/base/clock.h"
#include "mftd/base/fdio.h"

/* "192.0.2.1:22", "[2001:db8::1]:22"; "" where there is none. */
static void
name_peer(const struct addrinfo *ai, char out[MFTD_ADDR_BYTES])
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	out[0] = '\0';
	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0 ||
	    strlen(host) + strlen(port) + 4 > MFTD_ADDR_BYTES)
		return;
	snprintf(out, MFTD_ADDR_BYTES,
	    ai->ai_family == AF_INET6 ? "[%.40s]:%.6s" : "%.40s:%.6s", host,
	    port);
}

/* A dead peer must not hold a delivery for the two hours of TCP's default. */
static void
set_socket(int fd, int request_ms)
{
	int on = 1, idle = 10, every = 5, ms = request_ms;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Connects to one address.  Returns a descriptor or -errno. */
static int
dial_one(const struct addrinfo *ai, int64_t deadline_ms)
{
	struct pollfd p = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0, r;

	p.fd = socket(ai->ai_family,
	    ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
	if (p.fd < 0)
		return -errno;
	if (connect(p.fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return p.fd;
	if (errno != EINPROGRESS) {
		err = errno;
		goto out;
	}
	do {
		r = poll(&p, 1, mftd_clock_left_ms(deadline_ms));
	} while (r < 0 && errno == EINTR);
	if (r == 0)
		err = ETIMEDOUT;
	else if (r < 0 ||
	    getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
out:
	if (err == 0)
		return p.fd;
	mftd_fd_close(&p.fd);
	return -err;
}

/* Splits "host:port" or "[v6]:port" in place.  The port, or NULL. */
static char *
split_address(char *text, char **host)
{
	char *colon = strrchr(text, ':');

	if (colon == NULL)
		return NULL;
	*colon = '\0';
	*host = text;
	if (text[0] == '[' && colon > text + 1 && colon[-1] == ']') {
		colon[-1] = '\0';
		*host = text + 1;
	}
	return colon + 1;
}

static int
fail(char why[MFTD_REASON_BYTES], int err, const char *what, const char *detail)
{
	snprintf(why, MFTD_REASON_BYTES, "%s: %s", what, detail);
	return err;
}

static void
tell(const struct mftd_ssh_target *t, enum mftd_ssh_stage stage,
    const char *what)
{
	if (t->told != NULL)
		t->told(t->data, stage, what);
}

/* The addresses of the target, one at least. */
static int
resolve(const struct mftd_ssh_target *t, struct addrinfo **list,
    char why[MFTD_REASON_BYTES])
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	char given[MFTD_ADDR_BYTES], number[16], first[MFTD_ADDR_BYTES];
	char *host = (char *)(uintptr_t)t->host, *port = number;
	int r;

	snprintf(number, sizeof(number), "%d", t->port);
	if (t->address != NULL) {
		snprintf(given, sizeof(given), "%s", t->address);
		port = split_address(given, &host);
		hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	}
	if (port == NULL)
		return fail(why, -EINVAL, "not an address", t->address);
	r = getaddrinfo(host, port, &hints, list);
	if (r != 0)
		return fail(why, -EHOSTUNREACH, host, gai_strerror(r));
	name_peer(*list, first);
	tell(t, MFTD_SSH_RESOLVED, first);
	return 0;
}

int
mftd_ssh_dial(const struct mftd_ssh_target *t, char address[MFTD_ADDR_BYTES],
    char why[MFTD_REASON_BYTES])
{
	int64_t deadline = mftd_clock_ms() + t->connect_ms;
	struct addrinfo *list, *ai;
	int fd = -EHOSTUNREACH, r = resolve(t, &list, why);

	if (r < 0)
		return r;
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		fd = dial_one(ai, deadline);
		if (fd >= 0) {
			name_peer(ai, address);
			break;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		return fail(why, fd, t->address != NULL ? t->address : t->host,
		    strerror(-fd));
	set_socket(fd, t->request_ms);
	tell(t, MFTD_SSH_CONNECTED, address);
	return fd;
}
