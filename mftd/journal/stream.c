/* Part of mftd; see LICENSE. */
#include "mftd/journal/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/journal/record.h"
#include "mftd/journal/segment.h"

#define STARTS_MAX 0xfffff /* streams of one incarnation on a volume */

struct mftd_stream {
	char id[MFTD_ID_BYTES];
	const struct mftd_signer *signer;
	int dir, lock, fd;
	uint32_t crc; /* of the open segment's header */
	size_t segment_bytes; /* its */
	size_t next_bytes; /* of the ones after it */
	uint64_t number; /* of the open segment */
	uint64_t offset; /* where buf goes in it */
	uint64_t seq, committed; /* last appended, last durable */
	uint64_t syncs;
	uint64_t told; /* what the file "head" says */
	uint8_t hash[MFTD_SHA256_BYTES]; /* of the last appended */
	uint8_t durable_hash[MFTD_SHA256_BYTES]; /* of the last durable */
	struct mftd_buf *buf;
	bool failed;
};

int
mftd_stream_lock(int stream_dir, bool create)
{
	struct flock lk = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	fd = openat(stream_dir, MFTD_STREAM_LOCK,
	    O_RDWR | O_NOFOLLOW | O_CLOEXEC | (create ? O_CREAT : 0), 0600);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_OFD_SETLK, &lk) < 0) {
		int err = errno == EAGAIN || errno == EACCES ? EBUSY : errno;

		close(fd);
		return -err;
	}
	return fd;
}

static int
sign(const struct mftd_stream *s, enum mftd_head_use use, uint64_t seq,
    const uint8_t *hash, struct mftd_signed_head *out)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->head.stream, s->id, sizeof(out->head.stream));
	out->head.seq = seq;
	memcpy(out->head.hash, hash, sizeof(out->head.hash));
	return mftd_head_sign(s->signer, use, out);
}

static int
write_head(struct mftd_stream *s, enum mftd_head_use use)
{
	struct mftd_signed_head head;
	int r = sign(s, use, s->committed, s->durable_hash, &head);

	if (r == 0)
		r = mftd_head_write(s->dir, use, &head);
	if (r == 0)
		s->told = head.head.seq;
	if (r == -MFTD_E_SYNC)
		s->failed = true;
	return r;
}

/* Makes segment number durable with room allocated, and opens it.  On failure
 * it is gone again, unless a sync failed: then the stream is at its end. */
static int
new_segment(struct mftd_stream *s, uint64_t number, size_t size)
{
	struct mftd_segment seg = { .number = number };
	uint8_t head[MFTD_SEGMENT_HEADER_BYTES];
	char name[MFTD_SEGMENT_NAME_BYTES];
	int fd, r;

	r = sign(s, MFTD_HEAD_SEGMENT, s->seq, s->hash, &seg.before);
	if (r < 0)
		return r;
	mftd_segment_put(&seg, head);
	mftd_segment_name(number, name);
	fd = openat(s->dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return -errno;
	r = -posix_fallocate(fd, 0, (off_t)size);
	if (r == 0)
		r = mftd_fd_pwrite_full(fd, head, sizeof(head), 0);
	if (r < 0) {
		unlinkat(s->dir, name, 0);
		close(fd);
		return r;
	}
	r = mftd_sync_all(fd);
	if (r == 0)
		r = mftd_sync_all(s->dir);
	if (r < 0) {
		r = -MFTD_E_SYNC;
		s->failed = true;
		close(fd);
		return r;
	}
	mftd_fd_close(&s->fd);
	s->fd = fd;
	s->crc = seg.crc;
	s->number = number;
	s->segment_bytes = size;
	s->offset = sizeof(head);
	return 0;
}

/* Makes the node's directory, durably, also one that is there: who made it may
 * have been killed before its sync.  Returns its descriptor or an error. */
static int
open_node(int journal_fd, const char *node)
{
	int fd;

	if (mkdirat(journal_fd, node, 0750) < 0 && errno != EEXIST)
		return -errno;
	if (mftd_sync_all(journal_fd) < 0)
		return -MFTD_E_SYNC;
	fd = openat(
	    journal_fd, node, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Makes the stream's directory, durably, and opens it. */
static int
make_dir(
    struct mftd_stream *s, int node_fd, const char *incarnation, unsigned place)
{
	unsigned n;

	for (n = 1; n <= STARTS_MAX; n++) {
		if (snprintf(s->id, sizeof(s->id), "%s-j%x", incarnation,
			place << MFTD_STREAM_STARTS_BITS | n) >=
			(int)sizeof(s->id) ||
		    !mftd_id_valid(s->id))
			return -EINVAL;
		if (mkdirat(node_fd, s->id, 0750) == 0)
			break;
		if (errno != EEXIST)
			return -errno;
	}
	if (n > STARTS_MAX)
		return -EEXIST;
	s->dir = openat(
	    node_fd, s->id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (s->dir < 0)
		return -errno;
	return mftd_sync_all(node_fd) < 0 ? -MFTD_E_SYNC : 0;
}

/* Takes a stream that could not be finished away again; it holds nothing. */
static void
unmake(struct mftd_stream *s, int node_fd)
{
	char name[MFTD_SEGMENT_NAME_BYTES];

	if (s->dir < 0)
		return;
	mftd_segment_name(1, name);
	unlinkat(s->dir, MFTD_STREAM_HEAD, 0);
	unlinkat(s->dir, name, 0);
	unlinkat(s->dir, MFTD_STREAM_LOCK, 0);
	unlinkat(node_fd, s->id, AT_REMOVEDIR);
}

static int
append_open(struct mftd_stream *s, const char *node, const char *incarnation,
    const char *volume)
{
	struct mftd_rec_open rec = { 0 };
	struct mftd_buf *b = mftd_buf_new(MFTD_PAYLOAD_BYTES);
	int r = b != NULL ? 0 : -ENOMEM;

	snprintf(rec.node, sizeof(rec.node), "%s", node);
	snprintf(rec.incarnation, sizeof(rec.incarnation), "%s", incarnation);
	snprintf(rec.volume, sizeof(rec.volume), "%s", volume);
	if (r == 0)
		r = mftd_rec_open_put(b, &rec);
	if (r == 0)
		r = mftd_stream_append(s, MFTD_RECORD_OPEN, b, NULL);
	if (r == 0)
		r = mftd_stream_commit(s);
	mftd_buf_free(b);
	return r;
}

int
mftd_stream_create(int journal_fd, const char *node, const char *incarnation,
    const char *volume, unsigned place, const struct mftd_signer *signer,
    size_t segment_bytes, struct mftd_stream **out)
{
	struct mftd_stream *s = calloc(1, sizeof(*s));
	int node_fd = -1, r;

	if (s == NULL)
		return -ENOMEM;
	s->signer = signer;
	s->dir = s->lock = s->fd = -1;
	s->segment_bytes =
	    segment_bytes != 0 ? segment_bytes : MFTD_SEGMENT_FIRST_BYTES;
	s->next_bytes = segment_bytes != 0 ? segment_bytes : MFTD_SEGMENT_BYTES;
	s->buf = mftd_buf_new(s->next_bytes);
	r = s->buf == NULL ? -ENOMEM : open_node(journal_fd, node);
	if (r < 0)
		goto out;
	node_fd = r;
	r = make_dir(s, node_fd, incarnation, place);
	if (r < 0)
		goto out;
	r = s->lock = mftd_stream_lock(s->dir, true);
	/* before there is anything: a stream without a head was tampered with
	 */
	if (r >= 0)
		r = write_head(s, MFTD_HEAD_NEWEST);
	if (r == 0)
		r = new_segment(s, 1, s->segment_bytes);
	if (r == 0)
		r = append_open(s, node, incarnation, volume);
out:
	if (r < 0 && node_fd >= 0)
		unmake(s, node_fd);
	mftd_fd_close(&node_fd);
	if (r < 0) {
		mftd_stream_close(s);
		return r;
	}
	*out = s;
	return 0;
}

void
mftd_stream_close(struct mftd_stream *s)
{
	if (s == NULL)
		return;
	mftd_fd_close(&s->fd);
	mftd_fd_close(&s->lock);
	mftd_fd_close(&s->dir);
	mftd_buf_free(s->buf);
	free(s);
}

static bool
fits(const struct mftd_stream *s, size_t bytes)
{
	return s->offset + mftd_buf_len(s->buf) + bytes <= s->segment_bytes;
}

int
mftd_stream_room(struct mftd_stream *s, size_t bytes)
{
	int r;

	if (fits(s, bytes))
		return 0;
	if (bytes > s->next_bytes - MFTD_SEGMENT_HEADER_BYTES)
		return -EMSGSIZE;
	r = mftd_stream_commit(s);
	return r < 0 ? r : new_segment(s, s->number + 1, s->next_bytes);
}

int
mftd_stream_append(struct mftd_stream *s, uint32_t type,
    const struct mftd_buf *payload, uint64_t *seq)
{
	struct mftd_entry e = { .seq = s->seq + 1,
		.time_us = mftd_clock_wall_us(),
		.type = type,
		.place = (uint32_t)(s->seq - s->committed),
		.payload = mftd_buf_data(payload),
		.payload_bytes = mftd_buf_len(payload) };
	int r;

	if (!fits(s, MFTD_RECORD_HEADER_BYTES + e.payload_bytes))
		return -ENOSPC;
	memcpy(e.prev, s->hash, sizeof(e.prev));
	r = mftd_entry_put(s->buf, s->crc, &e);
	if (r < 0)
		return r;
	s->seq = e.seq;
	memcpy(s->hash, e.hash, sizeof(s->hash));
	if (seq != NULL)
		*seq = e.seq;
	return 0;
}

int
mftd_stream_commit(struct mftd_stream *s)
{
	size_t len = mftd_buf_len(s->buf);
	int r;

	if (s->failed)
		return -EIO;
	if (len == 0)
		return 0;
	r = mftd_fd_pwrite_full(
	    s->fd, mftd_buf_data(s->buf), len, (int64_t)s->offset);
	if (r == 0 && mftd_sync_data(s->fd) < 0)
		r = -MFTD_E_SYNC;
	if (r < 0) {
		s->failed = true;
		return r;
	}
	s->offset += len;
	s->committed = s->seq;
	memcpy(s->durable_hash, s->hash, sizeof(s->durable_hash));
	s->syncs++;
	mftd_buf_reset(s->buf);
	return 0;
}

int
mftd_stream_sign(struct mftd_stream *s)
{
	return s->told == s->committed ? 0 : write_head(s, MFTD_HEAD_NEWEST);
}

int
mftd_stream_end(struct mftd_stream *s)
{
	int r = mftd_stream_commit(s);

	if (r == 0)
		r = write_head(s, MFTD_HEAD_LAST);
	s->failed = true; /* nothing may be written behind it */
	return r;
}

bool
mftd_stream_failed(const struct mftd_stream *s)
{
	return s->failed;
}

bool
mftd_stream_dirty(const struct mftd_stream *s)
{
	return mftd_buf_len(s->buf) > 0;
}

const char *
mftd_stream_id(const struct mftd_stream *s)
{
	return s->id;
}

uint64_t
mftd_stream_next(const struct mftd_stream *s)
{
	return s->seq + 1;
}

uint64_t
mftd_stream_committed(const struct mftd_stream *s)
{
	return s->committed;
}

uint64_t
mftd_stream_syncs(const struct mftd_stream *s)
{
	return s->syncs;
}

uint64_t
mftd_stream_segment(const struct mftd_stream *s)
{
	return s->number;
}

int
mftd_stream_dir(const struct mftd_stream *s)
{
	return s->dir;
}
