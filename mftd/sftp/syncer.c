/* Part of mftd; see LICENSE. */
#include "mftd/sftp/syncer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/base/limits.h"

#define STACK_BYTES (128 * 1024)
#define IDLE_S 5 /* then a thread ends: an idle session is a small one */

TAILQ_HEAD(jobs, mftd_syncer_job);

struct mftd_syncer {
	pthread_mutex_t lock;
	pthread_cond_t work; /* for the threads */
	pthread_cond_t moved; /* a job is done, a thread has ended */
	struct jobs queued, running, done;
	unsigned n_queued, threads, idle;
	bool ending;
	int event_fd;
};

struct mftd_syncer *
mftd_syncer_new(void)
{
	struct mftd_syncer *y = calloc(1, sizeof(*y));

	if (y == NULL)
		return NULL;
	y->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (y->event_fd < 0) {
		free(y);
		return NULL;
	}
	TAILQ_INIT(&y->queued);
	TAILQ_INIT(&y->running);
	TAILQ_INIT(&y->done);
	pthread_mutex_init(&y->lock, NULL);
	pthread_cond_init(&y->work, NULL);
	pthread_cond_init(&y->moved, NULL);
	return y;
}

void
mftd_syncer_free(struct mftd_syncer *y)
{
	if (y == NULL)
		return;
	pthread_mutex_lock(&y->lock);
	y->ending = true;
	pthread_cond_broadcast(&y->work);
	while (y->threads > 0)
		pthread_cond_wait(&y->moved, &y->lock);
	pthread_mutex_unlock(&y->lock);
	pthread_cond_destroy(&y->work);
	pthread_cond_destroy(&y->moved);
	pthread_mutex_destroy(&y->lock);
	mftd_fd_close(&y->event_fd);
	free(y);
}

int
mftd_syncer_fd(const struct mftd_syncer *y)
{
	return y->event_fd;
}

void
mftd_syncer_heard(struct mftd_syncer *y)
{
	eventfd_t n;

	(void)eventfd_read(y->event_fd, &n); /* nothing there: as well */
}

void
mftd_syncer_run(struct mftd_syncer_job *job)
{
	job->data_err = mftd_sync_data(job->fd);
	job->entry_err = 0;
	if (job->data_err == 0 && job->parts_fd >= 0)
		job->entry_err =
		    mftd_layout_part_sync(job->parts_fd, job->key, job->name);
}

static bool
is_running(const struct mftd_syncer *y, const void *part)
{
	const struct mftd_syncer_job *job;

	TAILQ_FOREACH(job, &y->running, link)
		if (job->part == part)
			return true;
	return false;
}

/* The first job whose part none is being done of. */
static struct mftd_syncer_job *
pick(const struct mftd_syncer *y)
{
	struct mftd_syncer_job *job;

	TAILQ_FOREACH(job, &y->queued, link)
		if (!is_running(y, job->part))
			break;
	return job;
}

/* With the lock held, which is let go meanwhile. */
static void
perform(struct mftd_syncer *y, struct mftd_syncer_job *job)
{
	TAILQ_REMOVE(&y->queued, job, link);
	y->n_queued--;
	TAILQ_INSERT_TAIL(&y->running, job, link);
	pthread_mutex_unlock(&y->lock);
	mftd_syncer_run(job);
	pthread_mutex_lock(&y->lock);
	TAILQ_REMOVE(&y->running, job, link);
	TAILQ_INSERT_TAIL(&y->done, job, link);
	(void)eventfd_write(y->event_fd, 1); /* full: readable as well */
	pthread_cond_broadcast(&y->moved);
}

/* Returns whether there may be work; false when there was none for long. */
static bool
await(struct mftd_syncer *y)
{
	struct timespec until;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_S;
	y->idle++;
	r = pthread_cond_clockwait(&y->work, &y->lock, CLOCK_MONOTONIC, &until);
	y->idle--;
	return r == 0 || y->n_queued > 0;
}

static void *
thread_main(void *data)
{
	struct mftd_syncer *y = data;
	struct mftd_syncer_job *job;

	pthread_mutex_lock(&y->lock);
	while (!y->ending) {
		job = pick(y);
		if (job != NULL)
			perform(y, job);
		else if (!await(y))
			break;
	}
	y->threads--;
	pthread_cond_broadcast(&y->moved);
	pthread_mutex_unlock(&y->lock);
	return NULL;
}

/* One thread more; signals are the loop's alone. */
static bool
add_thread(struct mftd_syncer *y)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&thread, &attr, thread_main, y);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (r == 0)
		y->threads++;
	return r == 0;
}

void
mftd_syncer_add(struct mftd_syncer *y, struct mftd_syncer_job *job)
{
	pthread_mutex_lock(&y->lock);
	TAILQ_INSERT_TAIL(&y->queued, job, link);
	y->n_queued++;
	pthread_cond_signal(&y->work);
	if (y->n_queued > y->idle && y->threads < MFTD_SFTP_SYNC_THREADS &&
	    !add_thread(y) && y->threads == 0)
		perform(y, job);
	pthread_mutex_unlock(&y->lock);
}

static struct mftd_syncer_job *
of(struct jobs *jobs, const void *owner)
{
	struct mftd_syncer_job *job;

	TAILQ_FOREACH(job, jobs, link)
		if (job->owner == owner)
			break;
	return job;
}

struct mftd_syncer_job *
mftd_syncer_take(struct mftd_syncer *y, const void *owner)
{
	struct mftd_syncer_job *job;

	pthread_mutex_lock(&y->lock);
	job = of(&y->done, owner);
	if (job != NULL)
		TAILQ_REMOVE(&y->done, job, link);
	pthread_mutex_unlock(&y->lock);
	return job;
}

struct mftd_syncer_job *
mftd_syncer_cancel(struct mftd_syncer *y, const void *owner)
{
	struct mftd_syncer_job *job;

	pthread_mutex_lock(&y->lock);
	job = of(&y->queued, owner);
	if (job != NULL) {
		TAILQ_REMOVE(&y->queued, job, link);
		y->n_queued--;
	} else {
		while (of(&y->running, owner) != NULL)
			pthread_cond_wait(&y->moved, &y->lock);
		job = of(&y->done, owner);
		if (job != NULL)
			TAILQ_REMOVE(&y->done, job, link);
	}
	pthread_mutex_unlock(&y->lock);
	return job;
}
