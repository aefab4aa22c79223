/* Part of mftd; see LICENSE. */
#include "mftd/journal/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"

#define WINDOW_BYTES (4 * MFTD_RECORD_BYTES)

struct mftd_reader {
	int dir;
	int fd; /* the open segment, -1 before the first */
	char stream[MFTD_ID_BYTES];
	uint64_t number; /* of the open segment */
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
	    (s->number != number || strcmp(s->stream, r->stream) != 0))
		err = -MFTD_E_CORRUPT;
	if (err < 0) {
		mftd_fd_close(&fd);
		return err;
	}
	mftd_fd_close(&r->fd);
	r->fd = fd;
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
		err = mftd_entry_get(r->window + (r->offset - r->at), have, e);
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
	int i;

	r->len = 0;
	for (;;) {
		n = mftd_fd_pread_full(
		    r->fd, r->window, sizeof(r->window), (int64_t)off);
		if (n <= 0)
			return (int)n;
		for (i = 0; i < n; i++)
			if (r->window[i] != 0)
				return -MFTD_E_CORRUPT;
		off += (uint64_t)n;
	}
}

/* From the end of a segment to the next one: 1, 0 when there is none. */
static int
go_on(struct mftd_reader *r)
{
	struct mftd_segment s;
	int err;

	if (r->fd >= 0 && (err = check_tail(r)) < 0)
		return err;
	err = open_segment(r, r->number + 1, &s);
	if (err == 1 &&
	    (s.first_seq != r->seq + 1 ||
		memcmp(s.carried, r->hash, sizeof(r->hash)) != 0))
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
	if (err < 0)
		return err;
	if (e->seq != r->seq + 1 ||
	    memcmp(e->prev, r->hash, sizeof(r->hash)) != 0)
		return -MFTD_E_CORRUPT;
	r->seq = e->seq;
	r->offset += e->bytes;
	memcpy(r->hash, e->hash, sizeof(r->hash));
	return 1;
}

int
mftd_reader_seek(struct mftd_reader *r, uint64_t seq)
{
	struct mftd_segment s, next;
	struct mftd_entry e;
	uint64_t number = 1;
	int err;

	err = open_segment(r, 1, &s);
	while (err == 1 && (err = open_segment(r, number + 1, &next)) == 1 &&
	    next.first_seq <= seq + 1) {
		s = next;
		number++;
	}
	if (err < 0)
		return err;
	err = open_segment(r, number, &s);
	if (err <= 0)
		return err < 0 ? err : seq == 0 ? 0 : -ENOENT;
	r->seq = s.first_seq - 1;
	memcpy(r->hash, s.carried, sizeof(r->hash));
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

void
mftd_reader_where(
    const struct mftd_reader *r, uint64_t *segment, uint64_t *offset)
{
	*segment = r->number;
	*offset = r->offset;
}
