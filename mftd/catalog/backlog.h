/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_BACKLOG_H
#define MFTD_CATALOG_BACKLOG_H

#include <stdbool.h>

#include "mftd/ipc/msg_node.h"

struct mftd_catalog;

/*
 * What each queue still has to do, whoever has it: the deliveries that only an
 * owner of the queue moves on, counted up to MFTD_BACKLOG_MAX.  Queues without
 * any are left out, and so are those beyond MFTD_QUEUES_MAX.  Costs no more
 * with a long history.  0, or as in catalog.h.
 */
int mftd_catalog_backlog(struct mftd_catalog *c, struct mftd_msg_backlog *out);

/* Whether anybody needs that place: a route names it, or a delivery waits
 * there.  Costs no more with a long history.  0, or as in catalog.h. */
int mftd_catalog_place_needed(
    struct mftd_catalog *c, const char *queue, bool *out);

#endif
