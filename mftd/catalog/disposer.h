/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_DISPOSER_H
#define MFTD_CATALOG_DISPOSER_H

#include <stddef.h>

#include "mftd/catalog/catalog.h"
#include "mftd/ipc/worker.h"

/*
 * Asks this node's journals for what is to become of sources (source.h), a
 * group at a time, and notes their answers.
 */
struct mftd_disposer;

/* w and c must outlive it.  NULL without memory. */
struct mftd_disposer *mftd_disposer_new(
    struct mftd_worker *w, struct mftd_catalog *c);
void mftd_disposer_free(struct mftd_disposer *d);

/* Asks each of the journals for what is due, unless answers are waited for.  0
 * or the catalog's error. */
int mftd_disposer_work(
    struct mftd_disposer *d, struct mftd_chan *const *journals, size_t n);

/* A journal's DISPOSED.  1: it was the last that was waited for, and more may
 * be due; 0; -MFTD_E_PROTOCOL; or the catalog's error in *failed. */
int mftd_disposer_answered(
    struct mftd_disposer *d, const struct mftd_msg *m, int *failed);

/* A journal is gone: its answers are not waited for. */
void mftd_disposer_lost(struct mftd_disposer *d);

#endif
