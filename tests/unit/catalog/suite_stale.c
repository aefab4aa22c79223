/* Part of mftd; see LICENSE. */
/*
 * An owner that is held back at each system call of each guarded statement
 * while another one raises, and then goes on: what it has not written by then
 * it never writes.  Nobody waits for it either: where the database is a server,
 * the raise goes through while the session of the other is open, before, inside
 * and behind its statement.
 */
#include "tests/unit/catalog/suite.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/away.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/due.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/found.h"
#include "mftd/catalog/partner_state.h"
#include "mftd/catalog/pull.h"
#include "mftd/catalog/steps.h"
#include "tests/unit/journal/steps.h"

#define ROWS 4
#define ROWS_MOST 8 /* with those that the statements add */
#define CLAIMED 2 /* of them, before it is held back */
#define STEPS_MOST 100 /* system calls of one statement */
#define BACKOFF_US 7777000000

struct statement {
	const char *name;
	int (*ask)(struct mftd_catalog *c, const struct mftd_role_row *role,
	    struct mftd_delivery *d);
	bool writes;
};

static int
ask_claim(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	struct mftd_delivery more[ROWS];

	return mftd_catalog_claim(
	    c, role, mftd_clock_wall_us(), "", more, ROWS);
}

static int
ask_inherited(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	struct mftd_delivery more[ROWS];

	return mftd_catalog_inherited(c, role, more, ROWS);
}

static int
ask_step(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	d[0].state = MFTD_DELIVERY_SENDING;
	return mftd_catalog_step(c, role, &d[0], MFTD_DELIVERY_CLAIMED);
}

static int
ask_steps(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	struct mftd_row_step steps[CLAIMED];
	int i;

	for (i = 0; i < CLAIMED; i++) {
		d[i].state = MFTD_DELIVERY_WAITING;
		d[i].due_us = BACKOFF_US;
		steps[i] = (struct mftd_row_step) { .d = &d[i],
			.from = MFTD_DELIVERY_CLAIMED };
	}
	return mftd_catalog_steps(c, role, steps, CLAIMED);
}

/* It stops a partner, of which hooks are told. */
static int
ask_partner(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	struct mftd_partner_row p = {
		.partner = "acme", .state = MFTD_PARTNER_OPEN, .since_us = 1000
	};

	return mftd_catalog_partner_step(c, role, &p, MFTD_PARTNER_CLOSED);
}

/* A file that was found before it is held back, and one that is not yet. */
static int
put_found(struct mftd_catalog *c, const struct mftd_role_row *role,
    const char *id, const char *path)
{
	const struct mftd_found f = { .origin = MFTD_ORIGIN_FOLDER,
		.route = "r0",
		.volume = "main",
		.path = path,
		.shown = path,
		.receipt = id,
		.delivery = id,
		.now_us = mftd_clock_wall_us() };
	uint64_t version;
	int r = mftd_catalog_version(c, &version);

	return r == 0 ? mftd_found_put(c, role, version, &f) : r;
}

static int
ask_found(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	return put_found(c, role, "found-2", "two");
}

static int
ask_abandon(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	return mftd_found_abandon(c, role, "found-3", 1);
}

static int
ask_forget(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	return mftd_found_forget(c, role, "r0", "one");
}

/* Where there is nobody to let go, as when it is asked again, it asks for no
 * epoch. */
static int
ask_versions(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	char at[MFTD_ID_BYTES] = "";
	int r = mftd_catalog_versions_look(c, role, at);

	return r == 0 ? ask_inherited(c, role, d) : r;
}

/* The same of a file that was fetched, and is to be deleted at its partner. */
static int
put_pulled(
    struct mftd_catalog *c, const struct mftd_role_row *role, const char *id)
{
	struct mftd_route_pull pull = { .partner = "acme",
		.directory = "from",
		.volume = "main",
		.fetched = "delete" };
	const struct mftd_route route = { .name = "r0", .pull = &pull };
	struct mftd_msg_fetch_found f = { .file = { .size = 1 } };
	const struct mftd_pulled p = {
		.found = &f, .delivery = id, .now_us = mftd_clock_wall_us()
	};
	uint64_t version;
	int r = mftd_catalog_version(c, &version);

	snprintf(f.id, sizeof(f.id), "%s", id);
	snprintf(f.file.name, sizeof(f.file.name), "%s", id);
	return r == 0 ? mftd_pull_put(c, role, version, &route, &p) : r;
}

static int
ask_pull(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	return put_pulled(c, role, "pulled-2");
}

static int
ask_tidy(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	const struct mftd_msg_fetch_tidy t = { .step = MFTD_FETCH_DONE,
		.id = "pulled-1" };

	return mftd_pull_step(c, role, &t, 0);
}

static int
ask_away(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	return mftd_catalog_away_back(c, role, "main", mftd_clock_wall_us());
}

static int
ask_due(struct mftd_catalog *c, const struct mftd_role_row *role,
    struct mftd_delivery *d)
{
	char at[MFTD_TARGET_BYTES] = "";
	int r = mftd_catalog_due_look(c, role, 1, 1, at);

	return r == 0 ? ask_inherited(c, role, d) : r;
}

static const struct statement statements[] = {
	{ "claim", ask_claim, true },
	{ "inherited", ask_inherited, false },
	{ "step", ask_step, true },
	{ "steps", ask_steps, true },
	{ "partner", ask_partner, true },
	{ "found", ask_found, true },
	{ "abandon", ask_abandon, true },
	{ "forget", ask_forget, true },
	{ "versions", ask_versions, true },
	{ "pull", ask_pull, true },
	{ "tidy", ask_tidy, true },
	{ "away", ask_away, false },
	{ "due", ask_due, true },
};

/* ---- the rows */

struct rows {
	char text[4096];
	char ids[ROWS_MOST][MFTD_ID_BYTES];
	int n;
};

static int
add_row(void *data, const struct mftd_delivery *d)
{
	struct rows *rows = data;
	size_t len = strlen(rows->text);

	snprintf(rows->text + len, sizeof(rows->text) - len,
	    "%s %d %u %lld %s\n", d->id, d->state, d->tries,
	    (long long)d->due_us, d->error);
	assert_true(rows->n < ROWS_MOST);
	strcpy(rows->ids[rows->n++], d->id);
	return 0;
}

static int
add_state(void *data, const struct mftd_partner_row *p)
{
	struct rows *rows = data;
	size_t len = strlen(rows->text);

	snprintf(rows->text + len, sizeof(rows->text) - len, "%s %d\n",
	    p->partner, p->state);
	return 0;
}

static int
add_found(void *data, const char *path, const struct mftd_version *v)
{
	struct rows *rows = data;
	size_t len = strlen(rows->text);

	snprintf(rows->text + len, sizeof(rows->text) - len, "%s\n", path);
	return 0;
}

/* What no list shows. */
static void
add_behind(struct db *db, struct rows *rows)
{
	static struct mftd_delivery_story s;
	size_t len;
	int i;

	for (i = 0; i < rows->n; i++) {
		assert_int_equal(
		    mftd_catalog_delivery(db->c, rows->ids[i], &s), 0);
		len = strlen(rows->text);
		snprintf(rows->text + len, sizeof(rows->text) - len,
		    "behind %s\n", s.behind);
	}
}

static int
add_wish(void *data, const struct mftd_db_value *row, int n)
{
	struct rows *rows = data;
	size_t len = strlen(rows->text);

	snprintf(rows->text + len, sizeof(rows->text) - len, "%s %s\n",
	    (const char *)row[0].p, (const char *)row[1].p);
	return 0;
}

static void
look(struct db *db, struct rows *rows)
{
	struct mftd_event e;
	int64_t abandoned = 0;
	size_t len;
	int r;

	rows->text[0] = '\0';
	rows->n = 0;
	assert_int_equal(
	    mftd_catalog_deliveries(db->c, NULL, add_row, rows), 0);
	assert_int_equal(
	    mftd_catalog_partner_states(db->c, NULL, add_state, rows), 0);
	r = mftd_event_get(db->c, "partner-stopped.q.acme.1000.away", &e);
	assert_true(r == 0 || r == -ENOENT);
	len = strlen(rows->text);
	snprintf(rows->text + len, sizeof(rows->text) - len, "%s\n", e.id);
	/* both or neither */
	assert_int_equal(r == 0, strstr(rows->text, "acme 1\n") != NULL);
	assert_true(
	    mftd_found_list(db->c, "r0", "", ROWS, add_found, rows) >= 0);
	assert_true(mftd_db_run(db->c,
			"SELECT receipt, state FROM pull ORDER BY receipt",
			NULL, 0, add_wish, rows) >= 0);
	assert_int_equal(
	    mftd_db_run(db->c,
		"SELECT count(*) FROM receipt WHERE outcome = 'ABANDONED'",
		NULL, 0, mftd_db_take_int, &abandoned),
	    1);
	len = strlen(rows->text);
	snprintf(rows->text + len, sizeof(rows->text) - len, "%d abandoned\n",
	    (int)abandoned);
	add_behind(db, rows);
}

/* Somebody wants to be told of partners. */
static void
want(struct db *db)
{
	db_execute(db,
	    "INSERT INTO hook (name, exec, starttls, timeout_s, tries) VALUES "
	    "('h', '/bin/true', 0, 1, 1); INSERT INTO hook_want (hook, event, "
	    "state) VALUES ('h', 'partner-stopped', '')");
}

/* ---- the owner that is held back */

struct owner {
	pid_t pid;
	int to, from; /* our ends of its pipes */
	struct steps *steps;
	struct told *told;
};

/* What its statement returned, and the same one once more, in memory that it
 * shares with us: an answer by a system call were a step, too. */
struct told {
	int first, again;
	bool
	    asked; /* the first one has returned: what is held is a later one */
};

/* Says that it is ready, waits for a word, asks, and asks again: by a new
 * session where the raise has ended its first one. */
static void __attribute__((noreturn)) be_owner(const struct db *db,
    const struct statement *s, const struct owner *o, int in, int out)
{
	struct mftd_delivery d[CLAIMED];
	struct mftd_role_row role;
	struct mftd_catalog *c;
	char byte = 0;
	int i;

	steps_enter(o->steps);
	if (mftd_catalog_open(db->uri, "mftd/q/raising", &c) < 0 ||
	    mftd_catalog_raise(c, "q", "old", &role) < 0 ||
	    mftd_catalog_claim(
		c, &role, mftd_clock_wall_us(), "", d, CLAIMED) != CLAIMED ||
	    put_found(c, &role, "found-1", "one") < 0 ||
	    put_pulled(c, &role, "pulled-1") < 0 || write(out, &byte, 1) != 1 ||
	    read(in, &byte, 1) != 1)
		_exit(1);
	o->told->first = s->ask(c, &role, d);
	o->told->asked = true;
	o->told->again = -MFTD_E_CATALOG_AWAY;
	for (i = 0; i < 3 && o->told->again == -MFTD_E_CATALOG_AWAY; i++)
		o->told->again = s->ask(c, &role, d);
	_exit(0);
}

/* Starts one that will be held at that call of its statement; how the rows are
 * before that goes to claimed. */
static void
start_owner(struct owner *o, struct db *db, const struct statement *s,
    unsigned at, struct rows *claimed)
{
	struct steps_plan plan = {
		.what = STEPS_HOLD, .at = at, .looks = true
	};
	int to[2], from[2];
	char byte;

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	o->steps = steps_new(&plan);
	o->told = mmap(NULL, sizeof(*o->told), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(o->told, MAP_FAILED);
	o->pid = fork();
	assert_true(o->pid >= 0);
	if (o->pid == 0) {
		close(to[1]);
		close(from[0]);
		be_owner(db, s, o, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	o->to = to[1];
	o->from = from[0];
	steps_begin(o->steps, o->pid);
	assert_int_equal(read(o->from, &byte, 1), 1);
	look(db, claimed);
	steps_arm(o->steps);
	assert_int_equal(write(o->to, &byte, 1), 1);
}

static void
end_owner(struct owner *o, struct told *told)
{
	int status;

	assert_int_equal(waitpid(o->pid, &status, 0), o->pid);
	assert_int_equal(status, 0);
	*told = *o->told;
	munmap(o->told, sizeof(*o->told));
	close(o->to);
	close(o->from);
	steps_free(o->steps);
}

/* ---- the test */

/* The new owner was faster. */
static void
check_stale(const struct statement *s, const struct told *told,
    const struct rows *claimed, const struct rows *raised)
{
	bool written = strcmp(claimed->text, raised->text) != 0;

	assert_int_equal(told->again, -MFTD_E_STALE_EPOCH);
	/* what it wrote, if it did, it had written before */
	if (told->first >= 0 && s->writes)
		assert_true(written);
}

/* The statement was faster: it holds the database's one lock. */
static void
check_first(struct db *db, const struct told *told)
{
	struct mftd_role_row role;

	assert_false(db->postgres);
	assert_true(told->first >= 0);
	assert_int_equal(mftd_catalog_raise(db->c, "q", "new", &role), 0);
}

/* Raises, without waiting where the held one has the database's one lock. */
static int
raise_at_once(struct db *db)
{
	struct mftd_role_row role;
	sqlite3 *h;
	int code = SQLITE_OK;

	if (!db->postgres) {
		assert_int_equal(
		    sqlite3_open(db->uri + strlen("sqlite:"), &h), SQLITE_OK);
		code = sqlite3_exec(
		    h, "BEGIN IMMEDIATE; ROLLBACK", NULL, NULL, NULL);
		sqlite3_close(h);
	}
	/* PROTOCOL: it holds what a reader takes for a moment */
	if (code == SQLITE_BUSY || code == SQLITE_PROTOCOL)
		return -EBUSY;
	assert_int_equal(code, SQLITE_OK);
	return mftd_catalog_raise(db->c, "q", "new", &role);
}

/* Whether the call came; *first counts those at which the raise was faster. */
static bool
hold_at(struct db *db, const struct statement *s, unsigned at, unsigned *first)
{
	struct rows claimed, raised, after;
	struct told told;
	struct owner o;
	bool came;
	int r = 0;

	publish_some(db, ROWS);
	want(db);
	db_execute(
	    db, "UPDATE delivery SET behind = 'gone' WHERE receipt = 'f3'");
	start_owner(&o, db, s, at, &claimed);
	came = steps_wait(o.steps) && !o.told->asked;
	if (came) {
		r = raise_at_once(db);
		if (r == 0)
			look(db, &raised);
	}
	steps_release(o.steps);
	end_owner(&o, &told);
	look(db, &after);
	if (came && r == 0) {
		assert_string_equal(raised.text, after.text);
		check_stale(s, &told, &claimed, &raised);
		++*first;
	}
	if (came && r < 0) {
		assert_int_equal(r, -EBUSY);
		check_first(db, &told);
	}
	return came;
}

static void
each_call(const struct statement *s)
{
	struct db *db;
	unsigned at = 0, first = 0;
	bool came = true;

	while (came) {
		assert_true(++at < STEPS_MOST);
		assert_int_equal(db_setup((void **)&db), 0);
		came = hold_at(db, s, at, &first);
		assert_int_equal(db_teardown((void **)&db), 0);
	}
	print_message("%s: held at %u calls, at %u of them the raise was "
		      "faster\n",
	    s->name, at - 1, first);
	assert_true(at > 2 && first > 0);
}

static void
held_back_in_claim(void **state)
{
	each_call(&statements[0]);
}

static void
held_back_in_inherited(void **state)
{
	each_call(&statements[1]);
}

static void
held_back_in_step(void **state)
{
	each_call(&statements[2]);
}

static void
held_back_in_steps(void **state)
{
	each_call(&statements[3]);
}

static void
held_back_in_partner(void **state)
{
	each_call(&statements[4]);
}

static void
held_back_in_found(void **state)
{
	each_call(&statements[5]);
}

static void
held_back_in_abandon(void **state)
{
	each_call(&statements[6]);
}

static void
held_back_in_forget(void **state)
{
	each_call(&statements[7]);
}

static void
held_back_in_pull(void **state)
{
	each_call(&statements[9]);
}

static void
held_back_in_versions(void **state)
{
	each_call(&statements[8]);
}

static void
held_back_in_tidy(void **state)
{
	each_call(&statements[10]);
}

static void
held_back_in_away(void **state)
{
	each_call(&statements[11]);
}

static void
held_back_in_due(void **state)
{
	each_call(&statements[12]);
}

void
tests_stale(const struct CMUnitTest **t, size_t *n)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_back_in_claim),
		cmocka_unit_test(held_back_in_inherited),
		cmocka_unit_test(held_back_in_step),
		cmocka_unit_test(held_back_in_steps),
		cmocka_unit_test(held_back_in_partner),
		cmocka_unit_test(held_back_in_found),
		cmocka_unit_test(held_back_in_abandon),
		cmocka_unit_test(held_back_in_forget),
		cmocka_unit_test(held_back_in_versions),
		cmocka_unit_test(held_back_in_pull),
		cmocka_unit_test(held_back_in_tidy),
		cmocka_unit_test(held_back_in_away),
		cmocka_unit_test(held_back_in_due),
	};

	*t = tests;
	*n = sizeof(tests) / sizeof(tests[0]);
}
