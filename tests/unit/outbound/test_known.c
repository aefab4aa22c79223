/* Part of mftd; see LICENSE. */
/*
 * Deliveries to a partner that the configuration does not have any more.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/catalog/objects.h"
#include "tests/unit/outbound/queue_rig.h"

#define PATIENCE_MS 60000

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

static void
take_partner_away(struct world *w)
{
	struct mftd_account account = { .name = (char *)"alice",
		.volume = (char *)"main",
		.root = (char *)"alice" };
	struct mftd_objects o = { .accounts = &account, .n_accounts = 1 };
	uint64_t version;

	assert_int_equal(mftd_catalog_apply(w->catalog, &o, &version), 0);
}

/* Until so many are in that state; *t: all there are. */
static void
await_state(
    struct world *w, enum mftd_delivery_state state, int n, struct tally *t)
{
	int64_t end = mftd_clock_ms() + PATIENCE_MS;

	for (look(w, t); t->by_state[state] != n; look(w, t)) {
		assert_true(mftd_clock_ms() < end);
		listen_to(w);
		poll(NULL, 0, 5);
	}
}

/* It is put back without a try, and goes as soon as its partner is there again.
 */
static void
waits_for_its_partner(void **state)
{
	struct world *w = *state;
	struct tally t;

	make_catalog(w);
	upload(w, "r-1", 1000);
	upload(w, "r-2", 1000);
	take_partner_away(w);
	start(w);
	await_state(w, MFTD_DELIVERY_WAITING, 2, &t);
	assert_string_equal(
	    t.last.error, "its partner is not in the configuration");
	assert_int_equal(t.last.tries, 0);
	assert_int_equal(t.last.first_us, 0);
	assert_int_equal(partner_count(&w->partner, "Accepted"), 0);
	apply_objects(w);
	upload(w, "r-3", 1000);
	await_state(w, MFTD_DELIVERY_DONE, 3, &t);
	assert_int_equal(t.last.tries, 1);
	assert_int_equal(partner_names(&w->partner), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    waits_for_its_partner, setup, teardown),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
