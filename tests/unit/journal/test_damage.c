/* Part of mftd; see LICENSE. */
#include "mftd/journal/damage.h"

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
#include "mftd/base/fdio.h"
#include "mftd/journal/record.h"
#include "mftd/journal/stream.h"
#include "tests/unit/journal/tree.h"

#define LIFE "n1-0123456789abcdef"
#define STREAM LIFE "-j1"
#define DIR_OF "n1/" STREAM
#define SEGMENT 4096
#define COMMITS 3 /* behind that of the OPEN record */
#define EACH 5 /* records of one */
#define RECORDS (1 + COMMITS * EACH)

static int
open_dir(struct tree *t)
{
	int fd = openat(t->fd, DIR_OF, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	return fd;
}

static void
append(struct mftd_stream *s, const void *payload, size_t len)
{
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);

	mftd_buf_put(b, payload, len);
	assert_int_equal(mftd_stream_append(s, MFTD_RECORD_AUDIT, b, NULL), 0);
	mftd_buf_free(b);
}

static struct mftd_stream *
begin(struct tree *t)
{
	struct mftd_stream *s = NULL;

	tree_make(t);
	assert_int_equal(mftd_stream_create(t->fd, "n1", LIFE, "main", 0,
			     tree_signer(), SEGMENT, &s),
	    0);
	return s;
}

/* A stream of some commits. */
static struct mftd_stream *
write_commits(struct tree *t)
{
	struct mftd_stream *s = begin(t);
	int i, k;

	for (i = 0; i < COMMITS; i++) {
		for (k = 0; k < EACH; k++)
			append(s, "something", 9);
		assert_int_equal(mftd_stream_commit(s), 0);
	}
	return s;
}

/* As recovery does: reads it as far as that goes and looks.  *seq, if it is
 * asked for: how far the stream went. */
static int
look(struct tree *t, uint64_t *seq)
{
	struct mftd_reader *reader;
	struct mftd_damage d;
	struct mftd_entry e;
	int r, dir = open_dir(t);

	assert_int_equal(mftd_reader_open(dir, STREAM, &reader), 0);
	while (mftd_reader_next(reader, &e) == 1)
		;
	r = mftd_damage_look(dir, STREAM, reader, &d);
	if (seq != NULL)
		*seq = d.seq;
	mftd_reader_close(reader);
	close(dir);
	return r;
}

/* Where the record seq of the first segment begins; its length in *bytes. */
static off_t
place_of(struct tree *t, uint64_t seq, size_t *bytes)
{
	struct mftd_reader *reader;
	struct mftd_entry e;
	uint64_t segment, offset;
	int dir = open_dir(t);

	assert_int_equal(mftd_reader_open(dir, STREAM, &reader), 0);
	do {
		assert_int_equal(mftd_reader_next(reader, &e), 1);
	} while (e.seq < seq);
	mftd_reader_where(reader, &segment, &offset);
	assert_int_equal(segment, 1);
	*bytes = e.bytes;
	mftd_reader_close(reader);
	close(dir);
	return (off_t)(offset - e.bytes);
}

static void
overwrite(struct tree *t, const void *data, size_t len, off_t at)
{
	int fd = openat(t->fd, DIR_OF "/00000001.seg", O_WRONLY);

	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

/* Whatever it was, it is another one. */
static void
flip(struct tree *t, off_t at)
{
	int fd = openat(t->fd, DIR_OF "/00000001.seg", O_RDWR);
	uint8_t byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0xa5;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* Records first to last are not there, as pages that were never written. */
static void
blank(struct tree *t, uint64_t first, uint64_t last)
{
	static const uint8_t nothing[SEGMENT];
	size_t bytes;
	off_t end = place_of(t, last, &bytes) + (off_t)bytes;
	off_t at = place_of(t, first, &bytes);

	overwrite(t, nothing, (size_t)(end - at), at);
}

/* Of the last commit any part may be missing: it was never acknowledged. */
static void
torn_write_is_no_damage(void **state)
{
	uint64_t first, last, seq;
	struct tree t;

	(void)state;
	for (first = RECORDS - EACH + 1; first <= RECORDS; first++)
		for (last = first; last <= RECORDS; last++) {
			mftd_stream_close(write_commits(&t));
			blank(&t, first, last);
			assert_int_equal(look(&t, &seq), 0);
			tree_remove(&t);
		}
}

/* What a later commit stands behind had been durable. */
static void
earlier_commit_is_damage(void **state)
{
	uint64_t first, last, seq;
	struct tree t;

	(void)state;
	for (first = 2; first <= RECORDS - EACH; first++)
		for (last = first; last < RECORDS; last++) {
			mftd_stream_close(write_commits(&t));
			blank(&t, first, last);
			assert_int_equal(look(&t, &seq), -MFTD_E_CORRUPT);
			assert_int_equal(seq, RECORDS - EACH);
			tree_remove(&t);
		}
}

/* One byte of a record, whichever. */
static void
flipped_byte_is_damage(void **state)
{
	uint64_t seq;
	struct tree t;
	size_t i, bytes;
	off_t at;

	(void)state;
	mftd_stream_close(write_commits(&t));
	at = place_of(&t, 3, &bytes);
	tree_remove(&t);
	for (i = 0; i < bytes; i++) {
		mftd_stream_close(write_commits(&t));
		flip(&t, at + (off_t)i);
		assert_int_equal(look(&t, &seq), -MFTD_E_CORRUPT);
		assert_int_equal(seq, RECORDS - EACH);
		tree_remove(&t);
	}
}

/* A segment is begun when all before it is durable, and its header says so,
 * also when nothing stands in it yet. */
static void
later_segment_tells(void **state)
{
	struct mftd_stream *s;
	uint64_t seq;
	struct tree t;

	(void)state;
	s = write_commits(&t);
	assert_int_equal(
	    mftd_stream_room(s, SEGMENT - MFTD_SEGMENT_HEADER_BYTES), 0);
	assert_int_equal(mftd_stream_segment(s), 2);
	mftd_stream_close(s);
	assert_int_equal(look(&t, &seq), 0);
	blank(&t, RECORDS, RECORDS);
	assert_int_equal(look(&t, &seq), -MFTD_E_CORRUPT);
	assert_int_equal(seq, RECORDS);
	tree_remove(&t);
}

/* So does a segment behind one that is gone. */
static void
missing_segment_is_damage(void **state)
{
	struct mftd_stream *s;
	uint64_t seq;
	struct tree t;
	int i;

	(void)state;
	s = write_commits(&t);
	for (i = 0; i < 2; i++) {
		assert_int_equal(
		    mftd_stream_room(s, SEGMENT - MFTD_SEGMENT_HEADER_BYTES),
		    0);
		append(s, "more", 4);
		assert_int_equal(mftd_stream_commit(s), 0);
	}
	assert_int_equal(mftd_stream_segment(s), 3);
	mftd_stream_close(s);
	assert_int_equal(unlinkat(t.fd, DIR_OF "/00000002.seg", 0), 0);
	assert_int_equal(look(&t, &seq), -MFTD_E_CORRUPT);
	assert_int_equal(seq, RECORDS + 1);
	tree_remove(&t);
}

/* Of the last commit only the signed head can tell. */
static void
signed_head_tells(void **state)
{
	struct mftd_stream *s;
	uint64_t seq;
	struct tree t;

	(void)state;
	s = write_commits(&t);
	assert_int_equal(mftd_stream_sign(s), 0);
	mftd_stream_close(s);
	assert_int_equal(look(&t, &seq), 0);
	blank(&t, RECORDS, RECORDS);
	assert_int_equal(look(&t, &seq), -MFTD_E_CORRUPT);
	assert_int_equal(seq, RECORDS);
	tree_remove(&t);
}

/* A stream that was ended has nothing behind its end. */
static void
goes_on_behind_its_end(void **state)
{
	struct mftd_signed_head last = { .head = { .stream = STREAM } };
	struct mftd_reader *reader;
	uint64_t seq;
	struct tree t;
	int dir;

	(void)state;
	mftd_stream_close(write_commits(&t));
	dir = open_dir(&t);
	assert_int_equal(mftd_reader_open(dir, STREAM, &reader), 0);
	assert_int_equal(mftd_reader_seek(reader, 3), 0);
	last.head.seq = 3;
	memcpy(
	    last.head.hash, mftd_reader_hash(reader), sizeof(last.head.hash));
	mftd_reader_close(reader);
	assert_int_equal(
	    mftd_head_sign(tree_signer(), MFTD_HEAD_LAST, &last), 0);
	assert_int_equal(mftd_head_write(dir, MFTD_HEAD_LAST, &last), 0);
	assert_int_equal(look(&t, &seq), -MFTD_E_CORRUPT);
	close(dir);
	tree_remove(&t);
}

/* What a client makes look like a record in its payload is none: it cannot know
 * the header that is in the sum. */
static void
payload_is_no_record(void **state)
{
	struct mftd_entry e = { .seq = 9, .type = MFTD_RECORD_AUDIT };
	struct mftd_buf *fake = mftd_buf_new(SEGMENT);
	struct mftd_stream *s;
	struct tree t;
	size_t bytes;
	off_t at;

	(void)state;
	assert_int_equal(mftd_entry_put(fake, 0, &e), 0);
	s = begin(&t);
	append(s, mftd_buf_data(fake), mftd_buf_len(fake));
	assert_int_equal(mftd_stream_commit(s), 0);
	mftd_stream_close(s);
	at = place_of(&t, 2, &bytes);
	flip(&t, at + 4);
	assert_int_equal(look(&t, NULL), 0);
	mftd_buf_free(fake);
	tree_remove(&t);
}

/* Of who died when a segment was begun there may be half a header, and nothing
 * behind it; else the header was durable. */
static void
header_without_records(void **state)
{
	uint8_t wrong = 0xa5;
	struct mftd_stream *s;
	struct tree t;
	int i, fd;

	(void)state;
	for (i = 0; i < 2; i++) {
		s = write_commits(&t);
		assert_int_equal(
		    mftd_stream_room(s, SEGMENT - MFTD_SEGMENT_HEADER_BYTES),
		    0);
		if (i == 1) {
			append(s, "more", 4);
			assert_int_equal(mftd_stream_commit(s), 0);
		}
		mftd_stream_close(s);
		fd = openat(t.fd, DIR_OF "/00000002.seg", O_WRONLY);
		assert_int_equal(pwrite(fd, &wrong, 1, 3), 1);
		close(fd);
		assert_int_equal(look(&t, NULL), i == 0 ? 0 : -MFTD_E_CORRUPT);
		tree_remove(&t);
	}
}

/* It was there before the first segment. */
static void
head_is_missing(void **state)
{
	struct tree t;

	(void)state;
	mftd_stream_close(write_commits(&t));
	assert_int_equal(unlinkat(t.fd, DIR_OF "/head", 0), 0);
	assert_int_equal(look(&t, NULL), -MFTD_E_CORRUPT);
	tree_write(&t, DIR_OF "/head", "newest\n");
	assert_int_equal(look(&t, NULL), -MFTD_E_CORRUPT);
	tree_remove(&t);
	/* who died right at the start has neither */
	tree_make(&t);
	assert_int_equal(mkdirat(t.fd, "n1", 0700), 0);
	assert_int_equal(mkdirat(t.fd, DIR_OF, 0700), 0);
	assert_int_equal(look(&t, NULL), 0);
	tree_remove(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(torn_write_is_no_damage),
		cmocka_unit_test(earlier_commit_is_damage),
		cmocka_unit_test(flipped_byte_is_damage),
		cmocka_unit_test(later_segment_tells),
		cmocka_unit_test(missing_segment_is_damage),
		cmocka_unit_test(signed_head_tells),
		cmocka_unit_test(goes_on_behind_its_end),
		cmocka_unit_test(payload_is_no_record),
		cmocka_unit_test(header_without_records),
		cmocka_unit_test(head_is_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
