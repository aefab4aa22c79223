/* Part of mftd; see LICENSE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/outbound/pulse.h"
#include "mftd/outbound/queue.h"
#include "mftd/outbound/runner.h"

_Static_assert(MFTD_RUNNERS_MAX == MFTD_DELIVERS_MAX + MFTD_DELIVERS_SILENT_MAX,
    "who is silent has a place of its own");

/*
 * Partners that hang: they take connections, and then do not answer.  Places
 * are for those that do.
 */

struct mftd_pulse *
mftd_runner_pulse(const struct mftd_runner *rn)
{
	return mftd_pulses_at(rn->q->pulses, (size_t)(rn - rn->q->runners));
}

/* That its partner has not answered it for long.  What goes to an account waits
 * for nobody out there, and what waits for our answer not for its partner's. */
static bool
is_silent(const struct mftd_runner *rn, int64_t now_ms)
{
	return rn->child.pid != 0 && rn->partner[0] != '@' && rn->asked == 0 &&
	    (rn->n > 0 || rn->probe) &&
	    now_ms - mftd_pulse_ms(mftd_runner_pulse(rn)) >= MFTD_SILENT_MS;
}

size_t
mftd_places_taken(const struct mftd_queue *q)
{
	const struct mftd_runner *rn;
	int64_t now_ms = mftd_clock_ms();
	size_t all = 0, silent = 0;

	for (rn = q->runners; rn < q->runners + MFTD_RUNNERS_MAX; rn++) {
		all += rn->child.pid != 0;
		silent += is_silent(rn, now_ms);
	}
	return all -
	    (silent < MFTD_DELIVERS_SILENT_MAX ? silent
					       : MFTD_DELIVERS_SILENT_MAX);
}

/* Where its word begins in the list; NULL: it is not there. */
static char *
find(const struct mftd_queue *q, const char *partner)
{
	char word[MFTD_TARGET_BYTES + 3];

	snprintf(word, sizeof(word), " %s ", partner);
	return q->hung != NULL ? strstr(q->hung, word) : NULL;
}

bool
mftd_partner_hangs(const struct mftd_queue *q, const char *partner)
{
	return find(q, partner) != NULL;
}

static void
note(struct mftd_queue *q, const char *partner)
{
	char *more;

	if (mftd_partner_hangs(q, partner) ||
	    asprintf(&more, "%s%s ", q->hung != NULL ? q->hung : " ", partner) <
		0)
		return; /* without memory the next look notes it */
	free(q->hung);
	q->hung = more;
	log_warn("partner %s does not answer: it has one place until a file "
		 "has gone through",
	    partner);
}

void
mftd_hung_look(struct mftd_queue *q)
{
	const struct mftd_runner *rn;
	int64_t now_ms = mftd_clock_ms();

	for (rn = q->runners; rn < q->runners + MFTD_RUNNERS_MAX; rn++)
		if (is_silent(rn, now_ms))
			note(q, rn->partner);
}

void
mftd_hung_forget(struct mftd_queue *q, const char *partner)
{
	char *at = find(q, partner), *behind;

	if (at == NULL)
		return;
	behind = at + 1 + strlen(partner);
	memmove(at, behind, strlen(behind) + 1);
	if (q->hung[1] == '\0') {
		free(q->hung);
		q->hung = NULL;
	}
	log_info("partner %s answers again", partner);
	q->claim_ms = q->vain_ms = 0;
}
