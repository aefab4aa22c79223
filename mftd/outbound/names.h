/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_NAMES_H
#define MFTD_OUTBOUND_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/catalog/catalog.h"

/* The names that a delivery has at its partner.  Each function returns 0, or
 * -ENAMETOOLONG beyond size bytes. */

/* The final name, with the number that it was given. */
int mftd_deliver_final_name(
    const struct mftd_delivery *d, char *out, size_t size);

/*
 * The temporary name.  It is that try's alone, so that what an earlier
 * connection still sends too late finds nothing; a try that goes on where an
 * earlier one was cut takes that one's.  By a partner's convention it ends in
 * temp_suffix, behind as much of the final name as a name has room for, and is
 * in temp_directory; else it is a hidden one beside the final one.
 */
int mftd_deliver_temp_name(
    const struct mftd_delivery *d, uint32_t tries, char *out, size_t size);

/* The trigger file's names; -EINVAL: its template makes none. */
int mftd_deliver_trigger_name(
    const struct mftd_delivery *d, char *out, size_t size);
int mftd_deliver_trigger_temp(
    const struct mftd_delivery *d, char *out, size_t size);

/* A file that shows whether who reads there leaves a trace (traces.h). */
int mftd_deliver_witness_name(
    const struct mftd_delivery *d, char *out, size_t size);

/*
 * Why it can never be sent under the names that it has by its route and its
 * number, for what else the route brings there could take it for something
 * else; NULL: it can.
 */
const char *mftd_deliver_name_fault(const struct mftd_delivery *d);

/* What the trigger file says, with a newline; "" nothing. */
int mftd_deliver_trigger_line(
    const struct mftd_delivery *d, char *out, size_t size);

#endif
