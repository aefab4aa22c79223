/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_LOOKS_H
#define MFTD_OUTBOUND_LOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/ipc/chan.h"

/*
 * The looks of a queue's routes: which is due, a process for each (look.h), and
 * what they ask of the catalog.  One at a time of a route, MFTD_LOOKS_MAX in
 * all.  The next one is due by the route's clock, or when a local folder has
 * changed (watch.h).
 */
struct mftd_looks;
struct mftd_queue;

/* Pure: when the next look is due, after one that was begun and has ended at
 * these times.  again_ms: how soon a file may be stable; 0: none will. */
int64_t mftd_looks_next_ms(
    int64_t begun_ms, int64_t ended_ms, int every_s, uint32_t again_ms);

/* Pure: when there may be one, if something happened at now_ms, after one that
 * was begun and has ended at these times (0: there was none).  However much
 * happens, looks at a folder take a fifth of the time at most, and there is one
 * a second. */
int64_t mftd_looks_woken_ms(int64_t begun_ms, int64_t ended_ms, int64_t now_ms);

/* The configuration is new: those under way are ended, all are due.  Makes
 * q->looks on first need; without memory there are none. */
void mftd_looks_load(struct mftd_queue *q);

/* Starts those that are due, and asks again what the catalog did not answer. */
void mftd_looks_work(struct mftd_queue *q);

/* Kills all; with wait returns only when they are gone. */
void mftd_looks_kill(struct mftd_queue *q, bool wait);

/* Once all are gone. */
void mftd_looks_free(struct mftd_queue *q);

/* The link to look. */
int mftd_looks_on_question(void *data, struct mftd_chan *c, struct mftd_msg *m);
int mftd_looks_on_end(void *data, struct mftd_chan *c, struct mftd_msg *m);
void mftd_looks_on_down(void *data, struct mftd_chan *c);

#endif
