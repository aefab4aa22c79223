/* Part of mftd; see LICENSE. */
#include "mftd/sftp/job.h"

#include <errno.h>
#include <stdlib.h>

#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"

bool
mftd_sftp_job_room(const struct mftd_sftp *s)
{
	return s->n_jobs < MFTD_SFTP_SLICED_MAX;
}

void
mftd_sftp_job_start(
    struct mftd_sftp *s, struct mftd_sftp_job *job, struct mftd_sftp_part *part)
{
	job->part = part;
	if (part != NULL) {
		part->users++;
		part->busy++;
	}
	TAILQ_INSERT_TAIL(&s->jobs, job, link);
	s->n_ops++;
	s->n_jobs++;
}

/* What a handle reads is named, too: an upload's file may be changed under
 * it. */
static void
claim_read(struct mftd_sftp_claims *c, const struct mftd_sftp_handle *h)
{
	if (h == NULL || h->part != NULL)
		return;
	c->paths[c->n_paths].path = h->path;
	c->paths[c->n_paths].below = false;
	c->paths[c->n_paths++].moves = true;
}

int
mftd_sftp_job_add(
    struct mftd_sftp *s, struct mftd_sftp_job *job, struct mftd_sftp_part *part)
{
	struct mftd_sftp_claims claims;

	mftd_sftp_claim(&s->req, &claims);
	claim_read(&claims, s->req.handle);
	claim_read(&claims, s->req.handle2);
	if (mftd_sftp_claims_copy(&job->claims, &claims) < 0) {
		job->free(job);
		return -ENOMEM;
	}
	job->id = s->req.id;
	mftd_sftp_job_start(s, job, part);
	return MFTD_SFTP_LATER;
}

void
mftd_sftp_job_renamed(struct mftd_sftp *s, const char *from, const char *to)
{
	struct mftd_sftp_job *job;

	TAILQ_FOREACH(job, &s->jobs, link)
		mftd_sftp_claims_renamed(&job->claims, from, to);
}

bool
mftd_sftp_job_conflict(
    const struct mftd_sftp *s, const struct mftd_sftp_claims *claims)
{
	const struct mftd_sftp_job *job;

	TAILQ_FOREACH(job, &s->jobs, link)
		if (mftd_sftp_claims_conflict(&job->claims, claims))
			return true;
	return false;
}

uint8_t *
mftd_sftp_job_slice(struct mftd_sftp *s)
{
	if (s->slice == NULL)
		s->slice = malloc(MFTD_SFTP_SLICE_BYTES);
	return s->slice;
}

static void
end(struct mftd_sftp *s, struct mftd_sftp_job *job)
{
	struct mftd_sftp_part *part = job->part;

	TAILQ_REMOVE(&s->jobs, job, link);
	s->n_ops--;
	s->n_jobs--;
	s->changed = true;
	mftd_sftp_claims_free(&job->claims);
	job->free(job);
	if (part != NULL) {
		part->busy--;
		mftd_sftp_part_put(s, part);
	}
	if (s->n_jobs > 0)
		return;
	free(s->slice);
	s->slice = NULL;
}

static struct mftd_sftp_job *
first_ready(const struct mftd_sftp *s)
{
	struct mftd_sftp_job *job;

	TAILQ_FOREACH(job, &s->jobs, link)
		if (!job->parked)
			break;
	return job;
}

bool
mftd_sftp_job_ready(const struct mftd_sftp *s)
{
	return first_ready(s) != NULL;
}

void
mftd_sftp_job_wake(struct mftd_sftp *s)
{
	struct mftd_sftp_job *job;

	TAILQ_FOREACH(job, &s->jobs, link)
		job->parked = false;
}

void
mftd_sftp_job_step(struct mftd_sftp *s)
{
	struct mftd_sftp_job *job = first_ready(s);
	int r;

	if (job == NULL)
		return;
	r = job->step(s, job);
	if (r == MFTD_SFTP_LATER || r == MFTD_SFTP_STALL) {
		job->parked = r == MFTD_SFTP_STALL;
		TAILQ_REMOVE(&s->jobs, job, link);
		TAILQ_INSERT_TAIL(&s->jobs, job, link);
		return;
	}
	if (r < 0)
		mftd_sftp_reply_error(s, job->id, r);
	end(s, job);
}

void
mftd_sftp_job_end_unheard(struct mftd_sftp *s)
{
	struct mftd_sftp_job *job, *next;

	for (job = TAILQ_FIRST(&s->jobs); job != NULL; job = next) {
		next = TAILQ_NEXT(job, link);
		if (job->answer_only)
			end(s, job);
	}
}

void
mftd_sftp_job_end_all(struct mftd_sftp *s)
{
	while (!TAILQ_EMPTY(&s->jobs))
		end(s, TAILQ_FIRST(&s->jobs));
}
