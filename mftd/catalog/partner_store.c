/* Part of mftd; see LICENSE. */
#include "mftd/catalog/partner_store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

static int
put_row(struct mftd_catalog *c, const struct mftd_partner *p)
{
	char *hosts = NULL;
	int r;

	if (!mftd_rows_join(p->other_hosts, p->n_other_hosts, &hosts))
		return -ENOMEM;
	const struct mftd_db_value v[] = { DB_TEXT(p->name), DB_TEXT(p->host),
		DB_INT(p->port), DB_TEXT(p->user),
		/* the first schema wants a text */
		DB_TEXT(p->key_file != NULL ? p->key_file : ""), DB_TEXT(hosts),
		DB_TEXT(p->password), DB_TEXT(p->source),
		DB_TEXT(p->key_exchanges), DB_TEXT(p->ciphers),
		DB_TEXT(p->macs), DB_INT(p->connections), DB_INT(p->connect_s),
		DB_INT(p->request_s), DB_INT(p->bandwidth) };

	r = mftd_rows_put(c,
	    "INSERT INTO partner (name, host, port, login, key_file, "
	    "other_hosts, password, source, key_exchanges, ciphers, macs, "
	    "connections, connect_s, request_s, bandwidth) VALUES ($1, $2, $3, "
	    "$4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
	    v, N(v));
	free(hosts);
	return r;
}

int
mftd_partner_put(struct mftd_catalog *c, const struct mftd_partner *p)
{
	size_t i;
	int r = put_row(c, p);

	for (i = 0; i < p->n_host_keys && r == 0; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(p->name), DB_INT(i),
			DB_TEXT(p->host_keys[i]) };

		r = mftd_rows_put(c,
		    "INSERT INTO partner_key (partner, position, line) "
		    "VALUES ($1, $2, $3)",
		    v, N(v));
	}
	return r;
}

static int
take_row(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_objects *o = data;
	struct mftd_partner *p =
	    mftd_rows_grow(&o->partners, &o->n_partners, sizeof(*p));

	(void)n;
	if (p == NULL || !mftd_rows_copy(&p->name, &row[0]) ||
	    !mftd_rows_copy(&p->host, &row[1]) ||
	    !mftd_rows_copy(&p->user, &row[3]) ||
	    (row[4].len > 0 && !mftd_rows_copy(&p->key_file, &row[4])) ||
	    !mftd_rows_split(&row[5], &p->other_hosts, &p->n_other_hosts) ||
	    !mftd_rows_copy(&p->password, &row[6]) ||
	    !mftd_rows_copy(&p->source, &row[7]) ||
	    !mftd_rows_copy(&p->key_exchanges, &row[8]) ||
	    !mftd_rows_copy(&p->ciphers, &row[9]) ||
	    !mftd_rows_copy(&p->macs, &row[10]))
		return -ENOMEM;
	p->port = (int)row[2].i;
	p->connections = (int)row[11].i;
	p->connect_s = (int)row[12].i;
	p->request_s = (int)row[13].i;
	p->bandwidth = (uint64_t)row[14].i;
	return 0;
}

/* Keys come in the order of their owners' names, as the owners did. */
struct keys {
	struct mftd_objects *o;
	size_t at;
};

static int
take_key(void *data, const struct mftd_db_value *row, int n)
{
	struct keys *k = data;
	struct mftd_partner *p = k->o->partners;
	char **line;

	(void)n;
	while (k->at < k->o->n_partners && strcmp(p[k->at].name, row[0].p) != 0)
		k->at++;
	if (k->at == k->o->n_partners)
		return -MFTD_E_CORRUPT;
	p += k->at;
	line = mftd_rows_grow(&p->host_keys, &p->n_host_keys, sizeof(*line));
	return line != NULL && mftd_rows_copy(line, &row[1]) ? 0 : -ENOMEM;
}

int
mftd_partners_load(struct mftd_catalog *c, struct mftd_objects *o)
{
	struct keys keys = { .o = o };
	int r;

	r = mftd_db_run(c,
	    "SELECT name, host, port, login, key_file, other_hosts, password, "
	    "source, key_exchanges, ciphers, macs, connections, connect_s, "
	    "request_s, bandwidth FROM partner ORDER BY name",
	    NULL, 0, take_row, o);
	if (r >= 0)
		r = mftd_db_run(c,
		    "SELECT partner, line FROM partner_key "
		    "ORDER BY partner, position",
		    NULL, 0, take_key, &keys);
	return r < 0 ? r : 0;
}
