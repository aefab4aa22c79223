/* Part of mftd; see LICENSE. */
#include "mftd/ipc/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/fdio.h"
#include "mftd/ipc/chan.h"

#define PATIENCE_S 10 /* then SIGALRM ends the test */

/* A worker that was just forked when its parent was killed. */
static void
parent_that_is_gone_before_the_loop_ends_it(void **state)
{
	struct mftd_worker w = { .proc = MFTD_PROC_LISTENER };
	int fds[2];

	(void)state;
	assert_int_equal(mftd_chan_pair(fds), 0);
	w.parent_fd = fds[0];
	mftd_fd_close(&fds[1]);
	assert_int_equal(mftd_worker_init(&w, NULL, 0, NULL), 0);
	assert_true(mftd_worker_ready(&w) < 0);
	alarm(PATIENCE_S);
	mftd_worker_run(&w);
	alarm(0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parent_that_is_gone_before_the_loop_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
