/* Part of mftd; see LICENSE. */
#include <errno.h>

#include "mftd/base/err.h"
#include "mftd/sftp/quota.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/sync.h"
#include "mftd/sftp/upload.h"

/* What of the upload is to be read at off, and no more than lies in one piece:
 * less than was asked for is no end (draft-ietf-secsh-filexfer-02 section
 * 6.4). */
static int
file_at(const struct mftd_sftp_part *p, uint64_t off, uint32_t *len)
{
	uint64_t end = UINT64_MAX;
	int fd = p->fd;

	if (p->base_fd >= 0 && off < p->contig) {
		end = p->contig;
	} else if (p->base_fd >= 0) {
		fd = p->base_fd;
		end = p->base_size;
	}
	if (end - (off < end ? off : end) < *len)
		*len = (uint32_t)(end - (off < end ? off : end));
	return fd;
}

int
mftd_sftp_on_read(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_sftp_handle *h = req->handle;
	uint64_t off;
	uint32_t len;
	ssize_t n;
	int r, fd = h->fd;

	r = mftd_buf_get_u64(req->args, &off);
	if (r == 0)
		r = mftd_buf_get_u32(req->args, &len);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0 && h->kind == MFTD_SFTP_DIR)
		r = -EBADF;
	if (r == 0 && !h->may_read)
		r = -EACCES;
	if (r == 0 && off > INT64_MAX)
		r = -EINVAL;
	if (r < 0)
		return r;
	if (len > MFTD_SFTP_READ_BYTES)
		len = MFTD_SFTP_READ_BYTES;
	if (h->part != NULL)
		fd = file_at(h->part, off, &len);
	if (off >= h->limit)
		len = 0;
	else if (len > h->limit - off)
		len = (uint32_t)(h->limit - off);
	n = mftd_sftp_reply_data(s, req->id, fd, len, (int64_t)off);
	if (n < 0)
		return (int)n;
	h->bytes_read += (uint64_t)n;
	*s->env.bytes_out += (uint64_t)n;
	return 0;
}

/*
 * The first WRITE with APPEND to what was adopted.  To ignore its offset, as
 * APPEND says, would put the bytes in the wrong place when its client goes by a
 * size that it was told while the part was still being written (OpenSSH's reput
 * asks first and opens then): so the offset counts.  One that goes on before
 * the end, repeating what is there, does so from now on.
 */
static int
join_append(struct mftd_sftp_handle *h, uint64_t off)
{
	if (off == 0 || off > h->part->size)
		return -MFTD_E_GAP;
	h->append = off == h->part->size;
	return 0;
}

static int
write_handle(struct mftd_sftp *s, struct mftd_sftp_req *req, uint64_t off,
    const uint8_t *data, size_t len)
{
	struct mftd_sftp_handle *h = req->handle;
	struct stat st;
	int r;

	if (h->part->published && (r = mftd_sftp_upload_renew(s, h)) != 0)
		return r;
	if (mftd_sftp_sync_full(h->part))
		return MFTD_SFTP_STALL;
	if (h->append && h->part->guarded && (r = join_append(h, off)) < 0)
		return mftd_sftp_part_fail(h->part, r);
	if (h->append) {
		r = mftd_sftp_part_stat(h->part, &st);
		if (r < 0)
			return r;
		off = (uint64_t)st.st_size;
	}
	if (off <= INT64_MAX) {
		r = mftd_sftp_quota_grow(s, h->part, off + len);
		if (r != 0)
			return r;
	}
	return mftd_sftp_part_write(s, h->part, data, len, off);
}

int
mftd_sftp_on_write(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	const uint8_t *data;
	uint64_t off;
	size_t len;
	int r;

	/* what follows the data is nothing: rclone sends its whole buffer
	 * behind the last, shorter piece, and OpenSSH's server does not mind */
	r = mftd_buf_get_u64(req->args, &off);
	if (r == 0)
		r = mftd_buf_get_string(req->args, &data, &len);
	if (r == 0 && req->handle->kind == MFTD_SFTP_DIR)
		r = -EBADF;
	if (r == 0 && !req->handle->may_write)
		r = -EACCES;
	if (r == 0)
		r = write_handle(s, req, off, data, len);
	if (r != 0)
		return r;
	*s->env.bytes_in += len;
	mftd_sftp_reply_error(s, req->id, 0);
	return 0;
}
