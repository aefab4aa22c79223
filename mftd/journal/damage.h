/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_DAMAGE_H
#define MFTD_JOURNAL_DAMAGE_H

#include <stdint.h>

#include "mftd/journal/reader.h"

/*
 * Tells a stream that is damaged from one whose last write was torn.  Nothing
 * of a torn write was acknowledged, and nothing was written after it.  So a
 * stream went farther than it can be read when its signed head says so, or
 * whatever stands behind the place where reading stopped: the header of a later
 * segment, something behind a header that is none, or a whole record that says
 * that those before it were durable.
 */

struct mftd_damage {
	const char *what; /* is wrong */
	uint64_t seq; /* so far it went at least, for all that is known */
};

/*
 * reader: has read the stream of the directory stream_dir as far as that goes.
 * Returns 0; -MFTD_E_CORRUPT when the stream is damaged, or its head is none of
 * its writer's, or it goes on behind its writer's last word: *out says so;
 * -errno when that cannot be found out.
 */
int mftd_damage_look(int stream_dir, const char *stream,
    const struct mftd_reader *reader, struct mftd_damage *out);

#endif
