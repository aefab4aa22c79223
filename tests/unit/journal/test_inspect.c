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
#include "mftd/journal/stream.h"
#include "tests/unit/journal/tree.h"

#define ONE "n1-0123456789abcdef"
#define TWO "n2-fedcba9876543210"
#define SEGMENT 4096
#define RECORDS 100 /* several segments of them */

struct world {
	struct tree t;
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

	assert_int_equal(
	    mftd_stream_create(w->t.fd, node, life, "main", SEGMENT, &s), 0);
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
	assert_int_equal(mftd_inspect_verify(w->t.path, &w->list, &w->n), 0);
	assert_true(w->n >= 1);
	assert_string_equal(w->list[0].stream, ONE "-j1");
	return &w->list[0];
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
		assert_int_equal(v->verdict, MFTD_VERDICT_BAD);
		assert_true(v->seq < RECORDS);
		assert_true(v->segment == 1 || v->segment == 2);
		flip(w, "00000002.seg", at);
	}
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_WHOLE);
}

/* Only a seal can tell. */
static void
cut_tail(void **state)
{
	struct world *w = *state;
	char path[256];
	int i;

	write_two(w, w->last, w->hash);
	for (i = 9; i > 1; i--) {
		snprintf(path, sizeof(path), "n1/" ONE "-j1/%08d.seg", i);
		if (unlinkat(w->t.fd, path, 0) == 0)
			break;
	}
	assert_true(i > 2);
	assert_int_equal(verdict(w)->verdict, MFTD_VERDICT_CUT);
	assert_int_equal(verdict(w)->sealed, w->last);
	assert_true(verdict(w)->seq < w->last);
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

	for (i = 9; fd < 0; i--) {
		snprintf(path, sizeof(path), "n1/" ONE "-j1/%08d.seg", i);
		fd = openat(w->t.fd, path, O_RDWR);
	}
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
		T(cut_tail),
		T(another_history),
		T(records_behind_the_seal),
		T(torn_end),
		T(writer_that_lives),
		T(where_they_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
