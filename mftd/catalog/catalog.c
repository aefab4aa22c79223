/* Part of mftd; see LICENSE. */
#include "mftd/catalog/catalog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/versions.h"

static const struct mftd_db_ops *const backends[] = {
	&mftd_db_sqlite,
	&mftd_db_postgres,
};

struct mftd_db_value
mftd_db_text(const char *s)
{
	struct mftd_db_value v = { .type = MFTD_DB_NULL };

	if (s != NULL) {
		v.type = MFTD_DB_TEXT;
		v.p = s;
		v.len = strlen(s);
	}
	return v;
}

struct mftd_db_value
mftd_db_ascii(char *out, size_t size, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < size && text[i] != '\0'; i++)
		out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	out[i] = '\0';
	return DB_TEXT(out);
}

int
mftd_db_take_int(void *data, const struct mftd_db_value *row, int n)
{
	*(int64_t *)data = row[0].i;
	return 0;
}

int
mftd_db_transaction(struct mftd_catalog *c, enum mftd_db_lock lock,
    int (*fn)(struct mftd_catalog *c, void *data), void *data)
{
	int r, end;

	r = c->db->ops->begin(c->db, lock);
	if (r == 0)
		r = fn(c, data);
	if (r >= 0) {
		end = c->db->ops->commit(c->db);
		r = end < 0 ? end : r;
	}
	if (r < 0)
		c->db->ops->rollback(c->db);
	return r;
}

int
mftd_catalog_open(
    const char *uri, const char *application, struct mftd_catalog **out)
{
	const struct mftd_db_ops *ops = NULL;
	struct mftd_catalog *c;
	size_t i;

	for (i = 0; i < sizeof(backends) / sizeof(backends[0]); i++)
		if (strncmp(uri, backends[i]->scheme,
			strlen(backends[i]->scheme)) == 0)
			ops = backends[i];
	if (ops == NULL)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		return -ENOMEM;
	c->db = ops->create(uri, application);
	if (c->db == NULL) {
		free(c);
		return -ENOMEM;
	}
	*out = c;
	return 0;
}

int
mftd_catalog_beside(struct mftd_catalog *c, struct mftd_catalog **out)
{
	struct mftd_catalog *made;

	*out = NULL;
	if (c->db->ops->beside == NULL)
		return 0;
	made = calloc(1, sizeof(*made));
	if (made != NULL)
		made->db = c->db->ops->beside(c->db);
	if (made == NULL || made->db == NULL) {
		free(made);
		return -ENOMEM;
	}
	made->of = c;
	*out = made;
	return 1;
}

void
mftd_catalog_close(struct mftd_catalog *c)
{
	if (c == NULL)
		return;
	c->db->ops->destroy(c->db);
	free(c);
}

const char *
mftd_catalog_why(const struct mftd_catalog *c)
{
	return c->db->why;
}

static int64_t
schema_count(void)
{
	int64_t n = 0;

	while (mftd_db_schema[n] != NULL)
		n++;
	return n;
}

/* One migration, if one is missing; returns 1 when there may be more. */
static int
migrate_step(struct mftd_catalog *c, void *data)
{
	int64_t have = 0;
	struct mftd_db_value v;
	int r;

	r = c->db->ops->script(c->db,
	    "CREATE TABLE IF NOT EXISTS schema_version "
	    "(version BIGINT PRIMARY KEY)");
	if (r == 0)
		r = mftd_db_run(c,
		    "SELECT coalesce(max(version), 0) FROM schema_version",
		    NULL, 0, mftd_db_take_int, &have);
	if (r < 0)
		return r;
	if (have > schema_count()) {
		snprintf(c->db->why, sizeof(c->db->why),
		    "the schema is of a newer mftd (version %lld)",
		    (long long)have);
		return -MFTD_E_CATALOG;
	}
	if (have == schema_count())
		return 0;
	v = DB_INT(have + 1);
	r = c->db->ops->script(c->db, mftd_db_schema[have]);
	if (r == 0)
		r = mftd_db_run(c,
		    "INSERT INTO schema_version (version) VALUES ($1)", &v, 1,
		    NULL, NULL);
	return r < 0 ? r : 1;
}

int
mftd_catalog_migrate(struct mftd_catalog *c)
{
	int r;

	do
		r = mftd_db_transaction(c, MFTD_DB_MIGRATE, migrate_step, NULL);
	while (r > 0);
	return r < 0 ? r : mftd_versions_fill(c);
}
