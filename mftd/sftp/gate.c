/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <string.h>

#include "mftd/base/path.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/vfs.h"

/* Takes a path off the request; what must not be named is refused here. */
static int
take_path(struct mftd_sftp *s, struct mftd_sftp_req *req, unsigned needs,
    char out[MFTD_PATH_BYTES])
{
	const uint8_t *raw;
	size_t len;
	int r = mftd_buf_get_string(req->args, &raw, &len);

	if (r == 0)
		r = mftd_path_clean(
		    (const char *)raw, len, out, MFTD_PATH_BYTES);
	if (r < 0 || (needs & MFTD_SFTP_TEXT) != 0)
		return r == -EINVAL ? -EBADMSG : r;
	if (mftd_sftp_vfs_hidden(out))
		return (needs & MFTD_SFTP_CHANGE) != 0 ? -EACCES : -ENOENT;
	return (needs & MFTD_SFTP_CHANGE) != 0
	    ? mftd_sftp_vfs_may_change(s, out)
	    : 0;
}

int
mftd_sftp_take_handle(struct mftd_sftp *s, struct mftd_sftp_req *req,
    struct mftd_sftp_handle **out)
{
	const uint8_t *name;
	size_t len;
	int r = mftd_buf_get_string(req->args, &name, &len);

	if (r < 0)
		return r;
	*out = mftd_sftp_handle_find(&s->handles, name, len);
	return *out != NULL ? 0 : -EBADF;
}

static void
claim_path(struct mftd_sftp_claims *c, const char *path, bool below, bool moves)
{
	c->paths[c->n_paths].path = path;
	c->paths[c->n_paths].below = below;
	c->paths[c->n_paths++].moves = moves;
}

static void
claim_handle(struct mftd_sftp_claims *c, const struct mftd_sftp_handle *h)
{
	uint8_t name[MFTD_SFTP_HANDLE_BYTES];

	if (h == NULL)
		return;
	mftd_sftp_handle_name(h, name);
	memcpy(&c->handles[c->n_handles++], name, sizeof(c->handles[0]));
	if (h->part != NULL)
		claim_path(c, h->part->path, false, true);
}

void
mftd_sftp_claim(const struct mftd_sftp_req *req, struct mftd_sftp_claims *c)
{
	c->n_handles = c->n_paths = 0;
	claim_handle(c, req->handle);
	claim_handle(c, req->handle2);
	if (req->n_paths > 0)
		claim_path(c, req->path, req->below, false);
	if (req->n_paths > 1)
		claim_path(c, req->path2, req->below, false);
}

static bool
is_busy(const struct mftd_sftp_handle *h)
{
	return h != NULL && h->part != NULL && h->part->busy > 0;
}

int
mftd_sftp_gate_wait(struct mftd_sftp *s, const struct mftd_sftp_req *req)
{
	struct mftd_sftp_claims c;

	if (is_busy(req->handle) || is_busy(req->handle2) ||
	    (req->n_paths > 0 &&
		mftd_sftp_op_conflict(s, req->path, req->below)) ||
	    (req->n_paths > 1 &&
		mftd_sftp_op_conflict(s, req->path2, req->below)))
		return MFTD_SFTP_STALL;
	if (s->wait.n == 0 && s->n_jobs == 0)
		return 0;
	mftd_sftp_claim(req, &c);
	return mftd_sftp_wait_conflict(&s->wait, &c) ||
		mftd_sftp_job_conflict(s, &c)
	    ? MFTD_SFTP_STALL
	    : 0;
}

int
mftd_sftp_gate(struct mftd_sftp *s, struct mftd_sftp_req *req, unsigned needs)
{
	bool text = (needs & MFTD_SFTP_TEXT) != 0;
	int r = 0;

	req->below = (needs & MFTD_SFTP_CHANGE) != 0;
	if ((needs & MFTD_SFTP_HANDLE) != 0)
		r = mftd_sftp_take_handle(s, req, &req->handle);
	if (r == 0 && (needs & MFTD_SFTP_PATH) != 0)
		r = take_path(s, req, needs, req->path);
	if (r == 0 && (needs & MFTD_SFTP_PATH2) != 0)
		r = take_path(s, req, needs, req->path2);
	if (r < 0)
		return r;
	if ((needs & MFTD_SFTP_PATH) != 0 && !text)
		req->n_paths = (needs & MFTD_SFTP_PATH2) != 0 ? 2 : 1;
	return mftd_sftp_gate_wait(s, req);
}

int
mftd_sftp_req_end(const struct mftd_sftp_req *req)
{
	return mftd_buf_len(req->args) == 0 ? 0 : -EBADMSG;
}
