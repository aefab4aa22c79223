/* Part of mftd; see LICENSE. */
#ifndef MFTD_HOOK_RETRY_H
#define MFTD_HOOK_RETRY_H

#include <stdint.h>

#include "mftd/catalog/hook_runs.h"

/* How long to wait after the tries-th try (from 1): about 1 s, doubling to
 * 15 min, each moved by up to a quarter by random. */
int64_t mftd_hook_backoff_ms(uint32_t tries, uint32_t random);

/* What becomes of a RUNNING run whose try ended with err (0: well), of a hook
 * that may try so often; -ECANCELED: it was stopped for a reason of ours, which
 * is no fault of its own.  Pure. */
void mftd_hook_step(struct mftd_run *run, int err, const char *why,
    uint32_t tries_max, int64_t now_us, uint32_t random);

#endif
