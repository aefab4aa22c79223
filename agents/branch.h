/* Part of mftd; see LICENSE. */
/*
 * A child process for what may hang, at a third of what fork costs: it has the
 * agent's memory instead of a copy of it, and nothing else of it.
 */
#ifndef MFTD_AGENTS_BRANCH_H
#define MFTD_AGENTS_BRANCH_H

#include <stddef.h>
#include <sys/types.h>

enum { MFTD_BRANCH_STACK_BYTES = 64 * 1024 };

/*
 * Starts run(arg), whose result is the child's exit code, on a stack of
 * MFTD_BRANCH_STACK_BYTES, aligned to 16. Stack and whatever run touches stay
 * as they are until the child is reaped, even if it was killed, and shared
 * (MAP_SHARED) where both are to see it. run makes system calls and little
 * else: no stdio, no malloc; errno it has in common with the agent. SIGCHLD
 * tells of its end. Returns its pid, or -errno.
 */
pid_t mftd_branch(void *stack, int (*run)(void *arg), void *arg);

#endif
