/* Part of mftd; see LICENSE. */
#include "mftd/sftp/sync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/state.h"
#include "mftd/sftp/syncer.h"

/* A sync of a part, and what was so when it began. */
struct sync {
	struct mftd_syncer_job job; /* first */
	struct mftd_sftp_part *part; /* counted as user */
	struct mftd_sftp_op *op; /* that waits for it, or NULL */
	char id[MFTD_ID_BYTES];
	uint64_t contig;
	unsigned cuts;
};

int
mftd_sftp_sync_tell(
    struct mftd_sftp *s, struct mftd_sftp_part *p, uint64_t bytes)
{
	struct mftd_msg_part m = { .durable = bytes, .base = p->shown };
	int r;

	if (bytes == p->durable)
		return 0;
	snprintf(m.part, sizeof(m.part), "%s", p->id);
	r = mftd_chan_send(
	    s->env.journal, MFTD_MSG_PART, 0, &m, sizeof(m), NULL, 0);
	if (r == -ENOBUFS && bytes > p->durable)
		return 0; /* it is told with the next sync, or published */
	if (r == -MFTD_E_CLOSED)
		s->fatal = true;
	if (r == 0)
		p->durable = bytes;
	return r;
}

/* What a sync of p would do. */
static void
job_of(
    struct mftd_sftp *s, struct mftd_sftp_part *p, struct mftd_syncer_job *job)
{
	job->owner = s;
	job->part = p;
	job->fd = p->fd;
	job->parts_fd = p->entry_durable ? -1 : s->env.parts_fd;
	memcpy(job->key, p->key, sizeof(p->key));
	memcpy(job->name, p->name, sizeof(p->name));
}

void
mftd_sftp_sync_last(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	struct mftd_syncer_job job = { 0 };

	if (p->lost || p->contig <= p->durable)
		return;
	job_of(s, p, &job);
	mftd_syncer_run(&job);
	if (job.data_err == 0 && job.entry_err == 0)
		(void)mftd_sftp_sync_tell(s, p, p->contig);
}

/* What the sync means for its part.  The part may have been moved or cut since
 * it began: then its data is durable, but not the place, or the bytes, that are
 * the part's now. */
static int
outcome(struct mftd_sftp *s, const struct sync *y)
{
	struct mftd_sftp_part *p = y->part;
	bool same = strcmp(y->id, p->id) == 0;

	if (y->job.data_err < 0)
		return y->job.data_err;
	if (!same)
		return 0;
	if (y->job.entry_err < 0)
		return y->job.entry_err;
	p->entry_durable = true;
	return y->cuts == p->cuts ? mftd_sftp_sync_tell(s, p, y->contig) : 0;
}

static void
finish(struct mftd_sftp *s, struct sync *y)
{
	struct mftd_sftp_part *p = y->part;
	struct mftd_sftp_op *op = y->op;
	int r;

	p->lost |= y->job.data_err < 0;
	/* what was given up says nothing about the part */
	if (!s->fatal && p->err == 0 && (r = outcome(s, y)) < 0) {
		log_error("part %s: sync failed: %s", p->id, mftd_strerror(r));
		p->err = r;
	}
	s->n_syncs--;
	s->changed = true;
	if (op == NULL) {
		p->flushing = false;
		mftd_sftp_job_wake(s);
	} else {
		TAILQ_REMOVE(&s->syncing, op, link);
		s->n_ops--;
		if (s->fatal)
			mftd_sftp_op_free(s, op);
		else
			op->synced(s, op, p->err);
	}
	mftd_sftp_part_put(s, p);
	free(y);
}

int
mftd_sftp_sync_begin(
    struct mftd_sftp *s, struct mftd_sftp_part *p, struct mftd_sftp_op *op)
{
	struct sync *y = p->err == 0 ? calloc(1, sizeof(*y)) : NULL;

	if (y == NULL)
		return p->err != 0 ? p->err : -ENOMEM;
	job_of(s, p, &y->job);
	y->part = p;
	y->op = op;
	memcpy(y->id, p->id, sizeof(p->id));
	y->contig = p->contig;
	y->cuts = p->cuts;
	p->dirty = 0;
	p->users++;
	if (op != NULL) {
		TAILQ_INSERT_TAIL(&s->syncing, op, link);
		s->n_ops++;
	} else {
		p->flushing = true;
	}
	s->n_syncs++;
	if (s->env.syncer != NULL) {
		mftd_syncer_add(s->env.syncer, &y->job);
		return 0;
	}
	mftd_syncer_run(&y->job);
	finish(s, y);
	return op == NULL ? p->err : 0; /* p: its caller uses it */
}

bool
mftd_sftp_sync_full(const struct mftd_sftp_part *p)
{
	return p->flushing && p->dirty >= MFTD_SFTP_SYNC_BYTES;
}

void
mftd_sftp_sync_hear(struct mftd_sftp *s)
{
	struct mftd_syncer_job *job;

	if (s->env.syncer == NULL)
		return;
	while (s->n_syncs > 0 &&
	    (job = mftd_syncer_take(s->env.syncer, s)) != NULL)
		finish(s, (struct sync *)job);
}

void
mftd_sftp_sync_end_all(struct mftd_sftp *s)
{
	struct mftd_syncer_job *job;

	s->fatal = true; /* nothing is answered, nothing asked */
	while (s->n_syncs > 0 &&
	    (job = mftd_syncer_cancel(s->env.syncer, s)) != NULL)
		finish(s, (struct sync *)job);
}
