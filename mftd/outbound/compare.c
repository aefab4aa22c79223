/* Part of mftd; see LICENSE. */
#include "mftd/outbound/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/fdio.h"

#define PIECE_BYTES 32768 /* a READ: every server gives that much */
#define BLOCK_BYTES MFTD_RESUME_READ_BYTES
#define PIECES (BLOCK_BYTES / PIECE_BYTES)

/* ---- the source */

int
mftd_source_sum(struct mftd_batch *b, const struct mftd_item *it,
    uint64_t length, uint8_t sum[MFTD_SHA256_BYTES])
{
	uint8_t *data = malloc(BLOCK_BYTES);
	uint64_t off = 0, n;
	int r = -EIO;

	if (data == NULL || EVP_DigestInit_ex(b->sum, b->sha256, NULL) != 1)
		goto out;
	for (; off < length; off += n) {
		n = length - off < BLOCK_BYTES ? length - off : BLOCK_BYTES;
		/* nothing else looks at lease and watchdog meanwhile */
		if (b->call.target.go_on(b->call.target.data) < 0 ||
		    mftd_fd_pread_full(it->source, data, (size_t)n,
			(int64_t)off) != (ssize_t)n ||
		    EVP_DigestUpdate(b->sum, data, (size_t)n) != 1)
			goto out;
	}
	if (EVP_DigestFinal_ex(b->sum, sum, NULL) == 1)
		r = 0;
out:
	free(data);
	return r;
}

/* ---- reading back */

/* READs that are asked for together. */
static int
read_pieces(struct mftd_batch *b, const struct mftd_remote_file *f,
    uint64_t off, uint8_t *at, size_t len, struct mftd_remote_data *pieces,
    struct mftd_remote_answer *a)
{
	size_t i, n;
	int r = 0;

	for (i = 0; r == 0 && len > 0; i++, len -= n) {
		n = len < PIECE_BYTES ? len : PIECE_BYTES;
		pieces[i] = (struct mftd_remote_data) { .at = at, .size = n };
		r = mftd_remote_read(b->remote, f, off, &pieces[i], a);
		at += n;
		off += n;
	}
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

/* Reads up to len bytes, not more than a block; *got: how many there were.  A
 * server may give less than it was asked for at any time. */
static int
fetch(struct mftd_batch *b, const struct mftd_remote_file *f, uint64_t off,
    uint8_t *at, size_t len, size_t *got, struct mftd_remote_answer *a)
{
	struct mftd_remote_data pieces[PIECES];
	size_t i, before, asked;
	int r;

	*got = 0;
	do {
		before = *got;
		asked = (len - before + PIECE_BYTES - 1) / PIECE_BYTES;
		r = read_pieces(
		    b, f, off + before, at + before, len - before, pieces, a);
		for (i = 0; r == 0 && i < asked; i++) {
			*got += pieces[i].len;
			if (pieces[i].len < pieces[i].size)
				break;
		}
	} while (r == 0 && a->err == 0 && *got > before && *got < len);
	return r;
}

/* Whether the file's bytes are those of it->sum: *same. */
static int
compare_all(struct mftd_batch *b, const struct mftd_item *it,
    const struct mftd_remote_file *f, bool *same, struct mftd_remote_answer *a)
{
	uint8_t *data = malloc(BLOCK_BYTES), sum[MFTD_SHA256_BYTES];
	uint64_t off = 0;
	size_t got = BLOCK_BYTES;
	int r = data != NULL ? 0 : -ENOMEM;

	if (EVP_DigestInit_ex(b->sum, b->sha256, NULL) != 1)
		r = -EIO;
	while (r == 0 && a->err == 0 && got == BLOCK_BYTES) {
		r = fetch(b, f, off, data, BLOCK_BYTES, &got, a);
		if (r == 0 && EVP_DigestUpdate(b->sum, data, got) != 1)
			r = -EIO;
		off += got;
	}
	if (r == 0 && EVP_DigestFinal_ex(b->sum, sum, NULL) != 1)
		r = -EIO;
	*same = r == 0 && off == it->d.size &&
	    memcmp(sum, it->sum, sizeof(sum)) == 0;
	free(data);
	return r;
}

/* Opens path to read; false where that is refused. */
static int
open_to_read(struct mftd_batch *b, const char *path, struct mftd_remote_file *f,
    struct mftd_remote_answer *a)
{
	int r =
	    mftd_remote_open_file(b->remote, path, MFTD_REMOTE_LOOK, 0, f, a);

	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

static int
close_file(struct mftd_batch *b, const struct mftd_remote_file *f)
{
	struct mftd_remote_answer a = { 0 };
	int r = mftd_remote_close(b->remote, f, &a);

	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

static int
read_back(struct mftd_batch *b, const struct mftd_item *it, const char *path,
    struct mftd_remote_attrs *attrs)
{
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_file f;
	bool same;
	int r = open_to_read(b, path, &f, &a);

	if (r < 0 || a.err < 0)
		return r;
	r = compare_all(b, it, &f, &same, &a);
	if (r == 0 && a.err == 0)
		attrs->content = same ? MFTD_CONTENT_SAME : MFTD_CONTENT_OTHER;
	return r == 0 ? close_file(b, &f) : r;
}

int
mftd_item_look_into(struct mftd_batch *b, const struct mftd_item *it,
    const char *path, struct mftd_remote_attrs *attrs,
    enum mftd_verification *how)
{
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_sum sum = { 0 };
	int r = 0;

	if (!it->summed)
		return 0;
	if (mftd_batch_may_sum(b, it->d.size))
		r = mftd_remote_sum(b->remote, path, 0, &sum, &a);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r < 0)
		return r;
	if (how != NULL)
		*how = sum.known ? MFTD_VERIFIED_HASH : MFTD_VERIFIED_READ;
	if (!sum.known)
		return read_back(b, it, path, attrs);
	attrs->content = memcmp(sum.sha256, it->sum, sizeof(it->sum)) == 0
	    ? MFTD_CONTENT_SAME
	    : MFTD_CONTENT_OTHER;
	return 0;
}

int
mftd_batch_is_text(struct mftd_batch *b, const char *path, const char *text,
    size_t len, bool *same)
{
	uint8_t data[2 * MFTD_TRIGGER_BYTES];
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_file f;
	size_t got = 0;
	int r;

	*same = len == 0;
	if (len == 0 || len > sizeof(data))
		return 0;
	r = open_to_read(b, path, &f, &a);
	if (r < 0 || a.err < 0)
		return r;
	r = fetch(b, &f, 0, data, len, &got, &a);
	*same = r == 0 && got == len && memcmp(data, text, len) == 0;
	return r == 0 ? close_file(b, &f) : r;
}

/* ---- the beginning */

static int
prove_by_hash(struct mftd_batch *b, struct mftd_item *it, uint64_t size)
{
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_sum sum;
	uint8_t own[MFTD_SHA256_BYTES];
	int r = mftd_remote_sum(b->remote, it->temp, size, &sum, &a);

	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r == 0 && sum.known && mftd_source_sum(b, it, size, own) == 0 &&
	    memcmp(own, sum.sha256, sizeof(own)) == 0)
		it->from = size;
	return r;
}

/* Requests of a connection that broke may have been done in any order: what was
 * under way then is sent again, and what is before that looked at. */
static int
prove_by_reading(struct mftd_batch *b, struct mftd_item *it, uint64_t size)
{
	const size_t want = MFTD_RESUME_READ_BYTES;
	struct mftd_remote_answer a = { 0 };
	uint8_t *own = malloc(want), *theirs = malloc(want);
	uint64_t from =
	    size > MFTD_RESUME_BACK_BYTES ? size - MFTD_RESUME_BACK_BYTES : 0;
	struct mftd_remote_file f;
	size_t got = 0;
	int r = own != NULL && theirs != NULL ? 0 : -ENOMEM;

	if (r < 0 || from < want)
		goto out;
	r = open_to_read(b, it->temp, &f, &a);
	if (r < 0 || a.err < 0)
		goto out;
	r = fetch(b, &f, from - want, theirs, want, &got, &a);
	if (r == 0)
		r = close_file(b, &f);
	if (r == 0 && got == want &&
	    mftd_fd_pread_full(it->source, own, want, (int64_t)(from - want)) ==
		(ssize_t)want &&
	    memcmp(own, theirs, want) == 0)
		it->from = from;
out:
	free(own);
	free(theirs);
	return r;
}

int
mftd_item_prove_prefix(struct mftd_batch *b, struct mftd_item *it)
{
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_attrs attrs;
	int r = mftd_remote_lstat(b->remote, it->temp, &attrs, &a);

	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r < 0 || a.err < 0 || !attrs.exists || !attrs.has_size ||
	    attrs.size == 0 || attrs.size > it->d.size)
		return r;
	return mftd_batch_may_sum(b, attrs.size)
	    ? prove_by_hash(b, it, attrs.size)
	    : prove_by_reading(b, it, attrs.size);
}
