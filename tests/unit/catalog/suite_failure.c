/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/away.h"
#include "mftd/catalog/partner_state.h"
#include "mftd/catalog/steps.h"
#include "mftd/catalog/tries.h"

/* ---- tries */

struct tried {
	struct mftd_try t[MFTD_TRIES_KEPT + 1];
	int n;
};

static int
take_try(void *data, const struct mftd_try *t)
{
	struct tried *all = data;

	assert_true(all->n <= MFTD_TRIES_KEPT);
	all->t[all->n++] = *t;
	return 0;
}

static struct tried
tries_of(struct db *db, const char *delivery)
{
	struct tried all = { .n = 0 };

	assert_int_equal(
	    mftd_catalog_tries(db->c, delivery, take_try, &all), 0);
	return all;
}

/* How many are claimed, of one. */
static int
claim(struct db *db, const struct mftd_role_row *role, struct mftd_delivery *d)
{
	return mftd_catalog_claim(db->c, role, mftd_clock_wall_us(), "", d, 1);
}

/* A delivery that is claimed. */
static void
claim_one(struct db *db, struct mftd_role_row *role, struct mftd_delivery *d)
{
	publish_some(db, 1);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", role), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, role, mftd_clock_wall_us(), "", d, 1), 1);
}

/* A step of it with the row of its try.  As mftd_catalog_step. */
static int
step(struct db *db, const struct mftd_role_row *role, struct mftd_delivery *d,
    enum mftd_delivery_state to, const struct mftd_try *t)
{
	struct mftd_row_step s = { .d = d, .from = d->state, .t = t };
	int r;

	d->state = to;
	r = mftd_catalog_steps(db->c, role, &s, 1);
	return r < 0 ? r : s.result;
}

/* Begun by one owner and ended by another, who knows less of it. */
static void
try_is_written_with_the_step(void **state)
{
	struct mftd_try begin = { .begin_us = 1000, .host = "192.0.2.1:22" },
			end = { .begin_us = 5000,
				.end_us = 7000,
				.outcome = "DELIVERED" };
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_delivery d;
	struct tried all;

	claim_one(db, &role, &d);
	assert_int_equal(tries_of(db, d.id).n, 0);
	d.tries = 1;
	d.first_us = 1234;
	assert_int_equal(step(db, &role, &d, MFTD_DELIVERY_SENDING, &begin), 0);
	all = tries_of(db, d.id);
	assert_int_equal(all.n, 1);
	assert_int_equal(all.t[0].n, 1);
	assert_true(all.t[0].begin_us == 1000 && all.t[0].end_us == 0);
	assert_string_equal(all.t[0].host, "192.0.2.1:22");
	assert_string_equal(all.t[0].outcome, "");
	begin.bytes = 99;
	assert_int_equal(
	    step(db, &role, &d, MFTD_DELIVERY_PUBLISHING, &begin), 0);
	strcpy(d.error, "no\xffroom");
	assert_int_equal(step(db, &role, &d, MFTD_DELIVERY_DONE, &end), 0);
	all = tries_of(db, d.id);
	assert_int_equal(all.n, 1);
	assert_true(all.t[0].begin_us == 1000 && all.t[0].end_us == 7000);
	assert_true(all.t[0].bytes == 99);
	assert_string_equal(all.t[0].host, "192.0.2.1:22");
	assert_string_equal(all.t[0].outcome, "DELIVERED");
	assert_string_equal(all.t[0].error, "no?room");
	assert_true(find_delivery(db, "f0", &d));
	assert_true(d.first_us == 1234);
}

/* A step that is not made has no try either: by a stale owner, or from a state
 * that it is not in. */
static void
try_of_no_step_is_not_written(void **state)
{
	const struct mftd_try t = { .begin_us = 1000 };
	struct db *db = *state;
	struct mftd_role_row old, new;
	struct mftd_delivery d, e;

	claim_one(db, &old, &d);
	e = d;
	e.tries = 1;
	e.state = MFTD_DELIVERY_SENT;
	assert_int_equal(
	    step(db, &old, &e, MFTD_DELIVERY_SENDING, &t), -ENOENT);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "you", &new), 0);
	e = d;
	assert_int_equal(
	    step(db, &old, &e, MFTD_DELIVERY_SENDING, &t), -MFTD_E_STALE_EPOCH);
	assert_int_equal(tries_of(db, d.id).n, 0);
}

/* The newest take the places of the oldest. */
static void
last_tries_are_kept(void **state)
{
	struct mftd_try t = { .host = "h" };
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_delivery d;
	struct tried all;
	uint32_t n;

	claim_one(db, &role, &d);
	for (n = 1; n <= 3 * MFTD_TRIES_KEPT + 5; n++) {
		d.tries = n;
		t.begin_us = n * 10;
		t.end_us = 0;
		t.bytes = 1000 - n;
		t.outcome[0] = '\0';
		assert_int_equal(
		    step(db, &role, &d, MFTD_DELIVERY_SENDING, &t), 0);
		t.end_us = n * 10 + 1;
		strcpy(t.outcome, "RETRY");
		assert_int_equal(
		    step(db, &role, &d, MFTD_DELIVERY_SENDING, &t), 0);
	}
	all = tries_of(db, d.id);
	assert_int_equal(all.n, MFTD_TRIES_KEPT);
	for (n = 0; n < MFTD_TRIES_KEPT; n++) {
		assert_int_equal(all.t[n].n, 2 * MFTD_TRIES_KEPT + 6 + n);
		assert_true(all.t[n].begin_us == all.t[n].n * 10);
		assert_true(all.t[n].bytes == 1000 - all.t[n].n);
	}
}

static int
wish(struct db *db, const char *id, const char *what,
    enum mftd_delivery_state from, enum mftd_delivery_state to)
{
	struct mftd_wish w = { .who = "bob", .from = from, .to = to };

	snprintf(w.what, sizeof(w.what), "%s", what);
	return mftd_catalog_wish(db->c, id, &w, 0);
}

/* A wish ends the try that it comes between, and none that has ended; who wants
 * it to go out has its tries counted anew. */
static void
wish_ends_a_try_and_counts_anew(void **state)
{
	struct mftd_try t = { .begin_us = 1000 };
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_delivery d;
	struct tried all;

	claim_one(db, &role, &d);
	d.tries = 4;
	d.first_us = 1000;
	assert_int_equal(step(db, &role, &d, MFTD_DELIVERY_SENDING, &t), 0);
	assert_int_equal(
	    wish(db, d.id, "hold", MFTD_DELIVERY_SENDING, MFTD_DELIVERY_HELD),
	    0);
	assert_true(find_delivery(db, "f0", &d));
	assert_int_equal(d.tries_before, 0);
	assert_true(d.first_us == 1000);
	assert_int_equal(
	    wish(db, d.id, "release", MFTD_DELIVERY_HELD, MFTD_DELIVERY_QUEUED),
	    0);
	all = tries_of(db, d.id);
	assert_int_equal(all.n, 1);
	assert_string_equal(all.t[0].outcome, "hold");
	assert_true(all.t[0].end_us > 1000);
	assert_true(find_delivery(db, "f0", &d));
	assert_int_equal(d.tries, 4);
	assert_int_equal(d.tries_before, 4);
	assert_true(d.first_us == 0);
}

/* Of what a person has sent again it is known whether a try may have published
 * it: of one in doubt for good, whatever becomes of the tries' rows. */
static void
sent_again_may_be_there(void **state)
{
	static const struct {
		enum mftd_delivery_state end;
		const char *outcome;
		uint32_t there;
	} cases[] = {
		{ MFTD_DELIVERY_IN_DOUBT, "DOUBT", 1 },
		{ MFTD_DELIVERY_FAILED, "FAIL", 0 },
		{ MFTD_DELIVERY_FAILED, "DELIVERED", 1 },
	};
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_delivery d, e;
	struct mftd_try t;
	int i, n;

	publish_some(db, 3);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	for (i = 0; i < 3; i++) {
		t = (struct mftd_try) { .begin_us = 1000 };
		assert_int_equal(claim(db, &role, &d), 1);
		assert_int_equal(d.has.may_be_there, 0);
		d.tries = 1;
		d.has.number = 7;
		assert_int_equal(
		    step(db, &role, &d, MFTD_DELIVERY_SENDING, &t), 0);
		t.end_us = 2000;
		strcpy(t.outcome, cases[i].outcome);
		assert_int_equal(step(db, &role, &d, cases[i].end, &t), 0);
		assert_int_equal(
		    wish(db, d.id, "again", cases[i].end, MFTD_DELIVERY_QUEUED),
		    0);
		for (n = 2; n < (i == 0 ? 2 * MFTD_TRIES_KEPT : 5); n++) {
			assert_int_equal(claim(db, &role, &e), 1);
			assert_string_equal(e.id, d.id);
			assert_int_equal(e.has.may_be_there, cases[i].there);
			assert_int_equal(e.has.number, 7);
			e.tries++;
			strcpy(t.outcome, "RETRY");
			assert_int_equal(
			    step(db, &role, &e, MFTD_DELIVERY_WAITING, &t), 0);
		}
		assert_int_equal(claim(db, &role, &e), 1);
		assert_int_equal(
		    step(db, &role, &e, MFTD_DELIVERY_DONE, &t), 0);
	}
}

static void
delivery_has_its_routes_bounds(void **state)
{
	const struct mftd_route like = { .retry = { .tries = 7, .hours = 9 } };
	struct stream s = { .name = "s1", .time_us = 1000000000000000 };
	struct db *db = *state;
	struct mftd_objects *o;
	struct mftd_delivery d;

	apply_route(db, &like);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_int_equal(o->routes[0].retry.tries, 7);
	assert_int_equal(o->routes[0].retry.hours, 9);
	mftd_objects_free(o);
	assert_int_equal(say_receipt(db, &s, "f0", "f0", 1), 0);
	assert_int_equal(say_outcome(db, &s, "f0", MFTD_RECORD_PUBLISHED), 0);
	apply_routes(db, 1);
	assert_true(find_delivery(db, "f0", &d));
	assert_int_equal(d.retry_tries, 7);
	assert_int_equal(d.retry_hours, 9);
}

/* ---- partners */

struct states {
	struct mftd_partner_row p[8];
	int n;
};

static int
take_state(void *data, const struct mftd_partner_row *p)
{
	struct states *all = data;

	assert_true(all->n < 8);
	all->p[all->n++] = *p;
	return 0;
}

static struct states
states_of(struct db *db, const char *queue)
{
	struct states all = { .n = 0 };

	assert_int_equal(
	    mftd_catalog_partner_states(db->c, queue, take_state, &all), 0);
	return all;
}

static struct mftd_partner_row
stopped(const char *partner)
{
	struct mftd_partner_row p = { .state = MFTD_PARTNER_OPEN,
		.fault = MFTD_FAULT_REFUSED,
		.since_us = 1000,
		.probes = 3,
		.probe_us = 1LL << 60 };

	snprintf(p.partner, sizeof(p.partner), "%s", partner);
	snprintf(p.reason, sizeof(p.reason), "no\xffway");
	return p;
}

/* Each queue for itself; none that is closed is among those of a queue. */
static void
partner_state_is_kept(void **state)
{
	struct db *db = *state;
	struct mftd_partner_row acme = stopped("acme"), beta = stopped("beta");
	struct mftd_role_row q, other;
	struct states all;

	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &q), 0);
	assert_int_equal(mftd_catalog_raise(db->c, "o", "me", &other), 0);
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &q, &acme, MFTD_PARTNER_CLOSED),
	    0);
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &q, &beta, MFTD_PARTNER_CLOSED),
	    0);
	assert_int_equal(mftd_catalog_partner_step(
			     db->c, &other, &acme, MFTD_PARTNER_CLOSED),
	    0);
	beta.state = MFTD_PARTNER_CLOSED;
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &q, &beta, MFTD_PARTNER_OPEN), 0);
	all = states_of(db, "q");
	assert_int_equal(all.n, 1);
	assert_string_equal(all.p[0].queue, "q");
	assert_string_equal(all.p[0].partner, "acme");
	assert_int_equal(all.p[0].state, MFTD_PARTNER_OPEN);
	assert_int_equal(all.p[0].fault, MFTD_FAULT_REFUSED);
	assert_string_equal(all.p[0].reason, "no?way");
	assert_true(all.p[0].since_us == 1000);
	assert_int_equal(all.p[0].probes, 3);
	assert_true(all.p[0].probe_us == 1LL << 60);
	assert_int_equal(states_of(db, "o").n, 1);
	assert_int_equal(states_of(db, NULL).n, 3);
}

/* Twice is once, for an answer may be lost; but what a person has closed, or
 * another owner writes, is not written over. */
static void
partner_state_is_guarded(void **state)
{
	struct db *db = *state;
	struct mftd_partner_row p = stopped("acme");
	struct mftd_role_row old, new;

	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &old), 0);
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &old, &p, MFTD_PARTNER_CLOSED), 0);
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &old, &p, MFTD_PARTNER_CLOSED), 0);
	assert_int_equal(
	    mftd_catalog_partner_resume(db->c, "acme", "by bob"), 1);
	assert_int_equal(
	    mftd_catalog_partner_resume(db->c, "acme", "by bob"), 0);
	p.state = MFTD_PARTNER_HALF_OPEN;
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &old, &p, MFTD_PARTNER_OPEN),
	    -ENOENT);
	assert_int_equal(states_of(db, "q").n, 0);
	assert_string_equal(states_of(db, NULL).p[0].reason, "by bob");
	assert_int_equal(mftd_catalog_raise(db->c, "q", "you", &new), 0);
	p.state = MFTD_PARTNER_OPEN;
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &old, &p, MFTD_PARTNER_CLOSED),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(states_of(db, "q").n, 0);
}

/* Who wants a delivery tried again wants its partner probed, and no other. */
static void
retry_asks_for_a_probe(void **state)
{
	struct db *db = *state;
	struct mftd_partner_row acme = stopped("acme"), beta = stopped("beta");
	struct mftd_role_row role;
	struct mftd_delivery d;
	struct states all;

	claim_one(db, &role, &d);
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &role, &acme, MFTD_PARTNER_CLOSED),
	    0);
	assert_int_equal(
	    mftd_catalog_partner_step(db->c, &role, &beta, MFTD_PARTNER_CLOSED),
	    0);
	assert_int_equal(step(db, &role, &d, MFTD_DELIVERY_WAITING, NULL), 0);
	assert_int_equal(
	    wish(db, d.id, "hold", MFTD_DELIVERY_WAITING, MFTD_DELIVERY_HELD),
	    0);
	assert_true(states_of(db, "q").p[0].probe_us != 0);
	assert_int_equal(
	    wish(db, d.id, "release", MFTD_DELIVERY_HELD, MFTD_DELIVERY_QUEUED),
	    0);
	all = states_of(db, "q");
	assert_string_equal(all.p[0].partner, "acme");
	assert_true(all.p[0].probe_us == 0);
	assert_true(all.p[1].probe_us == 1LL << 60);
}

/* Those of the volume that wait for it, and no others, are due when it is back;
 * some at a time. */
static void
volume_is_back(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role, stale;
	struct mftd_delivery d[8];
	int64_t now_us;

	publish_some(db, 5);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "old", &stale), 0);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	now_us = mftd_clock_wall_us();
	db_execute(db,
	    "UPDATE delivery SET state = 'WAITING', due_us = due_us + "
	    "3600000000, error = '" MFTD_AWAY_TEXT "'");
	db_execute(
	    db, "UPDATE delivery SET error = 'away' WHERE receipt = 'f0'");
	db_execute(
	    db, "UPDATE delivery SET volume = 'other' WHERE receipt = 'f1'");
	db_execute(
	    db, "UPDATE delivery SET state = 'HELD' WHERE receipt = 'f2'");
	assert_int_equal(mftd_catalog_claim(db->c, &role, now_us, "", d, 8), 0);
	assert_int_equal(mftd_catalog_away_back(db->c, &stale, "main", now_us),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(mftd_catalog_claim(db->c, &role, now_us, "", d, 8), 0);
	assert_int_equal(
	    mftd_catalog_away_back(db->c, &role, "main", now_us), 2);
	assert_int_equal(
	    mftd_catalog_away_back(db->c, &role, "main", now_us), 0);
	assert_int_equal(mftd_catalog_claim(db->c, &role, now_us, "", d, 8), 2);
	assert_int_equal(
	    mftd_catalog_away_back(db->c, &role, "other", now_us), 1);
}

void
tests_failure(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(try_is_written_with_the_step),
		DB_TEST(try_of_no_step_is_not_written),
		DB_TEST(last_tries_are_kept),
		DB_TEST(wish_ends_a_try_and_counts_anew),
		DB_TEST(sent_again_may_be_there),
		DB_TEST(delivery_has_its_routes_bounds),
		DB_TEST(partner_state_is_kept),
		DB_TEST(partner_state_is_guarded),
		DB_TEST(retry_asks_for_a_probe),
		DB_TEST(volume_is_back),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
