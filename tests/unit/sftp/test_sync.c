/* Part of mftd; see LICENSE. */
/*
 * Syncs that fail once: the linker leads the calls here (--wrap).  As in the
 * kernel, the one after it succeeds, and means nothing.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/peer.h"

#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)

static bool fail_fsync, fail_fdatasync;

int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);

static bool
fails(bool *once)
{
	bool fail = *once;

	*once = false;
	errno = EIO;
	return fail;
}

int
__wrap_fsync(int fd)
{
	return fails(&fail_fsync) ? -1 : __real_fsync(fd);
}

int
__wrap_fdatasync(int fd)
{
	return fails(&fail_fdatasync) ? -1 : __real_fdatasync(fd);
}

static int
setup(void **state)
{
	struct peer *p = malloc(sizeof(*p));

	peer_open(p, false);
	peer_start(p);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	peer_close(*state);
	free(*state);
	return 0;
}

/* CLOSE says no, journal is not asked, and what was published stays. */
static void
close_fails(struct peer *p)
{
	uint64_t h;
	unsigned asked;

	file_make(p, "a", "old");
	h = do_open(p, "/a", WCT, NULL);
	assert_int_equal(do_write(p, h, 0, "new"), SSH_FX_OK);
	asked = p->asked;
	assert_int_equal(do_close(p, h), SSH_FX_FAILURE);
	assert_int_equal(p->asked, asked);
	assert_false(mftd_sftp_busy(p->s));
	file_is(p, "a", "old");
	assert_int_equal(count_parts(p), 0);
}

static void
failed_sync_of_the_entry_fails_the_upload(void **state)
{
	fail_fsync = true;
	close_fails(*state);
}

static void
failed_sync_of_the_data_fails_the_upload(void **state)
{
	fail_fdatasync = true;
	close_fails(*state);
}

/* The pages are clean after a failed sync: a second one would succeed, and mean
 * nothing. */
static void
failed_sync_is_not_repeated(void **state)
{
	const size_t len = 256 * 1024 - 1024;
	struct peer *p = *state;
	char *data = calloc(1, len);
	uint64_t h = do_open(p, "/a", WCT, NULL);
	uint32_t status = SSH_FX_OK;
	size_t i;

	fail_fdatasync = true;
	for (i = 0; i < 100 && status == SSH_FX_OK; i++)
		status = peer_status(p, req_write(p, h, i * len, data, len));
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(i, MFTD_SFTP_SYNC_BYTES / len + 1);
	free(data);
	assert_int_equal(do_write(p, h, 0, "x"), SSH_FX_FAILURE);
	assert_int_equal(do_close(p, h), SSH_FX_FAILURE);
	assert_int_equal(p->asked, 0);
	assert_int_equal(count_parts(p), 0);
}

/* What waits for a CLOSE that failed by itself goes on. */
static void
failed_close_wakes_what_waits(void **state)
{
	struct peer *p = *state;
	struct mftd_buf *all = mftd_buf_new(4096), *b;
	struct answer a;
	uint64_t h = do_open(p, "/a", WCT, NULL);

	fail_fdatasync = true;
	b = req_handle(p, SSH_FXP_CLOSE, h);
	mftd_buf_put_string(all, mftd_buf_data(b), mftd_buf_len(b));
	mftd_buf_free(b);
	b = req_path(p, SSH_FXP_STAT, "/a");
	mftd_buf_put_string(all, mftd_buf_data(b), mftd_buf_len(b));
	mftd_buf_free(b);
	assert_int_equal(peer_feed(p, mftd_buf_data(all), mftd_buf_len(all)),
	    mftd_buf_len(all));
	mftd_buf_free(all);
	assert_true(peer_take(p, &a));
	assert_int_equal(a.status, SSH_FX_FAILURE);
	mftd_buf_free(a.body);
	assert_true(peer_take(p, &a));
	assert_int_equal(a.status, SSH_FX_NO_SUCH_FILE);
	mftd_buf_free(a.body);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(failed_sync_of_the_entry_fails_the_upload),
		T(failed_sync_of_the_data_fails_the_upload),
		T(failed_sync_is_not_repeated),
		T(failed_close_wakes_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
