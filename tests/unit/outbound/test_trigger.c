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
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "mftd/catalog/template.h"
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
	static char path[512];

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

/* ---- names that are triggers' and files' */

/* Nothing is sent of a file whose name is one of its route's triggers: its own,
 * or that of another file. */
static void
test_file_with_its_name(void **state)
{
	static const struct {
		const char *trigger, *name, *says;
	} cases[] = {
		{ "{stem}.done", "report.done", "have the file's own name" },
		{ "{stem}", "plain", "have the file's own name" },
		{ "READY", "READY", "have the file's own name" },
		{ "{name}.ok", "report.csv.ok", "a trigger file of its route" },
	};
	struct world *w;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(world_setup((void **)&w), 0);
		prepare_one(w, 0, cases[i].name, 5000);
		strcpy(w->d[0].at.trigger, cases[i].trigger);
		w->d[0].at.if_exists = MFTD_IF_EXISTS_OVERWRITE;
		run_to_end(w, NULL);
		assert_int_equal(w->d[0].state, MFTD_DELIVERY_FAILED);
		assert_non_null(strstr(w->last_text, cases[i].says));
		assert_int_equal(w->events[MFTD_EVENT_BEGIN], 0);
		assert_int_equal(partner_names(&w->partner), 0);
		world_teardown((void **)&w);
	}
}

/* Nor is it given such a number. */
static void
test_number_of_a_trigger(void **state)
{
	struct world *w = *state;
	uint8_t sum[32];

	prepare_one(w, 0, "a.csv", 5000);
	strcpy(w->d[0].at.trigger, "a-1.csv");
	w->d[0].at.if_exists = MFTD_IF_EXISTS_NUMBER;
	make_file(path_of(w, "a.csv"), 10, 1, sum);
	run_to_end(w, NULL);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_DONE);
	assert_int_equal(w->d[0].has.number, 2);
	assert_trigger(w, "a-1.csv", "");
	assert_int_equal(partner_names(&w->partner), 3);
}

/* A file that was brought there otherwise stays, also where files are
 * overwritten. */
static void
test_replaces_no_file(void **state)
{
	struct world *w = *state;
	uint8_t sum[32], now[32];

	prepare(w);
	w->d[0].at.if_exists = MFTD_IF_EXISTS_OVERWRITE;
	make_file(path_of(w, "report.ok"), 20, 1, sum); /* the line's size */
	run_to_end(w, NULL);
	assert_done(w, 2);
	sum_file(path_of(w, "report.ok"), now);
	assert_memory_equal(now, sum, sizeof(now));
	assert_non_null(strstr(w->last_text, "was not replaced"));
}

/* One that says the same is. */
static void
test_replaces_a_trigger(void **state)
{
	struct world *w = *state;
	struct stat before, after;
	FILE *f;

	prepare(w);
	w->d[0].at.if_exists = MFTD_IF_EXISTS_OVERWRITE;
	f = fopen(path_of(w, "report.ok"), "w");
	assert_non_null(f);
	assert_true(fputs("report.csv is there\n", f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(stat(path_of(w, "report.ok"), &before), 0);
	run_to_end(w, NULL);
	assert_done(w, 2);
	assert_trigger(w, "report.ok", "report.csv is there\n");
	assert_int_equal(stat(path_of(w, "report.ok"), &after), 0);
	assert_true(before.st_ino != after.st_ino);
	assert_string_equal(w->last_text, "");
}

/* It has the file's permissions whatever the server's umask. */
static void
test_mode(void **state)
{
	struct world *w = *state;
	struct stat st;
	uint32_t k;

	for (k = 0; k < 2; k++) {
		prepare_one(w, k, "same", 1000 + k);
		strcpy(w->d[k].at.trigger, "{name}.ok");
		w->d[k].at.if_exists = MFTD_IF_EXISTS_NUMBER;
		w->d[k].at.mode = 0637;
	}
	run_to_end(w, NULL);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_DONE);
	assert_int_equal(w->d[1].state, MFTD_DELIVERY_DONE);
	/* anew: the second found its name taken at its rename */
	assert_int_equal(w->events[MFTD_EVENT_PUBLISH], 3);
	assert_int_equal(w->events[MFTD_EVENT_RETRY], 0);
	assert_int_equal(partner_names(&w->partner), 4);
	assert_int_equal(stat(path_of(w, "same.ok"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0637);
	assert_int_equal(stat(path_of(w, "same-1.ok"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0637);
}

/* It is durable there before its file is published. */
static void
test_not_durable(void **state)
{
	struct world *w = *state;

	prepare(w);
	w->d[0].tries = 1;
	partner_fault(&w->partner, "-e inject=fsync:error=EIO:when=2");
	run_once(w, &calm);
	partner_fault(&w->partner, "");
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_WAITING);
	assert_int_equal(partner_names(&w->partner), 0);
	run_to_end(w, NULL);
	assert_done(w, 2);
}

/* What can never be written is not tried. */
static void
test_long_names(void **state)
{
	struct world *w = *state;
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	prepare_one(w, 0, name, 100);
	strcpy(w->d[0].at.trigger, "{name}.ok");
	prepare_one(w, 1, name, 100);
	run_to_end(w, NULL);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_FAILED);
	assert_int_equal(w->d[1].state, MFTD_DELIVERY_DELIVERED);
	assert_non_null(strstr(w->texts[0], "longer than 255 bytes"));
	assert_int_equal(w->events[MFTD_EVENT_BEGIN], 1);
}

/* The reason is told, however long the name is. */
static void
test_long_reason(void **state)
{
	struct world *w = *state;
	uint8_t sum[32];
	char name[256];

	memset(name, 'n', 255);
	name[255] = '\0';
	prepare_one(w, 0, name, 100);
	make_file(path_of(w, name), 20, 1, sum);
	run_to_end(w, NULL);
	assert_int_equal(w->d[0].state, MFTD_DELIVERY_FAILED);
	assert_ptr_equal(strstr(w->last_text, "the name exists at the partner"),
	    w->last_text);
}

static void
test_may_make(void **state)
{
	static const struct {
		const char *template, *name;
		bool yes;
	} cases[] = {
		{ "{name}.ok", "a.csv.ok", true },
		{ "{name}.ok", ".ok", false },
		{ "{name}.ok", "a.ok.csv", false },
		{ "{stem}.done", "x.done", true },
		{ "{stem}_ok{suffix}", "a_ok.csv", true },
		{ "{stem}_ok{suffix}", "a_ok", true },
		{ "{stem}_ok{suffix}", "a_okcsv", false },
		{ "{stem}_ok{suffix}", "a_ok.csv.gz", false },
		{ "READY", "READY", true },
		{ "READY", "READY1", false },
		{ "READY{name}", "READY1", true },
		{ "READY{name}", "READY", false },
		{ "{stem}", "a", false }, /* it says nothing */
		{ "{nix}a", "a", false },
	};
	char name[512];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (mftd_template_may_make(cases[i].template, cases[i].name) !=
		    cases[i].yes)
			fail_msg("%s %s", cases[i].template, cases[i].name);
	memset(name, 'a', sizeof(name));
	strcpy(name + 252, ".ok");
	assert_true(mftd_template_may_make("{name}.ok", name));
	strcpy(name + 253, ".ok");
	name[252] = 'a';
	assert_false(mftd_template_may_make("{name}.ok", name));
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
}

/* That of a try alone, by whatever convention. */
static void
test_temporary_names(void **state)
{
	static const struct {
		const char *suffix, *directory, *name, *want;
	} cases[] = {
		{ "", "", "a.b", "in/.mft-d-1.7.part" },
		{ "", "/tmp", "a.b", "/tmp/.mft-d-1.7.part" },
		{ "", ".", "a.b", ".mft-d-1.7.part" },
		{ ".x", "", "a.b", "in/a.b.d-1.7.x" },
		{ ".x", "/tmp", "a.b", "/tmp/a.b.d-1.7.x" },
		{ ".x", "", ".profile", "in/.profile.d-1.7.x" },
		{ ".x", "/tmp", "sub/a", "/tmp/a.d-1.7.x" },
		{ ".x", "", "sub/a", "in/sub/a.d-1.7.x" },
	};
	struct mftd_delivery d = { .id = "d-1", .directory = "in" };
	char out[600];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		strcpy(d.at.temp_suffix, cases[i].suffix);
		strcpy(d.at.temp_directory, cases[i].directory);
		strcpy(d.name, cases[i].name);
		assert_int_equal(
		    mftd_deliver_temp_name(&d, 7, out, sizeof(out)), 0);
		assert_string_equal(out, cases[i].want);
		assert_int_equal(
		    mftd_deliver_temp_name(&d, 7, out, strlen(out) + 1), 0);
		assert_int_equal(
		    mftd_deliver_temp_name(&d, 7, out, strlen(cases[i].want)),
		    -ENAMETOOLONG);
	}
	/* of a long name as much as there is room for, in whole characters */
	strcpy(d.at.temp_directory, "tmp");
	memset(d.name, 'n', 255);
	d.name[255] = '\0';
	memcpy(&d.name[246], "\xe2\x82\xac", 3);
	assert_int_equal(mftd_deliver_temp_name(&d, 7, out, sizeof(out)), 0);
	assert_int_equal(
	    strlen(out), strlen("tmp/") + 246 + strlen(".d-1.7.x"));
	assert_string_equal(&out[strlen("tmp/") + 246], ".d-1.7.x");
	memcpy(&d.name[244], "\xe2\x82\xacn", 4);
	assert_int_equal(mftd_deliver_temp_name(&d, 7, out, sizeof(out)), 0);
	assert_int_equal(
	    strlen(out), strlen("tmp/") + 247 + strlen(".d-1.7.x"));
	strcpy(d.id, "../x");
	assert_int_equal(
	    mftd_deliver_temp_name(&d, 7, out, sizeof(out)), -EINVAL);
}

#define WITH_PARTNER(t) \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_temporary_names),
		cmocka_unit_test(test_may_make),
		cmocka_unit_test(test_file_with_its_name),
		WITH_PARTNER(test_number_of_a_trigger),
		WITH_PARTNER(test_replaces_no_file),
		WITH_PARTNER(test_replaces_a_trigger),
		WITH_PARTNER(test_mode),
		WITH_PARTNER(test_not_durable),
		WITH_PARTNER(test_long_names),
		WITH_PARTNER(test_long_reason),
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
