/* Part of mftd; see LICENSE. */
#include "mftd/journal/damage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/journal/head.h"

/* What is looked for, and what was found. */
struct look {
	const char *stream;
	uint64_t read; /* so far it can be read */
	uint64_t most; /* so many records could stand behind that */
	uint64_t went; /* so far it went, for all that is known */
};

static void
went(struct look *l, uint64_t seq)
{
	if (seq > l->went)
		l->went = seq;
}

/* The record that begins here, if one does, was written when all records before
 * its commit were durable.  Returns where to look next, from here. */
static size_t
look_at_record(struct look *l, const uint8_t *at, size_t len, uint32_t crc)
{
	size_t blank = mftd_segment_blank(at, len);
	struct mftd_entry e;

	/* a length may begin with zeros, and is not all zeros */
	if (blank >= sizeof(uint32_t))
		return blank - (sizeof(uint32_t) - 1);
	if (mftd_entry_get(at, len, crc, &e) != 1 || e.seq <= l->read ||
	    e.seq - l->read > l->most)
		return 1;
	went(l, mftd_entry_durable(&e));
	return e.bytes;
}

/* Looks through a segment of len bytes (more are there, zeros) from one on. */
static void
look_at_segment(struct look *l, const uint8_t *all, size_t len, uint64_t from)
{
	struct mftd_segment s;
	size_t i;

	if (mftd_segment_get(all, &s) == 0 &&
	    strcmp(s.before.head.stream, l->stream) == 0) {
		went(l, s.before.head.seq);
		for (i = from; i < len;)
			i += look_at_record(l, all + i, len - i, s.crc);
	} else if (len > MFTD_SEGMENT_HEADER_BYTES &&
	    mftd_segment_blank(all + MFTD_SEGMENT_HEADER_BYTES,
		len - MFTD_SEGMENT_HEADER_BYTES) <
		len - MFTD_SEGMENT_HEADER_BYTES) {
		/* its header was durable before anything behind it was written;
		 * of whose crash that was the end, had nothing there yet */
		went(l, l->read + 1);
	}
}

static int
look_through(struct look *l, int fd, uint64_t from)
{
	struct stat st;
	uint8_t *all;
	ssize_t n;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > MFTD_SEGMENT_BYTES)
		st.st_size = MFTD_SEGMENT_BYTES;
	/* one that is cut short has no header, not half of one */
	all = calloc(1, MFTD_SEGMENT_HEADER_BYTES + (size_t)st.st_size);
	if (all == NULL)
		return -ENOMEM;
	n = mftd_fd_pread_full(fd, all, (size_t)st.st_size, 0);
	if (n > 0)
		look_at_segment(l, all, (size_t)n, from);
	free(all);
	return n < 0 ? (int)n : 0;
}

static int
look_behind(struct look *l, int dir, const struct mftd_reader *reader)
{
	char name[MFTD_SEGMENT_NAME_BYTES];
	uint64_t first, last, number, offset;
	int fd, r = mftd_segments_range(dir, &first, &last);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	mftd_reader_where(reader, &number, &offset);
	if (number < first) {
		number = first;
		offset = 0;
	}
	l->most = (last - number + 1) *
	    (MFTD_SEGMENT_BYTES / MFTD_RECORD_HEADER_BYTES);
	for (; r == 0 && number <= last; number++, offset = 0) {
		mftd_segment_name(number, name);
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0) {
			r = errno == ENOENT ? 0 : -errno;
			continue;
		}
		r = look_through(l, fd, offset);
		close(fd);
	}
	return r;
}

/* What its signed head says, which was there before any segment was. */
static const char *
look_at_head(struct look *l, int dir)
{
	struct mftd_signed_head h;
	enum mftd_head_use use;
	uint64_t first, last;

	if (mftd_segments_range(dir, &first, &last) == -ENOENT)
		return NULL;
	if (mftd_head_read(dir, &use, &h) < 0 || !mftd_head_holds(use, &h) ||
	    strcmp(h.head.stream, l->stream) != 0)
		return "its signed head is missing or is none of its";
	went(l, h.head.seq);
	if (use == MFTD_HEAD_LAST && h.head.seq < l->read)
		return "it goes on behind its last head";
	return NULL;
}

int
mftd_damage_look(int stream_dir, const char *stream,
    const struct mftd_reader *reader, struct mftd_damage *out)
{
	struct look l = { .stream = stream, .read = mftd_reader_seq(reader) };
	int r;

	r = look_behind(&l, stream_dir, reader);
	if (r < 0)
		return r;
	out->what = look_at_head(&l, stream_dir);
	if (l.went > l.read)
		out->what = "it was durable farther than it can be read";
	out->seq = l.went;
	return out->what != NULL ? -MFTD_E_CORRUPT : 0;
}
