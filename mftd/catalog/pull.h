/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PULL_H
#define MFTD_CATALOG_PULL_H

#include <stdint.h>

#include "mftd/catalog/catalog.h"
#include "mftd/ipc/msg_fetch.h"

/*
 * Files that a route fetches from a partner: found files (found.h) of one place
 * there, and what is to become of them at the partner.
 *
 * What writes is guarded (catalog.h).
 */
#define MFTD_ORIGIN_PARTNER "PARTNER"

/*
 * Whether the file was fetched already: 1.  0: it was not, or it was taken away
 * since, by us: then that it was is forgotten now, and one that looks the same
 * is a new one.
 */
int mftd_pull_known(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_route *route, const struct mftd_msg_fetch_file *f);

/*
 * Writes what is to become of it, as the route says now, and then the found
 * file with its delivery; receipt, delivery and now_us as in struct mftd_found,
 * the same ones when it is tried again.  As mftd_found_put.
 */
struct mftd_pulled {
	const struct mftd_msg_fetch_found *found;
	const char *delivery;
	int64_t now_us;
};
int mftd_pull_put(struct mftd_catalog *c, const struct mftd_role_row *role,
    uint64_t version, const struct mftd_route *route,
    const struct mftd_pulled *p);

/* The next wish of the route at its partner that is due, whose file is
 * delivered: into *out, with the folder where it was fetched, whatever the
 * route says now.  1; 0: there is none; or an error. */
int mftd_pull_next(struct mftd_catalog *c, const struct mftd_route *route,
    int64_t now_us, struct mftd_msg_fetch_wish *out);

/* Writes how far a wish has come; LATER: it is due again at due_us.  DONE is
 * for good, and its file forgotten.  Writing the same again changes nothing. 0,
 * or an error. */
int mftd_pull_step(struct mftd_catalog *c, const struct mftd_role_row *role,
    const struct mftd_msg_fetch_tidy *t, int64_t due_us);

#endif
