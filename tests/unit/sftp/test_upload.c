/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <openssl/evp.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/peer.h"

#define W SSH_FXF_WRITE
#define WC (SSH_FXF_WRITE | SSH_FXF_CREAT)
#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)

static void
upload_is_published_at_close(void **state)
{
	struct peer *r = *state;
	const struct mftd_msg_publish *m = (const void *)r->last_data;
	uint8_t sum[32];
	uint64_t h = do_open(r, "/a", WCT, NULL);

	assert_true(h != 0);
	assert_int_equal(do_write(r, h, 0, "hello "), SSH_FX_OK);
	assert_int_equal(do_write(r, h, 6, "world"), SSH_FX_OK);
	assert_false(file_exists(r, "a"));
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "hello world");
	assert_int_equal(r->last.type, MFTD_MSG_PUBLISH);
	assert_string_equal(m->path, "a");
	assert_string_equal(m->part, "n1-1-1.1");
	assert_int_equal(m->has_sha256, 1);
	EVP_Digest("hello world", 11, sum, NULL, EVP_sha256(), NULL);
	assert_memory_equal(m->sha256, sum, 32);
	assert_int_equal(count_parts(r), 0);
	assert_int_equal(r->bytes_in, 11);
	assert_int_equal(r->published, 1);
}

static void
empty_file_is_published(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WC, NULL);

	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "");
}

static void
published_file_stays_until_close(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	file_make(r, "a", "old");
	h = do_open(r, "/a", WCT, NULL);
	assert_int_equal(do_write(r, h, 0, "newer"), SSH_FX_OK);
	file_is(r, "a", "old");
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/a", 0), 5);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "newer");
}

static void
open_without_trunc_keeps_what_is_not_written(void **state)
{
	struct peer *r = *state;
	char text[64];
	uint64_t h;

	file_make(r, "a", "0123456789");
	h = do_open(r, "/a", W | SSH_FXF_READ, NULL);
	assert_int_equal(do_stat(r, SSH_FXP_FSTAT, NULL, h), 10);
	assert_int_equal(do_write(r, h, 3, "abc"), SSH_FX_OK);
	assert_int_equal(do_read(r, h, 0, 64, text, sizeof(text)), 0);
	assert_string_equal(text, "012abc6789");
	file_is(r, "a", "0123456789");
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "012abc6789");
}

static void
sequential_write_over_a_base_keeps_its_tail(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	file_make(r, "a", "0123456789");
	h = do_open(r, "/a", W, NULL);
	assert_int_equal(do_write(r, h, 0, "abc"), SSH_FX_OK);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/a", 0), 10);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "abc3456789");
	assert_int_equal(
	    ((const struct mftd_msg_publish *)r->last.data)->has_sha256, 0);
}

/* OpenSSH's scp: no TRUNC, and the size set at the end. */
static void
scp_replaces_a_longer_file(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	file_make(r, "a", "0123456789");
	h = do_open(r, "/a", WC, NULL);
	assert_int_equal(do_write(r, h, 0, "abc"), SSH_FX_OK);
	assert_int_equal(peer_status(r, req_setsize(r, h, 3)), SSH_FX_OK);
	assert_int_equal(do_stat(r, SSH_FXP_STAT, "/a", 0), 3);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "abc");
	assert_int_equal(
	    ((const struct mftd_msg_publish *)r->last.data)->has_sha256, 1);
}

static void
size_set_beyond_a_base_shows_zeros(void **state)
{
	struct peer *r = *state;
	char text[64];
	struct answer a;
	uint64_t h;

	file_make(r, "a", "01");
	h = do_open(r, "/a", W | SSH_FXF_READ, NULL);
	assert_int_equal(peer_status(r, req_setsize(r, h, 4)), SSH_FX_OK);
	a = peer_ask(r, req_read(r, h, 0, sizeof(text)));
	assert_int_equal(a.type, SSH_FXP_DATA);
	assert_int_equal(mftd_buf_len(a.body), 4 + 4);
	assert_memory_equal(mftd_buf_data(a.body) + 4, "01\0\0", 4);
	mftd_buf_free(a.body);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
}

static void
untouched_file_is_not_published_again(void **state)
{
	struct peer *r = *state;
	unsigned asked;
	uint64_t h;

	file_make(r, "a", "old");
	h = do_open(r, "/a", WC, NULL);
	asked = r->asked;
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(r->asked, asked);
	file_is(r, "a", "old");
	assert_int_equal(count_parts(r), 0);
}

static void
excl_refuses_what_is_seen(void **state)
{
	struct peer *r = *state;
	uint32_t status;
	uint64_t h;

	file_make(r, "a", "old");
	assert_int_equal(do_open(r, "/a", WC | SSH_FXF_EXCL, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	h = do_open(r, "/b", WC | SSH_FXF_EXCL, NULL);
	assert_true(h != 0);
	/* its own upload is seen too */
	assert_int_equal(do_open(r, "/b", WC | SSH_FXF_EXCL, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	/* and whoever was faster keeps the name */
	file_make(r, "b", "theirs");
	assert_int_equal(do_close(r, h), SSH_FX_FAILURE);
	file_is(r, "b", "theirs");
	assert_int_equal(count_parts(r), 0);
}

static void
append_goes_to_the_end(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	file_make(r, "a", "old");
	h = do_open(r, "/a", WC | SSH_FXF_APPEND, NULL);
	assert_int_equal(do_write(r, h, 0, "+1"), SSH_FX_OK);
	assert_int_equal(do_write(r, h, 0, "+2"), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "old+1+2");
}

static void
out_of_order_writes_have_no_hash(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WCT, NULL);

	assert_int_equal(do_write(r, h, 3, "def"), SSH_FX_OK);
	assert_int_equal(do_write(r, h, 0, "abc"), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "abcdef");
	assert_int_equal(
	    ((const struct mftd_msg_publish *)r->last.data)->has_sha256, 0);
}

static void
writing_nothing_does_not_grow_the_file(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WCT, NULL);

	assert_int_equal(do_write(r, h, 100, ""), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "");
}

static void
rewritten_bytes_have_no_hash(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WCT, NULL);

	assert_int_equal(do_write(r, h, 0, "abc"), SSH_FX_OK);
	assert_int_equal(do_write(r, h, 1, "x"), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "axc");
	assert_int_equal(
	    ((const struct mftd_msg_publish *)r->last.data)->has_sha256, 0);
}

static void
older_parts_are_set_aside_before_open_is_answered(void **state)
{
	struct peer *r = *state;
	struct mftd_sftp *other;
	struct peer theirs = *r;
	uint64_t mine, h;
	struct answer a;

	/* another session's upload of the same name */
	theirs.env.session = "n2-1-1";
	other = mftd_sftp_new(&theirs.env);
	theirs.s = other;
	peer_start(&theirs);
	h = do_open(&theirs, "/a", WCT, NULL);
	assert_int_equal(do_write(&theirs, h, 0, "theirs"), SSH_FX_OK);

	r->hold = true;
	peer_post(r, req_open(r, "/a", WCT, -1));
	peer_journal(r);
	assert_int_equal(r->last.type, MFTD_MSG_SUPERSEDE);
	assert_false(peer_take(r, &a));
	peer_answer_held(r, 0, 0);
	assert_true(peer_take(r, &a));
	assert_int_equal(a.type, SSH_FXP_HANDLE);
	mftd_buf_free(a.body);

	/* once more, and this time journal does it */
	r->hold = false;
	mine = do_open(r, "/b", WCT, NULL);
	assert_true(mine != 0);
	theirs.next_id = 1000;
	mftd_sftp_free(other);
}

static void
superseded_upload_fails_at_close(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WCT, NULL);
	struct answer a;

	assert_int_equal(do_write(r, h, 0, "x"), SSH_FX_OK);
	r->err = -MFTD_E_SUPERSEDED;
	a = peer_ask(r, req_handle(r, SSH_FXP_CLOSE, h));
	assert_int_equal(a.status, SSH_FX_FAILURE);
	assert_non_null(strstr(a.text, "Superseded"));
	mftd_buf_free(a.body);
	assert_false(file_exists(r, "a"));
}

static void
refused_supersede_fails_the_open(void **state)
{
	struct peer *r = *state, theirs = *r;
	uint32_t status;

	theirs.env.session = "n2-1-1";
	theirs.s = mftd_sftp_new(&theirs.env);
	peer_start(&theirs);
	assert_true(do_open(&theirs, "/a", WCT, NULL) != 0);
	r->err = -MFTD_E_NO_LEASE;
	assert_int_equal(do_open(r, "/a", WCT, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(count_parts(r), 1);
	mftd_sftp_free(theirs.s);
}

static void
failed_write_fails_the_upload(void **state)
{
	struct peer *r = *state;
	struct rlimit old, low;
	uint64_t h;

	file_make(r, "a", "old");
	h = do_open(r, "/a", WCT, NULL);
	getrlimit(RLIMIT_FSIZE, &old);
	low = old;
	low.rlim_cur = 4;
	signal(SIGXFSZ, SIG_IGN);
	setrlimit(RLIMIT_FSIZE, &low);
	assert_int_equal(do_write(r, h, 0, "too long"), SSH_FX_FAILURE);
	setrlimit(RLIMIT_FSIZE, &old);
	/* what comes after it does not mend it */
	assert_int_equal(do_write(r, h, 0, "x"), SSH_FX_FAILURE);
	assert_int_equal(do_close(r, h), SSH_FX_FAILURE);
	file_is(r, "a", "old");
	assert_int_equal(count_parts(r), 0);
	/* the name is not spoilt */
	h = do_open(r, "/a", WCT, NULL);
	assert_int_equal(do_write(r, h, 0, "new"), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "new");
}

static void
every_8_mib_are_durable_and_told(void **state)
{
	struct peer *r = *state;
	const struct mftd_msg_part *m = (const void *)r->last_data;
	size_t len = 256 * 1024 - 1024, i, n = MFTD_SFTP_SYNC_BYTES / len + 1;
	char *data = calloc(1, len);
	uint64_t h = do_open(r, "/a", WCT, NULL);

	for (i = 0; i < n; i++)
		assert_int_equal(
		    peer_status(r, req_write(r, h, i * len, data, len)),
		    SSH_FX_OK);
	assert_int_equal(r->last.type, MFTD_MSG_PART);
	assert_string_equal(m->part, "n1-1-1.1");
	assert_int_equal(m->durable, n * len);
	free(data);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
}

static void
other_requests_go_on_while_a_close_waits(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WCT, NULL);
	struct answer a;

	r->hold = true;
	peer_post(r, req_handle(r, SSH_FXP_CLOSE, h));
	peer_journal(r);
	assert_false(peer_take(r, &a));
	assert_true(mftd_sftp_busy(r->s));
	assert_int_equal(
	    do_stat(r, SSH_FXP_STAT, "/b", 0), -SSH_FX_NO_SUCH_FILE);
	/* but what names the file waits */
	peer_post(r, req_path(r, SSH_FXP_STAT, "/a"));
	assert_false(peer_take(r, &a));
	file_make(r, "a", "four");
	peer_answer_held(r, 0, 0);
	assert_true(peer_take(r, &a));
	assert_int_equal(a.type, SSH_FXP_STATUS);
	assert_int_equal(a.status, SSH_FX_OK);
	mftd_buf_free(a.body);
	assert_true(peer_take(r, &a));
	assert_int_equal(a.type, SSH_FXP_ATTRS);
	mftd_buf_free(a.body);
	assert_false(mftd_sftp_busy(r->s));
}

static void
lost_lease_cuts_instead_of_answering(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WCT, NULL);
	struct answer a;

	peer_post(r, req_handle(r, SSH_FXP_CLOSE, h));
	mftd_lease_renew(r->lease, 0);
	peer_journal(r);
	assert_false(peer_take(r, &a));
	assert_int_equal(mftd_sftp_continue(r->s), -MFTD_E_PROTOCOL);
}

static void
lost_journal_cuts_instead_of_answering(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WCT, NULL);
	struct answer a;

	mftd_chan_free(r->journal);
	r->journal = NULL;
	peer_post(r, req_handle(r, SSH_FXP_CLOSE, h));
	assert_int_equal(r->in_error, -MFTD_E_PROTOCOL);
	assert_false(peer_take(r, &a));
}

static void
two_handles_share_an_upload(void **state)
{
	struct peer *r = *state;
	uint64_t h1 = do_open(r, "/a", WC, NULL);
	uint64_t h2 = do_open(r, "/a", WC, NULL);

	assert_int_equal(do_write(r, h1, 0, "ab"), SSH_FX_OK);
	assert_int_equal(do_write(r, h2, 2, "cd"), SSH_FX_OK);
	assert_int_equal(do_close(r, h1), SSH_FX_OK);
	file_is(r, "a", "abcd");
	/* the other one's next write is based on what was published */
	assert_int_equal(do_write(r, h2, 1, "X"), SSH_FX_OK);
	file_is(r, "a", "abcd");
	assert_int_equal(do_close(r, h2), SSH_FX_OK);
	file_is(r, "a", "aXcd");
	assert_int_equal(count_parts(r), 0);
}

static void
renamed_directory_takes_its_uploads_along(void **state)
{
	struct peer *r = *state;
	uint64_t h;

	assert_int_equal(
	    peer_status(r, req_path(r, SSH_FXP_MKDIR, "/d")), SSH_FX_OK);
	h = do_open(r, "/d/a", WC, NULL);
	assert_int_equal(
	    peer_status(r, req_rename(r, "/d", "/e", false)), SSH_FX_OK);
	assert_int_equal(do_write(r, h, 0, "x"), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "e/a", "x");
}

static void
removed_upload_fails_at_close(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WC, NULL);

	assert_int_equal(
	    peer_status(r, req_path(r, SSH_FXP_REMOVE, "/a")), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_FAILURE);
	assert_false(file_exists(r, "a"));
	assert_int_equal(count_parts(r), 0);
}

static void
mode_of_new_and_replaced_files(void **state)
{
	struct peer *r = *state;
	struct stat st;
	struct answer a;
	uint64_t h;
	uint32_t len;

	a = peer_ask(r, req_open(r, "/a", WC, 0577));
	assert_int_equal(a.type, SSH_FXP_HANDLE);
	mftd_buf_get_u32(a.body, &len);
	mftd_buf_get_u64(a.body, &h);
	mftd_buf_free(a.body);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(fstatat(r->root, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0755);

	assert_int_equal(fchmodat(r->root, "a", 0640, 0), 0);
	h = do_open(r, "/a", WCT, NULL);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(fstatat(r->root, "a", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

/* As open(2) with O_RDONLY and O_CREAT. */
static void
created_for_reading(void **state)
{
	struct peer *r = *state;
	uint32_t status;
	char text[16];
	uint64_t h;

	assert_int_equal(do_open(r, "/a", 0, &status), 0);
	assert_int_equal(status, SSH_FX_NO_SUCH_FILE);
	h = do_open(r, "/a", SSH_FXF_READ | SSH_FXF_CREAT, NULL);
	assert_true(h != 0);
	assert_int_equal(do_read(r, h, 0, 5, text, sizeof(text)), SSH_FX_EOF);
	assert_int_equal(do_write(r, h, 0, "x"), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "");
	/* what is there is only read */
	file_make(r, "a", "text");
	h = do_open(r, "/a", SSH_FXF_READ | SSH_FXF_CREAT, NULL);
	assert_int_equal(do_read(r, h, 0, 5, text, sizeof(text)), 0);
	assert_string_equal(text, "text");
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(
	    do_open(
		r, "/a", SSH_FXF_READ | SSH_FXF_CREAT | SSH_FXF_EXCL, &status),
	    0);
	assert_int_equal(status, SSH_FX_FAILURE);
	h = do_open(r, "/a", 0, NULL);
	assert_int_equal(do_read(r, h, 0, 5, text, sizeof(text)), 0);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	file_is(r, "a", "text");
	assert_int_equal(count_parts(r), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		T(created_for_reading),
		T(upload_is_published_at_close),
		T(empty_file_is_published),
		T(published_file_stays_until_close),
		T(open_without_trunc_keeps_what_is_not_written),
		T(sequential_write_over_a_base_keeps_its_tail),
		T(scp_replaces_a_longer_file),
		T(size_set_beyond_a_base_shows_zeros),
		T(untouched_file_is_not_published_again),
		T(excl_refuses_what_is_seen),
		T(append_goes_to_the_end),
		T(out_of_order_writes_have_no_hash),
		T(rewritten_bytes_have_no_hash),
		T(writing_nothing_does_not_grow_the_file),
		T(older_parts_are_set_aside_before_open_is_answered),
		T(superseded_upload_fails_at_close),
		T(refused_supersede_fails_the_open),
		T(failed_write_fails_the_upload),
		T(every_8_mib_are_durable_and_told),
		T(other_requests_go_on_while_a_close_waits),
		T(lost_lease_cuts_instead_of_answering),
		T(lost_journal_cuts_instead_of_answering),
		T(two_handles_share_an_upload),
		T(renamed_directory_takes_its_uploads_along),
		T(removed_upload_fails_at_close),
		T(mode_of_new_and_replaced_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
