/* Part of mftd; see LICENSE. */
#include "mftd/catalog/objects.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cyaml/cyaml.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/limits.h"
#include "mftd/catalog/account_file.h"
#include "mftd/catalog/calendar_file.h"
#include "mftd/catalog/check.h"
#include "mftd/catalog/handling_file.h"
#include "mftd/catalog/hook_file.h"
#include "mftd/catalog/partner_file.h"
#include "mftd/catalog/password.h"
#include "mftd/catalog/pattern.h"
#include "mftd/catalog/retry_file.h"
#include "mftd/catalog/route_after.h"
#include "mftd/catalog/route_circle.h"
#include "mftd/catalog/route_file.h"
#include "mftd/catalog/route_folder.h"
#include "mftd/catalog/route_pull.h"
#include "mftd/catalog/route_place.h"
#include "mftd/catalog/route_target.h"
#include "mftd/catalog/route_time.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/schedule.h"
#include "mftd/catalog/template.h"
#include "mftd/conf/yaml.h"

#define SETTLE_S_DEFAULT 5
#define SETTLE_S_MAX 3600
#define PRIORITY_DEFAULT 5

#define NEEDED CYAML_FLAG_POINTER
#define MAY (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

struct file {
	struct mftd_account_file *accounts;
	size_t n_accounts;
	struct mftd_partner_file *partners;
	size_t n_partners;
	struct mftd_route *routes;
	size_t n_routes;
	struct mftd_calendar *calendars;
	size_t n_calendars;
	struct mftd_hook *hooks;
	size_t n_hooks;
};

#define TEXT(key, flags, s, member, size) \
	CYAML_FIELD_STRING_PTR(key, flags, struct s, member, 1, (size)-1)

static const cyaml_schema_value_t pattern = {
	CYAML_VALUE_STRING(
	    CYAML_FLAG_POINTER, char *, 0, MFTD_PATTERN_BYTES - 1),
};

static const cyaml_schema_field_t route_fields[] = {
	TEXT("name", NEEDED, mftd_route, name, MFTD_NAME_BYTES),
	TEXT("account", MAY, mftd_route, account, MFTD_NAME_BYTES),
	CYAML_FIELD_MAPPING_PTR("from_folder", MAY, struct mftd_route, folder,
	    mftd_route_folder_fields),
	CYAML_FIELD_MAPPING_PTR("from_partner", MAY, struct mftd_route, pull,
	    mftd_route_pull_fields),
	TEXT("partner", MAY, mftd_route, partner, MFTD_NAME_BYTES),
	TEXT("to_account", MAY, mftd_route, to_account, MFTD_NAME_BYTES),
	CYAML_FIELD_STRING_PTR("directory", MAY, struct mftd_route, directory,
	    0, MFTD_PATH_BYTES / 2),
	CYAML_FIELD_STRING_PTR("to_directory", MAY, struct mftd_route,
	    to_directory, 0, MFTD_PATH_BYTES / 2),
	TEXT("queue", MAY, mftd_route, queue, MFTD_NAME_BYTES),
	TEXT("runs_on", MAY, mftd_route, runs_on, MFTD_NAME_BYTES),
	CYAML_FIELD_INT(
	    "settle_s", CYAML_FLAG_OPTIONAL, struct mftd_route, settle_s),
	CYAML_FIELD_SEQUENCE_COUNT("files", MAY, struct mftd_route, files,
	    n_files, &pattern, 1, MFTD_PATTERNS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("except", MAY, struct mftd_route, except,
	    n_except, &pattern, 1, MFTD_PATTERNS_MAX),
	CYAML_FIELD_STRING_PTR("name_template", MAY, struct mftd_route,
	    name_template, 0, MFTD_TEMPLATE_BYTES - 1),
	TEXT("schedule", MAY, mftd_route, schedule, MFTD_SCHEDULE_BYTES),
	TEXT("time_zone", MAY, mftd_route, time_zone, MFTD_ZONE_BYTES),
	TEXT("calendar", MAY, mftd_route, calendar, MFTD_NAME_BYTES),
	CYAML_FIELD_MAPPING("retry", CYAML_FLAG_OPTIONAL, struct mftd_route,
	    retry, mftd_retry_file_fields),
	CYAML_FIELD_INT(
	    "priority", CYAML_FLAG_OPTIONAL, struct mftd_route, priority),
	CYAML_FIELD_BOOL(
	    "ordered", CYAML_FLAG_OPTIONAL, struct mftd_route, ordered),
	CYAML_FIELD_BOOL(
	    "skip_failed", CYAML_FLAG_OPTIONAL, struct mftd_route, skip_failed),
	TEXT("after", MAY, mftd_route, after, MFTD_NAME_BYTES),
	TEXT("archive", MAY, mftd_route, archive, MFTD_TEMPLATE_BYTES),
	TEXT("archive_below", MAY, mftd_route, archive_below, MFTD_NAME_BYTES),
	TEXT("expected_by", MAY, mftd_route, expected_by, MFTD_SCHEDULE_BYTES),
	CYAML_FIELD_INT("expected_within_s", CYAML_FLAG_OPTIONAL,
	    struct mftd_route, expected_within_s),
	TEXT(
	    "expected_event", MAY, mftd_route, expected_event, MFTD_NAME_BYTES),
	MFTD_HANDLING_FIELDS, CYAML_FIELD_END
};

static const cyaml_schema_value_t route = {
	CYAML_VALUE_MAPPING(
	    CYAML_FLAG_DEFAULT, struct mftd_route, route_fields),
};

/* accounts must be given, be it empty: a file replaces all objects, so one
 * without the word is rather a mistake than a wish to remove them all. */
static const cyaml_schema_field_t fields[] = {
	CYAML_FIELD_SEQUENCE_COUNT("accounts", NEEDED, struct file, accounts,
	    n_accounts, &mftd_account_file_schema, 0, MFTD_OBJECTS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("partners", MAY, struct file, partners,
	    n_partners, &mftd_partner_file_schema, 0, MFTD_OBJECTS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("routes", MAY, struct file, routes, n_routes,
	    &route, 0, MFTD_OBJECTS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("calendars", MAY, struct file, calendars,
	    n_calendars, &mftd_calendar_file_schema, 0, MFTD_OBJECTS_MAX),
	CYAML_FIELD_SEQUENCE_COUNT("hooks", MAY, struct file, hooks, n_hooks,
	    &mftd_hook_file_schema, 0, MFTD_HOOKS_MAX),
	CYAML_FIELD_END
};

static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file, fields),
};

static const struct mftd_account *
find_account(const struct file *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->n_accounts; i++)
		if (strcmp(f->accounts[i].a.name, name) == 0)
			return &f->accounts[i].a;
	return NULL;
}

static bool
has_partner(const struct file *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->n_partners; i++)
		if (strcmp(f->partners[i].p.name, name) == 0)
			return true;
	return false;
}

/* Fills in what a route may leave away. */
static void
complete_route(const struct mftd_check *p, struct mftd_route *r)
{
	if (r->settle_s == 0 && !mftd_check_given(p, "settle_s"))
		r->settle_s = SETTLE_S_DEFAULT;
	if (r->priority == 0 && !mftd_check_given(p, "priority"))
		r->priority = PRIORITY_DEFAULT;
}

static int
check_route(const struct mftd_check *p, struct file *f)
{
	struct mftd_route *r = &f->routes[p->index];
	const struct mftd_account *account;
	size_t i;
	int e;

	complete_route(p, r);
	if (!mftd_id_valid(r->name))
		return mftd_check_refuse(p, "name", "not a name");
	for (i = 0; i < p->index; i++)
		if (strcmp(f->routes[i].name, r->name) == 0)
			return mftd_check_refuse(p, "name", "given twice");
	account = r->account != NULL ? find_account(f, r->account) : NULL;
	e = mftd_route_from_check(p, r, account);
	if (e == 0)
		e = mftd_route_target_check(p, r,
		    r->partner != NULL && has_partner(f, r->partner),
		    r->to_account != NULL &&
			find_account(f, r->to_account) != NULL);
	if (e == 0)
		e = mftd_route_place_check(p, r);
	if (e == 0)
		e = mftd_route_pull_check(p, f->routes,
		    r->pull != NULL && has_partner(f, r->pull->partner));
	if (e < 0)
		return e;
	if (r->settle_s < 0 || r->settle_s > SETTLE_S_MAX)
		return mftd_check_refuse(p, "settle_s", "must be 0 to 3600");
	e = mftd_route_file_check(p, r);
	if (e == 0)
		e = mftd_retry_file_check(p, &r->retry);
	if (e == 0)
		e = mftd_handling_file_check(p, f->routes, p->index);
	if (e == 0)
		e = mftd_route_time_check(p, f->calendars, f->n_calendars, r);
	return e == 0 ? mftd_route_after_check(p, r, account) : e;
}

static bool
has_route(const struct file *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->n_routes; i++)
		if (strcmp(f->routes[i].name, name) == 0)
			return true;
	return false;
}

static bool
knows_route(const void *data, const char *name)
{
	return has_route(data, name);
}

static bool
knows_account(const void *data, const char *name)
{
	return find_account(data, name) != NULL;
}

static bool
knows_partner(const void *data, const char *name)
{
	return has_partner(data, name);
}

static int
check_hooks(struct mftd_check *p, struct file *f)
{
	const struct mftd_hook_names names = { f, knows_route, knows_account,
		knows_partner };
	int r = 0;

	p->list = "hooks";
	for (p->index = 0; r == 0 && p->index < f->n_hooks; p->index++)
		r = mftd_hook_file_check(p, f->hooks, p->index, &names);
	return r;
}

static const struct mftd_account *
account_at(const void *data, size_t i)
{
	const struct file *f = data;

	return i < f->n_accounts ? &f->accounts[i].a : NULL;
}

static int
check(struct file *f, const struct mftd_yaml *y, const struct mftd_conf *conf)
{
	struct mftd_check p = { .y = y, .conf = conf, .list = "accounts" };
	int r;

	for (; p.index < f->n_accounts; p.index++)
		if ((r = mftd_account_file_check(&p, f->accounts, p.index)) < 0)
			return r;
	p.list = "partners";
	for (p.index = 0; p.index < f->n_partners; p.index++)
		if ((r = mftd_partner_file_check(&p, f->partners, p.index)) < 0)
			return r;
	p.list = "calendars";
	for (p.index = 0; p.index < f->n_calendars; p.index++)
		if ((r = mftd_calendar_file_check(&p, f->calendars, p.index)) <
		    0)
			return r;
	p.list = "routes";
	for (p.index = 0; p.index < f->n_routes; p.index++)
		if ((r = check_route(&p, f)) < 0)
			return r;
	if ((r = mftd_routes_check_loops(
		 &p, f->routes, f->n_routes, account_at, f)) < 0)
		return r;
	if ((r = mftd_routes_check_after(
		 &p, f->routes, f->n_routes, account_at, f)) < 0)
		return r;
	return check_hooks(&p, f);
}

/* Only a file that holds together costs the hashing. */
static int
hash_passwords(struct file *f)
{
	char hash[MFTD_PASSWORD_HASH_BYTES];
	struct mftd_account_file *fa;
	int r;

	for (fa = f->accounts; fa < f->accounts + f->n_accounts; fa++) {
		if (fa->password == NULL)
			continue;
		r = mftd_password_hash(fa->password, hash, sizeof(hash));
		if (r < 0)
			return r;
		fa->a.password_hash = strdup(hash);
		if (fa->a.password_hash == NULL)
			return -ENOMEM;
	}
	return 0;
}

static int
seal_passwords(
    struct file *f, const struct mftd_yaml *y, const struct mftd_conf *conf)
{
	struct mftd_check p = { .y = y, .conf = conf, .list = "partners" };
	int r = 0;

	for (; r == 0 && p.index < f->n_partners; p.index++)
		r = mftd_partner_file_seal(&p, &f->partners[p.index]);
	p.list = "hooks";
	for (p.index = 0; r == 0 && p.index < f->n_hooks; p.index++)
		r = mftd_hook_file_seal(&p, &f->hooks[p.index]);
	return r;
}

/* Moves all of f into *out; f is left empty. */
static int
move(struct file *f, struct mftd_objects **out)
{
	struct mftd_objects *o = calloc(1, sizeof(*o));
	size_t i;

	if (o == NULL)
		return -ENOMEM;
	o->accounts = calloc(f->n_accounts + 1, sizeof(*o->accounts));
	o->partners = calloc(f->n_partners + 1, sizeof(*o->partners));
	if (o->accounts == NULL || o->partners == NULL) {
		mftd_objects_free(o);
		return -ENOMEM;
	}
	for (i = 0; i < f->n_accounts; i++) {
		o->accounts[i] = f->accounts[i].a;
		memset(&f->accounts[i].a, 0, sizeof(f->accounts[i].a));
	}
	for (i = 0; i < f->n_partners; i++) {
		o->partners[i] = f->partners[i].p;
		memset(&f->partners[i].p, 0, sizeof(f->partners[i].p));
	}
	o->n_accounts = f->n_accounts;
	o->n_partners = f->n_partners;
	o->routes = f->routes;
	o->n_routes = f->n_routes;
	o->calendars = f->calendars;
	o->n_calendars = f->n_calendars;
	o->hooks = f->hooks;
	o->n_hooks = f->n_hooks;
	f->routes = NULL;
	f->calendars = NULL;
	f->hooks = NULL;
	f->n_routes = f->n_calendars = f->n_hooks = 0;
	*out = o;
	return 0;
}

static void
wipe(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
}

static void
free_file(struct file *f)
{
	size_t i;

	for (i = 0; i < f->n_accounts; i++)
		wipe(f->accounts[i].password);
	for (i = 0; i < f->n_partners; i++) {
		wipe(f->partners[i].password);
		free(f->partners[i].p.password); /* the schema knows none */
	}
	for (i = 0; i < f->n_hooks; i++)
		mftd_hook_file_wipe(&f->hooks[i]);
	mftd_yaml_data_free(&schema, f);
}

int
mftd_objects_read(const char *file, const struct mftd_conf *conf,
    struct mftd_objects **out, char *why, size_t size)
{
	struct mftd_yaml *y = NULL;
	void *data = NULL;
	int r;

	r = mftd_yaml_load(file, &schema, &data, &y, why, size);
	if (r < 0)
		return r;
	r = check(data, y, conf);
	if (r == 0)
		r = seal_passwords(data, y, conf);
	if (r == 0)
		r = hash_passwords(data);
	if (r == 0)
		r = move(data, out);
	free_file(data);
	mftd_yaml_free(y);
	return r;
}

static void
free_folders(struct mftd_account_folder *list, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(list[i].name);
		free(list[i].path);
	}
	free(list);
}

static void
free_accounts(struct mftd_account *list, size_t n)
{
	struct mftd_account *a;

	for (a = list; a < list + n; a++) {
		free(a->name);
		free(a->volume);
		free(a->root);
		free(a->password_hash);
		mftd_rows_free(a->keys, a->n_keys);
		free(a->methods);
		free(a->group);
		mftd_rows_free(a->authorities, a->n_authorities);
		mftd_rows_free(a->principals, a->n_principals);
		mftd_rows_free(a->sources, a->n_sources);
		free_folders(a->folders, a->n_folders);
	}
	free(list);
}

static void
free_partners(struct mftd_partner *list, size_t n)
{
	struct mftd_partner *p;

	for (p = list; p < list + n; p++) {
		free(p->name);
		free(p->host);
		mftd_rows_free(p->other_hosts, p->n_other_hosts);
		free(p->user);
		free(p->key_file);
		free(p->password);
		mftd_rows_free(p->host_keys, p->n_host_keys);
		free(p->source);
		free(p->key_exchanges);
		free(p->ciphers);
		free(p->macs);
	}
	free(list);
}

void
mftd_objects_free(struct mftd_objects *o)
{
	struct mftd_calendar *c;
	struct mftd_route *r;

	if (o == NULL)
		return;
	free_accounts(o->accounts, o->n_accounts);
	free_partners(o->partners, o->n_partners);
	for (r = o->routes; r < o->routes + o->n_routes; r++) {
		free(r->name);
		free(r->account);
		mftd_route_folder_free(r->folder);
		mftd_route_pull_free(r->pull);
		free(r->partner);
		free(r->to_account);
		free(r->directory);
		free(r->to_directory);
		free(r->queue);
		free(r->runs_on);
		mftd_rows_free(r->files, r->n_files);
		mftd_rows_free(r->except, r->n_except);
		free(r->name_template);
		free(r->schedule);
		free(r->time_zone);
		free(r->calendar);
		mftd_handling_words_free(&r->words);
		free(r->after);
		free(r->archive);
		free(r->archive_below);
		free(r->expected_by);
		free(r->expected_event);
	}
	for (c = o->calendars; c < o->calendars + o->n_calendars; c++) {
		free(c->name);
		mftd_rows_free(c->closed, c->n_closed);
	}
	free(o->routes);
	free(o->calendars);
	mftd_hooks_free(o->hooks, o->n_hooks);
	free(o);
}

const struct mftd_hook *
mftd_objects_hook(const struct mftd_objects *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->n_hooks; i++)
		if (strcmp(o->hooks[i].name, name) == 0)
			return &o->hooks[i];
	return NULL;
}
