/* Part of mftd; see LICENSE. */
#include "mftd/inbound/bind.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"

/* Splits "ADDR:PORT" or "[V6]:PORT" into host and port.  0 or -EINVAL. */
static int
split(const char *text, char *host, size_t size, const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t len;

	if (colon == NULL || colon == text || colon[1] == '\0')
		return -EINVAL;
	len = (size_t)(colon - text);
	if (text[0] == '[' && colon[-1] == ']') {
		text++;
		len -= 2;
	}
	if (len == 0 || len >= size)
		return -EINVAL;
	memcpy(host, text, len);
	host[len] = '\0';
	*port = colon + 1;
	return 0;
}

static int
bind_one(const char *text)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV |
		    AI_PASSIVE,
		.ai_socktype = SOCK_STREAM };
	struct addrinfo *ai = NULL;
	char host[MFTD_ADDR_BYTES];
	const char *port;
	int fd = -1, on = 1, r;

	r = split(text, host, sizeof(host), &port);
	if (r < 0)
		return r;
	if (getaddrinfo(host, port, &hints, &ai) != 0)
		return -EINVAL;
	r = 0;
	fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    (ai->ai_family == AF_INET6 &&
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) <
		    0) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
		r = -errno;
		mftd_fd_close(&fd);
	}
	freeaddrinfo(ai);
	return r < 0 ? r : fd;
}

int
mftd_bind_all(const struct mftd_conf *conf, int *fds)
{
	size_t i;
	int r;

	for (i = 0; i < conf->n_listen; i++) {
		r = bind_one(conf->listen[i]);
		if (r < 0) {
			log_error("cannot bind %s: %s", conf->listen[i],
			    mftd_strerror(r));
			while (i > 0)
				mftd_fd_close(&fds[--i]);
			return r;
		}
		fds[i] = r;
	}
	return (int)conf->n_listen;
}

void
mftd_peer_text(const struct sockaddr *sa, socklen_t len, char *out, size_t size)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(sa, len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		snprintf(out, size, "?");
	else
		snprintf(out, size,
		    sa->sa_family == AF_INET6 ? "[%.45s]:%s" : "%.45s:%s", host,
		    port);
}

void
mftd_peer_options(int fd)
{
	const int on = 1, idle_s = 60, interval_s = 15, probes = 4;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(
	    fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}
