/* Part of mftd; see LICENSE. */
#include "mftd/ssh/client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <libssh/libssh.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/limits.h"
#include "mftd/ssh/shim.h"

#define TURN_MS 200 /* go_on is asked this often */
#define WRITE_MOST (1 << 20) /* handed to libssh at once */

/* libssh's own choice with AES-GCM in front, which processors of today do
 * several times faster than ChaCha20. */
#define CIPHERS                                                \
	"aes256-gcm@openssh.com,aes128-gcm@openssh.com,"       \
	"chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr," \
	"aes128-ctr"

struct mftd_ssh_client {
	const struct mftd_ssh_target *t;
	ssh_session session;
	ssh_channel channel;
	ssh_event event;
	char address[MFTD_ADDR_BYTES];
	char why[MFTD_REASON_BYTES];
};

static int
fail(struct mftd_ssh_client *c, int err, const char *what, const char *detail)
{
	snprintf(c->why, sizeof(c->why), "%s%s%s", what,
	    detail[0] != '\0' ? ": " : "", detail);
	return err;
}

/* libssh has errors in words only; the cause is found in what they are about.
 */
static int
fail_ssh(struct mftd_ssh_client *c, int err, const char *what)
{
	return fail(c, err, what, ssh_get_error(c->session));
}

/* ---- TCP */

static void
name_peer(struct mftd_ssh_client *c, const struct addrinfo *ai)
{
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), port,
		sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0 ||
	    strlen(host) + strlen(port) + 4 > sizeof(c->address))
		return;
	snprintf(c->address, sizeof(c->address),
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

/* Connects to the target.  A descriptor or a negative error. */
static int
dial(struct mftd_ssh_client *c)
{
	const struct mftd_ssh_target *t = c->t;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	char given[MFTD_ADDR_BYTES], number[16];
	char *host = (char *)(uintptr_t)t->host, *port = number;
	int64_t deadline = mftd_clock_ms() + t->connect_ms;
	int fd = -EHOSTUNREACH, r;

	snprintf(number, sizeof(number), "%d", t->port);
	if (t->address != NULL) {
		snprintf(given, sizeof(given), "%s", t->address);
		port = split_address(given, &host);
		hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	}
	if (port == NULL)
		return fail(c, -EINVAL, "not an address", t->address);
	r = getaddrinfo(host, port, &hints, &list);
	if (r != 0)
		return fail(c, -EHOSTUNREACH, host, gai_strerror(r));
	for (ai = list; ai != NULL; ai = ai->ai_next) {
		fd = dial_one(ai, deadline);
		if (fd >= 0) {
			name_peer(c, ai);
			break;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		return fail(c, fd, host, strerror(-fd));
	set_socket(fd, t->request_ms);
	return fd;
}

/* ---- key exchange and login */

/* The pinned key of one line, or NULL. */
static ssh_key
pinned_key(const char *line, char *type, size_t size)
{
	char b64[MFTD_KEY_BYTES];
	ssh_key key = NULL;
	char form[32];

	snprintf(
	    form, sizeof(form), "%%%zus %%%zus", size - 1, sizeof(b64) - 1);
	if (sscanf(line, form, type, b64) != 2)
		return NULL;
	if (ssh_pki_import_pubkey_base64(
		b64, ssh_key_type_from_name(type), &key) != SSH_OK)
		return NULL;
	return key;
}

/* The signature algorithms for the pinned keys' types: a server with several
 * keys is to show one that we know. */
static void
host_key_algorithms(const struct mftd_ssh_target *t, char *out, size_t size)
{
	char type[64];
	const char *algo;
	ssh_key key;
	size_t i, n = 0;

	out[0] = '\0';
	for (i = 0; i < t->n_host_keys; i++) {
		key = pinned_key(t->host_keys[i], type, sizeof(type));
		if (key == NULL)
			continue;
		ssh_key_free(key);
		algo = strcmp(type, "ssh-rsa") == 0
		    ? "rsa-sha2-512,rsa-sha2-256"
		    : type;
		if (strstr(out, algo) == NULL && n + strlen(algo) + 2 < size)
			n += (size_t)snprintf(
			    out + n, size - n, "%s%s", n > 0 ? "," : "", algo);
	}
}

static int
set_options(struct mftd_ssh_client *c, int *fd)
{
	const struct mftd_ssh_target *t = c->t;
	char algorithms[512];
	long timeout_s = t->connect_ms / 1000 > 0 ? t->connect_ms / 1000 : 1;
	int no = 0;
	unsigned int port = (unsigned int)t->port;
	ssh_session s = c->session;

	host_key_algorithms(t, algorithms, sizeof(algorithms));
	if (algorithms[0] == '\0')
		return fail(c, -MFTD_E_PARTNER_KEY, "no host key is pinned for",
		    t->host);
	/* no file of this account may have a say */
	if (ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") <
		0 ||
	    ssh_options_set(s, SSH_OPTIONS_HOST, t->host) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_PORT, &port) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_USER, t->user) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_HOSTKEYS, algorithms) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_CIPHERS_C_S, CIPHERS) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_CIPHERS_S_C, CIPHERS) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_COMPRESSION, "no") < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_TIMEOUT, &timeout_s) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_FD, fd) < 0)
		return fail_ssh(c, -EINVAL, "options");
	return 0;
}

static int
check_host_key(struct mftd_ssh_client *c)
{
	const struct mftd_ssh_target *t = c->t;
	ssh_key seen = NULL, pin;
	unsigned char *hash = NULL;
	char type[64], *print = NULL;
	bool known = false;
	size_t i, len;

	if (ssh_get_server_publickey(c->session, &seen) != SSH_OK)
		return fail_ssh(c, -MFTD_E_PARTNER_KEY, "host key");
	for (i = 0; i < t->n_host_keys && !known; i++) {
		pin = pinned_key(t->host_keys[i], type, sizeof(type));
		known = pin != NULL &&
		    ssh_key_cmp(seen, pin, SSH_KEY_CMP_PUBLIC) == 0;
		ssh_key_free(pin);
	}
	if (!known &&
	    ssh_get_publickey_hash(
		seen, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
		print = ssh_get_fingerprint_hash(
		    SSH_PUBLICKEY_HASH_SHA256, hash, len);
	ssh_clean_pubkey_hash(&hash);
	ssh_key_free(seen);
	if (known)
		return 0;
	fail(c, 0, "its host key is not the pinned one",
	    print != NULL ? print : "");
	ssh_string_free_char(print);
	return -MFTD_E_PARTNER_KEY;
}

/* Nobody is there to type a passphrase. */
static int
no_passphrase(
    const char *prompt, char *buf, size_t len, int echo, int verify, void *data)
{
	return -1;
}

static int
log_in(struct mftd_ssh_client *c)
{
	ssh_key key = NULL;
	int r;

	r = ssh_pki_import_privkey_file(
	    c->t->key_file, NULL, no_passphrase, NULL, &key);
	if (r != SSH_OK)
		return fail(
		    c, -MFTD_E_AUTH, "cannot read the key", c->t->key_file);
	r = ssh_userauth_publickey(c->session, NULL, key);
	ssh_key_free(key);
	switch (r) {
	case SSH_AUTH_SUCCESS:
		return 0;
	case SSH_AUTH_DENIED:
	case SSH_AUTH_PARTIAL:
		return fail_ssh(c, -MFTD_E_AUTH, "login refused");
	default:
		return fail_ssh(c, -MFTD_E_CLOSED, "login");
	}
}

static int
start_subsystem(struct mftd_ssh_client *c)
{
	c->channel = ssh_channel_new(c->session);
	if (c->channel == NULL)
		return -ENOMEM;
	if (ssh_channel_open_session(c->channel) != SSH_OK)
		return fail_ssh(c, -MFTD_E_CLOSED, "channel");
	if (ssh_channel_request_subsystem(c->channel, "sftp") != SSH_OK)
		return fail_ssh(c, -MFTD_E_PROTOCOL, "no sftp there");
	c->event = ssh_event_new();
	if (c->event == NULL ||
	    ssh_event_add_session(c->event, c->session) != SSH_OK)
		return -ENOMEM;
	ssh_set_blocking(c->session, 0);
	return 0;
}

static int
start(struct mftd_ssh_client *c)
{
	int fd, r;

	c->session = ssh_new();
	if (c->session == NULL)
		return -ENOMEM;
	fd = dial(c);
	if (fd < 0)
		return fd;
	r = set_options(c, &fd);
	if (r < 0) {
		mftd_fd_close(&fd);
		return r;
	}
	/* from here on the descriptor is the session's */
	mftd_shim_serve(fd);
	if (ssh_connect(c->session) != SSH_OK)
		return fail_ssh(c, -MFTD_E_CLOSED, "key exchange");
	r = check_host_key(c);
	if (r == 0)
		r = log_in(c);
	return r == 0 ? start_subsystem(c) : r;
}

int
mftd_ssh_client_open(const struct mftd_ssh_target *t,
    struct mftd_ssh_client **out, char *why, size_t size)
{
	struct mftd_ssh_client *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->t = t;
	/* linked statically, libssh does not start itself */
	r = ssh_init() == 0 ? start(c) : -ENOMEM;
	if (r == 0) {
		*out = c;
		return 0;
	}
	snprintf(
	    why, size, "%s", c->why[0] != '\0' ? c->why : mftd_strerror(r));
	mftd_ssh_client_close(c);
	return r;
}

void
mftd_ssh_client_close(struct mftd_ssh_client *c)
{
	if (c == NULL)
		return;
	if (c->event != NULL) {
		ssh_event_remove_session(c->event, c->session);
		ssh_event_free(c->event);
	}
	if (c->channel != NULL)
		ssh_channel_free(c->channel);
	if (c->session != NULL) {
		ssh_disconnect(c->session);
		ssh_free(c->session);
		mftd_shim_serve(-1);
	}
	free(c);
}

const char *
mftd_ssh_client_address(const struct mftd_ssh_client *c)
{
	return c->address;
}

const char *
mftd_ssh_client_why(const struct mftd_ssh_client *c)
{
	return c->why;
}

/* ---- the stream */

static int
may_go_on(struct mftd_ssh_client *c)
{
	int r = c->t->go_on != NULL ? c->t->go_on(c->t->data) : 0;

	return r < 0 ? fail(c, r, mftd_strerror(r), "") : 0;
}

/* Lets libssh read, write and wait a little, and throws away what the server
 * says on stderr, which fills the same window. */
static int
turn(struct mftd_ssh_client *c, int64_t deadline_ms)
{
	char scratch[1024];
	int left = mftd_clock_left_ms(deadline_ms), r;

	if (left == 0)
		return fail(c, -ETIMEDOUT, "no answer in time", "");
	r = may_go_on(c);
	if (r < 0)
		return r;
	r = ssh_event_dopoll(c->event, left < TURN_MS ? left : TURN_MS);
	/* a MAC error shows in the error code only */
	if (r == SSH_ERROR || ssh_get_error_code(c->session) == SSH_FATAL)
		return fail_ssh(c, -MFTD_E_CLOSED, "connection lost");
	while (ssh_channel_read_nonblocking(
		   c->channel, scratch, sizeof(scratch), 1) > 0)
		;
	return 0;
}

int
mftd_ssh_client_write(struct mftd_ssh_client *c, const void *data, size_t len)
{
	int64_t deadline = mftd_clock_ms() + c->t->request_ms;
	const char *at = data;
	uint32_t room;
	int n, r = may_go_on(c);

	while (r == 0 && len > 0) {
		room = ssh_channel_window_size(c->channel);
		if (room == 0 ||
		    (ssh_get_status(c->session) & SSH_WRITE_PENDING) != 0) {
			if (!ssh_channel_is_open(c->channel))
				return fail(
				    c, -MFTD_E_CLOSED, "channel closed", "");
			r = turn(c, deadline);
			continue;
		}
		if (room > WRITE_MOST)
			room = WRITE_MOST;
		if (room > len)
			room = (uint32_t)len;
		n = ssh_channel_write(c->channel, at, room);
		if (n == SSH_AGAIN)
			n = 0;
		if (n < 0)
			return fail_ssh(c, -MFTD_E_CLOSED, "write");
		if (n > 0)
			deadline = mftd_clock_ms() + c->t->request_ms;
		else
			r = turn(c, deadline);
		at += n;
		len -= (size_t)n;
	}
	return r;
}

int
mftd_ssh_client_read(struct mftd_ssh_client *c, void *data, size_t len)
{
	int64_t deadline = mftd_clock_ms() + c->t->request_ms;
	char *at = data;
	int n, r = 0;

	while (r == 0 && len > 0) {
		n = ssh_channel_read_nonblocking(
		    c->channel, at, (uint32_t)len, 0);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
			deadline = mftd_clock_ms() + c->t->request_ms;
			continue;
		}
		if (n < 0 && n != SSH_AGAIN && n != SSH_EOF)
			return fail_ssh(c, -MFTD_E_CLOSED, "read");
		if (ssh_channel_is_eof(c->channel) ||
		    !ssh_channel_is_open(c->channel))
			return fail(
			    c, -MFTD_E_CLOSED, "the server ended it", "");
		r = turn(c, deadline);
	}
	return r;
}
