/* Part of mftd; see LICENSE. */
#include "mftd/ipc/chan.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_node.h"

struct ends {
	struct mftd_chan *a, *b;
};

static struct ends
ends_new(void)
{
	struct ends e;
	int fds[2];

	assert_int_equal(mftd_chan_pair(fds), 0);
	e.a = mftd_chan_new(fds[0], MFTD_PROC_SESSION, "");
	e.b = mftd_chan_new(fds[1], MFTD_PROC_JOURNAL, "main");
	return e;
}

static void
ends_free(struct ends *e)
{
	mftd_chan_free(e->a);
	mftd_chan_free(e->b);
}

static void
message_and_descriptor_arrive(void **state)
{
	struct ends e = ends_new();
	struct mftd_msg_peer peer = { .proc = 3, .instance = "main" };
	struct mftd_msg m;
	int fd = open("/dev/null", O_RDONLY);

	assert_int_equal(
	    mftd_chan_send(e.a, MFTD_MSG_PEER, 42, &peer, sizeof(peer), &fd, 1),
	    0);
	assert_int_equal(mftd_chan_recv(e.b, &m), 0);
	assert_int_equal(m.type, MFTD_MSG_PEER);
	assert_int_equal(m.ref, 42);
	assert_int_equal(m.n_fds, 1);
	assert_string_equal(
	    ((const struct mftd_msg_peer *)m.data)->instance, "main");
	assert_true(fcntl(m.fds[0], F_GETFD) & FD_CLOEXEC);
	mftd_msg_close(&m);
	assert_int_equal(mftd_chan_recv(e.b, &m), -EAGAIN);
	close(fd);
	ends_free(&e);
}

static void
gate_refuses(void **state)
{
	struct ends e = ends_new();
	struct mftd_msg_remove rm;
	struct mftd_msg m;
	int fd = open("/dev/null", O_RDONLY);

	memset(&rm, 'x', sizeof(rm)); /* no NUL */
	mftd_chan_send(e.a, MFTD_MSG_REMOVE, 1, &rm, sizeof(rm), NULL, 0);
	assert_int_equal(mftd_chan_recv(e.b, &m), -MFTD_E_PROTOCOL);
	memset(&rm, 0, sizeof(rm));
	mftd_chan_send(e.a, MFTD_MSG_REMOVE, 1, &rm, sizeof(rm) - 1, NULL, 0);
	assert_int_equal(mftd_chan_recv(e.b, &m), -MFTD_E_PROTOCOL);
	mftd_chan_send(e.a, MFTD_MSG_REMOVE, 1, &rm, sizeof(rm), &fd, 1);
	assert_int_equal(mftd_chan_recv(e.b, &m), -MFTD_E_PROTOCOL);
	mftd_chan_send(e.a, 9999, 1, &rm, sizeof(rm), NULL, 0);
	assert_int_equal(mftd_chan_recv(e.b, &m), -MFTD_E_PROTOCOL);
	assert_int_equal(send(mftd_chan_fd(e.a), "short", 5, 0), 5);
	assert_int_equal(mftd_chan_recv(e.b, &m), -MFTD_E_PROTOCOL);
	mftd_chan_send(e.a, MFTD_MSG_REMOVE, 1, &rm, sizeof(rm), NULL, 0);
	assert_int_equal(mftd_chan_recv(e.b, &m), 0);
	close(fd);
	ends_free(&e);
}

static void
full_channel_queues_to_its_bound(void **state)
{
	struct ends e = ends_new();
	struct mftd_msg_remove rm = { "f" };
	struct mftd_msg m;
	int sent = 0, got = 0, r;

	while ((r = mftd_chan_send(e.a, MFTD_MSG_REMOVE, (uint64_t)sent, &rm,
		    sizeof(rm), NULL, 0)) == 0)
		sent++;
	assert_int_equal(r, -ENOBUFS);
	assert_true(sent > MFTD_CHAN_QUEUE_MAX);
	while (got < sent) {
		r = mftd_chan_recv(e.b, &m);
		if (r == -EAGAIN) {
			r = mftd_chan_flush(e.a);
			assert_true(r == 0 || r == -EAGAIN);
			continue;
		}
		assert_int_equal(r, 0);
		assert_int_equal(m.ref, got++); /* in order, none lost */
	}
	assert_int_equal(mftd_chan_pending(e.a), 0);
	ends_free(&e);
}

static void
end_is_told(void **state)
{
	struct ends e = ends_new();
	struct mftd_msg_remove rm = { "f" };
	struct mftd_msg m;

	mftd_chan_free(e.b);
	assert_int_equal(mftd_chan_recv(e.a, &m), -MFTD_E_CLOSED);
	assert_int_equal(
	    mftd_chan_send(e.a, MFTD_MSG_REMOVE, 0, &rm, sizeof(rm), NULL, 0),
	    -MFTD_E_CLOSED);
	mftd_chan_free(e.a);
}

/* A peer that dies with something unread makes a reset of it, which does not
 * hide what it had answered. */
static void
last_words_are_heard(void **state)
{
	struct ends e = ends_new();
	struct mftd_msg_peer peer = { .proc = 3 };
	struct mftd_msg_remove rm = { .path = "f" };
	int fd = open("/dev/null", O_RDONLY);
	struct mftd_msg m;

	(void)state;
	assert_int_equal(
	    mftd_chan_send(e.b, MFTD_MSG_REMOVE, 7, &rm, sizeof(rm), NULL, 0),
	    0);
	assert_int_equal(
	    mftd_chan_send(e.a, MFTD_MSG_PEER, 8, &peer, sizeof(peer), &fd, 1),
	    0);
	mftd_chan_free(e.b);
	e.b = NULL;
	assert_int_equal(mftd_chan_recv(e.a, &m), 0);
	assert_int_equal(m.ref, 7);
	assert_int_equal(mftd_chan_recv(e.a, &m), -MFTD_E_CLOSED);
	close(fd);
	ends_free(&e);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_and_descriptor_arrive),
		cmocka_unit_test(gate_refuses),
		cmocka_unit_test(full_channel_queues_to_its_bound),
		cmocka_unit_test(end_is_told),
		cmocka_unit_test(last_words_are_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
