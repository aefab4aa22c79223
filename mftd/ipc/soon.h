/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_SOON_H
#define MFTD_IPC_SOON_H

#include <qb/qbloop.h>

/*
 * Calls fn(data) from the loop, once, behind what it has in hand.  Not
 * qb_loop_job_add: with nothing but jobs to do libqb's loop first sleeps 50 ms.
 * handle, which may be NULL, is for qb_loop_timer_del until then.  Returns 0 or
 * -errno.
 */
int mftd_soon(qb_loop_t *loop, enum qb_loop_priority p, void *data,
    void (*fn)(void *data), qb_loop_timer_handle *handle);

#endif
