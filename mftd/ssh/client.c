/* Part of mftd; see LICENSE. */
#include "mftd/ssh/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libssh/libssh.h>

#include "mftd/base/buf.h"
#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/limits.h"
#include "mftd/ssh/dial.h"
#include "mftd/ssh/inflow.h"
#include "mftd/ssh/login.h"
#include "mftd/ssh/shim.h"

#define TURN_MS 100 /* of waiting at most, and after so long go_on is asked */
#define WRITE_MOST (1 << 20) /* handed to libssh at once */
#define WINDOW_BYTES (8 << 20) /* that may come before it is wanted, … */
#define WINDOW_STEP_BYTES (1 << 20) /* … and is opened again after so many */
#define EARLY_BYTES (WINDOW_BYTES + MFTD_INFLOW_FIRST_BYTES)

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
	uint8_t *want; /* where what comes is to go, … */
	size_t want_len; /* … so much of it */
	struct mftd_buf *early; /* what came before it was wanted */
	uint32_t used; /* of the window, by what is where it was wanted */
	bool overrun; /* that was too much */
	int64_t asked_ms; /* go_on, last */
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

static void
tell(const struct mftd_ssh_client *c, enum mftd_ssh_stage stage,
    const char *what)
{
	if (c->t->told != NULL)
		c->t->told(c->t->data, stage, what);
}

/* libssh has errors in words only; the cause is found in what they are about.
 */
static int
fail_ssh(struct mftd_ssh_client *c, int err, const char *what)
{
	return fail(c, err, what, ssh_get_error(c->session));
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

static bool
set_list(ssh_session s, enum ssh_options_e option, const char *list)
{
	return list == NULL || ssh_options_set(s, option, list) == 0;
}

static int
set_options(struct mftd_ssh_client *c, const char *algorithms, int *fd)
{
	const struct mftd_ssh_target *t = c->t;
	const char *ciphers = t->ciphers != NULL ? t->ciphers : CIPHERS;
	long timeout_s = t->connect_ms / 1000 > 0 ? t->connect_ms / 1000 : 1;
	int no = 0;
	unsigned int port = (unsigned int)t->port;
	ssh_session s = c->session;

	/* no file of this account may have a say */
	if (ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") <
		0 ||
	    ssh_options_set(s, SSH_OPTIONS_HOST, t->host) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_PORT, &port) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_USER, t->user) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_HOSTKEYS, algorithms) < 0 ||
	    !set_list(s, SSH_OPTIONS_KEY_EXCHANGE, t->key_exchanges) ||
	    ssh_options_set(s, SSH_OPTIONS_CIPHERS_C_S, ciphers) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_CIPHERS_S_C, ciphers) < 0 ||
	    !set_list(s, SSH_OPTIONS_HMAC_C_S, t->macs) ||
	    !set_list(s, SSH_OPTIONS_HMAC_S_C, t->macs) ||
	    ssh_options_set(s, SSH_OPTIONS_COMPRESSION, "no") < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_TIMEOUT, &timeout_s) < 0 ||
	    ssh_options_set(s, SSH_OPTIONS_FD, fd) < 0)
		return fail_ssh(c, -EINVAL, "options");
	return 0;
}

/* "ssh-ed25519 SHA256:…" */
static void
describe(ssh_key key, char *out, size_t size)
{
	unsigned char *hash = NULL;
	char *print = NULL;
	size_t len;

	if (ssh_get_publickey_hash(
		key, SSH_PUBLICKEY_HASH_SHA256, &hash, &len) == 0)
		print = ssh_get_fingerprint_hash(
		    SSH_PUBLICKEY_HASH_SHA256, hash, len);
	snprintf(out, size, "%s %s", ssh_key_type_to_char(ssh_key_type(key)),
	    print != NULL ? print : "");
	ssh_string_free_char(print);
	ssh_clean_pubkey_hash(&hash);
}

static int
check_host_key(struct mftd_ssh_client *c)
{
	const struct mftd_ssh_target *t = c->t;
	ssh_key seen = NULL, pin;
	char type[64], words[MFTD_REASON_BYTES];
	bool known = false;
	size_t i;

	if (ssh_get_server_publickey(c->session, &seen) != SSH_OK)
		return fail_ssh(c, -MFTD_E_PARTNER_KEY, "host key");
	for (i = 0; i < t->n_host_keys && !known; i++) {
		pin = pinned_key(t->host_keys[i], type, sizeof(type));
		known = pin != NULL &&
		    ssh_key_cmp(seen, pin, SSH_KEY_CMP_PUBLIC) == 0;
		ssh_key_free(pin);
	}
	describe(seen, words, sizeof(words));
	ssh_key_free(seen);
	if (!known)
		return fail(c, -MFTD_E_PARTNER_KEY,
		    "its host key is not the pinned one", words);
	tell(c, MFTD_SSH_KNOWN, words);
	return 0;
}

/* Puts bytes where they are wanted.  How many. */
static size_t
give(struct mftd_ssh_client *c, const void *bytes, size_t len)
{
	if (len > c->want_len)
		len = c->want_len;
	if (len == 0)
		return 0;
	memcpy(c->want, bytes, len);
	c->want += len;
	c->want_len -= len;
	c->used += (uint32_t)len;
	return len;
}

/* Straight from libssh's packet to its place.  What the server says on stderr,
 * which fills the same window, is thrown away. */
static void
take(void *data, const uint8_t *bytes, size_t len, bool is_stderr)
{
	struct mftd_ssh_client *c = data;
	size_t n;

	if (is_stderr) {
		c->used += (uint32_t)len;
		return;
	}
	n = give(c, bytes, len);
	if (n < len && mftd_buf_put(c->early, bytes + n, len - n) < 0)
		c->overrun = true;
}

/* The window is opened again by what is not in it any more. */
static int
open_window(struct mftd_ssh_client *c)
{
	if (c->used < WINDOW_STEP_BYTES)
		return 0;
	if (mftd_inflow_grant(c->used) < 0)
		return fail_ssh(c, -MFTD_E_CLOSED, "window");
	c->used = 0;
	return 0;
}

static int
start_subsystem(struct mftd_ssh_client *c)
{
	c->early = mftd_buf_new(EARLY_BYTES);
	c->channel = ssh_channel_new(c->session);
	if (c->channel == NULL || c->early == NULL)
		return -ENOMEM;
	mftd_inflow_watch(c->session, take, c);
	c->used = WINDOW_BYTES;
	if (ssh_channel_open_session(c->channel) != SSH_OK ||
	    open_window(c) < 0)
		return fail_ssh(c, -MFTD_E_CLOSED, "channel");
	if (ssh_channel_request_subsystem(c->channel, "sftp") != SSH_OK)
		return fail_ssh(c, -MFTD_E_PROTOCOL, "no sftp there");
	c->event = ssh_event_new();
	if (c->event == NULL ||
	    ssh_event_add_session(c->event, c->session) != SSH_OK)
		return -ENOMEM;
	ssh_set_blocking(c->session, 0);
	tell(c, MFTD_SSH_STARTED, "sftp");
	return 0;
}

/* Ends what a call made, so that another can be made. */
static void
hang_up(struct mftd_ssh_client *c)
{
	if (c->event != NULL) {
		ssh_event_remove_session(c->event, c->session);
		ssh_event_free(c->event);
		c->event = NULL;
	}
	if (c->channel != NULL) {
		ssh_channel_free(c->channel);
		c->channel = NULL;
	}
	if (c->session != NULL) {
		mftd_inflow_watch(NULL, NULL, NULL);
		ssh_disconnect(c->session);
		ssh_free(c->session);
		mftd_shim_serve(-1);
		c->session = NULL;
	}
}

/* One call, up to the end of the key exchange; the host key is one of
 * algorithms. */
static int
exchange_keys(struct mftd_ssh_client *c, const char *place, bool numeric,
    const char *algorithms)
{
	int fd, r;

	c->session = ssh_new();
	if (c->session == NULL)
		return -ENOMEM;
	fd = mftd_ssh_dial(c->t, place, numeric, c->address, c->why);
	if (fd < 0)
		return fd;
	if (algorithms[0] == '\0')
		r = fail(c, -MFTD_E_PARTNER_KEY, "no host key is pinned for",
		    c->t->host);
	else
		r = set_options(c, algorithms, &fd);
	if (r < 0) {
		mftd_fd_close(&fd);
		return r;
	}
	/* from here on the descriptor is the session's */
	mftd_shim_serve(fd);
	if (ssh_connect(c->session) != SSH_OK)
		return fail_ssh(c, -MFTD_E_CLOSED, "key exchange");
	return 0;
}

/* One call, up to the checked host key. */
static int
call(struct mftd_ssh_client *c, const char *place, bool numeric)
{
	char algorithms[512];
	int r;

	host_key_algorithms(c->t, algorithms, sizeof(algorithms));
	r = exchange_keys(c, place, numeric, algorithms);
	return r == 0 ? check_host_key(c) : r;
}

/* Whether another host may do better. */
static bool
is_away(int err)
{
	return err < 0 && err != -MFTD_E_PARTNER_KEY && err != -EINVAL &&
	    err != -ENOMEM;
}

/* Calls the hosts in their order. */
static int
call_any(struct mftd_ssh_client *c)
{
	const struct mftd_ssh_target *t = c->t;
	size_t i;
	int r;

	if (t->address != NULL)
		return call(c, t->address, true);
	r = call(c, t->host, false);
	for (i = 0; is_away(r) && i < t->n_other_hosts; i++) {
		r = t->go_on != NULL ? t->go_on(t->data) : 0;
		if (r < 0)
			return fail(c, r, mftd_strerror(r), "");
		hang_up(c);
		r = call(c, t->other_hosts[i], false);
	}
	return r;
}

static int
start(struct mftd_ssh_client *c)
{
	int r = call_any(c);

	if (r == 0)
		r = mftd_ssh_log_in(c->session, c->t->key_file, c->t->password,
		    c->why, sizeof(c->why));
	if (r < 0)
		return r;
	tell(c, MFTD_SSH_LOGGED_IN,
	    c->t->key_file != NULL ? c->t->key_file : "by password");
	return start_subsystem(c);
}

/* Whether a call that came to err was in vain at a place that is no host of the
 * partner's any more. */
static bool
is_gone(const struct mftd_ssh_client *c, int err)
{
	const struct mftd_ssh_target *t = c->t;

	if (err >= 0 || err == -ENOMEM || t->address == NULL ||
	    (t->go_on != NULL && t->go_on(t->data) < 0))
		return false;
	return !mftd_ssh_has_address(t);
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
	mftd_shim_keep_heap();
	/* linked statically, libssh does not start itself */
	r = ssh_init() == 0 ? start(c) : -ENOMEM;
	if (r == 0) {
		*out = c;
		return 0;
	}
	snprintf(
	    why, size, "%s", c->why[0] != '\0' ? c->why : mftd_strerror(r));
	if (is_gone(c, r))
		r = -MFTD_E_NOT_CONFIGURED;
	mftd_ssh_client_close(c);
	return r;
}

void
mftd_ssh_client_close(struct mftd_ssh_client *c)
{
	if (c == NULL)
		return;
	hang_up(c);
	mftd_buf_free(c->early);
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

/* ---- a look at the host key */

static int
take_host_key(struct mftd_ssh_client *c, struct mftd_ssh_offer *out)
{
	ssh_key key = NULL;
	char *b64 = NULL;
	int n;

	if (ssh_get_server_publickey(c->session, &key) != SSH_OK)
		return fail_ssh(c, -MFTD_E_PARTNER_KEY, "host key");
	if (ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK) {
		ssh_key_free(key);
		return fail_ssh(c, -MFTD_E_PARTNER_KEY, "host key");
	}
	n = snprintf(out->line, sizeof(out->line), "%s %s",
	    ssh_key_type_to_char(ssh_key_type(key)), b64);
	describe(key, out->print, sizeof(out->print));
	ssh_string_free_char(b64);
	ssh_key_free(key);
	return n < (int)sizeof(out->line) ? 0 : -EMSGSIZE;
}

int
mftd_ssh_scan(const struct mftd_ssh_target *t, const char *algorithm,
    struct mftd_ssh_offer *out, char *why, size_t size)
{
	struct mftd_ssh_client *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->t = t;
	r = ssh_init() == 0 ? exchange_keys(c, t->host, false, algorithm)
			    : -ENOMEM;
	/* libssh has no other sign of it (kex.c, ssh_kex_select_methods) */
	if (r == -MFTD_E_CLOSED &&
	    strstr(c->why, "no match for method server host key") != NULL)
		r = -ENOENT;
	if (r == 0)
		r = take_host_key(c, out);
	snprintf(
	    why, size, "%s", c->why[0] != '\0' ? c->why : mftd_strerror(r));
	mftd_ssh_client_close(c);
	return r;
}

/* ---- the stream */

bool
mftd_ssh_client_is_closed(struct mftd_ssh_client *c)
{
	return ssh_event_dopoll(c->event, 0) == SSH_ERROR ||
	    ssh_get_error_code(c->session) == SSH_FATAL || c->overrun ||
	    ssh_channel_is_eof(c->channel) || !ssh_channel_is_open(c->channel);
}

static int
may_go_on(struct mftd_ssh_client *c)
{
	int r = c->t->go_on != NULL ? c->t->go_on(c->t->data) : 0;

	c->asked_ms = mftd_clock_ms();
	return r < 0 ? fail(c, r, mftd_strerror(r), "") : 0;
}

/* Lets libssh read, write and wait a little. */
static int
turn(struct mftd_ssh_client *c, int64_t deadline_ms)
{
	int left = mftd_clock_left_ms(deadline_ms), r = 0;

	if (left == 0)
		return fail(c, -ETIMEDOUT, "no answer in time", "");
	if (mftd_clock_ms() >= c->asked_ms + TURN_MS)
		r = may_go_on(c);
	if (r < 0)
		return r;
	r = ssh_event_dopoll(c->event, left < TURN_MS ? left : TURN_MS);
	/* a MAC error shows in the error code only */
	if (r == SSH_ERROR || ssh_get_error_code(c->session) == SSH_FATAL)
		return fail_ssh(c, -MFTD_E_CLOSED, "connection lost");
	if (c->overrun)
		return fail(c, -MFTD_E_PROTOCOL,
		    "the server sends more than was asked for", "");
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

/* Takes what came before it was wanted. */
static void
take_early(struct mftd_ssh_client *c)
{
	size_t n = give(c, mftd_buf_data(c->early), mftd_buf_len(c->early));

	mftd_buf_consume(c->early, n);
}

int
mftd_ssh_client_read(struct mftd_ssh_client *c, void *data, size_t len)
{
	int64_t deadline = mftd_clock_ms() + c->t->request_ms;
	size_t left;
	int r = 0;

	c->want = data;
	c->want_len = len;
	take_early(c);
	while (r == 0 && c->want_len > 0) {
		if (ssh_channel_is_eof(c->channel) ||
		    !ssh_channel_is_open(c->channel)) {
			r = fail(c, -MFTD_E_CLOSED, "the server ended it", "");
			break;
		}
		left = c->want_len;
		r = turn(c, deadline);
		if (r == 0)
			r = open_window(c);
		if (c->want_len < left)
			deadline = mftd_clock_ms() + c->t->request_ms;
	}
	c->want = NULL;
	c->want_len = 0;
	return r;
}
