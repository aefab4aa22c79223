/* Part of mftd; see LICENSE. */

/*
 * What has to be durable before the next step, where that is not the answer to
 * one request (test_faults), nor a step of recovery (test_recover) or of
 * retention (test_retain).  "test_order NAME" is one of them.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/ipc/msg.h"
#include "mftd/journal/checkpoint.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/usage.h"
#include "tests/unit/journal/durable.h"
#include "tests/unit/journal/node.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/journal/tree.h"

#define LIFE_1 "n1-0123456789abcdef"
#define LIFE_2 "n2-fedcba9876543210"
#define PART LIFE_1 "-1.1"
#define CHECKPOINT ".mft/journal/n1/" LIFE_1 "-j1/" MFTD_STREAM_CHECKPOINT
#define TEXT "0123456789"
#define TOLD 8 /* bytes of it that are durable */
#define AUDIT_BYTES 3000
#define DIRS (MFTD_WORK_DIRS_MAX + 10)
#define DEADLINE_MS 30000

/* ---- calls of the modules */

struct upload {
	struct node n;
	struct mftd_msg_publish m;
};

static int
publish(void *data)
{
	struct upload *u = data;

	return node_change(&u->n, MFTD_MSG_PUBLISH, &u->m);
}

/* A power cut may leave the usage too large, never too small. */
static void
growth_before_it_is_published(void **state)
{
	struct upload u = { .m = { .path = "f", .part = PART } };
	struct mftd_usage usage = { .known = true };
	struct tree t;
	int fd;

	tree_make(&t);
	node_open(&u.n, &t, "n1", LIFE_1);
	u.n.owner.policy.quota_bytes = 1000;
	fd = mftd_usage_lock(&u.n.vol, "alice");
	assert_true(fd >= 0);
	assert_int_equal(mftd_usage_write(fd, &usage, true), 0);
	close(fd);
	u.m.inode = node_part(&u.n, PART, TEXT);
	u.m.size = strlen(TEXT);
	assert_true(durable_in_order(publish, &u, 0));
	assert_int_equal(mftd_usage_peek(&u.n.vol, "alice", &usage), 0);
	assert_int_equal(usage.bytes, strlen(TEXT));
	assert_true(tree_holds(&t, "alice/f", TEXT));
	node_close(&u.n);
	tree_remove(&t);
}

static int
rename_across(void *data)
{
	struct mftd_msg_rename m = { .from = "a/x", .to = "b/x" };

	return node_change(data, MFTD_MSG_RENAME, &m);
}

static void
rename_in_both_directories(void **state)
{
	struct node n;
	struct tree t;

	tree_make(&t);
	node_open(&n, &t, "n1", LIFE_1);
	assert_int_equal(mkdirat(t.fd, "alice/a", 0700), 0);
	assert_int_equal(mkdirat(t.fd, "alice/b", 0700), 0);
	tree_write(&t, "alice/a/x", TEXT);
	assert_true(durable_in_order(rename_across, &n, 0));
	assert_true(tree_holds(&t, "alice/b/x", TEXT));
	node_close(&n);
	tree_remove(&t);
}

/* How many syncs of directories body, in a process of its own, asks for. */
static unsigned
count_syncs(int (*body)(struct node *n), struct node *n)
{
	const struct steps_plan plan = { .call = "fsync" };
	struct steps *s = steps_new(&plan);
	unsigned syncs;
	int status;
	pid_t pid;

	steps_arm(s);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		steps_enter(s);
		_exit(body(n) == 0 ? 0 : 1);
	}
	steps_begin(s, pid);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	syncs = steps_count(s);
	steps_free(s);
	assert_int_equal(status, 0);
	return syncs;
}

static void
limit_descriptors(rlim_t most)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = most < lim.rlim_max ? most : lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
}

static int
touch_many(struct node *n)
{
	char name[16];
	int i, fd;

	limit_descriptors(2 * DIRS);
	for (i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		fd = openat(n->owner.root_fd, name, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return -errno;
		mftd_work_touch(n->work, fd);
		close(fd);
	}
	return mftd_work_sync(n->work);
}

static void
more_directories_than_are_noted(void **state)
{
	char name[16];
	struct node n;
	struct tree t;
	int i;

	tree_make(&t);
	node_open(&n, &t, "n1", LIFE_1);
	for (i = 0; i < DIRS; i++) {
		snprintf(name, sizeof(name), "%d", i);
		assert_int_equal(mkdirat(n.owner.root_fd, name, 0700), 0);
	}
	assert_int_equal(count_syncs(touch_many, &n), DIRS);
	node_close(&n);
	tree_remove(&t);
}

static int
touch_without_descriptor(struct node *n)
{
	limit_descriptors(3);
	mftd_work_touch(n->work, n->owner.root_fd);
	return n->work->failed;
}

static void
directory_without_a_descriptor(void **state)
{
	struct node n;
	struct tree t;

	tree_make(&t);
	node_open(&n, &t, "n1", LIFE_1);
	assert_int_equal(count_syncs(touch_without_descriptor, &n), 1);
	node_close(&n);
	tree_remove(&t);
}

/* ---- the journal process */

struct world {
	struct tree t;
	struct rig r;
	struct steps *steps;
	struct durable *d;
	char key[MFTD_PARENT_KEY_BYTES]; /* of alice's own directory */
};

static void
start(struct world *w, const char *life)
{
	struct steps_plan plan = { .watch = durable_watch };

	w->d = plan.data = durable_new(false);
	w->steps = steps_new(&plan);
	rig_start_within(&w->r, w->t.path, life, steps_enter, w->steps);
	steps_arm(w->steps);
	steps_begin(w->steps, w->r.pid);
	assert_true(rig_ready(&w->r));
}

static void
stop(struct world *w)
{
	assert_int_equal(rig_stop(&w->r), 0);
	assert_true(durable_good(w->d));
	assert_true(durable_answers(w->d) > 0);
	steps_free(w->steps);
	durable_free(w->d);
	tree_remove(&w->t);
}

static void
enter(struct world *w, struct rig *r, struct rig_session *s, int n)
{
	assert_int_equal(rig_open(r, s, n, "alice", "alice"), 0);
	assert_int_equal(mftd_layout_parent_key(
			     s->volume_id, s->root, w->key, sizeof(w->key)),
	    0);
}

/* An upload of f, some of which is durable. */
static void
upload_some(struct rig_session *s, struct mftd_msg_publish *m)
{
	struct mftd_msg_part told = { .durable = TOLD };
	struct mftd_msg_commit commit = { 0 };

	rig_part(s, "f", TEXT, m);
	memcpy(told.part, m->part, sizeof(told.part));
	memcpy(commit.part, m->part, sizeof(commit.part));
	rig_send(s, MFTD_MSG_PART, &told, sizeof(told));
	assert_int_equal(
	    rig_ask(s, MFTD_MSG_COMMIT, &commit, sizeof(commit)), 0);
}

static void
end_upload(
    struct world *w, struct rig_session *s, const struct mftd_msg_publish *m)
{
	struct mftd_msg_part_end end = { .name = "f" };

	memcpy(end.part, m->part, sizeof(end.part));
	memcpy(end.key, w->key, sizeof(end.key));
	rig_send(s, MFTD_MSG_PART_END, &end, sizeof(end));
}

/* Until so much of the part lies dormant, or it is gone; no event tells of
 * that. */
static void
await_dormant(struct rig_session *s, struct world *w, const char *part,
    uint64_t bytes, bool there)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	char name[MFTD_ID_BYTES];
	int dir = mftd_layout_parts_open(s->parts, w->key, "f");

	assert_true(dir >= 0);
	assert_int_equal(mftd_layout_dormant(part, bytes, name), 0);
	while ((faccessat(dir, name, F_OK, 0) == 0) != there) {
		assert_true(mftd_clock_ms() < deadline);
		usleep(1000);
	}
	close(dir);
}

/* Audit records until a checkpoint was made: none of them syncs a directory. */
static void
fill_until_checkpoint(struct world *w, struct rig_session *s)
{
	struct mftd_msg_audit audit = { .event = "test" };
	const struct mftd_msg_quota ask = { .size = 0 };
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	struct mftd_msg m;
	int i;

	memset(audit.text, 'x', AUDIT_BYTES);
	while (faccessat(w->t.fd, CHECKPOINT, F_OK, 0) < 0) {
		assert_true(mftd_clock_ms() < deadline);
		for (i = 0; i < 20; i++)
			rig_send(s, MFTD_MSG_AUDIT, &audit, sizeof(audit));
		rig_send(s, MFTD_MSG_QUOTA, &ask, sizeof(ask));
		assert_true(rig_wait(s->c, MFTD_MSG_QUOTA_RESULT, &m));
		mftd_msg_close(&m);
	}
}

/* Recovery begins behind a checkpoint, and does not see the PART records before
 * it: what was laid down by them must not come undone. */
static void
part_end_before_a_checkpoint(void **state)
{
	struct rig_session one, two;
	struct mftd_msg_publish m;
	struct world w;

	tree_make(&w.t);
	start(&w, LIFE_1);
	enter(&w, &w.r, &one, 1);
	enter(&w, &w.r, &two, 2);
	upload_some(&two, &m);
	end_upload(&w, &two, &m);
	fill_until_checkpoint(&w, &one);
	await_dormant(&one, &w, m.part, TOLD - 1, true);
	rig_close(&one);
	rig_close(&two);
	stop(&w);
}

static void
session_end_before_a_checkpoint(void **state)
{
	struct rig_session one, two;
	struct mftd_msg_publish m;
	struct world w;

	tree_make(&w.t);
	start(&w, LIFE_1);
	enter(&w, &w.r, &one, 1);
	enter(&w, &w.r, &two, 2);
	upload_some(&two, &m);
	rig_close(&two);
	await_dormant(&one, &w, m.part, TOLD - 1, true);
	fill_until_checkpoint(&w, &one);
	rig_close(&one);
	stop(&w);
}

static void
expired_before_a_checkpoint(void **state)
{
	struct rig_session one, two;
	struct mftd_msg_publish m;
	struct world w;

	tree_make(&w.t);
	rig_expire(0);
	start(&w, LIFE_1);
	enter(&w, &w.r, &one, 1);
	enter(&w, &w.r, &two, 2);
	upload_some(&two, &m);
	end_upload(&w, &two, &m);
	await_dormant(&one, &w, m.part, TOLD - 1, true);
	await_dormant(&one, &w, m.part, TOLD - 1, false);
	fill_until_checkpoint(&w, &one);
	rig_close(&one);
	rig_close(&two);
	stop(&w);
}

/* Nobody asks for a lost node's parts again, once it is recovered. */
static void
parts_of_the_lost(void **state)
{
	struct mftd_msg_recover ask = { .incarnation = LIFE_1 };
	struct mftd_msg_publish m;
	struct rig_session s;
	struct mftd_msg res;
	struct rig lost;
	struct world w;

	tree_make(&w.t);
	rig_start(&lost, w.t.path, LIFE_1, NULL, NULL);
	assert_true(rig_ready(&lost));
	enter(&w, &lost, &s, 1);
	upload_some(&s, &m);
	rig_kill(&lost);
	start(&w, LIFE_2);
	mftd_chan_send(
	    w.r.coordinator, MFTD_MSG_RECOVER, 1, &ask, sizeof(ask), NULL, 0);
	assert_true(rig_wait(w.r.coordinator, MFTD_MSG_RECOVERED, &res));
	assert_int_equal(((const struct mftd_msg_recovered *)res.data)->err, 0);
	mftd_msg_close(&res);
	await_dormant(&s, &w, m.part, TOLD - 1, true);
	rig_close(&s);
	stop(&w);
}

/* What the owner of an adopted part wrote behind what was durable of it, and
 * never synced. */
static void
write_more(struct world *w, struct rig_session *s, const char *part)
{
	int fd, dir = mftd_layout_parts_open(s->parts, w->key, "f");
	char path[64], name[4096];
	ssize_t n;

	fd = openat(dir, part, O_WRONLY | O_APPEND);
	assert_true(fd >= 0);
	assert_int_equal(mftd_fd_write_full(fd, "more", 4), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name) - 1);
	assert_true(n > 0);
	name[n] = '\0';
	durable_wrote(w->d, name);
	close(fd);
	close(dir);
}

/* Who waits for its owner is given a byte that no PART record spoke of. */
static void
last_byte_of_an_adopted_part(void **state)
{
	struct mftd_msg_adopt a = { .path = "f" };
	struct mftd_msg_journal_result res;
	struct rig_session one, two, three;
	struct mftd_msg_publish m;
	struct mftd_msg yield;
	struct world w;
	uint64_t ref;

	tree_make(&w.t);
	start(&w, LIFE_1);
	enter(&w, &w.r, &one, 1);
	enter(&w, &w.r, &two, 2);
	enter(&w, &w.r, &three, 3);
	upload_some(&one, &m);
	end_upload(&w, &one, &m);
	snprintf(a.part, sizeof(a.part), "%.50s.1", two.id);
	assert_int_equal(rig_ask(&two, MFTD_MSG_ADOPT, &a, sizeof(a)), 0);
	write_more(&w, &two, a.part);
	snprintf(a.part, sizeof(a.part), "%.50s.1", three.id);
	ref = rig_send(&three, MFTD_MSG_ADOPT, &a, sizeof(a));
	assert_true(rig_wait(w.r.coordinator, MFTD_MSG_SESSION_YIELD, &yield));
	mftd_msg_close(&yield);
	rig_close(&two);
	assert_int_equal(rig_answer(&three, ref, &res), 0);
	rig_close(&one);
	rig_close(&three);
	stop(&w);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(growth_before_it_is_published),
		cmocka_unit_test(rename_in_both_directories),
		cmocka_unit_test(more_directories_than_are_noted),
		cmocka_unit_test(directory_without_a_descriptor),
		cmocka_unit_test(part_end_before_a_checkpoint),
		cmocka_unit_test(session_end_before_a_checkpoint),
		cmocka_unit_test(expired_before_a_checkpoint),
		cmocka_unit_test(parts_of_the_lost),
		cmocka_unit_test(last_byte_of_an_adopted_part),
	};

	if (argc > 1) /* one of them */
		cmocka_set_test_filter(argv[1]);
	/* power is not cut here: memory does, and is fast */
	if (access("/dev/shm", W_OK) == 0)
		setenv("TMPDIR", "/dev/shm", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
