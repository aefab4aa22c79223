/* Part of mftd; see LICENSE. */
/*
 * A fetch against a real sshd; the test plays outbound: it keeps the rows, and
 * kills the fetch, or lets the partner's server die, at every place there is.
 * Whatever happened: each file came once and whole, nothing is left, and
 * nothing was taken away at the partner that was not here.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_fetch.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/outbound/fetch.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/outbound/partner.h"

#define ROWS_MAX 64
#define MTIME 1500000000
#define LARGE 9000000 /* more than fits under way at once at 32 KiB a READ */

/* What outbound's catalog would have. */
struct row {
	struct mftd_msg_fetch_found found;
	bool forgotten; /* its wish is done */
	bool begun;
	char target[MFTD_PATH_BYTES];
	int later; /* tries of its wish that failed */
};

/* When to kill the fetch: at this message, before its row is written, between
 * row and answer, or after the answer. */
enum moment { BEFORE_ROW, AFTER_ROW, AFTER_ANSWER };
struct plan {
	uint32_t at; /* 0: never */
	enum moment moment;
	void (*amid)(void *data); /* done instead of killing, before the row */
};

struct rig {
	struct partner partner;
	char volume[80], out[128], staged[128], done[128];
	struct mftd_conf conf;
	struct mftd_fetch j;
	struct steps *steps; /* not NULL: counts the calls of the process */
	struct row rows[ROWS_MAX];
	int n_rows;
	enum mftd_fetched wish; /* for all that is found */
	int asked, looks, calls, refusals; /* messages of each kind */
	int32_t call_err, look_err;
	char why[MFTD_REASON_BYTES];
};

static int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	char path[192];
	struct mftd_lease *lease;

	*state = g;
	if (g == NULL || partner_start(&g->partner) < 0)
		return -1;
	snprintf(g->volume, sizeof(g->volume), "%s/vol", g->partner.dir);
	snprintf(path, sizeof(path), "%s/.mft", g->volume);
	snprintf(g->out, sizeof(g->out), "%s/out", path);
	snprintf(g->staged, sizeof(g->staged), "%s/staged/r", path);
	snprintf(g->done, sizeof(g->done), "%s/done", g->partner.dir);
	mkdir(g->volume, 0700);
	mkdir(path, 0700);
	mkdir(g->out, 0700);
	mkdir(g->done, 0700);
	lease = mftd_lease_new();
	mftd_lease_hold(lease);
	g->conf.volumes[0].name = (char *)"main";
	g->conf.volumes[0].path = g->volume;
	g->conf.n_volumes = 1;
	g->conf.node = (char *)"n1";
	g->j = (struct mftd_fetch) { .partner = &g->partner.p,
		.route = "r",
		.directory = g->partner.in,
		.conf = &g->conf,
		.volume = "main",
		.lease = lease };
	return 0;
}

static int
teardown(void **state)
{
	struct rig *g = *state;

	partner_stop(&g->partner);
	free(g);
	return 0;
}

static void
put_file(struct rig *g, const char *name, uint64_t size, unsigned seed)
{
	const struct timespec times[2] = { { .tv_sec = MTIME },
		{ .tv_sec = MTIME } };
	char path[256];
	uint8_t sum[32];

	snprintf(path, sizeof(path), "%s/%s", g->partner.in, name);
	make_file(path, size, seed, sum);
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* ---- outbound */

static struct row *
find(struct rig *g, const struct mftd_msg_fetch_file *f)
{
	struct row *r;

	for (r = g->rows; r < g->rows + g->n_rows; r++)
		if (!r->forgotten && strcmp(r->found.file.name, f->name) == 0 &&
		    r->found.file.size == f->size &&
		    r->found.file.mtime == f->mtime)
			return r;
	return NULL;
}

static void
on_ask(struct rig *g, const struct mftd_msg *m,
    struct mftd_msg_fetch_answer *answer)
{
	const struct mftd_msg_fetch_ask *ask = m->data;
	const struct mftd_msg_fetch_file *f = (const void *)(ask + 1);
	uint32_t i;

	assert_true(ask->n > 0 && ask->n <= MFTD_FETCH_ASK_MAX);
	assert_int_equal(m->len, sizeof(*ask) + ask->n * sizeof(*f));
	g->asked += (int)ask->n;
	for (i = 0; i < ask->n; i++)
		answer->err[i] = find(g, &f[i]) != NULL ? -EEXIST : 0;
}

static void
on_found(struct rig *g, const struct mftd_msg *m,
    struct mftd_msg_fetch_answer *answer)
{
	const struct mftd_msg_fetch_found *found = m->data;

	if (find(g, &found->file) != NULL) {
		answer->err[0] = -EEXIST;
		return;
	}
	assert_true(g->n_rows < ROWS_MAX);
	g->rows[g->n_rows++] = (struct row) { .found = *found };
}

static bool
has_id(const struct rig *g, const struct mftd_msg_fetch_staged *staged)
{
	int i;

	for (i = 0; i < g->n_rows; i++)
		if (strcmp(g->rows[i].found.id, staged->id) == 0)
			return true;
	return false;
}

static struct row *
next_wish(struct rig *g)
{
	struct row *r;

	for (r = g->rows; r < g->rows + g->n_rows; r++)
		if (g->wish != MFTD_FETCHED_KEEP && !r->forgotten &&
		    r->later == 0)
			return r;
	return NULL;
}

static void
send_wish(struct rig *g, struct mftd_chan *c)
{
	const struct row *r = next_wish(g);
	struct mftd_msg_fetch_wish w = { .what = MFTD_FETCHED_KEEP };

	if (r != NULL) {
		w.file = r->found.file;
		w.what = g->wish;
		w.begun = r->begun;
		memcpy(w.sha256, r->found.sha256, sizeof(w.sha256));
		memcpy(w.id, r->found.id, sizeof(w.id));
		snprintf(w.move_to, sizeof(w.move_to), "%s", g->done);
		memcpy(w.target, r->target, sizeof(w.target));
	}
	mftd_chan_send(c, MFTD_MSG_FETCH_WISH, 0, &w, sizeof(w), NULL, 0);
}

static void
on_tidy(struct rig *g, const struct mftd_msg *m)
{
	const struct mftd_msg_fetch_tidy *t = m->data;
	struct row *r;

	for (r = g->rows; r < g->rows + g->n_rows; r++)
		if (strcmp(r->found.id, t->id) == 0)
			break;
	assert_true(r < g->rows + g->n_rows);
	if (t->step == MFTD_FETCH_BEGIN) {
		r->begun = true;
		memcpy(r->target, t->target, sizeof(r->target));
	} else if (t->step == MFTD_FETCH_DONE) {
		r->forgotten = true;
	} else {
		r->later++;
		g->refusals++;
		snprintf(g->why, sizeof(g->why), "%s", t->text);
	}
}

/* Writes what the message says. */
static void
apply(struct rig *g, const struct mftd_msg *m,
    struct mftd_msg_fetch_answer *answer)
{
	const struct mftd_msg_fetch_called *called = m->data;
	const struct mftd_msg_fetch_looked *looked = m->data;

	memset(answer, 0, sizeof(*answer));
	switch (m->type) {
	case MFTD_MSG_FETCH_CALLED:
		g->calls++;
		g->call_err = called->err;
		break;
	case MFTD_MSG_FETCH_STAGED:
		answer->err[0] = has_id(g, m->data);
		break;
	case MFTD_MSG_FETCH_ASK:
		on_ask(g, m, answer);
		break;
	case MFTD_MSG_FETCH_FOUND:
		on_found(g, m, answer);
		break;
	case MFTD_MSG_FETCH_LOOKED:
		g->looks++;
		g->look_err = looked->err;
		if (looked->err < 0)
			snprintf(g->why, sizeof(g->why), "%s", looked->why);
		break;
	case MFTD_MSG_FETCH_TIDY:
		on_tidy(g, m);
		break;
	default:
		fail_msg("message %u", m->type);
	}
}

static pid_t
start(struct rig *g, struct mftd_chan **c)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(mftd_chan_pair(fds), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		close(g->partner.guard); /* or its end were not seen */
		if (g->steps != NULL)
			steps_enter(g->steps);
		*c = mftd_chan_new(fds[1], MFTD_PROC_OUTBOUND, "");
		_exit(mftd_fetch_run(&g->j, *c) == 0 ? 0 : 1);
	}
	close(fds[1]);
	if (g->steps != NULL) {
		steps_begin(g->steps, pid);
		steps_arm(g->steps);
	}
	*c = mftd_chan_new(fds[0], MFTD_PROC_DELIVER, "");
	return pid;
}

/* One fetch, for so many looks or to the moment to kill it.  Whether that came.
 */
static bool
run(struct rig *g, int looks, const struct plan *plan)
{
	struct mftd_msg_fetch_answer answer;
	int end = g->looks + looks;
	struct mftd_chan *c;
	struct mftd_msg m;
	bool now = false;
	pid_t pid = start(g, &c);

	while (g->looks < end &&
	    mftd_chan_wait(c, &m, mftd_clock_ms() + 60000) == 0) {
		now = plan != NULL && m.type == plan->at;
		if (now && plan->amid != NULL)
			plan->amid(g);
		now = now && plan->amid == NULL;
		if (now && plan->moment == BEFORE_ROW)
			break;
		if (m.type != MFTD_MSG_FETCH_NEXT)
			apply(g, &m, &answer);
		if (now && plan->moment == AFTER_ROW)
			break;
		if (m.type == MFTD_MSG_FETCH_NEXT)
			send_wish(g, c);
		else
			mftd_chan_send(c, MFTD_MSG_FETCH_ANSWER, 0, &answer,
			    sizeof(answer), NULL, 0);
		if (now)
			break;
	}
	if (now)
		kill(pid, SIGKILL);
	mftd_chan_free(c);
	waitpid(pid, NULL, 0);
	return now;
}

/* ---- what there is then */

static int
count_names(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

/* Whether row i is that file, and its bytes are here, those of seed. */
static void
check_row(
    const struct rig *g, int i, const char *name, uint64_t size, unsigned seed)
{
	const struct row *r = &g->rows[i];
	char path[300], same[300];
	uint8_t sum[32], want[32];
	struct stat st;

	assert_string_equal(r->found.file.name, name);
	assert_int_equal(r->found.file.size, size);
	snprintf(path, sizeof(path), "%s/%s", g->out, r->found.id);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, size);
	assert_int_equal(st.st_mtime, r->found.file.mtime);
	sum_file(path, sum);
	snprintf(same, sizeof(same), "%s/same", g->partner.dir);
	make_file(same, size, seed, want);
	unlink(same);
	assert_memory_equal(sum, want, sizeof(sum));
	assert_memory_equal(sum, r->found.sha256, sizeof(sum));
}

/* ---- the tests */

static void
brings_what_is_stable(void **state)
{
	struct rig *g = *state;

	put_file(g, "a", LARGE, 1);
	put_file(g, "b", 0, 2);
	put_file(g, "c", 70000, 3);
	run(g, 1, NULL);
	/* one look says nothing of what it sees first */
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(g->asked, 0);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 3);
	check_row(g, 0, "a", LARGE, 1);
	check_row(g, 1, "b", 0, 2);
	check_row(g, 2, "c", 70000, 3);
	assert_int_equal(g->rows[0].found.verified, MFTD_VERIFIED_SIZE);
	/* what it brought it does not ask for again; another process does */
	assert_int_equal(g->asked, 3);
	run(g, 3, NULL);
	assert_int_equal(g->asked, 6);
	assert_int_equal(g->n_rows, 3);
	assert_int_equal(count_names(g->out), 3);
	assert_int_equal(partner_names(&g->partner), 3);
}

static void
take_away(void *data)
{
	struct rig *g = data;
	char path[192];

	snprintf(path, sizeof(path), "%s/a", g->partner.in);
	unlink(path);
	snprintf(path, sizeof(path), "%s/b", g->partner.in);
	unlink(path);
}

/* Files that cannot be had keep no other waiting, and are told of. */
static void
goes_on_behind_what_is_refused(void **state)
{
	const struct plan plan = { .at = MFTD_MSG_FETCH_ASK,
		.amid = take_away };
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	put_file(g, "b", 1000, 2);
	put_file(g, "c", 1000, 3);
	run(g, 2, &plan);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "c", 1000, 3);
	assert_true(g->look_err < 0);
	assert_non_null(strstr(g->why, "a: open: "));
}

/* What came is on its way to the disk before all has come. */
static void
written_back_meanwhile(void **state)
{
	struct rig *g = *state;

	g->steps = steps_new(
	    &(struct steps_plan) { .call = "sync_file_range", .at = 1 });
	put_file(g, "a", LARGE, 1);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 1);
	assert_true(steps_count(g->steps) >= LARGE / (256 * 1024));
	steps_free(g->steps);
}

static void
takes_regular_files_that_match(void **state)
{
	static char *files[] = { (char *)"*.csv", (char *)"x.tmp" };
	static char *except[] = { (char *)"no*" };
	struct rig *g = *state;
	char path[256];

	put_file(g, "one.csv", 10, 1);
	put_file(g, "no.csv", 10, 1);
	put_file(g, "two.txt", 10, 1);
	put_file(g, "x.tmp", 10, 1);
	snprintf(path, sizeof(path), "%s/dir.csv", g->partner.in);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/link.csv", g->partner.in);
	assert_int_equal(symlink("one.csv", path), 0);
	snprintf(path, sizeof(path), "%s/fifo.csv", g->partner.in);
	assert_int_equal(mkfifo(path, 0700), 0);
	g->j.files = files;
	g->j.n_files = 2;
	g->j.except = except;
	g->j.n_except = 1;
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "one.csv", 10, 1);
}

static void
a_changed_file_is_another_one(void **state)
{
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	run(g, 3, NULL);
	put_file(g, "a", 1001, 2);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 0, "a", 1000, 1);
	check_row(g, 1, "a", 1001, 2);
}

static void
grow(void *data)
{
	struct rig *g = data;

	put_file(g, "a", 2000, 2);
}

/* It was listed, and found stable, but is another one when it is opened. */
static void
changed_before_it_is_read(void **state)
{
	const struct plan amid = { .at = MFTD_MSG_FETCH_ASK, .amid = grow };
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	run(g, 2, &amid);
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(g->look_err, 0);
	assert_int_equal(count_names(g->out), 0);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", 2000, 2);
}

/* Its bytes change while they are read: the server waits at its first READ
 * until the file is another. */
static void
changed_while_it_is_read(void **state)
{
	struct rig *g = *state;
	int i;

	put_file(g, "a", LARGE, 1);
	run(g, 1, NULL);
	/* the second FSTAT of the open file finds a later one: strace answers
	 * with an error, which is no proof that it did not change */
	partner_fault(
	    &g->partner, "-e inject=fstat,newfstatat:error=EIO:when=9+");
	for (i = 0; i < 3; i++)
		run(g, 2, NULL);
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(count_names(g->out), 0);
	partner_fault(&g->partner, "");
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", LARGE, 1);
}

/* More comes than was asked for: it would be written past its place. */
static void
answers_with_too_much(void **state)
{
	struct rig *g = *state;
	char fault[192];

	put_file(g, "a", 1000, 1);
	run(g, 1, NULL);
	snprintf(fault, sizeof(fault), "-P %s/a -e inject=read:retval=1001",
	    g->partner.in);
	partner_fault(&g->partner, fault);
	run(g, 2, NULL);
	assert_int_equal(g->look_err, -MFTD_E_PROTOCOL);
	assert_non_null(strstr(g->why, "bad DATA"));
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(count_names(g->out), 0);
	partner_fault(&g->partner, "");
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", 1000, 1);
}

static void
deletes_and_forgets(void **state)
{
	struct rig *g = *state;

	g->wish = MFTD_FETCHED_DELETE;
	put_file(g, "a", 1000, 1);
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	assert_int_equal(partner_names(&g->partner), 0);
	assert_true(g->rows[0].begun && g->rows[0].forgotten);
	/* one of equal name, size and time is another one */
	put_file(g, "a", 1000, 5);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 1, "a", 1000, 5);
	assert_int_equal(partner_names(&g->partner), 0);
}

/* The same within one life of the process, which knows the old one. */
static void
again(void *data)
{
	struct rig *g = data;

	if (g->rows[0].forgotten && g->n_rows == 1 &&
	    partner_names(&g->partner) == 0)
		put_file(g, "a", 1000, 5);
}

static void
forgets_in_one_life(void **state)
{
	const struct plan amid = { .at = MFTD_MSG_FETCH_LOOKED, .amid = again };
	struct rig *g = *state;

	g->wish = MFTD_FETCHED_DELETE;
	put_file(g, "a", 1000, 1);
	run(g, 6, &amid);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 1, "a", 1000, 5);
}

static void
moves(void **state)
{
	struct rig *g = *state;
	char path[300], want[300];
	uint8_t sum[32], other[32];

	g->wish = MFTD_FETCHED_MOVE;
	snprintf(path, sizeof(path), "%s/b", g->done);
	make_file(path, 10, 99, other);
	put_file(g, "a", 1000, 1);
	put_file(g, "b", 1000, 2);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	assert_int_equal(partner_names(&g->partner), 0);
	assert_int_equal(count_names(g->done), 3);
	snprintf(want, sizeof(want), "%s/a", g->done);
	sum_file(want, sum);
	assert_memory_equal(sum, g->rows[0].found.sha256, sizeof(sum));
	/* a name that is taken stays what it is */
	sum_file(path, sum);
	assert_memory_equal(sum, other, sizeof(sum));
	snprintf(want, sizeof(want), "%s/b.%s", g->done, g->rows[1].found.id);
	sum_file(want, sum);
	assert_memory_equal(sum, g->rows[1].found.sha256, sizeof(sum));
}

static void
grow_before_it_is_removed(void *data)
{
	struct rig *g = data;

	if (g->n_rows == 1)
		put_file(g, "a", 1001, 2);
}

/* What came under its name since is not ours to remove. */
static void
leaves_a_new_version(void **state)
{
	const struct plan amid = { .at = MFTD_MSG_FETCH_NEXT,
		.amid = grow_before_it_is_removed };
	enum mftd_fetched what;

	for (what = MFTD_FETCHED_DELETE; what <= MFTD_FETCHED_MOVE; what++) {
		struct rig *g;

		assert_int_equal(setup((void **)&g), 0);
		g->wish = what;
		put_file(g, "a", 1000, 1);
		run(g, 2, &amid);
		assert_int_equal(g->n_rows, 1);
		assert_true(g->rows[0].forgotten);
		assert_int_equal(partner_names(&g->partner), 1);
		run(g, 3, NULL);
		assert_int_equal(g->n_rows, 2);
		check_row(g, 1, "a", 1001, 2);
		teardown((void **)&g);
	}
	(void)state;
}

/* The row says BEGUN, and an equal file is there: one that has other bytes is
 * another one. */
static void
begun_and_replaced(void **state)
{
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	run(g, 2, NULL);
	g->wish = MFTD_FETCHED_DELETE;
	g->rows[0].begun = true;
	put_file(g, "a", 1000, 2);
	run(g, 1, NULL);
	assert_true(g->rows[0].forgotten);
	assert_int_equal(partner_names(&g->partner), 1);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 1, "a", 1000, 2);
}

static void
tells_what_does_not_work(void **state)
{
	struct rig *g = *state;
	char gone[200];

	snprintf(gone, sizeof(gone), "%s/none", g->partner.dir);
	g->j.directory = gone;
	run(g, 1, NULL);
	assert_int_equal(g->look_err, -ENOENT);
	assert_non_null(strstr(g->why, "opendir"));
	g->j.directory = g->partner.in;
	put_file(g, "a", 1000, 1);
	g->wish = MFTD_FETCHED_MOVE;
	snprintf(g->done, sizeof(g->done), "%s/none", g->partner.dir);
	run(g, 3, NULL);
	assert_int_equal(g->n_rows, 1);
	assert_int_equal(g->refusals, 1);
	assert_int_equal(g->look_err, 0);
	assert_int_equal(partner_names(&g->partner), 1);
}

/* Nothing is trusted on first use, and a call in vain is outbound's to repeat.
 */
static void
wrong_host_key(void **state)
{
	struct rig *g = *state;

	put_file(g, "a", 1000, 1);
	g->partner.host_keys[0] = g->partner.other_key;
	run(g, 2, NULL);
	assert_int_equal(g->calls, 1);
	assert_int_equal(g->call_err, -MFTD_E_PARTNER_KEY);
	assert_int_equal(g->looks, 0);
	assert_int_equal(g->n_rows, 0);
}

/* ---- killed */

/* All came once, nothing is left over; what was to go has gone. */
static void
check_end(struct rig *g, const char *label)
{
	run(g, 4, NULL);
	if (g->n_rows != 2 || !g->rows[0].forgotten || !g->rows[1].forgotten)
		fail_msg("%s: %d rows: %s", label, g->n_rows, g->why);
	check_row(g, 0, "a", 300000, 1);
	check_row(g, 1, "b", 1000, 2);
	assert_int_equal(count_names(g->out), 2);
	assert_int_equal(count_names(g->staged), 0);
	assert_int_equal(partner_names(&g->partner), 0);
	if (g->wish == MFTD_FETCHED_MOVE)
		assert_int_equal(count_names(g->done), 2);
}

static void
killed_at_each_message(void **state)
{
	static const uint32_t events[] = { MFTD_MSG_FETCH_CALLED,
		MFTD_MSG_FETCH_ASK, MFTD_MSG_FETCH_FOUND, MFTD_MSG_FETCH_TIDY,
		MFTD_MSG_FETCH_LOOKED };
	struct plan plan;
	char label[64];
	struct rig *g;
	size_t i;
	int wish;

	(void)state;
	for (i = 0; i < 5 * 3 * 2; i++) {
		plan = (struct plan) { .at = events[i % 5],
			.moment = (enum moment)(i / 5 % 3) };
		wish = i < 15 ? MFTD_FETCHED_DELETE : MFTD_FETCHED_MOVE;
		assert_int_equal(setup((void **)&g), 0);
		g->wish = (enum mftd_fetched)wish;
		put_file(g, "a", 300000, 1);
		put_file(g, "b", 1000, 2);
		assert_true(run(g, 4, &plan));
		assert_true(partner_await_idle(&g->partner));
		snprintf(label, sizeof(label), "event %zu, moment %zu, wish %d",
		    i % 5, i / 5 % 3, wish);
		check_end(g, label);
		teardown((void **)&g);
	}
}

/* The partner's server is killed at each of its calls that count. */
static void
server_killed_at_each_call(void **state)
{
	static const char *const calls[] = { "openat,open", "read,pread64",
		"?getdents64,?getdents", "fstat,newfstatat,?lstat", "close",
		"?link,linkat", "?unlink,unlinkat" };
	char fault[128], label[160];
	struct rig *g;
	size_t i;
	int n, step, wish;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		step = i < 5 ? 6 : 1;
		for (n = 1; n < 40; n += step) {
			wish = i == 5 || n % 2 == 0 ? MFTD_FETCHED_MOVE
						    : MFTD_FETCHED_DELETE;
			if (i >= 5 && n > 2)
				break;
			assert_int_equal(setup((void **)&g), 0);
			g->wish = i == 6 && n == 2 ? MFTD_FETCHED_MOVE
						   : (enum mftd_fetched)wish;
			put_file(g, "a", 300000, 1);
			put_file(g, "b", 1000, 2);
			snprintf(fault, sizeof(fault),
			    "-e inject=%s:signal=KILL:when=%d", calls[i], n);
			run(g, 1, NULL);
			partner_fault(&g->partner, fault);
			run(g, 2, NULL);
			partner_fault(&g->partner, "");
			assert_true(partner_await_idle(&g->partner));
			for (struct row *r = g->rows; r < g->rows + ROWS_MAX;
			     r++)
				r->later = 0; /* their time has come */
			snprintf(label, sizeof(label), "%s %d", calls[i], n);
			check_end(g, label);
			teardown((void **)&g);
		}
	}
}

int
main(int argc, char *argv[])
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(brings_what_is_stable),
		T(written_back_meanwhile),
		T(goes_on_behind_what_is_refused),
		T(takes_regular_files_that_match),
		T(a_changed_file_is_another_one),
		T(changed_before_it_is_read),
		T(changed_while_it_is_read),
		T(answers_with_too_much),
		T(deletes_and_forgets),
		T(forgets_in_one_life),
		T(moves),
		cmocka_unit_test(leaves_a_new_version),
		T(begun_and_replaced),
		T(tells_what_does_not_work),
		T(wrong_host_key),
		cmocka_unit_test(killed_at_each_message),
		cmocka_unit_test(server_killed_at_each_call),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
