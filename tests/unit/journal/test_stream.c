/* Part of mftd; see LICENSE. */
#include "mftd/journal/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/record.h"
#include "tests/unit/journal/tree.h"

#define LIFE "n1-0123456789abcdef"
#define STREAM LIFE "-j1"
#define DIR_OF "n1/" STREAM
#define SEGMENT 4096

static struct mftd_stream *
create(struct tree *t)
{
	struct mftd_stream *s = NULL;

	assert_int_equal(mftd_stream_create(t->fd, "n1", LIFE, "main", 0,
			     tree_signer(), SEGMENT, &s),
	    0);
	return s;
}

/* The payload of record n: of varying length. */
static size_t
text_of(uint64_t n, char out[128])
{
	return (size_t)snprintf(out, 128, "%llu:%.*s", (unsigned long long)n,
	    (int)(n * 7 % 64),
	    "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijkl");
}

static int
append(struct mftd_stream *s)
{
	struct mftd_buf *b = mftd_buf_new(256);
	char text[128];
	size_t len = text_of(mftd_stream_next(s), text);
	int r = mftd_stream_room(s, 256);

	if (r == 0) {
		mftd_buf_put(b, text, len);
		r = mftd_stream_append(s, MFTD_RECORD_AUDIT, b, NULL);
	}
	mftd_buf_free(b);
	return r;
}

static void
write_records(struct tree *t, int n)
{
	struct mftd_stream *s = create(t);

	while (n-- > 0)
		assert_int_equal(append(s), 0);
	assert_int_equal(mftd_stream_commit(s), 0);
	mftd_stream_close(s);
}

static struct mftd_reader *
reader(struct tree *t)
{
	struct mftd_reader *r;
	int fd = openat(t->fd, DIR_OF, O_RDONLY | O_DIRECTORY);

	assert_true(fd >= 0);
	assert_int_equal(mftd_reader_open(fd, STREAM, &r), 0);
	close(fd);
	return r;
}

/* Reads on; every record must be the one that was written.  *end: how it
 * ended.  Returns the last sequence. */
static uint64_t
read_all(struct tree *t, int *end)
{
	struct mftd_reader *r = reader(t);
	struct mftd_entry e;
	char text[128];
	uint64_t seq;

	while ((*end = mftd_reader_next(r, &e)) == 1) {
		assert_int_equal(e.seq, mftd_reader_seq(r));
		if (e.seq == 1)
			continue;
		assert_int_equal(e.type, MFTD_RECORD_AUDIT);
		assert_int_equal(e.payload_bytes, text_of(e.seq, text));
		assert_memory_equal(e.payload, text, e.payload_bytes);
	}
	seq = mftd_reader_seq(r);
	mftd_reader_close(r);
	return seq;
}

static void
records_come_back_over_segments(void **state)
{
	struct tree t;
	struct mftd_reader *r;
	struct mftd_entry e;
	uint64_t seq;
	int end;

	tree_make(&t);
	write_records(&t, 300);
	assert_true(tree_count(&t, DIR_OF) > 5);
	assert_int_equal(read_all(&t, &end), 301);
	assert_int_equal(end, 0);
	for (seq = 0; seq <= 301; seq++) {
		r = reader(&t);
		assert_int_equal(mftd_reader_seek(r, seq), 0);
		end = mftd_reader_next(r, &e);
		assert_int_equal(end, seq < 301);
		if (end == 1)
			assert_int_equal(e.seq, seq + 1);
		mftd_reader_close(r);
	}
	r = reader(&t);
	assert_int_equal(mftd_reader_seek(r, 302), -ENOENT);
	mftd_reader_close(r);
	tree_remove(&t);
}

static void
reader_follows_a_growing_stream(void **state)
{
	struct tree t;
	struct mftd_stream *s;
	struct mftd_reader *r;
	struct mftd_entry e;
	int i;

	tree_make(&t);
	s = create(&t);
	r = reader(&t);
	assert_int_equal(mftd_reader_next(r, &e), 1);
	assert_int_equal(e.type, MFTD_RECORD_OPEN);
	for (i = 0; i < 100; i++) {
		assert_int_equal(mftd_reader_next(r, &e), 0);
		assert_int_equal(append(s), 0);
		assert_int_equal(mftd_stream_committed(s), i + 1);
		assert_int_equal(mftd_stream_commit(s), 0);
		assert_int_equal(mftd_reader_next(r, &e), 1);
		assert_int_equal(e.seq, mftd_stream_committed(s));
	}
	mftd_reader_close(r);
	mftd_stream_close(s);
	tree_remove(&t);
}

/* That of a segment's header. */
static uint32_t
crc_of(const char *seg)
{
	struct mftd_segment s;

	assert_int_equal(mftd_segment_get((const uint8_t *)seg, &s), 0);
	return s.crc;
}

/* Where each record of the only segment ends. */
static int
ends_of(const char *seg, uint64_t ends[], int max)
{
	struct mftd_entry e;
	uint64_t off = MFTD_SEGMENT_HEADER_BYTES;
	int n = 0;

	while (n < max &&
	    mftd_entry_get((const uint8_t *)seg + off, SEGMENT - off,
		crc_of(seg), &e) == 1) {
		off += e.bytes;
		ends[n++] = off;
	}
	return n;
}

static void
store(struct tree *t, const char *seg, size_t len)
{
	int fd = openat(t->fd, DIR_OF "/00000001.seg", O_WRONLY | O_TRUNC);

	assert_int_equal(mftd_fd_pwrite_full(fd, seg, len, 0), 0);
	close(fd);
}

static char *
load(struct tree *t)
{
	char *seg;
	size_t len;

	assert_int_equal(
	    mftd_file_read(t->fd, DIR_OF "/00000001.seg", SEGMENT, &seg, &len),
	    0);
	assert_int_equal(len, SEGMENT);
	return seg;
}

/* A write torn at any byte, the rest missing or still zero: whole records come
 * back, and nothing else. */
static void
torn_tail_at_every_byte(void **state)
{
	struct tree t;
	uint64_t ends[32], cut;
	char *seg, zeroed[SEGMENT];
	int n, whole, end;

	tree_make(&t);
	write_records(&t, 12);
	seg = load(&t);
	n = ends_of(seg, ends, 32);
	assert_int_equal(n, 13);
	for (cut = 0; cut <= ends[n - 1]; cut++) {
		for (whole = 0; whole < n && ends[whole] <= cut; whole++)
			;
		memset(zeroed, 0, sizeof(zeroed));
		memcpy(zeroed, seg, cut);
		store(&t, zeroed, SEGMENT);
		assert_int_equal(read_all(&t, &end), whole);
		assert_true(end == 0 || end == -MFTD_E_CORRUPT);
		store(&t, seg, cut);
		assert_int_equal(read_all(&t, &end), whole);
		assert_true(end == 0 || end == -MFTD_E_CORRUPT);
	}
	free(seg);
	tree_remove(&t);
}

static void
every_flipped_bit_is_found(void **state)
{
	struct tree t;
	uint64_t ends[32], at, where, segment;
	struct mftd_reader *r;
	struct mftd_entry e;
	char *seg;
	int n, bit, whole, end;

	tree_make(&t);
	write_records(&t, 8);
	seg = load(&t);
	n = ends_of(seg, ends, 32);
	for (at = 0; at < ends[n - 1]; at++)
		for (bit = 0; bit < 8; bit++) {
			seg[at] ^= (char)(1 << bit);
			store(&t, seg, SEGMENT);
			seg[at] ^= (char)(1 << bit);
			for (whole = 0; ends[whole] <= at; whole++)
				;
			assert_int_equal(read_all(&t, &end),
			    at < MFTD_SEGMENT_HEADER_BYTES ? 0 : whole);
			assert_int_equal(end, -MFTD_E_CORRUPT);
		}
	memset(seg + ends[3], 0, 4); /* nor does no length pass for the end */
	store(&t, seg, SEGMENT);
	assert_int_equal(read_all(&t, &end), 4);
	assert_int_equal(end, -MFTD_E_CORRUPT);
	seg[ends[3] + 20] ^= 1; /* and it says where */
	store(&t, seg, SEGMENT);
	r = reader(&t);
	while (mftd_reader_next(r, &e) == 1)
		;
	mftd_reader_where(r, &segment, &where);
	assert_int_equal(segment, 1);
	assert_int_equal(where, ends[3]);
	mftd_reader_close(r);
	free(seg);
	tree_remove(&t);
}

/* A record rewritten with a right sum does not fit the chain. */
static void
changed_record_breaks_the_chain(void **state)
{
	struct tree t;
	uint64_t ends[32];
	struct mftd_entry e;
	struct mftd_buf *b = mftd_buf_new(SEGMENT);
	char *seg, changed[128];
	int end;

	tree_make(&t);
	write_records(&t, 8);
	seg = load(&t);
	ends_of(seg, ends, 32);
	assert_int_equal(mftd_entry_get((const uint8_t *)seg + ends[2],
			     SEGMENT - ends[2], crc_of(seg), &e),
	    1);
	memset(changed, 'x', sizeof(changed));
	e.payload = (const uint8_t *)changed;
	assert_int_equal(mftd_entry_put(b, crc_of(seg), &e), 0);
	memcpy(seg + ends[2], mftd_buf_data(b), mftd_buf_len(b));
	store(&t, seg, SEGMENT);
	{
		struct mftd_reader *r = reader(&t);

		while ((end = mftd_reader_next(r, &e)) == 1)
			;
		assert_int_equal(mftd_reader_seq(r), 4);
		assert_int_equal(end, -MFTD_E_CORRUPT);
		mftd_reader_close(r);
	}
	mftd_buf_free(b);
	free(seg);
	tree_remove(&t);
}

static void
missing_or_foreign_segments_are_found(void **state)
{
	struct tree t;
	int end;

	tree_make(&t);
	write_records(&t, 300);
	assert_int_equal(
	    renameat(t.fd, DIR_OF "/00000003.seg", t.fd, DIR_OF "/keep"), 0);
	read_all(&t, &end); /* a cut stream: only its seal can tell */
	assert_int_equal(end, 0);
	assert_int_equal(renameat(t.fd, DIR_OF "/00000004.seg", t.fd,
			     DIR_OF "/00000003.seg"),
	    0);
	read_all(&t, &end);
	assert_int_equal(end, -MFTD_E_CORRUPT);
	tree_remove(&t);
}

static void
writer_holds_the_lock(void **state)
{
	struct tree t;
	struct mftd_stream *s, *other;
	int dir, fd;

	tree_make(&t);
	s = create(&t);
	dir = openat(t.fd, DIR_OF, O_RDONLY | O_DIRECTORY);
	assert_int_equal(mftd_stream_lock(dir, false), -EBUSY);
	other = create(&t); /* each start is a stream of its own */
	assert_string_equal(mftd_stream_id(other), LIFE "-j2");
	mftd_stream_close(other);
	mftd_stream_close(s);
	fd = mftd_stream_lock(dir, false);
	assert_true(fd >= 0);
	close(fd);
	close(dir);
	tree_remove(&t);
}

/* The catalog knows a stream by its name alone. */
static void
each_volume_has_its_names(void **state)
{
	struct mftd_stream *first, *second;
	struct tree t, u;

	tree_make(&t);
	tree_make(&u);
	first = create(&t);
	assert_string_equal(mftd_stream_id(first), STREAM);
	assert_int_equal(mftd_stream_create(u.fd, "n1", LIFE, "other", 1,
			     tree_signer(), SEGMENT, &second),
	    0);
	assert_string_equal(mftd_stream_id(second), LIFE "-j100001");
	mftd_stream_close(first);
	mftd_stream_close(second);
	tree_remove(&t);
	tree_remove(&u);
}

static void
fill_up(struct tree *t)
{
	static char block[4096];
	int fd = openat(t->fd, "ballast", O_WRONLY | O_CREAT, 0600);

	memset(block, 'x', sizeof(block));
	while (write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
}

/* In a process and a mount namespace of its own, on a tmpfs of 256 KiB. */
static int
on_a_full_disk(struct tree *t)
{
	struct mftd_stream *s = NULL;
	uint64_t before;
	int i, r, end;

	t->fd = open(t->path, O_RDONLY | O_DIRECTORY);
	fill_up(t);
	if (mftd_stream_create(t->fd, "n1", LIFE, "main", 0, tree_signer(),
		SEGMENT, &s) != -ENOSPC)
		return 10;
	if (tree_count(t, "n1") > 0)
		return 11; /* nothing may be left to be recovered */
	unlinkat(t->fd, "ballast", 0);
	if (mftd_stream_create(
		t->fd, "n1", LIFE, "main", 0, tree_signer(), SEGMENT, &s) != 0)
		return 12;
	fill_up(t);
	for (i = 0; i < 1000 && (r = append(s)) == 0; i++)
		;
	if (r != -ENOSPC || mftd_stream_failed(s))
		return 13;
	before = mftd_stream_next(s);
	if (append(s) != -ENOSPC || mftd_stream_commit(s) != 0)
		return 14;
	unlinkat(t->fd, "ballast", 0);
	for (i = 0; i < 100; i++)
		if (append(s) != 0)
			return 15;
	if (mftd_stream_commit(s) != 0 || read_all(t, &end) != before + 99 ||
	    end != 0)
		return 16;
	return 0;
}

static void
full_disk_refuses_and_then_goes_on(void **state)
{
	struct tree t;
	pid_t pid;
	int status;

	tree_make(&t);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNS |
			(geteuid() != 0 ? CLONE_NEWUSER : 0)) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("tmpfs", t.path, "tmpfs", 0, "size=256k") < 0)
			_exit(77);
		_exit(on_a_full_disk(&t));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	tree_remove(&t);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* no mounts allowed here */
	assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_back_over_segments),
		cmocka_unit_test(reader_follows_a_growing_stream),
		cmocka_unit_test(torn_tail_at_every_byte),
		cmocka_unit_test(every_flipped_bit_is_found),
		cmocka_unit_test(changed_record_breaks_the_chain),
		cmocka_unit_test(missing_or_foreign_segments_are_found),
		cmocka_unit_test(writer_holds_the_lock),
		cmocka_unit_test(each_volume_has_its_names),
		cmocka_unit_test(full_disk_refuses_and_then_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
