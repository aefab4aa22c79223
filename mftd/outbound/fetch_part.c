/* Part of mftd; see LICENSE. */
#include "mftd/outbound/fetch_state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/buf.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"

#define PART ".part"
#define MARK ".mark"
#define MARK_NEW ".mark.new" /* mftd_file_replace's */
#define WORDS "mftd part 1" /* what a mark begins with */
#define MARK_BYTES_MAX (8 * MFTD_PATH_BYTES)
#define BLOCK_BYTES MFTD_RESUME_READ_BYTES
#define WORD_EVERY_BYTES (64 * BLOCK_BYTES) /* see own_sum */

/* ---- the mark */

static int
put_mark(struct mftd_buf *b, const struct mftd_fetch_state *f,
    const struct mftd_fetch_mark *m)
{
	int r = mftd_buf_put_cstring(b, WORDS);

	if (r == 0)
		r = mftd_buf_put_cstring(b, f->j->partner->name);
	if (r == 0)
		r = mftd_buf_put_cstring(b, f->j->directory);
	if (r == 0)
		r = mftd_buf_put_cstring(b, m->file.name);
	if (r == 0)
		r = mftd_buf_put_cstring(b, m->host);
	if (r == 0)
		r = mftd_buf_put_u64(b, m->file.size);
	if (r == 0)
		r = mftd_buf_put_u64(b, (uint64_t)m->file.mtime);
	if (r == 0)
		r = mftd_buf_put_u64(b, m->done);
	return r == 0 ? mftd_buf_put(b, m->sha256, sizeof(m->sha256)) : r;
}

static int
write_mark(const struct mftd_fetch_state *f, const struct mftd_fetch_mark *m)
{
	struct mftd_buf *b = mftd_buf_new(MARK_BYTES_MAX);
	int r = b != NULL ? put_mark(b, f, m) : -ENOMEM;

	if (r == 0)
		r = mftd_file_replace(f->stage.dir, MARK, mftd_buf_data(b),
		    mftd_buf_len(b), 0600);
	mftd_buf_free(b);
	return r;
}

static bool
get_words(struct mftd_buf *b, const char *words)
{
	const uint8_t *at;
	size_t len;

	return mftd_buf_get_string(b, &at, &len) == 0 && len == strlen(words) &&
	    memcmp(at, words, len) == 0;
}

/* A mark of this partner's folder; false: it is none. */
static bool
get_mark(struct mftd_buf *b, const struct mftd_fetch_state *f,
    struct mftd_fetch_mark *m)
{
	uint64_t mtime;

	if (!get_words(b, WORDS) || !get_words(b, f->j->partner->name) ||
	    !get_words(b, f->j->directory) ||
	    mftd_buf_get_cstring(b, m->file.name, sizeof(m->file.name)) < 0 ||
	    mftd_buf_get_cstring(b, m->host, sizeof(m->host)) < 0 ||
	    mftd_buf_get_u64(b, &m->file.size) < 0 ||
	    mftd_buf_get_u64(b, &mtime) < 0 ||
	    mftd_buf_get_u64(b, &m->done) < 0 ||
	    mftd_buf_get(b, m->sha256, sizeof(m->sha256)) < 0)
		return false;
	m->file.mtime = (int64_t)mtime;
	return m->done > 0 && m->done <= m->file.size;
}

/* What cannot be read is not there. */
static void
read_mark(struct mftd_fetch_state *f)
{
	struct mftd_fetch_mark m = { .done = 0 };
	struct mftd_buf *b = NULL;
	char *data = NULL;
	size_t len;

	if (mftd_file_read(f->stage.dir, MARK, MARK_BYTES_MAX, &data, &len) ==
	    0)
		b = mftd_buf_from(data, len);
	if (b == NULL || !get_mark(b, f, &m))
		m.done = 0;
	f->part.mark = m;
	mftd_buf_free(b);
	free(data);
}

static bool
is_of(const struct mftd_fetch_mark *m, const char *name, uint64_t size,
    int64_t mtime)
{
	return m->done > 0 && strcmp(m->file.name, name) == 0 &&
	    m->file.size == size && m->file.mtime == mtime;
}

bool
mftd_fetch_part_is_of(
    const struct mftd_fetch_state *f, const struct mftd_listed *e)
{
	return is_of(&f->part.mark, e->name, e->size, e->mtime);
}

/* ---- the part */

bool
mftd_fetch_part_suits(const struct mftd_fetch_state *f, uint64_t size)
{
	return f->j->mark_bytes > 0 && size >= MFTD_RESUME_BYTES;
}

static int
drop(struct mftd_fetch_state *f)
{
	static const char *const names[] = { MARK, MARK_NEW, PART };
	size_t i;
	int r = 0;

	f->part.mark.done = 0;
	f->part.fd = -1;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (unlinkat(f->stage.dir, names[i], 0) < 0 && errno != ENOENT)
			r = -errno;
	return r;
}

void
mftd_fetch_part_review(struct mftd_fetch_state *f)
{
	const struct mftd_listed *e;
	bool first = !f->part.reviewed;
	int r = 0;

	if (first && f->stage.dir >= 0)
		read_mark(f);
	f->part.reviewed = true;
	/* at first there may be one that was killed before its mark */
	if (f->stage.dir < 0 || (f->part.mark.done == 0 && !first))
		return;
	e = mftd_listing_find(&f->seen, f->part.mark.file.name);
	if (f->j->mark_bytes == 0 ||
	    ((e == NULL || !mftd_fetch_part_is_of(f, e)) && f->seen.over == 0))
		r = drop(f);
	if (r < 0)
		log_warn(
		    "what is left of a cut fetch stays: %s", mftd_strerror(r));
}

/* Who fetched it before us may hang in a write to it still: then it is locked,
 * on every node. */
static int
open_locked(const struct mftd_fetch_state *f)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = mftd_path_open_nolinks(f->stage.dir, PART, O_RDWR, 0);

	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) < 0)
		mftd_fd_close(&fd);
	return fd;
}

static bool
is_usable(const struct mftd_fetch_state *f,
    const struct mftd_msg_fetch_file *file, int fd)
{
	const struct mftd_fetch_mark *m = &f->part.mark;
	struct stat st;

	return is_of(m, file->name, file->size, file->mtime) &&
	    m->done >= MFTD_RESUME_READ_BYTES &&
	    strcmp(m->host, mftd_ssh_client_address(f->client)) == 0 &&
	    fstat(fd, &st) == 0 && (uint64_t)st.st_size >= m->done;
}

/* A file of its own: nobody else writes to it. */
static int
begin_anew(struct mftd_fetch_state *f, const struct mftd_msg_fetch_file *file)
{
	struct mftd_fetch_mark *m = &f->part.mark;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd, r = drop(f);

	if (r < 0)
		return r;
	*m = (struct mftd_fetch_mark) { .file = *file };
	snprintf(
	    m->host, sizeof(m->host), "%s", mftd_ssh_client_address(f->client));
	fd = mftd_path_open_nolinks(
	    f->stage.dir, PART, O_RDWR | O_CREAT | O_EXCL, 0640);
	/* where locks are not to be had nobody goes on with it */
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) < 0)
		log_info("no locks on the volume: %s", strerror(errno));
	return fd;
}

int
mftd_fetch_part_open(
    struct mftd_fetch_state *f, const struct mftd_msg_fetch_file *file)
{
	int fd, r = mftd_stage_dir(&f->stage);

	if (r < 0)
		return r;
	read_mark(f);
	fd = open_locked(f);
	if (fd >= 0 && !is_usable(f, file, fd))
		mftd_fd_close(&fd);
	if (fd < 0)
		fd = begin_anew(f, file);
	f->part.fd = fd < 0 ? -1 : fd;
	f->part.done = f->part.mark.done;
	return fd;
}

/* ---- what is in it */

int
mftd_fetch_sum_so_far(
    struct mftd_fetch_state *f, uint8_t sum[MFTD_SHA256_BYTES])
{
	return EVP_MD_CTX_copy_ex(f->part.so_far, f->sum) == 1 &&
		EVP_DigestFinal_ex(f->part.so_far, sum, NULL) == 1
	    ? 0
	    : -EIO;
}

/* Something has to be said meanwhile: servers end connections that are
 * silent. */
static int
say_a_word(struct mftd_fetch_state *f, const struct mftd_remote_file *file)
{
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_attrs attrs;
	int r = mftd_remote_fstat(f->remote, file, &attrs, &a);

	if (r == 0)
		r = mftd_remote_await(f->remote, &a);
	return mftd_fetch_result(f, r, &a, "fstat");
}

/* Sums up what is in the part, as far as the mark says.  *same: it is what the
 * mark was made of. */
static int
own_sum(struct mftd_fetch_state *f, const struct mftd_remote_file *file,
    uint8_t *block, bool *same)
{
	const struct mftd_fetch_mark *m = &f->part.mark;
	uint8_t sum[MFTD_SHA256_BYTES];
	uint64_t at, n;
	int r = 0;

	*same = false;
	for (at = 0; at < m->done; at += n) {
		n = m->done - at < BLOCK_BYTES ? m->done - at : BLOCK_BYTES;
		if (at % WORD_EVERY_BYTES == 0)
			r = say_a_word(f, file);
		if (r < 0)
			return r;
		if (mftd_fd_pread_full(f->part.fd, block, (size_t)n,
			(int64_t)at) != (ssize_t)n)
			return 0;
		if (EVP_DigestUpdate(f->sum, block, (size_t)n) != 1)
			return -EIO;
	}
	r = mftd_fetch_sum_so_far(f, sum);
	*same = r == 0 && memcmp(sum, m->sha256, sizeof(sum)) == 0;
	return r;
}

/* Reads the partner's len bytes from off on; *got: all of them came. */
static int
read_theirs(struct mftd_fetch_state *f, const struct mftd_remote_file *file,
    uint64_t off, uint8_t *at, size_t len, bool *got)
{
	const size_t chunk = mftd_fetch_chunk(f);
	struct mftd_remote_answer a = { 0 };
	struct mftd_remote_data d = { .len = 1 };
	int r = 0;

	for (; r == 0 && len > 0 && d.len > 0; at += d.len, off += d.len) {
		d = (struct mftd_remote_data) { .at = at,
			.size = len < chunk ? len : chunk };
		r = mftd_fetch_pace(f, d.size);
		if (r == 0)
			r = mftd_remote_read(f->remote, file, off, &d, &a);
		if (r == 0)
			r = mftd_remote_await(f->remote, &a);
		r = mftd_fetch_result(f, r, &a, "read");
		len -= d.len;
	}
	*got = r == 0 && len == 0;
	return r;
}

/* Whether the partner's file begins so: by the last block of what is here. */
static int
compare_end(struct mftd_fetch_state *f, const struct mftd_remote_file *file,
    uint8_t *block, bool *same)
{
	uint64_t off = f->part.mark.done - BLOCK_BYTES;
	uint8_t *theirs = malloc(BLOCK_BYTES);
	int r = theirs != NULL ? 0 : -ENOMEM;

	if (r == 0)
		r = read_theirs(f, file, off, theirs, BLOCK_BYTES, same);
	if (r == 0 && *same)
		*same = mftd_fd_pread_full(f->part.fd, block, BLOCK_BYTES,
			    (int64_t)off) == BLOCK_BYTES &&
		    memcmp(block, theirs, BLOCK_BYTES) == 0;
	free(theirs);
	return r;
}

static int
compare(struct mftd_fetch_state *f, const char *path,
    const struct mftd_remote_file *file, uint8_t *block, bool *same)
{
	const struct mftd_fetch_mark *m = &f->part.mark;
	struct mftd_remote_sum sum = { .known = false };
	struct mftd_remote_answer a = { 0 };
	int r = 0;

	if (m->done <= MFTD_REMOTE_SUM_BYTES && mftd_remote_can_sum(f->remote))
		r = mftd_remote_sum(f->remote, path, m->done, &sum, &a);
	if (r == 0)
		r = mftd_remote_drain(f->remote);
	if (r < 0)
		return mftd_fetch_result(f, r, &a, "check-file");
	if (!sum.known)
		return compare_end(f, file, block, same);
	*same = memcmp(sum.sha256, m->sha256, sizeof(m->sha256)) == 0;
	return 0;
}

/* What is in it is of no use; nobody else has it. */
static int
empty(struct mftd_fetch_state *f)
{
	f->part.done = f->part.mark.done = 0;
	if (ftruncate(f->part.fd, 0) < 0)
		return -errno;
	return EVP_DigestInit_ex(f->sum, f->sha256, NULL) == 1 ? 0 : -EIO;
}

int
mftd_fetch_part_prove(struct mftd_fetch_state *f, const char *path,
    const struct mftd_remote_file *file, uint64_t *from)
{
	const struct mftd_fetch_mark *m = &f->part.mark;
	uint8_t *block;
	bool same;
	int r;

	*from = 0;
	if (f->part.fd < 0 || m->done == 0)
		return 0;
	block = malloc(BLOCK_BYTES);
	r = block != NULL ? own_sum(f, file, block, &same) : -ENOMEM;
	if (r == 0 && same)
		r = compare(f, path, file, block, &same);
	free(block);
	if (r < 0)
		return r;
	if (!same) {
		log_info("%s begins anew: what is here of it is not its "
			 "beginning",
		    m->file.name);
		return empty(f);
	}
	*from = f->part.done = m->done;
	log_info("%s goes on at %llu of %llu bytes", m->file.name,
	    (unsigned long long)m->done, (unsigned long long)m->file.size);
	return 0;
}

/* ---- its growth, and its end */

/* The bytes first, and then the word that they are there. */
static int
note(struct mftd_fetch_state *f)
{
	struct mftd_fetch_mark m = f->part.mark;
	int r = mftd_fetch_sum_so_far(f, m.sha256);

	m.done = f->part.done;
	alarm(0); /* a disk takes the time that it takes */
	if (r == 0)
		r = mftd_sync_data(f->part.fd);
	if (r == 0)
		r = write_mark(f, &m);
	alarm(MFTD_CALL_WATCHDOG_S);
	if (r == 0)
		f->part.mark = m;
	return r;
}

int
mftd_fetch_part_grew(struct mftd_fetch_state *f, uint64_t done)
{
	if (f->part.fd < 0)
		return 0;
	f->part.done = done;
	return done - f->part.mark.done >= f->j->mark_bytes ? note(f) : 0;
}

/* Nothing more is to be had for now, and what is here is all right. */
static bool
is_cut(const struct mftd_fetch_state *f, int err)
{
	return err != -ESTALE &&
	    (f->refused || mftd_remote_why(f->remote)[0] != '\0');
}

void
mftd_fetch_part_leave(struct mftd_fetch_state *f, int err)
{
	int r = 0;

	/* without the lease it may be another's already */
	if (!mftd_lease_held(f->j->lease))
		;
	else if (!is_cut(f, err) || f->part.done < MFTD_RESUME_READ_BYTES)
		r = drop(f);
	else if (f->part.done > f->part.mark.done && note(f) < 0)
		r = drop(f); /* a sync is not tried again */
	f->part.fd = -1;
	if (r < 0)
		log_warn(
		    "what is left of a cut fetch stays: %s", mftd_strerror(r));
}

int
mftd_fetch_part_finish(struct mftd_fetch_state *f, const char *id)
{
	int r;

	if (f->part.fd < 0)
		return 0;
	r = mftd_rename(f->stage.dir, PART, f->stage.dir, id);
	/* in out it may not be without its name here (stage.h) */
	if (r == 0)
		r = mftd_sync_all(f->stage.dir);
	if (r < 0)
		return r;
	f->part.fd = -1;
	f->part.mark.done = 0;
	/* one that stays says nothing of what comes: its sum does not fit */
	unlinkat(f->stage.dir, MARK, 0);
	unlinkat(f->stage.dir, MARK_NEW, 0);
	return 0;
}
