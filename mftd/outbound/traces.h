/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_TRACES_H
#define MFTD_OUTBOUND_TRACES_H

#include <stdbool.h>

#include "mftd/outbound/batch.h"

/*
 * What a RENAME that was done half leaves on the temporary file (delivery.h):
 * how many names it has, which only a listing of its directory tells, and
 * whether somebody read it, which shows only where access times are kept: that
 * is tried with a file of our own beside it.
 */

/* Looks for both in the directories of the chosen ones whose temporary name was
 * seen and whose rename is not one step: to temp_attrs, and blind.  What cannot
 * be had stays unknown; an error is the connection's. */
int mftd_batch_trace(
    struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it));

#endif
