/* Part of mftd; see LICENSE. */
/*
 * Speaks nonsense to the SFTP server: sessions of requests that are partly
 * right, partly mutated, cut at random, with a journal that refuses, delays and
 * goes away.  What must hold: no crash (run it with --enable-sanitizers),
 * answers that can be parsed and are no more than requests, bounded output, no
 * descriptor left, and nothing outside the account's directory touched.
 *
 * usage: fuzz_sftp [sessions [seed]]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/peer.h"

#define SESSIONS 200
#define REQUESTS 400
#define HANDLES 24
#define MANY 1000000

struct fuzz {
	struct peer peer;
	struct mftd_policy policy;
	unsigned long sessions;
	uint64_t seed, random;
	uint64_t handles[HANDLES]; /* that were given out */
	unsigned n_handles;
	unsigned long asked, answered;
};

static uint64_t
next(struct fuzz *f)
{
	/* xorshift64*: the same on every machine */
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return f->random * 2685821657736338717ULL;
}

static uint32_t
below(struct fuzz *f, uint32_t n)
{
	return (uint32_t)((next(f) >> 32) % n);
}

static void
put_path(struct fuzz *f, struct mftd_buf *b)
{
	static const char *const paths[] = { "a", "b", "/a", "d", "d/a", "d/b",
		"d/e", "d/e/f", "e", "e/a", "link", "up", "up/x", "up/secret",
		"abs/passwd", "dir", "dir/a", "../secret", "/..", "/", ".", "",
		".mft", "/.mft/parts", "d/../.mft", "a/b", "//d//.//a/", "fifo",
		"loop", "..." };
	char noise[5000];
	size_t i, len;

	if (below(f, 20) != 0) {
		i = below(f, sizeof(paths) / sizeof(paths[0]));
		mftd_buf_put_cstring(b, paths[i]);
		return;
	}
	len = below(f, 4) != 0 ? below(f, 300) : below(f, sizeof(noise));
	for (i = 0; i < len; i++)
		noise[i] = (char)next(f);
	mftd_buf_put_string(b, noise, len);
}

static uint64_t
some_number(struct fuzz *f)
{
	static const uint64_t edges[] = { 0, 1, 4096, INT32_MAX, UINT32_MAX,
		INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX,
		UINT64_MAX - 1 };

	if (below(f, 16) == 0)
		return edges[below(f, sizeof(edges) / sizeof(edges[0]))];
	return below(f, 1 << (1 + below(f, 20)));
}

static void
put_handle(struct fuzz *f, struct mftd_buf *b)
{
	uint64_t h = next(f);

	if (f->n_handles > 0 && below(f, 16) != 0)
		h = f->handles[below(f, f->n_handles)];
	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, h);
}

static void
put_attrs(struct fuzz *f, struct mftd_buf *b)
{
	uint32_t flags = below(f, 2) != 0 ? 0 : (uint32_t)next(f) & 0xd;
	uint32_t mode = (uint32_t)next(f);

	if (below(f, 32) == 0)
		flags = (uint32_t)next(f);
	mftd_buf_put_u32(b, flags);
	if ((flags & SSH_FILEXFER_ATTR_SIZE) != 0)
		mftd_buf_put_u64(b, some_number(f));
	if ((flags & SSH_FILEXFER_ATTR_UIDGID) != 0)
		mftd_buf_put_u64(b, 0);
	if ((flags & SSH_FILEXFER_ATTR_PERMISSIONS) != 0)
		mftd_buf_put_u32(b, mode);
	if ((flags & SSH_FILEXFER_ATTR_ACMODTIME) != 0)
		mftd_buf_put_u64(b, next(f));
}

static void
put_check(struct fuzz *f, struct mftd_buf *b)
{
	mftd_buf_put_cstring(b, below(f, 8) != 0 ? "md5,sha256" : "md5");
	mftd_buf_put_u64(b, some_number(f));
	mftd_buf_put_u64(b, some_number(f));
	mftd_buf_put_u32(b, below(f, 2) != 0 ? 0 : (uint32_t)some_number(f));
}

static void
put_extended(struct fuzz *f, struct mftd_buf *b)
{
	switch (below(f, 15)) {
	case 0:
		mftd_buf_put_cstring(b, "posix-rename@openssh.com");
		put_path(f, b);
		put_path(f, b);
		break;
	case 1:
		mftd_buf_put_cstring(b, "fsync@openssh.com");
		put_handle(f, b);
		break;
	case 2:
		mftd_buf_put_cstring(b, "statvfs@openssh.com");
		put_path(f, b);
		break;
	case 3:
		mftd_buf_put_cstring(b, "fstatvfs@openssh.com");
		put_handle(f, b);
		break;
	case 4:
		mftd_buf_put_cstring(b, "limits@openssh.com");
		break;
	case 5:
		mftd_buf_put_cstring(b, "hardlink@openssh.com");
		put_path(f, b);
		put_path(f, b);
		break;
	case 6:
		mftd_buf_put_cstring(b, "lsetstat@openssh.com");
		put_path(f, b);
		put_attrs(f, b);
		break;
	case 7:
		mftd_buf_put_cstring(b, "expand-path@openssh.com");
		put_path(f, b);
		break;
	case 8:
		mftd_buf_put_cstring(b, "home-directory");
		mftd_buf_put_cstring(b, below(f, 2) != 0 ? "" : "bob");
		break;
	case 9:
		mftd_buf_put_cstring(b, "users-groups-by-id@openssh.com");
		put_path(f, b);
		put_path(f, b);
		break;
	case 10:
	case 11:
		mftd_buf_put_cstring(b, "copy-data");
		put_handle(f, b);
		mftd_buf_put_u64(b, some_number(f));
		mftd_buf_put_u64(b, some_number(f));
		put_handle(f, b);
		mftd_buf_put_u64(b, some_number(f));
		break;
	case 12:
		mftd_buf_put_cstring(b, "check-file-handle");
		put_handle(f, b);
		put_check(f, b);
		break;
	case 13:
		mftd_buf_put_cstring(b, "check-file-name");
		put_path(f, b);
		put_check(f, b);
		break;
	default:
		put_path(f, b);
	}
}

/* The right arguments for that type of request, with wild values. */
static void
put_args(struct fuzz *f, struct mftd_buf *b, uint8_t type)
{
	static const uint8_t data[70000];

	switch (type) {
	case SSH_FXP_OPEN:
		put_path(f, b);
		mftd_buf_put_u32(b,
		    below(f, 16) != 0 ? (uint32_t)next(f) & SSH_FXF_ALL
				      : (uint32_t)next(f));
		put_attrs(f, b);
		break;
	case SSH_FXP_CLOSE:
	case SSH_FXP_FSTAT:
	case SSH_FXP_READDIR:
		put_handle(f, b);
		break;
	case SSH_FXP_READ:
		put_handle(f, b);
		mftd_buf_put_u64(b, some_number(f));
		mftd_buf_put_u32(b, (uint32_t)some_number(f));
		break;
	case SSH_FXP_WRITE:
		put_handle(f, b);
		mftd_buf_put_u64(b, some_number(f));
		mftd_buf_put_string(b, data, below(f, 1 << (1 + below(f, 16))));
		break;
	case SSH_FXP_FSETSTAT:
		put_handle(f, b);
		put_attrs(f, b);
		break;
	case SSH_FXP_SETSTAT:
	case SSH_FXP_MKDIR:
		put_path(f, b);
		put_attrs(f, b);
		break;
	case SSH_FXP_RENAME:
	case SSH_FXP_SYMLINK:
		put_path(f, b);
		put_path(f, b);
		break;
	case SSH_FXP_EXTENDED:
		put_extended(f, b);
		break;
	default:
		put_path(f, b);
	}
}

static void
mutate(struct fuzz *f, uint8_t *data, size_t len)
{
	unsigned n = 1 + below(f, 4);

	while (len > 0 && n-- > 0)
		data[below(f, (uint32_t)len)] ^= (uint8_t)next(f);
}

/* One request's bytes, with the length field. */
static struct mftd_buf *
request(struct fuzz *f)
{
	uint8_t type = (uint8_t)(SSH_FXP_OPEN + below(f, 18));
	struct mftd_buf *body, *b = mftd_buf_new(1 << 20);
	static const uint8_t more[64];

	if (below(f, 8) == 0)
		type = SSH_FXP_EXTENDED;
	if (below(f, 64) == 0)
		type = (uint8_t)next(f);
	if (below(f, 3) == 0) /* or uploads would be rare */
		type = below(f, 2) != 0 ? SSH_FXP_OPEN : SSH_FXP_WRITE;
	body = mftd_buf_new(1 << 20);
	mftd_buf_put_u8(body, type);
	mftd_buf_put_u32(body, (uint32_t)f->asked);
	put_args(f, body, type);
	if (below(f, 40) == 0)
		mftd_buf_trim(body, below(f, (uint32_t)mftd_buf_len(body)));
	if (below(f, 40) == 0)
		mftd_buf_put(body, more, below(f, sizeof(more)));
	mftd_buf_put_string(b, mftd_buf_data(body), mftd_buf_len(body));
	mftd_buf_free(body);
	if (below(f, 30) == 0) /* sparing the length, or all ends at once */
		mutate(f, (uint8_t *)(uintptr_t)mftd_buf_data(b) + 4,
		    mftd_buf_len(b) - 4);
	if (below(f, 2000) == 0) {
		mutate(f, (uint8_t *)(uintptr_t)mftd_buf_data(b), 4);
		f->asked += MANY; /* it may fall into several */
	}
	return b;
}

static void
take_answers(struct fuzz *f, unsigned most)
{
	struct answer a;
	uint32_t len;
	uint64_t h;

	while (most-- > 0 && peer_take(&f->peer, &a)) {
		f->answered++;
		if (a.type == SSH_FXP_HANDLE) {
			mftd_buf_get_u32(a.body, &len);
			assert_int_equal(mftd_buf_get_u64(a.body, &h), 0);
			f->handles[f->n_handles < HANDLES ? f->n_handles++
							  : below(f, HANDLES)] =
			    h;
		} else {
			assert_true((a.type >= SSH_FXP_STATUS &&
					a.type <= SSH_FXP_ATTRS) ||
			    a.type == SSH_FXP_EXTENDED_REPLY);
		}
		mftd_buf_free(a.body);
	}
	assert_true(f->answered <= f->asked);
}

static int
some_error(struct fuzz *f)
{
	static const int errors[] = { 0, -ENOENT, -EIO, -ENOSPC, -EEXIST,
		-MFTD_E_SUPERSEDED, -MFTD_E_NO_LEASE };

	return errors[below(f, sizeof(errors) / sizeof(errors[0]))];
}

/* Syncs in threads end when they like: until none is under way, so that a seed
 * means the same each time. */
static void
settle_syncs(struct fuzz *f)
{
	struct peer *r = &f->peer;

	while (r->syncer != NULL && r->in_error == 0 && mftd_sftp_syncing(r->s))
		peer_hear_sync(r);
}

/* Journal's turn: it works, refuses, or keeps it for later. */
static void
journal(struct fuzz *f)
{
	struct peer *r = &f->peer;

	if (r->in_error != 0)
		return;
	if (mftd_sftp_continue(r->s) < 0) { /* a slice of what is long */
		r->in_error = -MFTD_E_PROTOCOL;
		return;
	}
	if (below(f, 2) != 0)
		settle_syncs(f);
	f->policy.symlinks = below(f, 2);
	r->err = below(f, 10) == 0 ? some_error(f) : 0;
	r->hold = below(f, 6) == 0 && r->n_refs == 0;
	peer_journal(r);
	while (r->n_refs > 0 && below(f, 3) == 0) {
		peer_answer_held(r, r->n_refs - 1, some_error(f));
		r->n_refs--;
	}
}

/* Feeds the bytes in pieces. */
static void
feed(struct fuzz *f, struct mftd_buf *b)
{
	struct peer *r = &f->peer;
	size_t n, took;
	int stuck = 0;

	while (mftd_buf_len(b) > 0 && r->in_error == 0) {
		n = mftd_buf_len(b);
		if (below(f, 3) == 0)
			n = 1 + below(f, (uint32_t)n);
		took = peer_feed(r, mftd_buf_data(b), n);
		mftd_buf_consume(b, took);
		assert_true(mftd_buf_len(mftd_sftp_output(r->s)) <=
		    MFTD_SFTP_OUTPUT_BYTES + MFTD_SFTP_PACKET_BYTES);
		if (took == n)
			continue;
		/* whatever it waits for: an answer of journal, or the client */
		take_answers(f, UINT32_MAX);
		while (mftd_sftp_working(r->s) && r->in_error == 0)
			if (mftd_sftp_continue(r->s) < 0)
				r->in_error = -MFTD_E_PROTOCOL;
		take_answers(f, UINT32_MAX);
		r->hold = false;
		settle_syncs(f);
		peer_journal(r);
		while (r->n_refs > 0 && r->in_error == 0)
			peer_answer_held(r, --r->n_refs, 0);
		assert_true(++stuck < 1000);
	}
}

/* Nothing but what was put there lies outside the account's directory. */
static void
check_outside(struct peer *r)
{
	assert_int_equal(tree_count(&r->volume, "."), 3); /* .mft home secret */
	assert_true(tree_holds(&r->volume, "secret", "secret"));
}

static int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void
session(struct fuzz *f)
{
	struct peer *r = &f->peer;
	struct mftd_buf *b;
	int i;

	peer_open_policy(r, &f->policy);
	if (below(f, 2) == 0)
		peer_threads(r);
	f->n_handles = 0;
	f->asked = f->answered = 0;
	file_make(r, "../secret", "secret");
	assert_int_equal(symlinkat("../secret", r->root, "link"), 0);
	assert_int_equal(symlinkat("..", r->root, "up"), 0);
	assert_int_equal(symlinkat("/etc", r->root, "abs"), 0);
	assert_int_equal(symlinkat("d", r->root, "dir"), 0);
	assert_int_equal(symlinkat("loop", r->root, "loop"), 0);
	assert_int_equal(mkfifoat(r->root, "fifo", 0600), 0);
	peer_start(r);
	for (i = 0; i < REQUESTS && r->in_error == 0; i++) {
		b = request(f);
		f->asked++;
		feed(f, b);
		mftd_buf_free(b);
		journal(f);
		if (below(f, 2) == 0)
			take_answers(f, below(f, 8));
		if (below(f, 3000) == 0)
			mftd_lease_renew(r->lease, 0);
	}
	take_answers(f, UINT32_MAX);
	check_outside(r);
	peer_close(r);
	r->s = NULL;
}

static void
sessions_of_nonsense(void **state)
{
	struct fuzz *f = *state;
	unsigned long i, asked = 0;
	int fds = count_fds();

	for (i = 0; i < f->sessions; i++) {
		/* what repeats one session alone: fuzz_sftp 1 <its seed> */
		printf("seed %llu\n", (unsigned long long)(f->seed + i));
		fflush(stdout);
		f->random = (f->seed + i) * 0x9e3779b97f4a7c15ULL + 1;
		session(f);
		asked += f->asked % MANY;
		assert_int_equal(count_fds(), fds);
	}
	printf("%lu sessions, %lu requests\n", i, asked);
}

/* Also after a failure in the middle of a session. */
static int
teardown(void **state)
{
	struct fuzz *f = *state;

	if (f->peer.s != NULL)
		peer_close(&f->peer);
	return 0;
}

int
main(int argc, char **argv)
{
	struct fuzz *f = calloc(1, sizeof(*f));
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate_setup_teardown(
		    sessions_of_nonsense, NULL, teardown, f),
	};
	int r;

	if (f == NULL)
		return 1;
	f->sessions = argc > 1 ? strtoul(argv[1], NULL, 0) : SESSIONS;
	f->seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;
	mftd_log_open("stderr", "error");
	r = cmocka_run_group_tests(tests, NULL, NULL);
	free(f);
	return r;
}
