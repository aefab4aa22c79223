/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_PLACE_H
#define MFTD_OUTBOUND_PLACE_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/catalog/catalog.h"

/*
 * The names at its partner that a delivery is at, so that those of one owner
 * are at none together, whatever their routes: who
 * publishes a file and who publishes a trigger file.
 *
 * All pure.  Names are kept as hashes: two that are one by chance only wait for
 * each other.
 */
enum mftd_place_kind { MFTD_PLACE_FINAL, MFTD_PLACE_TRIGGER, MFTD_PLACE_KINDS };

struct mftd_place {
	/* By the name and the directory that it is in, without where that is:
	 * one route may have an absolute path and the other a relative one;
	 * and by the name alone, for whoever is where the login starts may be
	 * in any.  0: none. */
	uint64_t names[MFTD_PLACE_KINDS], bases[MFTD_PLACE_KINDS];
	bool anywhere[MFTD_PLACE_KINDS];
};

/* To an account's folder: none. */
void mftd_place_of(const struct mftd_delivery *d, struct mftd_place *out);

/* Whether one has a name that the other has too, of another kind. */
bool mftd_place_meets(const struct mftd_place *a, const struct mftd_place *b);

/* How many have each name, by some bits of it: mostly nobody has to look
 * further.  Zeroed before. */
#define MFTD_PLACE_SLOTS 4096
struct mftd_places {
	uint16_t n[MFTD_PLACE_KINDS][MFTD_PLACE_SLOTS];
};

void mftd_places_enter(struct mftd_places *all, const struct mftd_place *p);
void mftd_places_leave(struct mftd_places *all, const struct mftd_place *p);

/* False: it meets none that has entered. */
bool mftd_places_may_meet(
    const struct mftd_places *all, const struct mftd_place *p);

#endif
