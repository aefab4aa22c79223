/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/partner_state.h"
#include "mftd/catalog/rows.h"
#include "mftd/mftctl.h"

/* Whether anything is sent to a partner, and why not. */

struct look {
	const struct ctl *ctl;
	bool whole; /* all that is known */
	struct mftd_partner_row *rows;
	size_t n_rows;
};

static int
take_row(void *data, const struct mftd_partner_row *row)
{
	struct look *l = data;
	struct mftd_partner_row *more =
	    mftd_rows_grow(&l->rows, &l->n_rows, sizeof(*more));

	if (more == NULL)
		return -ENOMEM;
	*more = *row;
	return 0;
}

/* What a queue has found of it; row NULL: nothing. */
static void
put_state(json_t *o, const struct mftd_partner_row *row)
{
	mftctl_put(o, "state",
	    mftd_partner_state_name(
		row != NULL ? row->state : MFTD_PARTNER_CLOSED));
	if (row == NULL)
		return;
	mftctl_put(o, "queue", row->queue);
	mftctl_put_time(o, "since", row->since_us);
	mftctl_put(o, "reason", row->reason);
	if (row->state == MFTD_PARTNER_CLOSED)
		return;
	mftctl_put(o, "fault", mftd_partner_fault_name(row->fault));
	mftctl_put_number(o, "probes", row->probes);
	mftctl_put_time(o, "probe", row->probe_us);
}

static void
put_partner(json_t *o, const struct mftd_partner *p)
{
	mftctl_put(o, "host", p->host);
	mftctl_put_number(o, "port", (uint64_t)p->port);
	mftctl_put(o, "user", p->user);
	mftctl_put_number(o, "connections", (uint64_t)p->connections);
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text != NULL ? text : "";
}

static void
print(const struct look *l, json_t *o)
{
	const char *key;
	json_t *v;

	if (l->ctl->json) {
		mftctl_print_json(o, JSON_COMPACT);
		return;
	}
	mftctl_make_safe(o);
	if (!l->whole) {
		printf("%-24s %-9s %-10s %s\n", text_of(o, "partner"),
		    text_of(o, "state"), text_of(o, "queue"),
		    text_of(o, "reason"));
	} else {
		json_object_foreach(o, key, v) if (json_is_string(v))
		    printf("%-11s %s\n", key, json_string_value(v));
		else printf("%-11s %" JSON_INTEGER_FORMAT "\n", key,
		    json_integer_value(v));
	}
}

static void
print_row(const struct look *l, const struct mftd_partner *p,
    const struct mftd_partner_row *row)
{
	json_t *o = json_object();

	mftctl_put(o, "partner", p->name);
	put_state(o, row);
	if (l->whole)
		put_partner(o, p);
	print(l, o);
	json_decref(o);
}

/* A line for each queue that has found something, or one. */
static void
print_partner(const struct look *l, const struct mftd_partner *p)
{
	bool any = false;
	size_t i;

	for (i = 0; i < l->n_rows; i++) {
		if (strcmp(l->rows[i].partner, p->name) != 0)
			continue;
		print_row(l, p, &l->rows[i]);
		any = true;
	}
	if (!any)
		print_row(l, p, NULL);
}

/* name NULL: of all. */
static int
show(const struct ctl *ctl, struct mftd_catalog *c,
    const struct mftd_objects *o, const char *name)
{
	struct look l = { .ctl = ctl, .whole = name != NULL };
	size_t i;
	int r = mftd_catalog_partner_states(c, NULL, take_row, &l);

	for (i = 0; r == 0 && i < o->n_partners; i++)
		if (name == NULL || strcmp(o->partners[i].name, name) == 0)
			print_partner(&l, &o->partners[i]);
	free(l.rows);
	return r;
}

static int
resume(const struct ctl *ctl, struct mftd_catalog *c, const char *name)
{
	char who[MFTD_NAME_BYTES], reason[MFTD_NAME_BYTES + 16];
	int r;

	mftctl_name_me(ctl, who, sizeof(who));
	snprintf(reason, sizeof(reason), "resumed by %s", who);
	r = mftd_catalog_partner_resume(c, name, reason);
	if (r < 0)
		return r;
	if (r == 0)
		printf("%s: it was not stopped\n", name);
	else
		printf("%s: %s\n", name, reason);
	return 0;
}

static bool
is_partner(const struct mftd_objects *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->n_partners; i++)
		if (strcmp(o->partners[i].name, name) == 0)
			return true;
	fprintf(stderr, "mftctl: there is no partner %s\n", name);
	return false;
}

int
mftctl_partner_state(const struct ctl *ctl, int argc, char **argv)
{
	bool list = strcmp(argv[0], "list") == 0 && argc == 1;
	bool is_show = strcmp(argv[0], "show") == 0 && argc == 2;
	struct mftd_objects *o = NULL;
	struct mftd_catalog *c = NULL;
	bool known = true;
	int r;

	if (!list && !is_show &&
	    (strcmp(argv[0], "resume") != 0 || argc != 2)) {
		fprintf(stderr,
		    "mftctl: partner: only list, show|resume|test NAME, and "
		    "scan NAME|HOST:PORT\n");
		return 2;
	}
	r = mftd_catalog_open(ctl->conf->catalog, "mftctl", &c);
	if (r == 0)
		r = mftd_catalog_load(c, &o);
	if (r == 0 && !list)
		known = is_partner(o, argv[1]);
	if (r == 0 && known)
		r = list || is_show ? show(ctl, c, o, list ? NULL : argv[1])
				    : resume(ctl, c, argv[1]);
	if (r < 0 && c != NULL)
		mftctl_catalog_failed(ctl, c, r);
	mftd_objects_free(o);
	mftd_catalog_close(c);
	return r < 0 || !known ? 1 : 0;
}
