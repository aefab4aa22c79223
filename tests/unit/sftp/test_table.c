/* Part of mftd; see LICENSE. */
/*
 * What requests see while uploads are unfinished: one test for each row of the
 * table in HACKING.md, against the real journal.  Session a began something, b
 * is another session of the same account.  (The rows on the order of WRITE's
 * replies and on requests that wait: test_pipeline.c.)
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/sha.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/journal/record.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/world.h"

#define UPLOADS 20
#define LAY_MS 20000
#define R SSH_FXF_READ
#define W SSH_FXF_WRITE
#define WC (SSH_FXF_WRITE | SSH_FXF_CREAT)
#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)
#define WCX (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_EXCL)

/* a's upload of path, with what it has written so far. */
static uint64_t
live(struct world *w, const char *path, uint32_t flags, const char *text)
{
	uint64_t h = do_open(&w->a, path, flags, NULL);

	assert_true(h != 0);
	assert_int_equal(do_write(&w->a, h, 0, text), SSH_FX_OK);
	return h;
}

/* The same, and then a goes: of "0123456789" "012345678" is left. */
static void
dormant(struct world *w, const char *path)
{
	live(w, path, WCT, "0123456789");
	world_end_a(w);
}

static int64_t
size_at(struct peer *p, const char *path)
{
	int64_t size = do_stat(p, SSH_FXP_STAT, path, 0);

	assert_int_equal(do_stat(p, SSH_FXP_LSTAT, path, 0), size);
	return size;
}

/* The same, once journal has laid the only part down: who hears that a CLOSE
 * failed may be told earlier, and sees it under its older name until then. */
static int64_t
size_at_last(struct world *w, struct peer *p, const char *path)
{
	int64_t deadline = mftd_clock_ms() + LAY_MS;
	char laid[512];
	glob_t found;

	snprintf(laid, sizeof(laid), "%s/.mft/parts/*/*/*/*.d*", w->t.path);
	while (glob(laid, 0, NULL, &found) != 0) {
		assert_true(mftd_clock_ms() < deadline);
		poll(NULL, 0, 5); /* no event tells a client */
	}
	globfree(&found);
	return size_at(p, path);
}

/* What READ of the whole file gives. */
static void
reads(struct peer *p, const char *path, const char *want)
{
	uint32_t status;
	uint64_t h = do_open(p, path, R, &status);
	char text[256] = "";

	assert_true(h != 0);
	assert_int_equal(do_stat(p, SSH_FXP_FSTAT, NULL, h), strlen(want));
	if (want[0] != '\0')
		assert_int_equal(do_read(p, h, 0, 255, text, 256), 0);
	assert_string_equal(text, want);
	assert_int_equal(
	    do_read(p, h, strlen(want), 255, text, 256), SSH_FX_EOF);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
}

/* The size that a listing of the root tells of name; -1: it is not there. */
static int64_t
listed(struct peer *p, const char *name)
{
	uint64_t h = do_opendir(p, "/");
	struct mftd_sftp_attrs attrs;
	char entry[256], line[1024];
	int64_t size = -1;
	struct answer a;
	uint32_t n;

	for (;;) {
		a = peer_ask(p, req_handle(p, SSH_FXP_READDIR, h));
		if (a.type != SSH_FXP_NAME)
			break;
		assert_int_equal(mftd_buf_get_u32(a.body, &n), 0);
		for (; n > 0; n--) {
			assert_int_equal(
			    mftd_buf_get_cstring(a.body, entry, 256), 0);
			assert_int_equal(
			    mftd_buf_get_cstring(a.body, line, 1024), 0);
			assert_int_equal(
			    mftd_sftp_attrs_get(a.body, &attrs), 0);
			if (strcmp(entry, name) != 0)
				continue;
			assert_int_equal(size, -1); /* once */
			size = (int64_t)attrs.size;
		}
		mftd_buf_free(a.body);
	}
	assert_int_equal(a.status, SSH_FX_EOF);
	mftd_buf_free(a.body);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	return size;
}

/* Adds what one READDIR tells of the names u0 to u19; false: it was the end. */
static bool
count_some(struct peer *p, uint64_t h, unsigned told[UPLOADS])
{
	struct mftd_sftp_attrs attrs;
	struct answer a = peer_ask(p, req_handle(p, SSH_FXP_READDIR, h));
	char entry[256], line[1024];
	unsigned i;
	uint32_t n;

	if (a.type == SSH_FXP_NAME) {
		assert_int_equal(mftd_buf_get_u32(a.body, &n), 0);
		for (; n > 0; n--) {
			assert_int_equal(
			    mftd_buf_get_cstring(a.body, entry, 256), 0);
			assert_int_equal(
			    mftd_buf_get_cstring(a.body, line, 1024), 0);
			assert_int_equal(
			    mftd_sftp_attrs_get(a.body, &attrs), 0);
			if (sscanf(entry, "u%u", &i) == 1 && i < UPLOADS)
				told[i]++;
		}
	}
	mftd_buf_free(a.body);
	return a.type == SSH_FXP_NAME;
}

static bool
is_published(struct world *w, const char *path, const char *text)
{
	char full[256];

	snprintf(full, sizeof(full), "alice%s", path);
	return tree_holds(&w->t, full, text);
}

/* ---- OPEN WRITE with TRUNC */

static void
trunc_without_a_part(void **state)
{
	struct world *w = *state;
	uint64_t h;

	world_upload(&w->a, "/f", "published");
	h = live(w, "/f", WCT, "new");
	/* it is the account's; whoever looks at the disk sees what is published
	 */
	assert_int_equal(size_at(&w->a, "/f"), 3);
	assert_int_equal(size_at(&w->b, "/f"), 3);
	assert_true(is_published(w, "/f", "published"));
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "new"));
}

static void
trunc_of_a_live_one(void **state)
{
	struct world *w = *state;
	uint64_t h = live(w, "/f", WCT, "0123456789"), h2;

	h2 = do_open(&w->a, "/f", WCT, NULL);
	assert_int_equal(size_at(&w->a, "/f"), 0);
	assert_int_equal(do_write(&w->a, h2, 0, "abc"), SSH_FX_OK);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "abc"));
	assert_int_equal(do_close(&w->a, h2), SSH_FX_OK);
}

static void
trunc_of_one_live_elsewhere(void **state)
{
	struct world *w = *state;
	uint64_t old = live(w, "/f", WCT, "older"), h;

	h = do_open(&w->b, "/f", WCT, NULL);
	assert_true(h != 0);
	assert_int_equal(do_close(&w->a, old), SSH_FX_FAILURE);
	assert_int_equal(do_write(&w->b, h, 0, "new"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "new"));
}

static void
trunc_of_a_dormant_one(void **state)
{
	struct world *w = *state;
	uint64_t h;

	dormant(w, "/f");
	h = do_open(&w->b, "/f", WCT, NULL);
	assert_int_equal(size_at(&w->b, "/f"), 0);
	assert_int_equal(count_parts(&w->b), 1);
	assert_int_equal(do_write(&w->b, h, 0, "abc"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "abc"));
	assert_int_equal(count_parts(&w->b), 0);
	assert_int_equal(tree_count(&w->t, ".mft/aside"), 0);
}

/* ---- OPEN WRITE without TRUNC */

static void
append_to_nothing(void **state)
{
	struct world *w = *state;
	uint32_t status;

	assert_int_equal(do_open(&w->a, "/f", W, &status), 0);
	assert_int_equal(status, SSH_FX_NO_SUCH_FILE);
	assert_int_equal(do_close(&w->a, live(w, "/f", WC, "abc")), SSH_FX_OK);
	assert_true(is_published(w, "/f", "abc"));
}

static void
append_to_what_is_published(void **state)
{
	struct world *w = *state;
	uint64_t h;

	world_upload(&w->a, "/f", "0123456789");
	h = do_open(&w->a, "/f", W, NULL);
	assert_int_equal(do_write(&w->a, h, 10, "abc"), SSH_FX_OK);
	assert_int_equal(size_at(&w->a, "/f"), 13);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789abc"));
}

/* What lies over a published file, and is shorter, is not left over it. */
static void
short_one_over_a_base_is_dropped(void **state)
{
	struct world *w = *state;

	world_upload(&w->a, "/f", "0123456789");
	live(w, "/f", W, "abc");
	world_end_a(w);
	assert_int_equal(count_parts(&w->b), 0);
	reads(&w->b, "/f", "0123456789");
}

static void
longer_one_over_a_base_is_left(void **state)
{
	struct world *w = *state;
	uint64_t h;

	world_upload(&w->a, "/f", "0123456789");
	h = do_open(&w->a, "/f", W, NULL);
	assert_int_equal(do_write(&w->a, h, 10, "abcdef"), SSH_FX_OK);
	world_end_a(w);
	reads(&w->b, "/f", "0123456789abcde");
	assert_true(is_published(w, "/f", "0123456789"));
}

static void
live_one_is_shared(void **state)
{
	struct world *w = *state;
	uint64_t h = live(w, "/f", WCT, "abc"), h2;

	h2 = do_open(&w->a, "/f", W, NULL);
	assert_int_equal(do_write(&w->a, h2, 3, "def"), SSH_FX_OK);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "abcdef"));
}

/* The coordinator is asked to end the owner; when it has, the part is b's. */
static void
live_elsewhere_is_let_go(void **state)
{
	struct world *w = *state;
	const struct mftd_msg_session_yield *y;
	struct mftd_msg m;
	struct answer a;
	uint64_t h;
	uint32_t len;

	live(w, "/f", WCT, "0123456789");
	peer_post(&w->b, req_open(&w->b, "/f", W, -1));
	assert_true(
	    rig_wait(w->journal.coordinator, MFTD_MSG_SESSION_YIELD, &m));
	y = m.data;
	assert_string_equal(y->session, w->sa.id);
	assert_string_equal(y->account, "alice");
	mftd_msg_close(&m);
	assert_false(peer_take(&w->b, &a));
	world_end_a(w);
	peer_journal(&w->b);
	assert_true(peer_take(&w->b, &a));
	assert_int_equal(a.type, SSH_FXP_HANDLE);
	assert_int_equal(mftd_buf_get_u32(a.body, &len), 0);
	assert_int_equal(mftd_buf_get_u64(a.body, &h), 0);
	mftd_buf_free(a.body);
	/* all of it: its size was told while it was being written */
	assert_int_equal(do_stat(&w->b, SSH_FXP_FSTAT, NULL, h), 10);
	assert_int_equal(do_write(&w->b, h, 10, "ab"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789ab"));
}

static void
live_elsewhere_is_not_let_go(void **state)
{
	struct world *w = *state;
	uint64_t h = live(w, "/f", WCT, "0123456789");
	struct answer a = peer_ask(&w->b, req_open(&w->b, "/f", W, -1));

	assert_int_equal(a.status, SSH_FX_FAILURE);
	assert_string_equal(a.text, "Another session is writing it");
	mftd_buf_free(a.body);
	/* and nothing happened to it */
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789"));
}

static void
dormant_one_is_adopted(void **state)
{
	struct world *w = *state;
	uint64_t h;

	dormant(w, "/f");
	assert_int_equal(size_at(&w->b, "/f"), 9);
	h = do_open(&w->b, "/f", W, NULL);
	assert_true(h != 0);
	assert_int_equal(do_stat(&w->b, SSH_FXP_FSTAT, NULL, h), 9);
	assert_int_equal(do_write(&w->b, h, 9, "9abc"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789abc"));
	assert_int_equal(count_parts(&w->b), 0);
}

/* A client that goes on where the lost session's answers were would leave a
 * hole: it is told, and nothing of what is there is lost. */
static void
what_was_written_out_of_order_is_left(void **state)
{
	struct world *w = *state;
	uint64_t h = live(w, "/f", WCT, "01");

	assert_int_equal(do_write(&w->a, h, 8, "89"), SSH_FX_OK);
	assert_int_equal(do_write(&w->a, h, 4, "45"), SSH_FX_OK);
	assert_int_equal(do_write(&w->a, h, 2, "23"), SSH_FX_OK);
	world_end_a(w);
	reads(&w->b, "/f", "01234"); /* 6 and 7 never came */
}

static void
hole_behind_an_adopted_one_is_refused(void **state)
{
	struct world *w = *state;
	struct answer a;
	uint64_t h;

	dormant(w, "/f");
	h = do_open(&w->b, "/f", W, NULL);
	a = peer_ask(&w->b, req_write(&w->b, h, 10, "abc", 3));
	assert_int_equal(a.status, SSH_FX_FAILURE);
	assert_string_equal(a.text,
	    "The upload was cut before these bytes: resume at its size");
	mftd_buf_free(a.body);
	assert_int_equal(do_close(&w->b, h), SSH_FX_FAILURE);
	assert_true(is_published(w, "/f", NULL));
	h = do_open(&w->b, "/f", W, NULL);
	assert_true(h != 0);
	assert_int_equal(do_stat(&w->b, SSH_FXP_FSTAT, NULL, h), 9);
}

/* ---- OPEN CREAT+EXCL */

static void
excl_sees_what_the_account_sees(void **state)
{
	struct world *w = *state;
	uint32_t status;

	live(w, "/f", WCT, "0123456789");
	assert_int_equal(do_open(&w->a, "/f", WCX, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(do_open(&w->b, "/f", WCX, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	world_end_a(w);
	assert_int_equal(do_open(&w->b, "/f", WCX, &status), 0);
	assert_int_equal(status, SSH_FX_FAILURE);
	assert_int_equal(size_at(&w->b, "/f"), 9);
}

static void
excl_loses_against_a_name_taken_meanwhile(void **state)
{
	struct world *w = *state;
	uint64_t h = live(w, "/f", WCX, "mine");

	file_make(&w->a, "f", "theirs");
	assert_int_equal(do_close(&w->a, h), SSH_FX_FAILURE);
	assert_true(is_published(w, "/f", "theirs"));
	assert_int_equal(count_parts(&w->a), 0);
}

/* ---- APPEND */

static void
append_flag_goes_to_the_end_of_the_view(void **state)
{
	struct world *w = *state;
	uint64_t h;

	dormant(w, "/f");
	h = do_open(&w->b, "/f", W | SSH_FXF_APPEND, NULL);
	assert_int_equal(do_write(&w->b, h, 9, "9a"), SSH_FX_OK);
	assert_int_equal(do_write(&w->b, h, 0, "bc"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789abc"));
	h = do_open(&w->b, "/f", W | SSH_FXF_APPEND, NULL);
	assert_int_equal(do_write(&w->b, h, 0, "de"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789abcde"));
}

/* Its client goes by a size that it was told before: where it goes on has to
 * fit what is there. */
static void
append_flag_to_an_adopted_one_goes_by_its_offset(void **state)
{
	static const uint64_t wrong[] = { 0, 10 };
	struct world *w = *state;
	uint64_t h;
	size_t i;

	dormant(w, "/f");
	for (i = 0; i < 2; i++) {
		h = do_open(&w->b, "/f", W | SSH_FXF_APPEND, NULL);
		assert_int_equal(
		    do_write(&w->b, h, wrong[i], "xy"), SSH_FX_FAILURE);
		assert_int_equal(do_close(&w->b, h), SSH_FX_FAILURE);
		assert_int_equal(size_at_last(w, &w->b, "/f"), 9);
	}
	h = do_open(&w->b, "/f", W | SSH_FXF_APPEND, NULL);
	assert_int_equal(do_write(&w->b, h, 7, "789"), SSH_FX_OK);
	assert_int_equal(do_write(&w->b, h, 10, "ab"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789ab"));
}

/* ---- what reads */

static void
hash_is(struct peer *p, const char *path, const char *text)
{
	struct mftd_buf *b = peer_new(p, SSH_FXP_EXTENDED, NULL);
	uint8_t want[SHA256_DIGEST_LENGTH];
	char word[32];
	struct answer a;

	mftd_buf_put_cstring(b, "check-file-name");
	mftd_buf_put_cstring(b, path);
	mftd_buf_put_cstring(b, "sha256");
	mftd_buf_put_u64(b, 0);
	mftd_buf_put_u64(b, 0);
	mftd_buf_put_u32(b, 0);
	a = peer_ask(p, b);
	assert_int_equal(a.type, SSH_FXP_EXTENDED_REPLY);
	assert_int_equal(mftd_buf_get_cstring(a.body, word, 32), 0);
	assert_int_equal(mftd_buf_get_cstring(a.body, word, 32), 0);
	SHA256((const uint8_t *)text, strlen(text), want);
	assert_int_equal(mftd_buf_len(a.body), sizeof(want));
	assert_memory_equal(mftd_buf_data(a.body), want, sizeof(want));
	mftd_buf_free(a.body);
}

static void
copy_is(struct peer *p, const char *path, const char *to, const char *text)
{
	uint64_t from = do_open(p, path, R, NULL);
	uint64_t h = do_open(p, to, WCT, NULL);
	struct mftd_buf *b = peer_new(p, SSH_FXP_EXTENDED, NULL);

	mftd_buf_put_cstring(b, "copy-data");
	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, from);
	mftd_buf_put_u64(b, 0);
	mftd_buf_put_u64(b, 0);
	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, h);
	mftd_buf_put_u64(b, 0);
	assert_int_equal(peer_status(p, b), SSH_FX_OK);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	assert_int_equal(do_close(p, from), SSH_FX_OK);
	reads(p, to, text);
}

static void
all_that_reads_sees_the_part(void **state)
{
	struct world *w = *state;
	struct peer *p;
	int i;

	world_upload(&w->b, "/f", "published before, and longer");
	live(w, "/f", WCT, "0123456789");
	live(w, "/g", WCT, "0123456789");
	for (i = 0; i < 2; i++) {
		p = i == 0 ? &w->a : &w->b;
		reads(p, "/f", "0123456789");
		hash_is(p, "/f", "0123456789");
		assert_int_equal(size_at(p, "/f"), 10);
		assert_int_equal(listed(p, "f"), 10);
		assert_int_equal(listed(p, "g"), 10);
		copy_is(p, "/f", "/copy", "0123456789");
	}
	world_end_a(w);
	reads(p, "/f", "012345678");
	hash_is(p, "/f", "012345678");
	assert_int_equal(size_at(p, "/f"), 9);
	assert_int_equal(listed(p, "f"), 9);
	assert_int_equal(listed(p, "g"), 9);
	copy_is(p, "/f", "/copy", "012345678");
	assert_true(is_published(w, "/f", "published before, and longer"));
}

/* What was written behind a gap is in the file, and is not the upload's. */
static void
bytes_behind_a_gap_do_not_count(void **state)
{
	struct world *w = *state;
	uint64_t h = live(w, "/f", WCT, "0123456789");
	char text[64];

	assert_int_equal(do_write(&w->a, h, 20, "abcdef"), SSH_FX_OK);
	assert_int_equal(size_at(&w->b, "/f"), 26);
	world_end_a(w);
	reads(&w->b, "/f", "012345678");
	h = do_open(&w->b, "/f", R, NULL);
	assert_int_equal(do_read(&w->b, h, 22, 60, text, 64), SSH_FX_EOF);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	h = do_open(&w->b, "/f", W, NULL);
	assert_int_equal(do_write(&w->b, h, 9, "9"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789"));
}

/* While it still needs the published file for the rest, others see that. */
static void
part_that_needs_its_base_is_not_seen(void **state)
{
	struct world *w = *state;
	uint64_t h;

	world_upload(&w->a, "/f", "0123456789");
	h = live(w, "/f", W, "abc");
	assert_int_equal(size_at(&w->a, "/f"), 10);
	reads(&w->b, "/f", "0123456789");
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	reads(&w->b, "/f", "abc3456789");
}

/* Whoever made the directory anew did not mean what was put into the old. */
/* Makes the directory d, later than all there was before by the file system's
 * clock, which only ticks now and then.  Returns its inode. */
static ino_t
later_directory(int root)
{
	struct statx first, last;
	struct stat st;

	assert_int_equal(mkdirat(root, "d", 0755), 0);
	assert_int_equal(statx(root, "d", 0, STATX_BTIME, &first), 0);
	assert_true((first.stx_mask & STATX_BTIME) != 0);
	do {
		assert_int_equal(unlinkat(root, "d", AT_REMOVEDIR), 0);
		assert_int_equal(mkdirat(root, "d", 0755), 0);
		assert_int_equal(statx(root, "d", 0, STATX_BTIME, &last), 0);
	} while (last.stx_btime.tv_sec == first.stx_btime.tv_sec &&
	    last.stx_btime.tv_nsec == first.stx_btime.tv_nsec);
	assert_int_equal(fstatat(root, "d", &st, 0), 0);
	return st.st_ino;
}

static void
part_older_than_its_directory_is_not_seen(void **state)
{
	struct world *w = *state;
	struct stat st;
	int i;

	assert_int_equal(mkdirat(w->a.root, "d", 0755), 0);
	assert_int_equal(fstatat(w->a.root, "d", &st, 0), 0);
	dormant(w, "/d/f");
	assert_int_equal(size_at(&w->b, "/d/f"), 9);
	assert_int_equal(unlinkat(w->b.root, "d", AT_REMOVEDIR), 0);
	for (i = 0; i < 64 && later_directory(w->b.root) != st.st_ino; i++)
		assert_int_equal(unlinkat(w->b.root, "d", AT_REMOVEDIR), 0);
	/* where inodes are not used again there is nothing to be seen either */
	assert_int_equal(size_at(&w->b, "/d/f"), -SSH_FX_NO_SUCH_FILE);
}

static void
part_moved_to_a_younger_directory_is_seen(void **state)
{
	struct world *w = *state;
	uint64_t h;

	live(w, "/f", WCT, "0123456789");
	later_directory(w->a.root);
	assert_int_equal(
	    peer_status(&w->a, req_rename(&w->a, "/f", "/d/f", false)), 0);
	assert_int_equal(size_at(&w->b, "/d/f"), 10);
	world_end_a(w);
	assert_int_equal(size_at(&w->b, "/d/f"), 9);
	h = do_open(&w->b, "/d/f", W, NULL);
	assert_true(h != 0);
	assert_int_equal(do_write(&w->b, h, 9, "9"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/d/f", "0123456789"));
}

/* A listing shows what was there when it began, also what is published after
 * it came past its place. */
static void
listing_while_uploads_are_published(void **state)
{
	struct world *w = *state;
	struct peer *reader[2] = { &w->a, &w->b };
	unsigned i, k, reads, told[UPLOADS];
	uint64_t h, uploads[UPLOADS];
	char name[32];
	bool more;

	for (i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "alice/f%u", i);
		tree_write(&w->t, name, "");
	}
	for (k = 0; k < 2; k++) {
		memset(told, 0, sizeof(told));
		for (i = 0; i < UPLOADS; i++) {
			snprintf(name, sizeof(name), "/u%u", i);
			(void)unlinkat(w->a.root, name + 1, 0);
			uploads[i] = live(w, name, WCT, "0123456789");
		}
		h = do_opendir(reader[k], "/");
		for (reads = 0; (more = count_some(reader[k], h, told));
		     reads++)
			for (i = reads * 4; i < reads * 4 + 4 && i < UPLOADS;
			     i++)
				assert_int_equal(
				    do_close(&w->a, uploads[i]), SSH_FX_OK);
		assert_true(reads >= UPLOADS / 4);
		assert_int_equal(do_close(reader[k], h), SSH_FX_OK);
		for (i = 0; i < UPLOADS; i++)
			assert_int_equal(told[i], 1);
	}
}

/* Renames the only part to and fro, as laying down and adopting do, until the
 * pipe ends. */
static void
move_to_and_fro(struct world *w, int pipe_fd)
{
	const struct timespec pause = { .tv_nsec = 20000 };
	struct pollfd end = { .fd = pipe_fd };
	char pattern[512], laid[512];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/.mft/parts/*/*/*/*", w->t.path);
	if (glob(pattern, 0, NULL, &found) != 0 || found.gl_pathc != 1)
		_exit(1);
	snprintf(laid, sizeof(laid), "%s.d9", found.gl_pathv[0]);
	/* not all the time: then nobody could ever open it */
	while (poll(&end, 1, 0) == 0 && nanosleep(&pause, NULL) == 0)
		if (rename(found.gl_pathv[0], laid) < 0 ||
		    nanosleep(&pause, NULL) < 0 ||
		    rename(laid, found.gl_pathv[0]) < 0)
			_exit(1);
	_exit(0);
}

/* It is there at any time. */
static void
part_is_seen_while_it_moves(void **state)
{
	struct world *w = *state;
	int fds[2], i, status = -1;
	uint64_t h;
	int64_t size;
	pid_t pid;

	h = live(w, "/f", WCT, "0123456789");
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[1]);
		move_to_and_fro(w, fds[0]);
	}
	for (i = 0; i < 5000; i++) {
		size = do_stat(&w->b, SSH_FXP_STAT, "/f", 0);
		assert_true(size == 9 || size == 10);
	}
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fds[0]);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123456789"));
}

static void
reader_keeps_what_it_opened(void **state)
{
	struct world *w = *state;
	uint64_t r, h;
	char text[64] = "";

	world_upload(&w->a, "/f", "published");
	h = live(w, "/f", WCT, "part");
	r = do_open(&w->b, "/f", R, NULL);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	world_upload(&w->a, "/f", "another");
	assert_int_equal(do_read(&w->b, r, 0, 60, text, sizeof(text)), 0);
	assert_string_equal(text, "part");
}

/* ---- CLOSE */

static void
close_publishes_only_what_changed(void **state)
{
	struct world *w = *state;
	uint64_t h, h2;

	h = do_open(&w->a, "/f", WC, NULL); /* created: 0 bytes */
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 1);
	h = do_open(&w->a, "/f", W, NULL);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 1);
	h = do_open(&w->a, "/f", W, NULL);
	assert_int_equal(peer_status(&w->a, req_setsize(&w->a, h, 3)), 0);
	h2 = do_open(&w->a, "/f", W, NULL);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 2);
	/* the other handle goes on, based on that */
	assert_int_equal(do_write(&w->a, h2, 3, "abc"), SSH_FX_OK);
	assert_int_equal(do_close(&w->a, h2), SSH_FX_OK);
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 3);
	assert_int_equal(size_at(&w->a, "/f"), 6);
}

/* One that was only looked at lies dormant again. */
static void
close_of_an_adopted_one_without_a_write(void **state)
{
	struct world *w = *state;
	uint64_t h;

	dormant(w, "/f");
	h = do_open(&w->b, "/f", W, NULL);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", NULL));
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 0);
	h = do_open(&w->b, "/f", W, NULL);
	assert_true(h != 0);
	assert_int_equal(do_stat(&w->b, SSH_FXP_FSTAT, NULL, h), 9);
}

/* ---- RENAME */

static void
rename_of_a_live_one(void **state)
{
	struct world *w = *state;
	uint64_t h;

	world_upload(&w->a, "/f", "published");
	h = live(w, "/f", WCT, "abc");
	assert_int_equal(
	    peer_status(&w->a, req_rename(&w->a, "/f", "/g", false)), 0);
	assert_true(is_published(w, "/g", "published"));
	assert_int_equal(size_at(&w->b, "/g"), 3);
	assert_int_equal(size_at(&w->b, "/f"), -SSH_FX_NO_SUCH_FILE);
	assert_int_equal(do_write(&w->a, h, 3, "def"), SSH_FX_OK);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(is_published(w, "/g", "abcdef"));
}

static void
rename_of_what_is_not_finished(void **state)
{
	struct world *w = *state;
	struct answer a;
	int i;

	world_upload(&w->b, "/over", "published");
	live(w, "/over", WCT, "0123456789");
	live(w, "/alone", WCT, "0123456789");
	/* by another session, then when they lie dormant */
	for (i = 0; i < 2; i++) {
		a = peer_ask(&w->b, req_rename(&w->b, "/over", "/x", i == 1));
		assert_int_equal(a.status, SSH_FX_FAILURE);
		assert_string_equal(a.text, "Upload incomplete");
		mftd_buf_free(a.body);
		a = peer_ask(&w->b, req_rename(&w->b, "/alone", "/x", i == 1));
		assert_int_equal(a.status, SSH_FX_FAILURE);
		assert_string_equal(a.text, "Upload incomplete");
		mftd_buf_free(a.body);
		if (i == 0)
			world_end_a(w);
	}
	assert_true(is_published(w, "/over", "published"));
	assert_int_equal(size_at(&w->b, "/alone"), 9);
	assert_int_equal(size_at(&w->b, "/x"), -SSH_FX_NO_SUCH_FILE);
}

static void
rename_onto_one(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->b;
	uint64_t h;

	live(w, "/dormant", WCT, "0123456789");
	world_upload(p, "/f", "one");
	/* a live one of a is superseded … */
	h = live(w, "/live", WCT, "0123456789");
	assert_int_equal(peer_status(p, req_rename(p, "/f", "/live", false)),
	    SSH_FX_FAILURE);
	assert_int_equal(peer_status(p, req_rename(p, "/f", "/live", true)), 0);
	assert_int_equal(do_close(&w->a, h), SSH_FX_FAILURE);
	assert_int_equal(size_at(p, "/live"), 3);
	/* … and a dormant one dropped */
	world_end_a(w);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/live", "/dormant", false)),
	    SSH_FX_FAILURE);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/live", "/dormant", true)), 0);
	reads(p, "/dormant", "one");
	assert_int_equal(count_parts(p), 0);
}

static void
rename_of_a_directory(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->b;
	uint64_t h;

	assert_int_equal(peer_status(p, req_path(p, SSH_FXP_MKDIR, "/d")), 0);
	dormant(w, "/d/f");
	assert_int_equal(peer_status(p, req_rename(p, "/d", "/e", false)), 0);
	assert_int_equal(size_at(p, "/e/f"), 9);
	h = do_open(p, "/e/f", W, NULL);
	assert_int_equal(do_write(p, h, 9, "9"), SSH_FX_OK);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	assert_true(is_published(w, "/e/f", "0123456789"));
}

/* ---- REMOVE, RMDIR */

static void
remove_takes_both(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->b;
	uint64_t h;

	world_upload(&w->a, "/f", "published");
	h = live(w, "/f", WCT, "0123456789");
	live(w, "/g", WCT, "0123456789");
	assert_int_equal(peer_status(p, req_path(p, SSH_FXP_REMOVE, "/f")), 0);
	assert_int_equal(size_at(p, "/f"), -SSH_FX_NO_SUCH_FILE);
	assert_int_equal(do_close(&w->a, h), SSH_FX_FAILURE);
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 1);
	world_end_a(w);
	assert_int_equal(peer_status(p, req_path(p, SSH_FXP_REMOVE, "/g")), 0);
	assert_int_equal(size_at(p, "/g"), -SSH_FX_NO_SUCH_FILE);
	assert_int_equal(count_parts(p), 0);
	assert_int_equal(peer_status(p, req_path(p, SSH_FXP_REMOVE, "/g")),
	    SSH_FX_NO_SUCH_FILE);
}

static void
rmdir_with_one_inside(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->b;
	int i;

	assert_int_equal(peer_status(p, req_path(p, SSH_FXP_MKDIR, "/d")), 0);
	live(w, "/d/f", WCT, "0123456789");
	for (i = 0; i < 2; i++) {
		assert_int_equal(
		    peer_status(p, req_path(p, SSH_FXP_RMDIR, "/d")),
		    SSH_FX_FAILURE);
		if (i == 0)
			world_end_a(w);
	}
	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_REMOVE, "/d/f")), 0);
	assert_int_equal(peer_status(p, req_path(p, SSH_FXP_RMDIR, "/d")), 0);
}

static void
directory_removed_by_others(void **state)
{
	struct world *w = *state;
	uint64_t h;

	assert_int_equal(
	    peer_status(&w->a, req_path(&w->a, SSH_FXP_MKDIR, "/d")), 0);
	h = live(w, "/d/f", WCT, "0123456789");
	assert_int_equal(unlinkat(w->a.root, "d", AT_REMOVEDIR), 0);
	assert_int_equal(do_close(&w->a, h), SSH_FX_NO_SUCH_FILE);
	assert_false(file_exists(&w->a, "d"));
	assert_int_equal(count_parts(&w->a), 0);
}

/* ---- SETSTAT */

static struct mftd_buf *
req_setstat(struct peer *p, const char *path, uint32_t mode, uint32_t mtime)
{
	struct mftd_buf *b = req_path(p, SSH_FXP_SETSTAT, path);

	mftd_buf_put_u32(
	    b, SSH_FILEXFER_ATTR_PERMISSIONS | SSH_FILEXFER_ATTR_ACMODTIME);
	mftd_buf_put_u32(b, mode);
	mftd_buf_put_u32(b, mtime);
	mftd_buf_put_u32(b, mtime);
	return b;
}

static void
attributes_are(struct peer *p, const char *path, uint32_t mode, uint32_t mtime)
{
	struct answer a = peer_ask(p, req_path(p, SSH_FXP_STAT, path));
	struct mftd_sftp_attrs attrs;

	assert_int_equal(a.type, SSH_FXP_ATTRS);
	assert_int_equal(mftd_sftp_attrs_get(a.body, &attrs), 0);
	assert_int_equal(attrs.mode & 07777, mode);
	assert_int_equal(attrs.mtime, mtime);
	mftd_buf_free(a.body);
}

static void
attributes_of_a_part_are_kept(void **state)
{
	struct world *w = *state;
	struct mftd_buf *b;
	struct stat st;
	uint64_t h = live(w, "/f", WCT, "0123456789");

	live(w, "/g", WCT, "0123456789");
	assert_int_equal(
	    peer_status(&w->a, req_setstat(&w->a, "/f", 0640, 1000)), 0);
	attributes_are(&w->b, "/f", 0640, 1000);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_int_equal(fstatat(w->a.root, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(st.st_mtime, 1000);
	/* a dormant one: owner read and write stay set */
	world_end_a(w);
	assert_int_equal(
	    peer_status(&w->b, req_setstat(&w->b, "/g", 0040, 2000)), 0);
	attributes_are(&w->b, "/g", 0640, 2000);
	b = req_path(&w->b, SSH_FXP_SETSTAT, "/g");
	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_SIZE);
	mftd_buf_put_u64(b, 4);
	assert_int_equal(peer_status(&w->b, b), SSH_FX_FAILURE);
	h = do_open(&w->b, "/g", W, NULL);
	assert_int_equal(do_write(&w->b, h, 9, "9"), SSH_FX_OK);
	assert_int_equal(do_close(&w->b, h), SSH_FX_OK);
	assert_int_equal(fstatat(w->b.root, "g", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void
size_of_a_part_and_of_what_is_published(void **state)
{
	struct world *w = *state;
	struct mftd_buf *b;
	uint64_t h = live(w, "/f", WCT, "0123456789");

	assert_int_equal(peer_status(&w->a, req_setsize(&w->a, h, 4)), 0);
	assert_int_equal(size_at(&w->b, "/f"), 4);
	assert_int_equal(do_close(&w->a, h), SSH_FX_OK);
	assert_true(is_published(w, "/f", "0123"));
	b = req_path(&w->a, SSH_FXP_SETSTAT, "/f");
	mftd_buf_put_u32(b, SSH_FILEXFER_ATTR_SIZE);
	mftd_buf_put_u64(b, 2);
	assert_int_equal(peer_status(&w->a, b), 0);
	assert_true(is_published(w, "/f", "01"));
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 2);
}

/* ---- the rest */

static void
fsync_publishes_nothing(void **state)
{
	struct world *w = *state;
	uint64_t h = live(w, "/f", WCT, "0123456789");
	struct mftd_buf *b = peer_new(&w->a, SSH_FXP_EXTENDED, NULL);

	mftd_buf_put_cstring(b, "fsync@openssh.com");
	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, h);
	assert_int_equal(peer_status(&w->a, b), SSH_FX_OK);
	assert_true(is_published(w, "/f", NULL));
	/* journal knows of it, and that is all */
	world_upload(&w->a, "/g", "");
	assert_int_equal(world_records(w, MFTD_RECORD_PART), 1);
	assert_int_equal(world_records(w, MFTD_RECORD_RECEIPT), 1);
}

static void
links_and_directories_on_one(void **state)
{
	struct world *w = *state;
	struct peer *p = &w->b;
	struct mftd_buf *b;
	int i;

	live(w, "/f", WCT, "0123456789");
	world_upload(p, "/g", "g");
	for (i = 0; i < 2; i++) {
		b = peer_new(p, SSH_FXP_EXTENDED, NULL);
		mftd_buf_put_cstring(b, "hardlink@openssh.com");
		mftd_buf_put_cstring(b, "/f");
		mftd_buf_put_cstring(b, "/h");
		assert_int_equal(peer_status(p, b), SSH_FX_FAILURE);
		b = peer_new(p, SSH_FXP_EXTENDED, NULL);
		mftd_buf_put_cstring(b, "hardlink@openssh.com");
		mftd_buf_put_cstring(b, "/g");
		mftd_buf_put_cstring(b, "/f");
		assert_int_equal(peer_status(p, b), SSH_FX_FAILURE);
		assert_int_equal(
		    peer_status(p, req_path(p, SSH_FXP_MKDIR, "/f")),
		    SSH_FX_FAILURE);
		b = peer_new(p, SSH_FXP_SYMLINK, NULL);
		mftd_buf_put_cstring(b, "g");
		mftd_buf_put_cstring(b, "/f");
		assert_int_equal(peer_status(p, b), SSH_FX_FAILURE);
		if (i == 0)
			world_end_a(w);
	}
	assert_int_equal(size_at(p, "/f"), 9);
}

static int
setup_quota(void **state)
{
	return world_setup_quota(state, 20);
}

/* Of 20 bytes: a part counts, what it shadows does not. */
static void
quota_counts_parts(void **state)
{
	struct world *w = *state;
	uint64_t h;

	world_upload(&w->a, "/f", "0123456789");
	h = live(w, "/f", WCT, "0123456789abcdef"); /* in its place */
	assert_int_equal(do_write(&w->a, h, 16, "ghij"), SSH_FX_OK);
	assert_int_equal(do_write(&w->a, h, 20, "k"), SSH_FX_FAILURE);
	world_end_a(w);
	assert_int_equal(size_at(&w->b, "/f"), 19);
	h = do_open(&w->b, "/g", WCT, NULL);
	assert_int_equal(do_write(&w->b, h, 0, "0123456789"), SSH_FX_FAILURE);
	assert_int_equal(do_close(&w->b, h), SSH_FX_FAILURE);
	assert_int_equal(
	    peer_status(&w->b, req_path(&w->b, SSH_FXP_REMOVE, "/f")), 0);
	world_upload(&w->b, "/g", "0123456789abcdefghij");
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(trunc_without_a_part),
		T(trunc_of_a_live_one),
		T(trunc_of_one_live_elsewhere),
		T(trunc_of_a_dormant_one),
		T(append_to_nothing),
		T(append_to_what_is_published),
		T(short_one_over_a_base_is_dropped),
		T(longer_one_over_a_base_is_left),
		T(live_one_is_shared),
		T(live_elsewhere_is_let_go),
		T(live_elsewhere_is_not_let_go),
		T(dormant_one_is_adopted),
		T(what_was_written_out_of_order_is_left),
		T(hole_behind_an_adopted_one_is_refused),
		T(excl_sees_what_the_account_sees),
		T(excl_loses_against_a_name_taken_meanwhile),
		T(append_flag_goes_to_the_end_of_the_view),
		T(append_flag_to_an_adopted_one_goes_by_its_offset),
		T(all_that_reads_sees_the_part),
		T(bytes_behind_a_gap_do_not_count),
		T(part_that_needs_its_base_is_not_seen),
		T(part_older_than_its_directory_is_not_seen),
		T(part_moved_to_a_younger_directory_is_seen),
		T(listing_while_uploads_are_published),
		T(part_is_seen_while_it_moves),
		T(reader_keeps_what_it_opened),
		T(close_publishes_only_what_changed),
		T(close_of_an_adopted_one_without_a_write),
		T(rename_of_a_live_one),
		T(rename_of_what_is_not_finished),
		T(rename_onto_one),
		T(rename_of_a_directory),
		T(remove_takes_both),
		T(rmdir_with_one_inside),
		T(directory_removed_by_others),
		T(attributes_of_a_part_are_kept),
		T(size_of_a_part_and_of_what_is_published),
		T(fsync_publishes_nothing),
		T(links_and_directories_on_one),
		cmocka_unit_test_setup_teardown(
		    quota_counts_parts, setup_quota, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
