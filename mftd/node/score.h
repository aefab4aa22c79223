/* Part of mftd; see LICENSE. */
#ifndef MFTD_NODE_SCORE_H
#define MFTD_NODE_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/cidr.h"
#include "mftd/base/limits.h"

/*
 * How often each source failed.  Pure: time is the caller's.  A window begins
 * with a source's first failure; the failure that makes it enough ends it.
 * Beyond MFTD_BAN_SCORES_MAX the source that failed longest ago is forgotten.
 */
struct mftd_score {
	size_t n;
	struct mftd_score_row {
		struct mftd_cidr source;
		int failures;
		int64_t since_ms, last_ms;
	} rows[MFTD_BAN_SCORES_MAX];
};

/* Counts one.  True: that is enough of them in window_ms. */
bool mftd_score_fail(struct mftd_score *s, const struct mftd_cidr *source,
    int64_t now_ms, int enough, int64_t window_ms);

/* Forgets a source. */
void mftd_score_forget(struct mftd_score *s, const struct mftd_cidr *source);

#endif
