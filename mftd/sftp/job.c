/* Part of mftd; see LICENSE. */
#include "mftd/sftp/job.h"

#include "mftd/sftp/reply.h"
#include "mftd/sftp/state.h"

int
mftd_sftp_job_add(
    struct mftd_sftp *s, struct mftd_sftp_job *job, struct mftd_sftp_part *part)
{
	job->id = s->req.id;
	job->part = part;
	if (part != NULL) {
		part->users++;
		part->busy++;
	}
	TAILQ_INSERT_TAIL(&s->jobs, job, link);
	s->n_ops++;
	return MFTD_SFTP_LATER;
}

static void
end(struct mftd_sftp *s, struct mftd_sftp_job *job)
{
	struct mftd_sftp_part *part = job->part;

	TAILQ_REMOVE(&s->jobs, job, link);
	s->n_ops--;
	s->changed = true;
	job->free(job);
	if (part != NULL) {
		part->busy--;
		mftd_sftp_part_put(s, part);
	}
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
mftd_sftp_job_end_all(struct mftd_sftp *s)
{
	while (!TAILQ_EMPTY(&s->jobs))
		end(s, TAILQ_FIRST(&s->jobs));
}
