/* Part of mftd; see LICENSE. */
#include "mftd/journal/reader.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"

#define WINDOW_BYTES (4 * MFTD_RECORD_BYTES)
#define START_TRIES 8 /* its first segment may be dropped meanwhile */

struct mftd_reader {
	int dir;
	int fd; /* the open segment, -1 before the first */
	char stream[MFTD_ID_BYTES];
	struct mftd_signed_head before; /* the open segment */
	uint32_t crc; /* of its header */
	uint64_t number; /* its; 0 before the first */
	uint64_t offset; /* of the next record in it */
	uint64_t seq;
	uint8_t hash[MFTD_SHA256_BYTES];
	uint64_t at; /* of the window in the file */
	size_t len;
	uint8_t window[WINDOW_BYTES];
};

int
mftd_reader_open(int stream_dir, const char *stream, struct mftd_reader **out)
{
	struct mftd_reader *r = calloc(1, sizeof(*r));
	int err;

	if (r == NULL)
		return -ENOMEM;
	r->fd = -1;
	r->dir = fcntl(stream_dir, F_DUPFD_CLOEXEC, 3);
	if (r->dir < 0) {
		err = -errno;
		free(r);
		return err;
	}
	snprintf(r->stream, sizeof(r->stream), "%s", stream);
	*out = r;
	return 0;
}

void
mftd_reader_close(struct mftd_reader *r)
{
	if (r == NULL)
		return;
	mftd_fd_close(&r->fd);
	mftd_fd_close(&r->dir);
	free(r);
}

int
mftd_segments_range(int stream_dir, uint64_t *first, uint64_t *last)
{
	int fd = openat(stream_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	char name[MFTD_SEGMENT_NAME_BYTES];
	struct dirent *e;
	uint64_t n;
	int r;

	if (d == NULL) {
		r = -errno;
		mftd_fd_close(&fd);
		return r;
	}
	*first = *last = 0;
	while ((errno = 0, e = readdir(d)) != NULL) {
		if (sscanf(e->d_name, "%" SCNu64, &n) != 1 || n == 0)
			continue;
		mftd_segment_name(n, name);
		if (strcmp(name, e->d_name) != 0)
			continue;
		if (*first == 0 || n < *first)
			*first = n;
		if (n > *last)
			*last = n;
	}
	r = -errno;
	closedir(d);
	return r < 0 ? r : *first == 0 ? -ENOENT : 0;
}

/*
 * Opens segment number in place of the current one.  1; 0 when it is not there,
 * or was allocated but has no header yet (a crash in between); an error.
 */
static int
open_segment(struct mftd_reader *r, uint64_t number, struct mftd_segment *s)
{
	static const uint8_t nothing[MFTD_SEGMENT_HEADER_BYTES];
	uint8_t head[MFTD_SEGMENT_HEADER_BYTES] = { 0 };
	char name[MFTD_SEGMENT_NAME_BYTES];
	ssize_t n;
	int fd, err;

	mftd_segment_name(number, name);
	fd = openat(r->dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = mftd_fd_pread_full(fd, head, sizeof(head), 0);
	err = n < 0 ? (int)n : 0;
	if (err == 0 && memcmp(head, nothing, sizeof(head)) == 0) {
		mftd_fd_close(&fd);
		return 0;
	}
	if (err == 0)
		err = mftd_segment_get(head, s);
	if (err == 0 &&
	    (s->number != number ||
		strcmp(s->before.head.stream, r->stream) != 0))
		err = -MFTD_E_CORRUPT;
	if (err < 0) {
		mftd_fd_close(&fd);
		return err;
	}
	mftd_fd_close(&r->fd);
	r->fd = fd;
	r->before = s->before;
	r->crc = s->crc;
	r->number = number;
	r->offset = sizeof(head);
	r->len = 0;
	return 1;
}

/* Makes need bytes at the offset stand in the window, as far as they exist. */
static int
fill(struct mftd_reader *r, size_t need)
{
	ssize_t n;

	if (r->len > 0 && r->offset >= r->at &&
	    r->offset + need <= r->at + r->len)
		return 0;
	n = mftd_fd_pread_full(
	    r->fd, r->window, sizeof(r->window), (int64_t)r->offset);
	r->at = r->offset;
	r->len = n > 0 ? (size_t)n : 0;
	return n < 0 ? (int)n : 0;
}

/* Parses at the offset.  As mftd_entry_get; a segment that ends inside a record
 * is corrupt, one that ends before it has its end there. */
static int
parse(struct mftd_reader *r, struct mftd_entry *e)
{
	size_t have, need = MFTD_RECORD_HEADER_BYTES;
	int i, err;

	for (i = 0; i < 3; i++) {
		if ((err = fill(r, need)) < 0)
			return err;
		have = (size_t)(r->at + r->len - r->offset);
		if (have < sizeof(uint32_t))
			return 0;
		err = mftd_entry_get(
		    r->window + (r->offset - r->at), have, r->crc, e);
		if (err == 0 && i == 0) {
			/* the stream may have grown since the window */
			r->len = 0;
			continue;
		}
		if (err != -EAGAIN)
			return err;
		need = e->bytes;
	}
	return -MFTD_E_CORRUPT;
}

/* An end mark is one only when nothing but zeros follows: a damaged length must
 * not pass for the end. */
static int
check_tail(struct mftd_reader *r)
{
	uint64_t off = r->offset;
	ssize_t n;

	r->len = 0;
	for (;;) {
		n = mftd_fd_pread_full(
		    r->fd, r->window, sizeof(r->window), (int64_t)off);
		if (n <= 0)
			return (int)n;
		if (mftd_segment_blank(r->window, (size_t)n) < (size_t)n)
			return -MFTD_E_CORRUPT;
		off += (uint64_t)n;
	}
}

/* The next record is the first one of the open segment. */
static void
stand_before(struct mftd_reader *r)
{
	r->seq = r->before.head.seq;
	memcpy(r->hash, r->before.head.hash, sizeof(r->hash));
}

/* Opens the first segment that is there: 1, 0 when there is none. */
static int
begin(struct mftd_reader *r)
{
	static const uint8_t nothing[MFTD_SHA256_BYTES];
	uint64_t first, last;
	struct mftd_segment s;
	int i, err = 0;

	for (i = 0; i < START_TRIES && err == 0; i++) {
		err = mftd_segments_range(r->dir, &first, &last);
		if (err < 0)
			return err == -ENOENT ? 0 : err;
		err = open_segment(r, first, &s);
	}
	if (err <= 0)
		return err;
	if (first == 1 &&
	    (r->before.head.seq != 0 ||
		memcmp(r->before.head.hash, nothing, sizeof(nothing)) != 0))
		return -MFTD_E_CORRUPT;
	stand_before(r);
	return 1;
}

/* From the end of a segment to the next one: 1, 0 when there is none. */
static int
go_on(struct mftd_reader *r)
{
	struct mftd_segment s;
	int err;

	if (r->fd < 0)
		return begin(r);
	if ((err = check_tail(r)) < 0)
		return err;
	err = open_segment(r, r->number + 1, &s);
	if (err == 1 &&
	    (s.before.head.seq != r->seq ||
		memcmp(s.before.head.hash, r->hash, sizeof(r->hash)) != 0))
		return -MFTD_E_CORRUPT;
	return err;
}

int
mftd_reader_next(struct mftd_reader *r, struct mftd_entry *e)
{
	int err;

	if (r->fd < 0 && (err = go_on(r)) <= 0)
		return err;
	while ((err = parse(r, e)) == 0)
		if ((err = go_on(r)) <= 0)
			return err;
	if (err == 1 &&
	    (e->seq != r->seq + 1 ||
		memcmp(e->prev, r->hash, sizeof(r->hash)) != 0))
		err = -MFTD_E_CORRUPT;
	if (err < 0) {
		r->len = 0; /* asked again, it is read again */
		return err;
	}
	r->seq = e->seq;
	r->offset += e->bytes;
	memcpy(r->hash, e->hash, sizeof(r->hash));
	return 1;
}

int
mftd_reader_seek(struct mftd_reader *r, uint64_t seq)
{
	uint64_t first, number;
	struct mftd_segment s;
	struct mftd_entry e;
	int err;

	err = mftd_segments_range(r->dir, &first, &number);
	if (err == -ENOENT)
		return seq == 0 ? 0 : -ENOENT;
	/* the last segment that begins at or before it; the very last one may
	 * have no header yet */
	for (; err >= 0 && number >= first; number--)
		if ((err = open_segment(r, number, &s)) == 1 &&
		    s.before.head.seq <= seq)
			break;
	if (err < 0)
		return err;
	if (err == 0 || s.before.head.seq > seq)
		return err == 0 && seq == 0 ? 0 : -ENOENT;
	stand_before(r);
	while (r->seq < seq) {
		err = mftd_reader_next(r, &e);
		if (err <= 0)
			return err < 0 ? err : -ENOENT;
	}
	return 0;
}

uint64_t
mftd_reader_seq(const struct mftd_reader *r)
{
	return r->seq;
}

const uint8_t *
mftd_reader_hash(const struct mftd_reader *r)
{
	return r->hash;
}

const struct mftd_signed_head *
mftd_reader_before(const struct mftd_reader *r)
{
	return &r->before;
}

void
mftd_reader_where(
    const struct mftd_reader *r, uint64_t *segment, uint64_t *offset)
{
	*segment = r->number;
	*offset = r->offset;
}
