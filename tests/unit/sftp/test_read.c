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
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/peer.h"

#define WC (SSH_FXF_WRITE | SSH_FXF_CREAT)
#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)

static void
download_and_its_audit_line(void **state)
{
	struct peer *r = *state;
	const struct mftd_msg_audit *m = (const void *)r->last_data;
	char text[32];
	uint64_t h;

	file_make(r, "a", "0123456789");
	h = do_open(r, "/a", SSH_FXF_READ, NULL);
	assert_int_equal(do_read(r, h, 0, 4, text, sizeof(text)), 0);
	assert_string_equal(text, "0123");
	assert_int_equal(do_read(r, h, 8, 100, text, sizeof(text)), 0);
	assert_string_equal(text, "89");
	assert_int_equal(do_read(r, h, 10, 1, text, sizeof(text)), SSH_FX_EOF);
	assert_int_equal(
	    do_read(r, h, UINT64_MAX, 1, text, sizeof(text)), SSH_FX_FAILURE);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(r->last.type, MFTD_MSG_AUDIT);
	assert_string_equal(m->event, "download");
	assert_string_equal(m->text, "bytes=6 path=a");
}

static void
only_regular_files_are_read(void **state)
{
	struct peer *r = *state;
	uint32_t status;

	assert_int_equal(mkfifoat(r->root, "fifo", 0600), 0);
	assert_int_equal(mkdirat(r->root, "d", 0700), 0);
	assert_int_equal(do_open(r, "/fifo", SSH_FXF_READ, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_open(r, "/fifo", WCT, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_open(r, "/d", SSH_FXF_READ, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(do_open(r, "/d", WCT, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(do_open(r, "/no", SSH_FXF_READ, &status), 0);
	assert_int_equal(status, SSH_FX_NO_SUCH_FILE);
	assert_int_equal(do_open(r, "/no/x", WCT, &status), 0);
	assert_int_equal(status, SSH_FX_NO_SUCH_FILE);
}

static void
reader_sees_its_own_upload(void **state)
{
	struct peer *r = *state;
	char text[32];
	uint64_t w, h;

	file_make(r, "a", "old content");
	w = do_open(r, "/a", SSH_FXF_WRITE, NULL);
	assert_int_equal(do_write(r, w, 0, "NEW"), SSH_FX_OK);
	h = do_open(r, "/a", SSH_FXF_READ, NULL);
	assert_int_equal(do_read(r, h, 0, 32, text, sizeof(text)), 0);
	assert_string_equal(text, "NEW content");
	assert_int_equal(do_close(r, w), SSH_FX_OK);
}

static void
reader_keeps_the_old_file(void **state)
{
	struct peer *r = *state;
	char text[32];
	uint64_t w, h;

	file_make(r, "a", "old");
	h = do_open(r, "/a", SSH_FXF_READ, NULL);
	w = do_open(r, "/a", WCT, NULL);
	assert_int_equal(do_write(r, w, 0, "newer"), SSH_FX_OK);
	assert_int_equal(do_close(r, w), SSH_FX_OK);
	assert_int_equal(do_read(r, h, 0, 32, text, sizeof(text)), 0);
	assert_string_equal(text, "old");
}

/* Takes all names; size of the one called name, or -1. */
static int64_t
list(struct peer *r, const char *path, const char *name, int *total)
{
	uint64_t h = do_opendir(r, path), size;
	char text[256], line[512];
	struct answer a;
	uint32_t n, v;
	int64_t found = -1;

	assert_true(h != 0);
	*total = 0;
	for (;;) {
		a = peer_ask(r, req_handle(r, SSH_FXP_READDIR, h));
		if (a.type == SSH_FXP_STATUS)
			break;
		assert_int_equal(a.type, SSH_FXP_NAME);
		assert_int_equal(mftd_buf_get_u32(a.body, &n), 0);
		assert_true(n > 0);
		while (n-- > 0) {
			assert_int_equal(
			    mftd_buf_get_cstring(a.body, text, sizeof(text)),
			    0);
			assert_int_equal(
			    mftd_buf_get_cstring(a.body, line, sizeof(line)),
			    0);
			assert_non_null(strstr(line, text));
			mftd_buf_get_u32(a.body, &v);
			mftd_buf_get_u64(a.body, &size);
			assert_int_equal(
			    mftd_buf_consume(a.body, 8 + 4 + 8), 0);
			if (strcmp(text, name) == 0)
				found = (int64_t)size;
			(*total)++;
		}
		assert_int_equal(mftd_buf_len(a.body), 0);
		mftd_buf_free(a.body);
	}
	assert_int_equal(a.status, SSH_FX_EOF);
	mftd_buf_free(a.body);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	return found;
}

static void
directory_is_listed(void **state)
{
	struct peer *r = *state;
	char name[64];
	int i, n;

	file_make(r, "caf\xe9 \n", "12345"); /* bytes, not text */
	assert_int_equal(list(r, "/", "caf\xe9 \n", &n), 5);
	assert_int_equal(n, 3); /* and "." and ".." */
	for (i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name),
		    "a-rather-long-name-for-a-file-of-this-kind-%d", i);
		file_make(r, name, "");
	}
	assert_int_equal(list(r, "/", "x", &n), -1);
	assert_int_equal(n, 1003);
}

static void
listing_shows_own_uploads(void **state)
{
	struct peer *r = *state;
	int n;

	file_make(r, "old", "old");
	assert_int_equal(
	    do_write(r, do_open(r, "/old", WCT, NULL), 0, "newer"), SSH_FX_OK);
	assert_int_equal(
	    do_write(r, do_open(r, "/new", WCT, NULL), 0, "1"), SSH_FX_OK);
	assert_int_equal(list(r, "/", "old", &n), 5);
	assert_int_equal(list(r, "/", "new", &n), 1);
	assert_int_equal(n, 4);
}

static void
listing_hides_the_volume_area(void **state)
{
	struct peer *r = malloc(sizeof(*r));
	int n;

	peer_open(r, true);
	peer_start(r);
	assert_int_equal(list(r, "/", ".mft", &n), -1);
	assert_int_equal(n, 3); /* ".", ".." and what is not hidden */
	peer_close(r);
	free(r);
}

static void
longname_is_bounded(void **state)
{
	struct stat st = { .st_mode = S_IFREG | 0640,
		.st_nlink = 1,
		.st_size = 7,
		.st_mtime = 0 };
	char line[64];
	size_t n;

	n = mftd_sftp_longname(&st, "alice", "f", line, sizeof(line));
	assert_string_equal(
	    line, "-rw-r-----   1 alice    alice           7 Jan  1  1970 f");
	assert_int_equal(n, strlen(line));
	n = mftd_sftp_longname(&st, "alice", "f", line, 10);
	assert_int_equal(n, 9);
	assert_int_equal(strlen(line), 9);
}

static struct mftd_buf *
req_setmode(struct peer *r, const char *path, uint32_t mode)
{
	struct mftd_buf *b = req_path(r, SSH_FXP_SETSTAT, path);

	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_PERMISSIONS);
	mftd_buf_put_u32(b, mode);
	return b;
}

static struct mftd_buf *
req_pathsize(struct peer *r, const char *path, uint64_t size)
{
	struct mftd_buf *b = req_path(r, SSH_FXP_SETSTAT, path);

	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_SIZE);
	mftd_buf_put_u64(b, size);
	return b;
}

static mode_t
mode_of(struct peer *r, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(r->root, path, &st, 0), 0);
	return st.st_mode & 07777;
}

static void
attributes_of_a_published_file(void **state)
{
	struct peer *r = *state;
	const struct mftd_msg_setstat *m = (const void *)r->last_data;

	file_make(r, "a", "0123");
	assert_int_equal(
	    peer_status(r, req_setmode(r, "/a", 04640)), SSH_FX_OK);
	assert_int_equal(r->last.type, MFTD_MSG_SETSTAT);
	assert_int_equal(m->mode, 0640);
	assert_int_equal(m->mask, MFTD_SET_MODE);
	assert_int_equal(mode_of(r, "a"), 0640);
}

static void
attributes_of_an_upload(void **state)
{
	struct peer *r = *state;
	unsigned asked;
	uint64_t h = do_open(r, "/a", WC, NULL);

	asked = r->asked;
	assert_int_equal(peer_status(r, req_setmode(r, "/a", 0007)), SSH_FX_OK);
	assert_int_equal(r->asked, asked);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(mode_of(r, "a"), 0607);
}

/* Nothing is written, so nothing is published: the file itself gets them. */
static void
attributes_through_an_idle_write_handle(void **state)
{
	struct peer *r = *state;
	struct mftd_buf *b;
	uint64_t h;

	file_make(r, "a", "0123");
	h = do_open(r, "/a", SSH_FXF_WRITE, NULL);
	b = req_handle(r, SSH_FXP_FSETSTAT, h);
	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_PERMISSIONS);
	mftd_buf_put_u32(b, 0600);
	assert_int_equal(peer_status(r, b), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(mode_of(r, "a"), 0600);
	file_is(r, "a", "0123");
}

static void
size_of_a_published_file_is_a_new_upload(void **state)
{
	struct peer *r = *state;
	int old;
	char text[8] = "";

	file_make(r, "a", "0123");
	old = openat(r->root, "a", O_RDONLY);
	assert_int_equal(peer_status(r, req_pathsize(r, "/a", 2)), SSH_FX_OK);
	assert_int_equal(r->last.type, MFTD_MSG_PUBLISH);
	file_is(r, "a", "01");
	/* the bytes that were published did not change */
	assert_int_equal(pread(old, text, sizeof(text), 0), 4);
	close(old);
	assert_int_equal(count_parts(r), 0);
	assert_int_equal(
	    peer_status(r, req_pathsize(r, "/no", 2)), SSH_FX_NO_SUCH_FILE);
}

static void
owner_is_not_changed(void **state)
{
	struct peer *r = *state;
	struct mftd_buf *b;

	file_make(r, "a", "");
	b = req_path(r, SSH_FXP_SETSTAT, "/a");
	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_UIDGID);
	mftd_buf_put_u32(b, 4711);
	mftd_buf_put_u32(b, 4711);
	assert_int_equal(peer_status(r, b), SSH_FX_PERMISSION_DENIED);
}

static void
fsync_makes_durable_and_publishes_nothing(void **state)
{
	struct peer *r = *state;
	const struct mftd_msg_commit *m = (const void *)r->last_data;
	struct mftd_buf *b;
	uint64_t h = do_open(r, "/a", WC, NULL);
	int i;

	assert_int_equal(do_write(r, h, 0, "1234"), SSH_FX_OK);
	for (i = 0; i < 2; i++) {
		b = peer_new(r, SSH_FXP_EXTENDED, NULL);
		mftd_buf_put_cstring(b, "fsync@openssh.com");
		mftd_buf_put_u32(b, 8);
		mftd_buf_put_u64(b, h);
		assert_int_equal(
		    peer_status(r, b), i == 0 ? SSH_FX_OK : SSH_FX_FAILURE);
		mftd_lease_renew(r->lease, 0);
	}
	assert_int_equal(r->told.durable, 4);
	assert_int_equal(r->last.type, MFTD_MSG_COMMIT);
	assert_string_equal(m->part, r->told.part);
	assert_false(file_exists(r, "a"));
}

static void
limits_and_statvfs(void **state)
{
	struct peer *r = *state;
	struct mftd_buf *b = peer_new(r, SSH_FXP_EXTENDED, NULL);
	struct answer a;
	uint64_t v[4];
	int i;

	mftd_buf_put_cstring(b, "limits@openssh.com");
	a = peer_ask(r, b);
	assert_int_equal(a.type, SSH_FXP_EXTENDED_REPLY);
	for (i = 0; i < 4; i++)
		assert_int_equal(mftd_buf_get_u64(a.body, &v[i]), 0);
	assert_int_equal(v[0], MFTD_SFTP_PACKET_BYTES);
	assert_int_equal(v[1], 261120);
	assert_int_equal(v[2], 261120);
	assert_int_equal(v[3], MFTD_SFTP_HANDLES_MAX);
	mftd_buf_free(a.body);

	b = peer_new(r, SSH_FXP_EXTENDED, NULL);
	mftd_buf_put_cstring(b, "statvfs@openssh.com");
	mftd_buf_put_cstring(b, "/");
	a = peer_ask(r, b);
	assert_int_equal(a.type, SSH_FXP_EXTENDED_REPLY);
	assert_int_equal(mftd_buf_len(a.body), 11 * 8);
	mftd_buf_free(a.body);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, peer_setup, peer_teardown)
	const struct CMUnitTest tests[] = {
		T(download_and_its_audit_line),
		T(only_regular_files_are_read),
		T(reader_sees_its_own_upload),
		T(reader_keeps_the_old_file),
		T(directory_is_listed),
		T(listing_shows_own_uploads),
		T(listing_hides_the_volume_area),
		T(longname_is_bounded),
		T(attributes_of_a_published_file),
		T(attributes_of_an_upload),
		T(attributes_through_an_idle_write_handle),
		T(size_of_a_published_file_is_a_new_upload),
		T(owner_is_not_changed),
		T(fsync_makes_durable_and_publishes_nothing),
		T(limits_and_statvfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
