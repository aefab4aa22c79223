/* Part of mftd; see LICENSE. */
#ifndef MFTD_SFTP_SYNCER_H
#define MFTD_SFTP_SYNCER_H

#include <limits.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "mftd/journal/layout.h"

/*
 * Makes files durable beside the session's loop: a sync can take as long as the
 * storage likes, and only its own upload waits for it.  Up to
 * MFTD_SFTP_SYNC_THREADS threads, made when they are first needed (so after
 * login: they are confined as the session is) and ended when idle.  They do
 * nothing but these syncs.
 */
struct mftd_syncer;

/* One file to be synced; the owner's, and not to be touched between
 * mftd_syncer_add and mftd_syncer_take. */
struct mftd_syncer_job {
	TAILQ_ENTRY(mftd_syncer_job) link;
	const void *owner; /* who takes it back */
	const void *part; /* jobs of one part are done in their order */
	int fd; /* its data */
	int parts_fd; /* with key and name: its entry; -1: durable already */
	char key[MFTD_PARENT_KEY_BYTES];
	char name[NAME_MAX + 1];
	int data_err, entry_err; /* how it went */
};

/* No thread yet.  NULL without memory or descriptor. */
struct mftd_syncer *mftd_syncer_new(void);

/* Waits for what is being done.  Nobody's job may be left.  y may be NULL. */
void mftd_syncer_free(struct mftd_syncer *y);

/* Readable when a job is done; then call mftd_syncer_heard, and each owner
 * takes its own. */
int mftd_syncer_fd(const struct mftd_syncer *y);
void mftd_syncer_heard(struct mftd_syncer *y);

/* Queues the job.  Where no thread can be made it is done before this returns.
 */
void mftd_syncer_add(struct mftd_syncer *y, struct mftd_syncer_job *job);

/* The owner's next job that is done, in the order in which they were; NULL. */
struct mftd_syncer_job *mftd_syncer_take(
    struct mftd_syncer *y, const void *owner);

/* Takes back any job of the owner, done or not begun; waits for those that are
 * being done.  NULL when there is none. */
struct mftd_syncer_job *mftd_syncer_cancel(
    struct mftd_syncer *y, const void *owner);

/* Does one, in the calling thread. */
void mftd_syncer_run(struct mftd_syncer_job *job);

#endif
