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
 * segment, or a whole record that says that those before it were durable.
 */

/*
 * reader: has read the stream of the directory stream_dir as far as that goes.
 * Returns 0; -MFTD_E_CORRUPT when the stream is damaged, or goes on behind its
 * writer's last word, and *seq is then how far it went; -errno when that cannot
 * be found out.
 */
int mftd_damage_look(int stream_dir, const char *stream,
    const struct mftd_reader *reader, uint64_t *seq);

#endif
