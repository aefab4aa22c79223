/* Part of mftd; see LICENSE. */
/*
 * Many requests outstanding, and syncs that last: the linker leads fdatasync
 * here (--wrap), and a test holds those of one file until it lets them go.
 */
#include <errno.h>
#include <pthread.h>
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
#define RWCT (WCT | SSH_FXF_READ)
#define OUTSTANDING 64

/* Syncs of files with that mode wait while they are held, and may fail. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
#define HELD_MODE 0640
static bool held;
static unsigned begun;
static bool fails;

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);

int
__wrap_fdatasync(int fd)
{
	struct stat st;
	bool fail = false;

	pthread_mutex_lock(&lock);
	if (held && fstat(fd, &st) == 0 && (st.st_mode & 0777) == HELD_MODE) {
		begun++;
		pthread_cond_broadcast(&moved);
		while (held)
			pthread_cond_wait(&moved, &lock);
		fail = fails;
		fails = false;
	}
	pthread_mutex_unlock(&lock);
	errno = EIO;
	return fail ? -1 : __real_fdatasync(fd);
}

static void
release(void)
{
	pthread_mutex_lock(&lock);
	held = false;
	begun = 0;
	pthread_cond_broadcast(&moved);
	pthread_mutex_unlock(&lock);
}

/* Until a sync of the held file has begun. */
static void
await_begun(void)
{
	pthread_mutex_lock(&lock);
	while (begun == 0)
		pthread_cond_wait(&moved, &lock);
	pthread_mutex_unlock(&lock);
}

static int
setup(void **state)
{
	struct peer *p = malloc(sizeof(*p));

	peer_open(p, false);
	peer_threads(p);
	peer_start(p);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	release();
	peer_close(*state);
	free(*state);
	return 0;
}

/* Opens an upload whose syncs are held from now on. */
static uint64_t
open_held(struct peer *p, const char *path)
{
	struct answer a = peer_ask(p, req_open(p, path, RWCT, HELD_MODE));
	uint32_t len;
	uint64_t h;

	assert_int_equal(a.type, SSH_FXP_HANDLE);
	assert_int_equal(mftd_buf_get_u32(a.body, &len), 0);
	assert_int_equal(mftd_buf_get_u64(a.body, &h), 0);
	mftd_buf_free(a.body);
	pthread_mutex_lock(&lock);
	held = true;
	begun = 0;
	pthread_mutex_unlock(&lock);
	return h;
}

/* Sends it; the request's id. */
static uint32_t
post(struct peer *p, struct mftd_buf *b)
{
	uint32_t id = p->next_id;

	peer_post(p, b);
	return id;
}

static bool
no_answer(struct peer *p)
{
	return mftd_buf_len(mftd_sftp_output(p->s)) == 0;
}

/* The next answer, which must be that request's; waits for syncs. */
static struct answer
take(struct peer *p, uint32_t id)
{
	struct answer a;

	for (;;) {
		peer_journal(p);
		if (peer_take(p, &a))
			break;
		peer_hear_sync(p);
	}
	assert_int_equal(a.id, id);
	return a;
}

static uint32_t
take_status(struct peer *p, uint32_t id)
{
	struct answer a = take(p, id);

	mftd_buf_free(a.body);
	assert_int_equal(a.type, SSH_FXP_STATUS);
	return a.status;
}

/* All that another file may need is answered meanwhile. */
static void
others_go_on(struct peer *p)
{
	char text[64];
	uint64_t h;

	h = do_open(p, "/other", RWCT, NULL);
	assert_int_equal(do_write(p, h, 0, "more"), SSH_FX_OK);
	assert_int_equal(do_stat(p, SSH_FXP_FSTAT, NULL, h), 4);
	assert_int_equal(do_read(p, h, 0, 64, text, sizeof(text)), SSH_FX_OK);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	file_is(p, "other", "more");
	assert_int_equal(do_stat(p, SSH_FXP_STAT, "/other", 0), 4);
	assert_int_equal(
	    peer_status(p, req_path(p, SSH_FXP_REMOVE, "/other")), SSH_FX_OK);
}

static void
slow_close_holds_up_its_own_name_alone(void **state)
{
	struct peer *p = *state;
	uint64_t h = open_held(p, "/a");
	uint32_t close_id, stat_id, fstat_id;
	struct answer a;
	int i;

	assert_int_equal(do_write(p, h, 0, "slow"), SSH_FX_OK);
	close_id = post(p, req_handle(p, SSH_FXP_CLOSE, h));
	await_begun();
	stat_id = post(p, req_path(p, SSH_FXP_STAT, "/a"));
	fstat_id = post(p, req_handle(p, SSH_FXP_FSTAT, h));
	for (i = 0; i < 3; i++) {
		take_status(p, fstat_id); /* closed: no such handle */
		others_go_on(p);
		fstat_id = post(p, req_handle(p, SSH_FXP_FSTAT, h));
	}
	take_status(p, fstat_id);
	assert_true(no_answer(p));
	assert_false(file_exists(p, "a"));
	release();
	assert_int_equal(take_status(p, close_id), SSH_FX_OK);
	file_is(p, "a", "slow");
	a = take(p, stat_id);
	assert_int_equal(a.type, SSH_FXP_ATTRS);
	mftd_buf_free(a.body);
	assert_true(no_answer(p));
}

static void
slow_fsync_keeps_the_order_of_its_handle(void **state)
{
	struct peer *p = *state;
	uint64_t h = open_held(p, "/a");
	uint32_t ids[4];

	assert_int_equal(do_write(p, h, 0, "0123"), SSH_FX_OK);
	{
		struct mftd_buf *b =
		    req_path(p, SSH_FXP_EXTENDED, "fsync@openssh.com");

		mftd_buf_put_u32(b, 8);
		mftd_buf_put_u64(b, h);
		ids[0] = post(p, b);
	}
	await_begun();
	assert_int_equal(do_stat(p, SSH_FXP_STAT, "/a", 0), 4);
	ids[1] = post(p, req_write(p, h, 4, "45", 2));
	ids[2] = post(p, req_write(p, h, 6, "67", 2));
	ids[3] = post(p, req_handle(p, SSH_FXP_CLOSE, h));
	others_go_on(p);
	assert_true(no_answer(p));
	release();
	assert_int_equal(take_status(p, ids[0]), SSH_FX_OK);
	assert_int_equal(take_status(p, ids[1]), SSH_FX_OK);
	assert_int_equal(take_status(p, ids[2]), SSH_FX_OK);
	assert_int_equal(take_status(p, ids[3]), SSH_FX_OK);
	file_is(p, "a", "01234567");
}

static void
slow_sync_that_fails_fails_the_upload(void **state)
{
	struct peer *p = *state;
	uint64_t h = open_held(p, "/a");
	uint32_t id;
	unsigned asked;

	assert_int_equal(do_write(p, h, 0, "lost"), SSH_FX_OK);
	id = post(p, req_handle(p, SSH_FXP_CLOSE, h));
	await_begun();
	others_go_on(p);
	asked = p->asked;
	fails = true;
	release();
	assert_int_equal(take_status(p, id), SSH_FX_FAILURE);
	assert_int_equal(p->asked, asked);
	assert_false(file_exists(p, "a"));
	assert_int_equal(count_parts(p), 0);
}

/* What WRITE begins to sync by itself holds up nothing until as much again was
 * written; nothing is told as durable before it is. */
static void
writes_go_on_during_a_sync(void **state)
{
	const size_t len = 256 * 1024;
	const unsigned most = 2 * MFTD_SFTP_SYNC_BYTES / len;
	struct peer *p = *state;
	uint8_t *data = calloc(1, len);
	uint64_t h = open_held(p, "/a");
	const struct mftd_msg_part *told = (const void *)p->last_data;
	uint32_t ids[3];
	unsigned i;

	for (i = 0; i < most; i++)
		assert_int_equal(
		    peer_status(p, req_write(p, h, i * len, data, len)),
		    SSH_FX_OK);
	await_begun();
	for (i = 0; i < 3; i++)
		ids[i] = post(p, req_write(p, h, (most + i) * len, data, len));
	assert_true(no_answer(p));
	assert_int_equal(p->asked, 0);
	others_go_on(p);
	assert_true(no_answer(p));
	p->last.type = 0;
	release();
	for (i = 0; i < 3; i++)
		assert_int_equal(take_status(p, ids[i]), SSH_FX_OK);
	assert_int_equal(p->last.type, MFTD_MSG_PART);
	assert_true(told->durable >= MFTD_SFTP_SYNC_BYTES);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	free(data);
}

/* A part that was cut while it was synced is told as nothing but it is. */
static void
cut_during_a_sync(void **state)
{
	const size_t len = 256 * 1024;
	struct peer *p = *state;
	uint8_t *data = calloc(1, len);
	uint64_t h = open_held(p, "/a");
	unsigned i;

	for (i = 0; i < MFTD_SFTP_SYNC_BYTES / len; i++)
		assert_int_equal(
		    peer_status(p, req_write(p, h, i * len, data, len)),
		    SSH_FX_OK);
	free(data);
	await_begun();
	assert_int_equal(peer_status(p, req_setsize(p, h, 10)), SSH_FX_OK);
	release();
	while (mftd_sftp_syncing(p->s))
		peer_hear_sync(p);
	peer_journal(p);
	assert_int_equal(p->asked, 0);
	assert_int_equal(do_close(p, h), SSH_FX_OK);
	assert_int_equal(do_stat(p, SSH_FXP_STAT, "/a", 0), 10);
}

/* The offsets in no order, both kinds and two handles mixed: each is answered
 * once, those of a handle in their order, and the bytes are right. */
static void
sixty_four_outstanding(void **state)
{
	struct peer *p = *state;
	struct mftd_buf *all = mftd_buf_new(1 << 20), *b;
	uint64_t a = do_open(p, "/a", RWCT, NULL);
	uint64_t c = do_open(p, "/b", RWCT, NULL);
	uint32_t first = p->next_id + 1;
	char text[OUTSTANDING + 1] = "", mark;
	struct answer x;
	unsigned i, at;
	size_t took;

	for (i = 0; i < 2 * OUTSTANDING; i++) {
		at = (i / 2 * 37) % OUTSTANDING;
		mark = (char)('!' + at);
		/* what was just written is read back behind it */
		b = i % 2 == 0 ? req_write(p, i % 4 < 2 ? a : c, at, &mark, 1)
			       : req_read(p, i % 4 < 2 ? a : c, at, 1);
		mftd_buf_put_string(all, mftd_buf_data(b), mftd_buf_len(b));
		mftd_buf_free(b);
	}
	/* cut where it likes */
	for (i = 1; mftd_buf_len(all) > 0; i = i % 61 + 1) {
		took = i < mftd_buf_len(all) ? i : mftd_buf_len(all);
		assert_int_equal(peer_feed(p, mftd_buf_data(all), took), took);
		mftd_buf_consume(all, took);
	}
	mftd_buf_free(all);
	for (i = 0; i < 2 * OUTSTANDING; i++) {
		at = (i / 2 * 37) % OUTSTANDING;
		assert_true(peer_take(p, &x));
		assert_int_equal(x.id, first + i);
		if (i % 2 != 0) {
			assert_int_equal(x.type, SSH_FXP_DATA);
			mftd_buf_get_cstring(x.body, text, sizeof(text));
			assert_int_equal(text[0], '!' + at);
		} else {
			assert_int_equal(x.status, SSH_FX_OK);
		}
		mftd_buf_free(x.body);
	}
	assert_true(no_answer(p));
	assert_int_equal(do_close(p, a), SSH_FX_OK);
	assert_int_equal(do_close(p, c), SSH_FX_OK);
}

/* So many wait, not more; then input stops, and goes on in order. */
static void
waiting_is_bounded(void **state)
{
	struct peer *p = *state;
	uint64_t h = open_held(p, "/a"), g = do_open(p, "/b", RWCT, NULL);
	uint32_t id, first, other;
	struct answer x;
	unsigned i;

	assert_int_equal(do_write(p, h, 0, "x"), SSH_FX_OK);
	id = post(p, req_handle(p, SSH_FXP_CLOSE, h));
	await_begun();
	first = p->next_id + 1;
	for (i = 0; i < MFTD_SFTP_WAITING_MAX; i++)
		post(p, req_path(p, SSH_FXP_STAT, "/a"));
	assert_int_equal(mftd_buf_len(p->left), 0);
	assert_int_equal(do_write(p, g, 0, "y"), SSH_FX_OK);
	post(p, req_path(p, SSH_FXP_STAT, "/a"));
	assert_true(mftd_sftp_waiting(p->s));
	other = post(p, req_write(p, g, 1, "z", 1));
	assert_true(mftd_buf_len(p->left) > 0);
	assert_true(no_answer(p));
	release();
	assert_int_equal(take_status(p, id), SSH_FX_OK);
	for (i = 0; i <= MFTD_SFTP_WAITING_MAX; i++) {
		if (i == MFTD_SFTP_WAITING_MAX)
			first++; /* WRITE was answered before */
		x = take(p, first + i);
		assert_int_equal(x.type, SSH_FXP_ATTRS);
		mftd_buf_free(x.body);
	}
	assert_int_equal(take_status(p, other), SSH_FX_OK);
	assert_false(mftd_sftp_waiting(p->s));
	assert_int_equal(do_close(p, g), SSH_FX_OK);
	file_is(p, "b", "yz");
}

/* copy-data waits for its source's sync; a WRITE to its target, behind it, must
 * not pass it. */
static void
second_handle_is_a_claim_too(void **state)
{
	struct peer *p = *state;
	uint64_t h = open_held(p, "/a"), g = do_open(p, "/b", RWCT, NULL);
	struct mftd_buf *b;
	uint32_t ids[3];

	assert_int_equal(do_write(p, h, 0, "copied"), SSH_FX_OK);
	b = req_path(p, SSH_FXP_EXTENDED, "fsync@openssh.com");
	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, h);
	ids[0] = post(p, b);
	await_begun();
	b = req_path(p, SSH_FXP_EXTENDED, "copy-data");
	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, h);
	mftd_buf_put_u64(b, 0);
	mftd_buf_put_u64(b, 0);
	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, g);
	mftd_buf_put_u64(b, 0);
	ids[1] = post(p, b);
	ids[2] = post(p, req_write(p, g, 0, "C", 1));
	assert_true(no_answer(p));
	release();
	assert_int_equal(take_status(p, ids[0]), SSH_FX_OK);
	while (mftd_sftp_working(p->s))
		assert_int_equal(mftd_sftp_continue(p->s), 0);
	assert_int_equal(take_status(p, ids[1]), SSH_FX_OK);
	assert_int_equal(take_status(p, ids[2]), SSH_FX_OK);
	assert_int_equal(do_close(p, g), SSH_FX_OK);
	file_is(p, "b", "Copied");
}

/* More uploads than there are threads end while syncs are due. */
static void
end_in_the_middle(void **state)
{
	struct peer *p = *state;
	uint64_t h[8];
	char name[8];
	unsigned i;

	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "/%u", i);
		h[i] = open_held(p, name);
		assert_int_equal(do_write(p, h[i], 0, "x"), SSH_FX_OK);
	}
	for (i = 0; i < 8; i++)
		post(p, req_handle(p, SSH_FXP_CLOSE, h[i]));
	await_begun();
	assert_true(mftd_sftp_busy(p->s));
	release();
	mftd_sftp_free(p->s); /* waits for what is being done */
	p->s = NULL;
	assert_int_equal(p->asked, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(slow_close_holds_up_its_own_name_alone),
		T(slow_fsync_keeps_the_order_of_its_handle),
		T(slow_sync_that_fails_fails_the_upload),
		T(writes_go_on_during_a_sync),
		T(cut_during_a_sync),
		T(sixty_four_outstanding),
		T(waiting_is_bounded),
		T(second_handle_is_a_claim_too),
		T(end_in_the_middle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
