/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/sftp/quota.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/sync.h"
#include "mftd/sftp/upload.h"

/* copy-data (draft-ietf-secsh-filexfer-extensions-00, section 7; OpenSSH
 * PROTOCOL, section 4.10). */
struct copy {
	struct mftd_sftp_job job;
	int fd; /* of the source */
	uint64_t from, to;
	uint64_t left; /* UINT64_MAX: to its end */
};

static void
copy_free(struct mftd_sftp_job *job)
{
	struct copy *c = (struct copy *)job;

	mftd_fd_close(&c->fd);
	free(c);
}

static int
copy_step(struct mftd_sftp *s, struct mftd_sftp_job *job)
{
	struct copy *c = (struct copy *)job;
	uint8_t *bytes = mftd_sftp_job_slice(s);
	size_t want = MFTD_SFTP_SLICE_BYTES;
	bool to_end = c->left == UINT64_MAX;
	ssize_t n = 0;
	int r;

	if (bytes == NULL)
		return -ENOMEM;
	if (mftd_sftp_sync_full(job->part))
		return MFTD_SFTP_STALL;
	if (c->left < want)
		want = (size_t)c->left;
	if (want > 0)
		n = mftd_fd_pread_full(c->fd, bytes, want, (int64_t)c->from);
	if (n < 0)
		return (int)n;
	r = mftd_sftp_part_write(s, job->part, bytes, (size_t)n, c->to);
	if (r != 0)
		return r;
	c->from += (uint64_t)n;
	c->to += (uint64_t)n;
	if (!to_end)
		c->left -= (uint64_t)n;
	if ((size_t)n == want && c->left > 0)
		return MFTD_SFTP_LATER;
	/* less than was asked for is no error; to OpenSSH's server it is one
	 * when more than its buffer is missing */
	mftd_sftp_reply_error(s, job->id, 0);
	return MFTD_SFTP_ANSWERED;
}

/* A descriptor of what h reads.  0, MFTD_SFTP_STALL or -errno. */
static int
source_of(struct mftd_sftp *s, const struct mftd_sftp_handle *h, int *fd)
{
	int r;

	if (h->kind == MFTD_SFTP_DIR)
		return -EBADF;
	if (!h->may_read)
		return -EACCES;
	if (h->part != NULL && (r = mftd_sftp_base_want(s, h->part)) != 0)
		return r;
	*fd = fcntl(h->part != NULL ? h->part->fd : h->fd, F_DUPFD_CLOEXEC, 3);
	return *fd < 0 ? -errno : 0;
}

/* Only so many bytes of the source are there. */
static void
cut_short(struct copy *c, uint64_t limit)
{
	uint64_t left = limit > c->from ? limit - c->from : 0;

	if (c->left > left)
		c->left = left;
}

/* Where it goes: h's upload, at off, or at its end with APPEND. */
static int
prepare(struct mftd_sftp *s, struct mftd_sftp_handle *h, struct copy *c)
{
	struct stat from, to;
	uint64_t len;
	int r;

	if (h->kind == MFTD_SFTP_DIR)
		return -EBADF;
	if (!h->may_write)
		return -EACCES;
	if (h->part->published && (r = mftd_sftp_upload_renew(s, h)) != 0)
		return r;
	if (fstat(c->fd, &from) < 0)
		return -errno;
	r = mftd_sftp_part_stat(h->part, &to);
	/* a file cannot be its own source: what is read would be what was just
	 * written */
	if (r == 0 && from.st_dev == to.st_dev && from.st_ino == to.st_ino)
		r = -EINVAL;
	if (r == 0 && h->append)
		c->to = (uint64_t)to.st_size;
	if (r == 0 && (uint64_t)from.st_size > c->from) {
		len = (uint64_t)from.st_size - c->from;
		r = mftd_sftp_quota_grow(
		    s, h->part, c->to + (len < c->left ? len : c->left));
	}
	return r;
}

static int
take_args(struct mftd_sftp *s, struct mftd_sftp_req *req, struct copy *c)
{
	int r = mftd_sftp_take_handle(s, req, &req->handle);

	if (r == 0)
		r = mftd_buf_get_u64(req->args, &c->from);
	if (r == 0)
		r = mftd_buf_get_u64(req->args, &c->left);
	if (r == 0)
		r = mftd_sftp_take_handle(s, req, &req->handle2);
	if (r == 0)
		r = mftd_buf_get_u64(req->args, &c->to);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0 && (c->from > INT64_MAX || c->to > INT64_MAX))
		r = -EINVAL;
	if (c->left == 0)
		c->left = UINT64_MAX;
	/* only now is known what else may not pass it */
	return r == 0 ? mftd_sftp_gate_wait(s, req) : r;
}

int
mftd_sftp_on_copy_data(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct copy *c = calloc(1, sizeof(*c));
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->fd = -1;
	c->job.step = copy_step;
	c->job.free = copy_free;
	r = take_args(s, req, c);
	/* now it has its handles, so what is about them waits with it */
	if (r == 0 && !mftd_sftp_job_room(s))
		r = MFTD_SFTP_STALL;
	if (r == 0)
		r = source_of(s, req->handle, &c->fd);
	if (r == 0 && req->handle->limit != UINT64_MAX)
		cut_short(c, req->handle->limit);
	if (r == 0)
		r = prepare(s, req->handle2, c);
	if (r != 0) {
		copy_free(&c->job);
		return r;
	}
	return mftd_sftp_job_add(s, &c->job, req->handle2->part);
}
