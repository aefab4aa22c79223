/* Part of mftd; see LICENSE. */
#include <dirent.h>
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
#include <openssl/evp.h>

#include "mftd/base/err.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/peer.h"

#define WC (SSH_FXF_WRITE | SSH_FXF_CREAT)
#define MIB (1024u * 1024)

struct rig {
	struct peer peer; /* first: tests take it for the whole */
	struct mftd_policy policy;
};

static struct mftd_policy *
policy_of(struct peer *r)
{
	return &((struct rig *)r)->policy;
}

static int
setup(void **state)
{
	struct peer *r = calloc(1, sizeof(struct rig));

	policy_of(r)->umask = 022;
	peer_open_policy(r, policy_of(r));
	peer_start(r);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	peer_close(*state);
	free(*state);
	return 0;
}

static struct mftd_buf *
req_ext(struct peer *r, const char *name)
{
	return req_path(r, SSH_FXP_EXTENDED, name);
}

static uint32_t
two_paths(struct peer *r, const char *name, const char *a, const char *b)
{
	struct mftd_buf *m = req_ext(r, name);

	mftd_buf_put_cstring(m, a);
	mftd_buf_put_cstring(m, b);
	return peer_status(r, m);
}

/* Makes the published file of len bytes of a pattern. */
static void
pattern_make(struct peer *r, const char *path, size_t len)
{
	uint8_t *bytes = malloc(len);
	int fd = openat(r->root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 131 + i / 4096);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
	free(bytes);
}

/* ---- who and where */

/* The name that an extension with one string answers, or the status. */
static uint32_t
named(struct peer *r, const char *ext, const char *arg, const char *want)
{
	struct mftd_buf *m = req_ext(r, ext);
	struct answer a;
	char name[256];
	uint32_t count;

	mftd_buf_put_cstring(m, arg);
	a = peer_ask(r, m);
	if (a.type == SSH_FXP_NAME) {
		assert_int_equal(mftd_buf_get_u32(a.body, &count), 0);
		assert_int_equal(count, 1);
		mftd_buf_get_cstring(a.body, name, sizeof(name));
		assert_string_equal(name, want);
	} else {
		assert_int_equal(a.type, SSH_FXP_STATUS);
	}
	mftd_buf_free(a.body);
	return a.status;
}

static void
home_is_the_root(void **state)
{
	struct peer *r = *state;

	assert_int_equal(named(r, "home-directory", "", "/"), 0);
	assert_int_equal(named(r, "home-directory", r->env.account, "/"), 0);
	assert_int_equal(
	    named(r, "home-directory", "root", ""), SSH_FX_NO_SUCH_FILE);
}

static void
tilde_expands(void **state)
{
	struct peer *r = *state;
	const char *const ext = "expand-path@openssh.com";

	assert_int_equal(named(r, ext, "~", "/"), 0);
	assert_int_equal(named(r, ext, "~/a/../b", "/b"), 0);
	assert_int_equal(named(r, ext, "a/./b", "/a/b"), 0);
	assert_int_equal(named(r, ext, "", "/"), 0);
	assert_int_equal(named(r, ext, "~root/x", ""), SSH_FX_NO_SUCH_FILE);
}

static void
ids_have_names(void **state)
{
	struct peer *r = *state;
	struct mftd_buf *m = req_ext(r, "users-groups-by-id@openssh.com");
	const uint8_t *list;
	struct answer a;
	size_t len;

	mftd_buf_put_u32(m, 8);
	mftd_buf_put_u32(m, geteuid());
	mftd_buf_put_u32(m, 4242);
	mftd_buf_put_u32(m, 4);
	mftd_buf_put_u32(m, getegid());
	a = peer_ask(r, m);
	assert_int_equal(a.type, SSH_FXP_EXTENDED_REPLY);
	assert_int_equal(mftd_buf_get_string(a.body, &list, &len), 0);
	assert_int_equal(len, 4 + strlen(r->env.account) + 4);
	assert_memory_equal(list + 4, r->env.account, strlen(r->env.account));
	assert_int_equal(mftd_buf_get_string(a.body, &list, &len), 0);
	assert_int_equal(len, 4 + strlen(r->env.account));
	assert_int_equal(mftd_buf_len(a.body), 0);
	mftd_buf_free(a.body);
	m = req_ext(r, "users-groups-by-id@openssh.com");
	mftd_buf_put_cstring(m, "abc");
	mftd_buf_put_cstring(m, "");
	assert_int_equal(peer_status(r, m), SSH_FX_BAD_MESSAGE);
}

/* ---- links */

static void
ids_are_bounded(void **state)
{
	struct peer *r = *state;
	struct mftd_buf *m;
	struct answer a;
	uint32_t n, i;

	for (n = MFTD_SFTP_IDS_MAX; n <= MFTD_SFTP_IDS_MAX + 1; n++) {
		m = req_ext(r, "users-groups-by-id@openssh.com");
		mftd_buf_put_u32(m, 4 * n);
		for (i = 0; i < n; i++)
			mftd_buf_put_u32(m, i);
		mftd_buf_put_u32(m, 0);
		a = peer_ask(r, m);
		assert_int_equal(a.type,
		    n > MFTD_SFTP_IDS_MAX ? SSH_FXP_STATUS
					  : SSH_FXP_EXTENDED_REPLY);
		mftd_buf_free(a.body);
	}
}

static void
hardlinks_of_what_is_published(void **state)
{
	struct peer *r = *state;
	const char *const ext = "hardlink@openssh.com";

	file_make(r, "a", "A");
	assert_int_equal(two_paths(r, ext, "/a", "/b"), SSH_FX_OK);
	file_is(r, "b", "A");
	assert_int_equal(two_paths(r, ext, "/a", "/b"), SSH_FX_FAILURE);
	assert_int_not_equal(do_open(r, "/up", WC, NULL), 0);
	assert_int_equal(two_paths(r, ext, "/up", "/c"), SSH_FX_FAILURE);
	assert_int_equal(two_paths(r, ext, "/a", "/up"), SSH_FX_FAILURE);
	assert_false(file_exists(r, "c"));
}

static uint32_t
do_symlink(struct peer *r, const char *text, const char *path)
{
	struct mftd_buf *m = req_path(r, SSH_FXP_SYMLINK, text);

	mftd_buf_put_cstring(m, path);
	return peer_status(r, m);
}

/* Where journal is to let it lead: never above the root. */
static void
symlink_targets_stay_below(void **state)
{
	static const struct {
		const char *text, *target;
	} rows[] = { { "x", "d/x" }, { "/x/y", "x/y" }, { "..", "." },
		{ "../..", "." }, { "../../../etc/passwd", "etc/passwd" },
		{ "/../etc", "etc" }, { "a/../../x", "x" }, { ".", "d" } };
	struct peer *r = *state;
	const struct mftd_msg_symlink *m = (const void *)r->last_data;
	size_t i;

	assert_int_equal(do_symlink(r, "x", "/l"), SSH_FX_PERMISSION_DENIED);
	policy_of(r)->symlinks = 1;
	mkdirat(r->root, "d", 0755);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    do_symlink(r, rows[i].text, "/d/l"), SSH_FX_OK);
		assert_int_equal(r->last.type, MFTD_MSG_SYMLINK);
		assert_string_equal(m->target, rows[i].target);
		assert_string_equal(m->path, "d/l");
		assert_int_equal(unlinkat(r->root, "d/l", 0), 0);
	}
	assert_int_equal(do_symlink(r, "", "/l"), SSH_FX_NO_SUCH_FILE);
}

static void
lsetstat_sets_no_links(void **state)
{
	struct peer *r = *state;
	struct mftd_buf *m;
	int i;

	file_make(r, "a", "A");
	assert_int_equal(symlinkat("a", r->root, "l"), 0);
	for (i = 0; i < 3; i++) {
		m = req_ext(r, "lsetstat@openssh.com");
		mftd_buf_put_cstring(m, i == 1 ? "/l" : "/a");
		if (i == 2) {
			mftd_buf_put_u32(m, SSH_FILEXFER_ATTR_SIZE);
			mftd_buf_put_u64(m, 0);
		} else {
			mftd_buf_put_u32(m, SSH_FILEXFER_ATTR_PERMISSIONS);
			mftd_buf_put_u32(m, 0640);
		}
		assert_int_equal(peer_status(r, m),
		    i == 0	 ? SSH_FX_OK
			: i == 1 ? SSH_FX_OP_UNSUPPORTED
				 : SSH_FX_BAD_MESSAGE);
	}
}

/* ---- check-file */

static struct mftd_buf *
req_check(struct peer *r, const char *path, const char *algorithms,
    uint64_t off, uint64_t len, uint32_t block)
{
	struct mftd_buf *m = req_ext(r, "check-file-name");

	mftd_buf_put_cstring(m, path);
	mftd_buf_put_cstring(m, algorithms);
	mftd_buf_put_u64(m, off);
	mftd_buf_put_u64(m, len);
	mftd_buf_put_u32(m, block);
	return m;
}

/* The answer's hashes are those of the file's bytes. */
static void
hashes_are(struct peer *r, struct mftd_buf *m, const char *file, uint64_t off,
    uint64_t len, uint32_t block)
{
	struct answer a = peer_ask(r, m);
	uint8_t *bytes = malloc(len + 1), md[EVP_MAX_MD_SIZE], got[32];
	int fd = openat(r->root, file, O_RDONLY);
	char text[64];
	uint64_t at = 0, n;

	assert_int_equal(a.type, SSH_FXP_EXTENDED_REPLY);
	mftd_buf_get_cstring(a.body, text, sizeof(text));
	assert_string_equal(text, "check-file");
	mftd_buf_get_cstring(a.body, text, sizeof(text));
	assert_string_equal(text, "sha256");
	assert_int_equal(pread(fd, bytes, len, (off_t)off), len);
	do {
		n = block != 0 && block < len - at ? block : len - at;
		EVP_Digest(bytes + at, n, md, NULL, EVP_sha256(), NULL);
		assert_int_equal(mftd_buf_get(a.body, got, 32), 0);
		assert_memory_equal(got, md, 32);
		at += n;
	} while (at < len);
	assert_int_equal(mftd_buf_len(a.body), 0);
	mftd_buf_free(a.body);
	close(fd);
	free(bytes);
}

static void
check_file_hashes(void **state)
{
	struct peer *r = *state;
	const char *const list = "md5,sha256,sha512";
	struct mftd_buf *m;
	uint64_t h;

	pattern_make(r, "f", 3 * MIB + 17);
	pattern_make(r, "empty", 0);
	hashes_are(
	    r, req_check(r, "/f", list, 0, 0, 0), "f", 0, 3 * MIB + 17, 0);
	hashes_are(r, req_check(r, "/f", list, 5, MIB, 0), "f", 5, MIB, 0);
	hashes_are(r, req_check(r, "/f", list, 5, 600, 256), "f", 5, 600, 256);
	hashes_are(r, req_check(r, "/f", list, 0, 512, 256), "f", 0, 512, 256);
	hashes_are(r, req_check(r, "/f", list, MIB, 0, MIB), "f", MIB,
	    2 * MIB + 17, MIB);
	hashes_are(r, req_check(r, "/f", list, 0, 1ULL << 60, 0), "f", 0,
	    3 * MIB + 17, 0);
	hashes_are(r, req_check(r, "/empty", list, 0, 0, 0), "empty", 0, 0, 0);
	h = do_open(r, "/f", SSH_FXF_READ, NULL);
	m = req_ext(r, "check-file-handle");
	mftd_buf_put_u32(m, 8);
	mftd_buf_put_u64(m, h);
	mftd_buf_put_cstring(m, "sha256");
	mftd_buf_put_u64(m, 0);
	mftd_buf_put_u64(m, 1000);
	mftd_buf_put_u32(m, 0);
	hashes_are(r, m, "f", 0, 1000, 0);
}

static void
check_file_refuses(void **state)
{
	struct peer *r = *state;

	pattern_make(r, "f", MIB);
	assert_int_equal(peer_status(r, req_check(r, "/f", "md5", 0, 0, 0)),
	    SSH_FX_OP_UNSUPPORTED);
	assert_int_equal(
	    peer_status(r, req_check(r, "/f", "sha256", 0, 0, 255)),
	    SSH_FX_FAILURE);
	assert_int_equal(
	    peer_status(r, req_check(r, "/f", "sha256", MIB + 1, 0, 0)),
	    SSH_FX_FAILURE);
	/* 4096 hashes of 32 bytes are more than one answer takes */
	assert_int_equal(
	    peer_status(r, req_check(r, "/f", "sha256", 0, 0, 256)),
	    SSH_FX_FAILURE);
	assert_int_equal(peer_status(r, req_check(r, "/g", "sha256", 0, 0, 0)),
	    SSH_FX_NO_SUCH_FILE);
	assert_int_equal(peer_status(r, req_check(r, "/", "sha256", 0, 0, 0)),
	    SSH_FX_FAILURE);
}

/* ---- copy-data */

static struct mftd_buf *
req_copy(struct peer *r, uint64_t from, uint64_t off, uint64_t len, uint64_t to,
    uint64_t to_off)
{
	struct mftd_buf *m = req_ext(r, "copy-data");

	mftd_buf_put_u32(m, 8);
	mftd_buf_put_u64(m, from);
	mftd_buf_put_u64(m, off);
	mftd_buf_put_u64(m, len);
	mftd_buf_put_u32(m, 8);
	mftd_buf_put_u64(m, to);
	mftd_buf_put_u64(m, to_off);
	return m;
}

static void
same(struct peer *r, const char *a, const char *b)
{
	static uint8_t x[4 * MIB], y[4 * MIB];
	int fa = openat(r->root, a, O_RDONLY);
	int fb = openat(r->root, b, O_RDONLY);
	ssize_t n = read(fa, x, sizeof(x));

	assert_true(n > 0);
	assert_int_equal(read(fb, y, sizeof(y)), n);
	assert_memory_equal(x, y, (size_t)n);
	close(fa);
	close(fb);
}

static void
copy_data_copies(void **state)
{
	struct peer *r = *state;
	uint64_t from, to;

	pattern_make(r, "f", 3 * MIB + 17);
	from = do_open(r, "/f", SSH_FXF_READ, NULL);
	to = do_open(r, "/g", WC, NULL);
	assert_int_equal(
	    peer_status(r, req_copy(r, from, 0, 0, to, 0)), SSH_FX_OK);
	assert_int_equal(do_close(r, to), SSH_FX_OK);
	same(r, "f", "g");
	to = do_open(r, "/h", WC, NULL);
	assert_int_equal(
	    peer_status(r, req_copy(r, from, 1, 2, to, 1)), SSH_FX_OK);
	/* fewer bytes than asked for */
	assert_int_equal(
	    peer_status(r, req_copy(r, from, 3 * MIB, 18, to, 0)), SSH_FX_OK);
	assert_int_equal(peer_status(r, req_copy(r, to, 0, 0, from, 0)),
	    SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_close(r, to), SSH_FX_OK);
}

static void
copy_data_refuses_itself(void **state)
{
	struct peer *r = *state;
	uint64_t h = do_open(r, "/f", WC | SSH_FXF_READ, NULL);

	assert_int_equal(do_write(r, h, 0, "text"), SSH_FX_OK);
	assert_int_equal(
	    peer_status(r, req_copy(r, h, 0, 0, h, 0)), SSH_FX_FAILURE);
	assert_int_equal(
	    peer_status(r, req_copy(r, h, 0, 2, h, 8)), SSH_FX_FAILURE);
}

/* While it copies, other requests are answered, and those of the target wait;
 * its CLOSE publishes all of it. */
static void
long_requests_hold_up_no_others(void **state)
{
	struct peer *r = *state;
	uint64_t from, to;
	struct answer a;
	uint32_t copy_id;

	pattern_make(r, "f", 3 * MIB + 17);
	file_make(r, "other", "");
	from = do_open(r, "/f", SSH_FXF_READ, NULL);
	to = do_open(r, "/g", WC, NULL);
	peer_post(r, req_copy(r, from, 0, 0, to, 0));
	copy_id = r->next_id;
	peer_post(r, req_path(r, SSH_FXP_STAT, "/other"));
	assert_true(peer_take(r, &a));
	assert_int_equal(a.type, SSH_FXP_ATTRS);
	mftd_buf_free(a.body);
	assert_true(mftd_sftp_working(r->s));
	peer_post(r, req_handle(r, SSH_FXP_CLOSE, to));
	while (mftd_sftp_working(r->s))
		assert_int_equal(mftd_sftp_continue(r->s), 0);
	assert_true(peer_take(r, &a));
	assert_int_equal(a.id, copy_id);
	mftd_buf_free(a.body);
	/* offers what was not taken */
	peer_post(r, req_path(r, SSH_FXP_STAT, "/f"));
	assert_true(peer_take(r, &a));
	assert_int_equal(a.type, SSH_FXP_ATTRS);
	mftd_buf_free(a.body);
	peer_journal(r);
	assert_true(peer_take(r, &a));
	assert_int_equal(a.status, SSH_FX_OK);
	mftd_buf_free(a.body);
	same(r, "f", "g");
}

/* Lets the server work until it answers; the answer must be that request's. */
static struct answer
next_answer(struct peer *r, uint32_t id)
{
	struct answer a;

	while (!peer_take(r, &a)) {
		assert_true(mftd_sftp_working(r->s));
		assert_int_equal(mftd_sftp_continue(r->s), 0);
	}
	assert_int_equal(a.id, id);
	return a;
}

static uint32_t
post(struct peer *r, struct mftd_buf *m)
{
	peer_post(r, m);
	return r->next_id;
}

/* What comes behind one, about the same handle or name, finds it done. */
static void
long_requests_keep_their_order(void **state)
{
	const size_t len = 3 * MIB + 17;
	struct peer *r = *state;
	struct mftd_sftp_attrs attrs;
	uint32_t id[7], status;
	uint64_t from, to;
	struct mftd_buf *m;
	struct answer a;
	int i;

	pattern_make(r, "f", len);
	from = do_open(r, "/f", SSH_FXF_READ, NULL);
	to = do_open(r, "/g", WC, NULL);
	id[0] = post(r, req_copy(r, from, 0, 0, to, 0));
	id[1] = post(r, req_path(r, SSH_FXP_STAT, "/g"));
	id[2] = post(r, req_open(r, "/g", WC | SSH_FXF_TRUNC, -1));
	id[3] = post(r, req_path(r, SSH_FXP_STAT, "/g"));
	a = next_answer(r, id[0]);
	assert_int_equal(a.status, SSH_FX_OK);
	mftd_buf_free(a.body);
	a = next_answer(r, id[1]);
	assert_int_equal(a.type, SSH_FXP_ATTRS);
	assert_int_equal(mftd_sftp_attrs_get(a.body, &attrs), 0);
	assert_int_equal(attrs.size, len);
	mftd_buf_free(a.body);
	a = next_answer(r, id[2]);
	assert_int_equal(a.type, SSH_FXP_HANDLE);
	mftd_buf_free(a.body);
	a = next_answer(r, id[3]);
	assert_int_equal(mftd_sftp_attrs_get(a.body, &attrs), 0);
	assert_int_equal(attrs.size, 0);
	mftd_buf_free(a.body);
	/* of one handle that is only read, too */
	for (i = 0; i < 3; i++) {
		m = req_ext(r, "check-file-handle");
		mftd_buf_put_u32(m, 8);
		mftd_buf_put_u64(m, from);
		mftd_buf_put_cstring(m, "sha256");
		mftd_buf_put_u64(m, 0);
		mftd_buf_put_u64(m, i == 1 ? 5 : 0);
		mftd_buf_put_u32(m, 0);
		id[i] = post(r, m);
	}
	id[3] = post(r, req_read(r, from, 0, 10));
	id[4] = post(r, req_handle(r, SSH_FXP_CLOSE, from));
	for (i = 0; i < 5; i++) {
		a = next_answer(r, id[i]);
		assert_int_equal(a.type,
		    i < 3	 ? SSH_FXP_EXTENDED_REPLY
			: i == 3 ? SSH_FXP_DATA
				 : SSH_FXP_STATUS);
		status = a.status;
		mftd_buf_free(a.body);
	}
	assert_int_equal(status, SSH_FX_OK);
}

/* What is read of an upload is what it was when that was asked. */
static void
copy_of_an_upload_that_is_changed(void **state)
{
	static uint8_t bytes[3 * MIB];
	struct peer *r = *state;
	uint64_t upload, from, to;
	uint32_t id[2];
	struct answer a;
	size_t at;

	upload = do_open(r, "/f", WC | SSH_FXF_TRUNC, NULL);
	for (at = 0; at < sizeof(bytes); at += 128 * 1024)
		assert_int_equal(
		    peer_status(
			r, req_write(r, upload, at, bytes + at, 128 * 1024)),
		    SSH_FX_OK);
	from = do_open(r, "/f", SSH_FXF_READ, NULL);
	assert_int_equal(
	    peer_status(r, req_rename(r, "/f", "/h", false)), SSH_FX_OK);
	to = do_open(r, "/g", WC, NULL);
	id[0] = post(r, req_copy(r, from, 0, 0, to, 0));
	id[1] = post(r, req_open(r, "/h", WC | SSH_FXF_TRUNC, -1));
	a = next_answer(r, id[0]);
	assert_int_equal(a.status, SSH_FX_OK);
	mftd_buf_free(a.body);
	a = next_answer(r, id[1]);
	assert_int_equal(a.type, SSH_FXP_HANDLE);
	mftd_buf_free(a.body);
	assert_int_equal(do_stat(r, SSH_FXP_FSTAT, NULL, to), sizeof(bytes));
}

/* Also when it is one too many at first. */
static void
copy_that_waits_for_its_turn(void **state)
{
	struct peer *r = *state;
	uint64_t from[MFTD_SFTP_SLICED_MAX + 1], to[MFTD_SFTP_SLICED_MAX + 1];
	bool copied = false;
	uint32_t id[2];
	struct answer a;
	char name[16];
	unsigned i;

	pattern_make(r, "f", 3 * MIB + 17);
	for (i = 0; i <= MFTD_SFTP_SLICED_MAX; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(linkat(r->root, "f", r->root, name, 0), 0);
		snprintf(name, sizeof(name), "/f%u", i);
		from[i] = do_open(r, name, SSH_FXF_READ, NULL);
		snprintf(name, sizeof(name), "/g%u", i);
		to[i] = do_open(r, name, WC, NULL);
	}
	for (i = 0; i <= MFTD_SFTP_SLICED_MAX; i++)
		id[0] = post(r, req_copy(r, from[i], 0, 0, to[i], 0));
	id[1] = post(r, req_handle(r, SSH_FXP_CLOSE, from[i - 1]));
	/* all are done, and the CLOSE comes behind its own */
	for (i = 0; i < MFTD_SFTP_SLICED_MAX + 2; i++) {
		while (!peer_take(r, &a))
			assert_int_equal(mftd_sftp_continue(r->s), 0);
		assert_int_equal(a.status, SSH_FX_OK);
		assert_true(a.id != id[1] || copied);
		copied |= a.id == id[0];
		mftd_buf_free(a.body);
	}
	assert_int_equal(
	    do_stat(r, SSH_FXP_FSTAT, NULL, to[MFTD_SFTP_SLICED_MAX]),
	    3 * MIB + 17);
}

static unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void
long_requests_are_bounded(void **state)
{
	struct peer *r = *state;
	unsigned i, before = open_files();
	struct answer a;
	uint32_t first;

	pattern_make(r, "f", 3 * MIB + 17);
	first = r->next_id + 1;
	for (i = 0; i < 4 * MFTD_SFTP_SLICED_MAX; i++)
		peer_post(r, req_check(r, "/f", "sha256", i, 0, 0));
	/* they are about one name, so it is their turn one by one */
	assert_true(open_files() <= before + 1);
	for (i = 0; i < 4 * MFTD_SFTP_SLICED_MAX; i++) {
		a = next_answer(r, first + i);
		assert_int_equal(a.type, SSH_FXP_EXTENDED_REPLY);
		mftd_buf_free(a.body);
	}
	assert_int_equal(open_files(), before);
}

/* When nobody hears the answer any more. */
static void
hash_that_nobody_hears_ends(void **state)
{
	struct peer *r = *state;
	uint64_t from, to;

	pattern_make(r, "f", 3 * MIB + 17);
	peer_post(r, req_check(r, "/f", "sha256", 0, 0, 0));
	assert_true(mftd_sftp_working(r->s));
	mftd_sftp_unheard(r->s);
	assert_false(mftd_sftp_working(r->s));
	/* but what was to be copied is */
	from = do_open(r, "/f", SSH_FXF_READ, NULL);
	to = do_open(r, "/g", WC, NULL);
	peer_post(r, req_copy(r, from, 0, 0, to, 0));
	peer_post(r, req_handle(r, SSH_FXP_CLOSE, to));
	mftd_sftp_unheard(r->s);
	while (mftd_sftp_working(r->s))
		assert_int_equal(mftd_sftp_continue(r->s), 0);
	peer_journal(r);
	same(r, "f", "g");
}

/* ---- the policy */

static void
read_only_refuses_every_change(void **state)
{
	struct peer *r = *state;
	uint32_t status;

	file_make(r, "a", "A");
	mkdirat(r->root, "d", 0755);
	policy_of(r)->read_only = policy_of(r)->symlinks = 1;
	assert_int_equal(do_open(r, "/b", WC, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_open(r, "/a", SSH_FXF_WRITE, &status), 0);
	assert_int_equal(status, SSH_FX_PERMISSION_DENIED);
#define REFUSED(m) assert_int_equal(peer_status(r, m), SSH_FX_PERMISSION_DENIED)
	REFUSED(req_path(r, SSH_FXP_REMOVE, "/a"));
	REFUSED(req_path(r, SSH_FXP_MKDIR, "/e"));
	REFUSED(req_path(r, SSH_FXP_RMDIR, "/d"));
	REFUSED(req_rename(r, "/a", "/b", false));
	REFUSED(req_rename(r, "/a", "/b", true));
	assert_int_equal(two_paths(r, "hardlink@openssh.com", "/a", "/b"),
	    SSH_FX_PERMISSION_DENIED);
	assert_int_equal(do_symlink(r, "a", "/l"), SSH_FX_PERMISSION_DENIED);
	assert_int_equal(r->asked, 0);
	assert_int_not_equal(do_open(r, "/a", SSH_FXF_READ, NULL), 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(home_is_the_root),
		T(tilde_expands),
		T(ids_have_names),
		T(ids_are_bounded),
		T(hardlinks_of_what_is_published),
		T(symlink_targets_stay_below),
		T(lsetstat_sets_no_links),
		T(check_file_hashes),
		T(check_file_refuses),
		T(copy_data_copies),
		T(copy_data_refuses_itself),
		T(long_requests_hold_up_no_others),
		T(long_requests_keep_their_order),
		T(copy_of_an_upload_that_is_changed),
		T(copy_that_waits_for_its_turn),
		T(long_requests_are_bounded),
		T(hash_that_nobody_hears_ends),
		T(read_only_refuses_every_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
