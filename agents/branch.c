/* Part of mftd; see LICENSE. */
#include "branch.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>

pid_t
mftd_branch(void *stack, int (*run)(void *arg), void *arg)
{
	/* not CLONE_VFORK, which would wait for it */
	pid_t pid = clone(run, (char *)stack + MFTD_BRANCH_STACK_BYTES,
	    CLONE_VM | SIGCHLD, arg);

	return pid == -1 ? -errno : pid;
}
