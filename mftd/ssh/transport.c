/* Part of mftd; see LICENSE. */
#include "mftd/ssh/transport.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "mftd/base/buf.h"
#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/ssh/internal.h"
#include "mftd/ssh/packet.h"
#include "mftd/ssh/rekey.h"
#include "mftd/ssh/shim.h"
#include "mftd/ssh/userauth.h"

#define SSH_MSG_GLOBAL_REQUEST 80
#define METHODS (SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_PUBLICKEY)

/* A request for another user, whatever it asks: what was achieved counts for
 * nothing any more (RFC 4252 section 5; libssh does not look at the name). */
static void
on_user(void *data, const char *user)
{
	struct mftd_ssh *s = data;

	if (user == NULL || strcmp(user, s->partial) != 0) {
		s->partial[0] = '\0';
		ssh_set_auth_methods(s->session, METHODS);
	}
}

/* Whether the attempt may still succeed. */
static bool
attempt(struct mftd_ssh *s, const char *user)
{
	on_user(s, user); /* where libssh is not wrapped, here at last */
	return user != NULL && !s->in && s->tries < s->max_tries;
}

static int
verdict(
    struct mftd_ssh *s, const char *user, enum mftd_ssh_verdict v, bool final)
{
	switch (v) {
	case MFTD_SSH_ACCEPTED:
		if (final)
			s->in = true;
		return SSH_AUTH_SUCCESS;
	case MFTD_SSH_PARTIAL:
		snprintf(s->partial, sizeof(s->partial), "%s", user);
		ssh_set_auth_methods(s->session, SSH_AUTH_METHOD_PASSWORD);
		return SSH_AUTH_PARTIAL;
	default:
		s->tries++;
		return SSH_AUTH_DENIED;
	}
}

static int
on_none(ssh_session session, const char *user, void *data)
{
	/* every client asks so once, to learn the methods: not a try */
	return SSH_AUTH_DENIED;
}

static int
on_password(
    ssh_session session, const char *user, const char *password, void *data)
{
	struct mftd_ssh *s = data;
	enum mftd_ssh_verdict v = MFTD_SSH_REFUSED;

	if (attempt(s, user) && password != NULL)
		v = s->ops->password(
		    s->data, user, password, s->partial[0] != '\0');
	return verdict(s, user, v, true);
}

/* ssh-dss and keys of security tokens are none to us.  Of certificates libssh
 * verifies that the client holds the key; the rest is the owner's to check. */
static bool
type_allowed(ssh_key key)
{
	switch (ssh_key_type(key)) {
	case SSH_KEYTYPE_ED25519:
	case SSH_KEYTYPE_ECDSA_P256:
	case SSH_KEYTYPE_ECDSA_P384:
	case SSH_KEYTYPE_ECDSA_P521:
	case SSH_KEYTYPE_RSA:
	case SSH_KEYTYPE_ED25519_CERT01:
	case SSH_KEYTYPE_ECDSA_P256_CERT01:
	case SSH_KEYTYPE_ECDSA_P384_CERT01:
	case SSH_KEYTYPE_ECDSA_P521_CERT01:
	case SSH_KEYTYPE_RSA_CERT01:
		return true;
	default:
		return false;
	}
}

uint8_t *
mftd_ssh_key_blob(ssh_key key, size_t *len)
{
	char *text = NULL;
	uint8_t *blob = NULL;
	size_t n;
	int got;

	if (ssh_pki_export_pubkey_base64(key, &text) != SSH_OK)
		return NULL;
	n = strlen(text);
	blob = malloc(n + 1);
	got = blob != NULL
	    ? EVP_DecodeBlock(blob, (const unsigned char *)text, (int)n)
	    : -1;
	if (got < 0) {
		free(blob);
		blob = NULL;
	} else {
		*len = (size_t)got;
		/* the decoder counts the padding as bytes */
		while (n > 0 && text[--n] == '=')
			(*len)--;
	}
	ssh_string_free_char(text);
	return blob;
}

static int
on_key(ssh_session session, const char *user, struct ssh_key_struct *key,
    char state, void *data)
{
	struct mftd_ssh *s = data;
	bool proven = state == SSH_PUBLICKEY_STATE_VALID;
	enum mftd_ssh_verdict v = MFTD_SSH_REFUSED;
	uint8_t *blob = NULL;
	size_t len = 0;

	/* after a key that was right there is only the password on offer */
	if (attempt(s, user) && s->partial[0] == '\0' && type_allowed(key) &&
	    (proven || state == SSH_PUBLICKEY_STATE_NONE))
		blob = mftd_ssh_key_blob(key, &len);
	if (blob != NULL)
		v = s->ops->key(s->data, user, blob, len, proven);
	free(blob);
	return verdict(s, user, v, proven);
}

static bool
on_global_request(void *data, const uint8_t *packet, size_t len)
{
	struct mftd_ssh *s = data;

	return s->in &&
	    mftd_hostkeys_prove(s->keys, s->session, packet, len) > 0;
}

static bool
on_channel_open(void *data, const uint8_t *packet, size_t len)
{
	return mftd_ssh_chan_refuse(data, packet, len);
}

static const struct mftd_sshpkt_ops packet_ops = {
	.global_request = on_global_request,
	.channel_open = on_channel_open,
	.window = WINDOW_BYTES,
};

struct mftd_ssh *
mftd_ssh_new(struct mftd_ssh_server *server, int fd,
    const struct mftd_ssh_ops *ops, void *data)
{
	struct mftd_ssh *s = calloc(1, sizeof(*s));
	size_t i;

	if (s == NULL)
		return NULL;
	for (i = 0; i < WATCH_MAX; i++)
		s->watched[i].fd = -1;
	s->ops = ops;
	s->data = data;
	s->keys = &server->keys;
	mftd_ssh_chans_init(s);
	s->calls.userdata = s;
	s->calls.auth_none_function = on_none;
	s->calls.auth_password_function = on_password;
	s->calls.auth_pubkey_function = on_key;
	ssh_callbacks_init(&s->calls);
	s->event = ssh_event_new();
	if (s->event != NULL)
		s->session = mftd_ssh_server_session(server, fd);
	if (s->session == NULL) {
		mftd_ssh_free(s);
		return NULL;
	}
	mftd_shim_keep_heap();
	mftd_shim_serve(ssh_get_fd(s->session));
	ssh_set_server_callbacks(s->session, &s->calls);
	mftd_userauth_answer(s->session, &s->tries, on_user, s);
	mftd_sshpkt_watch(s->session, &packet_ops, s);
	mftd_rekey_watch(s->session);
	ssh_set_auth_methods(s->session, METHODS);
	return s;
}

void
mftd_ssh_free(struct mftd_ssh *s)
{
	size_t i;

	if (s == NULL)
		return;
	if (s->session != NULL) {
		mftd_shim_serve(-1);
		mftd_userauth_answer(NULL, NULL, NULL, NULL);
		mftd_sshpkt_watch(NULL, NULL, NULL);
		mftd_rekey_watch(NULL);
	}
	for (i = 0; i < WATCH_MAX; i++)
		if (s->watched[i].fd >= 0)
			ssh_event_remove_fd(s->event, s->watched[i].fd);
	if (s->session != NULL) {
		ssh_event_remove_session(s->event, s->session);
		ssh_silent_disconnect(s->session);
		ssh_free(s->session);
	}
	if (s->event != NULL)
		ssh_event_free(s->event);
	mftd_ssh_chans_free(s);
	free(s);
}

const char *
mftd_ssh_why(const struct mftd_ssh *s)
{
	return s->why;
}

/* Keeps libssh's words, which go with the session. */
static int
failed(struct mftd_ssh *s, int err)
{
	snprintf(s->why, sizeof(s->why), "%s", ssh_get_error(s->session));
	return err;
}

/* After a MAC error ssh_event_dopoll does not fail: ask each time.  A client
 * that went is an error to libssh too, but no broken protocol. */
static int
check(struct mftd_ssh *s)
{
	if (!ssh_is_connected(s->session) ||
	    (ssh_get_status(s->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0)
		return failed(s, -MFTD_E_CLOSED);
	if (ssh_get_error_code(s->session) == SSH_FATAL)
		return failed(s, -MFTD_E_PROTOCOL);
	return 0;
}

int
mftd_ssh_login(struct mftd_ssh *s, int max_tries)
{
	int r;

	s->max_tries = max_tries;
	if (ssh_handle_key_exchange(s->session) != SSH_OK) {
		r = check(s);
		return r < 0 ? r : failed(s, -MFTD_E_PROTOCOL);
	}
	ssh_set_blocking(s->session, 0);
	if (ssh_event_add_session(s->event, s->session) != SSH_OK)
		return -ENOMEM;
	while (!s->in) {
		if (ssh_event_dopoll(s->event, -1) == SSH_ERROR) {
			r = check(s);
			return r < 0 ? r : failed(s, -MFTD_E_CLOSED);
		}
		r = check(s);
		if (r < 0)
			return r;
		if (s->tries >= s->max_tries) {
			snprintf(s->why, sizeof(s->why),
			    "too many refused attempts");
			return -MFTD_E_AUTH;
		}
	}
	return 0;
}

int
mftd_ssh_announce(struct mftd_ssh *s)
{
	return mftd_hostkeys_announce(s->keys, s->session);
}

uint64_t
mftd_ssh_heard(const struct mftd_ssh *s)
{
	return mftd_userauth_heard();
}

int
mftd_ssh_keepalive(struct mftd_ssh *s)
{
	struct mftd_buf *b = mftd_buf_new(64);
	int r =
	    b != NULL ? mftd_buf_put_u8(b, SSH_MSG_GLOBAL_REQUEST) : -ENOMEM;

	if (r == 0)
		r = mftd_buf_put_cstring(b, "keepalive@openssh.com");
	if (r == 0)
		r = mftd_buf_put_u8(b, 1); /* whatever it answers */
	if (r == 0)
		r = mftd_sshpkt_send(
		    s->session, mftd_buf_data(b), mftd_buf_len(b));
	mftd_buf_free(b);
	return r;
}

static int
on_watched(socket_t fd, int revents, void *data)
{
	struct watched *w = data;

	w->ready = true;
	return 0;
}

int
mftd_ssh_watch(struct mftd_ssh *s, int fd, short events)
{
	struct watched *w = NULL;
	size_t i;

	for (i = 0; i < WATCH_MAX; i++) {
		if (s->watched[i].fd == fd) {
			w = &s->watched[i];
			break;
		}
		if (s->watched[i].fd < 0 && w == NULL)
			w = &s->watched[i];
	}
	if (w == NULL)
		return -ENOSPC;
	if (w->fd == fd && w->events == events)
		return 0;
	if (w->fd == fd)
		ssh_event_remove_fd(s->event, fd);
	w->fd = -1;
	if (events == 0)
		return 0;
	if (ssh_event_add_fd(s->event, fd, events, on_watched, w) != SSH_OK)
		return -ENOMEM;
	w->fd = fd;
	w->events = events;
	w->ready = false;
	return 0;
}

bool
mftd_ssh_ready(const struct mftd_ssh *s, int fd)
{
	size_t i;

	for (i = 0; i < WATCH_MAX; i++)
		if (s->watched[i].fd == fd)
			return s->watched[i].ready;
	return false;
}

int
mftd_ssh_turn(struct mftd_ssh *s, int timeout_ms)
{
	size_t i;
	int r;

	for (i = 0; i < WATCH_MAX; i++)
		s->watched[i].ready = false;
	r = ssh_event_dopoll(s->event, timeout_ms);
	mftd_ssh_chans_sweep(s);
	if (r == SSH_ERROR) {
		r = check(s);
		return r < 0 ? r : failed(s, -MFTD_E_CLOSED);
	}
	return check(s);
}

void
mftd_ssh_disconnect(struct mftd_ssh *s, int64_t deadline_ms)
{
	int left;

	mftd_shim_writing(true); /* nothing is read any more */
	while ((ssh_get_poll_flags(s->session) & SSH_WRITE_PENDING) != 0 &&
	    (left = mftd_clock_left_ms(deadline_ms)) > 0)
		if (ssh_event_dopoll(s->event, left) == SSH_ERROR ||
		    check(s) < 0)
			return;
	mftd_shim_writing(false);
	ssh_disconnect(s->session);
}
