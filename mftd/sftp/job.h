/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_JOB_H
#define MFTD_SFTP_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/sftp/wait.h"

struct mftd_sftp;
struct mftd_sftp_part;

#define MFTD_SFTP_SLICE_BYTES (1024 * 1024) /* that one step takes */

/*
 * A request that reads or copies a whole file is worked at in slices, so that
 * the requests of other handles and channels need not wait for its end; those
 * that conflict with its claims do (wait.h).  The kinds put this at the start
 * of a struct of their own.
 */
struct mftd_sftp_job {
	TAILQ_ENTRY(mftd_sftp_job) link;
	uint32_t id; /* the request */
	struct mftd_sftp_claims claims; /* its; none if it is no request */
	bool answer_only; /* its answer is all that it is for */
	struct mftd_sftp_part *part; /* written: counted as busy; or NULL */
	bool parked; /* until a sync is done */
	/* A slice.  MFTD_SFTP_LATER: there is more; MFTD_SFTP_STALL: there
	 * is more when a sync is done; MFTD_SFTP_ANSWERED; or a negative error,
	 * to be answered. */
	int (*step)(struct mftd_sftp *s, struct mftd_sftp_job *job);
	/* Frees the job with all it holds. */
	void (*free)(struct mftd_sftp_job *job);
};

TAILQ_HEAD(mftd_sftp_jobs, mftd_sftp_job);

/* Whether the request being handled may become one: there are less than
 * MFTD_SFTP_SLICED_MAX. */
bool mftd_sftp_job_room(const struct mftd_sftp *s);

/* Takes over job, for the request being handled, with its claims.  part may be
 * NULL.  Returns MFTD_SFTP_LATER; or -ENOMEM, job is freed. */
int mftd_sftp_job_add(struct mftd_sftp *s, struct mftd_sftp_job *job,
    struct mftd_sftp_part *part);

/* Takes over job, which no request is. */
void mftd_sftp_job_start(struct mftd_sftp *s, struct mftd_sftp_job *job,
    struct mftd_sftp_part *part);

/* from was renamed to to. */
void mftd_sftp_job_renamed(
    struct mftd_sftp *s, const char *from, const char *to);

/* Whether a request with those claims has to wait for one of them. */
bool mftd_sftp_job_conflict(
    const struct mftd_sftp *s, const struct mftd_sftp_claims *claims);

/* MFTD_SFTP_SLICE_BYTES for the step under way; NULL without memory. */
uint8_t *mftd_sftp_job_slice(struct mftd_sftp *s);

/* Whether one can go on. */
bool mftd_sftp_job_ready(const struct mftd_sftp *s);

/* Those that waited for a sync go on. */
void mftd_sftp_job_wake(struct mftd_sftp *s);

/* One slice of the first that can go on; the others have their turns. */
void mftd_sftp_job_step(struct mftd_sftp *s);

/* Ends those that are only for their answers, or all; without an answer. */
void mftd_sftp_job_end_unheard(struct mftd_sftp *s);
void mftd_sftp_job_end_all(struct mftd_sftp *s);

#endif
