/* Part of mftd; see LICENSE. */
#include "mftd/ssh/transport.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <libssh/libssh.h>

#include "mftd/base/buf.h"
#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/limits.h"

/*
 * The server runs in a child and echoes what SFTP channels bring, taking little
 * at a time so that input waits again and again; libssh's client is the peer.
 */
#define ECHO_HIGH (64 * 1024)
#define ECHO_TAKES 10000
#define ECHO_BYTES (20 * 1024 * 1024)
#define DEADLINE_S 60 /* an alarm ends a hung test */

static const char key_file[] = "test_transport.hostkey";

/* ---- the server */

static enum mftd_ssh_verdict
on_password(void *data, const char *user, const char *password, bool after_key)
{
	return strcmp(user, "alice") == 0 && strcmp(password, "right") == 0
	    ? MFTD_SSH_ACCEPTED
	    : MFTD_SSH_REFUSED;
}

/* Any ed25519 key of alice does, and any ECDSA key of eve: a blob begins with
 * its type, and its length is known. */
static bool
is_key(
    void *data, const char *user, const uint8_t *key, size_t len, bool proven)
{
	static const char type[] = "\0\0\0\013ssh-ed25519\0\0\0\040";

	if (strcmp(user, "eve") == 0)
		return len == 104 && memcmp(key + 4, "ecdsa-sha2-", 11) == 0;
	return strcmp(user, "alice") == 0 && len == 51 &&
	    memcmp(key, type, sizeof(type) - 1) == 0;
}

static enum mftd_ssh_verdict
on_key(
    void *data, const char *user, const uint8_t *key, size_t len, bool proven)
{
	return is_key(data, user, key, len, proven) ? MFTD_SSH_ACCEPTED
						    : MFTD_SSH_REFUSED;
}

static void *
on_open(void *data, struct mftd_ssh_chan *c)
{
	return mftd_buf_new(2 * ECHO_HIGH);
}

/* Takes nothing when it has enough, and now and then for no reason. */
static ssize_t
on_input(void *chan_data, const uint8_t *bytes, size_t len)
{
	struct mftd_buf *b = chan_data;

	if (mftd_buf_len(b) > ECHO_HIGH || rand() % 2 == 0)
		return 0;
	if (len > ECHO_TAKES)
		len = ECHO_TAKES;
	if (len >= 4 && memcmp(bytes, "BAD!", 4) == 0)
		return -MFTD_E_PROTOCOL;
	return mftd_buf_put(b, bytes, len) == 0 ? (ssize_t)len : -1;
}

static const struct mftd_ssh_ops ops = { on_password, on_key, on_open,
	on_input };

static void
echo(struct mftd_ssh_chan *c)
{
	struct mftd_buf *b = mftd_ssh_chan_data(c);
	enum mftd_ssh_chan_state state;
	ssize_t n;
	int r;

	do {
		n = mftd_ssh_chan_send(c, mftd_buf_data(b), mftd_buf_len(b));
		if (n > 0)
			mftd_buf_consume(b, (size_t)n);
		r = mftd_ssh_chan_resume(c);
	} while (r > 0 || n > 0);
	state = mftd_ssh_chan_state(c);
	if (r < 0 || n < 0 || state == MFTD_SSH_CHAN_CLOSED ||
	    (state == MFTD_SSH_CHAN_EOF && mftd_buf_len(b) == 0)) {
		mftd_ssh_chan_close(c, state == MFTD_SSH_CHAN_CLOSED ? 1 : 7);
		mftd_buf_free(b);
	}
}

static _Noreturn void
serve(int fd)
{
	char *files[] = { (char *)(uintptr_t)key_file };
	struct mftd_ssh_server *server;
	struct mftd_ssh_chan *c, *next;
	struct mftd_ssh *s;
	char why[256];
	int r;

	alarm(DEADLINE_S);
	if (mftd_ssh_server_new(files, 1, &server, why, sizeof(why)) < 0)
		_exit(10);
	s = mftd_ssh_new(server, fd, &ops, NULL);
	if (s == NULL)
		_exit(11);
	r = mftd_ssh_login(s, 3);
	if (r == -MFTD_E_AUTH)
		mftd_ssh_disconnect(s, mftd_clock_ms() + 1000);
	while (r == 0) {
		r = mftd_ssh_turn(s, 2); /* what it did not take comes again */
		for (c = mftd_ssh_chan_next(s, NULL); c != NULL; c = next) {
			next = mftd_ssh_chan_next(s, c);
			echo(c);
		}
	}
	for (c = mftd_ssh_chan_next(s, NULL); c != NULL; c = next) {
		next = mftd_ssh_chan_next(s, c);
		mftd_buf_free(mftd_ssh_chan_data(c));
	}
	mftd_ssh_free(s);
	mftd_ssh_server_free(server);
	_exit(r == -MFTD_E_CLOSED ? 0 : r == -MFTD_E_AUTH ? 1 : 12);
}

/* ---- the client */

struct peer {
	pid_t server;
	ssh_session session;
};

static int
set_up(void **state)
{
	struct peer *p = calloc(1, sizeof(*p));
	const bool no_config = false;
	socket_t fds[2];

	assert_non_null(p);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	p->server = fork();
	assert_true(p->server >= 0);
	if (p->server == 0) {
		close(fds[0]);
		serve(fds[1]);
	}
	close(fds[1]);
	p->session = ssh_new();
	ssh_options_set(p->session, SSH_OPTIONS_HOST, "localhost");
	ssh_options_set(p->session, SSH_OPTIONS_USER, "alice");
	ssh_options_set(p->session, SSH_OPTIONS_PROCESS_CONFIG, &no_config);
	ssh_options_set(p->session, SSH_OPTIONS_FD, &fds[0]);
	assert_int_equal(ssh_connect(p->session), SSH_OK);
	*state = p;
	return 0;
}

/* The server's exit code once the client is gone. */
static int
server_code(struct peer *p)
{
	int status;

	if (p->session != NULL)
		ssh_free(p->session);
	p->session = NULL;
	assert_int_equal(waitpid(p->server, &status, 0), p->server);
	p->server = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
tear_down(void **state)
{
	struct peer *p = *state;

	if (p->session != NULL)
		ssh_free(p->session);
	if (p->server > 0) {
		kill(p->server, SIGKILL);
		waitpid(p->server, NULL, 0);
	}
	free(p);
	return 0;
}

static void
log_in(struct peer *p)
{
	assert_int_equal(
	    ssh_userauth_password(p->session, NULL, "right"), SSH_AUTH_SUCCESS);
}

static ssh_channel
open_sftp(struct peer *p)
{
	ssh_channel c = ssh_channel_new(p->session);

	assert_int_equal(ssh_channel_open_session(c), SSH_OK);
	assert_int_equal(ssh_channel_request_subsystem(c, "sftp"), SSH_OK);
	return c;
}

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 2654435761U >> 13);
}

/* Reads what is there and checks it; more: waits for some. */
static size_t
expect(ssh_channel c, size_t at, bool more)
{
	static uint8_t got[128 * 1024];
	int n, i;

	n = more ? ssh_channel_read(c, got, sizeof(got), 0)
		 : ssh_channel_read_nonblocking(c, got, sizeof(got), 0);
	assert_true(n >= (more ? 1 : 0));
	for (i = 0; i < n; i++)
		if (got[i] != byte_at(at + (size_t)i))
			fail_msg("byte %zu differs", at + (size_t)i);
	return at + (size_t)n;
}

static void
test_echo(void **state)
{
	struct peer *p = *state;
	static uint8_t sent[50000];
	size_t at, i, n, back = 0;
	ssh_channel c;

	log_in(p);
	c = open_sftp(p);
	for (at = 0; at < ECHO_BYTES; at += n) {
		n = sizeof(sent);
		if (n > ECHO_BYTES - at)
			n = ECHO_BYTES - at;
		for (i = 0; i < n; i++)
			sent[i] = byte_at(at + i);
		/* a write that waits for the window would not read what the
		 * other side has to be rid of first */
		while (ssh_channel_window_size(c) < n)
			back = expect(c, back, true);
		assert_int_equal(ssh_channel_write(c, sent, (uint32_t)n), n);
		back = expect(c, back, false);
	}
	ssh_channel_send_eof(c);
	while (back < ECHO_BYTES)
		back = expect(c, back, true);
	assert_int_equal(ssh_channel_read(c, sent, 1, 0), 0);
	assert_int_equal(ssh_channel_get_exit_status(c), 7);
	ssh_channel_free(c);
	assert_int_equal(server_code(p), 0);
}

static void
test_keys(void **state)
{
	struct peer *p = *state;
	ssh_key good = NULL, bad = NULL;

	assert_int_equal(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &good), 0);
	assert_int_equal(ssh_pki_generate(SSH_KEYTYPE_ECDSA, 256, &bad), 0);
	assert_int_equal(
	    ssh_userauth_try_publickey(p->session, NULL, bad), SSH_AUTH_DENIED);
	assert_int_equal(
	    ssh_userauth_publickey(p->session, NULL, bad), SSH_AUTH_DENIED);
	assert_int_equal(ssh_userauth_try_publickey(p->session, NULL, good),
	    SSH_AUTH_SUCCESS);
	assert_int_equal(ssh_userauth_try_publickey(p->session, "eve", bad),
	    SSH_AUTH_SUCCESS);
	/* that the key would do lets nobody in */
	assert_int_equal(
	    ssh_channel_open_session(ssh_channel_new(p->session)), SSH_ERROR);
	assert_int_equal(
	    ssh_userauth_publickey(p->session, NULL, good), SSH_AUTH_SUCCESS);
	ssh_key_free(good);
	ssh_key_free(bad);
	ssh_channel_free(open_sftp(p));
}

static void
test_tries(void **state)
{
	struct peer *p = *state;
	int i;

	for (i = 0; i < 3; i++)
		assert_int_not_equal(
		    ssh_userauth_password(p->session, NULL, "wrong"),
		    SSH_AUTH_SUCCESS);
	/* it has ended by itself: no further try can succeed */
	assert_int_equal(server_code(p), 1);
}

static void
test_only_sftp(void **state)
{
	struct peer *p = *state;
	ssh_channel c;

	log_in(p);
	c = ssh_channel_new(p->session);
	assert_int_equal(ssh_channel_open_session(c), SSH_OK);
	assert_int_equal(ssh_channel_request_pty(c), SSH_ERROR);
	assert_int_equal(ssh_channel_request_env(c, "A", "b"), SSH_ERROR);
	assert_int_equal(
	    ssh_channel_request_subsystem(c, "netconf"), SSH_ERROR);
	assert_int_equal(ssh_channel_request_subsystem(c, "sftp"), SSH_OK);
	assert_int_equal(ssh_channel_request_subsystem(c, "sftp"), SSH_ERROR);
	assert_int_equal(ssh_channel_open_forward(ssh_channel_new(p->session),
			     "127.0.0.1", 22, "127.0.0.1", 22),
	    SSH_ERROR);
	assert_int_equal(
	    ssh_channel_listen_forward(p->session, "127.0.0.1", 0, NULL),
	    SSH_ERROR);
}

/* What a command or a shell gets: words, an exit status, and the end. */
static void
says_instead(
    struct peer *p, const char *command, int is_stderr, const char *words)
{
	ssh_channel c = ssh_channel_new(p->session);
	char got[256];
	int n = 0, r;

	assert_int_equal(ssh_channel_open_session(c), SSH_OK);
	if (command != NULL)
		assert_int_equal(ssh_channel_request_exec(c, command), SSH_OK);
	else
		assert_int_equal(ssh_channel_request_shell(c), SSH_OK);
	do {
		r = ssh_channel_read_timeout(c, got + n,
		    (uint32_t)(sizeof(got) - 1 - (size_t)n), is_stderr, 10000);
		n += r > 0 ? r : 0;
	} while (r > 0);
	got[n] = '\0';
	assert_string_equal(got, words);
	assert_int_equal(ssh_channel_get_exit_status(c), 1);
	ssh_channel_free(c);
}

static void
test_commands(void **state)
{
	struct peer *p = *state;

	log_in(p);
	says_instead(p, "id", 1, "This server offers SFTP only.\n");
	says_instead(p, NULL, 1, "This server offers SFTP only.\n");
	says_instead(p, "scp -t /", 0,
	    "\002scp: this server speaks SFTP only: use scp without -O\n");
}

static void
test_channels(void **state)
{
	struct peer *p = *state;
	ssh_channel c[MFTD_SSH_CHANNELS_MAX + 1];
	char got[8];
	int i;

	log_in(p);
	for (i = 0; i < MFTD_SSH_CHANNELS_MAX; i++)
		c[i] = open_sftp(p);
	c[i] = ssh_channel_new(p->session);
	assert_int_equal(ssh_channel_open_session(c[i]), SSH_ERROR);
	/* one that breaks the protocol is closed, the others go on */
	assert_int_equal(ssh_channel_write(c[0], "BAD!", 4), 4);
	assert_int_equal(ssh_channel_read(c[0], got, sizeof(got), 0), 0);
	assert_int_equal(ssh_channel_get_exit_status(c[0]), 1);
	ssh_channel_free(c[0]);
	assert_int_equal(ssh_channel_write(c[1], "good", 4), 4);
	assert_int_equal(ssh_channel_read(c[1], got, 4, 0), 4);
	/* and its place is free again */
	c[0] = open_sftp(p);
	assert_int_equal(ssh_channel_write(c[0], "good", 4), 4);
	assert_int_equal(ssh_channel_read(c[0], got, 4, 0), 4);
}

static void
test_server(void **state)
{
	char *files[] = { (char *)(uintptr_t)key_file,
		(char *)(uintptr_t) "/dev/null" };
	struct mftd_ssh_server *server;
	char why[256];

	assert_int_equal(
	    mftd_ssh_server_new(files, 0, &server, why, sizeof(why)),
	    -MFTD_E_CONF);
	assert_int_equal(
	    mftd_ssh_server_new(files, 2, &server, why, sizeof(why)),
	    -MFTD_E_CONF);
	assert_non_null(strstr(why, "/dev/null"));
	files[1] = files[0];
	assert_int_equal(
	    mftd_ssh_server_new(files, 2, &server, why, sizeof(why)),
	    -MFTD_E_CONF);
	assert_non_null(strstr(why, "second key of its type"));
	assert_int_equal(
	    mftd_ssh_server_new(files, 1, &server, why, sizeof(why)), 0);
	assert_int_equal(mftd_ssh_server_warm(server), 0);
	mftd_ssh_server_free(server);
}

static int
make_host_key(void **state)
{
	ssh_key key = NULL;
	int r;

	signal(SIGPIPE, SIG_IGN);
	alarm(DEADLINE_S);
	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK)
		return -1;
	r = ssh_pki_export_privkey_file(key, NULL, NULL, NULL, key_file);
	ssh_key_free(key);
	return r == SSH_OK ? 0 : -1;
}

static int
remove_host_key(void **state)
{
	return unlink(key_file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server),
		cmocka_unit_test_setup_teardown(test_echo, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_keys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tries, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_only_sftp, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_commands, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_channels, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, make_host_key, remove_host_key);
}
