/* Part of mftd; see LICENSE. */
/* Links, and what a policy forbids: the journal's own word on them. */
#include "mftd/journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/buf.h"
#include "mftd/base/err.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/journal/tree.h"

#define LIFE "n1-0123456789abcdef"

struct world {
	struct tree t;
	struct rig r;
	struct rig_session s;
};

static void
setup(struct world *w, const char *root, const struct mftd_policy *policy)
{
	tree_make(&w->t);
	rig_start(&w->r, w->t.path, LIFE, NULL, NULL);
	assert_true(rig_ready(&w->r));
	w->r.policy = *policy;
	assert_int_equal(rig_open(&w->r, &w->s, 1, "alice", root), 0);
}

static void
teardown(struct world *w)
{
	rig_close(&w->s);
	assert_int_equal(rig_stop(&w->r), 0);
	tree_remove(&w->t);
}

static int
ask_path(struct rig_session *s, uint32_t type, const char *path)
{
	struct mftd_msg_remove m = { 0 };
	struct mftd_msg_mkdir d = { .mode = 0755 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	memcpy(d.path, m.path, sizeof(d.path));
	return type == MFTD_MSG_MKDIR ? rig_ask(s, type, &d, sizeof(d))
				      : rig_ask(s, type, &m, sizeof(m));
}

static int
ask_link(struct rig_session *s, const char *from, const char *to)
{
	struct mftd_msg_link m = { 0 };

	snprintf(m.from, sizeof(m.from), "%s", from);
	snprintf(m.to, sizeof(m.to), "%s", to);
	return rig_ask(s, MFTD_MSG_LINK, &m, sizeof(m));
}

static int
ask_symlink(struct rig_session *s, const char *path, const char *target)
{
	struct mftd_msg_symlink m = { 0 };

	snprintf(m.path, sizeof(m.path), "%s", path);
	snprintf(m.target, sizeof(m.target), "%s", target);
	return rig_ask(s, MFTD_MSG_SYMLINK, &m, sizeof(m));
}

static void
text_is(struct world *w, const char *path, const char *text)
{
	char got[256];
	ssize_t n = readlinkat(w->t.fd, path, got, sizeof(got) - 1);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, text);
}

static void
a_link_is_a_second_name(void **state)
{
	const struct mftd_policy none = { 0 };
	struct world w;

	setup(&w, "alice", &none);
	assert_int_equal(rig_upload(&w.s, "a", "A"), 0);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_MKDIR, "d"), 0);
	assert_int_equal(ask_link(&w.s, "a", "d/b"), 0);
	assert_true(tree_holds(&w.t, "alice/d/b", "A"));
	assert_int_equal(
	    tree_inode(&w.t, "alice/a"), tree_inode(&w.t, "alice/d/b"));
	assert_int_equal(ask_link(&w.s, "a", "d/b"), -EEXIST);
	assert_int_equal(ask_link(&w.s, "none", "c"), -ENOENT);
	assert_int_equal(ask_link(&w.s, "d", "c"), -EISDIR);
	assert_int_equal(ask_link(&w.s, "a", "none/c"), -ENOENT);
	/* a new upload of one name is a file of its own */
	assert_int_equal(rig_upload(&w.s, "a", "new"), 0);
	assert_true(tree_holds(&w.t, "alice/d/b", "A"));
	teardown(&w);
}

struct seen {
	uint64_t inodes[8];
	int n;
};

static void
note_removed(void *data, uint32_t type, const uint8_t *payload, size_t len)
{
	struct seen *s = data;
	struct mftd_rec_name rec;
	struct mftd_buf *b;

	if (type != MFTD_RECORD_REMOVE && type != MFTD_RECORD_RENAME)
		return;
	b = mftd_buf_from(payload, len);
	assert_int_equal(mftd_rec_name_get(b, &rec), 0);
	mftd_buf_free(b);
	s->inodes[s->n++] = rec.inode;
}

/* Else removing one name would cancel the delivery of the other. */
static void
one_of_two_names_says_nothing_of_the_file(void **state)
{
	const struct mftd_policy none = { 0 };
	struct world w;
	struct seen seen = { .n = 0 };
	struct mftd_msg_rename m = { .from = "b", .to = "c" };
	uint64_t inode;

	setup(&w, "alice", &none);
	assert_int_equal(rig_upload(&w.s, "a", "A"), 0);
	inode = tree_inode(&w.t, "alice/a");
	assert_int_equal(ask_link(&w.s, "a", "b"), 0);
	assert_int_equal(rig_ask(&w.s, MFTD_MSG_RENAME, &m, sizeof(m)), 0);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_REMOVE, "c"), 0);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_REMOVE, "a"), 0);
	rig_records(w.t.path, note_removed, &seen);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.inodes[0], 0);
	assert_int_equal(seen.inodes[1], 0);
	assert_int_equal(seen.inodes[2], inode);
	teardown(&w);
}

static void
links_lead_down_from_where_they_stand(void **state)
{
	const struct mftd_policy may = { .symlinks = 1 };
	static const struct {
		const char *path, *target, *text;
	} rows[] = {
		{ "l1", "a", "a" },
		{ "l2", ".", "." },
		{ "d/l3", "d/a", "a" },
		{ "d/l4", "d/x/y", "x/y" },
		{ "d/e/l5", "d/e", "." },
	};
	static const struct {
		const char *path, *target;
	} upward[] = { { "d/l6", "a" }, { "d/e/l6", "d/a" }, { "d/e/l6", "." },
		{ "d/l6", "." }, { "d/l6", "dd/a" }, { "d/l6", "dd" } };
	struct world w;
	char path[64];
	size_t i;

	setup(&w, "alice", &may);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_MKDIR, "d"), 0);
	assert_int_equal(ask_path(&w.s, MFTD_MSG_MKDIR, "d/e"), 0);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    ask_symlink(&w.s, rows[i].path, rows[i].target), 0);
		snprintf(path, sizeof(path), "alice/%s", rows[i].path);
		text_is(&w, path, rows[i].text);
	}
	for (i = 0; i < sizeof(upward) / sizeof(upward[0]); i++)
		assert_int_equal(
		    ask_symlink(&w.s, upward[i].path, upward[i].target),
		    -MFTD_E_UPWARD);
	assert_int_equal(ask_symlink(&w.s, "l1", "b"), -EEXIST);
	/* none is made through a link, nor with a path that is not clean */
	assert_int_equal(ask_symlink(&w.s, "l2/l8", "l2/a"), -ELOOP);
	assert_int_equal(ask_symlink(&w.s, "l9", "../a"), -EINVAL);
	assert_int_equal(ask_symlink(&w.s, "l9", "/etc"), -EINVAL);
	teardown(&w);
}

/* A folder is a root of its own: its ".." is another's business. */
static void
links_stay_in_their_folder(void **state)
{
	struct mftd_policy may = { .symlinks = 1, .n_folders = 1 };
	struct world w;

	strcpy(may.folders[0].name, "share");
	strcpy(may.folders[0].path, "common/in");
	setup(&w, "alice", &may);
	assert_int_equal(ask_symlink(&w.s, "l", "share/a"), -EXDEV);
	assert_int_equal(ask_symlink(&w.s, "share/l", "a"), -EXDEV);
	assert_int_equal(ask_symlink(&w.s, "share/l", "share/a"), 0);
	text_is(&w, "common/in/l", "a");
	assert_int_equal(ask_symlink(&w.s, "share/up", "share"), 0);
	text_is(&w, "common/in/up", ".");
	teardown(&w);
}

static void
symlinks_need_the_policy_and_a_root_of_their_own(void **state)
{
	const struct mftd_policy none = { 0 }, may = { .symlinks = 1 };
	struct world w;

	setup(&w, "alice", &none);
	assert_int_equal(ask_symlink(&w.s, "l", "a"), -EACCES);
	teardown(&w);
	setup(&w, ".", &may);
	assert_int_equal(ask_symlink(&w.s, "l", "a"), -EACCES);
	teardown(&w);
}

static void
links_in_what_is_read_only(void **state)
{
	const struct mftd_policy ro = { .read_only = 1, .symlinks = 1 };
	struct world w;

	setup(&w, "alice", &ro);
	tree_write(&w.t, "alice/a", "A");
	assert_int_equal(ask_link(&w.s, "a", "b"), -EROFS);
	assert_int_equal(ask_symlink(&w.s, "l", "a"), -EROFS);
	assert_int_equal(tree_count(&w.t, "alice"), 1);
	teardown(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_is_a_second_name),
		cmocka_unit_test(one_of_two_names_says_nothing_of_the_file),
		cmocka_unit_test(links_lead_down_from_where_they_stand),
		cmocka_unit_test(links_stay_in_their_folder),
		cmocka_unit_test(
		    symlinks_need_the_policy_and_a_root_of_their_own),
		cmocka_unit_test(links_in_what_is_read_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
