/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_FEED_H
#define MFTD_CATALOG_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/catalog/catalog.h"
#include "mftd/ipc/worker.h"

/*
 * The streams that journals offer, on their way into the catalog: of each, one
 * batch at a time is wanted, collected, forwarded in one transaction and
 * acknowledged.
 */
struct mftd_feeds;

/* w and c must outlive it.  NULL without memory. */
struct mftd_feeds *mftd_feeds_new(
    struct mftd_worker *w, struct mftd_catalog *c);
void mftd_feeds_free(struct mftd_feeds *f);

/* A journal's messages and its end.  As mftd_handle_fn; on_record also says in
 * *failed when the catalog is away (else 0): the stream waits for
 * mftd_feeds_resume then. */
int mftd_feeds_on_stream(
    struct mftd_feeds *f, struct mftd_chan *c, const struct mftd_msg *m);
int mftd_feeds_on_record(struct mftd_feeds *f, struct mftd_chan *c,
    const struct mftd_msg *m, int *failed);
void mftd_feeds_drop(struct mftd_feeds *f, struct mftd_chan *c);

/* Whether that journal has offered a stream: it works. */
bool mftd_feeds_offered(const struct mftd_feeds *f, const struct mftd_chan *c);

/* Reads the marks that are not known (any more) and goes on with every stream
 * that waits.  Returns 0 or the catalog's error. */
int mftd_feeds_resume(struct mftd_feeds *f);

/* "", or why the catalog refuses a stream (it is tried again now and then). */
const char *mftd_feeds_stuck(const struct mftd_feeds *f);

#endif
