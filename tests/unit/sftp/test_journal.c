/* Part of mftd; see LICENSE. */
/* The server and the real journal. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/journal/record.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/world.h"

#define W SSH_FXF_WRITE
#define WC (SSH_FXF_WRITE | SSH_FXF_CREAT)
#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)

static void
upload_has_a_receipt(void **state)
{
	struct world *w = *state;

	world_upload(&w->a, "/f", "first");
	assert_true(tree_holds(&w->t, "alice/f", "first"));
	world_upload(&w->b, "/f", "second");
	assert_true(tree_holds(&w->t, "alice/f", "second"));
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 2);
	assert_int_equal(count_parts(&w->a), 0);
	assert_int_equal(tree_count(&w->t, ".mft/aside"), 0);
}

static void
newer_upload_supersedes(void **state)
{
	struct world *w = *state;
	uint64_t a = do_open(&w->a, "/f", WC, NULL), b;

	assert_int_equal(do_write(&w->a, a, 0, "older"), SSH_FX_OK);
	b = do_open(&w->b, "/f", WCT, NULL);
	assert_int_equal(do_write(&w->b, b, 0, "newer"), SSH_FX_OK);
	assert_int_equal(do_close(&w->a, a), SSH_FX_FAILURE);
	assert_true(tree_holds(&w->t, "alice/f", NULL));
	assert_int_equal(do_close(&w->b, b), SSH_FX_OK);
	assert_true(tree_holds(&w->t, "alice/f", "newer"));
}

static void
names_change_durably(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->a;

	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_MKDIR, "/d")), SSH_FX_OK);
	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_MKDIR, "/d")), SSH_FX_FAILURE);
	world_upload(p, "/d/f", "text");
	world_upload(p, "/d/g", "other");
	assert_int_equal(peer_status(p, req_rename(p, "/d/f", "/d/g", false)),
	    SSH_FX_FAILURE);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/d/f", "/d/g", true)), SSH_FX_OK);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/d", "/e", false)), SSH_FX_OK);
	assert_true(tree_holds(&w->t, "alice/e/g", "text"));
	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_RMDIR, "/e")), SSH_FX_FAILURE);
	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_REMOVE, "/e/g")), SSH_FX_OK);
	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_RMDIR, "/e")), SSH_FX_OK);
}

static void
uploads_follow_renames(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->a;
	uint64_t h;

	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_MKDIR, "/d")), SSH_FX_OK);
	h = do_open(p, "/d/f", WC, NULL);
	assert_int_equal(do_write(p, h, 0, "12"), SSH_FX_OK);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/d", "/e", false)), SSH_FX_OK);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/e/f", "/g", false)), SSH_FX_OK);
	assert_int_equal(do_write(p, h, 2, "34"), SSH_FX_OK);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	assert_true(tree_holds(&w->t, "alice/g", "1234"));
	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_RMDIR, "/e")), SSH_FX_OK);
	/* a published file and the upload that is to replace it */
	h = do_open(p, "/g", WCT, NULL);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/g", "/h", false)), SSH_FX_OK);
	assert_true(tree_holds(&w->t, "alice/h", "1234"));
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	assert_true(tree_holds(&w->t, "alice/h", ""));
	assert_int_equal(count_parts(p), 0);
}

static void
removal_takes_the_upload_along(void **state)
{
	struct world *w = *state;
	uint64_t h = do_open(&w->a, "/f", WC, NULL);

	assert_int_equal(
	    peer_status(&w->a, req_path(&w->a, SSH_FXP_REMOVE, "/f")),
	    SSH_FX_OK);
	assert_int_equal(do_close(&w->a, h), SSH_FX_FAILURE);
	assert_true(tree_holds(&w->t, "alice/f", NULL));
	/* another session's too */
	h = do_open(&w->a, "/f", WC, NULL);
	assert_int_equal(
	    peer_status(&w->b, req_path(&w->b, SSH_FXP_REMOVE, "/f")),
	    SSH_FX_OK);
	assert_int_equal(do_close(&w->a, h), SSH_FX_FAILURE);
	assert_int_equal(count_parts(&w->a), 0);
}

static void
size_of_a_published_file(void **state)
{
	struct world *w = *state;
	struct mftd_buf *b;
	uint64_t h;

	world_upload(&w->a, "/f", "0123456789");
	b = req_path(&w->a, SSH_FXP_SETSTAT, "/f");
	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_SIZE);
	mftd_buf_put_u64(b, 4);
	assert_int_equal(peer_status(&w->a, b), SSH_FX_OK);
	assert_true(tree_holds(&w->t, "alice/f", "0123"));
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 2);
	h = do_open(&w->a, "/f", W, NULL);
	assert_int_equal(do_write(&w->a, h, 4, "x"), SSH_FX_OK);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(tree_holds(&w->t, "alice/f", "0123x"));
}

/* What journal would refuse at CLOSE is refused at OPEN. */
static void
changes_through_links_are_refused(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->a;
	uint32_t status;

	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_MKDIR, "/d")), SSH_FX_OK);
	assert_int_equal(symlinkat("d", p->root, "link"), 0);
	assert_int_equal(do_open(p, "/link/f", WC, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
	assert_int_equal(peer_status(p, req_path(p, SSH_FXP_MKDIR, "/link/d")),
	    SSH_FX_PERMISSION_DENIED);
}

/* Many CLOSEs at once: each is answered, each is published. */
static void
many_closes_together(void **state)
{
	enum { FILES = 100 };
	struct world *w = *state;
	struct mftd_buf *all = mftd_buf_new(1 << 20), *b;
	struct answer ans;
	char path[32];
	uint64_t h;
	int i;

	for (i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "/f%d", i);
		h = do_open(&w->a, path, WC, NULL);
		assert_int_equal(do_write(&w->a, h, 0, path), SSH_FX_OK);
		b = req_handle(&w->a, SSH_FXP_CLOSE, h);
		mftd_buf_put_string(all, mftd_buf_data(b), mftd_buf_len(b));
		mftd_buf_free(b);
	}
	assert_int_equal(
	    peer_feed(&w->a, mftd_buf_data(all), mftd_buf_len(all)),
	    mftd_buf_len(all));
	mftd_buf_free(all);
	peer_journal(&w->a);
	for (i = 0; i < FILES; i++) {
		assert_true(peer_take(&w->a, &ans));
		assert_int_equal(ans.status, SSH_FX_OK);
		mftd_buf_free(ans.body);
		snprintf(path, sizeof(path), "alice/f%d", i);
		assert_true(tree_holds(&w->t, path, path + strlen("alice")));
	}
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), FILES);
}

static void
dead_journal_leaves_close_unanswered(void **state)
{
	struct world *w = *state;
	uint64_t h = do_open(&w->a, "/f", WC, NULL);
	struct answer ans;

	rig_kill(&w->journal);
	w->dead = true;
	peer_post(&w->a, req_handle(&w->a, SSH_FXP_CLOSE, h));
	assert_int_equal(w->a.in_error, -MFTD_E_PROTOCOL);
	assert_false(peer_take(&w->a, &ans));
	assert_false(mftd_sftp_busy(w->a.s));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(upload_has_a_receipt),
		T(newer_upload_supersedes),
		T(names_change_durably),
		T(uploads_follow_renames),
		T(removal_takes_the_upload_along),
		T(size_of_a_published_file),
		T(changes_through_links_are_refused),
		T(many_closes_together),
		T(dead_journal_leaves_close_unanswered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
