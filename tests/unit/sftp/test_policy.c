/* Part of mftd; see LICENSE. */
/* What an account's policy lets a client do: server and the real journal. */
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

#include "mftd/sftp/proto.h"
#include "tests/unit/journal/rig.h"
#include "tests/unit/sftp/peer.h"

#define LIFE "n1-00000000000000aa"
#define DENIED SSH_FX_PERMISSION_DENIED
#define R SSH_FXF_READ
#define W SSH_FXF_WRITE
#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)

struct world {
	struct tree t;
	struct rig rig;
	struct rig_session s;
	struct peer p;
	int sessions;
};

static void
add(struct mftd_policy *p, const char *name, const char *path, bool read_only)
{
	struct mftd_policy_folder *f = &p->folders[p->n_folders++];

	snprintf(f->name, sizeof(f->name), "%s", name);
	snprintf(f->path, sizeof(f->path), "%s", path);
	f->read_only = read_only;
}

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	tree_make(&w->t);
	rig_start(&w->rig, w->t.path, LIFE, NULL, NULL);
	w->rig.policy.umask = 022;
	return rig_ready(&w->rig) ? 0 : -1;
}

/* A session with the rig's policy as it is now. */
static struct peer *
enter(struct world *w)
{
	assert_int_equal(
	    rig_open(&w->rig, &w->s, ++w->sessions, "alice", "alice"), 0);
	peer_over_policy(&w->p, w->s.id, w->s.volume_id, w->s.c, w->s.root,
	    w->s.parts, &w->rig.policy, w->s.folders);
	peer_start(&w->p);
	return &w->p;
}

static void
leave(struct world *w)
{
	peer_close(&w->p);
	rig_close(&w->s);
}

static int
teardown(void **state)
{
	struct world *w = *state;

	assert_int_equal(rig_stop(&w->rig), 0);
	tree_remove(&w->t);
	free(w);
	return 0;
}

static uint32_t
open_status(struct peer *p, const char *path, uint32_t flags)
{
	uint32_t status = SSH_FX_OK;

	if (do_open(p, path, flags, &status) == 0)
		return status;
	return SSH_FX_OK;
}

static uint32_t
name_status(struct peer *p, uint8_t type, const char *path)
{
	return peer_status(p, req_path(p, type, path));
}

static uint32_t
chmod_status(struct peer *p, const char *path)
{
	struct mftd_buf *b = req_path(p, SSH_FXP_SETSTAT, path);

	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_PERMISSIONS);
	mftd_buf_put_u32(b, 0600);
	return peer_status(p, b);
}

static uint32_t
truncate_status(struct peer *p, const char *path)
{
	struct mftd_buf *b = req_path(p, SSH_FXP_SETSTAT, path);

	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_SIZE);
	mftd_buf_put_u64(b, 0);
	return peer_status(p, b);
}

/* Every request that changes something. */
static void
all_are_denied(struct peer *p, const char *path, const char *dir)
{
	static const uint32_t flags[] = { W, WCT, W | SSH_FXF_CREAT,
		W | SSH_FXF_TRUNC, W | SSH_FXF_APPEND, R | W, R | SSH_FXF_CREAT,
		R | SSH_FXF_TRUNC, W | SSH_FXF_CREAT | SSH_FXF_EXCL };
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		assert_int_equal(open_status(p, path, flags[i]), DENIED);
	assert_int_equal(name_status(p, SSH_FXP_REMOVE, path), DENIED);
	assert_int_equal(name_status(p, SSH_FXP_MKDIR, path), DENIED);
	assert_int_equal(name_status(p, SSH_FXP_RMDIR, dir), DENIED);
	assert_int_equal(chmod_status(p, path), DENIED);
	assert_int_equal(truncate_status(p, path), DENIED);
	assert_int_equal(
	    peer_status(p, req_rename(p, path, "/z", false)), DENIED);
	assert_int_equal(
	    peer_status(p, req_rename(p, path, "/z", true)), DENIED);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/w", path, false)), DENIED);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/w", path, true)), DENIED);
}

static void
reads(struct peer *p, const char *path, const char *text)
{
	char got[64];
	uint64_t h = do_open(p, path, R, NULL);

	assert_true(h != 0);
	assert_int_equal(do_read(p, h, 0, 64, got, sizeof(got)), 0);
	assert_string_equal(got, text);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	assert_int_equal(
	    do_stat(p, SSH_FXP_STAT, path, 0), (int64_t)strlen(text));
}

static void
upload(struct peer *p, const char *path, const char *text)
{
	uint64_t h = do_open(p, path, WCT, NULL);

	assert_true(h != 0);
	assert_int_equal(do_write(p, h, 0, text), SSH_FX_OK);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
}

static void
read_only_account(void **state)
{
	struct world *w = *state;
	struct peer *p = enter(w);

	upload(p, "/f", "text");
	upload(p, "/w", "other");
	assert_int_equal(name_status(p, SSH_FXP_MKDIR, "/d"), SSH_FX_OK);
	leave(w);
	w->rig.policy.read_only = true;
	p = enter(w);
	all_are_denied(p, "/f", "/d");
	reads(p, "/f", "text");
	assert_int_equal(count_parts(p), 0);
	leave(w);
	assert_true(tree_holds(&w->t, "alice/f", "text"));
	assert_int_equal(tree_count(&w->t, "alice"), 3);
}

static void
read_only_folder(void **state)
{
	struct world *w = *state;
	struct peer *p;

	add(&w->rig.policy, "docs", "common", true);
	p = enter(w);
	tree_write(&w->t, "common/f", "doc");
	assert_int_equal(mkdirat(w->t.fd, "common/d", 0755), 0);
	upload(p, "/w", "other");
	all_are_denied(p, "/docs/f", "/docs/d");
	reads(p, "/docs/f", "doc");
	upload(p, "/g", "the rest may be written");
	leave(w);
	assert_int_equal(tree_count(&w->t, "common"), 2);
}

/* How often name is in the listing of dir. */
static int
listed(struct peer *p, const char *dir, const char *name)
{
	uint64_t h = do_opendir(p, dir);
	char got[256], line[600];
	uint32_t count, flags;
	struct answer a;
	int n = 0;

	assert_true(h != 0);
	while (a = peer_ask(p, req_handle(p, SSH_FXP_READDIR, h)),
	    a.type == SSH_FXP_NAME) {
		assert_int_equal(mftd_buf_get_u32(a.body, &count), 0);
		while (count-- > 0) {
			mftd_buf_get_cstring(a.body, got, sizeof(got));
			mftd_buf_get_cstring(a.body, line, sizeof(line));
			mftd_buf_get_u32(a.body, &flags);
			assert_int_equal(flags, 15);
			mftd_buf_consume(a.body, 28);
			n += strcmp(got, name) == 0;
		}
		mftd_buf_free(a.body);
	}
	mftd_buf_free(a.body);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	return n;
}

static void
folders_show_and_hide(void **state)
{
	struct world *w = *state;
	struct peer *p;

	add(&w->rig.policy, "share", "common/in", false);
	p = enter(w);
	assert_int_equal(listed(p, "/", "share"), 1);
	tree_write(&w->t, "alice/share", "hidden");
	tree_write(&w->t, "alice/f", "text");
	tree_write(&w->t, "common/in/share", "no folder");
	assert_int_equal(listed(p, "/", "share"), 1);
	assert_int_equal(listed(p, "/", "f"), 1);
	assert_int_equal(listed(p, "/share", "share"), 1);
	assert_int_equal(listed(p, "/share", "f"), 0);
	reads(p, "/share/share", "no folder");
	reads(p, "/share/../f", "text"); /* paths are text first */
	/* a directory to both stats, and to OPEN */
	assert_true(do_stat(p, SSH_FXP_STAT, "/share", 0) >= 0);
	assert_int_not_equal(do_stat(p, SSH_FXP_LSTAT, "/share", 0), 6);
	assert_int_equal(open_status(p, "/share", R), SSH_FX_FAILURE);
	assert_int_equal(open_status(p, "/share", WCT), SSH_FX_FAILURE);
	assert_int_equal(
	    name_status(p, SSH_FXP_READLINK, "/share"), SSH_FX_FAILURE);
	upload(p, "/share/new", "mine");
	assert_true(tree_holds(&w->t, "common/in/new", "mine"));
	leave(w);
}

static void
folders_cannot_be_moved(void **state)
{
	struct world *w = *state;
	struct peer *p;

	add(&w->rig.policy, "share", "common/in", false);
	p = enter(w);
	upload(p, "/f", "text");
	assert_int_equal(name_status(p, SSH_FXP_RMDIR, "/share"), DENIED);
	assert_int_equal(name_status(p, SSH_FXP_REMOVE, "/share"), DENIED);
	assert_int_equal(name_status(p, SSH_FXP_MKDIR, "/share"), DENIED);
	assert_int_equal(chmod_status(p, "/share"), DENIED);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/share", "/x", true)), DENIED);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/f", "/share", true)), DENIED);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/f", "/share/f", false)), SSH_FX_OK);
	reads(p, "/share/f", "text");
	assert_int_equal(
	    peer_status(p, req_rename(p, "/share/f", "/g", true)), SSH_FX_OK);
	reads(p, "/g", "text");
	leave(w);
}

/* An upload moves with its name between root and folder while it goes on. */
static void
live_upload_moves_into_a_folder(void **state)
{
	struct world *w = *state;
	struct peer *p;
	uint64_t h;

	add(&w->rig.policy, "share", "common/in", false);
	p = enter(w);
	h = do_open(p, "/f.part", WCT, NULL);
	assert_int_equal(do_write(p, h, 0, "half"), SSH_FX_OK);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/f.part", "/share/f", false)),
	    SSH_FX_OK);
	assert_int_equal(do_write(p, h, 4, "whole"), SSH_FX_OK);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	assert_true(tree_holds(&w->t, "common/in/f", "halfwhole"));
	leave(w);
}

/* Each root and folder is a world of its own for links. */
static void
no_link_leads_to_another_root(void **state)
{
	static const char *const paths[] = { "/share/up/secret",
		"/share/home/f", "/share/abs", "/to", "/back/secret" };
	struct world *w = *state;
	struct peer *p;
	size_t i;

	add(&w->rig.policy, "share", "common/in", false);
	p = enter(w);
	tree_write(&w->t, "common/secret", "not yours");
	tree_write(&w->t, "common/in/f", "yours");
	tree_write(&w->t, "alice/f", "text");
	assert_int_equal(symlinkat("..", w->s.folders[0], "up"), 0);
	assert_int_equal(symlinkat("../../alice", w->s.folders[0], "home"), 0);
	assert_int_equal(symlinkat("/etc/passwd", w->s.folders[0], "abs"), 0);
	assert_int_equal(symlinkat("f", w->s.folders[0], "inside"), 0);
	assert_int_equal(symlinkat("../common/in/f", w->s.root, "to"), 0);
	assert_int_equal(symlinkat("../common", w->s.root, "back"), 0);
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		assert_int_equal(open_status(p, paths[i], R), DENIED);
		assert_int_equal(
		    do_stat(p, SSH_FXP_STAT, paths[i], 0), -(int64_t)DENIED);
	}
	reads(p, "/share/inside", "yours");
	reads(p, "/share/../../../share/f", "yours");
	leave(w);
}

static mode_t
mode_of(struct world *w, const char *path, gid_t *gid)
{
	struct stat st;

	assert_int_equal(fstatat(w->t.fd, path, &st, 0), 0);
	*gid = st.st_gid;
	return st.st_mode & 07777;
}

static void
create(struct peer *p, const char *path, int mode)
{
	struct answer a = peer_ask(p, req_open(p, path, WCT, mode));
	uint64_t h;

	assert_int_equal(a.type, SSH_FXP_HANDLE);
	mftd_buf_consume(a.body, 4);
	mftd_buf_get_u64(a.body, &h);
	mftd_buf_free(a.body);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
}

static void
umask_and_group(void **state)
{
	static const struct {
		uint32_t umask;
		int asked, file, dir;
	} rows[] = { { 022, -1, 0644, 0755 }, { 022, 0666, 0644, 0744 },
		{ 027, -1, 0640, 0750 }, { 027, 0777, 0750, 0750 },
		{ 077, 0666, 0600, 0700 }, { 002, 0664, 0664, 0764 },
		{ 0, 0666, 0666, 0766 }, { 0777, 0777, 0600, 0700 } };
	struct world *w = *state;
	struct mftd_buf *b;
	char file[32], dir[32];
	struct peer *p;
	gid_t gid;
	size_t i;

	w->rig.policy.has_gid = geteuid() == 0;
	w->rig.policy.gid = 4242;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		w->rig.policy.umask = rows[i].umask;
		p = enter(w);
		snprintf(file, sizeof(file), "alice/f%zu", i);
		create(p, strchr(file, '/'), rows[i].asked);
		assert_int_equal(mode_of(w, file, &gid), rows[i].file);
		if (w->rig.policy.has_gid)
			assert_int_equal(gid, 4242);
		snprintf(dir, sizeof(dir), "alice/d%zu", i);
		b = peer_new(p, SSH_FXP_MKDIR, NULL);
		mftd_buf_put_cstring(b, strchr(dir, '/'));
		mftd_buf_put_u32(
		    b, rows[i].asked < 0 ? 0 : SSH_FILEXFER_ATTR_PERMISSIONS);
		if (rows[i].asked >= 0)
			mftd_buf_put_u32(b, (uint32_t)rows[i].asked);
		assert_int_equal(peer_status(p, b), SSH_FX_OK);
		assert_int_equal(mode_of(w, dir, &gid), rows[i].dir);
		/* what is asked for later is asked for: as sftp-server -u */
		b = req_path(p, SSH_FXP_SETSTAT, strchr(file, '/'));
		mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_PERMISSIONS);
		mftd_buf_put_u32(b, 0666);
		assert_int_equal(peer_status(p, b), SSH_FX_OK);
		assert_int_equal(mode_of(w, file, &gid), 0666);
		leave(w);
	}
}

static uint64_t
quota_begin(struct world *w, uint64_t bytes, uint64_t files)
{
	w->rig.policy.quota_bytes = bytes;
	w->rig.policy.quota_files = files;
	enter(w);
	return do_open(&w->p, "/f", WCT, NULL);
}

/* The client hears while it writes, and its CLOSE says the same. */
static void
quota_is_heard_while_writing(void **state)
{
	struct world *w = *state;
	uint64_t h = quota_begin(w, 10, 0);
	struct peer *p = &w->p;
	struct answer a;

	assert_int_equal(do_write(p, h, 0, "12345"), SSH_FX_OK);
	assert_int_equal(do_write(p, h, 5, "67890"), SSH_FX_OK);
	assert_int_equal(do_write(p, h, 0, "abc"), SSH_FX_OK);
	a = peer_ask(p, req_write(p, h, 10, "x", 1));
	assert_int_equal(a.status, SSH_FX_FAILURE);
	assert_string_equal(a.text, "Quota exceeded");
	mftd_buf_free(a.body);
	a = peer_ask(p, req_handle(p, SSH_FXP_CLOSE, h));
	assert_int_equal(a.status, SSH_FX_FAILURE);
	assert_string_equal(a.text, "Quota exceeded");
	mftd_buf_free(a.body);
	assert_int_equal(count_parts(p), 0);
	/* what it did not take is free again, to the last byte */
	upload(p, "/g", "1234567890");
	assert_true(tree_holds(&w->t, "alice/g", "1234567890"));
	/* over itself */
	upload(p, "/g", "abcdefghij");
	h = do_open(p, "/g", W | SSH_FXF_APPEND, NULL);
	assert_int_equal(do_write(p, h, 0, "k"), SSH_FX_FAILURE);
	assert_int_equal(do_close(p, h), SSH_FX_FAILURE);
	assert_true(tree_holds(&w->t, "alice/g", "abcdefghij"));
	leave(w);
}

static void
quota_holds_for_sizes_set(void **state)
{
	struct world *w = *state;
	uint64_t h = quota_begin(w, 10, 0);
	struct peer *p = &w->p;

	assert_int_equal(peer_status(p, req_setsize(p, h, 10)), SSH_FX_OK);
	assert_int_equal(peer_status(p, req_setsize(p, h, 11)), SSH_FX_FAILURE);
	assert_int_equal(do_close(p, h), SSH_FX_FAILURE);
	upload(p, "/f", "12345");
	assert_int_equal(truncate_status(p, "/f"), SSH_FX_OK);
	upload(p, "/g", "1234567890");
	leave(w);
}

static void
quota_of_files(void **state)
{
	struct world *w = *state;
	uint64_t h = quota_begin(w, 0, 1);
	struct peer *p = &w->p;

	assert_int_equal(do_write(p, h, 0, "1"), SSH_FX_OK);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	h = do_open(p, "/g", WCT, NULL);
	assert_int_equal(do_write(p, h, 0, "1"), SSH_FX_FAILURE);
	assert_int_equal(do_close(p, h), SSH_FX_FAILURE);
	h = do_open(p, "/empty", WCT, NULL); /* no WRITE: CLOSE finds out */
	assert_int_equal(do_close(p, h), SSH_FX_FAILURE);
	assert_int_equal(name_status(p, SSH_FXP_MKDIR, "/d"), SSH_FX_OK);
	assert_int_equal(name_status(p, SSH_FXP_REMOVE, "/f"), SSH_FX_OK);
	upload(p, "/g", "1");
	leave(w);
}

static void
statvfs_at(struct peer *p, const char *path, uint64_t words[11])
{
	struct mftd_buf *b = peer_new(p, SSH_FXP_EXTENDED, NULL);
	struct answer a;
	int i;

	mftd_buf_put_cstring(b, "statvfs@openssh.com");
	mftd_buf_put_cstring(b, path);
	a = peer_ask(p, b);
	assert_int_equal(a.type, SSH_FXP_EXTENDED_REPLY);
	for (i = 0; i < 11; i++)
		assert_int_equal(mftd_buf_get_u64(a.body, &words[i]), 0);
	mftd_buf_free(a.body);
}

static void
statvfs(struct peer *p, uint64_t words[11])
{
	statvfs_at(p, "/", words);
}

/* statvfs tells of the quota; a part counts. */
static void
statvfs_shows_the_quota(void **state)
{
	static char page[65536];
	struct world *w = *state;
	uint64_t v[11], h, unit;
	struct peer *p = &w->p;

	memset(page, 'x', sizeof(page) - 1);
	add(&w->rig.policy, "share", "in", false);
	h = quota_begin(w, 1 << 20, 100);
	statvfs(p, v);
	unit = v[1];
	assert_int_equal(v[2], (1 << 20) / unit);
	assert_int_equal(v[3], (1 << 20) / unit);
	assert_int_equal(v[5], 100);
	assert_int_equal(do_write(p, h, 0, page), SSH_FX_OK);
	statvfs(p, v);
	assert_int_equal(v[4], ((1 << 20) - (sizeof(page) - 1)) / unit);
	assert_int_equal(v[6], 99);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	statvfs(p, v);
	assert_int_equal(v[4], ((1 << 20) - (sizeof(page) - 1)) / unit);
	assert_int_equal(v[7], 99);
	statvfs_at(p, "/share", v); /* the file system's own */
	assert_int_not_equal(v[2], (1 << 20) / unit);
	leave(w);
}

int
main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH(read_only_account),
		WITH(read_only_folder),
		WITH(folders_show_and_hide),
		WITH(folders_cannot_be_moved),
		WITH(live_upload_moves_into_a_folder),
		WITH(no_link_leads_to_another_root),
		WITH(umask_and_group),
		WITH(quota_is_heard_while_writing),
		WITH(quota_holds_for_sizes_set),
		WITH(quota_of_files),
		WITH(statvfs_shows_the_quota),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
