/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_CLAIM_H
#define MFTD_OUTBOUND_CLAIM_H

#include <stdbool.h>

#include "mftd/catalog/catalog.h"

/*
 * How the owner of a queue claims: one statement at a time, whose answer is not
 * waited for where the database has it later, so that steps are written
 * meanwhile (lane.h).
 */

struct mftd_queue;

struct mftd_claiming {
	bool sent; /* it is under way, and the rest is of it */
	bool versions; /* as mftd_catalog_versions said before */
	char *without; /* the partners that are left out */
	struct mftd_claim to;
	int fd; /* watched meanwhile; -1 */
};

/* Takes in hand what came of the claim that is under way. */
void mftd_claim_take(struct mftd_queue *q);

/* Claims, if there is room and it is time. */
void mftd_claim_begin(struct mftd_queue *q);

void mftd_claim_free(struct mftd_queue *q);

#endif
