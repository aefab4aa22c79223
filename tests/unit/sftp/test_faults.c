/* Part of mftd; see LICENSE. */

/*
 * Each system call of a session that uploads is in turn its last one, fails, or
 * writes half, with the real journal behind it.  The client is told FAILURE or
 * nothing, never OK for what is not whole; and what is published is whole.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/story.h"
#include "tests/unit/journal/tree.h"
#include "tests/unit/sftp/peer.h"

#define LIFE_1 "n1-00000000000000aa"
#define LIFE_2 "n1-00000000000000ab"
#define WRITE (SSH_FXF_WRITE | SSH_FXF_CREAT)
#define PACKET (256 << 10)
#define BASE (300 << 10) /* bytes that f has */
#define LONG (36 * PACKET) /* more than the bytes between two syncs */
#define NO_ANSWER 999
#define STEPS_MAX 500

/* What the session's client does, and what f holds when all of it was done. */
struct script {
	const char *label;
	const char *name; /* while it is written; then it is renamed to f */
	uint32_t flags;
	size_t bytes; /* written from the start */
	size_t cut; /* FSETSTAT to that size, then; 0: none */
	size_t whole; /* the published file's size */
};

static const struct script scripts[] = {
	{ "a long upload", "f", WRITE | SSH_FXF_TRUNC, LONG, 0, LONG },
	{ "over a part of what is there", "f", WRITE, PACKET, 0, BASE },
	{ "cut", "f", WRITE | SSH_FXF_TRUNC, PACKET, PACKET / 2, PACKET / 2 },
};
#define N_SCRIPTS (sizeof(scripts) / sizeof(scripts[0]))

/* The part is synced under one name, and published by another. */
static const struct script moved = { "renamed meanwhile", "g", WRITE, LONG, 0,
	LONG };

/* What the client heard; shared with its process. */
struct heard {
	bool refused; /* anything before CLOSE */
	uint32_t close;
};

struct run {
	const struct script *script;
	struct steps_plan plan;
	struct tree t;
	struct steps *steps;
	struct heard *heard;
	int status; /* of the session's process */
	bool good;
};

static void
check(struct run *u, bool what, const char *text)
{
	if (what)
		return;
	u->good = false;
	print_error("%s: step %u, %s: %s: close %u, %s: %s\n", u->script->label,
	    u->plan.at, steps_call(u->steps), mftd_strerror(u->plan.err),
	    u->heard->close, u->heard->refused ? "refused" : "not refused",
	    text);
}

/* Byte i of the old and of the new file. */
static uint8_t
byte_of(size_t i, bool fresh)
{
	return (uint8_t)((i * 7 + i / 4096) ^ (fresh ? 0x55 : 0));
}

static char *
bytes_of(size_t len, size_t fresh)
{
	char *data = malloc(len);
	size_t i;

	assert_non_null(data);
	for (i = 0; i < len; i++)
		data[i] = (char)byte_of(i, i < fresh);
	return data;
}

static void
make_old(struct run *u)
{
	char *data = bytes_of(BASE, 0);
	int fd;

	tree_make(&u->t);
	assert_int_equal(mkdirat(u->t.fd, "alice", 0700), 0);
	fd = openat(u->t.fd, "alice/f", O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(mftd_fd_write_full(fd, data, BASE), 0);
	close(fd);
	free(data);
}

/* Whether f holds so many bytes, the first of them written by the session. */
static bool
holds(struct run *u, size_t len, size_t fresh)
{
	char *want = bytes_of(len, fresh), *data;
	size_t n;
	bool same;

	assert_int_equal(
	    mftd_file_read(u->t.fd, "alice/f", 64 << 20, &data, &n), 0);
	same = n == len && memcmp(data, want, n) == 0;
	free(data);
	free(want);
	return same;
}

/* The session's process; cmocka's assertions end it as a cut connection ends
 * its client. */
static void
be_session(struct run *u, struct rig_session *s)
{
	char *data = bytes_of(u->script->bytes, u->script->bytes);
	struct peer p;
	uint64_t h;
	size_t at;

	setenv("CMOCKA_TEST_ABORT", "1", 1);
	peer_over(&p, s->id, s->volume_id, s->c, s->root, s->parts);
	peer_start(&p);
	h = do_open(&p, u->script->name, u->script->flags, NULL);
	u->heard->refused = h == 0;
	if (h == 0)
		_exit(0);
	for (at = 0; at < u->script->bytes; at += PACKET)
		u->heard->refused |=
		    peer_status(&p, req_write(&p, h, at, data + at, PACKET)) !=
		    SSH_FX_OK;
	if (u->script->cut > 0)
		u->heard->refused |=
		    peer_status(&p, req_setsize(&p, h, u->script->cut)) !=
		    SSH_FX_OK;
	if (strcmp(u->script->name, "f") != 0)
		u->heard->refused |= peer_status(&p,
					 req_rename(&p, u->script->name, "f",
					     true)) != SSH_FX_OK;
	u->heard->close = do_close(&p, h);
	_exit(0);
}

static void
play(struct run *u)
{
	struct rig_session s;
	struct rig r;
	pid_t pid;

	rig_start(&r, u->t.path, LIFE_1, NULL, NULL);
	assert_true(rig_ready(&r));
	assert_int_equal(rig_open(&r, &s, 1, "alice", "alice"), 0);
	u->heard->refused = false;
	u->heard->close = NO_ANSWER;
	u->steps = steps_new(&u->plan);
	steps_arm(u->steps);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_enter(u->steps);
		be_session(u, &s);
	}
	steps_begin(u->steps, pid);
	rig_close(&s);
	assert_int_equal(waitpid(pid, &u->status, 0), pid);
	assert_int_equal(rig_stop(&r), 0);
	rig_start(&r, u->t.path, LIFE_2, NULL, NULL);
	assert_true(rig_ready(&r));
	assert_int_equal(rig_stop(&r), 0);
}

static void
check_all(struct run *u)
{
	bool old = holds(u, BASE, 0);
	bool whole = holds(u, u->script->whole, u->script->bytes);

	check(u,
	    !WIFSIGNALED(u->status) || WTERMSIG(u->status) == SIGABRT ||
		u->plan.what == STEPS_KILL,
	    "it crashed");
	check(u, WIFSIGNALED(u->status) || WEXITSTATUS(u->status) == 0,
	    "it ended with an error of its own");
	check(u, old || whole, "what is published is half");
	if (u->heard->close == SSH_FX_OK) {
		check(u, !u->heard->refused, "OK after a refused request");
		check(u, whole, "OK for what is not there");
	} else if (u->heard->close != NO_ANSWER) {
		check(u, old, "refused, but published");
	}
	check(u, story_holds_together(&u->t, false), "disk and journal differ");
	check(u, !steps_synced_again(u->steps), "a failed sync was repeated");
}

static bool
run_script(const struct script *script, const struct steps_plan *plan,
    struct heard *heard, bool *good)
{
	struct run u = {
		.script = script, .plan = *plan, .heard = heard, .good = true
	};
	bool came;

	make_old(&u);
	play(&u);
	came = steps_came(u.steps);
	check_all(&u);
	if (!came)
		check(&u, heard->close == SSH_FX_OK, "no fault, but refused");
	steps_free(u.steps);
	tree_remove(&u.t);
	*good &= u.good;
	return came;
}

static struct heard *
make_heard(void)
{
	struct heard *heard = mmap(NULL, sizeof(*heard), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(heard, MAP_FAILED);
	return heard;
}

static void
each_step(enum steps_what what, int err)
{
	struct steps_plan plan = { .what = what, .err = err };
	struct heard *heard = make_heard();
	unsigned total = 0;
	bool good = true;
	size_t i;

	for (i = 0; i < N_SCRIPTS; i++) {
		plan.at = 1;
		while (run_script(&scripts[i], &plan, heard, &good))
			assert_true(plan.at++ < STEPS_MAX);
		print_message("%s: %u steps\n", scripts[i].label, plan.at - 1);
		total += plan.at - 1;
		assert_true(good);
	}
	munmap(heard, sizeof(*heard));
	assert_true(total > 30);
}

/* No fault: a part is durable, with its entry, before it is to be published. */
static void
durable_before_publish(void **state)
{
	struct heard *heard = make_heard();
	struct durable *d;
	bool good = true;
	size_t i;

	for (i = 0; i <= N_SCRIPTS; i++) {
		d = durable_new(true);
		run_script(i < N_SCRIPTS ? &scripts[i] : &moved,
		    &(struct steps_plan) { .watch = durable_watch, .data = d },
		    heard, &good);
		good &= durable_good(d);
		assert_int_equal(durable_answers(d), 1);
		durable_free(d);
	}
	munmap(heard, sizeof(*heard));
	assert_true(good);
}

/* A long upload's bytes go to the disk before its end: else CLOSE waits for all
 * of them. */
static void
written_back_meanwhile(void **state)
{
	struct heard *heard = make_heard();
	bool good = true;

	assert_true(run_script(&scripts[0],
	    &(struct steps_plan) { .call = "sync_file_range", .at = 2 }, heard,
	    &good));
	munmap(heard, sizeof(*heard));
	assert_true(good);
}

static void
killed(void **state)
{
	each_step(STEPS_KILL, 0);
}

static void
input_output_error(void **state)
{
	each_step(STEPS_FAIL, EIO);
}

static void
no_space(void **state)
{
	each_step(STEPS_FAIL, ENOSPC);
}

static void
short_write(void **state)
{
	each_step(STEPS_SHORT, 0);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_before_publish),
		cmocka_unit_test(written_back_meanwhile),
		cmocka_unit_test(killed),
		cmocka_unit_test(input_output_error),
		cmocka_unit_test(no_space),
		cmocka_unit_test(short_write),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	/* power is not cut here: memory does, and is fast */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
