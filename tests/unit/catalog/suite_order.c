/* Part of mftd; see LICENSE. */
/* Clocks that are set back or differ: mftd/catalog/order.h.  This program's own
 * clock is one that can be set, the server's is as it is. */
#include "tests/unit/catalog/suite.h"

#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/found.h"
#include "mftd/catalog/order.h"
#include "mftd/catalog/steps.h"

#define MINUTE INT64_C(60000000)
#define HOUR (60 * MINUTE)
#define EVER INT64_C(4000000000000000)
#define MOST 4

/* Lives of two nodes, and the streams that they write. */
#define N1 "n1-0000000000000001"
#define N1_NEXT "n1-0000000000000002"
#define N2 "n2-0000000000000001"

int64_t __real_mftd_clock_wall_us(void);
int64_t __wrap_mftd_clock_wall_us(void);

/* How far the clock was set; each test begins with 0. */
static int64_t ahead_us;

int64_t
__wrap_mftd_clock_wall_us(void)
{
	return __real_mftd_clock_wall_us() + ahead_us;
}

struct world {
	struct db *db;
	struct mftd_role_row role;
	uint64_t inode;
};

/* A stream whose node writes by this program's clock, set that far. */
static struct stream
a_stream(const char *name, int64_t off_us)
{
	return (struct stream) { .name = name,
		.time_us = __real_mftd_clock_wall_us() + off_us };
}

static void
apply_as(struct db *db, enum mftd_if_exists e)
{
	struct mftd_route like = { .priority = 5, .at = { .if_exists = e } };

	apply_route(db, &like);
}

/* Queue q is ours, its route overwrites, and n1 forwards. */
static void
begin(struct world *w, struct db *db)
{
	*w = (struct world) { .db = db };
	ahead_us = 0;
	apply_as(db, MFTD_IF_EXISTS_OVERWRITE);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &w->role), 0);
	mftd_catalog_here(db->c, "n1", N1);
}

/* A file of those bytes is published under the name x. */
static void
publish(struct world *w, struct stream *s, const char *id, uint8_t content)
{
	assert_int_equal(
	    say_content(w->db, s, id, "x", ++w->inode, content), 0);
	assert_int_equal(say_outcome(w->db, s, id, MFTD_RECORD_PUBLISHED), 0);
	s->time_us -= 1999000; /* so that nothing is of the future */
}

static void
claimed_of(struct world *w, const struct mftd_role_row *role, const char *want)
{
	static struct mftd_delivery d[MOST];
	char found[256] = "";
	int i, n;

	n = mftd_catalog_claim(w->db->c, role, EVER, "", d, MOST);
	assert_true(n >= 0);
	for (i = 0; i < n; i++) {
		strcat(found, i > 0 ? " " : "");
		strcat(found, d[i].receipt);
	}
	assert_string_equal(found, want);
}

static void
claimed(struct world *w, const char *want)
{
	claimed_of(w, &w->role, want);
}

static struct mftd_delivery *
find(struct world *w, const char *receipt)
{
	static struct mftd_delivery d;

	assert_true(find_delivery(w->db, receipt, &d));
	return &d;
}

static void
is(struct world *w, const char *receipt, enum mftd_delivery_state s)
{
	assert_string_equal(mftd_delivery_state_name(find(w, receipt)->state),
	    mftd_delivery_state_name(s));
}

static void
done(struct world *w, const char *receipt)
{
	struct mftd_delivery *d = find(w, receipt);
	enum mftd_delivery_state from = d->state;

	d->state = MFTD_DELIVERY_DONE;
	assert_int_equal(mftd_catalog_step(w->db->c, &w->role, d, from), 0);
}

/* Its turn comes, alone, and it is. */
static void
sent(struct world *w, const char *receipt)
{
	claimed(w, receipt);
	done(w, receipt);
}

/* Nothing is claimed, and that is what becomes of this one. */
static void
kept_back(struct world *w, const char *receipt, enum mftd_delivery_state s)
{
	claimed(w, "");
	is(w, receipt, s);
}

static void
wish(struct world *w, const char *receipt, const char *what,
    enum mftd_delivery_state to)
{
	struct mftd_delivery *d = find(w, receipt);
	struct mftd_wish wish = { .from = d->state, .to = to };

	strcpy(wish.who, "ann");
	strcpy(wish.what, what);
	assert_int_equal(mftd_catalog_wish(w->db->c, d->id, &wish, 1), 0);
}

static int64_t
number(struct world *w, const char *sql)
{
	int64_t n = -1;

	assert_int_equal(
	    mftd_db_run(w->db->c, sql, NULL, 0, mftd_db_take_int, &n), 1);
	return n;
}

/* ---- one node */

/* The gravest that could happen: the newest file was never sent. */
static void
clock_set_back_makes_nothing_older(void **state)
{
	struct stream s = a_stream(N1 "-j1", -20 * MINUTE);
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v0", 0);
	sent(&w, "v0");
	s.time_us += 20 * MINUTE - 2000;
	publish(&w, &s, "v1", 1);
	sent(&w, "v1");
	s.time_us -= HOUR;
	ahead_us = -HOUR;
	publish(&w, &s, "v2", 2);
	sent(&w, "v2");
	publish(&w, &s, "v3", 3);
	claimed(&w, "v3");
}

/* Those that wait go in the order of their stream. */
static void
clock_set_back_keeps_the_order(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0);
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v1", 1);
	s.time_us -= HOUR;
	publish(&w, &s, "v2", 2);
	s.time_us -= HOUR;
	publish(&w, &s, "v3", 3);
	claimed(&w, "v1");
	claimed(&w, "");
	done(&w, "v1");
	sent(&w, "v2");
	claimed(&w, "v3");
}

/* A restart, with another clock. */
static void
next_life_is_later(void **state)
{
	struct stream s = a_stream(N1 "-j1", -10 * MINUTE),
		      next = a_stream(N1_NEXT "-j1", -HOUR);
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v1", 1);
	sent(&w, "v1");
	mftd_catalog_here(w.db->c, "n1", N1_NEXT);
	ahead_us = -HOUR;
	publish(&w, &next, "v2", 2);
	sent(&w, "v2");
	/* what the life before had still to tell is older than all of it */
	s.time_us += 5 * MINUTE;
	publish(&w, &s, "v0", 9);
	kept_back(&w, "v0", MFTD_DELIVERY_CANCELLED);
}

/* A journal that is started anew has another stream, and the same volume. */
static void
next_stream_is_later(void **state)
{
	struct stream s = a_stream(N1 "-j1", -10 * MINUTE),
		      next = a_stream(N1 "-j2", -HOUR),
		      other = a_stream(N1 "-j100001", -2 * HOUR);
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v1", 1);
	sent(&w, "v1");
	ahead_us = -HOUR;
	publish(&w, &next, "v2", 2);
	sent(&w, "v2");
	/* what the one before had still to tell */
	s.time_us += 5 * MINUTE;
	publish(&w, &s, "v0", 9);
	kept_back(&w, "v0", MFTD_DELIVERY_CANCELLED);
	/* another volume's is beside them: nobody knows */
	publish(&w, &other, "v3", 3);
	kept_back(&w, "v3", MFTD_DELIVERY_HELD);
}

/* A repetition is of the earlier one, not the other way round: the last one is
 * what has to stay. */
static void
repetition_is_the_later_one(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0);
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v1", 1);
	publish(&w, &s, "v2", 2);
	s.time_us -= HOUR;
	publish(&w, &s, "v3", 1);
	is(&w, "v1", MFTD_DELIVERY_CANCELLED);
	sent(&w, "v2");
	claimed(&w, "v3");
}

/* ---- several */

/* n2's clock is an hour behind, and the catalog knows. */
static void
n2_is_behind(struct world *w)
{
	db_execute(w->db,
	    "INSERT INTO node_clock (node, skew_us, incarnation, first_us, "
	    "last_us) VALUES ('n2', -3600000000, '', 0, 0)");
}

static void
known_skew_is_taken_off(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0),
		      other = a_stream(N2 "-j1", -HOUR);
	struct world w;

	begin(&w, *state);
	n2_is_behind(&w);
	publish(&w, &s, "v1", 1);
	sent(&w, "v1");
	other.time_us += 1000000;
	publish(&w, &other, "v2", 2);
	sent(&w, "v2");
	/* and one that is older in truth is that */
	other.name = "n2-0000000000000002-j1";
	other.seq = 0;
	other.time_us -= 10 * MINUTE;
	publish(&w, &other, "v0", 3);
	kept_back(&w, "v0", MFTD_DELIVERY_CANCELLED);
}

/* A renaming by another node is of what was uploaded before it. */
static void
known_skew_counts_for_names(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0),
		      other = a_stream(N2 "-j1", -HOUR + 1000000);
	struct world w;

	begin(&w, *state);
	n2_is_behind(&w);
	publish(&w, &s, "v1", 1);
	assert_int_equal(
	    say_name(w.db, &other, MFTD_RECORD_RENAME, w.inode, "y"), 0);
	assert_string_equal(find(&w, "v1")->name, "y");
}

/* The database's clock is the measure.  SQLite has none but this node's: there
 * it is one that was set. */
static void
skew_is_measured(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0), other;
	struct mftd_catalog *c;
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v1", 1);
	sent(&w, "v1");
	c = w.db->c;
	w.db->c = db_open(w.db, "mftd-n2");
	mftd_catalog_here(w.db->c, "n2", N2);
	ahead_us = -HOUR;
	other = a_stream(N2 "-j1", -HOUR);
	publish(&w, &other, "v2", 2);
	if (w.db->postgres) {
		claimed(&w, "v2");
		/* and any node sees when it is to begin */
		assert_true(number(&w,
				"SELECT due_us FROM delivery WHERE receipt = "
				"'v2'") > __real_mftd_clock_wall_us() - MINUTE);
		assert_true(number(&w,
				"SELECT skew_us FROM node_clock "
				"WHERE node = 'n2'") < -59 * MINUTE);
		assert_int_equal(number(&w,
				     "SELECT skew_us FROM node_clock "
				     "WHERE node = 'n1'"),
		    0);
	} else {
		kept_back(&w, "v2", MFTD_DELIVERY_HELD);
	}
	mftd_catalog_close(w.db->c);
	w.db->c = c;
}

/* Records that waited while a clock was set may be of before or after. */
static void
change_of_skew_is_doubt(void **state)
{
	struct stream s;
	struct world w;

	begin(&w, *state);
	n2_is_behind(&w);
	if (!w.db->postgres)
		return;
	mftd_catalog_here(w.db->c, "n2", N2);
	s = a_stream(N2 "-j1", 0); /* it is right by now */
	publish(&w, &s, "v1", 1);
	assert_true(
	    number(&w, "SELECT order_off_us FROM delivery") >= HOUR - 1000000);
	publish(&w, &s, "v2", 2);
	assert_int_equal(number(&w,
			     "SELECT order_off_us FROM delivery "
			     "WHERE receipt = 'v2'"),
	    0);
}

/* A server that took over may have another clock. */
static void
catalogs_clock_does_not_go_back(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0);
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v1", 1);
	assert_int_equal(number(&w, "SELECT order_off_us FROM delivery"), 0);
	db_execute(w.db,
	    "UPDATE node_clock SET last_us = last_us + 3600000000 "
	    "WHERE node = ''");
	publish(&w, &s, "v2", 2);
	assert_true(number(&w,
			"SELECT order_off_us FROM delivery "
			"WHERE receipt = 'v2'") > 59 * MINUTE);
	assert_int_equal(number(&w,
			     "SELECT count(*) FROM node_clock "
			     "WHERE node = '' AND last_us > "
			     "(SELECT max(order_us) FROM delivery) + "
			     "3500000000"),
	    1);
}

/* ---- in doubt */

/* v1 of n1 is DONE; then comes v2 of n2, whose clock was set meanwhile. */
static void
have_doubt(struct world *w)
{
	struct stream s = a_stream(N1 "-j1", -2 * MINUTE),
		      other = a_stream(N2 "-j1", -10 * MINUTE);

	publish(w, &s, "v1", 1);
	sent(w, "v1");
	assert_int_equal(
	    say_name(w->db, &other, MFTD_RECORD_REMOVE, 999, ""), 0);
	other.time_us -= HOUR;
	publish(w, &other, "v2", 2);
}

static void
doubt_is_held(void **state)
{
	struct world w;

	begin(&w, *state);
	have_doubt(&w);
	kept_back(&w, "v2", MFTD_DELIVERY_HELD);
	assert_non_null(strstr(find(&w, "v2")->error, "release it"));
	assert_int_equal(find(&w, "v2")->tries, 0);
	/* who releases it wants it to be sent: it is not asked again */
	wish(&w, "v2", "release", MFTD_DELIVERY_QUEUED);
	claimed(&w, "v2");
}

/* The one that is there may be off, too. */
static void
doubt_of_the_other_one(void **state)
{
	struct stream s = a_stream(N1 "-j1", -MINUTE),
		      other = a_stream(N2 "-j1", -10 * MINUTE);
	struct world w;

	begin(&w, *state);
	assert_int_equal(
	    say_name(w.db, &other, MFTD_RECORD_REMOVE, 999, ""), 0);
	other.time_us -= HOUR;
	publish(&w, &other, "v1", 1);
	sent(&w, "v1");
	publish(&w, &s, "v2", 2);
	kept_back(&w, "v2", MFTD_DELIVERY_HELD);
}

/* By more than it may be off one is older, whatever clocks did. */
static void
no_doubt_of_what_is_far(void **state)
{
	struct world w;

	begin(&w, *state);
	have_doubt(&w);
	db_execute(w.db,
	    "UPDATE delivery SET order_us = order_us + 36000000000 "
	    "WHERE receipt = 'v1'");
	kept_back(&w, "v2", MFTD_DELIVERY_CANCELLED);
}

static void
no_doubt_within_a_node(void **state)
{
	struct world w;

	begin(&w, *state);
	have_doubt(&w);
	db_execute(w.db, "UPDATE delivery SET order_by = 'n2'");
	kept_back(&w, "v2", MFTD_DELIVERY_CANCELLED);
}

static void
no_doubt_where_nothing_is_overwritten(void **state)
{
	struct world w;

	begin(&w, *state);
	apply_as(w.db, MFTD_IF_EXISTS_NUMBER);
	have_doubt(&w);
	claimed(&w, "v2");
}

/* ---- hooks */

static void
apply_hook(struct db *db)
{
	static char *kinds[] = { "in_doubt", "replaced" };
	static char *program[] = { "/bin/true" };
	struct mftd_account alice = {
		.name = "alice", .volume = "main", .root = "alice"
	};
	struct mftd_partner acme = {
		.name = "acme", .host = "h", .port = 22, .user = "u"
	};
	struct mftd_hook hook = { .name = "h",
		.on = kinds,
		.n_on = 2,
		.exec = program,
		.n_exec = 1,
		.timeout_s = 30,
		.tries = 3 };
	struct mftd_route route = { .name = "r0",
		.account = "alice",
		.partner = "acme",
		.directory = "in",
		.queue = "q",
		.priority = 5,
		.at = { .if_exists = MFTD_IF_EXISTS_OVERWRITE } };
	struct mftd_objects o = { .accounts = &alice,
		.n_accounts = 1,
		.partners = &acme,
		.n_partners = 1,
		.routes = &route,
		.n_routes = 1,
		.hooks = &hook,
		.n_hooks = 1 };
	uint64_t version;

	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
}

/* The event of that kind of the receipt's delivery. */
static void
is_told(struct world *w, const char *kind, const char *receipt, int wishes)
{
	struct mftd_delivery *d = find(w, receipt);
	static struct mftd_event e;
	char id[256];

	snprintf(id, sizeof(id), "%s.%s.%d", kind, d->id, wishes);
	assert_int_equal(mftd_event_get(w->db->c, id, &e), 0);
	assert_string_equal(e.kind, kind);
	assert_string_equal(e.receipt, receipt);
	assert_string_equal(e.route, "r0");
	assert_string_equal(e.error, d->error);
	assert_int_equal(number(w, "SELECT count(*) FROM event"), 1);
}

static void
hooks_hear_of_doubt(void **state)
{
	struct world w;

	begin(&w, *state);
	apply_hook(w.db);
	have_doubt(&w);
	claimed(&w, "");
	is_told(&w, "in_doubt", "v2", 0);
	wish(&w, "v2", "release", MFTD_DELIVERY_QUEUED);
	claimed(&w, "v2");
	assert_int_equal(number(&w, "SELECT count(*) FROM event"), 1);
}

static void
hooks_hear_of_what_is_replaced(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0);
	struct world w;

	begin(&w, *state);
	apply_hook(w.db);
	publish(&w, &s, "v1", 1);
	publish(&w, &s, "v2", 2);
	wish(&w, "v1", "hold", MFTD_DELIVERY_HELD);
	sent(&w, "v2");
	wish(&w, "v1", "release", MFTD_DELIVERY_QUEUED);
	kept_back(&w, "v1", MFTD_DELIVERY_CANCELLED);
	is_told(&w, "replaced", "v1", 2);
	/* what a person cancels is not replaced */
	publish(&w, &s, "v3", 3);
	wish(&w, "v3", "cancel", MFTD_DELIVERY_CANCELLED);
	assert_int_equal(number(&w, "SELECT count(*) FROM event"), 1);
}

/* ---- found files */

static uint64_t
apply_folder(struct db *db, bool ordered)
{
	struct mftd_route_folder folder = {
		.volume = "main", .path = "drop/in", .every_s = 7, .stable_s = 3
	};
	struct mftd_partner acme = {
		.name = "acme", .host = "h", .port = 22, .user = "u"
	};
	struct mftd_route route = { .name = "r0",
		.folder = &folder,
		.partner = "acme",
		.directory = "in",
		.queue = "q",
		.priority = 5,
		.ordered = ordered,
		.at = { .if_exists = MFTD_IF_EXISTS_OVERWRITE } };
	struct mftd_objects o = { .partners = &acme,
		.n_partners = 1,
		.routes = &route,
		.n_routes = 1 };
	uint64_t version;

	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
	return version;
}

static void
find_file(struct world *w, uint64_t version, const char *id, const char *path)
{
	struct mftd_found f = { .origin = MFTD_ORIGIN_FOLDER,
		.route = "r0",
		.volume = "main",
		.path = path,
		.shown = path,
		.v = { .size = 42, .inode = ++w->inode },
		.receipt = id,
		.delivery = id,
		.now_us = mftd_clock_wall_us() };

	assert_int_equal(mftd_found_put(w->db->c, &w->role, version, &f), 0);
}

static void
found_later_is_later(void **state)
{
	struct world w;
	uint64_t version;

	begin(&w, *state);
	version = apply_folder(w.db, false);
	find_file(&w, version, "f1", "x");
	ahead_us = -HOUR;
	find_file(&w, version, "f2", "x");
	claimed(&w, "f1");
	claimed(&w, "");
	done(&w, "f1");
	sent(&w, "f2");
	ahead_us = -2 * HOUR;
	find_file(&w, version, "f3", "x");
	claimed(&w, "f3");
}

static void
found_in_an_order_is_sent_in_it(void **state)
{
	struct world w;
	uint64_t version;

	begin(&w, *state);
	version = apply_folder(w.db, true);
	find_file(&w, version, "f1", "x");
	ahead_us = -HOUR;
	find_file(&w, version, "f2", "y");
	ahead_us = -2 * HOUR;
	find_file(&w, version, "f3", "z");
	sent(&w, "f1");
	sent(&w, "f2");
	claimed(&w, "f3");
}

/* ---- two queues, and names without a key */

/* A route has got another queue meanwhile. */
static void
one_of_another_queue_lets_go(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0);
	struct mftd_role_row other;
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v1", 1);
	publish(&w, &s, "v2", 2);
	publish(&w, &s, "v3", 3);
	db_execute(w.db,
	    "UPDATE delivery SET queue = 'q2' "
	    "WHERE receipt IN ('v2', 'v3')");
	assert_int_equal(mftd_catalog_raise(w.db->c, "q2", "me", &other), 0);
	claimed(&w, "v1");
	claimed_of(&w, &other, "");
	done(&w, "v1");
	claimed_of(&w, &other, "v2");
	/* a person as well */
	wish(&w, "v2", "hold", MFTD_DELIVERY_HELD);
	claimed_of(&w, &other, "v3");
}

/* Versions of before there were keys. */
static void
make_keyless(struct world *w, int n)
{
	char sql[1024];
	int i;

	apply_routes(w->db, 1);
	for (i = 0; i < n; i++) {
		snprintf(sql, sizeof(sql),
		    "INSERT INTO receipt (id, known, outcome, has_routes, "
		    "matched) VALUES ('v%03d', 1, 'PUBLISHED', 1, 1);"
		    "INSERT INTO delivery (id, receipt, route, queue, partner, "
		    "volume, directory, name, state, size, due_us, order_us, "
		    "if_exists) VALUES ('d%03d', 'v%03d', 'r0', 'q', 'acme', "
		    "'main', 'inbox', CAST('x' AS %s), '%s', 7, 1, %d, "
		    "'overwrite')",
		    i, i, i, w->db->postgres ? "BYTEA" : "BLOB",
		    i == 0	     ? "DONE"
			: i == n - 1 ? "HELD"
				     : "QUEUED",
		    1000 + i);
		db_execute(w->db, sql);
	}
}

static int64_t
keyless(struct world *w)
{
	return number(w, "SELECT count(*) FROM delivery WHERE name_key = 0");
}

static void
migration_gives_keys(void **state)
{
	struct world w = { .db = *state };
	int n = 300; /* more than one transaction */

	ahead_us = 0;
	assert_int_equal(mftd_db_run(w.db->c, "UPDATE config SET version = 0",
			     NULL, 0, NULL, NULL),
	    1);
	make_keyless(&w, n);
	assert_int_equal(mftd_catalog_migrate(w.db->c), 0);
	assert_int_equal(keyless(&w), 1); /* what has ended */
	assert_int_equal(mftd_catalog_raise(w.db->c, "q", "me", &w.role), 0);
	claimed(&w, "v001");
	claimed(&w, "");
	done(&w, "v001");
	claimed(&w, "v002");
}

/* No claim is before that. */
static void
owner_gives_keys(void **state)
{
	struct stream s = a_stream(N1 "-j1", 0);
	struct world w;

	begin(&w, *state);
	publish(&w, &s, "v1", 1);
	publish(&w, &s, "v2", 2);
	db_execute(w.db, "UPDATE delivery SET name_key = 0");
	assert_int_equal(mftd_catalog_raise(w.db->c, "q", "me", &w.role), 0);
	assert_int_equal(keyless(&w), 0);
	claimed(&w, "v1");
}

void
tests_order(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(clock_set_back_makes_nothing_older),
		DB_TEST(clock_set_back_keeps_the_order),
		DB_TEST(next_life_is_later),
		DB_TEST(next_stream_is_later),
		DB_TEST(repetition_is_the_later_one),
		DB_TEST(known_skew_is_taken_off),
		DB_TEST(known_skew_counts_for_names),
		DB_TEST(skew_is_measured),
		DB_TEST(change_of_skew_is_doubt),
		DB_TEST(catalogs_clock_does_not_go_back),
		DB_TEST(doubt_is_held),
		DB_TEST(doubt_of_the_other_one),
		DB_TEST(no_doubt_of_what_is_far),
		DB_TEST(no_doubt_within_a_node),
		DB_TEST(no_doubt_where_nothing_is_overwritten),
		DB_TEST(hooks_hear_of_doubt),
		DB_TEST(hooks_hear_of_what_is_replaced),
		DB_TEST(found_later_is_later),
		DB_TEST(found_in_an_order_is_sent_in_it),
		DB_TEST(one_of_another_queue_lets_go),
		cmocka_unit_test_setup_teardown(
		    migration_gives_keys, db_setup_keyless, db_teardown),
		DB_TEST(owner_gives_keys),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
