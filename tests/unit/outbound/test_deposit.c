/* Part of mftd; see LICENSE. */
/*
 * A deposit against the real journal, over each of its system calls: at one of
 * them it dies, or the call fails.  The test plays outbound.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/catalog/outcome.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/outbound/delivery.h"
#include "mftd/outbound/deposit.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/story.h"
#include "tests/unit/journal/tree.h"

#define LIFE_1 "n1-00000000000000aa"
#define LIFE_2 "n1-00000000000000ab"
#define SESSION LIFE_1 "-1"
#define RECEIPT "n9-00000000000000aa-j1.5"
#define BYTES (3u << 20)
#define FILES 2
#define STEPS_MAX 500

struct run {
	struct tree t;
	struct mftd_conf conf;
	struct mftd_policy policy;
	struct steps_plan plan;
	struct steps *steps;
	struct mftd_lease *lease;
	int status;
	uint32_t last[FILES]; /* the last event of each */
	bool asked[FILES]; /* its row is in PUBLISHING */
	struct rig r;
	bool replace; /* journal, at the step */
	bool good;
};

/* Says what is wrong, and where, and goes on. */
static void
check(struct run *u, bool ok, const char *what)
{
	if (ok)
		return;
	print_error(
	    "step %u, %s: %s\n", u->plan.at, steps_call(u->steps), what);
	u->good = false;
}

static char *
bytes_of(size_t len)
{
	char *data = malloc(len);
	size_t i;

	assert_non_null(data);
	for (i = 0; i < len; i++)
		data[i] = (char)(i * 7 + i / 4093);
	return data;
}

static void
make_source(struct run *u)
{
	int fd = openat(
	    u->t.fd, ".mft/out/" RECEIPT, O_WRONLY | O_CREAT | O_EXCL, 0600);
	char *data = bytes_of(BYTES);

	assert_true(fd >= 0);
	assert_int_equal(mftd_fd_write_full(fd, data, BYTES), 0);
	close(fd);
	free(data);
}

/* The k-th file: 1 whole, 0 absent, -1 anything else. */
static int
look(const struct run *u, int k)
{
	char path[] = "bob/in/f0", *want = bytes_of(BYTES), *data;
	size_t n;
	int r;

	path[sizeof(path) - 2] = (char)('0' + k);
	r = mftd_file_read(u->t.fd, path, BYTES + 1, &data, &n);
	if (r == 0) {
		r = n == BYTES && memcmp(data, want, n) == 0 ? 1 : -1;
		free(data);
	} else {
		r = r == -ENOENT ? 0 : -1;
	}
	free(want);
	return r;
}

/* ---- the processes */

/* What outbound asks of journal; its end of the channel is the deposit's. */
static int
open_session(struct rig *r)
{
	struct mftd_msg_session_open open = { .session = SESSION,
		.account = "bob",
		.volume = "main",
		.root = "bob",
		.peer = "queue:q" };
	int fds[2];

	assert_int_equal(mftd_chan_pair(fds), 0);
	assert_int_equal(mftd_chan_send(r->auth, MFTD_MSG_SESSION_OPEN, 0,
			     &open, sizeof(open), &fds[0], 1),
	    0);
	close(fds[0]);
	return fds[1];
}

static _Noreturn void
be_deposit(struct run *u, int outbound, int journal)
{
	struct mftd_deposit j = { .session = SESSION,
		.policy = &u->policy,
		.conf = &u->conf,
		.lease = u->lease };

	_exit(mftd_deposit_run(&j,
		  mftd_chan_new(outbound, MFTD_PROC_OUTBOUND, "q"),
		  mftd_chan_new(journal, MFTD_PROC_JOURNAL, "")) == 0
		? 0
		: 1);
}

static void
send_jobs(struct mftd_chan *c)
{
	struct mftd_msg_deliver_job job = { .tries = 1,
		.size = BYTES,
		.receipt = RECEIPT,
		.volume = "main",
		.directory = "in" };
	uint32_t i;

	for (i = 0; i < FILES; i++) {
		job.item = i;
		job.more = FILES - i - 1;
		snprintf(job.id, sizeof(job.id), "d-%u", i);
		snprintf(job.name, sizeof(job.name), "f%u", i);
		assert_int_equal(mftd_chan_send(c, MFTD_MSG_DELIVER_JOB, 0,
				     &job, sizeof(job), NULL, 0),
		    0);
	}
}

/* While the deposit is held at its step: journal dies, and another one of the
 * same incarnation has looked what that left. */
static void
replace_journal(struct run *u)
{
	kill(u->r.pid, SIGKILL);
	rig_stop(&u->r);
	rig_start(&u->r, u->t.path, LIFE_1, NULL, NULL);
	assert_true(rig_ready(&u->r));
	steps_release(u->steps);
}

/* Waits for its next word, or for the step before that.  Whether one came. */
static bool
hear(struct run *u, struct mftd_chan *c, struct mftd_msg *m)
{
	struct pollfd p[] = { { .fd = steps_fd(u->steps), .events = POLLIN },
		{ .fd = mftd_chan_fd(c), .events = POLLIN } };

	if (u->replace) {
		assert_true(poll(p, 2, -1) > 0);
		if ((p[1].revents & POLLIN) == 0 && steps_wait(u->steps)) {
			u->replace = false;
			replace_journal(u);
		}
	}
	return mftd_chan_wait(c, m, -1) == 0;
}

/* Agrees to all it says, until each file has ended or it is gone. */
static void
be_outbound(struct run *u, struct mftd_chan *c)
{
	const struct mftd_msg_deliver_answer yes = { .err = { 0 } };
	const struct mftd_msg_deliver_step *head;
	const struct mftd_msg_step *s;
	struct mftd_msg m;
	uint32_t i, ended = 0;

	send_jobs(c);
	while (ended < FILES && hear(u, c, &m)) {
		head = m.data;
		s = (const void *)(head + 1);
		assert_int_equal(m.type, MFTD_MSG_DELIVER_STEP);
		assert_string_equal(head->host, SESSION);
		for (i = 0; i < head->n; i++) {
			u->last[s[i].item] = s[i].event;
			u->asked[s[i].item] |= s[i].event == MFTD_EVENT_PUBLISH;
			ended += s[i].event != MFTD_EVENT_BEGIN &&
			    s[i].event != MFTD_EVENT_PUBLISH;
		}
		if (mftd_chan_send(c, MFTD_MSG_DELIVER_ANSWER, 0, &yes,
			sizeof(yes), NULL, 0) < 0)
			return;
	}
}

static const char *wanted; /* nftw(3) has no other way */

static int
is_wanted(const char *path, const struct stat *st, int type, struct FTW *f)
{
	(void)st;
	(void)type;
	return strcmp(path + f->base, wanted) == 0;
}

static bool
has_part(const struct run *u, const char *id)
{
	char parts[sizeof(u->t.path) + 16];

	wanted = id;
	snprintf(parts, sizeof(parts), "%s/.mft/parts", u->t.path);
	return nftw(parts, is_wanted, 16, FTW_PHYS) > 0;
}

/* Of a row in PUBLISHING that was not ended journal is to say what became of
 * its part: one that is there still nobody looks at. */
static void
check_settled(struct run *u)
{
	char id[MFTD_ID_BYTES], want[16];
	int k;

	for (k = 0; k < FILES; k++) {
		if (!u->asked[k] || u->last[k] != MFTD_EVENT_RETRY)
			continue;
		snprintf(want, sizeof(want), "d-%d", k);
		assert_int_equal(mftd_outcome_part(SESSION, want, 1, id), 0);
		check(u, !has_part(u, id),
		    "PUBLISHING, and a part that nobody settles");
	}
}

/* One deposit, and then a journal that finds what it left. */
static void
play(struct run *u)
{
	struct mftd_chan *c;
	int fds[2], journal;
	pid_t pid;

	rig_start(&u->r, u->t.path, LIFE_1, NULL, NULL);
	assert_true(rig_ready(&u->r));
	make_source(u);
	u->lease = u->r.lease;
	journal = open_session(&u->r);
	assert_int_equal(mftd_chan_pair(fds), 0);
	u->steps = steps_new(&u->plan);
	steps_arm(u->steps);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[0]);
		steps_enter(u->steps);
		be_deposit(u, fds[1], journal);
	}
	steps_begin(u->steps, pid);
	close(fds[1]);
	close(journal);
	c = mftd_chan_new(fds[0], MFTD_PROC_DELIVER, "");
	be_outbound(u, c);
	mftd_chan_free(c);
	if (u->plan.what == STEPS_HOLD)
		check_settled(u);
	assert_int_equal(waitpid(pid, &u->status, 0), pid);
	assert_int_equal(rig_stop(&u->r), 0);
	rig_start(&u->r, u->t.path, LIFE_2, NULL, NULL);
	assert_true(rig_ready(&u->r));
	assert_int_equal(rig_stop(&u->r), 0);
}

static void
check_file(struct run *u, int k)
{
	int there = look(u, k);

	check(u, there >= 0, "what is published is not what was sent");
	switch (u->last[k]) {
	case MFTD_EVENT_DELIVERED:
		check(u, there == 1, "told as delivered, and not there");
		break;
	case MFTD_EVENT_REFUSED:
		check(u, there == 0, "told as refused, and there");
		break;
	case MFTD_EVENT_PUBLISH: /* it died: the catalog will know */
		break;
	case MFTD_EVENT_RETRY:
		break;
	default:
		check(u, there == 0, "there, before it might be");
	}
}

static void
check_all(struct run *u)
{
	int k;

	check(u, !WIFSIGNALED(u->status) || u->plan.what == STEPS_KILL,
	    "it crashed");
	for (k = 0; k < FILES; k++)
		check_file(u, k);
	check(u, story_holds_together(&u->t, false), "disk and journal differ");
	check(u, !steps_synced_again(u->steps), "a failed sync was repeated");
}

/* Whether the plan's step came. */
static bool
run_once(const struct steps_plan *plan, bool *good)
{
	struct run u = { .plan = *plan,
		.policy = { .umask = 022 },
		.replace = plan->what == STEPS_HOLD };
	bool came;
	int k;

	u.good = true;
	tree_make(&u.t);
	u.conf.volumes[0].name = (char *)"main";
	u.conf.volumes[0].path = u.t.path;
	u.conf.n_volumes = 1;
	for (k = 0; k < FILES; k++)
		u.last[k] = MFTD_EVENT_COUNT;
	play(&u);
	came = steps_came(u.steps);
	check_all(&u);
	for (k = 0; !came && k < FILES; k++)
		check(&u, u.last[k] == MFTD_EVENT_DELIVERED,
		    "no fault, and not delivered");
	steps_free(u.steps);
	tree_remove(&u.t);
	*good &= u.good;
	return came;
}

static void
each_step(enum steps_what what, int err)
{
	struct steps_plan plan = { .what = what, .err = err, .at = 1 };
	bool good = true;

	while (run_once(&plan, &good))
		assert_true(plan.at++ < STEPS_MAX);
	print_message("%u steps\n", plan.at - 1);
	assert_true(plan.at > 20);
	assert_true(good);
}

/* ---- tests */

static void
killed(void **state)
{
	(void)state;
	each_step(STEPS_KILL, 0);
}

static void
input_output_error(void **state)
{
	(void)state;
	each_step(STEPS_FAIL, EIO);
}

static void
no_space(void **state)
{
	(void)state;
	each_step(STEPS_FAIL, ENOSPC);
}

static void
journal_is_replaced(void **state)
{
	(void)state;
	each_step(STEPS_HOLD, 0);
}

/* A part is durable, with its entry, before it is to be published. */
static void
durable_before_publish(void **state)
{
	struct durable *d = durable_new(true);
	bool good = true;

	(void)state;
	run_once(
	    &(struct steps_plan) { .watch = durable_watch, .data = d }, &good);
	assert_true(durable_good(d));
	assert_int_equal(durable_answers(d), FILES);
	durable_free(d);
	assert_true(good);
}

static void
written_back_meanwhile(void **state)
{
	bool good = true;

	(void)state;
	assert_true(run_once(
	    &(struct steps_plan) { .call = "sync_file_range", .at = 2 },
	    &good));
	assert_true(good);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durable_before_publish),
		cmocka_unit_test(written_back_meanwhile),
		cmocka_unit_test(killed),
		cmocka_unit_test(journal_is_replaced),
		cmocka_unit_test(input_output_error),
		cmocka_unit_test(no_space),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	/* power is not cut here: memory does, and is fast */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
