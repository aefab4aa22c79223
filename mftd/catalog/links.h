/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_LINKS_H
#define MFTD_CATALOG_LINKS_H

#include <stddef.h>

#include "mftd/catalog/catalog.h"
#include "mftd/ipc/worker.h"

/*
 * What this node's journals are told of the links in .mft/out: whether what
 * they publish needs one, and which may go.
 */

/*
 * Tells each whether any route takes from an account, as the database has it
 * now (ROUTES).  By installation, not by account: an upload is matched by what
 * is configured when its record comes, and one without a link is lost to every
 * route that was applied meanwhile.  0 or the catalog's error: then nothing was
 * told, and what they were told before runs out.
 */
int mftd_links_tell(struct mftd_worker *w, struct mftd_catalog *c,
    struct mftd_chan *const *journals, size_t n);

/* Tells all of them which links may go (RELEASE), some at a time.  How many
 * were, or the catalog's error. */
int mftd_links_release(struct mftd_worker *w, struct mftd_catalog *c,
    struct mftd_chan *const *journals, size_t n);

#endif
