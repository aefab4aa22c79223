/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "mftd/base/fdio.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"

/*
 * check-file (draft-ietf-secsh-filexfer-extensions-00, section 3), in the form
 * that ProFTPD and paramiko speak: "check-file" with a list of algorithms in
 * VERSION; requests check-file-handle (paramiko: check-file) and
 * check-file-name; the answer begins with the extension's name.
 */
#define CHECK_FILE "check-file"
#define BLOCK_MIN_BYTES 256 /* the draft's */

struct check {
	struct mftd_sftp_job job;
	int fd;
	uint64_t limit; /* so many bytes of it are there */
	const EVP_MD *md;
	const char *algorithm;
	uint64_t at, end; /* of what is still to be read */
	uint64_t block, left; /* bytes in a block, and of the one under way */
	EVP_MD_CTX *ctx;
	struct mftd_buf *hashes;
};

/* Best first is the client's order; md5 and sha1 are not on offer: they prove
 * nothing. */
static const struct {
	const char *name;
	const EVP_MD *(*md)(void);
} algorithms[] = {
	{ "sha256", EVP_sha256 },
	{ "sha384", EVP_sha384 },
	{ "sha512", EVP_sha512 },
	{ "sha224", EVP_sha224 },
};

#define N_ALGORITHMS (sizeof(algorithms) / sizeof(algorithms[0]))

static void
check_free(struct mftd_sftp_job *job)
{
	struct check *c = (struct check *)job;

	mftd_fd_close(&c->fd);
	EVP_MD_CTX_free(c->ctx);
	mftd_buf_free(c->hashes);
	free(c);
}

/* The first of a comma-separated list that is on offer. */
static int
choose(struct check *c, const uint8_t *list, size_t len)
{
	const uint8_t *comma;
	size_t n, i;

	for (; len > 0; list += n, len -= n) {
		comma = memchr(list, ',', len);
		n = comma != NULL ? (size_t)(comma - list) : len;
		for (i = 0; i < N_ALGORITHMS; i++)
			if (strlen(algorithms[i].name) == n &&
			    memcmp(algorithms[i].name, list, n) == 0) {
				c->algorithm = algorithms[i].name;
				c->md = algorithms[i].md();
				return 0;
			}
		if (comma != NULL)
			n++;
	}
	return -EOPNOTSUPP;
}

static int
answer(struct mftd_sftp *s, const struct check *c)
{
	struct mftd_buf *b = mftd_buf_new(MFTD_SFTP_PACKET_BYTES);
	int r = b != NULL ? mftd_buf_put_cstring(b, CHECK_FILE) : -ENOMEM;

	if (r == 0)
		r = mftd_buf_put_cstring(b, c->algorithm);
	if (r == 0)
		r = mftd_buf_put(
		    b, mftd_buf_data(c->hashes), mftd_buf_len(c->hashes));
	if (r == 0)
		mftd_sftp_reply_body(s, SSH_FXP_EXTENDED_REPLY, c->job.id, b);
	mftd_buf_free(b);
	return r;
}

static int
end_block(struct check *c)
{
	uint8_t md[EVP_MAX_MD_SIZE];
	unsigned len;

	if (EVP_DigestFinal_ex(c->ctx, md, &len) != 1 ||
	    EVP_DigestInit_ex(c->ctx, c->md, NULL) != 1)
		return -EIO;
	c->left = c->block;
	return mftd_buf_put(c->hashes, md, len);
}

/* Reads and hashes up to a slice.  Returns 0, at the end with c->at at c->end.
 */
static int
hash_slice(struct check *c, uint8_t *bytes)
{
	uint64_t want, done = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && c->at < c->end && done < MFTD_SFTP_SLICE_BYTES) {
		want = c->end - c->at;
		if (want > c->left)
			want = c->left;
		if (want > MFTD_SFTP_SLICE_BYTES)
			want = MFTD_SFTP_SLICE_BYTES;
		n = mftd_fd_pread_full(
		    c->fd, bytes, (size_t)want, (int64_t)c->at);
		if (n <= 0)
			return n < 0 ? (int)n : -EIO; /* cut meanwhile */
		if (EVP_DigestUpdate(c->ctx, bytes, (size_t)n) != 1)
			return -EIO;
		done += (uint64_t)n;
		c->at += (uint64_t)n;
		c->left -= (uint64_t)n;
		if (c->left == 0)
			r = end_block(c);
	}
	return r;
}

static int
check_step(struct mftd_sftp *s, struct mftd_sftp_job *job)
{
	struct check *c = (struct check *)job;
	uint8_t *bytes = mftd_sftp_job_slice(s);
	int r = bytes != NULL ? hash_slice(c, bytes) : -ENOMEM;

	if (r < 0 || c->at < c->end)
		return r < 0 ? r : MFTD_SFTP_LATER;
	if (c->left < c->block || mftd_buf_len(c->hashes) == 0)
		r = end_block(c); /* the last, shorter one; or of nothing */
	return r < 0 ? r : answer(s, c);
}

/* The range and the blocks, as the client asks for and the file allows. */
static int
set_range(struct check *c, uint64_t start, uint64_t length, uint32_t block)
{
	struct stat st;
	uint64_t size, n;

	if (fstat(c->fd, &st) < 0)
		return -errno;
	size =
	    (uint64_t)st.st_size < c->limit ? (uint64_t)st.st_size : c->limit;
	if (!S_ISREG(st.st_mode) || start > size ||
	    (block != 0 && block < BLOCK_MIN_BYTES))
		return -EINVAL;
	n = size - start;
	if (length != 0 && length < n)
		n = length;
	c->at = start;
	c->end = start + n;
	/* 0: one hash of all */
	c->block = c->left = block != 0 ? block : UINT64_MAX;
	if (block != 0 &&
	    (n / block + 1) * (uint64_t)EVP_MD_get_size(c->md) >
		MFTD_SFTP_HASHES_BYTES)
		return -EINVAL;
	return 0;
}

/* Takes fd over. */
static int
begin(struct mftd_sftp *s, struct mftd_sftp_req *req, int fd, uint64_t limit,
    struct mftd_sftp_part *part)
{
	struct check *c = calloc(1, sizeof(*c));
	const uint8_t *list;
	uint64_t start, length;
	uint32_t block;
	size_t len;
	int r = c != NULL ? 0 : -ENOMEM;

	if (r < 0) {
		mftd_fd_close(&fd);
		return r;
	}
	c->fd = fd;
	c->limit = limit;
	r = mftd_buf_get_string(req->args, &list, &len);
	if (r == 0)
		r = mftd_buf_get_u64(req->args, &start);
	if (r == 0)
		r = mftd_buf_get_u64(req->args, &length);
	if (r == 0)
		r = mftd_buf_get_u32(req->args, &block);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0)
		r = choose(c, list, len);
	if (r == 0)
		r = set_range(c, start, length, block);
	if (r == 0) {
		c->ctx = EVP_MD_CTX_new();
		c->hashes = mftd_buf_new(MFTD_SFTP_HASHES_BYTES);
		if (c->ctx == NULL || c->hashes == NULL ||
		    EVP_DigestInit_ex(c->ctx, c->md, NULL) != 1)
			r = -ENOMEM;
	}
	c->job.answer_only = true;
	c->job.step = check_step;
	c->job.free = check_free;
	if (r < 0) {
		check_free(&c->job);
		return r;
	}
	return mftd_sftp_job_add(s, &c->job, part);
}

int
mftd_sftp_on_check_handle(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h = req->handle;
	int fd, r = 0;

	if (h->kind == MFTD_SFTP_DIR)
		return -EBADF;
	if (!h->may_read)
		return -EACCES;
	if (!mftd_sftp_job_room(s))
		return MFTD_SFTP_STALL;
	if (h->part != NULL)
		r = mftd_sftp_base_want(s, h->part);
	if (r != 0)
		return r;
	fd = fcntl(h->part != NULL ? h->part->fd : h->fd, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? -errno : begin(s, req, fd, h->limit, h->part);
}

int
mftd_sftp_on_check_name(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	uint64_t limit;
	int fd, r;

	if (!mftd_sftp_job_room(s))
		return MFTD_SFTP_STALL;
	r = mftd_sftp_open_seen(s, req->path, &fd, &limit);
	return r != 0 ? r : begin(s, req, fd, limit, NULL);
}
