/* Part of mftd; see LICENSE. */
/*
 * What journal is told to be durable of an upload is what a sync that has ended
 * well found there when it began, and nothing else: the rest is cut off when
 * the upload is gone on with.
 */
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/proto.h"
#include "tests/unit/sftp/held.h"
#include "tests/unit/sftp/peer.h"

#define MIB (1024u * 1024)
#define SYNC MFTD_SFTP_SYNC_BYTES
#define W SSH_FXF_WRITE
#define WCT (SSH_FXF_WRITE | SSH_FXF_CREAT | SSH_FXF_TRUNC)
#define OTHERS 16

static bool
no_answer(struct peer *p)
{
	return mftd_buf_len(mftd_sftp_output(p->s)) == 0;
}

/* A first sync is under way, fsync@openssh.com waits for a second one, and each
 * tells its own: the one of before bytes, then that of all of them. */
static void
each_tells_its_own(struct peer *p, uint64_t h, uint64_t before, uint64_t all)
{
	peer_post(p, held_fsync(p, h));
	assert_int_equal(p->asked, 0);
	held_let(p, 1);
	assert_int_equal(p->asked, 1);
	assert_int_equal(p->last.type, MFTD_MSG_PART);
	assert_int_equal(p->told.durable, before);
	assert_true(no_answer(p));
	held_let(p, 2);
	assert_int_equal(p->asked, 3);
	assert_int_equal(p->told.durable, all);
	assert_int_equal(p->last.type, MFTD_MSG_COMMIT);
	held_answered(p, SSH_FX_OK);
}

static void
what_comes_during_a_sync_is_the_next_ones(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_allow(0);
	held_fill(p, h, 0, SYNC);
	held_await(1);
	held_fill(p, h, SYNC, SYNC + MIB);
	each_tells_its_own(p, h, SYNC, SYNC + MIB);
}

/* Behind the hole there was much already: the start jumps over it all. */
static void
hole_filled_during_a_sync(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_allow(0);
	held_fill(p, h, 0, 4 * MIB);
	held_fill(p, h, 5 * MIB, SYNC + MIB);
	held_await(1);
	held_fill(p, h, 4 * MIB, 5 * MIB);
	each_tells_its_own(p, h, 4 * MIB, SYNC + MIB);
}

/* Which of the two the disk has is not known. */
static void
rewritten_during_a_sync(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_allow(0);
	held_fill(p, h, 0, SYNC);
	held_await(1);
	held_put(p, h, 100, 1);
	held_let(p, 1);
	assert_int_equal(p->asked, 0);
	held_allow(UINT_MAX);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, SYNC);
}

/* The sync of the old place says nothing of the new one's entry. */
static void
moved_during_a_sync(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_allow(0);
	held_fill(p, h, 0, SYNC);
	held_await(1);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/a", "/b", true)), SSH_FX_OK);
	p->asked = 0;
	held_let(p, 1);
	assert_int_equal(p->asked, 0);
	held.entries = 0;
	held_allow(UINT_MAX);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_true(held.entries > 0);
	assert_int_equal(p->told.durable, SYNC);
	assert_string_equal(p->told.part, "n1-1-1.2");
}

/* Under its new id what was durable is told again, not what came since. */
static void
moved_after_a_sync(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_put(p, h, 0, 1000);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	held_put(p, h, 1000, 1000);
	assert_int_equal(
	    peer_status(p, req_rename(p, "/a", "/b", true)), SSH_FX_OK);
	assert_string_equal(p->told.part, "n1-1-1.2");
	assert_int_equal(p->told.durable, 1000);
	held.entries = 0;
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_true(held.entries > 0);
	assert_int_equal(p->told.durable, 2000);
}

/* Only one of two at once would hear of an error of the disk. */
static void
syncs_of_a_part_are_in_their_order(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT), other;
	unsigned i;

	other = do_open(p, "/other", WCT, NULL);
	held_allow(0);
	held_fill(p, h, 0, SYNC);
	held_await(1);
	peer_post(p, held_fsync(p, h));
	for (i = 0; i < OTHERS; i++)
		assert_int_equal(held_do_fsync(p, other), SSH_FX_OK);
	assert_int_equal(held_begun(), 1);
	held_let(p, 1);
	held_let(p, 2);
	held_answered(p, SSH_FX_OK);
}

/* The one after it succeeds, and means nothing; nor is there a last one. */
static void
failed_sync_is_the_last_word(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_allow(0);
	held.failing = 1;
	held_fill(p, h, 0, SYNC);
	held_await(1);
	held_fill(p, h, SYNC, SYNC + MIB);
	peer_post(p, held_fsync(p, h));
	held_let(p, 1);
	held_let(p, 2);
	held_answered(p, SSH_FX_FAILURE);
	held_allow(UINT_MAX);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_FAILURE);
	assert_int_equal(held.begun, 2);
	assert_int_equal(p->asked, 0);
	held_end(p);
	assert_int_equal(p->asked, 1);
}

static void
failed_sync_of_the_entry_tells_nothing(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_put(p, h, 0, 1000);
	held.fail_entry = true;
	assert_int_equal(held_do_fsync(p, h), SSH_FX_FAILURE);
	assert_int_equal(p->asked, 0);
}

static void
last_sync_tells_what_it_found(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_put(p, h, 0, 1000);
	held_put(p, h, 2000, 1000);
	held_end(p);
	assert_int_equal(p->asked, 2);
	assert_int_equal(p->told.durable, 1000);
}

static void
last_sync_that_fails_tells_nothing(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_put(p, h, 0, 1000);
	held.failing = 1;
	held_end(p);
	assert_int_equal(held.begun, 1);
	assert_int_equal(p->asked, 1);
}

static void
last_sync_whose_entry_fails_tells_nothing(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_put(p, h, 0, 1000);
	held.fail_entry = true;
	held_end(p);
	assert_false(held.fail_entry);
	assert_int_equal(p->asked, 1);
}

/* A failed start of write-back may be all that is said of the lost bytes. */
static void
no_last_sync_after_a_failed_write_back(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_fill(p, h, 0, MFTD_SFTP_WRITEBACK_BYTES - HELD_PACKET);
	held.fail_start = true;
	assert_int_equal(
	    peer_status(p,
		req_write(
		    p, h, MFTD_SFTP_WRITEBACK_BYTES - HELD_PACKET, "x", 1)),
	    SSH_FX_OK);
	assert_true(held.fail_start);
	assert_int_equal(
	    peer_status(
		p, req_write(p, h, MFTD_SFTP_WRITEBACK_BYTES - 1, "x", 1)),
	    SSH_FX_FAILURE);
	held_end(p);
	assert_int_equal(p->asked, 1);
}

/* The session ends while a sync is due that was not begun: it has no error, and
 * means nothing.  The last one, which would make it true, fails. */
static void
sync_that_was_not_begun_tells_nothing(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_allow(0);
	held.failing = 2;
	held_fill(p, h, 0, SYNC);
	held_await(1);
	held_fill(p, h, SYNC, SYNC + MIB);
	peer_post(p, held_fsync(p, h));
	held.let_at_wait = true;
	held_end(p);
	assert_int_equal(held.begun, 2);
	assert_int_equal(p->asked, 1);
}

/* Bytes that were told are written over: they are taken back first. */
static void
told_bytes_are_taken_back(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_put(p, h, 0, 1000);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, 1000);
	held_put(p, h, 500, 10);
	assert_int_equal(p->told.durable, 500);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, 1000);
	assert_int_equal(peer_status(p, req_setsize(p, h, 400)), SSH_FX_OK);
	assert_int_equal(p->told.durable, 400);
	/* nobody has written what is there now */
	assert_int_equal(peer_status(p, req_setsize(p, h, 2000)), SSH_FX_OK);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, 400);
}

/* Takes byte after byte back, which journal does not hear, until one cannot be:
 * that one stays.  cut: the file is cut there, else written over. */
static void
take_back_unheard(struct peer *p, bool cut)
{
	uint64_t h = held_open(p, "/a", WCT), at = HELD_PACKET;
	bool refused = false;
	struct answer a;
	struct stat st;
	char byte;

	held_fill(p, h, 0, HELD_PACKET);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, HELD_PACKET);
	while (!refused && --at > 0) {
		peer_post(p,
		    cut ? req_setsize(p, h, at) : req_write(p, h, at, "x", 1));
		assert_true(peer_take(p, &a));
		refused = a.status != SSH_FX_OK;
		mftd_buf_free(a.body);
	}
	assert_true(refused);
	assert_int_equal(fstat(held.synced, &st), 0);
	assert_int_equal(st.st_size, cut ? at + 1 : HELD_PACKET);
	assert_int_equal(pread(held.synced, &byte, 1, (off_t)at), 1);
	assert_int_equal(byte, 0);
	peer_journal(p);
	assert_int_equal(p->told.durable, at + 1);
}

static void
bytes_that_cannot_be_taken_back_stay(void **state)
{
	take_back_unheard(*state, false);
}

static void
size_that_cannot_be_taken_back_stays(void **state)
{
	take_back_unheard(*state, true);
}

/* A full queue may have room again for the COMMIT that follows: of what journal
 * was not told fsync says no, and the upload goes on. */
static void
fsync_that_is_not_told_fails(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_put(p, h, 0, 1000);
	held.deaf = true;
	assert_int_equal(held_do_fsync(p, h), SSH_FX_FAILURE);
	assert_int_equal(p->asked, 0);
	held.deaf = false;
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, 1000);
	assert_int_equal(p->asked, 2);
}

/* What was written ahead of a gap and cut off does not come back with what
 * closes the gap. */
static void
what_was_ahead_is_cut(void **state)
{
	struct peer *p = *state;
	uint64_t h = held_open(p, "/a", WCT);

	held_put(p, h, 0, 1000);
	held_put(p, h, 2000, 1000);
	assert_int_equal(peer_status(p, req_setsize(p, h, 1500)), SSH_FX_OK);
	assert_int_equal(peer_status(p, req_setsize(p, h, 4000)), SSH_FX_OK);
	held_put(p, h, 1000, 1000);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, 2000);
}

/* Over a published file: how much of it shows is said with each. */
static void
base_is_told_along(void **state)
{
	struct peer *p = *state;
	uint64_t h;

	file_make(p, "a", "0123456789");
	h = held_open(p, "/a", W);
	held_put(p, h, 0, 3);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, 10);
	assert_int_equal(p->told.base, 10);
	assert_int_equal(peer_status(p, req_setsize(p, h, 4)), SSH_FX_OK);
	assert_int_equal(p->told.durable, 4);
	held_put(p, h, 4, 2);
	assert_int_equal(held_do_fsync(p, h), SSH_FX_OK);
	assert_int_equal(p->told.durable, 6);
	assert_int_equal(p->told.base, 4);
}

/* The copy of a base goes on while what was copied of it is synced. */
static void
base_is_told_as_far_as_it_was_copied(void **state)
{
	struct peer *p = *state;
	uint64_t h;
	int fd;

	file_make(p, "a", "");
	fd = openat(p->root, "a", O_WRONLY);
	assert_int_equal(ftruncate(fd, SYNC + 4 * MIB), 0);
	assert_int_equal(fchmod(fd, HELD_MODE), 0); /* as its part's */
	close(fd);
	h = held_open(p, "/a", W);
	held_allow(0);
	peer_post(p, req_write(p, h, SYNC + 4 * MIB, "x", 1));
	while (mftd_sftp_working(p->s))
		assert_int_equal(mftd_sftp_continue(p->s), 0);
	held_answered(p, SSH_FX_OK);
	each_tells_its_own(p, h, SYNC, SYNC + 4 * MIB + 1);
}

/* A base that somebody cuts while it is copied: the hole is nobody's bytes. */
static void
base_that_is_cut_is_not_told(void **state)
{
	struct peer *p = *state;
	uint64_t h;
	int fd;

	file_make(p, "a", "");
	fd = openat(p->root, "a", O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SYNC + 4 * MIB), 0);
	h = held_open(p, "/a", W);
	peer_post(p, req_write(p, h, SYNC + 4 * MIB, "x", 1));
	assert_true(no_answer(p));
	assert_int_equal(ftruncate(fd, SYNC / 2), 0);
	close(fd);
	while (mftd_sftp_working(p->s))
		assert_int_equal(mftd_sftp_continue(p->s), 0);
	held_answered(p, SSH_FX_FAILURE);
	held_end(p);
	assert_true(p->told.durable <= SYNC / 2);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, held_setup, held_teardown)
	const struct CMUnitTest tests[] = {
		T(what_comes_during_a_sync_is_the_next_ones),
		T(hole_filled_during_a_sync),
		T(rewritten_during_a_sync),
		T(moved_during_a_sync),
		T(moved_after_a_sync),
		T(syncs_of_a_part_are_in_their_order),
		T(failed_sync_is_the_last_word),
		T(failed_sync_of_the_entry_tells_nothing),
		T(last_sync_tells_what_it_found),
		T(last_sync_that_fails_tells_nothing),
		T(last_sync_whose_entry_fails_tells_nothing),
		T(no_last_sync_after_a_failed_write_back),
		T(sync_that_was_not_begun_tells_nothing),
		T(told_bytes_are_taken_back),
		T(bytes_that_cannot_be_taken_back_stay),
		T(size_that_cannot_be_taken_back_stays),
		T(fsync_that_is_not_told_fails),
		T(what_was_ahead_is_cut),
		T(base_is_told_along),
		T(base_is_told_as_far_as_it_was_copied),
		T(base_that_is_cut_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
