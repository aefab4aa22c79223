/* Part of mftd; see LICENSE. */
#include "mftd/cluster/cluster.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/ipc/msg_node.h"

struct seen {
	qb_loop_t *loop;
	struct mftd_cluster *cluster;
	int quorum;
	uint64_t config;
	bool close_in_event;
};

static void
on_quorum(void *data, bool quorate)
{
	struct seen *s = data;

	s->quorum = quorate ? 1 : 0;
	qb_loop_stop(s->loop);
}

static void
on_recover(void *data, const char *incarnation)
{
	fail();
}

static void
on_config(void *data, uint64_t version)
{
	struct seen *s = data;

	s->config = version;
	if (s->close_in_event) {
		mftd_cluster_close(s->cluster);
		s->cluster = NULL;
	}
	qb_loop_stop(s->loop);
}

static void
on_restart(void *data, const char *why)
{
	fail();
}

static void
on_changed(void *data)
{
}

static const struct mftd_cluster_events events = { on_quorum, on_recover,
	on_config, on_restart, on_changed };

static void
too_late(void *data)
{
	fail_msg("nothing happened");
}

/* Runs until an event stops the loop. */
static void
run(struct seen *s)
{
	qb_loop_timer_handle timer;

	assert_int_equal(qb_loop_timer_add(s->loop, QB_LOOP_HIGH,
			     UINT64_C(10000000000), NULL, too_late, &timer),
	    0);
	qb_loop_run(s->loop);
	qb_loop_timer_del(s->loop, timer);
}

static void
open_alone(struct seen *s, struct mftd_lease *lease)
{
	const struct mftd_cluster_conf conf = { "n1", "n1-0123456789abcdef",
		"b0071d", true, 3000 };

	memset(s, 0, sizeof(*s));
	s->quorum = -1;
	s->loop = qb_loop_create();
	assert_int_equal(
	    mftd_cluster_open(s->loop, &conf, lease, &events, s, &s->cluster),
	    0);
	run(s);
	assert_int_equal(s->quorum, 1);
}

static int
count_session(
    void *data, const char *node, const struct mftd_cluster_session *s)
{
	assert_string_equal(node, "n1");
	assert_string_equal(s->account, "alice");
	++*(int *)data;
	return 0;
}

static int
count_role(void *data, const struct mftd_cluster_role_row *r)
{
	assert_int_equal(r->role, MFTD_ROLE_PROMOTED);
	assert_true(r->epoch == 7);
	++*(int *)data;
	return 0;
}

static int
check_node(void *data, const struct mftd_cluster_node *n)
{
	assert_true(n->member);
	assert_false(n->lost);
	assert_int_equal(n->sessions, 1);
	return -ENOENT;
}

static void
what_is_said_is_in_the_table(void **state)
{
	struct mftd_cluster_session session = { .id = "n1-0123456789abcdef-1",
		.account = "alice",
		.peer = "192.0.2.1:5000",
		.since_us = 5 };
	struct mftd_lease *lease = mftd_lease_new();
	int sessions = 0, roles = 0;
	struct seen s;

	open_alone(&s, lease);
	assert_true(mftd_cluster_ready(s.cluster));
	assert_true(mftd_cluster_quorate(s.cluster));
	assert_true(mftd_lease_held(lease));
	assert_int_equal(mftd_cluster_session_add(s.cluster, &session), 0);
	assert_int_equal(mftd_cluster_role(s.cluster, MFTD_SERVICE_OUTBOUND,
			     "default", MFTD_ROLE_PROMOTED, 7),
	    0);
	assert_int_equal(mftd_cluster_config(s.cluster, 3), 0);
	run(&s);
	assert_true(s.config == 3);
	assert_int_equal(
	    mftd_cluster_sessions(s.cluster, count_session, &sessions), 0);
	assert_int_equal(sessions, 1);
	assert_int_equal(mftd_cluster_roles(s.cluster, count_role, &roles), 0);
	assert_int_equal(roles, 1);
	assert_int_equal(
	    mftd_cluster_nodes(s.cluster, check_node, NULL), -ENOENT);
	mftd_cluster_close(s.cluster);
	qb_loop_destroy(s.loop);
}

static int
check_end(void *data, const char *node, const struct mftd_cluster_session *s)
{
	int *ended = data;

	if (s->end[0] != '\0') {
		assert_string_equal(s->id, "n1-0123456789abcdef-2");
		assert_string_equal(s->end, "taken over?"); /* was no ASCII */
		++*ended;
	}
	return 0;
}

static int
count_ban(void *data, const struct mftd_cluster_ban *ban)
{
	assert_string_equal(ban->net, "192.0.2.1");
	++*(int *)data;
	return 0;
}

/* What the loop brings until the next CONFIG comes by. */
static void
run_to(struct seen *s, uint64_t config)
{
	assert_int_equal(mftd_cluster_config(s->cluster, config), 0);
	run(s);
	assert_true(s->config == config);
}

static void
ranks_ends_and_bans(void **state)
{
	struct mftd_cluster_session a = { .id = "n1-0123456789abcdef-9",
		.account = "alice" };
	struct mftd_cluster_session b = a, c = a;
	struct mftd_cluster_ban ban = { .net = "192.0.2.1", .until_us = 1 };
	struct mftd_lease *lease = mftd_lease_new();
	struct seen s;
	int ended = 0, bans = 0;

	strcpy(b.id, "n1-0123456789abcdef-2"); /* not in the order of ids */
	strcpy(c.id, "n1-0123456789abcdef-3");
	strcpy(c.account, "bob");
	open_alone(&s, lease);
	assert_true(mftd_cluster_founder(s.cluster));
	mftd_cluster_session_add(s.cluster, &a);
	mftd_cluster_session_add(s.cluster, &c);
	mftd_cluster_session_add(s.cluster, &b);
	assert_int_equal(
	    mftd_cluster_session_rank(s.cluster, "alice", a.id), -ENOENT);
	run_to(&s, 1);
	assert_int_equal(
	    mftd_cluster_session_rank(s.cluster, "alice", a.id), 0);
	assert_int_equal(
	    mftd_cluster_session_rank(s.cluster, "alice", b.id), 1);
	assert_int_equal(mftd_cluster_session_rank(s.cluster, "bob", c.id), 0);
	assert_int_equal(
	    mftd_cluster_session_end(s.cluster, "n1-0-1", "why"), -ENOENT);
	assert_int_equal(
	    mftd_cluster_session_end(s.cluster, b.id, "taken over\n"), 0);
	mftd_cluster_session_del(s.cluster, a.id);
	assert_int_equal(mftd_cluster_unban(s.cluster, "192.0.2.1"), -ENOENT);
	assert_int_equal(mftd_cluster_ban(s.cluster, &ban), 0);
	run_to(&s, 2);
	mftd_cluster_sessions(s.cluster, check_end, &ended);
	assert_int_equal(ended, 1);
	assert_int_equal(
	    mftd_cluster_session_rank(s.cluster, "alice", b.id), 0);
	mftd_cluster_bans(s.cluster, count_ban, &bans);
	assert_int_equal(bans, 1);
	assert_int_equal(mftd_cluster_unban(s.cluster, "192.0.2.1"), 0);
	run_to(&s, 3);
	mftd_cluster_bans(s.cluster, count_ban, &bans);
	assert_int_equal(bans, 1);
	mftd_cluster_close(s.cluster);
	qb_loop_destroy(s.loop);
}

static void
may_be_closed_inside_of_an_event(void **state)
{
	struct mftd_lease *lease = mftd_lease_new();
	struct seen s;

	open_alone(&s, lease);
	s.close_in_event = true;
	assert_int_equal(mftd_cluster_config(s.cluster, 1), 0);
	run(&s);
	assert_null(s.cluster);
	qb_loop_destroy(s.loop);
}

static void
waiting_is_bounded(void **state)
{
	struct mftd_lease *lease = mftd_lease_new();
	struct seen s;
	int i, ret = 0;

	open_alone(&s, lease);
	for (i = 0; i < 2 * MFTD_GROUP_QUEUE_MAX && ret == 0; i++)
		ret = mftd_cluster_config(s.cluster, (uint64_t)i + 1);
	assert_int_equal(ret, -ENOBUFS);
	assert_int_equal(i, MFTD_GROUP_QUEUE_MAX + 1);
	mftd_cluster_close(s.cluster);
	qb_loop_destroy(s.loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_said_is_in_the_table),
		cmocka_unit_test(ranks_ends_and_bans),
		cmocka_unit_test(may_be_closed_inside_of_an_event),
		cmocka_unit_test(waiting_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
