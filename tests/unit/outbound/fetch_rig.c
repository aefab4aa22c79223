/* Part of mftd; see LICENSE. */
#include "tests/unit/outbound/fetch_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/ipc/msg_node.h"
#include "tests/unit/journal/steps.h"

int
setup(void **state)
{
	struct rig *g = calloc(1, sizeof(*g));
	struct mftd_lease *lease;

	*state = g;
	if (g == NULL || partner_start(&g->partner) < 0)
		return -1;
	child_volume(&g->partner, g->volume, sizeof(g->volume), &g->conf);
	snprintf(g->out, sizeof(g->out), "%s/.mft/out", g->volume);
	snprintf(g->staged, sizeof(g->staged), "%s/.mft/staged/r", g->volume);
	snprintf(g->done, sizeof(g->done), "%s/done", g->partner.dir);
	mkdir(g->done, 0700);
	lease = mftd_lease_new();
	mftd_lease_hold(lease);
	g->conf.node = (char *)"n1";
	g->j = (struct mftd_fetch) { .partner = &g->partner.p,
		.route = "r",
		.directory = g->partner.in,
		.conf = &g->conf,
		.volume = "main",
		.lease = lease };
	return 0;
}

int
teardown(void **state)
{
	struct rig *g = *state;

	partner_stop(&g->partner);
	free(g);
	return 0;
}

void
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
		snprintf(w.directory, sizeof(w.directory), "%s", g->partner.in);
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
	case MFTD_MSG_FETCH_PLACE:
		break;
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

static int
fetch(void *job, struct mftd_chan *c)
{
	return mftd_fetch_run(job, c);
}

bool
run(struct rig *g, int looks, const struct plan *plan)
{
	struct mftd_msg_fetch_answer answer;
	int end = g->looks + looks;
	struct mftd_chan *c;
	struct mftd_msg m;
	bool now = false;
	pid_t pid;

	if (g->steps != NULL)
		steps_arm(g->steps);
	pid = child_start(&g->partner, g->steps, fetch, &g->j, &c);
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

int
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

void
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
