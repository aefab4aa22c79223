/* Part of mftd; see LICENSE. */
/* A partner's circuit breaker: every state and event, every error of a call. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/err.h"
#include "mftd/outbound/breaker.h"

/*
 * The diagram once more, a line per state, two letters per event in enum order:
 * the next state (C closed, O open, H half-open; '.' refuses) and the action (-
 * none, s stop, p probe, w wait, g go on).
 */
static const char states[] = "COH";
static const char actions[] = "-spwg";
static const char *const diagram[] = {
	/* LET_IN AWAY REFUSED DUE RESUME */
	[MFTD_PARTNER_CLOSED] = "C-OsOs..C-",
	[MFTD_PARTNER_OPEN] = "O-O-O-HpCg",
	[MFTD_PARTNER_HALF_OPEN] = "CgOwOw..Cg",
};

static void
test_every_state_and_event(void **state)
{
	enum mftd_partner_state next;
	enum mftd_breaker_action action;
	const char *want;
	size_t s, e;
	int r;

	assert_int_equal(
	    sizeof(diagram) / sizeof(diagram[0]), MFTD_PARTNER_STATE_COUNT);
	assert_int_equal(strlen(actions), MFTD_BREAKER_ACTION_COUNT);
	for (s = 0; s < MFTD_PARTNER_STATE_COUNT; s++) {
		assert_int_equal(
		    strlen(diagram[s]), 2 * MFTD_BREAKER_EVENT_COUNT);
		for (e = 0; e < MFTD_BREAKER_EVENT_COUNT; e++) {
			want = diagram[s] + 2 * e;
			r = mftd_breaker_step((enum mftd_partner_state)s,
			    (enum mftd_breaker_event)e, &next, &action);
			assert_int_equal(r, want[0] == '.' ? -EINVAL : 0);
			assert_int_equal(
			    states[next], r == 0 ? want[0] : states[s]);
			assert_int_equal(
			    actions[action], r == 0 ? want[1] : '-');
		}
	}
}

static void
test_what_a_call_says(void **state)
{
	static const struct {
		int err, event; /* -1: nothing */
	} calls[] = {
		{ 0, MFTD_BREAKER_LET_IN },
		{ -MFTD_E_PARTNER_KEY, MFTD_BREAKER_REFUSED },
		{ -MFTD_E_AUTH, MFTD_BREAKER_REFUSED },
		{ -EINVAL, MFTD_BREAKER_REFUSED },
		{ -ECONNREFUSED, MFTD_BREAKER_AWAY },
		{ -EHOSTUNREACH, MFTD_BREAKER_AWAY },
		{ -ETIMEDOUT, MFTD_BREAKER_AWAY },
		{ -MFTD_E_CLOSED, MFTD_BREAKER_AWAY },
		{ -MFTD_E_PROTOCOL, MFTD_BREAKER_AWAY },
		{ -MFTD_E_NO_LEASE, -1 },
		{ -ENOMEM, -1 },
		{ -EMFILE, -1 },
		{ -ENFILE, -1 },
	};
	enum mftd_breaker_event event;
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (!mftd_breaker_event_of(calls[i].err, &event))
			assert_int_equal(calls[i].event, -1);
		else
			assert_int_equal(calls[i].event, event);
	}
}

/* By the numbers that the manual gives. */
static void
test_waits(void **state)
{
	static const struct {
		enum mftd_partner_fault fault;
		uint32_t probes;
		int64_t ms;
	} waits[] = {
		{ MFTD_FAULT_AWAY, 0, 2000 },
		{ MFTD_FAULT_AWAY, 1, 4000 },
		{ MFTD_FAULT_AWAY, 5, 64000 },
		{ MFTD_FAULT_AWAY, 9, 300000 },
		{ MFTD_FAULT_AWAY, UINT32_MAX, 300000 },
		{ MFTD_FAULT_REFUSED, 0, 60000 },
		{ MFTD_FAULT_REFUSED, 3, 480000 },
		{ MFTD_FAULT_REFUSED, 6, 3600000 },
		{ MFTD_FAULT_REFUSED, UINT32_MAX, 3600000 },
	};
	static const uint32_t randoms[] = { 0, 1, 12345, 0x7fffffff,
		0xffffffff };
	int64_t ms, want;
	size_t i, k;

	for (i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		for (k = 0; k < sizeof(randoms) / sizeof(randoms[0]); k++) {
			want = waits[i].ms;
			ms = mftd_breaker_wait_ms(
			    waits[i].fault, waits[i].probes, randoms[k]);
			assert_in_range(ms, want * 3 / 4, want * 5 / 4);
			assert_in_range(ms, 0, MFTD_BREAKER_WAIT_MS_MAX);
		}
	assert_int_not_equal(mftd_breaker_wait_ms(MFTD_FAULT_AWAY, 1, 1),
	    mftd_breaker_wait_ms(MFTD_FAULT_AWAY, 1, 777));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_and_event),
		cmocka_unit_test(test_what_a_call_says),
		cmocka_unit_test(test_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
