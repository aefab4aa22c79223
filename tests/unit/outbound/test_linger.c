/* Part of mftd; see LICENSE. */
/*
 * A deliver that has nothing to do keeps its connection for a while: the next
 * upload needs no call.  The outbound process with a catalog of its own
 * (SQLite) and a real partner; the test plays parent and coordinator.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/catalog/catalog.h"
#include "tests/unit/outbound/queue_rig.h"

#define STAYS_MS 3000 /* runner.c's LINGER_MS */
#define TURNS_MOST 20
#define QUIET_MS 300 /* more than deliver.c's */

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	return w != NULL && world_open(w) ? 0 : -1;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	world_close(w);
	free(w);
	return 0;
}

struct wanted {
	struct world *w;
	int n;
};

static bool
are_done(void *data)
{
	struct wanted *x = data;
	struct tally t;

	listen_to(x->w);
	look(x->w, &t);
	return t.by_state[MFTD_DELIVERY_DONE] == x->n;
}

/* The n'th upload, until it is DONE. */
static void
deliver(struct world *w, int n)
{
	struct wanted x = { w, n };
	char id[32];

	snprintf(id, sizeof(id), "r-%d", n);
	upload(w, id, 5000);
	assert_true(await(are_done, &x));
}

static int
calls(const struct world *w)
{
	return partner_count(&w->partner, "session opened");
}

/* Who was quicker than the deliver's time finds it there still. */
static void
test_next_upload(void **state)
{
	struct world *w = *state;
	int64_t began_ms;
	int n = 1, had;

	make_catalog(w);
	start(w);
	deliver(w, n);
	do {
		assert_in_range(n, 1, TURNS_MOST);
		had = calls(w);
		began_ms = mftd_clock_ms();
		deliver(w, ++n);
	} while (mftd_clock_ms() - began_ms >= STAYS_MS);
	assert_int_equal(calls(w), had);
	/* and it does not stay for ever */
	assert_true(partner_await_idle(&w->partner));
}

/* The partner ends the connection meanwhile: that costs no try. */
static void
test_ended_by_the_partner(void **state)
{
	struct world *w = *state;
	struct tally t;

	make_catalog(w);
	start(w);
	deliver(w, 1);
	assert_true(partner_hang_up(&w->partner));
	deliver(w, 2);
	look(w, &t);
	assert_string_equal(t.last.name, "r-2.csv");
	assert_int_equal(t.last.tries, 1);
	assert_int_equal(calls(w), 2);
}

/* Or its channel alone, as one that waits for something to do for too long. */
static void
test_channel_ended(void **state)
{
	struct world *w = *state;
	struct tally t;

	make_catalog(w);
	start(w);
	deliver(w, 1);
	if (!partner_end_channels(&w->partner))
		assert_true(partner_await_idle(&w->partner));
	deliver(w, 2);
	look(w, &t);
	assert_int_equal(t.last.tries, 1);
	assert_int_equal(calls(w), 2);
}

/* Or it does not answer any more: it is asked before a try begins. */
static void
test_fallen_silent(void **state)
{
	struct world *w = *state;
	struct tally t;

	w->partner.p.request_s = 5;
	make_catalog(w);
	start(w);
	deliver(w, 1);
	poll(NULL, 0, QUIET_MS); /* for so long it is believed unasked */
	partner_fall_silent(&w->partner);
	deliver(w, 2);
	look(w, &t);
	assert_string_equal(t.last.name, "r-2.csv");
	assert_int_equal(t.last.tries, 1);
	assert_int_equal(calls(w), 2);
	assert_int_equal(partner_count(&w->partner, "rename old"), 2);
}

static bool
is_unclear(void *data)
{
	struct world *w = data;
	struct tally t;

	listen_to(w);
	look(w, &t);
	return t.last.state == MFTD_DELIVERY_PUBLISHING &&
	    t.last.error[0] != '\0';
}

/* And so of one whose rename was refused, and nobody could see what is there:
 * the look at it goes by the next connection. */
static void
test_silent_before_a_look(void **state)
{
	struct world *w = *state;
	struct tally t;
	char fault[256];

	w->partner.p.request_s = 600; /* its answer has less */
	make_catalog(w);
	snprintf(fault, sizeof(fault),
	    "-P %s/r-1.csv -e inject=?link,linkat:error=EACCES "
	    "-e inject=?lstat,newfstatat:error=EACCES:when=2+",
	    w->partner.in);
	partner_fault(&w->partner, fault);
	start(w);
	upload(w, "r-1", 5000);
	assert_true(await(is_unclear, w));
	partner_fall_silent(&w->partner);
	partner_fault(&w->partner, "");
	assert_true(await(are_done, &(struct wanted) { w, 1 }));
	look(w, &t);
	assert_int_equal(t.last.tries, 1);
	assert_int_equal(calls(w), 2);
	assert_int_equal(partner_count(&w->partner, "rename old"), 2);
	assert_int_equal(partner_names(&w->partner), 1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		TEST(test_next_upload),
		TEST(test_ended_by_the_partner),
		TEST(test_channel_ended),
		TEST(test_fallen_silent),
		TEST(test_silent_before_a_look),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", getenv("VERBOSE") != NULL ? "info" : "error");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
