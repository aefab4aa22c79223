/* Part of mftd; see LICENSE. */
#include "tests/unit/outbound/child.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/journal/steps.h"

void
child_volume(
    const struct partner *p, char *path, size_t size, struct mftd_conf *conf)
{
	static const char *const below[] = { "", "/.mft", "/.mft/out" };
	char dir[192];
	size_t i;

	snprintf(path, size, "%s/vol", p->dir);
	for (i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
		snprintf(dir, sizeof(dir), "%s%s", path, below[i]);
		assert_int_equal(mkdir(dir, 0700), 0);
	}
	conf->volumes[0].name = (char *)"main";
	conf->volumes[0].path = path;
	conf->n_volumes = 1;
}

pid_t
child_start(const struct partner *p, struct steps *steps,
    int (*run)(void *job, struct mftd_chan *c), void *job, struct mftd_chan **c)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(mftd_chan_pair(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		close(p->guard); /* or its end were not seen */
		*c = mftd_chan_new(fds[1], MFTD_PROC_OUTBOUND, "");
		if (steps != NULL)
			steps_enter(steps);
		_exit(run(job, *c) == 0 ? 0 : 1);
	}
	close(fds[1]);
	if (steps != NULL)
		steps_begin(steps, pid);
	*c = mftd_chan_new(fds[0], MFTD_PROC_DELIVER, "");
	return pid;
}
