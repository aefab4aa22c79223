/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_ANSWER_H
#define MFTD_OUTBOUND_ANSWER_H

#include <qb/qbloop.h>

struct mftd_catalog;
struct mftd_queue;

/* Has fn called with data when there may be an answer of the statement that the
 * catalog was sent last.  Returns a descriptor, to be given to fn and back to
 * _unwatch; -1: the answer has to be waited for. */
int mftd_answer_watch(struct mftd_queue *q, const struct mftd_catalog *c,
    void *data, qb_loop_poll_dispatch_fn fn);

/* Does no more, and sets *fd to -1; nothing if it is that already. */
void mftd_answer_unwatch(struct mftd_queue *q, int *fd);

#endif
