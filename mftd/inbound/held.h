/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_HELD_H
#define MFTD_INBOUND_HELD_H

#include "mftd/ipc/chan.h"
#include "mftd/ipc/msg.h"

/*
 * Questions that cannot be answered yet, one of a channel.  How long they may
 * be held is the business of who asked: its channel's end drops its question.
 */
struct mftd_held;

/* NULL without memory. */
struct mftd_held *mftd_held_new(void);

/* h may be NULL. */
void mftd_held_free(struct mftd_held *h);

/* Keeps a copy of m, which came on c without descriptors.  -MFTD_E_PROTOCOL
 * when one of c is held already; -ENOMEM. */
int mftd_held_add(
    struct mftd_held *h, struct mftd_chan *c, const struct mftd_msg *m);

/* Forgets what c asked, if it did; what was held is overwritten. */
void mftd_held_drop(struct mftd_held *h, struct mftd_chan *c);

/* Calls fn for each, the oldest first; it is held no more then, unless fn adds
 * it again. */
void mftd_held_answer(struct mftd_held *h,
    void (*fn)(void *data, struct mftd_chan *c, struct mftd_msg *m),
    void *data);

#endif
