/* Part of mftd; see LICENSE. */
/* Virtual folders and read-only places, as journal itself sees to them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/journal/account.h"
#include "mftd/journal/change.h"
#include "mftd/journal/folders.h"
#include "mftd/journal/record.h"
#include "mftd/journal/recover.h"
#include "mftd/journal/stream.h"
#include "mftd/journal/work.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

#define LIFE "n1-00000000000000aa"
#define LIFE_2 "n2-00000000000000bb"

static void
add(struct mftd_policy *p, const char *name, const char *path, bool read_only)
{
	struct mftd_policy_folder *f = &p->folders[p->n_folders++];

	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->read_only = read_only;
}

struct world {
	struct tree t;
	struct rig rig;
	struct rig_session s;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	tree_make(&w->t);
	rig_start(&w->rig, w->t.path, LIFE, NULL, NULL);
	if (!rig_ready(&w->rig))
		return -1;
	add(&w->rig.policy, "share", "common/in", false);
	add(&w->rig.policy, "docs", "common/docs", true);
	assert_int_equal(rig_open(&w->rig, &w->s, 1, "alice", "alice"), 0);
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	rig_close(&w->s);
	assert_int_equal(rig_stop(&w->rig), 0);
	tree_remove(&w->t);
	free(w);
	return 0;
}

static int
ask_name(struct rig_session *s, uint32_t type, const char *path)
{
	struct mftd_msg_remove m = { 0 };
	struct mftd_msg_mkdir d = { .mode = 0755 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	snprintf(d.path, sizeof(d.path), "%s", path);
	if (type == MFTD_MSG_MKDIR)
		return rig_ask(s, type, &d, sizeof(d));
	return rig_ask(s, type, &m, sizeof(m));
}

static int
ask_rename(struct rig_session *s, const char *from, const char *to)
{
	struct mftd_msg_rename m = { .overwrite = 1 };

	snprintf(m.from, sizeof(m.from), "%s", from);
	snprintf(m.to, sizeof(m.to), "%s", to);
	return rig_ask(s, MFTD_MSG_RENAME, &m, sizeof(m));
}

static int
ask_chmod(struct rig_session *s, const char *path)
{
	struct mftd_msg_setstat m = { .mask = MFTD_SET_MODE, .mode = 0600 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	return rig_ask(s, MFTD_MSG_SETSTAT, &m, sizeof(m));
}

/* PUBLISH of a part that is not even there: the gate comes first. */
static int
ask_publish(struct rig_session *s, const char *path)
{
	struct mftd_msg_publish m = { 0 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	snprintf(m.part, sizeof(m.part), "%.50s.99", s->id);
	return rig_ask(s, MFTD_MSG_PUBLISH, &m, sizeof(m));
}

static void
finds_the_folder(void **state)
{
	static struct mftd_policy p;
	struct mftd_folders f;
	const char *rest;

	(void)state;
	memset(&p, 0, sizeof(p));
	add(&p, "in", "a", false);
	add(&p, "in2", "b", true);
	assert_int_equal(mftd_folders_init(&f, &p, NULL), 0);
	assert_null(mftd_folders_find(&f, ".", &rest));
	assert_null(mftd_folders_find(&f, "i", &rest));
	assert_null(mftd_folders_find(&f, "in3/in", &rest));
	assert_string_equal(rest, "in3/in");
	assert_ptr_equal(mftd_folders_find(&f, "in", &rest), &f.list[0]);
	assert_string_equal(rest, ".");
	assert_ptr_equal(mftd_folders_find(&f, "in2/x/y", &rest), &f.list[1]);
	assert_string_equal(rest, "x/y");
}

static void
bad_folders_are_refused(void **state)
{
	static const char *const bad[][2] = { { "a/b", "x" }, { "..", "x" },
		{ ".", "x" }, { "", "x" }, { ".mft", "x" }, { "a", "." },
		{ "a", "../x" }, { "a", "/x" }, { "a", "x/../y" }, { "a", "" },
		{ "share", "x" } };
	struct world *w = *state;
	struct rig_session s;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w->rig.policy.n_folders = 2;
		add(&w->rig.policy, bad[i][0], bad[i][1], false);
		assert_int_equal(
		    rig_open(&w->rig, &s, 10 + (int)i, "bob", "bob"), -EINVAL);
		rig_close(&s);
	}
	w->rig.policy.n_folders = 0;
	add(&w->rig.policy, "a", ".mft/parts", false);
	assert_int_equal(rig_open(&w->rig, &s, 30, "bob", "bob"), -EPERM);
	rig_close(&s);
	/* no link on the way either */
	assert_int_equal(symlinkat("alice", w->t.fd, "lnk"), 0);
	w->rig.policy.n_folders = 0;
	add(&w->rig.policy, "a", "lnk/x", false);
	assert_int_not_equal(rig_open(&w->rig, &s, 31, "bob", "bob"), 0);
	rig_close(&s);
}

/* A folder that somebody removed meanwhile is made again. */
static void
folders_are_made(void **state)
{
	struct world *w = *state;
	struct rig_session s;

	assert_int_equal(tree_count(&w->t, "common"), 2);
	assert_int_equal(unlinkat(w->t.fd, "common/in", AT_REMOVEDIR), 0);
	assert_int_equal(rig_open(&w->rig, &s, 2, "alice", "alice"), 0);
	assert_int_equal(tree_count(&w->t, "common"), 2);
	assert_int_equal(rig_upload(&s, "f", "x"), 0);
	rig_close(&s);
}

static void
uploads_into_a_folder(void **state)
{
	struct world *w = *state;
	char key[MFTD_PARENT_KEY_BYTES], text[] = "in the folder";
	struct mftd_msg_publish m = { .size = strlen(text) };
	struct stat st;
	int fd;

	strcpy(m.path, "share/f");
	snprintf(m.part, sizeof(m.part), "%.50s.7", w->s.id);
	assert_int_equal(mftd_layout_parent_key(
			     w->s.volume_id, w->s.folders[0], key, sizeof(key)),
	    0);
	fd = mftd_layout_part_create(w->s.parts, key, "f", m.part, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fstat(fd, &st), 0);
	m.inode = st.st_ino;
	close(fd);
	assert_int_equal(rig_ask(&w->s, MFTD_MSG_PUBLISH, &m, sizeof(m)), 0);
	assert_true(tree_holds(&w->t, "common/in/f", text));
	assert_true(tree_holds(&w->t, "alice/share", NULL));
	/* from the folder to the root and back: one mount, one rename */
	assert_int_equal(ask_rename(&w->s, "share/f", "g"), 0);
	assert_true(tree_holds(&w->t, "alice/g", text));
	assert_int_equal(ask_rename(&w->s, "g", "share/h"), 0);
	assert_true(tree_holds(&w->t, "common/in/h", text));
	assert_int_equal(ask_name(&w->s, MFTD_MSG_MKDIR, "share/d"), 0);
	assert_int_equal(ask_name(&w->s, MFTD_MSG_RMDIR, "share/d"), 0);
	assert_int_equal(ask_name(&w->s, MFTD_MSG_REMOVE, "share/h"), 0);
	assert_int_equal(tree_count(&w->t, "common/in"), 0);
}

static void
folders_stay_what_they_are(void **state)
{
	struct world *w = *state;

	assert_int_equal(mkdirat(w->t.fd, "alice/d", 0700), 0);
	assert_int_equal(ask_name(&w->s, MFTD_MSG_RMDIR, "share"), -EACCES);
	assert_int_equal(ask_name(&w->s, MFTD_MSG_REMOVE, "share"), -EACCES);
	assert_int_equal(ask_name(&w->s, MFTD_MSG_MKDIR, "share"), -EACCES);
	assert_int_equal(ask_rename(&w->s, "share", "x"), -EACCES);
	assert_int_equal(ask_rename(&w->s, "d", "share"), -EACCES);
	assert_int_equal(ask_chmod(&w->s, "share"), -EACCES);
	assert_int_equal(ask_publish(&w->s, "share"), -EACCES);
	/* what lies under the hidden name is reached by no path */
	assert_int_equal(mkdirat(w->t.fd, "alice/share", 0700), 0);
	tree_write(&w->t, "alice/share/x", "hidden");
	assert_int_equal(ask_name(&w->s, MFTD_MSG_REMOVE, "share/x"), -ENOENT);
	assert_true(tree_holds(&w->t, "alice/share/x", "hidden"));
}

/* Links and dots in a folder do not lead out of it. */
static void
nothing_leads_out_of_a_folder(void **state)
{
	static const char *const paths[] = { "share/../x", "share/up/x",
		"share/to/x", "share/abs/x", "share/./x", "/share/x" };
	struct world *w = *state;
	size_t i;

	tree_write(&w->t, "common/x", "outside");
	tree_write(&w->t, "alice/x", "outside");
	assert_int_equal(symlinkat("..", w->s.folders[0], "up"), 0);
	assert_int_equal(symlinkat("../../alice", w->s.folders[0], "to"), 0);
	assert_int_equal(symlinkat(w->t.path, w->s.folders[0], "abs"), 0);
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_true(ask_name(&w->s, MFTD_MSG_REMOVE, paths[i]) < 0);
		assert_true(ask_rename(&w->s, paths[i], "y") < 0);
		assert_true(ask_publish(&w->s, paths[i]) < 0);
	}
	assert_true(tree_holds(&w->t, "common/x", "outside"));
	assert_true(tree_holds(&w->t, "alice/x", "outside"));
}

/* Every change, at path. */
static void
all_are_refused(struct world *w, struct rig_session *s, const char *path)
{
	struct mftd_msg_supersede m = { 0 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	assert_int_equal(rig_ask(s, MFTD_MSG_SUPERSEDE, &m, sizeof(m)), -EROFS);
	assert_int_equal(ask_publish(s, path), -EROFS);
	assert_int_equal(ask_rename(s, path, "new"), -EROFS);
	assert_int_equal(ask_name(s, MFTD_MSG_REMOVE, path), -EROFS);
	assert_int_equal(ask_name(s, MFTD_MSG_MKDIR, path), -EROFS);
	assert_int_equal(ask_name(s, MFTD_MSG_RMDIR, path), -EROFS);
	assert_int_equal(ask_chmod(s, path), -EROFS);
}

static void
read_only_is_refused(void **state)
{
	struct world *w = *state;
	struct rig_session s;

	tree_write(&w->t, "common/docs/f", "doc");
	tree_write(&w->t, "alice/f", "mine");
	all_are_refused(w, &w->s, "docs/f");
	assert_int_equal(ask_rename(&w->s, "f", "docs/f"), -EROFS);
	assert_int_equal(ask_rename(&w->s, "f", "docs/g"), -EROFS);
	w->rig.policy.read_only = true;
	assert_int_equal(rig_open(&w->rig, &s, 2, "alice", "alice"), 0);
	all_are_refused(w, &s, "f");
	all_are_refused(w, &s, "share/f");
	rig_close(&s);
	assert_true(tree_holds(&w->t, "common/docs/f", "doc"));
	assert_true(tree_holds(&w->t, "alice/f", "mine"));
	/* the other session of that account may still write */
	assert_int_equal(ask_rename(&w->s, "f", "g"), 0);
}

/* Killed between the rename in a folder and its record: recovery finds the file
 * where the folder lies. */
static void
recovery_finds_the_folder(void **state)
{
	struct mftd_recovery out = { 0 };
	struct mftd_msg_session_open o = { .volume = "main",
		.account = "alice",
		.root = "alice",
		.session = LIFE "-1" };
	struct mftd_msg_publish m = { .path = "share/f", .part = LIFE "-1.1" };
	struct mftd_knowns known = LIST_HEAD_INITIALIZER(known);
	struct mftd_owner owner = { .root_fd = -1,
		.parts_fd = -1,
		.account = "alice",
		.root = "alice",
		.session = LIFE "-1" };
	char key[MFTD_PARENT_KEY_BYTES], link[MFTD_ID_BYTES + 16];
	struct mftd_stream *one, *two;
	struct mftd_work *work;
	struct mftd_change *c;
	struct mftd_volume v;
	struct tree t;
	struct stat st;
	int fd;

	(void)state;
	add(&o.policy, "share", "common/in", false);
	tree_make(&t);
	assert_int_equal(mftd_volume_open(&v, "main", t.path), 0);
	assert_int_equal(mftd_stream_create(v.journal, "n1", LIFE, "main", 0,
			     tree_signer(), 65536, &one),
	    0);
	work = mftd_work_new(&v, one, LIFE);
	assert_int_equal(mftd_account_open(&v, &known, &owner, &o), 0);
	assert_int_equal(mftd_layout_parent_key(
			     v.id, owner.folders.list[0].fd, key, sizeof(key)),
	    0);
	fd = mftd_layout_part_create(owner.parts_fd, key, "f", m.part, 0600);
	assert_int_equal(fstat(fd, &st), 0);
	close(fd);
	m.inode = st.st_ino;
	c = mftd_change_new(&owner, MFTD_MSG_PUBLISH, 1, &m);
	assert_int_equal(mftd_publish_prepare(work, c), 0);
	assert_int_equal(mftd_work_commit(work), 0);
	assert_int_equal(mftd_publish_execute(work, c), 0);
	snprintf(link, sizeof(link), ".mft/out/%.60s", c->receipt);
	assert_int_equal(unlinkat(t.fd, link, 0), 0); /* lost */
	mftd_change_free(c);
	mftd_account_close(&owner);
	mftd_work_free(work);
	mftd_stream_close(one);
	assert_int_equal(mftd_stream_create(v.journal, "n2", LIFE_2, "main", 0,
			     tree_signer(), 65536, &two),
	    0);
	work = mftd_work_new(&v, two, LIFE_2);
	assert_int_equal(mftd_recover_incarnation(work, LIFE, &out), 0);
	assert_int_equal(out.published, 1);
	assert_int_equal(tree_inode(&t, link), m.inode);
	mftd_work_free(work);
	mftd_stream_close(two);
	mftd_volume_close(&v);
	tree_remove(&t);
	while (!LIST_EMPTY(&known)) {
		struct mftd_known *k = LIST_FIRST(&known);

		LIST_REMOVE(k, link);
		free(k);
	}
}

/* The mode of a directory, and its group. */
static void
umask_and_group(void **state)
{
	struct world *w = *state;
	struct rig_session s;
	struct stat st;

	if (geteuid() != 0)
		skip(); /* needs a group to give */
	w->rig.policy.umask = 027;
	w->rig.policy.has_gid = true;
	w->rig.policy.gid = 4242;
	assert_int_equal(rig_open(&w->rig, &s, 2, "bob", "bob"), 0);
	assert_int_equal(fstatat(w->t.fd, "bob", &st, 0), 0);
	assert_int_equal(st.st_gid, 4242);
	assert_int_equal(ask_name(&s, MFTD_MSG_MKDIR, "d"), 0);
	assert_int_equal(fstatat(w->t.fd, "bob/d", &st, 0), 0);
	assert_int_equal(st.st_gid, 4242);
	assert_int_equal(st.st_mode & 07777, 0750);
	rig_close(&s);
	/* an existing root keeps the group that it has */
	assert_int_equal(rig_open(&w->rig, &s, 3, "alice", "alice"), 0);
	assert_int_equal(fstatat(w->t.fd, "alice", &st, 0), 0);
	assert_int_not_equal(st.st_gid, 4242);
	rig_close(&s);
}

int
main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_folder),
		WITH(bad_folders_are_refused),
		WITH(folders_are_made),
		WITH(uploads_into_a_folder),
		WITH(folders_stay_what_they_are),
		WITH(nothing_leads_out_of_a_folder),
		WITH(read_only_is_refused),
		cmocka_unit_test(recovery_finds_the_folder),
		WITH(umask_and_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
