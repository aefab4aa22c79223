/* Part of mftd; see LICENSE. */
/* Trigger files, against a real OpenSSH: there once, after their file, whenever
 * deliver dies. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "mftd/outbound/names.h"
#include "tests/unit/outbound/player.h"

static const struct plan calm = { .at = NEVER };

static void
prepare(struct world *w)
{
	prepare_one(w, 0, "report.csv", 5000);
	strcpy(w->d[0].at.trigger, "{stem}.ok");
	strcpy(w->d[0].at.trigger_line, "{name} is there");
}

static const char *
path_of(struct world *w, const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", w->partner.in, name);
	return path;
}

/* It is there, with just that in it. */
static void
assert_trigger(struct world *w, const char *name, const char *want)
{
	char text[256] = "";
	FILE *f = fopen(path_of(w, name), "r");

	assert_non_null(f);
	assert_int_equal(fread(text, 1, sizeof(text) - 1, f), strlen(want));
	fclose(f);
	assert_string_equal(text, want);
}

static void
assert_done(struct world *w, int names)
{
	if (w->d[0].state != MFTD_DELIVERY_DONE)
		print_message("last words: %s\n", w->last_text);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_DONE);
	assert_int_equal(partner_names(&w->partner), names);
	assert_true(partner_has(&w->partner, "report.csv"));
}

static void
test_written_after(void **state)
{
	struct world *w = *state;

	prepare(w);
	run_to_end(w, NULL);
	assert_done(w, 2);
	assert_trigger(w, "report.ok", "report.csv is there\n");
	assert_int_equal(w->events[MFTD_EVENT_DELIVERED], 1);
	assert_int_equal(w->events[MFTD_EVENT_FINISH], 1);
}

static void
test_empty(void **state)
{
	struct world *w = *state;

	prepare(w);
	w->d[0].at.trigger_line[0] = '\0';
	run_to_end(w, NULL);
	assert_done(w, 2);
	assert_trigger(w, "report.ok", "");
}

/* It is called as the file is, with its number. */
static void
test_numbered(void **state)
{
	struct world *w = *state;
	uint8_t sum[32];

	prepare(w);
	w->d[0].at.if_exists = MFTD_IF_EXISTS_NUMBER;
	make_file(path_of(w, "report.csv"), 10, 1, sum);
	run_to_end(w, NULL);
	assert_done(w, 3);
	assert_trigger(w, "report-1.ok", "report-1.csv is there\n");
}

static void
test_killed_anywhere(void **state)
{
	static const enum mftd_delivery_event at[] = { MFTD_EVENT_BEGIN,
		MFTD_EVENT_SENT, MFTD_EVENT_PUBLISH, MFTD_EVENT_DELIVERED,
		MFTD_EVENT_FINISH };
	struct plan plan = { 0 };
	struct world *w;
	int i, m;

	for (i = 0; i < 5; i++)
		for (m = BEFORE_ROW; m <= AFTER_ANSWER; m++) {
			assert_int_equal(world_setup((void **)&w), 0);
			prepare(w);
			plan.at = at[i];
			plan.moment = (enum moment)m;
			run_to_end(w, &plan);
			assert_done(w, 2);
			assert_trigger(w, "report.ok", "report.csv is there\n");
			world_teardown((void **)&w);
		}
}

/* Its file has not its final name before that is certain. */
static void
test_not_before(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_DELIVERED,
		.moment = BEFORE_ROW };
	struct world *w = *state;

	prepare(w);
	w->d[0].tries = 1;
	run_once(w, &plan);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_PUBLISHING);
	assert_true(partner_has(&w->partner, "report.csv"));
	assert_false(partner_has(&w->partner, "report.ok"));
	run_to_end(w, NULL);
	assert_done(w, 2);
}

static bool
trigger_is_there(void *data)
{
	struct world *w = data;

	return partner_has(&w->partner, "report.ok") &&
	    partner_names(&w->partner) == 2;
}

/* The partner takes both away at once, and the answer is lost: no second one.
 */
static void
test_consumed(void **state)
{
	static const struct plan plan = { .at = MFTD_EVENT_DELIVERED,
		.moment = AFTER_ANSWER,
		.cond = trigger_is_there };
	struct world *w = *state;

	prepare(w);
	w->d[0].tries = 1;
	run_once(w, &plan);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_DELIVERED);
	assert_int_equal(unlink(path_of(w, "report.ok")), 0);
	assert_int_equal(unlink(path_of(w, "report.csv")), 0);
	run_to_end(w, NULL);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_DONE);
	assert_int_equal(partner_names(&w->partner), 0);
}

/* Its server dies in the rename, of which there is no half: whatever the
 * partner does with the trigger, and it removes it unread, it comes once. */
static void
test_killed_in_rename(void **state)
{
	static const struct {
		const char *fault;
		bool done;
	} cases[] = {
		{ "-e inject=?rename,?renameat,?renameat2:signal=KILL:when=1",
		    false },
		{ "-e inject=?link,linkat:signal=KILL:when=2", true },
		{ "-e inject=?unlink,unlinkat:signal=KILL:when=2", true },
	};
	struct world *w;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		prepare(w);
		w->d[0].tries = 1;
		partner_fault(&w->partner, cases[i].fault);
		run_once(w, &calm);
		assert_true(partner_await_idle(&w->partner));
		if (cases[i].done || partner_has(&w->partner, "report.ok"))
			assert_int_equal(unlink(path_of(w, "report.ok")), 0);
		partner_fault(&w->partner, "");
		run_to_end(w, NULL);
		assert_done(w, cases[i].done ? 1 : 2);
		world_teardown((void **)&w);
	}
}

/* A server that will not: it waits, and is tried again. */
static void
test_refused(void **state)
{
	struct world *w = *state;

	prepare(w);
	partner_fault(
	    &w->partner, "-e inject=?rename,?renameat,?renameat2:error=EACCES");
	run_to_end(w, NULL);
	assert_done(w, 2);
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 1);
	assert_int_equal(w->events[MFTD_EVENT_DELIVERED], 1);
}

/* The partner has not taken the last one: that one will do for both. */
static void
test_exists(void **state)
{
	struct world *w = *state;
	uint8_t sum[32];

	prepare(w);
	make_file(path_of(w, "report.ok"), 10, 1, sum);
	run_to_end(w, NULL);
	assert_done(w, 2);
}

static void
test_names(void **state)
{
	struct mftd_delivery d = { .id = "d-1",
		.directory = "in",
		.name = "a.b.txt",
		.at = { .trigger = "{name}.ok" } };
	char out[128], small[8];

	assert_int_equal(mftd_deliver_trigger_name(&d, out, sizeof(out)), 0);
	assert_string_equal(out, "in/a.b.txt.ok");
	assert_int_equal(mftd_deliver_trigger_temp(&d, out, sizeof(out)), 0);
	assert_string_equal(out, "in/.mft-d-1.trigger");
	d.has.number = 12;
	assert_int_equal(mftd_deliver_trigger_name(&d, out, sizeof(out)), 0);
	assert_string_equal(out, "in/a.b-12.txt.ok");
	assert_int_equal(mftd_deliver_final_name(&d, out, sizeof(out)), 0);
	assert_string_equal(out, "in/a.b-12.txt");
	strcpy(d.name, ".profile");
	assert_int_equal(mftd_deliver_final_name(&d, out, sizeof(out)), 0);
	assert_string_equal(out, "in/.profile-12");
	assert_int_equal(
	    mftd_deliver_trigger_name(&d, small, 8), -ENAMETOOLONG);
	assert_int_equal(mftd_deliver_final_name(&d, small, 8), -ENAMETOOLONG);
	assert_false(mftd_deliver_is_shared(&d));
	strcpy(d.at.temp_directory, "/tmp");
	strcpy(d.at.temp_suffix, ".x");
	assert_true(mftd_deliver_is_shared(&d));
	assert_int_equal(mftd_deliver_temp_name(&d, 1, out, sizeof(out)), 0);
	assert_string_equal(out, "/tmp/.profile.x");
	assert_int_equal(mftd_deliver_temp_name(&d, 1, out, 15), -ENAMETOOLONG);
}

#define WITH_PARTNER(t) \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		WITH_PARTNER(test_written_after),
		WITH_PARTNER(test_empty),
		WITH_PARTNER(test_numbered),
		cmocka_unit_test(test_killed_anywhere),
		WITH_PARTNER(test_not_before),
		WITH_PARTNER(test_consumed),
		cmocka_unit_test(test_killed_in_rename),
		WITH_PARTNER(test_refused),
		WITH_PARTNER(test_exists),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", "error");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
