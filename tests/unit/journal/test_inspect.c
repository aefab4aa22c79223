/* Part of mftd; see LICENSE. */
#include "mftd/journal/inspect.h"

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

#include "mftd/journal/reader.h"
#include "mftd/journal/record.h"
#include "mftd/journal/retain.h"
#include "mftd/journal/stream.h"
#include "tests/unit/journal/tree.h"

#define ONE "n1-0123456789abcdef"
#define TWO "n2-fedcba9876543210"
#define THREE "n3-0000000000000003"
#define SEGMENT 4096
#define RECORDS 100 /* several segments of them */
#define SIGNED 90 /* of them */

struct world {
	struct tree t;
	struct mftd_expected expected;
	struct mftd_verified *list;
	size_t n;
	uint64_t last; /* of the first stream */
	uint8_t hash[MFTD_SHA256_BYTES];
};

static void
append(struct mftd_stream *s, uint32_t type, struct mftd_buf *b)
{
	assert_int_equal(mftd_stream_room(s, 512), 0);
	assert_int_equal(mftd_stream_append(s, type, b, NULL), 0);
	mftd_buf_free(b);
}

static struct mftd_stream *
stream(struct world *w, const char *node, const char *life)
{
	struct mftd_stream *s = NULL;

	assert_int_equal(mftd_stream_create(w->t.fd, node, life, "main", 0,
			     tree_signer(), SEGMENT, &s),
	    0);
	return s;
}

/* n1's stream, of a node that is gone. */
static void
write_one(struct world *w)
{
	struct mftd_stream *s = stream(w, "n1", ONE);
	struct mftd_rec_part part = { .part = ONE "-1.1" };
	struct mftd_buf *b;
	int i;

	for (i = 0; i < RECORDS; i++) {
		b = mftd_buf_new(256);
		part.durable = (uint64_t)i;
		assert_int_equal(mftd_rec_part_put(b, &part), 0);
		append(s, MFTD_RECORD_PART, b);
		if (mftd_stream_next(s) == SIGNED + 1) {
			assert_int_equal(mftd_stream_commit(s), 0);
			assert_int_equal(mftd_stream_sign(s), 0);
		}
	}
	assert_int_equal(mftd_stream_commit(s), 0);
	w->last = mftd_stream_committed(s);
	mftd_stream_close(s);
}

/* n2's, which seals it at seq with that hash. */
static void
write_two(struct world *w, uint64_t seq, const uint8_t *hash)
{
	struct mftd_rec_seal seal = { .stream = ONE "-j1", .seq = seq };
	struct mftd_stream *s = stream(w, "n2", TWO);
	struct mftd_buf *b = mftd_buf_new(256);

	memcpy(seal.hash, hash, sizeof(seal.hash));
	assert_int_equal(mftd_rec_seal_put(b, &seal), 0);
	append(s, MFTD_RECORD_SEAL, b);
	assert_int_equal(mftd_stream_commit(s), 0);
	mftd_stream_close(s);
}

static int
take_hash(void *data, const struct mftd_found *f)
{
	struct world *w = data;
	struct mftd_reader *r;
	struct mftd_entry e;

	assert_int_equal(mftd_reader_open(f->dir, f->stream, &r), 0);
	while (mftd_reader_next(r, &e) == 1)
		continue;
	memcpy(w->hash, mftd_reader_hash(r), sizeof(w->hash));
	mftd_reader_close(r);
	return 0;
}

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	tree_make(&w->t);
	write_one(w);
	assert_int_equal(mftd_inspect_find(w->t.path, take_hash, w), 0);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	mftd_inspect_free(w->list, w->n);
	tree_remove(&w->t);
	free(w);
	return 0;
}

/* What verify says of n1's stream. */
static const struct mftd_verified *
verdict(struct world *w)
{
	mftd_inspect_free(w->list, w->n);
	w->list = NULL;
	w->n = 0;
	assert_int_equal(
	    mftd_inspect_verify(w->t.path, w->expected, &w->list, &w->n), 0);
	assert_true(w->n >= 1);
	assert_string_equal(w->list[0].stream, ONE "-j1");
	return &w->list[0];
}

/* n3's stream, with that audit record. */
static void
write_three(struct world *w, const char *text)
{
	struct mftd_rec_audit drop = { .event = MFTD_AUDIT_DROPPED };
	struct mftd_stream *s = stream(w, "n3", THREE);
	struct mftd_buf *b = mftd_buf_new(256);

	snprintf(drop.text, sizeof(drop.text), "%s", text);
	assert_int_equal(mftd_rec_audit_put(b, &drop), 0);
	append(s, MFTD_RECORD_AUDIT, b);
	assert_int_equal(mftd_stream_commit(s), 0);
	mftd_stream_close(s);
}

/* Of the last one in the list. */
static const struct mftd_verified *
verdict_of_last(struct world *w)
{
	mftd_inspect_free(w->list, w->n);
	w->list = NULL;
	w->n = 0;
	assert_int_equal(
	    mftd_inspect_verify(w->t.path, w->expected, &w->list, &w->n), 0);
	return &w->list[w->n - 1];
}

static void
flip(struct world *w, const char *segment, off_t at)
{
	char path[256];
	uint8_t byte;
	int fd;

	snprintf(path, sizeof(path), "n1/" ONE "-j1/%s", segment);
	fd = openat(w->t.fd, path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void
whole_and_sealed(void **state)
{
	struct world *w = *state;
	const struct mftd_verified *v = verdict(w);

	assert_int_equal(v->verdict, MFTD_VERDICT_WHOLE);
	assert_int_equal(v->seq, RECORDS + 1); /* and OPEN */
	assert_int_equal(v->first, 1);
	assert_int_equal(v->signed_seq, SIGNED);
	write_two(w, w->last, w->hash);
	v = verdict(w);
	assert_int_equal(w->n, 2);
	assert_int_equal(v->verdict, MFTD_VERDICT_SEALED);
	assert_int_equal(v->sealed, w->last);
	assert_string_equal(v->by, TWO "-j1");
	assert_int_equal(v[1].verdict, MFTD_VERDICT_WHOLE);
}

static void
every_byte_counts(void **state)
{
	struct world *w = *state;
	const struct mftd_verified *v;
	off_t at;

	for (at = 0; at < SEGMENT; at += 97) {
		flip(w, "00000002.seg", at);
		v = verdict(w);
		/* cut, too: more was signed than can be read */
		assert_int_equal(v->verdict, MFTD_VERDICT_CUT);
		assert_true(v->seq < RECORDS);
		assert_true(v->segment == 1 || v->segment == 2);
		flip(w, "00000002.seg", at);
	}
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_WHOLE);
}

/* Removes n1's last segment but so many. */
static void
remove_segment(struct world *w, int behind)
{
	char path[256];
	int i;

	for (i = 99; i > 1; i--) {
		snprintf(path, sizeof(path), "n1/" ONE "-j1/%08d.seg", i);
		if (faccessat(w->t.fd, path, F_OK, 0) == 0 && behind-- == 0)
			break;
	}
	assert_true(i > 2);
	assert_int_equal(unlinkat(w->t.fd, path, 0), 0);
}

/* What came after the last signed head, only a seal can tell. */
static void
cut_behind_the_signed_head(void **state)
{
	struct world *w = *state;

	remove_segment(w, 0);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_WHOLE);
	assert_true(verdict(w)->seq < w->last);
	write_two(w, w->last, w->hash);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_CUT);
	assert_int_equal(verdict(w)->sealed, w->last);
}

static void
cut_before_the_signed_head(void **state)
{
	struct world *w = *state;

	remove_segment(w, 0);
	remove_segment(w, 0);
	assert_true(verdict(w)->seq < SIGNED);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_CUT);
	assert_int_equal(verdict(w)->signed_seq, SIGNED);
}

static void
segment_missing(void **state)
{
	struct world *w = *state;

	remove_segment(w, 1);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_CUT);
	assert_int_equal(
	    unlinkat(w->t.fd, "n1/" ONE "-j1/" MFTD_STREAM_HEAD, 0), 0);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_BAD);
}

static void
segments_missing_at_the_front(void **state)
{
	struct world *w = *state;
	uint64_t first;
	char text[128];

	assert_int_equal(unlinkat(w->t.fd, "n1/" ONE "-j1/00000001.seg", 0), 0);
	first = verdict(w)->first;
	assert_true(first > 1);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_BEHEADED);
	assert_false(mftd_verdict_good(MFTD_VERDICT_BEHEADED));
	snprintf(text, sizeof(text), ONE "-j1 up to %d", (int)first - 2);
	write_three(w, text);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_BEHEADED);
	snprintf(text, sizeof(text), ONE "-j1 up to %d", (int)first - 1);
	write_three(w, text);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_WHOLE);
	assert_int_equal(verdict(w)->seq, w->last);
}

/* Records that its writer did not write, behind its last word. */
static void
records_behind_the_last_head(void **state)
{
	struct world *w = *state;
	struct mftd_stream *s = stream(w, "n2", TWO);
	struct mftd_signed_head h;
	enum mftd_head_use use;
	int dir;

	assert_int_equal(mftd_stream_end(s), 0);
	assert_int_equal(mftd_stream_commit(s), -EIO);
	mftd_stream_close(s);
	assert_int_equal(verdict(w)[1].verdict, MFTD_VERDICT_WHOLE);
	dir = openat(w->t.fd, "n1/" ONE "-j1", O_RDONLY | O_DIRECTORY);
	assert_int_equal(mftd_head_read(dir, &use, &h), 0);
	assert_int_equal(use, MFTD_HEAD_NEWEST);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_WHOLE);
	assert_int_equal(mftd_head_sign(tree_signer(), MFTD_HEAD_LAST, &h), 0);
	assert_int_equal(mftd_head_write(dir, MFTD_HEAD_LAST, &h), 0);
	close(dir);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_BEHIND);
}

/* What a segment says of those before it is no newest head. */
static void
head_of_a_segment(void **state)
{
	struct world *w = *state;
	struct mftd_segment seg;
	uint8_t head[MFTD_SEGMENT_HEADER_BYTES];
	int dir = openat(w->t.fd, "n1/" ONE "-j1", O_RDONLY | O_DIRECTORY);
	int fd = openat(dir, "00000002.seg", O_RDONLY);

	assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
	close(fd);
	assert_int_equal(mftd_segment_get(head, &seg), 0);
	assert_int_equal(
	    mftd_head_write(dir, MFTD_HEAD_NEWEST, &seg.before), 0);
	close(dir);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_FORGED);
}

static void
no_signed_head(void **state)
{
	struct world *w = *state;

	assert_int_equal(
	    unlinkat(w->t.fd, "n1/" ONE "-j1/" MFTD_STREAM_HEAD, 0), 0);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_UNSIGNED);
	assert_false(mftd_verdict_good(MFTD_VERDICT_UNSIGNED));
	tree_write(&w->t, "n1/" ONE "-j1/" MFTD_STREAM_HEAD, "seq 7\n");
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_UNSIGNED);
}

/* Even one record, the first, needs its head. */
static void
no_signed_head_at_the_start(void **state)
{
	struct world *w = *state;

	mftd_stream_close(stream(w, "n2", TWO));
	assert_int_equal(verdict(w)[1].seq, 1);
	assert_int_equal(verdict(w)[1].verdict, MFTD_VERDICT_WHOLE);
	assert_int_equal(
	    unlinkat(w->t.fd, "n2/" TWO "-j1/" MFTD_STREAM_HEAD, 0), 0);
	assert_int_equal(verdict(w)[1].verdict, MFTD_VERDICT_UNSIGNED);
}

/* Of one that is written it is not the moment's tear, if it stays. */
static void
damage_of_a_living_one(void **state)
{
	struct world *w = *state;
	struct mftd_stream *s = stream(w, "n2", TWO);
	int fd = openat(w->t.fd, "n2/" TWO "-j1/00000001.seg", O_RDWR);

	assert_int_equal(verdict(w)[1].verdict, MFTD_VERDICT_LIVE);
	assert_int_equal(pwrite(fd, "x", 1, 300), 1);
	assert_int_equal(verdict(w)[1].verdict, MFTD_VERDICT_BAD);
	assert_int_equal(verdict(w)[1].segment, 1);
	close(fd);
	mftd_stream_close(s);
}

/* Changes n1's newest head and writes it again. */
static void
forge_head(struct world *w, void (*change)(struct mftd_signed_head *h))
{
	int dir = openat(w->t.fd, "n1/" ONE "-j1", O_RDONLY | O_DIRECTORY);
	struct mftd_signed_head h;
	enum mftd_head_use use;

	assert_int_equal(mftd_head_read(dir, &use, &h), 0);
	change(&h);
	assert_int_equal(mftd_head_write(dir, use, &h), 0);
	close(dir);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_FORGED);
}

static void
less(struct mftd_signed_head *h)
{
	h->head.seq--;
}

static void
other_record(struct mftd_signed_head *h)
{
	h->head.hash[3] ^= 4;
	assert_int_equal(mftd_head_sign(tree_signer(), MFTD_HEAD_NEWEST, h), 0);
}

static void
other_stream(struct mftd_signed_head *h)
{
	strcpy(h->head.stream, TWO "-j1");
	assert_int_equal(mftd_head_sign(tree_signer(), MFTD_HEAD_NEWEST, h), 0);
}

static struct mftd_signer *
other_signer(struct world *w)
{
	struct mftd_signer *other;

	assert_int_equal(mftd_signer_open(w->t.fd, &other), 0);
	return other;
}

static void
forged_heads(void **state)
{
	struct world *w = *state;

	forge_head(w, less);
	tear_down(state);
	set_up(state);
	forge_head(*state, other_record);
	tear_down(state);
	set_up(state);
	forge_head(*state, other_stream);
}

static int
open_last(struct world *w)
{
	int fd, dir = openat(w->t.fd, "n1/" ONE "-j1", O_RDONLY | O_DIRECTORY);
	char name[MFTD_SEGMENT_NAME_BYTES];
	uint64_t first, last;

	assert_int_equal(mftd_segments_range(dir, &first, &last), 0);
	assert_true(last > first);
	mftd_segment_name(last, name);
	fd = openat(dir, name, O_RDWR);
	assert_true(fd >= 0);
	close(dir);
	return fd;
}

/* Puts another header before the records of the stream's last segment, and
 * makes all that hangs on it right again: sums, chain, the newest head. */
static void
put_header(struct world *w, struct mftd_segment *seg, uint32_t was)
{
	static uint8_t all[MFTD_SEGMENT_BYTES];
	struct mftd_buf *b = mftd_buf_new(MFTD_SEGMENT_BYTES);
	int dir = openat(w->t.fd, "n1/" ONE "-j1", O_RDONLY | O_DIRECTORY);
	int fd = open_last(w);
	uint8_t prev[MFTD_SHA256_BYTES];
	struct mftd_signed_head h;
	enum mftd_head_use use;
	struct mftd_entry e;
	size_t off = MFTD_SEGMENT_HEADER_BYTES;
	uint64_t last = 0;
	ssize_t n = pread(fd, all, sizeof(all), 0);

	assert_true(n > 0);
	mftd_segment_put(seg, all);
	memcpy(prev, seg->before.head.hash, sizeof(prev));
	while (mftd_entry_get(all + off, (size_t)n - off, was, &e) == 1) {
		memcpy(e.prev, prev, sizeof(prev));
		assert_int_equal(mftd_entry_put(b, seg->crc, &e), 0);
		memcpy(prev, e.hash, sizeof(prev));
		last = e.seq;
		off += e.bytes;
	}
	assert_true(off > MFTD_SEGMENT_HEADER_BYTES);
	assert_int_equal(pwrite(fd, all, MFTD_SEGMENT_HEADER_BYTES, 0),
	    MFTD_SEGMENT_HEADER_BYTES);
	assert_int_equal(pwrite(fd, mftd_buf_data(b), mftd_buf_len(b),
			     MFTD_SEGMENT_HEADER_BYTES),
	    (ssize_t)mftd_buf_len(b));
	assert_int_equal(mftd_head_read(dir, &use, &h), 0);
	h.head.seq = last;
	memcpy(h.head.hash, prev, sizeof(prev));
	assert_int_equal(mftd_head_sign(tree_signer(), use, &h), 0);
	assert_int_equal(mftd_head_write(dir, use, &h), 0);
	mftd_buf_free(b);
	close(fd);
	close(dir);
}

/* A header that is signed by nobody, or by whoever wrote the segment anew with
 * a key of his. */
static void
forged_segment(void **state)
{
	struct world *w = *state;
	struct mftd_signer *other = other_signer(w);
	uint8_t head[MFTD_SEGMENT_HEADER_BYTES];
	struct mftd_segment seg;
	uint32_t was;
	int fd = open_last(w);

	assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
	close(fd);
	assert_int_equal(mftd_segment_get(head, &seg), 0);
	was = seg.crc;
	seg.before.signature[9] ^= 1;
	put_header(w, &seg, was);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_FORGED);
	was = seg.crc;
	assert_int_equal(
	    mftd_head_sign(other, MFTD_HEAD_SEGMENT, &seg.before), 0);
	put_header(w, &seg, was);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_FORGED);
	was = seg.crc;
	assert_int_equal(
	    mftd_head_sign(tree_signer(), MFTD_HEAD_SEGMENT, &seg.before), 0);
	put_header(w, &seg, was);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_WHOLE);
	mftd_signer_close(other);
}

static void
only_trusted_keys(void **state)
{
	struct world *w = *state;
	struct mftd_signer *other = other_signer(w);
	struct mftd_signed_head h = { 0 };
	uint8_t keys[2][MFTD_HEAD_KEY_BYTES];

	assert_int_equal(mftd_head_sign(other, MFTD_HEAD_NEWEST, &h), 0);
	memcpy(keys[0], h.key, sizeof(keys[0]));
	w->expected.keys = keys;
	w->expected.n_keys = 1;
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_STRANGE);
	assert_int_equal(
	    mftd_head_sign(tree_signer(), MFTD_HEAD_NEWEST, &h), 0);
	memcpy(keys[1], h.key, sizeof(keys[1]));
	w->expected.n_keys = 2;
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_WHOLE);
	mftd_signer_close(other);
}

/* Nothing left of a stream, which is signed by somebody else as that. */
static void
nothing_and_a_head(void **state)
{
	struct world *w = *state;
	struct mftd_signer *other = other_signer(w);
	struct mftd_signed_head h = { .head = { .stream = ONE "-j1" } };
	uint8_t key[1][MFTD_HEAD_KEY_BYTES];
	char path[256];
	int i, dir = openat(w->t.fd, "n1/" ONE "-j1", O_RDONLY | O_DIRECTORY);

	for (i = 1; i < 99; i++) {
		snprintf(path, sizeof(path), "%08d.seg", i);
		unlinkat(dir, path, 0);
	}
	assert_int_equal(
	    mftd_head_sign(tree_signer(), MFTD_HEAD_NEWEST, &h), 0);
	memcpy(key[0], h.key, sizeof(key[0]));
	assert_int_equal(mftd_head_sign(other, MFTD_HEAD_NEWEST, &h), 0);
	assert_int_equal(mftd_head_write(dir, MFTD_HEAD_NEWEST, &h), 0);
	w->expected.keys = key;
	w->expected.n_keys = 1;
	tree_write(&w->t, "n1/" ONE "-j1/00000001.seg", "");
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_STRANGE);
	close(dir);
	mftd_signer_close(other);
}

/* A stream that another one has sealed, as a whole. */
static void
gone(void **state)
{
	struct world *w = *state;
	char path[256], text[128];
	int i;

	write_two(w, w->last, w->hash);
	for (i = 1; i < 99; i++) {
		snprintf(path, sizeof(path), "n1/" ONE "-j1/%08d.seg", i);
		unlinkat(w->t.fd, path, 0);
	}
	assert_string_equal(verdict_of_last(w)->stream, TWO "-j1");
	assert_int_equal(w->n, 1); /* it may be elsewhere */
	w->expected.since_us = 1;
	assert_string_equal(verdict_of_last(w)->stream, ONE "-j1");
	assert_int_equal(verdict_of_last(w)->verdict, MFTD_VERDICT_GONE);
	assert_false(mftd_verdict_good(MFTD_VERDICT_GONE));
	w->expected.since_us = INT64_MAX; /* sealed before then */
	assert_string_equal(verdict_of_last(w)->stream, TWO "-j1");
	w->expected.since_us = 1;
	snprintf(text, sizeof(text), ONE "-j1 up to %d", (int)w->last);
	write_three(w, text);
	assert_string_equal(verdict_of_last(w)->stream, THREE "-j1");
}

static void
another_history(void **state)
{
	struct world *w = *state;

	w->hash[5] ^= 1;
	write_two(w, w->last, w->hash);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_FORGED);
}

/* The last whole record before the seal's is what was sealed. */
static void
records_behind_the_seal(void **state)
{
	struct world *w = *state;
	struct mftd_reader *r;
	int dir = openat(w->t.fd, "n1/" ONE "-j1", O_RDONLY | O_DIRECTORY);

	assert_int_equal(mftd_reader_open(dir, ONE "-j1", &r), 0);
	assert_int_equal(mftd_reader_seek(r, w->last - 1), 0);
	write_two(w, w->last - 1, mftd_reader_hash(r));
	mftd_reader_close(r);
	close(dir);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_BEHIND);
}

/* What its writer could not finish is no fault once it is sealed. */
static void
torn_end(void **state)
{
	static const uint8_t junk[] = { 0, 0, 0, 70, 1, 2, 3 };
	struct world *w = *state;
	const struct mftd_verified *v = verdict(w);
	char path[256];
	struct stat st;
	int i, fd = -1;

	for (i = 99; fd < 0 && i > 0; i--) {
		snprintf(path, sizeof(path), "n1/" ONE "-j1/%08d.seg", i);
		fd = openat(w->t.fd, path, O_RDWR);
	}
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	/* behind its last record are zeros */
	assert_int_equal(
	    pwrite(fd, junk, sizeof(junk), st.st_size - 70), sizeof(junk));
	close(fd);
	v = verdict(w);
	assert_int_equal(v->verdict, MFTD_VERDICT_BAD);
	assert_int_equal(v->seq, w->last);
	write_two(w, w->last, w->hash);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_SEALED);
}

static void
writer_that_lives(void **state)
{
	struct world *w = *state;
	struct mftd_stream *s = stream(w, "n2", TWO);

	assert_int_equal(verdict(w)[1].verdict, MFTD_VERDICT_LIVE);
	mftd_stream_close(s);
	assert_int_equal(verdict(w)[1].verdict, MFTD_VERDICT_WHOLE);
}

static int
seen(void *data, const struct mftd_found *f)
{
	++*(int *)data;
	return 0;
}

static void
where_they_are_found(void **state)
{
	struct world *w = *state;
	static const char *const below[] = { "", "/n1", "/n1/" ONE "-j1",
		"/n1/" };
	char path[4200];
	size_t i;
	int n;

	for (i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", w->t.path, below[i]);
		n = 0;
		assert_int_equal(mftd_inspect_find(path, seen, &n), 0);
		assert_int_equal(n, 1);
	}
	snprintf(path, sizeof(path), "%s/none", w->t.path);
	assert_int_equal(mftd_inspect_find(path, seen, &n), -ENOENT);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(mftd_inspect_find(path, seen, &n), -ENOENT);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(whole_and_sealed),
		T(every_byte_counts),
		T(cut_behind_the_signed_head),
		T(cut_before_the_signed_head),
		T(segment_missing),
		T(segments_missing_at_the_front),
		T(head_of_a_segment),
		T(records_behind_the_last_head),
		T(no_signed_head),
		T(no_signed_head_at_the_start),
		T(damage_of_a_living_one),
		T(forged_heads),
		T(forged_segment),
		T(only_trusted_keys),
		T(nothing_and_a_head),
		T(gone),
		T(another_history),
		T(records_behind_the_seal),
		T(torn_end),
		T(writer_that_lives),
		T(where_they_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
