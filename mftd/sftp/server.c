/* Part of mftd; see LICENSE. */
#include "mftd/sftp/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/sftp/packet.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/state.h"
#include "mftd/sftp/sync.h"
#include "mftd/sftp/vfs.h"

/* Above MFTD_SFTP_OUTPUT_BYTES there is room for the answer that passed it, and
 * for those of all ops that wait. */
#define OUTPUT_MAX                                             \
	(MFTD_SFTP_OUTPUT_BYTES + 2 * MFTD_SFTP_PACKET_BYTES + \
	    MFTD_SFTP_PENDING_MAX * 512)

/* The whole protocol.  What is not here is OP_UNSUPPORTED. */
static const struct rule {
	uint8_t type;
	unsigned needs;
	int (*on)(struct mftd_sftp *s, struct mftd_sftp_req *req);
} rules[] = {
	{ SSH_FXP_OPEN, MFTD_SFTP_PATH, mftd_sftp_on_open },
	{ SSH_FXP_CLOSE, MFTD_SFTP_HANDLE, mftd_sftp_on_close },
	{ SSH_FXP_READ, MFTD_SFTP_HANDLE, mftd_sftp_on_read },
	{ SSH_FXP_WRITE, MFTD_SFTP_HANDLE, mftd_sftp_on_write },
	{ SSH_FXP_LSTAT, MFTD_SFTP_PATH, mftd_sftp_on_lstat },
	{ SSH_FXP_FSTAT, MFTD_SFTP_HANDLE, mftd_sftp_on_fstat },
	{ SSH_FXP_SETSTAT, MFTD_SFTP_PATH | MFTD_SFTP_CHANGE,
	    mftd_sftp_on_setstat },
	{ SSH_FXP_FSETSTAT, MFTD_SFTP_HANDLE, mftd_sftp_on_fsetstat },
	{ SSH_FXP_OPENDIR, MFTD_SFTP_PATH, mftd_sftp_on_opendir },
	{ SSH_FXP_READDIR, MFTD_SFTP_HANDLE, mftd_sftp_on_readdir },
	{ SSH_FXP_REMOVE, MFTD_SFTP_PATH | MFTD_SFTP_CHANGE,
	    mftd_sftp_on_remove },
	{ SSH_FXP_MKDIR, MFTD_SFTP_PATH | MFTD_SFTP_CHANGE,
	    mftd_sftp_on_mkdir },
	{ SSH_FXP_RMDIR, MFTD_SFTP_PATH | MFTD_SFTP_CHANGE,
	    mftd_sftp_on_rmdir },
	{ SSH_FXP_REALPATH, MFTD_SFTP_PATH | MFTD_SFTP_TEXT,
	    mftd_sftp_on_realpath },
	{ SSH_FXP_STAT, MFTD_SFTP_PATH, mftd_sftp_on_stat },
	{ SSH_FXP_RENAME, MFTD_SFTP_PATH | MFTD_SFTP_PATH2 | MFTD_SFTP_CHANGE,
	    mftd_sftp_on_rename },
	{ SSH_FXP_READLINK, MFTD_SFTP_PATH, mftd_sftp_on_readlink },
	{ SSH_FXP_SYMLINK, 0, mftd_sftp_on_symlink },
	{ SSH_FXP_EXTENDED, 0, mftd_sftp_on_extended },
};

static const struct mftd_policy no_policy = { .umask = 022 };

struct mftd_sftp *
mftd_sftp_new(const struct mftd_sftp_env *env)
{
	struct mftd_sftp *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->env = *env;
	TAILQ_INIT(&s->ops);
	TAILQ_INIT(&s->closing);
	TAILQ_INIT(&s->syncing);
	mftd_sftp_wait_init(&s->wait);
	TAILQ_INIT(&s->jobs);
	LIST_INIT(&s->parts);
	if (env->policy == NULL)
		s->env.policy = &no_policy;
	s->in = mftd_buf_new(MFTD_SFTP_LENGTH_BYTES + MFTD_SFTP_PACKET_BYTES);
	s->out = mftd_buf_new(OUTPUT_MAX);
	if (s->in == NULL || s->out == NULL || mftd_sftp_vfs_init(s) < 0) {
		mftd_sftp_free(s);
		return NULL;
	}
	return s;
}

static void
free_ops(struct mftd_sftp *s, struct mftd_sftp_ops *ops)
{
	struct mftd_sftp_op *op;

	while ((op = TAILQ_FIRST(ops)) != NULL) {
		TAILQ_REMOVE(ops, op, link);
		mftd_sftp_op_free(s, op);
	}
}

void
mftd_sftp_free(struct mftd_sftp *s)
{
	struct mftd_sftp_handle *h;
	struct mftd_sftp_part *p;
	size_t i;

	if (s == NULL)
		return;
	mftd_sftp_sync_end_all(s);
	mftd_sftp_job_end_all(s);
	mftd_sftp_wait_clear(&s->wait);
	for (i = 0; i < MFTD_SFTP_HANDLES_MAX; i++) {
		if ((h = s->handles.slots[i]) == NULL)
			continue;
		p = h->part;
		mftd_sftp_handle_free(&s->handles, h);
		if (p != NULL)
			mftd_sftp_part_put(s, p);
	}
	free_ops(s, &s->closing);
	free_ops(s, &s->ops);
	mftd_buf_free(s->in);
	mftd_buf_free(s->out);
	free(s);
}

/* INIT's version stands where others have the id; its extensions are the
 * client's and mean nothing to us. */
static void
on_init(struct mftd_sftp *s, uint32_t version)
{
	struct mftd_buf *b;

	if (s->started || version < SFTP_VERSION) {
		log_warn("sftp: INIT of version %u refused", version);
		s->fatal = true;
		return;
	}
	b = mftd_buf_new(4096);
	if (b != NULL && mftd_sftp_extensions_put(b) == 0) {
		/* the version stands where replies have the id */
		mftd_sftp_reply_body(s, SSH_FXP_VERSION, SFTP_VERSION, b);
		s->started = true;
	} else {
		s->fatal = true;
	}
	mftd_buf_free(b);
}

/* The request waits, and those behind it that it does not concern go on; unless
 * it is one of those that wait already, or no more can. */
static bool
put_off(struct mftd_sftp *s, const uint8_t *data, size_t len)
{
	struct mftd_sftp_claims claims;

	if (s->wait.at != NULL)
		return false;
	mftd_sftp_claim(&s->req, &claims);
	return mftd_sftp_wait_add(&s->wait, data, len, &claims);
}

static int
dispatch(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	size_t i;
	int r;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].type != req->type)
			continue;
		r = mftd_sftp_gate(s, req, rules[i].needs);
		return r == 0 ? rules[i].on(s, req) : r;
	}
	log_debug("sftp: unknown request type %u", req->type);
	return -EOPNOTSUPP;
}

/* Handles one whole packet, without its length field.  Returns whether it is
 * done with, or waits by itself; not when it has to stay where it is, or the
 * server is fatal. */
static bool
run_packet(struct mftd_sftp *s, const uint8_t *data, size_t len)
{
	struct mftd_sftp_req *req = &s->req;
	int r;

	if (mftd_buf_len(s->out) >= MFTD_SFTP_OUTPUT_BYTES ||
	    !mftd_sftp_op_room(s))
		return false;
	req->args = mftd_buf_from(data, len);
	if (req->args == NULL || mftd_buf_get_u8(req->args, &req->type) < 0 ||
	    mftd_buf_get_u32(req->args, &req->id) < 0) {
		s->fatal = true;
		goto out;
	}
	req->handle = req->handle2 = NULL;
	req->n_paths = 0;
	if (req->type == SSH_FXP_INIT) {
		on_init(s, req->id);
		goto out;
	}
	if (!s->started) {
		log_warn("sftp: request of type %u before INIT", req->type);
		s->fatal = true;
		goto out;
	}
	r = dispatch(s, req);
	if (r == MFTD_SFTP_STALL) {
		mftd_buf_free(req->args);
		return put_off(s, data, len);
	}
	if (r < 0)
		mftd_sftp_reply_error(s, req->id, r);
out:
	mftd_buf_free(req->args);
	return !s->fatal;
}

/* Handles the kept packet if it is whole.  Returns whether input may go on
 * behind it. */
static bool
run_kept(struct mftd_sftp *s)
{
	size_t size, len = mftd_buf_len(s->in);
	int r = mftd_sftp_packet_size(mftd_buf_data(s->in), len, &size);

	if (r < 0)
		s->fatal = true;
	if (r != 1)
		return r == 0;
	if (!run_packet(s, mftd_buf_data(s->in) + MFTD_SFTP_LENGTH_BYTES,
		size - MFTD_SFTP_LENGTH_BYTES))
		return false;
	mftd_buf_consume(s->in, size);
	return true;
}

/* Adds to the kept packet what it lacks, no byte of the next. */
static size_t
keep(struct mftd_sftp *s, const uint8_t *data, size_t len)
{
	size_t size, want, have = mftd_buf_len(s->in);

	if (mftd_sftp_packet_size(mftd_buf_data(s->in), have, &size) < 0) {
		s->fatal = true;
		return 0;
	}
	want = (size != 0 ? size : MFTD_SFTP_LENGTH_BYTES) - have;
	if (want > len)
		want = len;
	if (mftd_buf_put(s->in, data, want) < 0)
		s->fatal = true;
	return want;
}

/* Handles the packet at the start of data where it lies.  Returns how much of
 * data is done with: 0 when it stalls or is not whole. */
static size_t
run_direct(struct mftd_sftp *s, const uint8_t *data, size_t len, bool *whole)
{
	size_t size;
	int r = mftd_sftp_packet_size(data, len, &size);

	*whole = r == 1;
	if (r < 0)
		s->fatal = true;
	if (r != 1 ||
	    !run_packet(s, data + MFTD_SFTP_LENGTH_BYTES,
		size - MFTD_SFTP_LENGTH_BYTES))
		return 0;
	return size;
}

static size_t
take_input(struct mftd_sftp *s, const uint8_t *data, size_t len)
{
	size_t at = 0, n;
	bool whole;

	while (!s->fatal && at < len) {
		if (mftd_buf_len(s->in) == 0) {
			n = run_direct(s, data + at, len - at, &whole);
			at += n;
			if (n > 0 || s->fatal)
				continue;
			if (whole)
				break; /* stalls: it stays the caller's */
		} else if (!run_kept(s)) {
			break;
		}
		at += keep(s, data + at, len - at);
		if (!run_kept(s))
			break;
	}
	return at;
}

/* Does what can be done of what waits.  One that ends may have been what others
 * wait for, and nothing else would wake them. */
static void
go_on(struct mftd_sftp *s)
{
	do {
		s->changed = false;
		mftd_sftp_wait_run(s, &s->wait, run_packet);
		if (!s->fatal)
			run_kept(s);
		mftd_sftp_close_flush(s);
	} while (s->changed && !s->fatal);
}

ssize_t
mftd_sftp_input(struct mftd_sftp *s, const uint8_t *data, size_t len)
{
	size_t n, took = 0;
	bool changed;

	do {
		n = take_input(s, data + took, len - took);
		took += n;
		mftd_sftp_close_flush(s);
		changed = s->changed;
		if (changed)
			go_on(s);
	} while ((n > 0 || changed) && took < len && !s->fatal);
	return s->fatal ? -MFTD_E_PROTOCOL : (ssize_t)took;
}

bool
mftd_sftp_working(const struct mftd_sftp *s)
{
	return !s->fatal && mftd_sftp_job_ready(s) &&
	    mftd_buf_len(s->out) < MFTD_SFTP_OUTPUT_BYTES;
}

int
mftd_sftp_continue(struct mftd_sftp *s)
{
	mftd_sftp_sync_hear(s);
	if (mftd_sftp_working(s))
		mftd_sftp_job_step(s);
	if (!s->fatal)
		go_on(s);
	return s->fatal ? -MFTD_E_PROTOCOL : 0;
}

struct mftd_buf *
mftd_sftp_output(struct mftd_sftp *s)
{
	return s->out;
}

int
mftd_sftp_journal_result(
    struct mftd_sftp *s, uint64_t ref, int err, const char *receipt)
{
	struct mftd_sftp_op *op = mftd_sftp_op_take(s, ref);

	if (op == NULL)
		return -ENOENT;
	if (err == 0 && op->tells && !mftd_lease_held(s->env.lease)) {
		/* done, but not ours to say so (design section 4.7) */
		log_warn("sftp: lease lost before an answer: cut");
		s->fatal = true;
	}
	if (receipt[0] != '\0')
		log_info("receipt=%s path=%s", receipt, op->path);
	if (!s->fatal)
		op->done(s, op, err);
	mftd_sftp_op_free(s, op);
	mftd_sftp_continue(s); /* fatal is kept for the next call */
	return 0;
}

int
mftd_sftp_quota_result(
    struct mftd_sftp *s, uint64_t ref, const struct mftd_msg_quota_result *res)
{
	struct mftd_sftp_op *op = mftd_sftp_op_take(s, ref);

	if (op == NULL)
		return -ENOENT;
	op->quota = *res;
	if (!s->fatal)
		op->done(s, op, res->err);
	mftd_sftp_op_free(s, op);
	mftd_sftp_continue(s); /* fatal is kept for the next call */
	return 0;
}

void
mftd_sftp_unheard(struct mftd_sftp *s)
{
	struct mftd_sftp_part *p;

	mftd_sftp_job_end_unheard(s);
	if (mftd_sftp_busy(s) || mftd_sftp_waiting(s))
		return;
	LIST_FOREACH(p, &s->parts, link)
	{
		if (p->left || p->published || p->unlinked || p->fd < 0 ||
		    p->contig <= p->durable)
			continue;
		p->left = true;
		/* what fails is said in the part's err */
		(void)mftd_sftp_sync_begin(s, p, NULL);
	}
}

int
mftd_sftp_busy(const struct mftd_sftp *s)
{
	if (s->n_syncs > 0)
		return true;
	/* once fatal, what was not asked yet will not be */
	return s->fatal ? !TAILQ_EMPTY(&s->ops) : s->n_ops > 0;
}

bool
mftd_sftp_at_work(const struct mftd_sftp *s)
{
	return s->n_syncs > 0 || s->n_ops > s->n_jobs || mftd_sftp_working(s);
}

bool
mftd_sftp_syncing(const struct mftd_sftp *s)
{
	return s->n_syncs > 0;
}

bool
mftd_sftp_waiting(const struct mftd_sftp *s)
{
	return !s->fatal && s->wait.n > 0;
}
