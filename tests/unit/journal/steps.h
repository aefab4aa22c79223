/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_STEPS_H
#define TESTS_UNIT_JOURNAL_STEPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A process whose system calls are steps: at one of them, told by its number,
 * something happens.  Nothing in that process knows of it.  A seccomp filter
 * hands every call that is not listed as harmless in steps.c to the test, so
 * that a call which the code begins to use tomorrow is a step too.
 */
enum steps_what {
	STEPS_NOTHING, /* they are only counted */
	STEPS_KILL, /* SIGKILL; the call is not made */
	STEPS_FAIL, /* the call is not made and returns -err */
	STEPS_SHORT, /* a write writes only the first half; others are no step
		      */
	STEPS_HOLD, /* the call waits until steps_release */
};

struct steps_plan {
	enum steps_what what;
	unsigned at; /* the step, from 1 */
	int err; /* of STEPS_FAIL */
	bool
	    looks; /* calls that only look (open, stat, read …) are steps too */
	const char *call; /* not NULL: only calls of this name are steps */
	bool alone; /* what the process forks goes its own way */
	/* Not NULL: sees each call once steps_arm was called, before it is
	 * made, from a thread of the test. */
	void (*watch)(void *data, pid_t pid, int nr, const uint64_t args[6]);
	void *data;
};

struct steps;

/* Fails the test instead of returning NULL. */
struct steps *steps_new(const struct steps_plan *plan);

/* In the child, before it does anything: from here on its calls are handed
 * over, and it dies with its parent.  It must not be traced. */
void steps_enter(void *steps);

/* In the parent, once the child (pid) has been forked: serves its calls.
 * Steps are counted from steps_arm on. */
void steps_begin(struct steps *s, pid_t pid);
void steps_arm(struct steps *s);

/* Readable from when the step has come, or the process has ended. */
int steps_fd(const struct steps *s);

/* Waits for that.  Whether it is the step. */
bool steps_wait(struct steps *s);

/* Whether the plan's step has come; how many steps there were; what the call
 * at it was, and on what: "fsync(/path)". */
bool steps_came(struct steps *s);
unsigned steps_count(struct steps *s);
const char *steps_call(struct steps *s);

/* Whether the step was a sync (fsync, fdatasync …), and whether the process
 * asked for a sync of the same file again afterwards. */
bool steps_was_sync(struct steps *s);
bool steps_synced_again(struct steps *s);

/* Lets a held process go on. */
void steps_release(struct steps *s);

/* Takes the locks of a held process away, as storage does that fences it. */
void steps_break_locks(struct steps *s);

/* After the process was reaped. */
void steps_free(struct steps *s);

#endif
