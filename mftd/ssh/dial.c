/* Part of mftd; see LICENSE. */
#include "mftd/ssh/dial.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "mftd/base/clock.h"
#include "mftd/base/fdio.h"

#define PLACE_BYTES 300

static void
name_peer(const struct addrinfo *ai, char address[MFTD_ADDR_BYTES])
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0 ||
	    strlen(host) + strlen(port) + 4 > MFTD_ADDR_BYTES)
		return;
	snprintf(address, MFTD_ADDR_BYTES,
	    ai->ai_family == AF_INET6 ? "[%.40s]:%.6s" : "%.40s:%.6s", host,
	    port);
}

/* A dead peer must not hold a delivery for the two hours of TCP's default. */
static void
set_socket(int fd, int idle_ms)
{
	int on = 1, idle = 10, every = 5, ms = idle_ms;

	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof(every));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* Has the connection come from our address, if one is wanted. */
static int
bind_source(int fd, const struct addrinfo *source)
{
	int on = 1;

	if (source == NULL)
		return 0;
	/* the port is chosen with the peer's address, so none runs out */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, source->ai_addr, source->ai_addrlen) < 0 ? -errno : 0;
}

/* Connects to one address.  Returns a descriptor or -errno. */
static int
dial_one(const struct addrinfo *ai, const struct addrinfo *source,
    int64_t deadline_ms)
{
	struct pollfd p = { .events = POLLOUT };
	socklen_t len = sizeof(int);
	int err = 0, r;

	p.fd = socket(ai->ai_family,
	    ai->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
	if (p.fd < 0)
		return -errno;
	err = -bind_source(p.fd, source);
	if (err != 0)
		goto out;
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

/* Splits "host", "host:port", "v6", "[v6]" or "[v6]:port" in place.  The port,
 * or NULL. */
static char *
split_address(char *text, char **host)
{
	char *colon = strrchr(text, ':'), *end;

	*host = text;
	if (text[0] == '[') {
		end = strchr(text, ']');
		if (end == NULL)
			return NULL;
		*end = '\0';
		*host = text + 1;
		return end[1] == ':' ? end + 2 : NULL;
	}
	if (colon == NULL || strchr(text, ':') != colon)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

char *
mftd_ssh_split_place(char *text, char **host)
{
	return split_address(text, host);
}

/* Connects to the first address that answers.  A descriptor or -errno;
 * -EAFNOSUPPORT: none is of the source's family. */
static int
dial_list(const struct mftd_ssh_target *t, const struct addrinfo *list,
    const struct addrinfo *source, char address[MFTD_ADDR_BYTES])
{
	int64_t deadline = mftd_clock_ms() + t->connect_ms;
	const struct addrinfo *ai;
	int fd = -EAFNOSUPPORT;

	for (ai = list; ai != NULL; ai = ai->ai_next) {
		if (source != NULL && ai->ai_family != source->ai_family)
			continue;
		fd = dial_one(ai, source, deadline);
		if (fd >= 0) {
			name_peer(ai, address);
			break;
		}
	}
	return fd;
}

/* Looks a name up.  0, or EAI_*. */
static int
resolve(const char *host, const char *port, int flags, struct addrinfo **list)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = flags };

	return getaddrinfo(host, port, &hints, list);
}

static void
tell(const struct mftd_ssh_target *t, enum mftd_ssh_stage stage,
    const char *what)
{
	if (t->told != NULL)
		t->told(t->data, stage, what);
}

/* The addresses of the place, one at least, and our own if one is wanted.  0,
 * or EAI_*; *host: the place without its port. */
static int
find(const struct mftd_ssh_target *t, char *text, bool numeric,
    struct addrinfo **list, struct addrinfo **source, char **host)
{
	int flags = numeric ? AI_NUMERICHOST | AI_NUMERICSERV : 0, r;
	char number[16], first[MFTD_ADDR_BYTES] = "", *port;

	port = split_address(text, host);
	snprintf(number, sizeof(number), "%d", t->port);
	r = resolve(*host, port != NULL ? port : number, flags, list);
	if (r != 0)
		return r;
	name_peer(*list, first);
	tell(t, MFTD_SSH_RESOLVED, first);
	if (t->source == NULL)
		return 0;
	return resolve(t->source, NULL, AI_NUMERICHOST, source);
}

/* Whether the place has t->address, or may. */
static bool
may_have(const struct mftd_ssh_target *t, const char *place)
{
	char text[PLACE_BYTES], number[16], address[MFTD_ADDR_BYTES];
	struct addrinfo *list = NULL;
	const struct addrinfo *ai;
	char *host, *port;
	bool has = false;

	snprintf(text, sizeof(text), "%s", place);
	snprintf(number, sizeof(number), "%d", t->port);
	port = split_address(text, &host);
	if (resolve(host, port != NULL ? port : number, 0, &list) != 0)
		return true;
	for (ai = list; ai != NULL && !has; ai = ai->ai_next) {
		address[0] = '\0';
		name_peer(ai, address);
		has = strcmp(address, t->address) == 0;
	}
	freeaddrinfo(list);
	return has;
}

bool
mftd_ssh_has_address(const struct mftd_ssh_target *t)
{
	bool has = may_have(t, t->host);
	size_t i;

	for (i = 0; !has && i < t->n_other_hosts; i++)
		has = may_have(t, t->other_hosts[i]);
	return has;
}

int
mftd_ssh_dial(const struct mftd_ssh_target *t, const char *place, bool numeric,
    char address[MFTD_ADDR_BYTES], char why[MFTD_REASON_BYTES])
{
	struct addrinfo *list = NULL, *source = NULL;
	char text[PLACE_BYTES], *host;
	int fd, r;

	snprintf(text, sizeof(text), "%s", place);
	r = find(t, text, numeric, &list, &source, &host);
	fd = r != 0 ? -EHOSTUNREACH : dial_list(t, list, source, address);
	if (fd < 0) {
		snprintf(why, MFTD_REASON_BYTES, "%s%s%s: %s", host,
		    t->source != NULL ? " from " : "",
		    t->source != NULL ? t->source : "",
		    r != 0 ? gai_strerror(r) : strerror(-fd));
	} else {
		set_socket(fd, t->request_ms);
		tell(t, MFTD_SSH_CONNECTED, address);
	}
	if (list != NULL)
		freeaddrinfo(list);
	if (source != NULL)
		freeaddrinfo(source);
	return fd;
}
