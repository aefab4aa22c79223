/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PERSON_H
#define MFTD_CATALOG_PERSON_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/catalog/catalog.h"

/*
 * Deliveries as a person looks at them and steers them.  Errors as in
 * catalog.h.
 */

/* Which deliveries.  All zero: every one. */
struct mftd_delivery_filter {
	uint32_t states; /* the bits 1 << state; 0: any state */
	const char *route, *partner, *account; /* NULL: any */
	int64_t since_us; /* made then or later */
	uint64_t last; /* just the newest so many; 0: all */
};

/* Calls fn for each such delivery, the newest last, a page at a time: what is
 * made or moved meanwhile may be in the list or not.  filter may be NULL.  A
 * negative return of fn ends the list and is returned.  fn must not use c. */
int mftd_catalog_deliveries(struct mftd_catalog *c,
    const struct mftd_delivery_filter *filter,
    int (*fn)(void *data, const struct mftd_delivery *d), void *data);

/* A delivery and its receipt. */
struct mftd_delivery_story {
	struct mftd_delivery d;
	char queue[MFTD_NAME_BYTES];
	char account[MFTD_NAME_BYTES];
	char session[MFTD_ID_BYTES]; /* that uploaded it */
	char path[MFTD_PATH_BYTES]; /* as uploaded */
	char path_now[MFTD_PATH_BYTES]; /* after renames */
	int64_t received_us;
	char origin[MFTD_NAME_BYTES]; /* "": an upload; found.h */
	char fetched[MFTD_NAME_BYTES]; /* pull.h: what is to become of it at
					  the partner it is from; "" */
	char tidy[MFTD_NAME_BYTES]; /* how far that has come: its state */
	char tidy_text[MFTD_REASON_BYTES]; /* why it did not work */
	uint32_t fetch_verified; /* enum mftd_verification */
	bool removed; /* the account has removed the file */
	bool configured; /* the partner or account that it goes to */
	char after[MFTD_NAME_BYTES]; /* what its route wants of the source */
	char source[MFTD_NAME_BYTES]; /* what became of it: source.h; "" */
	char source_text[MFTD_PATH_BYTES]; /* as what, why, the last error */
	char behind[MFTD_ID_BYTES]; /* it was found to wait for that one, of the
				       same name, or that is the first in the
				       order of its route; "" */
};

/* -ENOENT: there is no delivery of that id. */
int mftd_catalog_delivery(
    struct mftd_catalog *c, const char *id, struct mftd_delivery_story *out);

/* What somebody wanted of a delivery, and what came of it. */
struct mftd_wish {
	char who[MFTD_NAME_BYTES];
	char what[MFTD_NAME_BYTES]; /* "hold" */
	enum mftd_delivery_state from, to;
	int64_t time_us; /* as read back */
};

/*
 * Moves a delivery from w->from to w->to and notes the wish, both or none;
 * due_us is when it is due from then on, 0: as it was.  Needs no role: whoever
 * has the delivery in hand finds at its next step that it is in another state.
 * What from and to may be is outbound/delivery.h's.  -ENOENT when it is not in
 * w->from (any more); -MFTD_E_CATALOG of a database that may forget, too.
 */
int mftd_catalog_wish(struct mftd_catalog *c, const char *delivery,
    const struct mftd_wish *w, int64_t due_us);

/* Calls fn for each wish that there was, the newest last.  As above. */
int mftd_catalog_wishes(struct mftd_catalog *c, const char *delivery,
    int (*fn)(void *data, const struct mftd_wish *w), void *data);

#endif
