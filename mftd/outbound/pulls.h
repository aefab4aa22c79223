/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_PULLS_H
#define MFTD_OUTBOUND_PULLS_H

#include <stdbool.h>

#include "mftd/ipc/chan.h"
#include "mftd/outbound/share.h"

/*
 * The fetches of a queue's routes that take a partner's files: a process for
 * each (fetch.h) as long as its partner is not stopped, and what they ask of
 * the catalog.
 */
struct mftd_pulls;
struct mftd_queue;

/* The configuration is new: those under way are ended, all are due.  Makes
 * q->pulls on first need; without memory there are none. */
void mftd_pulls_load(struct mftd_queue *q);

/* Starts those that are due, ends those of stopped partners, and asks again
 * what the catalog did not answer. */
void mftd_pulls_work(struct mftd_queue *q);

/* Kills all; with wait returns only when they are gone. */
void mftd_pulls_kill(struct mftd_queue *q, bool wait);

/* What fetches have, and wait for, of a partner's connections: into *s. */
void mftd_pulls_share(
    struct mftd_queue *q, const char *partner, struct mftd_share *s);

/* A deliver has begun to use one of them. */
void mftd_pulls_deliver_began(struct mftd_queue *q, const char *partner);

/* Whether a fetch of the partner lives, whose pace is *pace; whether one has
 * that pace. */
bool mftd_pulls_pace(
    const struct mftd_queue *q, const char *partner, size_t *pace);
bool mftd_pulls_have_pace(const struct mftd_queue *q, size_t pace);

/* Once all are gone. */
void mftd_pulls_free(struct mftd_queue *q);

/* The link to fetch. */
int mftd_pulls_on_question(void *data, struct mftd_chan *c, struct mftd_msg *m);
void mftd_pulls_on_down(void *data, struct mftd_chan *c);

#endif
