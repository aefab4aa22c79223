/* Part of mftd; see LICENSE. */
#include "mftd/hook/retry.h"

#include <errno.h>
#include <stdio.h>

#define FIRST_MS 1000
#define MOST_MS (15 * 60 * 1000)

int64_t
mftd_hook_backoff_ms(uint32_t tries, uint32_t random)
{
	int64_t ms = FIRST_MS;
	uint32_t i;

	for (i = 1; i < tries && ms < MOST_MS; i++)
		ms *= 2;
	if (ms > MOST_MS)
		ms = MOST_MS;
	return ms - ms / 4 + (int64_t)(random % 1000) * (ms / 2) / 1000;
}

void
mftd_hook_step(struct mftd_run *run, int err, const char *why,
    uint32_t tries_max, int64_t now_us, uint32_t random)
{
	run->ended_us = now_us;
	run->due_us = now_us;
	snprintf(run->error, sizeof(run->error), "%s", err == 0 ? "" : why);
	if (err == 0) {
		run->state = MFTD_RUN_DONE;
	} else if (err == -ECANCELED) {
		run->state = MFTD_RUN_WAITING;
	} else if (run->tries >= tries_max) {
		run->state = MFTD_RUN_FAILED;
	} else {
		run->state = MFTD_RUN_WAITING;
		run->due_us += mftd_hook_backoff_ms(run->tries, random) * 1000;
	}
}
