/* Part of mftd; see LICENSE. */
#include "mftd/outbound/fetch_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"

#define PIECE_MOST MFTD_SFTP_READ_BYTES
#define READS_LOW (MFTD_FETCH_READS / 2) /* more go out together then */

_Static_assert(MFTD_FETCH_READS <= 64, "a bit for each place");

/* One file being read. */
struct reading {
	const struct mftd_remote_file *file;
	uint64_t size, next, done; /* asked for, and here, up to there */
	size_t head, open; /* pieces under way, from head on in a ring */
	int fd;
};

/* The first place that is free: answers come in order mostly, so that it is
 * the same one for all. */
static uint8_t *
take_place(void *data)
{
	struct mftd_fetch_piece *p = data;
	struct mftd_fetch_state *f = p->f;

	p->place = __builtin_ctzll(~f->places);
	f->places |= 1ull << p->place;
	return f->buffer + (size_t)p->place * PIECE_MOST;
}

static int
submit(
    struct mftd_fetch_state *f, struct reading *rd, struct mftd_fetch_piece *p)
{
	const size_t chunk = mftd_fetch_chunk(f);
	uint64_t off = rd->next;
	int r;

	p->want = rd->size - off < chunk ? (size_t)(rd->size - off) : chunk;
	p->fill = 0;
	p->answer = (struct mftd_remote_answer) { 0 };
	p->f = f;
	p->data = (struct mftd_remote_data) {
		.size = p->want, .place = take_place, .data = p
	};
	r = mftd_fetch_pace(f, p->want);
	if (r == 0)
		r = mftd_remote_read(
		    f->remote, rd->file, off, &p->data, &p->answer);
	rd->next += p->want;
	rd->open++;
	return r;
}

/* What has come is kept. */
static int
keep(struct mftd_fetch_state *f, struct reading *rd, struct mftd_fetch_piece *p)
{
	size_t len = p->data.len;
	int r = 0;

	if (len == 0)
		return -ESTALE; /* it ends before what its size said */
	if (EVP_DigestUpdate(f->sum, p->data.at, len) != 1)
		return -EIO;
	if (rd->fd >= 0)
		r = mftd_fd_pwrite_full(
		    rd->fd, p->data.at, len, (int64_t)rd->done);
	if (r == 0 && rd->fd >= 0)
		r = mftd_sync_start(rd->fd, (int64_t)rd->done, (int64_t)len);
	rd->done += len;
	p->fill += len;
	if (r == 0 && rd->fd >= 0)
		r = mftd_fetch_part_grew(f, rd->done);
	return r < 0 ? mftd_fetch_fail(f, r, "keeping it", "") : 0;
}

/* A server may give less than it was asked for at any time: the rest is asked
 * for again. */
static int
ask_rest(
    struct mftd_fetch_state *f, struct reading *rd, struct mftd_fetch_piece *p)
{
	p->data.at += p->data.len;
	p->data.size = p->want - p->fill;
	return mftd_remote_read(
	    f->remote, rd->file, rd->done, &p->data, &p->answer);
}

static int
take_head(struct mftd_fetch_state *f, struct reading *rd)
{
	struct mftd_fetch_piece *p = &f->pieces[rd->head];
	int r = 0;

	while (r == 0 && p->fill < p->want) {
		r = mftd_remote_await(f->remote, &p->answer);
		r = mftd_fetch_result(f, r, &p->answer, "read");
		if (r == 0)
			r = keep(f, rd, p);
		if (r == 0 && p->fill < p->want)
			r = ask_rest(f, rd, p);
	}
	if (r == 0)
		f->places &= ~(1ull << p->place);
	rd->head = (rd->head + 1) % MFTD_FETCH_READS;
	rd->open--;
	return r;
}

/* As many READs under way as there are places. */
static int
submit_more(struct mftd_fetch_state *f, struct reading *rd)
{
	int r = 0;

	while (r == 0 && rd->open < MFTD_FETCH_READS && rd->next < rd->size)
		r = submit(f, rd,
		    &f->pieces[(rd->head + rd->open) % MFTD_FETCH_READS]);
	return r;
}

/* All of it. */
static int
read_all(struct mftd_fetch_state *f, struct reading *rd)
{
	int r = 0;

	if (f->buffer == NULL)
		f->buffer = malloc((size_t)MFTD_FETCH_READS * PIECE_MOST);
	if (f->buffer == NULL)
		return -ENOMEM;
	f->places = 0;
	while (r == 0 && rd->done < rd->size) {
		if (rd->open <= READS_LOW)
			r = submit_more(f, rd);
		if (r == 0)
			r = take_head(f, rd);
	}
	return r;
}

/* Whether the open file is the one that was listed. */
static int
check_file(struct mftd_fetch_state *f, const struct mftd_remote_file *file,
    uint64_t size, int64_t mtime)
{
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_attrs attrs;
	int r = mftd_remote_fstat(f->remote, file, &attrs, &a);

	if (r == 0)
		r = mftd_remote_await(f->remote, &a);
	r = mftd_fetch_result(f, r, &a, "fstat");
	if (r < 0)
		return r;
	if (!attrs.has_size || !attrs.has_mtime || attrs.size != size ||
	    (int64_t)attrs.mtime != mtime ||
	    (attrs.has_mode && !S_ISREG(attrs.mode)))
		return -ESTALE;
	return 0;
}

/* Whether the file is still the one that was listed, and ends where its size
 * says: what a server keeps back of it would be lost when it is taken away. */
static int
check_end(struct mftd_fetch_state *f, const struct mftd_remote_file *file,
    uint64_t size, int64_t mtime)
{
	struct mftd_remote_answer a = { 0 };
	uint8_t byte;
	struct mftd_remote_data behind = { .at = &byte, .size = sizeof(byte) };
	int r, e;

	e = mftd_remote_read(f->remote, file, size, &behind, &a);
	r = e < 0 ? 0 : check_file(f, file, size, mtime);
	if (e == 0)
		e = mftd_remote_await(f->remote, &a);
	if (r == 0)
		r = mftd_fetch_result(f, e, &a, "read behind its end");
	if (r < 0 || behind.len == 0)
		return r;
	f->refused = true; /* as good as: the call goes on */
	return mftd_fetch_fail(
	    f, -EIO, "read", "it goes on behind the size that the server says");
}

static int
close_file(struct mftd_fetch_state *f, const struct mftd_remote_file *file)
{
	struct mftd_remote_answer a = { 0 };
	int r = mftd_remote_close(f->remote, file, &a);

	/* and whatever else is under way: it points to us */
	return r == 0 ? mftd_remote_drain(f->remote) : r;
}

int
mftd_fetch_read(struct mftd_fetch_state *f, const char *path, uint64_t size,
    int64_t mtime, int fd, uint8_t sum[MFTD_SHA256_BYTES])
{
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_file file;
	struct reading rd = { .file = &file, .size = size, .fd = fd };
	int r, e;

	r = mftd_remote_open_file(
	    f->remote, path, MFTD_REMOTE_LOOK, 0, &file, &a);
	if (r == 0)
		r = mftd_remote_await(f->remote, &a);
	r = mftd_fetch_result(f, r, &a, "open");
	if (r < 0)
		return r;
	if (EVP_DigestInit_ex(f->sum, f->sha256, NULL) != 1)
		r = -EIO;
	if (r == 0)
		r = check_file(f, &file, size, mtime);
	if (r == 0 && fd >= 0)
		r = mftd_fetch_part_prove(f, path, &file, &rd.next);
	rd.done = rd.next;
	if (r == 0)
		r = read_all(f, &rd);
	if (r == 0)
		r = check_end(f, &file, size, mtime);
	e = close_file(f, &file);
	if (r == 0)
		r = mftd_fetch_sum_so_far(f, sum);
	return r == 0 && e < 0 ? mftd_fetch_result(f, e, &a, "close") : r;
}

int
mftd_fetch_remote_sum(struct mftd_fetch_state *f, const char *path,
    uint64_t size, struct mftd_remote_sum *sum)
{
	/* a refusal is an answer too: it is not known then */
	struct mftd_remote_answer a = { 0 };
	int r = 0;

	*sum = (struct mftd_remote_sum) { 0 };
	if (size <= MFTD_REMOTE_SUM_BYTES && mftd_remote_can_sum(f->remote))
		r = mftd_remote_sum(f->remote, path, 0, sum, &a);
	if (r == 0)
		r = mftd_remote_drain(f->remote);
	return r < 0 ? mftd_fetch_result(f, r, &a, "check-file") : 0;
}
