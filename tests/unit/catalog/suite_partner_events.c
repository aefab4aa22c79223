/* Part of mftd; see LICENSE. */
/* Hooks are told of a partner that is stopped and goes on: once each, whoever
 * writes it and how often. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/hook_runs.h"
#include "mftd/catalog/partner_state.h"

static char *both[] = { "partner-stopped", "partner-back" };
static char *program[] = { "/bin/true" };

static struct mftd_hook
a_hook(char *name, size_t n_on)
{
	return (struct mftd_hook) { .name = name,
		.on = both,
		.n_on = n_on,
		.exec = program,
		.n_exec = 1,
		.timeout_s = 30,
		.tries = 3 };
}

/* alice's uploads go to acme, by queue q; nobody's go to bravo. */
static void
apply(struct db *db, struct mftd_hook *hooks, size_t n_hooks)
{
	struct mftd_account accounts[] = {
		{ .name = "alice", .volume = "main", .root = "alice" },
		{ .name = "bob", .volume = "main", .root = "bob" },
	};
	struct mftd_partner partners[] = {
		{ .name = "acme", .host = "h", .port = 22, .user = "u" },
		{ .name = "bravo", .host = "h", .port = 22, .user = "u" },
	};
	struct mftd_route_pull from_acme = {
		.partner = "acme",
		.directory = "out",
		.volume = "main",
		.fetched = "keep",
	};
	struct mftd_route routes[] = {
		{ .name = "r0",
		    .account = "alice",
		    .partner = "acme",
		    .directory = "in",
		    .queue = "q" },
		{ .name = "r1",
		    .account = "bob",
		    .partner = "acme",
		    .directory = "in",
		    .queue = "other" },
		{ .name = "fetch",
		    .pull = &from_acme,
		    .to_account = "bob",
		    .directory = "in",
		    .queue = "q" },
		{ .name = "fetch-other",
		    .pull = &from_acme,
		    .partner = "bravo",
		    .directory = "in",
		    .queue = "other" },
	};
	struct mftd_objects o = { .accounts = accounts,
		.n_accounts = 2,
		.partners = partners,
		.n_partners = 2,
		.routes = routes,
		.n_routes = 4,
		.hooks = hooks,
		.n_hooks = n_hooks };
	uint64_t version;

	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
}

static struct mftd_role_row
raise(struct db *db)
{
	struct mftd_role_row role;

	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	return role;
}

static struct mftd_partner_row
row_of(const char *partner, enum mftd_partner_state state,
    enum mftd_partner_fault fault, int64_t since_us)
{
	struct mftd_partner_row p = { .state = state,
		.fault = fault,
		.since_us = since_us,
		.probe_us = 1LL << 60 };

	snprintf(p.partner, sizeof(p.partner), "%s", partner);
	snprintf(p.reason, sizeof(p.reason), "no\xffway");
	return p;
}

static int
step(struct db *db, const struct mftd_role_row *role,
    const struct mftd_partner_row *p, enum mftd_partner_state from)
{
	return mftd_catalog_partner_step(db->c, role, p, from);
}

static int
add_run(void *data, const struct mftd_run *run)
{
	char *text = data;
	size_t n = strlen(text);

	snprintf(text + n, 4096 - n, "%s@%s\n", run->event, run->hook);
	return 0;
}

/* What that hook is told of, so far, a line each. */
static const char *
told(struct db *db, const struct mftd_role_row *role, const char *hook)
{
	static char text[4096];

	text[0] = '\0';
	assert_true(mftd_runs_spread(db->c, role, mftd_clock_wall_us()) >= 0);
	assert_int_equal(mftd_runs_list(db->c, hook, 0, 100, add_run, text), 0);
	return text;
}

static void
stopped_and_back_once(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h", 2);
	struct mftd_partner_row p =
	    row_of("acme", MFTD_PARTNER_OPEN, MFTD_FAULT_REFUSED, 1000);
	struct mftd_event e;

	apply(db, &h, 1);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	p.state = MFTD_PARTNER_HALF_OPEN; /* the probes of a whole night */
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_OPEN), 0);
	p.state = MFTD_PARTNER_OPEN;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_HALF_OPEN), 0);
	assert_string_equal(
	    told(db, &role, "h"), "partner-stopped.q.acme.1000.refused@h\n");
	assert_int_equal(
	    mftd_event_get(db->c, "partner-stopped.q.acme.1000.refused", &e),
	    0);
	assert_string_equal(e.kind, "partner-stopped");
	assert_string_equal(e.partner, "acme");
	assert_string_equal(e.queue, "q");
	assert_string_equal(e.fault, "refused");
	assert_string_equal(e.error, "no?way");
	assert_true(e.time_us > 1000);

	role = raise(db); /* the next owner found the row, and a probe let in */
	p.state = MFTD_PARTNER_CLOSED;
	p.since_us = 2000;
	p.reason[0] = '\0';
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_OPEN), 0);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_OPEN), 0);
	assert_string_equal(told(db, &role, "h"),
	    "partner-stopped.q.acme.1000.refused@h\n"
	    "partner-back.q.acme.1000@h\n");
	assert_int_equal(
	    mftd_event_get(db->c, "partner-back.q.acme.1000", &e), 0);
	assert_string_equal(e.fault, "refused");
	assert_string_equal(e.error, "");

	p = row_of("acme", MFTD_PARTNER_OPEN, MFTD_FAULT_REFUSED, 3000);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	assert_string_equal(told(db, &role, "h"),
	    "partner-stopped.q.acme.1000.refused@h\n"
	    "partner-back.q.acme.1000@h\n"
	    "partner-stopped.q.acme.3000.refused@h\n");
}

/* It was only away and then refuses us: that is told, too; not the reverse,
 * which no owner writes. */
static void
away_then_refused(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h", 2);
	struct mftd_partner_row p =
	    row_of("acme", MFTD_PARTNER_OPEN, MFTD_FAULT_AWAY, 1000);

	apply(db, &h, 1);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	p.state = MFTD_PARTNER_HALF_OPEN;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_OPEN), 0);
	p.state = MFTD_PARTNER_OPEN;
	p.fault = MFTD_FAULT_REFUSED;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_HALF_OPEN), 0);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_HALF_OPEN), 0);
	p.state = MFTD_PARTNER_CLOSED;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_OPEN), 0);
	assert_string_equal(told(db, &role, "h"),
	    "partner-stopped.q.acme.1000.away@h\n"
	    "partner-stopped.q.acme.1000.refused@h\n"
	    "partner-back.q.acme.1000@h\n");
}

/* Nothing is written, and nothing told, by who may not. */
static void
stale_owner_tells_nobody(void **state)
{
	struct db *db = *state;
	struct mftd_role_row old = raise(db), role;
	struct mftd_hook h = a_hook("h", 2);
	struct mftd_partner_row p =
	    row_of("acme", MFTD_PARTNER_OPEN, MFTD_FAULT_REFUSED, 1000);

	apply(db, &h, 1);
	role = raise(db);
	assert_int_equal(
	    step(db, &old, &p, MFTD_PARTNER_CLOSED), -MFTD_E_STALE_EPOCH);
	assert_string_equal(told(db, &role, "h"), "");
	/* nor of a step from where a person has moved it */
	p.state = MFTD_PARTNER_OPEN;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	assert_int_equal(mftd_catalog_partner_resume(db->c, "acme", "bob"), 1);
	p.fault = MFTD_FAULT_AWAY;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_HALF_OPEN), -ENOENT);
	assert_string_equal(told(db, &role, "h"),
	    "partner-stopped.q.acme.1000.refused@h\n"
	    "partner-back.q.acme.1000@h\n");
}

/* A person brings it back: once, though the owner may have found that, too. */
static void
person_brings_it_back(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h", 2);
	struct mftd_partner_row p =
	    row_of("acme", MFTD_PARTNER_OPEN, MFTD_FAULT_REFUSED, 1000);
	struct mftd_event e;

	apply(db, &h, 1);
	assert_int_equal(mftd_catalog_partner_resume(db->c, "acme", "bob"), 0);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	assert_int_equal(mftd_catalog_partner_resume(db->c, "bravo", "bob"), 0);
	assert_int_equal(
	    mftd_catalog_partner_resume(db->c, "acme", "by bob"), 1);
	assert_int_equal(
	    mftd_catalog_partner_resume(db->c, "acme", "by bob"), 0);
	p.state = MFTD_PARTNER_CLOSED;
	p.since_us = 2000;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_HALF_OPEN), 0);
	assert_string_equal(told(db, &role, "h"),
	    "partner-stopped.q.acme.1000.refused@h\n"
	    "partner-back.q.acme.1000@h\n");
	assert_int_equal(
	    mftd_event_get(db->c, "partner-back.q.acme.1000", &e), 0);
	assert_string_equal(e.error, "by bob");
	assert_string_equal(e.partner, "acme");
	assert_string_equal(e.fault, "refused");
}

/* Where no hook wants it there is no row; nor of a partner that is configured
 * no more. */
static void
unwanted_is_not_written(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h", 1); /* of stops only */
	struct mftd_partner_row p =
	    row_of("acme", MFTD_PARTNER_OPEN, MFTD_FAULT_REFUSED, 1000);
	struct mftd_event e;

	apply(db, NULL, 0);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	assert_int_equal(mftd_catalog_partner_resume(db->c, "acme", "x"), 1);
	apply(db, &h, 1);
	p.since_us = 2000;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	p.state = MFTD_PARTNER_CLOSED;
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_OPEN), 0);
	p = row_of("gone", MFTD_PARTNER_OPEN, MFTD_FAULT_REFUSED, 3000);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	assert_string_equal(
	    told(db, &role, "h"), "partner-stopped.q.acme.2000.refused@h\n");
	assert_int_equal(
	    mftd_event_get(db->c, "partner-stopped.q.acme.1000.refused", &e),
	    -ENOENT);
	assert_int_equal(
	    mftd_event_get(db->c, "partner-back.q.acme.1000", &e), -ENOENT);
	assert_int_equal(
	    mftd_event_get(db->c, "partner-back.q.acme.2000", &e), -ENOENT);
}

/* A partner is of the routes, and the accounts, that go there by that queue,
 * and of the routes that fetch from it. */
static void
filters_take_partners(void **state)
{
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook hooks[9];
	static char *const values[] = { "acme", "bravo", "r0", "r1", "alice",
		"bob", "fetch", "fetch-other" };
	struct mftd_partner_row p =
	    row_of("acme", MFTD_PARTNER_OPEN, MFTD_FAULT_REFUSED, 1000);
	char names[9][8], *lists[8];
	size_t i;

	for (i = 0; i < 9; i++) {
		snprintf(names[i], sizeof(names[i]), "h%zu", i);
		hooks[i] = a_hook(names[i], 2);
	}
	for (i = 0; i < 8; i++)
		lists[i] = values[i];
	hooks[0].partners = &lists[0];
	hooks[1].partners = &lists[1];
	hooks[2].routes = &lists[2];
	hooks[3].routes = &lists[3];
	hooks[6].routes = &lists[6];
	hooks[7].routes = &lists[7];
	hooks[4].accounts = &lists[4];
	hooks[5].accounts = &lists[5];
	hooks[0].n_partners = hooks[1].n_partners = 1;
	hooks[2].n_routes = hooks[3].n_routes = 1;
	hooks[6].n_routes = hooks[7].n_routes = 1;
	hooks[4].n_accounts = hooks[5].n_accounts = 1;
	apply(db, hooks, 9);
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	assert_string_equal(told(db, &role, NULL),
	    "partner-stopped.q.acme.1000.refused@h0\n"
	    "partner-stopped.q.acme.1000.refused@h2\n"
	    "partner-stopped.q.acme.1000.refused@h4\n"
	    "partner-stopped.q.acme.1000.refused@h6\n"
	    "partner-stopped.q.acme.1000.refused@h8\n");
}

/* The longest names there are still make an id that can be read. */
static void
longest_id(void **state)
{
	struct db *db = *state;
	char name[MFTD_NAME_BYTES], queue[58];
	struct mftd_partner partner = {
		.name = name, .host = "h", .port = 22, .user = "u"
	};
	struct mftd_hook h = a_hook(name, 2);
	struct mftd_objects o = {
		.partners = &partner, .n_partners = 1, .hooks = &h, .n_hooks = 1
	};
	struct mftd_role_row role;
	struct mftd_partner_row p;
	uint64_t version;

	memset(name, 'p', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(queue, 'q', sizeof(queue) - 1);
	queue[sizeof(queue) - 1] = '\0';
	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
	assert_int_equal(mftd_catalog_raise(db->c, queue, "me", &role), 0);
	p = row_of(
	    name, MFTD_PARTNER_OPEN, MFTD_FAULT_REFUSED, mftd_clock_wall_us());
	assert_int_equal(step(db, &role, &p, MFTD_PARTNER_CLOSED), 0);
	assert_non_null(strstr(told(db, &role, NULL), ".refused@ppp"));
}

void
tests_partner_events(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(stopped_and_back_once),
		DB_TEST(away_then_refused),
		DB_TEST(stale_owner_tells_nobody),
		DB_TEST(person_brings_it_back),
		DB_TEST(unwanted_is_not_written),
		DB_TEST(filters_take_partners),
		DB_TEST(longest_id),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
