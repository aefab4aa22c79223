/* Part of mftd; see LICENSE. */
#include "mftd/cluster/engine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/ipc/msg_node.h"
#include "tests/unit/cluster/sim.h"

static bool
all_ready(struct sim *s)
{
	unsigned int i;

	for (i = 0; i < s->n; i++)
		if (s->nodes[i].cluster != NULL && !sim_ready(s, i))
			return false;
	return sim_equal(s);
}

static void
start_all(struct sim *s, unsigned int n)
{
	unsigned int i;

	sim_init(s, n);
	for (i = 0; i < n; i++)
		sim_start(s, i);
	SIM_UNTIL(s, all_ready);
}

static unsigned int
restarts(const struct sim *s)
{
	unsigned int i, n = 0;

	for (i = 0; i < s->n; i++)
		n += s->nodes[i].restarts;
	return n;
}

static unsigned int
recovers(const struct sim *s)
{
	unsigned int i, n = 0;

	for (i = 0; i < s->n; i++)
		n += s->nodes[i].recovers;
	return n;
}

static bool
one_recovers(struct sim *s)
{
	return recovers(s) > 0 && all_ready(s);
}

static void
add_session(struct sim *s, unsigned int i, unsigned int k)
{
	struct mftd_cluster_session row = {
		.account = "alice", .peer = "192.0.2.1:22", .since_us = 1
	};

	snprintf(row.id, sizeof(row.id), "%s-%x", s->nodes[i].incarnation, k);
	assert_int_equal(
	    mftd_cluster_session_add(s->nodes[i].cluster, &row), 0);
}

static uint32_t
sessions_of(struct sim *s, unsigned int at, unsigned int of)
{
	struct mftd_cluster_node row;

	if (!sim_row(s, at, s->nodes[of].incarnation, &row))
		return UINT32_MAX;
	return row.sessions;
}

/* ---- */

static void
all_start_at_once(void **state)
{
	struct sim s;

	start_all(&s, 3);
	assert_int_equal(restarts(&s), 0);
	assert_true(s.nodes[2].quorate);
	assert_true(mftd_cluster_settled(s.nodes[0].cluster));
	add_session(&s, 0, 1);
	assert_false(mftd_cluster_settled(s.nodes[0].cluster));
	while (!mftd_cluster_settled(s.nodes[0].cluster))
		sim_run_ms(&s, 5);
	assert_int_equal(sessions_of(&s, 0, 0), 1);
	SIM_UNTIL(&s, all_ready);
	sim_end(&s);
}

static void
nothing_begins_without_quorum(void **state)
{
	struct sim s;

	sim_init(&s, 3);
	sim_move(&s, 0, 1);
	sim_start(&s, 0);
	sim_run_ms(&s, 700);
	assert_false(sim_ready(&s, 0));
	assert_false(mftd_lease_held(s.nodes[0].lease));
	sim_start(&s, 1);
	sim_start(&s, 2);
	sim_move(&s, 0, 0);
	sim_moved(&s);
	SIM_UNTIL(&s, all_ready);
	assert_int_equal(restarts(&s), 0);
	sim_end(&s);
}

static bool
third_has_all(struct sim *s)
{
	return all_ready(s) && sessions_of(s, 2, 0) == 3000 &&
	    sessions_of(s, 2, 1) == 500;
}

static void
joiner_gets_the_table_while_others_go_on(void **state)
{
	struct sim s;
	unsigned int k;

	sim_init(&s, 3);
	sim_start(&s, 0);
	sim_start(&s, 1);
	SIM_UNTIL(&s, all_ready);
	assert_int_equal(mftd_cluster_config(s.nodes[0].cluster, 9), 0);
	for (k = 0; k < 3000; k++)
		add_session(&s, 0, k);
	SIM_UNTIL(&s, all_ready);
	sim_start(&s, 2);
	for (k = 0; k < 500; k++)
		add_session(&s, 1, k);
	SIM_UNTIL(&s, third_has_all);
	assert_true(s.nodes[2].config == 9);
	assert_int_equal(restarts(&s), 0);
	sim_end(&s);
}

static bool
third_is_left(struct sim *s)
{
	struct mftd_cluster_node row;

	return all_ready(s) && sim_row(s, 0, s->nodes[2].incarnation, &row) &&
	    !row.member;
}

static bool
third_is_recovered(struct sim *s)
{
	struct mftd_cluster_node row;

	return all_ready(s) && sim_row(s, 0, s->nodes[2].incarnation, &row) &&
	    row.recovered;
}

static void
lost_node_is_recovered_once_fenced_by_one(void **state)
{
	struct mftd_cluster_node row;
	struct sim s;

	start_all(&s, 3);
	add_session(&s, 2, 1);
	SIM_UNTIL(&s, all_ready);
	assert_int_equal(mftd_cluster_fenced(s.nodes[0].cluster, "n3"), -EBUSY);
	sim_kill(&s, 2);
	SIM_UNTIL(&s, third_is_left);
	sim_run_ms(&s, 500);
	assert_int_equal(recovers(&s), 0);
	assert_true(sim_row(&s, 1, "n3-life1", &row));
	assert_true(row.lost);
	assert_int_equal(row.sessions, 0);
	assert_int_equal(mftd_cluster_fenced(s.nodes[0].cluster, "n3"), 0);
	assert_int_equal(mftd_cluster_fenced(s.nodes[1].cluster, "n3"), 0);
	SIM_UNTIL(&s, third_is_recovered);
	assert_int_equal(recovers(&s), 1);
	assert_int_equal(restarts(&s), 0);
	sim_end(&s);
}

static void
last_word_is_enough_and_final(void **state)
{
	struct mftd_cluster_session row = {
		.id = "n3-life1-1", .account = "a", .peer = "b", .since_us = 1
	};
	struct sim s;

	start_all(&s, 3);
	assert_int_equal(mftd_cluster_gone(s.nodes[2].cluster), 0);
	assert_int_equal(
	    mftd_cluster_session_add(s.nodes[2].cluster, &row), -ESTALE);
	assert_int_equal(mftd_cluster_role(s.nodes[2].cluster,
			     MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED, 0),
	    -ESTALE);
	sim_stop(&s, 2);
	SIM_UNTIL(&s, third_is_recovered);
	assert_int_equal(recovers(&s), 1);
	sim_end(&s);
}

static bool
claimed(struct sim *s)
{
	return recovers(s) == 1;
}

static void
claimer_that_dies_is_replaced(void **state)
{
	struct sim s;
	unsigned int i, claimer;

	start_all(&s, 3);
	for (i = 0; i < 3; i++)
		s.nodes[i].answer = SIM_SILENT;
	assert_int_equal(mftd_cluster_gone(s.nodes[2].cluster), 0);
	sim_stop(&s, 2);
	SIM_UNTIL(&s, claimed);
	claimer = s.nodes[0].recovers == 1 ? 0 : 1;
	s.nodes[1 - claimer].answer = 0;
	sim_kill(&s, claimer);
	sim_start(&s, claimer); /* quorum is of two */
	SIM_UNTIL(&s, one_recovers);
	while (s.nodes[1 - claimer].recovers == 0)
		sim_run_ms(&s, 20);
	sim_end(&s);
}

static bool
asked_again(struct sim *s)
{
	return recovers(s) >= 2;
}

static void
failed_recovery_is_claimed_anew(void **state)
{
	struct sim s;
	unsigned int i;

	start_all(&s, 3);
	for (i = 0; i < 3; i++)
		s.nodes[i].answer = -EIO;
	assert_int_equal(mftd_cluster_gone(s.nodes[2].cluster), 0);
	sim_stop(&s, 2);
	SIM_UNTIL(&s, claimed);
	sim_run_ms(&s, 300);
	assert_int_equal(recovers(&s), 1); /* not at once */
	for (i = 0; i < 3; i++)
		s.nodes[i].answer = 0;
	SIM_UNTIL(&s, asked_again);
	SIM_UNTIL(&s, third_is_recovered);
	sim_end(&s);
}

static bool
third_lost_quorum(struct sim *s)
{
	return !s->nodes[2].quorate && !sim_ready(s, 2);
}

static bool
third_is_back(struct sim *s)
{
	return s->nodes[2].restarts == 1 && s->nodes[2].lives == 2 &&
	    all_ready(s) && recovers(s) > 0;
}

static bool
third_holds(struct sim *s)
{
	return mftd_lease_held(s->nodes[2].lease) && all_ready(s);
}

static void
minority_restarts_after_a_split(void **state)
{
	struct sim s;

	start_all(&s, 3);
	add_session(&s, 2, 1);
	SIM_UNTIL(&s, third_holds);
	sim_move(&s, 2, 1);
	sim_moved(&s);
	SIM_UNTIL(&s, third_lost_quorum);
	assert_false(mftd_lease_held(s.nodes[2].lease));
	add_session(&s, 0, 1);
	sim_run_ms(&s, 100);
	sim_move(&s, 2, 0);
	sim_moved(&s);
	SIM_UNTIL(&s, third_is_back);
	assert_int_equal(restarts(&s), 1);
	assert_int_equal(recovers(&s), 1); /* its old life, once */
	sim_end(&s);
}

static bool
others_are_ready(struct sim *s)
{
	struct mftd_cluster_node row;

	return sim_ready(s, 1) && sim_ready(s, 2) &&
	    sim_row(s, 2, s->nodes[0].incarnation, &row) && row.lost;
}

static bool
first_is_back(struct sim *s)
{
	return s->nodes[0].restarts == 1 && all_ready(s);
}

/* By number and by node id the first node would win. */
static void
who_missed_a_generation_restarts(void **state)
{
	struct sim s;

	start_all(&s, 3);
	sim_move(&s, 0, 1);
	sim_moved(&s);
	SIM_UNTIL(&s, others_are_ready);
	sim_kill(&s, 1);
	sim_move(&s, 0, 0);
	sim_moved(&s);
	SIM_UNTIL(&s, first_is_back);
	assert_int_equal(restarts(&s), 1);
	sim_end(&s);
}

static bool
only_first_stayed(struct sim *s)
{
	return s->nodes[0].lives == 1 && s->nodes[1].lives == 2 &&
	    s->nodes[2].lives == 2 && all_ready(s);
}

static void
of_three_parts_the_lowest_goes_on(void **state)
{
	struct sim s;

	start_all(&s, 3);
	sim_move(&s, 1, 1);
	sim_move(&s, 2, 2);
	sim_moved(&s);
	sim_run_ms(&s, 100);
	sim_move(&s, 1, 0);
	sim_move(&s, 2, 0);
	sim_moved(&s);
	SIM_UNTIL(&s, only_first_stayed);
	sim_end(&s);
}

static void
paused_node_restarts_alone(void **state)
{
	struct sim s;

	start_all(&s, 3);
	sim_blink(&s, 2);
	SIM_UNTIL(&s, third_is_back);
	assert_int_equal(restarts(&s), 1);
	sim_end(&s);
}

static void
paused_first_node_restarts_alone(void **state)
{
	struct sim s;

	start_all(&s, 3);
	sim_hold(&s, 0, true);
	sim_move(&s, 0, 1);
	sim_moved(&s);
	sim_run_ms(&s, 300);
	sim_move(&s, 0, 0);
	sim_moved(&s);
	sim_hold(&s, 0, false);
	SIM_UNTIL(&s, all_ready);
	while (s.nodes[0].restarts == 0)
		sim_run_ms(&s, 20);
	SIM_UNTIL(&s, all_ready);
	assert_int_equal(restarts(&s), 1);
	sim_end(&s);
}

static bool
two_ready(struct sim *s)
{
	return sim_ready(s, 0) && sim_ready(s, 1);
}

static void
ghost_is_not_waited_for(void **state)
{
	struct sim s;

	sim_init(&s, 3);
	sim_start(&s, 2);
	sim_hold(&s, 2, true);
	sim_start(&s, 0);
	sim_start(&s, 1);
	SIM_UNTIL(&s, two_ready);
	add_session(&s, 0, 1);
	sim_hold(&s, 2, false); /* and may come late */
	SIM_UNTIL(&s, all_ready);
	assert_int_equal(restarts(&s), 0);
	assert_int_equal(sessions_of(&s, 2, 0), 1);
	sim_end(&s);
}

static void
lost_messages_are_repeated_in_order(void **state)
{
	struct sim s;
	unsigned int k;

	start_all(&s, 3);
	s.drop_type = MFTD_GM_SESSION_ADD;
	s.drop = 3;
	for (k = 0; k < 10; k++)
		add_session(&s, 0, k);
	s.writes_full = 5;
	while (sessions_of(&s, 2, 0) != 10)
		sim_run_ms(&s, 20);
	SIM_UNTIL(&s, all_ready);
	sim_end(&s);
}

static void
lost_words_of_a_round_are_repeated(void **state)
{
	static const unsigned int types[] = { MFTD_GM_COLLECT, MFTD_GM_HELLO,
		MFTD_GM_SNAPSHOT };
	struct sim s;
	size_t i;

	sim_init(&s, 3);
	sim_start(&s, 0);
	sim_start(&s, 1);
	for (i = 0; i < 3; i++) {
		SIM_UNTIL(&s, all_ready);
		s.drop_type = types[i];
		s.drop = 3;
		if (types[i] == MFTD_GM_SNAPSHOT)
			s.drop = 1;
		sim_start(&s, 2);
		SIM_UNTIL(&s, all_ready);
		assert_int_equal(s.drop, 0);
		sim_kill(&s, 2);
	}
	assert_int_equal(restarts(&s), 0);
	sim_end(&s);
}

static bool
first_holds(struct sim *s)
{
	return mftd_lease_held(s->nodes[0].lease);
}

static bool
first_holds_not(struct sim *s)
{
	return !first_holds(s);
}

static void
lease_needs_beats_that_come_back(void **state)
{
	struct mftd_gm_beat late;
	struct sim s;

	start_all(&s, 3);
	SIM_UNTIL(&s, first_holds);
	sim_run_ms(&s, 3 * s.lease_ms);
	assert_true(first_holds(&s));
	assert_true(mftd_lease_left_ms(s.nodes[0].lease) <= s.lease_ms);
	mftd_lease_renew(s.nodes[0].lease, 0);
	late.sent_ms = (uint64_t)(mftd_clock_ms() - s.lease_ms / 2);
	mftd_duty_beat(s.nodes[0].cluster, &late);
	assert_true(first_holds(&s));
	assert_true(mftd_lease_left_ms(s.nodes[0].lease) <= s.lease_ms / 2);
	sim_hold(&s, 0, true); /* sent, but not delivered */
	SIM_UNTIL(&s, first_holds_not);
	sim_hold(&s, 0, false);
	SIM_UNTIL(&s, first_holds);
	sim_end(&s);
}

static void
returning_machine_vouches_for_its_past(void **state)
{
	struct sim s;

	start_all(&s, 3);
	sim_kill(&s, 2);
	SIM_UNTIL(&s, third_is_left);
	assert_int_equal(recovers(&s), 0);
	snprintf(s.nodes[2].boot_id, 32, "boot-3-again");
	sim_start(&s, 2);
	SIM_UNTIL(&s, one_recovers);
	assert_int_equal(recovers(&s), 1);
	assert_int_equal(restarts(&s), 0);
	sim_end(&s);
}

/* ---- anything goes */

static void
disturb(struct sim *s, unsigned int *k)
{
	unsigned int i = (unsigned int)rand() % s->n;

	switch (rand() % 8) {
	case 0:
		sim_move(s, i, rand() % 2);
		sim_moved(s);
		break;
	case 1:
		if (s->nodes[i].group != NULL)
			sim_blink(s, i);
		break;
	case 2:
		if (s->nodes[i].cluster != NULL)
			sim_kill(s, i);
		else
			sim_start(s, i);
		break;
	case 3:
		s->drop_type = (unsigned int)rand() % MFTD_GM_END;
		s->drop = (unsigned int)rand() % 4;
		break;
	case 4:
		s->writes_full = (unsigned int)rand() % 6;
		break;
	default:
		if (s->nodes[i].cluster != NULL)
			add_session(s, i, ++*k);
		break;
	}
}

static void
all_agree_after_any_disturbance(void **state)
{
	unsigned int seed, turn, i, k = 0;
	struct sim s;

	for (seed = 1; seed <= 3; seed++) {
		srand(seed);
		start_all(&s, 4 + seed % 2);
		for (turn = 0; turn < 70; turn++) {
			disturb(&s, &k);
			sim_run_ms(&s, rand() % 20);
		}
		s.drop = 0;
		for (i = 0; i < s.n; i++) {
			sim_move(&s, i, 0);
			if (s.nodes[i].cluster == NULL)
				sim_start(&s, i);
		}
		sim_moved(&s);
		SIM_UNTIL(&s, all_ready);
		sim_run_ms(&s, 300);
		SIM_UNTIL(&s, all_ready);
		sim_end(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_start_at_once),
		cmocka_unit_test(nothing_begins_without_quorum),
		cmocka_unit_test(joiner_gets_the_table_while_others_go_on),
		cmocka_unit_test(lost_node_is_recovered_once_fenced_by_one),
		cmocka_unit_test(last_word_is_enough_and_final),
		cmocka_unit_test(claimer_that_dies_is_replaced),
		cmocka_unit_test(failed_recovery_is_claimed_anew),
		cmocka_unit_test(minority_restarts_after_a_split),
		cmocka_unit_test(who_missed_a_generation_restarts),
		cmocka_unit_test(of_three_parts_the_lowest_goes_on),
		cmocka_unit_test(paused_node_restarts_alone),
		cmocka_unit_test(paused_first_node_restarts_alone),
		cmocka_unit_test(ghost_is_not_waited_for),
		cmocka_unit_test(lost_messages_are_repeated_in_order),
		cmocka_unit_test(lost_words_of_a_round_are_repeated),
		cmocka_unit_test(lease_needs_beats_that_come_back),
		cmocka_unit_test(returning_machine_vouches_for_its_past),
		cmocka_unit_test(all_agree_after_any_disturbance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
