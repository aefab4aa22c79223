/* Part of mftd; see LICENSE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/conf/conf.h"
#include "mftd/conf/place.h"
#include "mftd/node/coordinator.h"

#define OWN "@node:n1"

struct node {
	struct mftd_conf conf;
	struct mftd_worker w;
	struct mftd_coordinator co;
};

/* The parent in these tests: what it was asked last. */
static struct {
	int n;
	char queue[MFTD_NAME_BYTES];
	uint32_t role;
} asked;

int
mftd_co_service_set(struct mftd_coordinator *co, uint32_t service,
    const char *queue, uint32_t role, uint32_t deadline_ms, uint64_t client)
{
	assert_int_equal(service, MFTD_SERVICE_OUTBOUND);
	assert_true(deadline_ms > 0 && client == 0);
	asked.n++;
	asked.role = role;
	snprintf(asked.queue, sizeof(asked.queue), "%s", queue);
	return 0;
}

struct mftd_co_service *
mftd_co_service_find(
    struct mftd_coordinator *co, uint32_t service, const char *queue)
{
	struct mftd_co_service *s = co->services;

	while (s->known &&
	    (s->state.service != service || strcmp(s->state.queue, queue) != 0))
		s++;
	s->known = true;
	s->state.service = service;
	snprintf(s->state.queue, sizeof(s->state.queue), "%s", queue);
	return s;
}

static int
setup(void **state)
{
	struct node *n = test_calloc(1, sizeof(*n));

	n->conf.node = "n1";
	n->conf.cluster = true;
	n->w.conf = &n->conf;
	n->co.w = &n->w;
	memset(&asked, 0, sizeof(asked));
	*state = n;
	return 0;
}

static int
teardown(void **state)
{
	test_free(*state);
	return 0;
}

static struct mftd_co_service *
set(struct node *n, uint32_t service, const char *queue, uint32_t role)
{
	struct mftd_co_service *s =
	    mftd_co_service_find(&n->co, service, queue);

	s->state.role = role;
	return s;
}

static void
assert_asks(struct node *n, const char *queue, uint32_t role)
{
	asked.n = 0;
	mftd_co_places_follow(&n->co);
	assert_int_equal(asked.n, 1);
	assert_string_equal(asked.queue, queue);
	assert_int_equal(asked.role, role);
}

static void
assert_asks_nothing(struct node *n)
{
	asked.n = 0;
	mftd_co_places_follow(&n->co);
	assert_int_equal(asked.n, 0);
}

static void
own_one_is_taken_when_needed(void **state)
{
	struct node *n = *state;

	set(n, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	assert_asks_nothing(n);
	n->co.backlog.node_needed = 1;
	assert_asks(n, OWN, MFTD_ROLE_PROMOTED);
	set(n, MFTD_SERVICE_OUTBOUND, OWN, MFTD_ROLE_PROMOTED);
	assert_asks_nothing(n);
	n->co.backlog.node_needed = 0;
	assert_asks(n, OWN, MFTD_ROLE_STOPPED);
	set(n, MFTD_SERVICE_OUTBOUND, OWN, MFTD_ROLE_STOPPED);
	assert_asks_nothing(n);
}

static void
own_one_is_only_beside_inbound(void **state)
{
	struct node *n = *state;

	n->co.backlog.node_needed = 1;
	assert_asks_nothing(n);
	set(n, MFTD_SERVICE_OUTBOUND, OWN, MFTD_ROLE_PROMOTED);
	assert_asks(n, OWN, MFTD_ROLE_STOPPED);
}

/* As after the coordinator's end: the parent has demoted all. */
static void
standby_is_promoted_again(void **state)
{
	struct node *n = *state;

	n->co.backlog.node_needed = 1;
	set(n, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	set(n, MFTD_SERVICE_OUTBOUND, OWN, MFTD_ROLE_STARTED);
	assert_asks(n, OWN, MFTD_ROLE_PROMOTED);
}

static void
stale_one_gives_up_first(void **state)
{
	struct node *n = *state;
	struct mftd_co_service *s =
	    set(n, MFTD_SERVICE_OUTBOUND, OWN, MFTD_ROLE_PROMOTED);

	n->co.backlog.node_needed = 1;
	set(n, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	s->out_known = true;
	assert_asks_nothing(n);
	s->out.stale = 1;
	assert_asks(n, OWN, MFTD_ROLE_STARTED);
	/* it has given up, and with it what its process said */
	s->state.role = MFTD_ROLE_STARTED;
	s->out_known = false;
	assert_asks(n, OWN, MFTD_ROLE_PROMOTED);
}

static void
one_wish_at_a_time(void **state)
{
	struct node *n = *state;

	n->co.backlog.node_needed = 1;
	set(n, MFTD_SERVICE_INBOUND, "", MFTD_ROLE_STARTED);
	n->co.waits[3].service = MFTD_SERVICE_OUTBOUND;
	snprintf(n->co.waits[3].queue, sizeof(n->co.waits[3].queue), OWN);
	n->co.waits[3].ref = 9;
	assert_asks_nothing(n);
	n->co.waits[3].ref = 0;
	assert_asks(n, OWN, MFTD_ROLE_PROMOTED);
}

static void
controllers_is_pacemakers(void **state)
{
	struct node *n = *state;

	n->co.backlog.controller_needed = 1;
	assert_asks_nothing(n);
	n->conf.cluster = false;
	assert_asks(n, MFTD_PLACE_CONTROLLER, MFTD_ROLE_PROMOTED);
	n->co.backlog.controller_needed = 0;
	assert_asks_nothing(n);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    own_one_is_taken_when_needed, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    own_one_is_only_beside_inbound, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    standby_is_promoted_again, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    stale_one_gives_up_first, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_wish_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    controllers_is_pacemakers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
