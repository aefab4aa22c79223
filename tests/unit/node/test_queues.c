/* Part of mftd; see LICENSE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/conf/conf.h"
#include "mftd/node/coordinator.h"

/* The group's table in these tests: the roles that it knows. */
static const struct mftd_cluster_role_row roles[] = {
	{ "n1", "", MFTD_SERVICE_INBOUND, MFTD_ROLE_STARTED, 0, true },
	{ "n1", "banks", MFTD_SERVICE_OUTBOUND, MFTD_ROLE_PROMOTED, 7, true },
	{ "n2", "banks", MFTD_SERVICE_OUTBOUND, MFTD_ROLE_STARTED, 0, true },
	/* it was powered off, came back, and has not been recovered */
	{ "n3", "shops", MFTD_SERVICE_OUTBOUND, MFTD_ROLE_PROMOTED, 3, false },
	{ "n3", "shops", MFTD_SERVICE_OUTBOUND, MFTD_ROLE_STARTED, 0, true },
};

int
mftd_cluster_roles(const struct mftd_cluster *c,
    int (*fn)(void *data, const struct mftd_cluster_role_row *r), void *data)
{
	size_t i;
	int r = 0;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]) && r == 0; i++)
		r = fn(data, &roles[i]);
	return r;
}

struct node {
	struct mftd_conf conf;
	struct mftd_worker w;
	struct mftd_coordinator co;
};

static int
setup(void **state)
{
	struct node *n = test_calloc(1, sizeof(*n));

	n->conf.queues[0] = "banks";
	n->conf.queues[1] = "idle";
	n->conf.n_queues = 2;
	n->w.conf = &n->conf;
	n->co.w = &n->w;
	*state = n;
	return 0;
}

static int
teardown(void **state)
{
	test_free(*state);
	return 0;
}

/* The entry of one of the wanted number of queues, a reference of the
 * caller's. */
static json_t *
find(struct node *n, size_t wanted, const char *queue)
{
	json_t *all = mftd_co_queues(&n->co), *o, *found = NULL;
	size_t i;

	assert_int_equal(json_array_size(all), wanted);
	json_array_foreach(all, i, o)
		if (strcmp(json_string_value(json_object_get(o, "queue")),
			queue) == 0)
			found = json_incref(o);
	json_decref(all);
	assert_non_null(found);
	return found;
}

static void
assert_queue(struct node *n, size_t wanted, const char *queue, const char *node,
    int epoch, int waiting, bool more)
{
	json_t *o = find(n, wanted, queue);

	assert_string_equal(
	    json_string_value(json_object_get(o, "node")), node);
	assert_int_equal(
	    json_integer_value(json_object_get(o, "epoch")), epoch);
	assert_int_equal(
	    json_integer_value(json_object_get(o, "waiting")), waiting);
	assert_int_equal(json_is_true(json_object_get(o, "more")), more);
	assert_null(json_object_get(o, "queued"));
	json_decref(o);
}

static void
owner_is_the_promoted_member(void **state)
{
	struct node *n = *state;

	assert_queue(n, 3, "banks", "n1", 7, 0, false);
	assert_queue(n, 3, "shops", "", 0, 0, false);
	assert_queue(n, 3, "idle", "", 0, 0, false);
}

static void
backlog_is_shown_of_any_queue(void **state)
{
	struct node *n = *state;
	struct mftd_msg_backlog b = { .n = 3,
		.queues = { { "banks", 2 }, { "shops", MFTD_BACKLOG_MAX },
		    { "old", 1 } } };

	mftd_co_queues_backlog(&n->co, &b);
	assert_queue(n, 4, "banks", "n1", 7, 2, false);
	assert_queue(n, 4, "shops", "", 0, MFTD_BACKLOG_MAX, true);
	assert_queue(n, 4, "old", "", 0, 1, false);
	/* done with, and named nowhere */
	b.n = 1;
	mftd_co_queues_backlog(&n->co, &b);
	assert_queue(n, 3, "shops", "", 0, 0, false);
}

static void
backlog_is_not_believed(void **state)
{
	struct node *n = *state;
	struct mftd_msg_backlog b = { .n = MFTD_QUEUES_MAX + 1 };
	json_t *all;
	int i;

	for (i = 0; i < MFTD_QUEUES_MAX; i++) {
		memset(b.queues[i].queue, 'q', sizeof(b.queues[i].queue));
		b.queues[i].queue[0] = (char)('!' + i);
	}
	mftd_co_queues_backlog(&n->co, &b);
	all = mftd_co_queues(&n->co);
	assert_int_equal(json_array_size(all), 3 + MFTD_QUEUES_MAX);
	json_decref(all);
}

static void
own_process_says_more(void **state)
{
	struct node *n = *state;
	struct mftd_co_service *s = &n->co.services[1];
	json_t *o;

	s->known = s->out_known = true;
	snprintf(s->state.queue, sizeof(s->state.queue), "banks");
	s->out.epoch = 7;
	s->out.queued = 5000;
	snprintf(s->out.reason, sizeof(s->out.reason), "so it is");
	o = find(n, 3, "banks");
	assert_int_equal(
	    json_integer_value(json_object_get(o, "queued")), 5000);
	assert_string_equal(
	    json_string_value(json_object_get(o, "reason")), "so it is");
	assert_string_equal(
	    json_string_value(json_object_get(o, "node")), "n1");
	json_decref(o);
	/* what it said before it lost the role counts no more */
	s->out_known = false;
	assert_queue(n, 3, "banks", "n1", 7, 0, false);
}

static void
places_are_told_apart(void **state)
{
	struct node *n = *state;
	struct mftd_msg_backlog b = { .n = 2,
		.queues = { { "@node:n2", 2 }, { "@controller", 1 } } };
	json_t *o;

	mftd_co_queues_backlog(&n->co, &b);
	o = find(n, 5, "@node:n2");
	assert_string_equal(
	    json_string_value(json_object_get(o, "place")), "node n2");
	json_decref(o);
	o = find(n, 5, "@controller");
	assert_string_equal(
	    json_string_value(json_object_get(o, "place")), "controller");
	json_decref(o);
	o = find(n, 5, "banks");
	assert_null(json_object_get(o, "place"));
	json_decref(o);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    owner_is_the_promoted_member, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    backlog_is_shown_of_any_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    backlog_is_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    own_process_says_more, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    places_are_told_apart, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
