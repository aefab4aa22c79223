/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_CHILD_H
#define MFTD_OUTBOUND_CHILD_H

#include <stdint.h>
#include <sys/types.h>

#include "mftd/ipc/worker.h"

/* A process that outbound forks for one errand: how it is started, watched and
 * ended.  What is said over the channel to it is its caller's. */

/* What it is to do.  All of it is the caller's, and needed only while it is
 * started, but for what `ended` needs. */
struct mftd_errand {
	const char *name; /* its process's, without "mftd:" */
	const char *context; /* of what it logs, "route=in" */
	uint32_t kind; /* MFTD_PROC_*, of the channel to it … */
	const char *instance; /* … and whose */
	int fd; /* another one that it keeps; -1: none */

	/* In the process: 0 or a negative error, which is its exit status 0
	 * or 1. */
	int (*run)(const void *job, struct mftd_chan *c);
	const void *job;

	/* In outbound, from its loop: it was reaped, with waitpid's status. */
	void (*ended)(void *data, int status);
	void *data; /* of the channel too */
};

struct mftd_child {
	pid_t pid; /* 0: there is none */
	int pidfd; /* of it */
	struct mftd_worker *w;
	void (*ended)(void *data, int status);
	void *data;
};

/*
 * Forks it: with no core, no way to more rights, none of outbound's descriptors
 * but its lock, the channel and fd; it dies with outbound.  *chan is the
 * channel to it, attached to w, for mftd_worker_detach.  0 or a negative errno,
 * and then nothing is left of it.
 */
int mftd_child_start(struct mftd_child *ch, struct mftd_worker *w,
    const struct mftd_errand *e, struct mftd_chan **chan);

/* Kills it, if there is one; `ended` is called once it is reaped. */
void mftd_child_kill(const struct mftd_child *ch);

/* Waits until the killed one is gone; `ended` is not called. */
void mftd_child_wait(struct mftd_child *ch);

#endif
