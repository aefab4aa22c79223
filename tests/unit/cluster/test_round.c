/* Part of mftd; see LICENSE. */
#include "mftd/cluster/round.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct mftd_gm_collect collect = { .round = { { 9, 9 }, 1 } };

static void
begin(struct mftd_round *r, uint32_t attempt)
{
	struct mftd_gm_collect c = collect;

	memset(r, 0, sizeof(*r));
	c.attempt = attempt;
	assert_true(mftd_round_collect(r, &c));
}

/* generation 0: has no table */
static void
answer(struct mftd_round *r, uint32_t nodeid, uint64_t generation,
    uint64_t history, bool quorate)
{
	struct mftd_gm_member who = { nodeid, 1 };
	struct mftd_gm_hello h;

	memset(&h, 0, sizeof(h));
	h.round = collect.round;
	h.synced = generation > 0;
	h.generation = generation;
	h.history = history;
	h.quorate = quorate;
	mftd_round_hello(r, &who, &h);
}

static void
first_collect_counts(void **state)
{
	struct mftd_gm_collect again = { .again = true };
	struct mftd_round r;
	struct mftd_round_result result;

	begin(&r, 0);
	assert_false(mftd_round_collect(&r, &collect));
	assert_false(mftd_round_collect(&r, &again)); /* it is open */
	mftd_round_decide(&r, &result);
	assert_false(mftd_round_collect(&r, &collect));
	assert_true(mftd_round_collect(&r, &again));
	mftd_round_change(&r);
	assert_true(mftd_round_collect(&r, &collect));
}

static void
complete_when_all_answered_this_round(void **state)
{
	const struct mftd_gm_member members[] = { { 1, 1 }, { 2, 1 } };
	struct mftd_gm_hello stale = { .round = { { 9, 9 }, 2 } };
	struct mftd_round r;

	begin(&r, 0);
	answer(&r, 2, 0, 0, true);
	assert_false(mftd_round_complete(&r, members, 2));
	mftd_round_hello(&r, &members[0], &stale);
	assert_false(mftd_round_complete(&r, members, 2));
	answer(&r, 1, 0, 0, true);
	assert_true(mftd_round_complete(&r, members, 2));
	assert_int_equal(r.answers[0].who.nodeid, 1); /* sorted */
}

static void
without_a_table_quorum_begins_one(void **state)
{
	struct mftd_round_result result;
	struct mftd_round r;

	begin(&r, 0);
	answer(&r, 1, 0, 0, false);
	answer(&r, 2, 0, 0, false);
	mftd_round_decide(&r, &result);
	assert_int_equal(result.verdict, MFTD_ROUND_WAIT);
	begin(&r, 0);
	answer(&r, 1, 0, 0, false);
	answer(&r, 2, 0, 0, true);
	mftd_round_decide(&r, &result);
	assert_int_equal(result.verdict, MFTD_ROUND_FOUND);
	assert_true(result.quorate);
}

static void
follows(struct mftd_round *r, uint64_t history, uint32_t donor)
{
	struct mftd_round_result result;

	mftd_round_decide(r, &result);
	assert_int_equal(result.verdict, MFTD_ROUND_FOLLOW);
	assert_true(result.history == history);
	assert_int_equal(result.donor.nodeid, donor);
}

static void
generation_then_number_then_node_id(void **state)
{
	struct mftd_round r;

	begin(&r, 0);
	answer(&r, 1, 4, 100, true);
	answer(&r, 2, 4, 100, true);
	answer(&r, 3, 5, 200, true);
	follows(&r, 200, 3);
	begin(&r, 0);
	answer(&r, 1, 4, 100, true);
	answer(&r, 2, 4, 200, true);
	answer(&r, 3, 4, 200, true);
	follows(&r, 200, 2);
	begin(&r, 0);
	answer(&r, 3, 4, 300, true);
	answer(&r, 2, 4, 200, true);
	answer(&r, 1, 0, 0, true);
	follows(&r, 200, 2);
}

static void
another_attempt_another_donor(void **state)
{
	struct mftd_round r;
	uint32_t i;

	for (i = 0; i < 4; i++) {
		begin(&r, i);
		answer(&r, 1, 0, 0, true);
		answer(&r, 2, 4, 200, true);
		answer(&r, 3, 4, 200, true);
		follows(&r, 200, 2 + i % 2);
	}
}

static void
quorum_is_what_the_followed_say(void **state)
{
	struct mftd_round_result result;
	struct mftd_round r;

	begin(&r, 0);
	answer(&r, 1, 5, 100, false);
	answer(&r, 2, 4, 200, true);
	answer(&r, 3, 0, 0, true);
	mftd_round_decide(&r, &result);
	assert_true(result.history == 100);
	assert_false(result.quorate);
	assert_true(result.joiners);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_collect_counts),
		cmocka_unit_test(complete_when_all_answered_this_round),
		cmocka_unit_test(without_a_table_quorum_begins_one),
		cmocka_unit_test(generation_then_number_then_node_id),
		cmocka_unit_test(another_attempt_another_donor),
		cmocka_unit_test(quorum_is_what_the_followed_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
