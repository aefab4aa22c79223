/* Part of mftd; see LICENSE. */
/* In place of agents/branch.c: valgrind knows no process that has another's
 * memory. */
#include "agents/branch.h"

#include <errno.h>
#include <unistd.h>

pid_t
mftd_branch(void *stack, int (*run)(void *arg), void *arg)
{
	pid_t pid = fork();

	(void)stack;
	if (pid == 0)
		_exit(run(arg));
	return pid == -1 ? -errno : pid;
}
