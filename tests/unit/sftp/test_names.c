/* Part of mftd; see LICENSE. */
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
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/peer.h"

#define WC (SSH_FXF_WRITE | SSH_FXF_CREAT)
#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)

static uint32_t
path_status(struct peer *r, uint8_t type, const char *path)
{
	return peer_status(r, req_path(r, type, path));
}

/* The one name of REALPATH's or READLINK's answer, or the status in it. */
static void
name_is(struct peer *r, uint8_t type, const char *path, const char *name)
{
	struct answer a = peer_ask(r, req_path(r, type, path));
	char text[256];
	uint32_t count;

	assert_int_equal(a.type, SSH_FXP_NAME);
	assert_int_equal(mftd_buf_get_u32(a.body, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(mftd_buf_get_cstring(a.body, text, sizeof(text)), 0);
	assert_string_equal(text, name);
	mftd_buf_free(a.body);
}

static void
names_are_changed_by_journal(void **state)
{
	struct peer *r = *state;

	assert_int_equal(path_status(r, SSH_FXP_MKDIR, "/d"), SSH_FX_OK);
	assert_int_equal(r->last.type, MFTD_MSG_MKDIR);
	assert_int_equal(path_status(r, SSH_FXP_MKDIR, "/d"), SSH_FX_FAILURE);
	file_make(r, "d/a", "x");
	assert_int_equal(
	    peer_status(r, req_rename(r, "/d/a", "/d/b", false)), SSH_FX_OK);
	file_is(r, "d/b", "x");
	file_make(r, "d/c", "y");
	assert_int_equal(peer_status(r, req_rename(r, "/d/c", "/d/b", false)),
	    SSH_FX_FAILURE);
	file_is(r, "d/b", "x");
	assert_int_equal(
	    peer_status(r, req_rename(r, "/d/c", "/d/b", true)), SSH_FX_OK);
	file_is(r, "d/b", "y");
	assert_int_equal(path_status(r, SSH_FXP_RMDIR, "/d"), SSH_FX_FAILURE);
	assert_int_equal(path_status(r, SSH_FXP_REMOVE, "/d/b"), SSH_FX_OK);
	assert_int_equal(
	    path_status(r, SSH_FXP_REMOVE, "/d/b"), SSH_FX_NO_SUCH_FILE);
	assert_int_equal(path_status(r, SSH_FXP_RMDIR, "/d"), SSH_FX_OK);
	assert_false(file_exists(r, "d"));
}

static void
journals_errors_become_answers(void **state)
{
	static const struct {
		int err;
		uint32_t status;
	} rows[] = { { -ENOENT, SSH_FX_NO_SUCH_FILE },
		{ -EACCES, SSH_FX_PERMISSION_DENIED },
		{ -EROFS, SSH_FX_PERMISSION_DENIED },
		{ -EXDEV, SSH_FX_PERMISSION_DENIED },
		{ -ENOSPC, SSH_FX_FAILURE },
		{ -MFTD_E_NO_LEASE, SSH_FX_FAILURE },
		{ -MFTD_E_INCOMPLETE, SSH_FX_FAILURE } };
	struct peer *r = *state;
	struct answer a;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		r->err = rows[i].err;
		assert_int_equal(
		    path_status(r, SSH_FXP_MKDIR, "/d"), rows[i].status);
	}
	r->err = -MFTD_E_NO_LEASE;
	a = peer_ask(r, req_path(r, SSH_FXP_RMDIR, "/d"));
	assert_string_equal(a.text, "No quorum: try again");
	mftd_buf_free(a.body);
}

static void
rename_of_a_new_upload(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WC, NULL);

	assert_int_equal(do_write(r, h, 0, "12"), SSH_FX_OK);
	assert_int_equal(
	    peer_status(r, req_rename(r, "/a", "/b", false)), SSH_FX_OK);
	assert_int_equal(
	    do_stat(r, SSH_FXP_STAT, "/a", 0), -SSH_FX_NO_SUCH_FILE);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/b", 0), 2);
	assert_int_equal(do_write(r, h, 2, "34"), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "b", "1234");
	assert_false(file_exists(r, "a"));
	assert_int_equal(count_parts(r), 0);
}

static void
rename_that_may_not_overwrite_still_does_not_at_close(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WC, NULL);

	assert_int_equal(
	    peer_status(r, req_rename(r, "/a", "/b", false)), SSH_FX_OK);
	file_make(r, "b", "theirs");
	assert_int_equal(do_close(r, h), SSH_FX_FAILURE);
	file_is(r, "b", "theirs");
}

static void
rename_of_a_new_upload_over_a_file(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WC, NULL);

	file_make(r, "b", "old");
	assert_int_equal(
	    peer_status(r, req_rename(r, "/a", "/b", true)), SSH_FX_OK);
	file_is(r, "b", "old");
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/b", 0), 0);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "b", "");
}

static void
rename_of_a_replaced_file_takes_the_upload_along(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	file_make(r, "a", "old");
	h = do_open(r, "/a", WCT, NULL);
	assert_int_equal(do_write(r, h, 0, "newer"), SSH_FX_OK);
	assert_int_equal(
	    peer_status(r, req_rename(r, "/a", "/b", false)), SSH_FX_OK);
	file_is(r, "b", "old");
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/b", 0), 5);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "b", "newer");
	assert_false(file_exists(r, "a"));
}

static void
rename_onto_an_upload(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/b", WC, NULL);

	file_make(r, "a", "old");
	assert_int_equal(
	    peer_status(r, req_rename(r, "/a", "/b", false)), SSH_FX_FAILURE);
	assert_int_equal(
	    peer_status(r, req_rename(r, "/a", "/b", true)), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_FAILURE);
	file_is(r, "b", "old");
}

static void
refused_rename_leaves_the_upload_alone(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WC, NULL);

	assert_int_equal(peer_status(r, req_rename(r, "/a", "/no/b", false)),
	    SSH_FX_NO_SUCH_FILE);
	file_make(r, "b", "theirs");
	assert_int_equal(
	    peer_status(r, req_rename(r, "/a", "/b", false)), SSH_FX_FAILURE);
	assert_int_equal(do_write(r, h, 0, "x"), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "x");
	file_is(r, "b", "theirs");
}

static void
directory_with_uploads_stays(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	assert_int_equal(path_status(r, SSH_FXP_MKDIR, "/d"), SSH_FX_OK);
	h = do_open(r, "/d/a", WC, NULL);
	assert_int_equal(path_status(r, SSH_FXP_RMDIR, "/d"), SSH_FX_FAILURE);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "d/a", "");
}

/* A close waits for the rename that moves what it will publish. */
static void
close_waits_for_a_rename(void **state)
{
	const struct mftd_msg_publish *m;
	struct peer *r = *state;
	struct answer a;
	uint64_t h;

	assert_int_equal(path_status(r, SSH_FXP_MKDIR, "/d"), SSH_FX_OK);
	h = do_open(r, "/d/a", WC, NULL);
	r->hold = true;
	peer_post(r, req_rename(r, "/d", "/e", false));
	peer_post(r, req_handle(r, SSH_FXP_CLOSE, h));
	peer_journal(r);
	assert_int_equal(r->n_refs, 1);
	assert_int_equal(r->last.type, MFTD_MSG_RENAME);
	assert_int_equal(renameat(r->root, "d", r->root, "e"), 0);
	r->hold = false;
	peer_answer_held(r, 0, 0);
	peer_journal(r);
	m = r->last.data;
	assert_int_equal(r->last.type, MFTD_MSG_PUBLISH);
	assert_string_equal(m->path, "e/a");
	while (peer_take(r, &a)) {
		assert_int_equal(a.status, SSH_FX_OK);
		mftd_buf_free(a.body);
	}
	file_is(r, "e/a", "");
}

/* And a directory's rename for the close of an upload in it. */
static void
rename_waits_for_a_close(void **state)
{
	struct peer *r = *state;
	struct answer a;
	uint64_t h;

	assert_int_equal(path_status(r, SSH_FXP_MKDIR, "/d"), SSH_FX_OK);
	h = do_open(r, "/d/a", WC, NULL);
	r->hold = true;
	peer_post(r, req_handle(r, SSH_FXP_CLOSE, h));
	peer_post(r, req_rename(r, "/d", "/e", false));
	peer_journal(r);
	assert_int_equal(r->n_refs, 1);
	assert_int_equal(r->last.type, MFTD_MSG_PUBLISH);
	r->hold = false;
	peer_answer_held(r, 0, 0);
	peer_journal(r);
	assert_int_equal(r->last.type, MFTD_MSG_RENAME);
	while (peer_take(r, &a)) {
		assert_int_equal(a.status, SSH_FX_OK);
		mftd_buf_free(a.body);
	}
	assert_true(file_exists(r, "e"));
}

static void
paths_do_not_lead_out(void **state)
{
	struct peer *r = *state;
	uint32_t status;
	uint64_t h;

	file_make(r, "../secret", "secret");
	assert_int_equal(symlinkat("../secret", r->root, "link"), 0);
	assert_int_equal(symlinkat("/etc", r->root, "abs"), 0);
	assert_int_equal(symlinkat("..", r->root, "up"), 0);
	assert_int_equal(
	    do_stat(r, SSH_FXP_STAT, "/../secret", 0), -SSH_FX_NO_SUCH_FILE);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "../../../../etc/passwd", 0),
	    -SSH_FX_NO_SUCH_FILE);
	assert_int_equal(
	    do_stat(r, SSH_FXP_STAT, "/link", 0), -SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/abs/passwd", 0),
	    -SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_stat(r, SSH_FXP_LSTAT, "/up/secret", 0),
	    -SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_open(r, "/link", SSH_FXF_READ, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_open(r, "/link", WCT, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_open(r, "/up/new", WCT, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_open(r, "/abs/new", WCT, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_opendir(r, "/up"), 0);
	assert_int_equal(do_opendir(r, "/abs"), 0);
	/* ".." at the top stays there */
	h = do_open(r, "/../../a", WCT, NULL);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "");
	file_is(r, "../secret", "secret");
	/* the link itself may be looked at and removed */
	assert_true(do_stat(r, SSH_FXP_LSTAT, "/link", 0) > 0);
	assert_int_equal(path_status(r, SSH_FXP_REMOVE, "/link"), SSH_FX_OK);
}

static void
links_beneath_are_followed_to_read(void **state)
{
	struct peer *r = *state;
	char text[16];
	uint64_t h;

	assert_int_equal(path_status(r, SSH_FXP_MKDIR, "/d"), SSH_FX_OK);
	file_make(r, "d/a", "text");
	assert_int_equal(symlinkat("d/a", r->root, "link"), 0);
	assert_int_equal(symlinkat("d", r->root, "dir"), 0);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/link", 0), 4);
	h = do_open(r, "/dir/a", SSH_FXF_READ, NULL);
	assert_int_equal(do_read(r, h, 0, 16, text, sizeof(text)), 0);
	assert_string_equal(text, "text");
	name_is(r, SSH_FXP_READLINK, "/link", "d/a");
}

static void
readlink_tells_nothing_of_outside(void **state)
{
	struct peer *r = *state;

	assert_int_equal(symlinkat("/etc/passwd", r->root, "abs"), 0);
	assert_int_equal(symlinkat("../x", r->root, "up"), 0);
	assert_int_equal(symlinkat("nothing", r->root, "dangling"), 0);
	file_make(r, "file", "");
	assert_int_equal(
	    path_status(r, SSH_FXP_READLINK, "/abs"), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(
	    path_status(r, SSH_FXP_READLINK, "/up"), SSH_FX_PERMISSION_DENIED);
	name_is(r, SSH_FXP_READLINK, "/dangling", "nothing");
	assert_int_equal(
	    path_status(r, SSH_FXP_READLINK, "/file"), SSH_FX_FAILURE);
}

static void
the_root_is_not_changed(void **state)
{
	struct peer *r = *state;
	unsigned asked = r->asked;

	assert_int_equal(
	    path_status(r, SSH_FXP_RMDIR, "/"), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(
	    path_status(r, SSH_FXP_REMOVE, "/x/.."), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(peer_status(r, req_rename(r, "/", "/x", true)),
	    SSH_FX_PERMISSION_DENIED);
	assert_int_equal(r->asked, asked);
}

static void
realpath_is_clean(void **state)
{
	struct peer *r = *state;

	name_is(r, SSH_FXP_REALPATH, "", "/");
	name_is(r, SSH_FXP_REALPATH, ".", "/");
	name_is(r, SSH_FXP_REALPATH, "/..//a/./b/../c/", "/a/c");
	name_is(r, SSH_FXP_REALPATH, "../..", "/");
}

/* An account of the whole volume: .mft is not there, by no name. */
static void
volume_area_is_hidden(void **state)
{
	struct peer *r = malloc(sizeof(*r));
	uint32_t status;
	uint64_t h;

	peer_open(r, true);
	peer_start(r);
	assert_int_equal(
	    do_stat(r, SSH_FXP_STAT, "/.mft", 0), -SSH_FX_NO_SUCH_FILE);
	assert_int_equal(do_stat(r, SSH_FXP_LSTAT, "/x/../.mft/parts", 0),
	    -SSH_FX_NO_SUCH_FILE);
	assert_int_equal(do_opendir(r, "/.mft"), 0);
	assert_int_equal(do_open(r, "/.mft/x", WCT, &status), 0);
	assert_int_equal(status, SSH_FX_NO_SUCH_FILE);
	assert_int_equal(
	    path_status(r, SSH_FXP_MKDIR, "/.mft/x"), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(
	    path_status(r, SSH_FXP_RMDIR, "/.mft"), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(peer_status(r, req_rename(r, "/.mft", "/x", true)),
	    SSH_FX_PERMISSION_DENIED);
	assert_int_equal(peer_status(r, req_rename(r, "/x", "/.mft/y", true)),
	    SSH_FX_PERMISSION_DENIED);
	assert_int_equal(symlinkat(".mft", r->root, "other"), 0);
	assert_int_equal(symlinkat(".", r->root, "dot"), 0);
	assert_int_equal(do_opendir(r, "/other"), 0);
	assert_int_equal(do_opendir(r, "/dot/.mft"), 0);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/other/parts", 0),
	    -SSH_FX_PERMISSION_DENIED);
	h = do_open(r, "/.mfta", WCT, NULL);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, ".mfta", "");
	peer_close(r);
	free(r);
}

static void
nul_in_a_path_is_a_bad_message(void **state)
{
	struct peer *r = *state;
	struct mftd_buf *b = peer_new(r, SSH_FXP_STAT, NULL);

	mftd_buf_put_string(b, "a\0b", 3);
	assert_int_equal(peer_status(r, b), SSH_FX_BAD_MESSAGE);
}

static void
long_paths_and_names_are_refused(void **state)
{
	struct peer *r = *state;
	char *path = malloc(5001), name[300];
	uint32_t status;

	memset(path, 'a', 5000);
	path[5000] = '\0';
	assert_int_equal(do_stat(r, SSH_FXP_STAT, path, 0), -SSH_FX_FAILURE);
	free(path);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	assert_int_equal(do_open(r, name, WCT, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	name[255] = '\0';
	assert_int_equal(do_close(r, do_open(r, name, WCT, NULL)), SSH_FX_OK);
}

/* One component, and a whole path, at their edges. */
static void
names_have_lengths(void **state)
{
	struct peer *r = *state;
	static char path[MFTD_PATH_BYTES + 2];
	size_t i;

	path[0] = '/';
	memset(path + 1, 'x', MFTD_FILE_NAME_BYTES - 1);
	path[MFTD_FILE_NAME_BYTES] = '\0';
	assert_int_equal(do_close(r, do_open(r, path, WC, NULL)), SSH_FX_OK);
	assert_true(file_exists(r, path + 1));
	path[MFTD_FILE_NAME_BYTES] = 'x';
	path[MFTD_FILE_NAME_BYTES + 1] = '\0';
	assert_int_equal(do_stat(r, SSH_FXP_STAT, path, 0), -SSH_FX_FAILURE);
	/* one that is too long is another answer than one that is not there */
	for (i = 0; i < MFTD_PATH_BYTES + 1; i++)
		path[i] = i % 2 == 0 ? '/' : 'y';
	path[MFTD_PATH_BYTES] = '\0'; /* clean it has a byte less */
	assert_int_equal(
	    do_stat(r, SSH_FXP_STAT, path, 0), -SSH_FX_NO_SUCH_FILE);
	path[MFTD_PATH_BYTES] = 'y';
	path[MFTD_PATH_BYTES + 1] = '\0';
	assert_int_equal(do_stat(r, SSH_FXP_STAT, path, 0), -SSH_FX_FAILURE);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		T(names_have_lengths),
		T(names_are_changed_by_journal),
		T(journals_errors_become_answers),
		T(rename_of_a_new_upload),
		T(rename_that_may_not_overwrite_still_does_not_at_close),
		T(rename_of_a_new_upload_over_a_file),
		T(rename_of_a_replaced_file_takes_the_upload_along),
		T(rename_onto_an_upload),
		T(refused_rename_leaves_the_upload_alone),
		T(directory_with_uploads_stays),
		T(close_waits_for_a_rename),
		T(rename_waits_for_a_close),
		T(paths_do_not_lead_out),
		T(links_beneath_are_followed_to_read),
		T(readlink_tells_nothing_of_outside),
		T(the_root_is_not_changed),
		T(realpath_is_clean),
		T(volume_area_is_hidden),
		T(nul_in_a_path_is_a_bad_message),
		T(long_paths_and_names_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
