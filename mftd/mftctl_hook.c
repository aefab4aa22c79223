/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/text.h"
#include "mftd/base/id.h"
#include "mftd/catalog/hook_runs.h"
#include "mftd/hook/call.h"
#include "mftd/hook/message.h"
#include "mftd/mftctl.h"

/* Hooks, and what became of their runs. */

#define SHOWN_MAX 100 /* runs of one hook, the newest */
#define NOT_DONE (UINT32_MAX & ~(1u << MFTD_RUN_DONE))

struct view {
	const struct ctl *ctl;
	struct mftd_catalog *c;
	const struct mftd_objects *o;
};

static void
print_object(json_t *o)
{
	mftctl_print_json(o, JSON_COMPACT);
	json_decref(o);
}

static const struct mftd_hook *
find_hook(const struct mftd_objects *o, const char *name)
{
	const struct mftd_hook *h = mftd_objects_hook(o, name);

	if (h == NULL)
		fprintf(stderr, "mftctl: there is no hook %s\n", name);
	return h;
}

/* ---- list */

static json_t *
words(char *const *list, size_t n)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		json_array_append_new(a, json_string(list[i]));
	return a;
}

static json_t *
object_of(
    const struct mftd_hook *h, const uint64_t counts[MFTD_RUN_STATE_COUNT])
{
	json_t *o = json_object(), *runs = json_object();
	int s;

	mftctl_put(o, "name", h->name);
	mftctl_put(o, "by", mftd_hook_means(h));
	mftctl_put(
	    o, "to", mftd_hook_url(h) != NULL ? mftd_hook_url(h) : h->exec[0]);
	json_object_set_new(o, "on", words(h->on, h->n_on));
	if (h->n_routes > 0)
		json_object_set_new(o, "routes", words(h->routes, h->n_routes));
	if (h->n_accounts > 0)
		json_object_set_new(
		    o, "accounts", words(h->accounts, h->n_accounts));
	if (h->n_partners > 0)
		json_object_set_new(
		    o, "partners", words(h->partners, h->n_partners));
	mftctl_put_number(o, "timeout_s", (uint64_t)h->timeout_s);
	mftctl_put_number(o, "tries", (uint64_t)h->tries);
	for (s = 0; s < MFTD_RUN_STATE_COUNT; s++)
		mftctl_put_number(runs,
		    mftd_run_state_name((enum mftd_run_state)s), counts[s]);
	json_object_set_new(o, "runs", runs);
	return o;
}

static void
print_counts(
    const struct mftd_hook *h, const uint64_t counts[MFTD_RUN_STATE_COUNT])
{
	int s;

	printf("%-20s %-5s", h->name, mftd_hook_means(h));
	for (s = 0; s < MFTD_RUN_STATE_COUNT; s++)
		printf(" %8llu", (unsigned long long)counts[s]);
	printf(
	    "  %s\n", mftd_hook_url(h) != NULL ? mftd_hook_url(h) : h->exec[0]);
}

static int
list(const struct view *v, int argc, char **argv)
{
	uint64_t counts[MFTD_RUN_STATE_COUNT];
	size_t i;
	int r;

	if (!v->ctl->json)
		printf("%-20s %-5s %8s %8s %8s %8s %8s  %s\n", "NAME", "BY",
		    "QUEUED", "RUNNING", "WAITING", "DONE", "FAILED", "TO");
	for (i = 0; i < v->o->n_hooks; i++) {
		r = mftd_runs_count(v->c, v->o->hooks[i].name, counts);
		if (r < 0) {
			mftctl_catalog_failed(v->ctl, v->c, r);
			return 1;
		}
		if (v->ctl->json)
			print_object(object_of(&v->o->hooks[i], counts));
		else
			print_counts(&v->o->hooks[i], counts);
	}
	return 0;
}

/* ---- show */

static json_t *
run_object(const struct mftd_run *run)
{
	char id[MFTD_RUN_ID_BYTES + 1];
	json_t *o = json_object();

	snprintf(id, sizeof(id), "%s@%s", run->event, run->hook);
	mftctl_put(o, "id", id);
	mftctl_put(o, "state", mftd_run_state_name(run->state));
	mftctl_put_number(o, "tries", run->tries);
	if (run->state == MFTD_RUN_QUEUED || run->state == MFTD_RUN_WAITING)
		mftctl_put_time(o, "due", run->due_us);
	if (run->ended_us > 0)
		mftctl_put_time(o, "ended", run->ended_us);
	mftctl_put(o, "error", run->error);
	return o;
}

static int
add_run(void *data, const struct mftd_run *run)
{
	json_array_append_new(data, run_object(run));
	return 0;
}

static const char *
text(json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static void
print_run(json_t *o)
{
	mftctl_make_safe(o);
	printf("%-64s %-8s %4lld  %s\n", text(o, "id"), text(o, "state"),
	    (long long)json_integer_value(json_object_get(o, "tries")),
	    text(o, "error"));
}

/* The hook, and its newest runs that are not DONE. */
static int
show_hook(const struct view *v, const char *name)
{
	const struct mftd_hook *h = find_hook(v->o, name);
	uint64_t counts[MFTD_RUN_STATE_COUNT];
	json_t *o, *runs, *run;
	size_t i;
	int r;

	if (h == NULL)
		return 1;
	runs = json_array();
	r = mftd_runs_count(v->c, name, counts);
	if (r == 0)
		r = mftd_runs_list(
		    v->c, name, NOT_DONE, SHOWN_MAX, add_run, runs);
	if (r < 0) {
		mftctl_catalog_failed(v->ctl, v->c, r);
		json_decref(runs);
		return 1;
	}
	o = object_of(h, counts);
	if (v->ctl->json) {
		json_object_set_new(o, "not_done", runs);
		print_object(o);
		return 0;
	}
	mftctl_print_json(o, JSON_INDENT(2));
	json_array_foreach(runs, i, run)
		print_run(run);
	json_decref(o);
	json_decref(runs);
	return 0;
}

/* Splits EVENT@HOOK in place.  The hook, or NULL. */
static char *
split(char *id)
{
	char *at = strrchr(id, '@');

	if (at != NULL)
		*at = '\0';
	return at != NULL ? at + 1 : NULL;
}

/* A run, and what it tells of. */
static int
show_run(const struct view *v, char *event, const char *hook)
{
	struct mftd_event e;
	struct mftd_run run;
	char *json = NULL;
	json_t *o;
	int r = mftd_run_get(v->c, event, hook, &run);

	if (r == 0)
		r = mftd_event_get(v->c, event, &e);
	if (r == 0)
		json = mftd_hook_json(&e);
	if (r == -ENOENT)
		fprintf(stderr, "mftctl: there is no run %s@%s\n", event, hook);
	else if (r < 0)
		mftctl_catalog_failed(v->ctl, v->c, r);
	if (r < 0 || json == NULL)
		return 1;
	o = run_object(&run);
	json_object_set_new(o, "event", json_loads(json, 0, NULL));
	free(json);
	if (v->ctl->json) {
		print_object(o);
		return 0;
	}
	mftctl_print_json(o, JSON_INDENT(2));
	json_decref(o);
	return 0;
}

static int
show(const struct view *v, int argc, char **argv)
{
	char *hook;
	int i, r = 0;

	for (i = 1; i < argc; i++) {
		hook = split(argv[i]);
		r |= hook != NULL ? show_run(v, argv[i], hook)
				  : show_hook(v, argv[i]);
	}
	return r;
}

/* ---- retry */

static int
retry(const struct view *v, int argc, char **argv)
{
	char *hook;
	int i, e, r = 0;

	for (i = 1; i < argc; i++) {
		hook = split(argv[i]);
		e = hook != NULL
		    ? mftd_run_retry(v->c, argv[i], hook, mftd_clock_wall_us())
		    : -ENOENT;
		if (e == 0)
			continue;
		r = 1;
		if (e == -ENOENT)
			fprintf(stderr,
			    "mftctl: %s%s%s: no run that has failed or "
			    "waits\n",
			    argv[i], hook != NULL ? "@" : "",
			    hook != NULL ? hook : "");
		else
			mftctl_catalog_failed(v->ctl, v->c, e);
	}
	return r;
}

/* ---- test */

static int
call(const struct ctl *ctl, void *data)
{
	char why[MFTD_REASON_BYTES];
	char safe[MFTD_TEXT_GROWS * MFTD_REASON_BYTES];
	int r = mftd_hook_call(data, why);
	json_t *o;

	if (ctl->json) {
		o = json_object();
		mftctl_put(o, "result", r == 0 ? "ok" : "FAIL");
		mftctl_put(o, "text", why);
		print_object(o);
	} else {
		/* its words may be a program's or a server's */
		mftd_text_safe(why, safe, sizeof(safe));
		printf("%-5s %s\n", r == 0 ? "ok" : "FAIL",
		    r < 0 && why[0] == '\0' ? mftd_strerror(r) : safe);
	}
	return r == 0 ? 0 : 1;
}

static int
test(const struct view *v, int argc, char **argv)
{
	struct mftd_event e = { .kind = "test",
		.time_us = mftd_clock_wall_us(),
		.account = "test",
		.path = "test.txt" };
	struct mftd_hook_call c = { .hook = find_hook(v->o, argv[1]),
		.event = &e,
		.tries = 1,
		.secret_key = v->ctl->conf->secret_key };

	if (c.hook == NULL ||
	    mftd_id_timed("test", e.time_us, e.id, sizeof(e.id)) < 0)
		return 1;
	return mftctl_in_child(v->ctl, call, &c);
}

/* ---- which */

static const struct action {
	const char *word;
	int argc_min, argc_max; /* the word counts */
	int (*fn)(const struct view *v, int argc, char **argv);
} actions[] = {
	{ "list", 1, 1, list },
	{ "show", 2, 64, show },
	{ "test", 2, 2, test },
	{ "retry", 2, 4095, retry },
};

int
mftctl_hook(const struct ctl *ctl, int argc, char **argv)
{
	const struct action *a = actions;
	const struct action *end = a + sizeof(actions) / sizeof(actions[0]);
	struct mftd_objects *o = NULL;
	struct view v = { .ctl = ctl };
	int r;

	while (a < end && strcmp(argv[1], a->word) != 0)
		a++;
	if (a == end || argc - 1 < a->argc_min || argc - 1 > a->argc_max) {
		fprintf(stderr,
		    "mftctl: hook: only list, show NAME|ID ..., test NAME, and "
		    "retry ID ...\n");
		return 2;
	}
	r = mftd_catalog_open(ctl->conf->catalog, "mftctl", &v.c);
	if (r == 0)
		r = mftd_catalog_load(v.c, &o);
	if (r < 0) {
		mftctl_catalog_failed(ctl, v.c, r);
		mftd_catalog_close(v.c);
		return 1;
	}
	v.o = o;
	r = a->fn(&v, argc - 1, argv + 1);
	mftd_objects_free(o);
	mftd_catalog_close(v.c);
	return r;
}
