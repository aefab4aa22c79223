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

static int
setup(void **state)
{
	struct peer *r = malloc(sizeof(*r));

	peer_open(r, false);
	*state = r;
	return 0;
}

static int
setup_started(void **state)
{
	setup(state);
	peer_start(*state);
	return 0;
}

static int
teardown(void **state)
{
	peer_close(*state);
	free(*state);
	return 0;
}

static void
version_announces_what_there_is(void **state)
{
	static const uint8_t init[] = { 0, 0, 0, 5, SSH_FXP_INIT, 0, 0, 0, 3 };
	static const char *const names[] = { "posix-rename@openssh.com",
		"statvfs@openssh.com", "fstatvfs@openssh.com",
		"fsync@openssh.com", "limits@openssh.com",
		"hardlink@openssh.com", "lsetstat@openssh.com",
		"expand-path@openssh.com", "home-directory",
		"users-groups-by-id@openssh.com", "copy-data", "check-file" };
	struct peer *r = *state;
	char name[64], version[64];
	struct answer a;
	size_t i;

	assert_int_equal(peer_feed(r, init, sizeof(init)), sizeof(init));
	assert_true(peer_take(r, &a));
	assert_int_equal(a.type, SSH_FXP_VERSION);
	assert_int_equal(a.id, 3);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		mftd_buf_get_cstring(a.body, name, sizeof(name));
		mftd_buf_get_cstring(a.body, version, sizeof(version));
		assert_string_equal(name, names[i]);
	}
	assert_int_equal(mftd_buf_len(a.body), 0);
	mftd_buf_free(a.body);
}

static void
refuses(struct peer *r, const void *bytes, size_t len)
{
	peer_feed(r, bytes, len);
	assert_int_equal(r->in_error, -MFTD_E_PROTOCOL);
	assert_int_equal(mftd_buf_len(mftd_sftp_output(r->s)), 0);
	/* and stays so */
	assert_int_equal(mftd_sftp_continue(r->s), -MFTD_E_PROTOCOL);
}

static void
request_before_init_closes(void **state)
{
	peer_post(*state, req_path(*state, SSH_FXP_STAT, "/"));
	refuses(*state, "", 0);
}

static void
second_init_closes(void **state)
{
	static const uint8_t init[] = { 0, 0, 0, 5, SSH_FXP_INIT, 0, 0, 0, 3 };

	peer_start(*state);
	refuses(*state, init, sizeof(init));
}

static void
old_version_closes(void **state)
{
	static const uint8_t init[] = { 0, 0, 0, 5, SSH_FXP_INIT, 0, 0, 0, 2 };

	refuses(*state, init, sizeof(init));
}

static void
zero_length_closes(void **state)
{
	peer_start(*state);
	refuses(*state, "\0\0\0\0", 4);
}

static void
packet_without_id_closes(void **state)
{
	peer_start(*state);
	refuses(*state, "\0\0\0\4\5abc", 8);
}

static void
oversized_packet_closes(void **state)
{
	const uint32_t n = MFTD_SFTP_PACKET_BYTES + 1;
	uint8_t head[] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
		(uint8_t)(n >> 8), (uint8_t)n };

	peer_start(*state);
	refuses(*state, head, sizeof(head));
}

/* The length field comes byte by byte. */
static void
oversized_packet_closes_at_once(void **state)
{
	static const uint8_t head[] = { 0xff, 0xff, 0xff, 0xff };
	struct peer *r = *state;
	int i;

	peer_start(r);
	for (i = 0; i < 4; i++)
		peer_feed(r, head + i, 1);
	assert_int_equal(r->in_error, -MFTD_E_PROTOCOL);
}

static void
largest_packet_is_taken(void **state)
{
	struct peer *r = *state;
	size_t len = MFTD_SFTP_PACKET_BYTES - (1 + 4 + 4 + 8 + 8 + 4);
	char *data = calloc(1, len);
	uint64_t h = do_open(r, "/a", WC, NULL);

	assert_int_equal(
	    peer_status(r, req_write(r, h, 0, data, len)), SSH_FX_OK);
	assert_int_equal(do_stat(r, SSH_FXP_FSTAT, NULL, h), len);
	free(data);
}

static void
unknown_types_are_unsupported(void **state)
{
	struct peer *r = *state;
	int type;

	for (type = 0; type < 256; type++) {
		if (type == SSH_FXP_INIT ||
		    (type >= SSH_FXP_OPEN && type <= SSH_FXP_SYMLINK) ||
		    type == SSH_FXP_EXTENDED)
			continue;
		assert_int_equal(
		    peer_status(r, peer_new(r, (uint8_t)type, NULL)),
		    SSH_FX_OP_UNSUPPORTED);
	}
	assert_int_equal(
	    peer_status(r, req_path(r, SSH_FXP_EXTENDED, "x@example.com")),
	    SSH_FX_OP_UNSUPPORTED);
}

/* Each request without its last byte, without any, and with one too many. */
static void
wrong_payloads_are_bad_messages(void **state)
{
	struct peer *r = *state;
	static const uint8_t one = 0;
	uint64_t h = do_open(r, "/a", WC | SSH_FXF_READ, NULL);
	uint64_t d = do_opendir(r, "/");
	int kind, how;

	for (kind = 0; kind < 19; kind++)
		for (how = 0; how < 3; how++) {
			struct mftd_buf *b[] = {
				req_open(r, "/b", WC, 0644),
				req_handle(r, SSH_FXP_CLOSE, h),
				req_read(r, h, 0, 1),
				req_write(r, h, 0, "x", 1),
				req_path(r, SSH_FXP_LSTAT, "/a"),
				req_handle(r, SSH_FXP_FSTAT, h),
				req_setsize(r, h, 1),
				req_path(r, SSH_FXP_OPENDIR, "/"),
				req_handle(r, SSH_FXP_READDIR, d),
				req_path(r, SSH_FXP_REMOVE, "/a"),
				req_path(r, SSH_FXP_MKDIR, "/d"),
				req_path(r, SSH_FXP_RMDIR, "/d"),
				req_path(r, SSH_FXP_REALPATH, "/"),
				req_path(r, SSH_FXP_STAT, "/"),
				req_rename(r, "/a", "/b", false),
				req_rename(r, "/a", "/b", true),
				req_path(r, SSH_FXP_READLINK, "/a"),
				req_path(
				    r, SSH_FXP_EXTENDED, "statvfs@openssh.com"),
				req_path(
				    r, SSH_FXP_EXTENDED, "fsync@openssh.com"),
			};
			struct mftd_buf *m = b[kind];
			/* behind a WRITE's data anything may follow */
			uint32_t want = kind == 3 && how == 2
			    ? SSH_FX_OK
			    : SSH_FX_BAD_MESSAGE;
			int i;

			if (how == 0)
				mftd_buf_trim(m, 1);
			else if (how == 1)
				mftd_buf_trim(m, mftd_buf_len(m) - 5);
			else
				mftd_buf_put(m, &one, 1);
			for (i = 0; i < 19; i++)
				if (i != kind)
					mftd_buf_free(b[i]);
			peer_post(r, m);
			peer_journal(r);
			struct answer a;
			assert_true(peer_take(r, &a));
			if (a.status != want)
				fail_msg("kind %d, way %d: status %u", kind,
				    how, a.status);
			mftd_buf_free(a.body);
		}
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_false(file_exists(r, "b"));
	assert_false(file_exists(r, "d"));
}

static void
unknown_flags_are_refused(void **state)
{
	struct peer *r = *state;
	struct mftd_buf *b;
	uint32_t status;

	assert_int_equal(do_open(r, "/a", WC | 0x40, &status), 0);
	assert_int_equal(status, SSH_FX_BAD_MESSAGE);
	b = req_path(r, SSH_FXP_SETSTAT, "/a");
	mftd_buf_put_u32(b, 0x10);
	assert_int_equal(peer_status(r, b), SSH_FX_BAD_MESSAGE);
	/* more pairs promised than the packet holds */
	b = req_path(r, SSH_FXP_SETSTAT, "/a");
	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_EXTENDED);
	mftd_buf_put_u32(b, 0xffffffff);
	assert_int_equal(peer_status(r, b), SSH_FX_BAD_MESSAGE);
}

static void
foreign_handles_are_refused(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/a", WC, NULL);
	struct mftd_buf *b;

	assert_int_equal(do_write(r, h + 1, 0, "x"), SSH_FX_FAILURE);
	assert_int_equal(do_write(r, h + (1ULL << 32), 0, "x"), SSH_FX_FAILURE);
	assert_int_equal(do_write(r, UINT64_MAX, 0, "x"), SSH_FX_FAILURE);
	b = peer_new(r, SSH_FXP_CLOSE, NULL);
	mftd_buf_put_cstring(b, "");
	assert_int_equal(peer_status(r, b), SSH_FX_FAILURE);
	assert_int_equal(do_close(r, h), SSH_FX_OK);
	assert_int_equal(do_close(r, h), SSH_FX_FAILURE);
	/* the slot's next handle is another */
	assert_true(do_open(r, "/b", WC, NULL) != h);
}

static void
handles_of_the_wrong_kind(void **state)
{
	struct peer *r = *state;
	uint64_t w, rd, d;

	file_make(r, "a", "x");
	w = do_open(r, "/a", SSH_FXF_WRITE, NULL);
	rd = do_open(r, "/a", SSH_FXF_READ, NULL);
	d = do_opendir(r, "/");
	assert_int_equal(
	    do_read(r, w, 0, 1, NULL, 0), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_write(r, rd, 0, "y"), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(
	    peer_status(r, req_setsize(r, rd, 0)), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_read(r, d, 0, 1, NULL, 0), SSH_FX_FAILURE);
	assert_int_equal(do_write(r, d, 0, "y"), SSH_FX_FAILURE);
	assert_int_equal(
	    peer_status(r, req_handle(r, SSH_FXP_READDIR, rd)), SSH_FX_FAILURE);
	assert_int_equal(do_close(r, d), SSH_FX_OK);
	assert_int_equal(do_close(r, rd), SSH_FX_OK);
	assert_int_equal(do_close(r, w), SSH_FX_OK);
}

static void
handles_run_out(void **state)
{
	struct peer *r = *state;
	uint64_t h[MFTD_SFTP_HANDLES_MAX];
	uint32_t status;
	size_t i;

	file_make(r, "a", "x");
	for (i = 0; i < MFTD_SFTP_HANDLES_MAX; i++)
		h[i] = do_open(r, "/a", SSH_FXF_READ, NULL);
	assert_int_equal(do_open(r, "/a", SSH_FXF_READ, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(do_open(r, "/b", WC, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(do_opendir(r, "/"), 0);
	assert_int_equal(count_parts(r), 0);
	assert_int_equal(do_close(r, h[7]), SSH_FX_OK);
	assert_true(do_open(r, "/a", SSH_FXF_READ, NULL) != 0);
}

/* The same conversation, cut into two at every byte, and byte by byte. */
static void
converse(struct peer *r, size_t cut)
{
	struct mftd_buf *all = mftd_buf_new(1 << 20), *b[5];
	struct answer a;
	uint64_t h;
	size_t i, n = 0;
	int count = 0;

	h = do_open(r, "/a", WC | SSH_FXF_TRUNC, NULL);
	b[0] = req_write(r, h, 0, "hello ", 6);
	b[1] = req_path(r, SSH_FXP_STAT, "/nothing");
	b[2] = req_write(r, h, 6, "world", 5);
	b[3] = req_handle(r, SSH_FXP_CLOSE, h);
	b[4] = req_path(r, SSH_FXP_STAT, "/a");
	for (i = 0; i < 5; i++) {
		mftd_buf_put_string(
		    all, mftd_buf_data(b[i]), mftd_buf_len(b[i]));
		mftd_buf_free(b[i]);
	}
	while (mftd_buf_len(all) > 0) {
		n = cut == 0 ? 1 : cut;
		if (n > mftd_buf_len(all))
			n = mftd_buf_len(all);
		n = peer_feed(r, mftd_buf_data(all), n);
		assert_int_equal(r->in_error, 0);
		mftd_buf_consume(all, n);
		peer_journal(r);
		if (cut != 0)
			cut = mftd_buf_len(all);
	}
	peer_journal(r);
	while (peer_take(r, &a)) {
		assert_int_equal(
		    a.type, ++count == 5 ? SSH_FXP_ATTRS : SSH_FXP_STATUS);
		mftd_buf_free(a.body);
	}
	assert_int_equal(count, 5);
	file_is(r, "a", "hello world");
	mftd_buf_free(all);
}

static void
split_at_every_byte(void **state)
{
	size_t cut;

	for (cut = 0; cut < 200; cut++)
		converse(*state, cut);
}

static void
answers_wait_for_the_client(void **state)
{
	struct peer *r = *state;
	static char data[1 << 20];
	struct mftd_buf *all = mftd_buf_new(1 << 20), *b;
	struct answer a;
	uint64_t h;
	int i, n = 0;

	memset(data, 'x', sizeof(data) - 1);
	file_make(r, "a", data);
	h = do_open(r, "/a", SSH_FXF_READ, NULL);
	for (i = 0; i < 100; i++) {
		b = req_read(r, h, 0, 1 << 20);
		mftd_buf_put_string(all, mftd_buf_data(b), mftd_buf_len(b));
		mftd_buf_free(b);
	}
	while (n < 100) {
		mftd_buf_consume(
		    all, peer_feed(r, mftd_buf_data(all), mftd_buf_len(all)));
		assert_true(mftd_buf_len(mftd_sftp_output(r->s)) <
		    MFTD_SFTP_OUTPUT_BYTES + MFTD_SFTP_PACKET_BYTES);
		assert_true(peer_take(r, &a));
		assert_int_equal(a.type, SSH_FXP_DATA);
		assert_int_equal(
		    mftd_buf_len(a.body), 4 + MFTD_SFTP_READ_BYTES);
		mftd_buf_free(a.body);
		n++;
	}
	assert_int_equal(mftd_buf_len(all), 0);
	assert_int_equal(r->bytes_out, 100 * MFTD_SFTP_READ_BYTES);
	mftd_buf_free(all);
}

/* No more than the bound wait for journal; the rest comes in its turn. */
static void
pending_requests_are_bounded(void **state)
{
	const uint32_t total = MFTD_SFTP_PENDING_MAX + 10;
	struct peer *r = *state;
	char name[32];
	struct answer a;
	uint32_t i, n = 0;

	for (i = 0; i < total; i++) {
		snprintf(name, sizeof(name), "/d%u", i);
		peer_post(r, req_path(r, SSH_FXP_MKDIR, name));
	}
	assert_true(mftd_buf_len(r->left) > 0);
	while (n < total) {
		peer_journal(r);
		assert_true(peer_take(r, &a));
		assert_int_equal(a.status, SSH_FX_OK);
		mftd_buf_free(a.body);
		n++;
	}
	assert_false(mftd_sftp_busy(r->s));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define S(f) cmocka_unit_test_setup_teardown(f, setup_started, teardown)
	const struct CMUnitTest tests[] = {
		T(version_announces_what_there_is),
		T(request_before_init_closes),
		T(second_init_closes),
		T(old_version_closes),
		T(zero_length_closes),
		T(packet_without_id_closes),
		T(oversized_packet_closes),
		T(oversized_packet_closes_at_once),
		S(largest_packet_is_taken),
		S(unknown_types_are_unsupported),
		S(wrong_payloads_are_bad_messages),
		S(unknown_flags_are_refused),
		S(foreign_handles_are_refused),
		S(handles_of_the_wrong_kind),
		S(handles_run_out),
		S(split_at_every_byte),
		S(answers_wait_for_the_client),
		S(pending_requests_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
