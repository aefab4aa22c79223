/* Part of mftd; see LICENSE. */
/* Routes between accounts, and what became of the parts made for them. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/outcome.h"

#define T0 1000000000000000
#define DELIVERY "d-0123456789abc0123456789ab"

static void
apply_local_route(struct db *db)
{
	struct mftd_account accounts[] = {
		{ .name = "alice", .volume = "main", .root = "alice" },
		{ .name = "bob", .volume = "other", .root = "bob" },
	};
	struct mftd_route route = { .name = "local",
		.account = "alice",
		.to_account = "bob",
		.directory = "in/box",
		.queue = "q" };
	struct mftd_objects o = { .accounts = accounts,
		.n_accounts = 2,
		.routes = &route,
		.n_routes = 1 };
	uint64_t version;

	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
}

static void
route_leads_to_an_account(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	struct mftd_delivery d;
	struct mftd_objects *o;

	apply_local_route(db);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_null(o->routes[0].partner);
	assert_string_equal(o->routes[0].to_account, "bob");
	assert_string_equal(o->routes[0].directory, "in/box");
	mftd_objects_free(o);
	assert_int_equal(say_receipt(db, &s, "f1", "a/x", 5), 0);
	assert_int_equal(say_outcome(db, &s, "f1", MFTD_RECORD_PUBLISHED), 0);
	assert_true(find_delivery(db, "f1", &d));
	assert_string_equal(d.partner, "@bob");
	assert_string_equal(mftd_delivery_account(&d), "bob");
	assert_string_equal(d.directory, "in/box");
	assert_string_equal(d.name, "x");
	assert_string_equal(d.volume, "main"); /* where it comes from */
	apply_routes(db, 1);
	assert_int_equal(say_receipt(db, &s, "f2", "y", 6), 0);
	assert_int_equal(say_outcome(db, &s, "f2", MFTD_RECORD_PUBLISHED), 0);
	assert_true(find_delivery(db, "f2", &d));
	assert_null(mftd_delivery_account(&d));
}

static void
older_route_keeps_its_partner(void **state)
{
	struct db *db = *state;
	struct mftd_objects *o;

	db_execute(db,
	    "INSERT INTO account (name, volume, root) "
	    "VALUES ('alice', 'main', 'alice')");
	db_execute(db,
	    "INSERT INTO partner (name, host, port, login, key_file) "
	    "VALUES ('acme', 'h', 22, 'u', '/k')");
	db_execute(db,
	    "INSERT INTO route (name, account, partner, directory, queue, "
	    "settle_s) VALUES ('r', 'alice', 'acme', 'in', 'q', 7)");
	assert_int_equal(mftd_catalog_migrate(db->c), 0);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_int_equal(o->n_routes, 1);
	assert_string_equal(o->routes[0].account, "alice");
	assert_string_equal(o->routes[0].partner, "acme");
	assert_string_equal(o->routes[0].directory, "in");
	assert_null(o->routes[0].to_account);
	mftd_objects_free(o);
}

static void
say_part(struct db *db, struct stream *s, uint32_t type, const char *receipt,
    const char *part)
{
	struct mftd_rec_outcome o = { .reason = "" };
	struct mftd_buf *b = mftd_buf_new(MFTD_RECORD_BYTES);
	struct mftd_forward f = {
		.seq = ++s->seq, .time_us = s->time_us += 1000000, .type = type
	};

	snprintf(o.receipt, sizeof(o.receipt), "%s", receipt);
	snprintf(o.part, sizeof(o.part), "%s", part);
	assert_int_equal(mftd_rec_outcome_put(b, &o), 0);
	f.payload = mftd_buf_data(b);
	f.payload_bytes = mftd_buf_len(b);
	assert_int_equal(mftd_catalog_forward(db->c, s->name, &f, 1), 0);
	mftd_buf_free(b);
}

/* Each part of a delivery has the outcome that some journal told first, with a
 * receipt or without; a client's parts are not kept. */
static void
outcomes_of_parts_are_known(void **state)
{
	struct db *db = *state;
	struct stream s = { .name = "s1", .time_us = T0 };
	struct stream other = { .name = "s2", .time_us = T0 };
	char first[MFTD_ID_BYTES], second[MFTD_ID_BYTES];

	assert_int_equal(mftd_outcome_part("n1-1-a", DELIVERY, 1, first), 0);
	assert_string_equal(first, "n1-1-a." DELIVERY ".1");
	assert_int_equal(mftd_outcome_part("n1-1-a", DELIVERY, 2, second), 0);
	assert_int_equal(mftd_outcome_of(db->c, first), MFTD_PART_UNKNOWN);
	say_part(db, &s, MFTD_RECORD_ABANDONED, "", first);
	assert_int_equal(mftd_outcome_of(db->c, first), MFTD_PART_ABANDONED);
	assert_int_equal(mftd_outcome_of(db->c, second), MFTD_PART_UNKNOWN);
	say_part(db, &other, MFTD_RECORD_ABANDONED, "", first);
	say_part(db, &s, MFTD_RECORD_PUBLISHED, "s1.2", second);
	say_part(db, &other, MFTD_RECORD_PUBLISHED, "s1.2", second);
	assert_int_equal(mftd_outcome_of(db->c, first), MFTD_PART_ABANDONED);
	assert_int_equal(mftd_outcome_of(db->c, second), MFTD_PART_PUBLISHED);
	say_part(db, &s, MFTD_RECORD_ABANDONED, "", "n1-1-b.7");
	say_part(db, &s, MFTD_RECORD_PUBLISHED, "s1.4", "n.1-1-b.8");
	assert_int_equal(mftd_outcome_of(db->c, "n1-1-b.7"), MFTD_PART_UNKNOWN);
	assert_int_equal(
	    mftd_outcome_of(db->c, "n.1-1-b.8"), MFTD_PART_UNKNOWN);
}

static void
part_of_a_long_name_is_refused(void **state)
{
	char part[MFTD_ID_BYTES], session[MFTD_ID_BYTES];

	(void)state;
	memset(session, 'x', sizeof(session) - 1);
	session[sizeof(session) - 1] = '\0';
	assert_int_equal(
	    mftd_outcome_part(session, DELIVERY, 1, part), -ENAMETOOLONG);
	/* a node of the longest name, its incarnation, and a million tries */
	session[26 + 17 + 17] = '\0';
	assert_int_equal(mftd_outcome_part(session, DELIVERY, 999999, part), 0);
}

void
tests_sources(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(route_leads_to_an_account),
		cmocka_unit_test_setup_teardown(older_route_keeps_its_partner,
		    db_setup_oldest, db_teardown),
		DB_TEST(outcomes_of_parts_are_known),
		DB_TEST(part_of_a_long_name_is_refused),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
