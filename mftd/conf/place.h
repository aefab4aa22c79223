/* Part of mftd; see LICENSE. */
#ifndef MFTD_CONF_PLACE_H
#define MFTD_CONF_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/base/limits.h"

/*
 * Places: where a route's deliveries run if not where its queue is promoted.
 * Each is a queue of its own, with the role row, epoch, lock and process of
 * one, under a name that no queue can have (it is no id: base/id.h):
 * "@controller" is promoted where Pacemaker runs ocf:mft:controller, and
 * "@node:NAME" on that node while its inbound is started.
 */
#define MFTD_PLACE_CONTROLLER "@controller"

/* The queue of a node's place. */
void mftd_place_of_node(const char *node, char out[MFTD_QUEUE_BYTES]);

/* The node whose place the queue is, a part of its name; NULL: of none. */
const char *mftd_place_node(const char *queue);

/* Whether text is the queue of a place. */
bool mftd_place_valid(const char *text);

/* A place as objects files and people name it, "controller", "node n1"; NULL:
 * the queue is none. */
const char *mftd_place_word(const char *queue, char out[MFTD_QUEUE_BYTES]);

#endif
