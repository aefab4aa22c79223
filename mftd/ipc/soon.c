/* Part of mftd; see LICENSE. */
#include "mftd/ipc/soon.h"

int
mftd_soon(qb_loop_t *loop, enum qb_loop_priority p, void *data,
    void (*fn)(void *data), qb_loop_timer_handle *handle)
{
	qb_loop_timer_handle unused;

	return qb_loop_timer_add(
	    loop, p, 0, data, fn, handle != NULL ? handle : &unused);
}
