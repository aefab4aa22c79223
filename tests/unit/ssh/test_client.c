/* Part of mftd; see LICENSE. */
#include "mftd/ssh/client.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <poll.h>
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

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/ssh/internal.h"
#include "mftd/ssh/packet.h"

/*
 * What a server sends before it is wanted, and the window that bounds it.  The
 * server is ours, in a child, which sends as the first byte that comes says;
 * what a server may not send it makes of raw packets.
 */
#define KEEPS 'k' /* to the window, and takes nothing before it has used it */
#define FLOODS 'f' /* sends without end, and takes nothing */
#define TALKS 't' /* more than a window on stderr, and then data */

#define ENDS 'e' /* its channel */

#define CLIENT_WINDOW ((8 << 20) + 64000)
#define DATA_BYTES (20 << 20)
#define STDERR_BYTES (12 << 20)
#define FLOOD_PACKETS 640 /* of 32,000 bytes */
#define PIECE_BYTES 32000
#define DEADLINE_S 60 /* an alarm ends a hung test */
#define REQUEST_MS 10000
#define CHANNEL_DATA 94

static const char key_file[] = "test_client.hostkey";
static char pinned[512];

static uint8_t
byte_at(size_t i)
{
	return (uint8_t)(i * 2654435761U >> 13);
}

static void
fill(uint8_t *at, size_t from, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		at[i] = byte_at(from + i);
}

/* ---- the server */

struct act {
	uint8_t what;
	bool takes; /* what the client sends */
	size_t data, chatter; /* sent */
};

static enum mftd_ssh_verdict
on_password(void *data, const char *user, const char *password, bool after_key)
{
	return MFTD_SSH_ACCEPTED;
}

static enum mftd_ssh_verdict
on_key(
    void *data, const char *user, const uint8_t *key, size_t len, bool proven)
{
	return MFTD_SSH_REFUSED;
}

static void *
on_open(void *data, struct mftd_ssh_chan *c)
{
	return data;
}

static ssize_t
on_input(void *chan_data, const uint8_t *bytes, size_t len)
{
	struct act *a = chan_data;

	if (a->what == 0)
		a->what = bytes[0];
	return a->takes || a->what == TALKS ? (ssize_t)len : 0;
}

static const struct mftd_ssh_ops ops = { on_password, on_key, on_open,
	on_input };

/* One packet, whatever the window is. */
static void
send_raw(struct mftd_ssh_chan *c)
{
	static uint8_t packet[9 + PIECE_BYTES] = { CHANNEL_DATA };
	uint32_t be = htobe32(c->number);

	memcpy(packet + 1, &be, sizeof(be));
	be = htobe32(PIECE_BYTES);
	memcpy(packet + 5, &be, sizeof(be));
	mftd_sshpkt_send(c->ssh->session, packet, sizeof(packet));
}

static void
send_data(struct mftd_ssh_chan *c, struct act *a)
{
	static uint8_t piece[PIECE_BYTES];
	size_t room = mftd_ssh_chan_room(c), len = sizeof(piece);
	ssize_t n;

	if (len > room)
		len = room;
	if (len > DATA_BYTES - a->data)
		len = DATA_BYTES - a->data;
	fill(piece, a->data, len);
	n = mftd_ssh_chan_send(c, piece, len);
	a->data += n > 0 ? (size_t)n : 0;
	if (ssh_channel_window_size(c->channel) == 0)
		a->takes = true;
}

static void
send_chatter(struct mftd_ssh_chan *c, struct act *a)
{
	static const uint8_t piece[PIECE_BYTES];
	size_t room = mftd_ssh_chan_room(c);
	int n = 0;

	if (room > sizeof(piece))
		room = sizeof(piece);
	if (room > 0)
		n = ssh_channel_write_stderr(c->channel, piece, (uint32_t)room);
	a->chatter += n > 0 ? (size_t)n : 0;
}

static void
act(struct mftd_ssh_chan *c, struct act *a)
{
	int i;

	if (a->what == KEEPS ||
	    (a->what == TALKS && a->chatter >= STDERR_BYTES))
		send_data(c, a);
	else if (a->what == TALKS)
		send_chatter(c, a);
	for (i = 0; a->what == FLOODS && i < FLOOD_PACKETS; i++)
		send_raw(c);
	if (a->what == FLOODS)
		a->what = 1;
	if (a->what == ENDS) {
		a->what = 1;
		mftd_ssh_chan_close(c, 0);
		return;
	}
	mftd_ssh_chan_resume(c);
}

static _Noreturn void
serve(int fd)
{
	char *files[] = { (char *)(uintptr_t)key_file };
	struct mftd_ssh_server *server;
	struct act a = { 0 };
	struct mftd_ssh_chan *c;
	struct mftd_ssh *s;
	char why[256];
	int r;

	alarm(DEADLINE_S);
	fd = accept(fd, NULL, NULL);
	if (mftd_ssh_server_new(files, 1, &server, why, sizeof(why)) < 0)
		_exit(10);
	s = mftd_ssh_new(server, fd, &ops, &a);
	r = s != NULL ? mftd_ssh_login(s, 3) : -1;
	while (r == 0) {
		r = mftd_ssh_turn(s, 2); /* what it did not take comes again */
		c = mftd_ssh_chan_next(s, NULL);
		if (c != NULL)
			act(c, &a);
	}
	_exit(r == -MFTD_E_CLOSED ? 0 : 12);
}

/* ---- the client */

struct peer {
	pid_t server;
	struct mftd_ssh_target t;
	char address[64];
	char *keys[1];
	struct mftd_ssh_client *c;
	uint8_t *bytes; /* DATA_BYTES */
};

static int
set_up(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct peer *p = calloc(1, sizeof(*p));
	socklen_t len = sizeof(at);
	char why[256] = "";
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_non_null(p);
	*state = p;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	p->server = fork();
	assert_true(p->server >= 0);
	if (p->server == 0)
		serve(fd);
	close(fd);
	snprintf(
	    p->address, sizeof(p->address), "127.0.0.1:%d", ntohs(at.sin_port));
	p->keys[0] = pinned;
	p->t = (struct mftd_ssh_target) { .host = "localhost",
		.port = 22,
		.address = p->address,
		.user = "alice",
		.password = "any",
		.host_keys = p->keys,
		.n_host_keys = 1,
		.connect_ms = REQUEST_MS,
		.request_ms = REQUEST_MS };
	if (mftd_ssh_client_open(&p->t, &p->c, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	p->bytes = calloc(1, DATA_BYTES);
	assert_non_null(p->bytes);
	return 0;
}

static int
tear_down(void **state)
{
	struct peer *p = *state;

	mftd_ssh_client_close(p->c);
	kill(p->server, SIGKILL);
	waitpid(p->server, NULL, 0);
	free(p->bytes);
	free(p);
	return 0;
}

static void
expect(struct peer *p, size_t from, size_t len)
{
	size_t i;

	if (mftd_ssh_client_read(p->c, p->bytes, len) < 0)
		fail_msg("%s", mftd_ssh_client_why(p->c));
	for (i = 0; i < len; i++)
		if (p->bytes[i] != byte_at(from + i))
			fail_msg("byte %zu differs", from + i);
}

/* While the client writes, all that its window allows comes; and then the rest,
 * in pieces of any size. */
static void
keeps_what_comes_early(void **state)
{
	struct peer *p = *state;
	size_t at = 0, n;

	memset(p->bytes, KEEPS, DATA_BYTES);
	assert_int_equal(
	    mftd_ssh_client_write(p->c, p->bytes, CLIENT_WINDOW + PIECE_BYTES),
	    0);
	for (n = 1; at < DATA_BYTES; n = n * 3 + 1) {
		if (n > DATA_BYTES - at)
			n = DATA_BYTES - at;
		expect(p, at, n);
		at += n;
	}
}

/* More than the window allows is not kept. */
static void
ends_what_ignores_the_window(void **state)
{
	struct peer *p = *state;

	memset(p->bytes, FLOODS, DATA_BYTES);
	assert_int_equal(mftd_ssh_client_write(p->c, p->bytes, DATA_BYTES),
	    -MFTD_E_PROTOCOL);
	assert_string_equal(mftd_ssh_client_why(p->c),
	    "the server sends more than was asked for");
}

/* What is thrown away opens the window again, too. */
static void
takes_no_notice_of_stderr(void **state)
{
	struct peer *p = *state;

	p->bytes[0] = TALKS;
	assert_int_equal(mftd_ssh_client_write(p->c, p->bytes, 1), 0);
	expect(p, 0, DATA_BYTES);
}

static void
await_closed(struct mftd_ssh_client *c)
{
	int64_t end = mftd_clock_ms() + REQUEST_MS;

	while (!mftd_ssh_client_is_closed(c)) {
		assert_true(mftd_clock_ms() < end);
		poll(NULL, 0, 5);
	}
}

/* That the server has ended the connection is known without asking it, … */
static void
sees_the_end(void **state)
{
	struct peer *p = *state;

	assert_false(mftd_ssh_client_is_closed(p->c));
	kill(p->server, SIGKILL);
	await_closed(p->c);
}

/* … and of the channel alone. */
static void
sees_the_end_of_the_channel(void **state)
{
	struct peer *p = *state;

	p->bytes[0] = ENDS;
	assert_int_equal(mftd_ssh_client_write(p->c, p->bytes, 1), 0);
	await_closed(p->c);
}

/* A port where nobody listens: it stays bound. */
static int
take_port(int *fd)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	*fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(*fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(*fd, (struct sockaddr *)&at, &len), 0);
	return ntohs(at.sin_port);
}

/* A call in vain says so where the address is no host's any more, and only
 * there: a name that is not found may have had it. */
static void
knows_what_is_not_configured(void **state)
{
	char address[32], why[MFTD_REASON_BYTES], other[] = "127.0.0.2",
						  no_name[] = "no such name";
	char *others[] = { other };
	struct mftd_ssh_client *c;
	int fd, port = take_port(&fd);
	struct mftd_ssh_target t = { .host = "localhost",
		.port = port,
		.other_hosts = others,
		.n_other_hosts = 1,
		.address = address,
		.user = "alice",
		.connect_ms = REQUEST_MS,
		.request_ms = REQUEST_MS };

	snprintf(address, sizeof(address), "127.0.0.1:%d", port);
	assert_int_equal(
	    mftd_ssh_client_open(&t, &c, why, sizeof(why)), -ECONNREFUSED);
	t.port = 1;
	assert_int_equal(mftd_ssh_client_open(&t, &c, why, sizeof(why)),
	    -MFTD_E_NOT_CONFIGURED);
	others[0] = address;
	assert_int_equal(
	    mftd_ssh_client_open(&t, &c, why, sizeof(why)), -ECONNREFUSED);
	others[0] = no_name;
	assert_int_equal(
	    mftd_ssh_client_open(&t, &c, why, sizeof(why)), -ECONNREFUSED);
	close(fd);
}

/* A host that our source cannot call gives way to the next one, and says why.
 */
static void
passes_over_another_family(void **state)
{
	char why[MFTD_REASON_BYTES] = "";
	struct mftd_ssh_target t = { .host = "::1",
		.port = 1,
		.source = "127.0.0.1",
		.user = "alice",
		.connect_ms = REQUEST_MS,
		.request_ms = REQUEST_MS };
	struct mftd_ssh_client *c;

	assert_int_equal(
	    mftd_ssh_client_open(&t, &c, why, sizeof(why)), -EAFNOSUPPORT);
	assert_string_equal(why,
	    "::1 from 127.0.0.1: Address family not supported by protocol");
}

static int
make_host_key(void **state)
{
	ssh_key key = NULL;
	char *b64 = NULL;
	int r;

	signal(SIGPIPE, SIG_IGN);
	alarm(DEADLINE_S);
	if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
	    ssh_pki_export_pubkey_base64(key, &b64) != SSH_OK)
		return -1;
	snprintf(pinned, sizeof(pinned), "ssh-ed25519 %s", b64);
	r = ssh_pki_export_privkey_file(key, NULL, NULL, NULL, key_file);
	ssh_string_free_char(b64);
	ssh_key_free(key);
	return r == SSH_OK ? 0 : -1;
}

static int
remove_host_key(void **state)
{
	return unlink(key_file);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    keeps_what_comes_early, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    ends_what_ignores_the_window, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    takes_no_notice_of_stderr, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    sees_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    sees_the_end_of_the_channel, set_up, tear_down),
		cmocka_unit_test(knows_what_is_not_configured),
		cmocka_unit_test(passes_over_another_family),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, make_host_key, remove_host_key);
}
