/* Part of mftd; see LICENSE. */
#ifndef MFTD_NODE_SCORE_H
#define MFTD_NODE_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/cidr.h"
#include "mftd/base/limits.h"

/*
 * How often each source failed.  Pure: time is the caller's.  The window slides
 * in slices: what counts are the failures of the last window_ms, and those of
 * up to a slice before.  Beyond MFTD_BAN_SCORES_MAX the source that failed
 * longest ago is forgotten.
 */
#define MFTD_SCORE_SLICES 16

struct mftd_score {
	size_t n;
	struct mftd_score_row {
		struct mftd_cidr source;
		int64_t last; /* the slice of the latest failure */
		/* of it and those before, by slice modulo */
		uint16_t failures[MFTD_SCORE_SLICES + 1];
		int64_t last_ms;
	} rows[MFTD_BAN_SCORES_MAX];
};

/* Counts one.  True: that is enough of them (up to 65535) in window_ms, and it
 * begins anew. */
bool mftd_score_fail(struct mftd_score *s, const struct mftd_cidr *source,
    int64_t now_ms, int enough, int64_t window_ms);

/* Forgets a source. */
void mftd_score_forget(struct mftd_score *s, const struct mftd_cidr *source);

#endif
