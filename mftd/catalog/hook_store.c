/* Part of mftd; see LICENSE. */
#include "mftd/catalog/hook_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/event.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

static int
put_row(struct mftd_catalog *c, const struct mftd_hook *h)
{
	static const struct mftd_hook_http no_http;
	static const struct mftd_hook_mail no_mail;
	const struct mftd_hook_http *w = h->http != NULL ? h->http : &no_http;
	const struct mftd_hook_mail *m = h->mail != NULL ? h->mail : &no_mail;
	char *exec = NULL, *to = NULL;
	int r = -ENOMEM;

	if (!mftd_rows_join(h->exec, h->n_exec, &exec) ||
	    !mftd_rows_join(m->to, m->n_to, &to))
		goto out;
	const struct mftd_db_value v[] = { DB_TEXT(h->name), DB_TEXT(exec),
		DB_TEXT(mftd_hook_url(h)),
		DB_TEXT(h->http != NULL ? w->secret : m->password),
		DB_TEXT(w->secret_file),
		DB_TEXT(h->http != NULL ? w->ca_file : m->ca_file),
		DB_TEXT(m->from), DB_TEXT(to), DB_TEXT(m->user),
		DB_INT(m->starttls), DB_INT(h->timeout_s), DB_INT(h->tries) };

	r = mftd_rows_put(c,
	    "INSERT INTO hook (name, exec, url, secret, secret_file, ca_file, "
	    "mail_from, mail_to, login, starttls, timeout_s, tries) VALUES "
	    "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
	    v, N(v));
out:
	free(exec);
	free(to);
	return r;
}

static int
put_filters(struct mftd_catalog *c, const struct mftd_hook *h, const char *kind,
    char **list, size_t n)
{
	size_t i;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(h->name),
			DB_TEXT(kind), DB_TEXT(list[i]) };

		r = mftd_rows_put(c,
		    "INSERT INTO hook_filter (hook, kind, value) VALUES "
		    "($1, $2, $3)",
		    v, N(v));
	}
	return r;
}

int
mftd_hook_put(struct mftd_catalog *c, const struct mftd_hook *h)
{
	size_t i;
	int r = put_row(c, h);

	for (i = 0; i < h->n_on && r == 0; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(h->name),
			DB_TEXT(h->on[i]),
			DB_TEXT(mftd_event_state(h->on[i])) };

		r = mftd_rows_put(c,
		    "INSERT INTO hook_want (hook, event, state) VALUES "
		    "($1, $2, $3)",
		    v, N(v));
	}
	if (r == 0)
		r = put_filters(c, h, "route", h->routes, h->n_routes);
	if (r == 0)
		r = put_filters(c, h, "account", h->accounts, h->n_accounts);
	if (r == 0)
		r = put_filters(c, h, "partner", h->partners, h->n_partners);
	return r;
}

/* ---- and out again */

static bool
take_http(struct mftd_hook *h, const struct mftd_db_value *row)
{
	h->http = calloc(1, sizeof(*h->http));
	return h->http != NULL && mftd_rows_copy(&h->http->url, &row[2]) &&
	    mftd_rows_copy(&h->http->secret, &row[3]) &&
	    mftd_rows_copy(&h->http->secret_file, &row[4]) &&
	    mftd_rows_copy(&h->http->ca_file, &row[5]);
}

static bool
take_mail(struct mftd_hook *h, const struct mftd_db_value *row)
{
	h->mail = calloc(1, sizeof(*h->mail));
	if (h->mail == NULL)
		return false;
	h->mail->starttls = row[9].i != 0;
	return mftd_rows_copy(&h->mail->url, &row[2]) &&
	    mftd_rows_copy(&h->mail->password, &row[3]) &&
	    mftd_rows_copy(&h->mail->ca_file, &row[5]) &&
	    mftd_rows_copy(&h->mail->from, &row[6]) &&
	    mftd_rows_split(&row[7], &h->mail->to, &h->mail->n_to) &&
	    mftd_rows_copy(&h->mail->user, &row[8]);
}

static int
take_row(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_objects *o = data;
	struct mftd_hook *h =
	    mftd_rows_grow(&o->hooks, &o->n_hooks, sizeof(*h));

	if (h == NULL || !mftd_rows_copy(&h->name, &row[0]) ||
	    !mftd_rows_split(&row[1], &h->exec, &h->n_exec))
		return -ENOMEM;
	h->timeout_s = (int)row[10].i;
	h->tries = (int)row[11].i;
	if (h->n_exec > 0)
		return 0;
	return (row[6].type == MFTD_DB_NULL ? take_http(h, row)
					    : take_mail(h, row))
	    ? 0
	    : -ENOMEM;
}

/* Entries come in the order of their hooks' names, as the hooks did. */
struct entries {
	struct mftd_objects *o;
	size_t at;
};

static int
take_entry(void *data, const struct mftd_db_value *row, int n)
{
	struct entries *e = data;
	struct mftd_hook *h = e->o->hooks;
	char ***list, **entry;
	size_t *count;

	while (e->at < e->o->n_hooks && strcmp(h[e->at].name, row[0].p) != 0)
		e->at++;
	if (e->at == e->o->n_hooks)
		return -MFTD_E_CORRUPT;
	h += e->at;
	list = &h->on;
	count = &h->n_on;
	if (strcmp(row[1].p, "route") == 0) {
		list = &h->routes;
		count = &h->n_routes;
	} else if (strcmp(row[1].p, "account") == 0) {
		list = &h->accounts;
		count = &h->n_accounts;
	} else if (strcmp(row[1].p, "partner") == 0) {
		list = &h->partners;
		count = &h->n_partners;
	}
	entry = mftd_rows_grow(list, count, sizeof(*entry));
	return entry != NULL && mftd_rows_copy(entry, &row[2]) ? 0 : -ENOMEM;
}

int
mftd_hooks_load(struct mftd_catalog *c, struct mftd_objects *o)
{
	struct entries entries = { .o = o };
	int r;

	r = mftd_db_run(c,
	    "SELECT name, exec, url, secret, secret_file, ca_file, mail_from, "
	    "mail_to, login, starttls, timeout_s, tries FROM hook "
	    "ORDER BY name",
	    NULL, 0, take_row, o);
	if (r >= 0)
		r = mftd_db_run(c,
		    "SELECT hook, 'on' AS kind, event AS value FROM hook_want "
		    "UNION ALL SELECT hook, kind, value FROM hook_filter "
		    "ORDER BY hook, kind, value",
		    NULL, 0, take_entry, &entries);
	return r < 0 ? r : 0;
}
