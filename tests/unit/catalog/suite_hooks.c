/* Part of mftd; see LICENSE. */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/hook_runs.h"
#include "mftd/catalog/steps.h"

#define S 1000000LL

static char *every_kind[] = { "received", "delivered", "failed", "in_doubt",
	"late" };
static char *program[] = { "/bin/true" };

static struct mftd_hook
a_hook(char *name)
{
	return (struct mftd_hook) { .name = name,
		.on = every_kind,
		.n_on = 5,
		.exec = program,
		.n_exec = 1,
		.timeout_s = 30,
		.tries = 3 };
}

/* alice's uploads go to acme by r0 and, if that has one, to bravo by r1. */
static void
apply(struct db *db, struct mftd_hook *hooks, size_t n_hooks)
{
	struct mftd_account alice = {
		.name = "alice", .volume = "main", .root = "alice"
	};
	struct mftd_partner partners[] = {
		{ .name = "acme", .host = "h", .port = 22, .user = "u" },
		{ .name = "bravo", .host = "h", .port = 22, .user = "u" },
	};
	char *logs[] = { "*.log" };
	struct mftd_route routes[] = {
		{ .name = "r0",
		    .account = "alice",
		    .partner = "acme",
		    .directory = "in",
		    .queue = "q" },
		{ .name = "r1",
		    .account = "alice",
		    .partner = "bravo",
		    .directory = "in",
		    .queue = "q",
		    .files = logs,
		    .n_files = 1 },
	};
	struct mftd_objects o = { .accounts = &alice,
		.n_accounts = 1,
		.partners = partners,
		.n_partners = 2,
		.routes = routes,
		.n_routes = 2,
		.hooks = hooks,
		.n_hooks = n_hooks };
	uint64_t version;

	assert_int_equal(mftd_catalog_apply(db->c, &o, &version), 0);
}

static void
publish(struct db *db, struct stream *s, const char *id, const char *path)
{
	assert_int_equal(say_receipt(db, s, id, path, s->seq + 1), 0);
	assert_int_equal(say_outcome(db, s, id, MFTD_RECORD_PUBLISHED), 0);
}

/* What runs there are, as "EVENT@HOOK STATE …" in order of their events. */
static int
add_run(void *data, const struct mftd_run *run)
{
	char *text = data;
	size_t n = strlen(text);

	snprintf(text + n, 4096 - n, "%s@%s %s\n", run->event, run->hook,
	    mftd_run_state_name(run->state));
	return 0;
}

static const char *
runs(struct db *db, const char *hook)
{
	static char text[4096];

	text[0] = '\0';
	assert_int_equal(mftd_runs_list(db->c, hook, 0, 100, add_run, text), 0);
	return text;
}

static struct mftd_role_row
raise(struct db *db)
{
	struct mftd_role_row role;

	assert_int_equal(mftd_catalog_raise(db->c, "q", "me", &role), 0);
	return role;
}

static void
spread(struct db *db, const struct mftd_role_row *role, int events)
{
	assert_int_equal(
	    mftd_runs_spread(db->c, role, mftd_clock_wall_us()), events);
}

/* The delivery moved to that state, with that error. */
static void
move(struct db *db, const struct mftd_role_row *role, const char *receipt,
    enum mftd_delivery_state to, const char *error)
{
	struct mftd_delivery d;
	enum mftd_delivery_state from;

	assert_true(find_delivery(db, receipt, &d));
	from = d.state;
	d.state = to;
	d.tries = 2;
	snprintf(d.host, sizeof(d.host), "h:22");
	snprintf(d.error, sizeof(d.error), "%s", error);
	assert_int_equal(mftd_catalog_step(db->c, role, &d, from), 0);
}

/* ---- objects */

static void
hooks_come_back_as_they_were(void **state)
{
	struct db *db = *state;
	char *some[] = { "r0", "r1" }, *to[] = { "a@b", "c@d" };
	struct mftd_hook_http http = {
		.url = "https://h/x", .secret = "s", .ca_file = "/ca"
	};
	struct mftd_hook_mail mail = { .url = "smtp://h",
		.from = "m@n",
		.to = to,
		.n_to = 2,
		.user = "u",
		.password = "p",
		.starttls = true };
	struct mftd_hook hooks[] = { a_hook("a"), a_hook("b"), a_hook("c") };
	struct mftd_objects *o;

	hooks[0].routes = some;
	hooks[0].n_routes = 2;
	hooks[1].n_exec = hooks[2].n_exec = 0;
	hooks[1].http = &http;
	hooks[2].mail = &mail;
	apply(db, hooks, 3);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_int_equal(o->n_hooks, 3);
	assert_string_equal(o->hooks[0].exec[0], "/bin/true");
	assert_int_equal(o->hooks[0].n_on, 5);
	assert_int_equal(o->hooks[0].n_routes, 2);
	assert_string_equal(o->hooks[0].routes[1], "r1");
	assert_int_equal(o->hooks[0].n_accounts + o->hooks[0].n_partners, 0);
	assert_string_equal(o->hooks[1].http->url, "https://h/x");
	assert_string_equal(o->hooks[1].http->secret, "s");
	assert_string_equal(o->hooks[1].http->ca_file, "/ca");
	assert_null(o->hooks[1].mail);
	assert_string_equal(o->hooks[2].mail->to[1], "c@d");
	assert_string_equal(o->hooks[2].mail->password, "p");
	assert_true(o->hooks[2].mail->starttls);
	assert_int_equal(o->hooks[2].tries, 3);
	mftd_objects_free(o);
	apply(db, hooks, 1);
	assert_int_equal(mftd_catalog_load(db->c, &o), 0);
	assert_int_equal(o->n_hooks, 1);
	mftd_objects_free(o);
}

/* ---- events */

static void
nobody_wants_it_nothing_is_written(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");

	apply(db, NULL, 0);
	publish(db, &s, "f0", "x");
	move(db, &role, "f0", MFTD_DELIVERY_DONE, "");
	apply(db, &h, 1);
	spread(db, &role, 0);
	/* nor is it made up for: a record that is repeated changes nothing */
	assert_int_equal(say_outcome(db, &s, "f0", MFTD_RECORD_PUBLISHED), 0);
	assert_int_equal(say_name(db, &s, MFTD_RECORD_RENAME, 1, "y"), 0);
	spread(db, &role, 0);
}

static void
each_event_is_written_once(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct stream other = { .name = "s2", .time_us = 2000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");
	struct mftd_delivery d;
	struct mftd_event e;
	char id[MFTD_EVENT_ID_BYTES];

	apply(db, &h, 1);
	/* in either order of the two records, and said again by another */
	publish(db, &s, "f0", "x");
	assert_int_equal(
	    say_outcome(db, &other, "f1", MFTD_RECORD_PUBLISHED), 0);
	spread(db, &role, 1);
	assert_int_equal(say_receipt(db, &s, "f1", "y", 9), 0);
	assert_int_equal(
	    say_outcome(db, &other, "f0", MFTD_RECORD_PUBLISHED), 0);
	assert_int_equal(say_receipt(db, &s, "f2", "z", 10), 0);
	assert_int_equal(say_outcome(db, &s, "f2", MFTD_RECORD_ABANDONED), 0);
	spread(db, &role, 1);
	spread(db, &role, 0);
	assert_string_equal(
	    runs(db, "h"), "received.f0@h QUEUED\nreceived.f1@h QUEUED\n");

	move(db, &role, "f0", MFTD_DELIVERY_SENDING, "");
	spread(db, &role, 0);
	move(db, &role, "f0", MFTD_DELIVERY_IN_DOUBT, "who knows");
	spread(db, &role, 1);
	assert_true(find_delivery(db, "f0", &d));
	snprintf(id, sizeof(id), "in_doubt.%s.0", d.id);
	assert_int_equal(mftd_event_get(db->c, id, &e), 0);
	assert_string_equal(e.kind, "in_doubt");
	assert_string_equal(e.error, "who knows");
	assert_string_equal(e.route, "r0");
	assert_string_equal(e.partner, "acme");
	assert_string_equal(e.account, "alice");
	assert_string_equal(e.path, "x");
	assert_string_equal(e.host, "h:22");
	assert_int_equal(e.tries, 2);
	assert_int_equal(e.size, 42);
	assert_true(e.has_sha256);
	assert_int_equal(mftd_event_get(db->c, "none", &e), -ENOENT);
}

/* Where the partner has it; what failed it does not have. */
static void
name_is_the_one_at_the_partner(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");
	struct mftd_event e;
	struct mftd_delivery d;
	char id[MFTD_EVENT_ID_BYTES];

	apply(db, &h, 1);
	publish(db, &s, "f0", "x.txt");
	move(db, &role, "f0", MFTD_DELIVERY_SENDING, "");
	db_execute(db, "UPDATE delivery SET number = 2");
	move(db, &role, "f0", MFTD_DELIVERY_IN_DOUBT, "who knows");
	assert_true(find_delivery(db, "f0", &d));
	snprintf(id, sizeof(id), "in_doubt.%s.0", d.id);
	assert_int_equal(mftd_event_get(db->c, id, &e), 0);
	assert_string_equal(e.name, "x-2.txt");
	db_execute(db, "UPDATE event SET kind = 'failed'");
	assert_int_equal(mftd_event_get(db->c, id, &e), 0);
	assert_string_equal(e.name, "x.txt");
}

/* A person's wish begins another episode. */
static void
wishes_make_it_another_event(void **state)
{
	const struct mftd_wish wish = { .who = "p",
		.what = "retry",
		.from = MFTD_DELIVERY_FAILED,
		.to = MFTD_DELIVERY_QUEUED };
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");
	struct mftd_delivery d;
	char expected[512];

	apply(db, &h, 1);
	publish(db, &s, "f0", "x");
	move(db, &role, "f0", MFTD_DELIVERY_FAILED, "no");
	assert_true(find_delivery(db, "f0", &d));
	assert_int_equal(mftd_catalog_wish(db->c, d.id, &wish, 0), 0);
	move(db, &role, "f0", MFTD_DELIVERY_FAILED, "no");
	spread(db, &role, 3);
	snprintf(expected, sizeof(expected),
	    "received.f0@h QUEUED\nfailed.%s.0@h QUEUED\n"
	    "failed.%s.1@h QUEUED\n",
	    d.id, d.id);
	assert_string_equal(runs(db, "h"), expected);
}

/* A run in each state that a statement moves from, and an event to spread; hook
 * i is configured no more. */
static void
make_one_of_each(struct db *db, const struct mftd_role_row *role)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct mftd_hook h[] = { a_hook("h"), a_hook("i") };
	struct mftd_run run;
	int i;

	apply(db, h, 2);
	publish(db, &s, "f0", "x");
	publish(db, &s, "f1", "y");
	spread(db, role, 2);
	for (i = 0; i < 2; i++)
		assert_int_equal(mftd_runs_claim(db->c, role, "h",
				     mftd_clock_wall_us(), &run, 1),
		    1);
	run.state = MFTD_RUN_WAITING;
	run.due_us = 1;
	assert_int_equal(mftd_run_end(db->c, role, &run), 0);
	apply(db, h, 1);
	publish(db, &s, "f2", "z");
}

static void
stale_owner_changes_nothing(void **state)
{
	struct db *db = *state;
	struct mftd_role_row old = raise(db), new;
	struct mftd_run run = { .event = "received.f0", .hook = "h" };
	struct mftd_deadline late = { .route = "r1", .until_us = 5 * S };
	struct mftd_delivery d;
	struct mftd_event e;
	int64_t now = mftd_clock_wall_us(), looked;
	char before[4096];

	make_one_of_each(db, &old);
	assert_int_equal(
	    mftd_deadline_looked(db->c, &old, "r1", 7, &looked), 0);
	snprintf(before, sizeof(before), "%s", runs(db, NULL));
	new = raise(db);
	assert_true(find_delivery(db, "f0", &d));
	d.state = MFTD_DELIVERY_DONE;
	assert_int_equal(
	    mftd_catalog_step(db->c, &old, &d, MFTD_DELIVERY_QUEUED),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_runs_spread(db->c, &old, now), -MFTD_E_STALE_EPOCH);
	assert_int_equal(mftd_runs_claim(db->c, &old, "h", now, &run, 1),
	    -MFTD_E_STALE_EPOCH);
	run.state = MFTD_RUN_DONE;
	assert_int_equal(mftd_run_end(db->c, &old, &run), -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_runs_inherit(db->c, &old, now, ""), -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_runs_abandon(db->c, &old, now), -MFTD_E_STALE_EPOCH);
	assert_int_equal(mftd_deadline_looked(db->c, &old, "r0", now, &looked),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_deadline_late(db->c, &old, &late, now), -MFTD_E_STALE_EPOCH);
	assert_int_equal(
	    mftd_deadline_pass(db->c, &old, "r1", now), -MFTD_E_STALE_EPOCH);
	assert_string_equal(runs(db, NULL), before);
	assert_int_equal(mftd_event_get(db->c, "late.r1.5", &e), -ENOENT);
	assert_int_equal(
	    mftd_deadline_looked(db->c, &new, "r1", now, &looked), 0);
	assert_int_equal(looked, 7);
	assert_int_equal(
	    mftd_deadline_looked(db->c, &new, "r0", 9, &looked), 0);
	assert_int_equal(looked, 9);
	spread(db, &new, 1);

	db_execute(db, "UPDATE hook_run SET state = 'DONE'");
	assert_int_equal(mftd_events_expire(db->c, &old, now + 3600 * S),
	    -MFTD_E_STALE_EPOCH);
	assert_int_equal(mftd_event_get(db->c, "received.f0", &e), 0);
	assert_int_equal(mftd_run_get(db->c, "received.f0", "h", &run), 0);
}

/* ---- who wants what */

static void
filters_decide(void **state)
{
	char *r1[] = { "r1" }, *acme[] = { "acme" }, *nobody[] = { "bob" };
	char *delivered[] = { "delivered" };
	struct mftd_hook hooks[] = { a_hook("all"), a_hook("r1"),
		a_hook("acme"), a_hook("bob"), a_hook("both"), a_hook("done") };
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);

	hooks[1].routes = hooks[4].routes = r1;
	hooks[1].n_routes = hooks[4].n_routes = 1;
	hooks[2].partners = hooks[4].partners = acme;
	hooks[2].n_partners = hooks[4].n_partners = 1;
	hooks[3].accounts = nobody;
	hooks[3].n_accounts = 1;
	hooks[5].on = delivered;
	hooks[5].n_on = 1;
	apply(db, hooks, 6);
	publish(db, &s, "f0", "x.txt"); /* by r0 to acme */
	move(db, &role, "f0", MFTD_DELIVERY_FAILED, "no");
	publish(db, &s, "f1", "x.log"); /* and by r1 to bravo */
	spread(db, &role, 3);
	assert_non_null(strstr(runs(db, "all"), "received.f0@all"));
	assert_non_null(strstr(runs(db, "all"), "failed."));
	assert_string_equal(runs(db, "r1"), "received.f1@r1 QUEUED\n");
	assert_non_null(strstr(runs(db, "acme"), "received.f0@acme"));
	assert_non_null(strstr(runs(db, "acme"), "failed."));
	assert_string_equal(runs(db, "bob"), "");
	/* a received one is of r1, and of acme, though of neither alone */
	assert_string_equal(runs(db, "both"), "received.f1@both QUEUED\n");
	assert_string_equal(runs(db, "done"), "");
}

/* ---- runs */

static int
count_due(void *data, const char *hook)
{
	(*(int *)data)++;
	return 0;
}

static void
run_goes_its_way(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");
	struct mftd_run run, again;
	int64_t now;
	int due = 0;

	apply(db, &h, 1);
	publish(db, &s, "f0", "x");
	publish(db, &s, "f1", "y");
	spread(db, &role, 2);
	now = mftd_clock_wall_us();
	assert_int_equal(mftd_runs_due(db->c, now, count_due, &due), 0);
	assert_int_equal(due, 1);
	assert_int_equal(
	    mftd_runs_claim(db->c, &role, "none", now, &run, 1), 0);
	assert_int_equal(mftd_runs_claim(db->c, &role, "h", now, &run, 1), 1);
	assert_string_equal(run.event, "received.f0");
	assert_int_equal(run.state, MFTD_RUN_RUNNING);
	assert_int_equal(run.tries, 1);
	assert_int_equal(mftd_runs_claim(db->c, &role, "h", now, &again, 1), 1);
	assert_string_equal(again.event, "received.f1");
	assert_int_equal(mftd_runs_claim(db->c, &role, "h", now, &again, 1), 0);

	run.state = MFTD_RUN_WAITING;
	run.due_us = now + 10 * S;
	run.ended_us = now;
	strcpy(run.error, "caf\xe9 \xff");
	assert_int_equal(mftd_run_end(db->c, &role, &run), 0);
	assert_int_equal(mftd_run_end(db->c, &role, &run), -ENOENT);
	assert_int_equal(mftd_run_get(db->c, "received.f0", "h", &again), 0);
	assert_string_equal(again.error, "caf? ?");
	assert_int_equal(mftd_runs_claim(db->c, &role, "h", now, &again, 1), 0);
	assert_int_equal(
	    mftd_runs_claim(db->c, &role, "h", now + 10 * S, &run, 1), 1);
	assert_int_equal(run.tries, 2);
	run.state = MFTD_RUN_DONE;
	run.error[0] = '\0';
	assert_int_equal(mftd_run_end(db->c, &role, &run), 0);
	assert_int_equal(
	    mftd_runs_claim(db->c, &role, "h", now + 3600 * S, &run, 1), 0);
	assert_int_equal(
	    mftd_run_retry(db->c, "received.f0", "h", now), -ENOENT);
}

/* Only what nobody has in hand, and only what was running. */
static void
inherited_runs_are_due_again(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");
	struct mftd_run run[3];
	int64_t now;

	apply(db, &h, 1);
	publish(db, &s, "f0", "x");
	publish(db, &s, "f01", "y");
	publish(db, &s, "f2", "z");
	spread(db, &role, 3);
	now = mftd_clock_wall_us();
	assert_int_equal(mftd_runs_claim(db->c, &role, "h", now, run, 3), 3);
	run[2].state = MFTD_RUN_DONE;
	assert_int_equal(mftd_run_end(db->c, &role, &run[2]), 0);
	role = raise(db);
	assert_int_equal(mftd_runs_inherit(db->c, &role, now,
			     " received.f0@h received.f2@h "),
	    1);
	assert_string_equal(runs(db, "h"),
	    "received.f0@h RUNNING\nreceived.f01@h WAITING\n"
	    "received.f2@h DONE\n");
	assert_int_equal(mftd_runs_claim(db->c, &role, "h", now, run, 3), 1);
	assert_string_equal(run[0].event, "received.f01");
	assert_int_equal(run[0].tries, 2);
}

static void
runs_of_a_gone_hook_fail(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h[] = { a_hook("h"), a_hook("i") };
	uint64_t counts[MFTD_RUN_STATE_COUNT];
	struct mftd_run run;

	apply(db, h, 2);
	publish(db, &s, "f0", "x");
	spread(db, &role, 1);
	apply(db, h, 1);
	assert_int_equal(mftd_runs_abandon(db->c, &role, 7), 1);
	assert_string_equal(runs(db, "h"), "received.f0@h QUEUED\n");
	assert_string_equal(runs(db, "i"), "received.f0@i FAILED\n");
	assert_int_equal(mftd_runs_count(db->c, "i", counts), 0);
	assert_int_equal(counts[MFTD_RUN_FAILED], 1);
	assert_int_equal(counts[MFTD_RUN_QUEUED], 0);
	assert_int_equal(mftd_run_retry(db->c, "received.f0", "i", 9), 0);
	assert_int_equal(mftd_run_get(db->c, "received.f0", "i", &run), 0);
	assert_int_equal(run.state, MFTD_RUN_QUEUED);
	assert_int_equal(run.tries, 0);
}

/* An owner may die between any two of the statements that make runs. */
static void
interrupted_spread_is_finished(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");

	apply(db, &h, 1);
	publish(db, &s, "f0", "x");
	publish(db, &s, "f1", "y");
	db_execute(db, "UPDATE event SET spread = 1 WHERE id = 'received.f0'");
	db_execute(db,
	    "INSERT INTO hook_run (event, hook, state, due_us) VALUES "
	    "('received.f0', 'h', 'DONE', 5)");
	role = raise(db);
	spread(db, &role, 2);
	assert_string_equal(
	    runs(db, "h"), "received.f0@h DONE\nreceived.f1@h QUEUED\n");
}

static void
old_events_go(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");
	struct mftd_run run;
	struct mftd_event e;

	apply(db, &h, 1);
	publish(db, &s, "f0", "x");
	publish(db, &s, "f1", "y");
	publish(db, &s, "f2", "z");
	spread(db, &role, 3);
	db_execute(
	    db, "UPDATE event SET time_us = 5 WHERE id <> 'received.f2'");
	assert_int_equal(
	    mftd_runs_claim(db->c, &role, "h", mftd_clock_wall_us(), &run, 1),
	    1);
	run.state = MFTD_RUN_DONE;
	assert_int_equal(mftd_run_end(db->c, &role, &run), 0);
	assert_int_equal(mftd_events_expire(db->c, &role, 6), 1);
	assert_int_equal(mftd_events_expire(db->c, &role, 6), 0);
	assert_int_equal(mftd_event_get(db->c, run.event, &e), -ENOENT);
	assert_non_null(strstr(runs(db, "h"), "received.f2@h QUEUED"));
}

/* ---- deadlines */

static void
late_once(void **state)
{
	struct stream s = { .name = "s1", .time_us = 1000000 * S };
	struct db *db = *state;
	struct mftd_role_row role = raise(db);
	struct mftd_hook h = a_hook("h");
	/* deliveries have the ids of now */
	int64_t now = mftd_clock_wall_us(), looked = 0;
	struct mftd_deadline d = {
		.route = "r0", .since_us = 1000000 * S, .until_us = 1000100 * S
	};
	struct mftd_deadline none = {
		.route = "r1", .since_us = 1000000 * S, .until_us = 1000100 * S
	};
	struct mftd_event e;

	apply(db, &h, 1);
	assert_int_equal(
	    mftd_deadline_looked(db->c, &role, "r0", now, &looked), 0);
	assert_int_equal(looked, now);
	assert_int_equal(mftd_deadline_pass(db->c, &role, "r0", now + 5), 0);
	assert_int_equal(mftd_deadline_pass(db->c, &role, "r0", now), 0);
	assert_int_equal(
	    mftd_deadline_looked(db->c, &role, "r0", now + 9, &looked), 0);
	assert_int_equal(looked, now + 5);

	publish(db, &s, "f0", "x"); /* just r0 takes it */
	assert_int_equal(mftd_deadline_late(db->c, &role, &d, now), 0);
	assert_int_equal(mftd_deadline_late(db->c, &role, &none, now), 1);
	assert_int_equal(mftd_deadline_late(db->c, &role, &none, now), 0);
	assert_int_equal(mftd_event_get(db->c, "late.r1.1000100", &e), 0);
	assert_string_equal(e.partner, "bravo");
	assert_int_equal(e.since_us, none.since_us);
	assert_int_equal(e.until_us, none.until_us);
	/* it came, but has not gone out */
	d.delivered = true;
	assert_int_equal(mftd_deadline_late(db->c, &role, &d, now), 1);
	move(db, &role, "f0", MFTD_DELIVERY_DONE, "");
	d.until_us += S;
	assert_int_equal(mftd_deadline_late(db->c, &role, &d, now), 0);
	/* too early, too late */
	d.since_us = 1000001 * S;
	assert_int_equal(mftd_deadline_late(db->c, &role, &d, now), 1);
	d.since_us = 1000000 * S;
	d.until_us = 1000000 * S + 1;
	assert_int_equal(mftd_deadline_late(db->c, &role, &d, now), 1);
}

void
tests_hooks(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		DB_TEST(hooks_come_back_as_they_were),
		DB_TEST(nobody_wants_it_nothing_is_written),
		DB_TEST(each_event_is_written_once),
		DB_TEST(name_is_the_one_at_the_partner),
		DB_TEST(wishes_make_it_another_event),
		DB_TEST(stale_owner_changes_nothing),
		DB_TEST(filters_decide),
		DB_TEST(run_goes_its_way),
		DB_TEST(inherited_runs_are_due_again),
		DB_TEST(runs_of_a_gone_hook_fail),
		DB_TEST(interrupted_spread_is_finished),
		DB_TEST(old_events_go),
		DB_TEST(late_once),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
