/* Part of mftd; see LICENSE. */
/*
 * One probe of a directory on a file system that may hang: create, write,
 * fsync, rename, unlink, done by a child process that nobody waits for longer
 * than agreed, and of which there is never more than one for a lock file.
 */
#ifndef MFTD_AGENTS_PROBE_H
#define MFTD_AGENTS_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MFTD_PROBE_BYTES = 4096 }; /* written by one probe */

/* In order. */
enum mftd_probe_step {
	MFTD_PROBE_BEGIN,
	MFTD_PROBE_LOOK, /* at the directory */
	MFTD_PROBE_MOUNT, /* is it on a file system of its own */
	MFTD_PROBE_USER, /* become the directory's owner */
	MFTD_PROBE_OPEN,
	MFTD_PROBE_CREATE,
	MFTD_PROBE_WRITE,
	MFTD_PROBE_FSYNC,
	MFTD_PROBE_RENAME,
	MFTD_PROBE_UNLINK,
	MFTD_PROBE_DONE,
	/* an earlier child still hangs; nothing was tried */
	MFTD_PROBE_EARLIER,
};

struct mftd_probe_plan {
	const char *directory;
	const char *name; /* of the file, unique among the nodes */
	const char *lock; /* a file on a file system that does not hang */
	bool mounted; /* it must not be on the root file system */
	int64_t timeout_ms;
};

struct mftd_probe {
	enum mftd_probe_step step; /* the last that was begun */
	int err; /* 0; errno of that step; ETIMEDOUT: it hangs in it */
	pid_t pid; /* of the child that hangs, else 0 */
};

/*
 * Probes. Never touches the directory itself, so it takes timeout_ms and no
 * longer whatever the file system does. A child that hangs is killed, and when
 * it is gone is up to the kernel: until then it holds the lock. Well is
 * MFTD_PROBE_DONE with err 0.
 */
void mftd_probe_run(
    const struct mftd_probe_plan *plan, struct mftd_probe *probe);

/* Kills a child that still hangs. Returns whether none is left. */
bool mftd_probe_end(const char *lock, int64_t timeout_ms);

const char *mftd_probe_step_word(enum mftd_probe_step step);

#endif
