/* Part of mftd; see LICENSE. */
#include "mftd/control/control.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/limits.h"

#define LARGE 300000
#define CALL_MS 10000

struct server {
	char path[64];
	pid_t pid;
	struct mftd_control *control;
};

/* "large": more than a packet; "never": no answer; else an echo. */
static void
on_request(void *data, uint64_t client, json_t *req)
{
	struct server *s = data;
	const char *cmd = json_string_value(json_object_get(req, "cmd"));
	char *text;

	if (cmd != NULL && strcmp(cmd, "never") == 0)
		return;
	if (cmd == NULL || strcmp(cmd, "large") != 0) {
		mftd_control_reply(
		    s->control, client, json_pack("{s:O}", "echo", req));
		return;
	}
	text = malloc(LARGE + 1);
	memset(text, 'x', LARGE);
	text[LARGE] = '\0';
	mftd_control_reply(
	    s->control, client, json_pack("{s:s}", "text", text));
	free(text);
}

static int
start(void **state)
{
	struct server *s = calloc(1, sizeof(*s));
	qb_loop_t *loop;
	int ready[2];
	char byte;

	snprintf(s->path, sizeof(s->path), "test_control_%d", (int)getpid());
	assert_int_equal(pipe(ready), 0);
	s->pid = fork();
	if (s->pid == 0) {
		loop = qb_loop_create();
		if (mftd_control_open(
			loop, s->path, on_request, s, &s->control) < 0 ||
		    write(ready[1], "", 1) != 1)
			_exit(1);
		qb_loop_run(loop);
		_exit(0);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	*state = s;
	return 0;
}

static int
stop(void **state)
{
	struct server *s = *state;

	kill(s->pid, SIGKILL);
	waitpid(s->pid, NULL, 0);
	unlink(s->path);
	free(s);
	return 0;
}

static int
call(struct server *s, const char *cmd, int ms, json_t **reply)
{
	return mftd_control_call(s->path, json_pack("{s:s}", "cmd", cmd),
	    mftd_clock_ms() + ms, reply);
}

static void
a_large_reply_comes_in_pieces(void **state)
{
	json_t *reply = NULL;

	assert_int_equal(call(*state, "large", CALL_MS, &reply), 0);
	assert_int_equal(
	    json_string_length(json_object_get(reply, "text")), LARGE);
	json_decref(reply);
}

static void
no_answer_is_a_timeout(void **state)
{
	json_t *reply = NULL;

	assert_int_equal(call(*state, "never", 50, &reply), -ETIMEDOUT);
	assert_int_equal(call(*state, "still there", CALL_MS, &reply), 0);
	json_decref(reply);
}

static int
raw(const char *path, const void *data, size_t len)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	assert_int_equal(connect(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	if (len > 0)
		assert_int_equal(send(fd, data, len, 0), len);
	return fd;
}

static void
garbage_is_refused_and_harmless(void **state)
{
	struct server *s = *state;
	static char big[MFTD_CONTROL_REQUEST_BYTES + 1];
	char answer[256];
	json_t *reply = NULL;
	int fd;

	fd = raw(s->path, "[1]", 3);
	assert_true(recv(fd, answer, sizeof(answer), 0) > 1);
	assert_int_equal(answer[0], '.');
	assert_non_null(strstr(answer, "not a JSON object"));
	close(fd);
	memset(big, ' ', sizeof(big));
	fd = raw(s->path, big, sizeof(big));
	assert_int_equal(recv(fd, answer, sizeof(answer), 0), 0);
	close(fd);
	assert_int_equal(call(s, "x", CALL_MS, &reply), 0);
	json_decref(reply);
}

static void
too_many_clients_are_refused(void **state)
{
	struct server *s = *state;
	int fds[MFTD_CONTROL_CLIENTS_MAX + 1], i;
	int64_t deadline_ms = mftd_clock_ms() + CALL_MS;
	json_t *reply = NULL;
	char byte;

	for (i = 0; i <= MFTD_CONTROL_CLIENTS_MAX; i++)
		fds[i] = raw(s->path, NULL, 0);
	/* closed at once: 0, or ECONNRESET */
	assert_true(recv(fds[MFTD_CONTROL_CLIENTS_MAX], &byte, 1, 0) <= 0);
	for (i = 0; i <= MFTD_CONTROL_CLIENTS_MAX; i++)
		close(fds[i]);
	/* the server hears of the others' ends when it gets to them */
	while (mftd_clock_ms() < deadline_ms &&
	    call(s, "room again", CALL_MS, &reply) < 0)
		;
	assert_non_null(reply);
	json_decref(reply);
}

static void
no_daemon_is_said(void **state)
{
	json_t *reply = NULL;

	assert_int_equal(mftd_control_call("/tmp/mftd-no-such-socket",
			     json_object(), mftd_clock_ms() + 100, &reply),
	    -ENOENT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_large_reply_comes_in_pieces, start, stop),
		cmocka_unit_test_setup_teardown(
		    no_answer_is_a_timeout, start, stop),
		cmocka_unit_test_setup_teardown(
		    garbage_is_refused_and_harmless, start, stop),
		cmocka_unit_test_setup_teardown(
		    too_many_clients_are_refused, start, stop),
		cmocka_unit_test(no_daemon_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
