/* Part of mftd; see LICENSE. */
#include "mftd/outbound/breaker.h"

#include <errno.h>
#include <stddef.h>

#include "mftd/base/err.h"

#define S (1000)
#define MIN (60 * S)

struct row {
	enum mftd_partner_state state;
	enum mftd_breaker_event event;
	enum mftd_partner_state next;
	enum mftd_breaker_action action;
};

#define ROW(s, e, n, a)                                               \
	{                                                             \
		MFTD_PARTNER_##s, MFTD_BREAKER_##e, MFTD_PARTNER_##n, \
		    MFTD_BREAKER_##a                                  \
	}

/* What is not here cannot happen. */
static const struct row table[] = {
	ROW(CLOSED, LET_IN, CLOSED, NONE),
	ROW(CLOSED, AWAY, OPEN, STOP),
	ROW(CLOSED, REFUSED, OPEN, STOP),
	ROW(CLOSED, RESUME, CLOSED, NONE),

	/* calls that were under way when it opened: the probe is to tell */
	ROW(OPEN, LET_IN, OPEN, NONE),
	ROW(OPEN, AWAY, OPEN, NONE),
	ROW(OPEN, REFUSED, OPEN, NONE),
	ROW(OPEN, DUE, HALF_OPEN, PROBE),
	ROW(OPEN, RESUME, CLOSED, GO_ON),

	ROW(HALF_OPEN, LET_IN, CLOSED, GO_ON),
	ROW(HALF_OPEN, AWAY, OPEN, WAIT),
	ROW(HALF_OPEN, REFUSED, OPEN, WAIT),
	ROW(HALF_OPEN, RESUME, CLOSED, GO_ON),
};

/* By fault: the wait for the first probe, and the longest. */
static const struct {
	int64_t first_ms, most_ms;
} waits[MFTD_FAULT_COUNT] = {
	[MFTD_FAULT_AWAY] = { 2 * S, 5 * MIN },
	[MFTD_FAULT_REFUSED] = { 1 * MIN, 60 * MIN },
};

int
mftd_breaker_step(enum mftd_partner_state state, enum mftd_breaker_event event,
    enum mftd_partner_state *next, enum mftd_breaker_action *action)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].state != state || table[i].event != event)
			continue;
		*next = table[i].next;
		*action = table[i].action;
		return 0;
	}
	*next = state;
	*action = MFTD_BREAKER_NONE;
	return -EINVAL;
}

bool
mftd_breaker_event_of(int err, enum mftd_breaker_event *event)
{
	switch (err) {
	case 0:
		*event = MFTD_BREAKER_LET_IN;
		return true;
	case -MFTD_E_PARTNER_KEY:
	case -MFTD_E_AUTH:
	case -EINVAL: /* how it is to be called makes no sense */
		*event = MFTD_BREAKER_REFUSED;
		return true;
	case -MFTD_E_NO_LEASE:
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
		return false;
	default:
		*event = MFTD_BREAKER_AWAY;
		return true;
	}
}

int64_t
mftd_breaker_wait_ms(
    enum mftd_partner_fault fault, uint32_t probes, uint32_t random)
{
	int64_t ms = waits[fault].first_ms, most = waits[fault].most_ms;

	while (probes-- > 0 && ms < most)
		ms *= 2;
	if (ms > most)
		ms = most;
	return ms - ms / 4 + (int64_t)(random % (uint32_t)(ms / 2 + 1));
}
