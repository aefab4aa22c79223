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

/*
 * The record that begins here, if one does, was written when all records before
 * its commit were durable.  Bytes out of a payload do not pass for a record:
 * texts have no zeros, which the length and the bounded sequence must have.
 * Returns where to look next, from here.
 */
static size_t
look_at_record(struct look *l, const uint8_t *at, size_t len)
{
	struct mftd_entry e;

	if (mftd_entry_get(at, len, &e) != 1 || e.seq <= l->read ||
	    e.seq - l->read > l->most)
		return 1;
	went(l, mftd_entry_durable(&e));
	return e.bytes;
}

/* Looks through the file from a byte on; the header tells of what was before
 * it, wherever that byte is. */
static int
look_through(struct look *l, int fd, uint64_t from)
{
	struct mftd_segment s;
	struct stat st;
	uint8_t *all;
	ssize_t n;
	size_t i;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > MFTD_SEGMENT_BYTES)
		st.st_size = MFTD_SEGMENT_BYTES;
	/* one that is cut short has no header, not half of one */
	all = calloc(1, MFTD_SEGMENT_HEADER_BYTES + (size_t)st.st_size);
	if (all == NULL)
		return -ENOMEM;
	n = mftd_fd_pread_full(fd, all, (size_t)st.st_size, 0);
	if (n >= 0 && mftd_segment_get(all, &s) == 0 &&
	    strcmp(s.before.head.stream, l->stream) == 0)
		went(l, s.before.head.seq);
	for (i = from; n > 0 && i < (size_t)n;)
		i += look_at_record(l, all + i, (size_t)n - i);
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

int
mftd_damage_look(int stream_dir, const char *stream,
    const struct mftd_reader *reader, uint64_t *seq)
{
	struct look l = { .stream = stream, .read = mftd_reader_seq(reader) };
	struct mftd_signed_head h;
	enum mftd_head_use use;
	bool is_last = false;
	int r;

	r = look_behind(&l, stream_dir, reader);
	if (r < 0)
		return r;
	if (mftd_head_read(stream_dir, &use, &h) == 0 &&
	    mftd_head_holds(use, &h) && strcmp(h.head.stream, stream) == 0) {
		went(&l, h.head.seq);
		is_last = use == MFTD_HEAD_LAST && h.head.seq < l.read;
	}
	*seq = l.went;
	return l.went > l.read || is_last ? -MFTD_E_CORRUPT : 0;
}
