/* Part of mftd; see LICENSE. */
#include "mftd/outbound/answer.h"

#include <fcntl.h>
#include <poll.h>

#include "mftd/base/fdio.h"
#include "mftd/catalog/steps.h"
#include "mftd/outbound/queue.h"

/* The socket is the catalog's, who may close it at any time: a copy of it is
 * watched. */
int
mftd_answer_watch(struct mftd_queue *q, const struct mftd_catalog *c,
    void *data, qb_loop_poll_dispatch_fn fn)
{
	int fd = mftd_catalog_fd(c);

	fd = fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (fd >= 0 &&
	    qb_loop_poll_add(q->w->loop, QB_LOOP_MED, fd, POLLIN, data, fn) < 0)
		mftd_fd_close(&fd);
	return fd;
}

void
mftd_answer_unwatch(struct mftd_queue *q, int *fd)
{
	if (*fd < 0)
		return;
	qb_loop_poll_del(q->w->loop, *fd);
	mftd_fd_close(fd);
}
