/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/steps.h"

#define MORE_THAN_A_PAGE 503

/* ---- lists */

struct seen {
	int n, most;
	char first[MFTD_ID_BYTES], last[MFTD_ID_BYTES]; /* receipts */
};

/* Files were published in the order of their numbers: the newest is last. */
static int
see(void *data, const struct mftd_delivery *d)
{
	struct seen *s = data;
	int number = -1, before = -1;

	assert_int_equal(sscanf(d->receipt, "f%d", &number), 1);
	if (s->n > 0)
		sscanf(s->last, "f%d", &before);
	else
		strcpy(s->first, d->receipt);
	assert_true(number > before);
	strcpy(s->last, d->receipt);
	return ++s->n == s->most ? -ECANCELED : 0;
}

static struct seen
list(struct db *db, const struct mftd_delivery_filter *f)
{
	struct seen s = { .n = 0 };

	assert_int_equal(mftd_catalog_deliveries(db->c, f, see, &s), 0);
	return s;
}

static void
list_is_whole_and_ordered(void **state)
{
	struct db *db = *state;
	struct mftd_delivery_filter f = { .last = 3 };
	struct seen s;

	assert_int_equal(list(db, NULL).n, 0);
	assert_int_equal(list(db, &f).n, 0);
	publish_some(db, MORE_THAN_A_PAGE);
	assert_int_equal(list(db, NULL).n, MORE_THAN_A_PAGE);
	s = list(db, &f);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.first, "f500");
	assert_string_equal(s.last, "f502");
	f.last = MORE_THAN_A_PAGE - 1;
	assert_string_equal(list(db, &f).first, "f1");
	f.last = MORE_THAN_A_PAGE;
	assert_string_equal(list(db, &f).first, "f0");
	f.last = MORE_THAN_A_PAGE + 1;
	assert_int_equal(list(db, &f).n, MORE_THAN_A_PAGE);
}

static void
list_ends_when_told(void **state)
{
	struct db *db = *state;
	struct seen s = { .most = 2 };

	publish_some(db, 4);
	assert_int_equal(
	    mftd_catalog_deliveries(db->c, NULL, see, &s), -ECANCELED);
	assert_int_equal(s.n, 2);
	assert_int_equal(mftd_catalog_version(db->c, &(uint64_t) { 0 }), 0);
}

static void
list_by_what_a_delivery_is(void **state)
{
	struct db *db = *state;
	struct mftd_delivery_filter f = { .route = "r0",
		.partner = "acme",
		.account = "alice",
		.states = 1u << MFTD_DELIVERY_QUEUED };
	struct mftd_delivery_filter g;

	publish_some(db, 3);
	assert_int_equal(list(db, &f).n, 3);
	f.last = 1;
	assert_string_equal(list(db, &f).first, "f2");
	f.last = 0;
	g = f;
	g.route = "r1";
	assert_int_equal(list(db, &g).n, 0);
	g = f;
	g.partner = "acm";
	assert_int_equal(list(db, &g).n, 0);
	g = f;
	g.account = "' OR '1' = '1";
	assert_int_equal(list(db, &g).n, 0);
	g = f;
	g.states = 1u << MFTD_DELIVERY_HELD | 1u << MFTD_DELIVERY_CLAIMED;
	assert_int_equal(list(db, &g).n, 0);
	g.states |= 1u << MFTD_DELIVERY_QUEUED;
	assert_int_equal(list(db, &g).n, 3);
	g.states = (1u << MFTD_DELIVERY_STATE_COUNT) - 1; /* it all fits */
	assert_int_equal(list(db, &g).n, 3);
}

static void
list_since(void **state)
{
	struct db *db = *state;
	struct mftd_delivery_filter f = { .since_us = mftd_clock_wall_us() };

	publish_some(db, 2);
	assert_int_equal(list(db, &f).n, 2);
	f.since_us = mftd_clock_wall_us() + 1;
	assert_int_equal(list(db, &f).n, 0);
	f.since_us = 1LL << 52; /* behind all ids */
	assert_int_equal(list(db, &f).n, 0);
}

/* ---- one */

static void
story_has_the_receipt(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = 1000000000000000 };
	struct mftd_delivery_story st;
	struct mftd_delivery d;

	apply_routes(db, 1);
	assert_int_equal(say_receipt(db, &s, "f1", "in/a\xff", 7), 0);
	assert_int_equal(say_outcome(db, &s, "f1", MFTD_RECORD_PUBLISHED), 0);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 7, "in/b"), 0);
	assert_true(find_delivery(db, "f1", &d));
	assert_int_equal(mftd_catalog_delivery(db->c, d.id, &st), 0);
	assert_string_equal(st.d.id, d.id);
	assert_string_equal(st.d.name, "b");
	assert_int_equal(st.d.size, 42);
	assert_string_equal(st.queue, "q");
	assert_string_equal(st.account, "alice");
	assert_string_equal(st.session, "n1-1-1");
	assert_string_equal(st.path, "in/a\xff");
	assert_string_equal(st.path_now, "in/b");
	assert_true(st.received_us == 1000000000000000);
	assert_false(st.removed);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_REMOVE, 7, ""), 0);
	assert_int_equal(mftd_catalog_delivery(db->c, d.id, &st), 0);
	assert_true(st.removed);
	assert_int_equal(mftd_catalog_delivery(db->c, "d-1", &st), -ENOENT);
}

/* ---- wishes */

struct history {
	int n;
	struct mftd_wish w[4];
};

static int
remember(void *data, const struct mftd_wish *w)
{
	struct history *h = data;

	assert_true(h->n < 4);
	h->w[h->n++] = *w;
	return 0;
}

static struct history
history_of(struct db *db, const char *delivery)
{
	struct history h = { .n = 0 };

	assert_int_equal(mftd_catalog_wishes(db->c, delivery, remember, &h), 0);
	return h;
}

static int
wish(struct db *db, const char *delivery, const char *what,
    enum mftd_delivery_state from, enum mftd_delivery_state to, int64_t due_us)
{
	struct mftd_wish w = { .who = "bob@n1", .from = from, .to = to };

	snprintf(w.what, sizeof(w.what), "%s", what);
	return mftd_catalog_wish(db->c, delivery, &w, due_us);
}

static void
wish_moves_and_is_noted(void **state)
{
	struct db *db = *state;
	int64_t before_us = mftd_clock_wall_us();
	struct mftd_delivery d, e;
	struct history h;

	publish_some(db, 2);
	assert_true(find_delivery(db, "f0", &d));
	assert_int_equal(
	    wish(db, d.id, "hold", MFTD_DELIVERY_QUEUED, MFTD_DELIVERY_HELD, 0),
	    0);
	assert_true(find_delivery(db, "f0", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_HELD);
	assert_true(e.due_us == d.due_us);
	assert_int_equal(wish(db, d.id, "release", MFTD_DELIVERY_HELD,
			     MFTD_DELIVERY_QUEUED, 77),
	    0);
	assert_true(find_delivery(db, "f0", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_QUEUED);
	assert_true(e.due_us == 77);
	h = history_of(db, d.id);
	assert_int_equal(h.n, 2);
	assert_string_equal(h.w[0].what, "hold");
	assert_string_equal(h.w[0].who, "bob@n1");
	assert_int_equal(h.w[0].from, MFTD_DELIVERY_QUEUED);
	assert_int_equal(h.w[0].to, MFTD_DELIVERY_HELD);
	assert_true(h.w[0].time_us >= before_us);
	assert_string_equal(h.w[1].what, "release");
	assert_true(find_delivery(db, "f1", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_QUEUED);
	assert_int_equal(history_of(db, e.id).n, 0);
}

static void
wish_that_came_too_late_changes_nothing(void **state)
{
	struct db *db = *state;
	struct mftd_delivery d, e;

	publish_some(db, 1);
	assert_true(find_delivery(db, "f0", &d));
	assert_int_equal(wish(db, d.id, "release", MFTD_DELIVERY_HELD,
			     MFTD_DELIVERY_QUEUED, 77),
	    -ENOENT);
	assert_int_equal(wish(db, "d-1", "hold", MFTD_DELIVERY_QUEUED,
			     MFTD_DELIVERY_HELD, 0),
	    -ENOENT);
	assert_true(find_delivery(db, "f0", &e));
	assert_memory_equal(&d, &e, sizeof(d));
	assert_int_equal(history_of(db, d.id).n, 0);
	assert_int_equal(history_of(db, "d-1").n, 0);
}

/* The owner's next step finds it gone, and leaves it as the person has it. */
static void
wish_takes_it_from_its_owner(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_delivery d, e;
	int64_t now = mftd_clock_wall_us();

	publish_some(db, 1);
	now = mftd_clock_wall_us();
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	assert_int_equal(mftd_catalog_claim(db->c, &role, now, "", &d, 1), 1);
	assert_int_equal(wish(db, d.id, "cancel", MFTD_DELIVERY_CLAIMED,
			     MFTD_DELIVERY_CANCELLED, 0),
	    0);
	d.state = MFTD_DELIVERY_SENDING;
	assert_int_equal(
	    mftd_catalog_step(db->c, &role, &d, MFTD_DELIVERY_CLAIMED),
	    -ENOENT);
	assert_true(find_delivery(db, "f0", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_CANCELLED);
	assert_int_equal(e.tries, 0);
}

/* What is sent again out of doubt goes on with nothing that is at any host; all
 * else may.  Whose temporary name was the last one stays known. */
static void
wish_to_resend_begins_anew(void **state)
{
	static const struct {
		enum mftd_delivery_state from, to;
		const char *host;
	} cases[] = {
		{ MFTD_DELIVERY_IN_DOUBT, MFTD_DELIVERY_QUEUED, "" },
		{ MFTD_DELIVERY_IN_DOUBT, MFTD_DELIVERY_DELIVERED, "h" },
		{ MFTD_DELIVERY_FAILED, MFTD_DELIVERY_QUEUED, "h" },
	};
	struct db *db = *state;
	struct mftd_role_row role;
	struct mftd_delivery d[3], e;
	int i;

	publish_some(db, 3);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	assert_int_equal(
	    mftd_catalog_claim(db->c, &role, mftd_clock_wall_us(), "", d, 3),
	    3);
	for (i = 0; i < 3; i++) {
		d[i].state = cases[i].from;
		d[i].has.temp_try = 3;
		strcpy(d[i].host, "h");
		assert_int_equal(mftd_catalog_step(db->c, &role, &d[i],
				     MFTD_DELIVERY_CLAIMED),
		    0);
		assert_int_equal(
		    wish(db, d[i].id, "resolve", cases[i].from, cases[i].to, 0),
		    0);
		assert_true(find_delivery(db, d[i].receipt, &e));
		assert_int_equal(e.state, cases[i].to);
		assert_string_equal(e.host, cases[i].host);
		assert_int_equal(e.has.temp_try, 3);
	}
}

/* What a person cancelled no rename brings back; what was held stays so. */
static void
wish_outlives_renames(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .seq = 4, .time_us = 1LL << 50 };
	struct mftd_delivery d, e;

	publish_some(db, 2);
	assert_true(find_delivery(db, "f0", &d));
	assert_true(find_delivery(db, "f1", &e));
	assert_int_equal(wish(db, d.id, "cancel", MFTD_DELIVERY_QUEUED,
			     MFTD_DELIVERY_CANCELLED, 0),
	    0);
	assert_int_equal(
	    wish(db, e.id, "hold", MFTD_DELIVERY_QUEUED, MFTD_DELIVERY_HELD, 0),
	    0);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 1, "other"), 0);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 2, "new"), 0);
	assert_true(find_delivery(db, "f0", &d));
	assert_int_equal(d.state, MFTD_DELIVERY_CANCELLED);
	assert_true(find_delivery(db, "f1", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_HELD);
	assert_string_equal(e.name, "new");
	/* a name that is not sent, and back: that would release it */
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 2, "n.tmp"), 0);
	assert_true(find_delivery(db, "f1", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_CANCELLED);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 2, "back"), 0);
	assert_true(find_delivery(db, "f1", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_HELD);
	assert_string_equal(e.name, "back");
	assert_int_equal(wish(db, e.id, "release", MFTD_DELIVERY_HELD,
			     MFTD_DELIVERY_QUEUED, 0),
	    0);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 2, "n.tmp"), 0);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 2, "new"), 0);
	assert_true(find_delivery(db, "f1", &e));
	assert_int_equal(e.state, MFTD_DELIVERY_QUEUED);
}

void
tests_person(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(list_is_whole_and_ordered),
		DB_TEST(list_ends_when_told),
		DB_TEST(list_by_what_a_delivery_is),
		DB_TEST(list_since),
		DB_TEST(story_has_the_receipt),
		DB_TEST(wish_moves_and_is_noted),
		DB_TEST(wish_that_came_too_late_changes_nothing),
		DB_TEST(wish_takes_it_from_its_owner),
		DB_TEST(wish_to_resend_begins_anew),
		DB_TEST(wish_outlives_renames),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
