/* Part of mftd; see LICENSE. */
#include "mftd/catalog/account_store.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/catalog.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

/* Lists of lines by the word that stands in account_entry.kind. */
static const struct kind {
	const char *word;
	size_t list, n; /* where in struct mftd_account */
} kinds[] = {
	{ "authority", offsetof(struct mftd_account, authorities),
	    offsetof(struct mftd_account, n_authorities) },
	{ "principal", offsetof(struct mftd_account, principals),
	    offsetof(struct mftd_account, n_principals) },
	{ "source", offsetof(struct mftd_account, sources),
	    offsetof(struct mftd_account, n_sources) },
};

static int
put_row(struct mftd_catalog *c, const struct mftd_account *a)
{
	const struct mftd_db_value v[] = { DB_TEXT(a->name), DB_TEXT(a->volume),
		DB_TEXT(a->root), DB_TEXT(a->password_hash),
		DB_TEXT(a->methods), DB_INT(a->expires_s), DB_INT(a->disabled),
		DB_INT(a->read_only), DB_INT(a->symlinks), DB_INT(a->umask),
		DB_TEXT(a->group), DB_INT(a->quota_bytes),
		DB_INT(a->quota_files), DB_INT(a->in_bytes_s),
		DB_INT(a->out_bytes_s), DB_INT(a->sessions_max) };

	return mftd_rows_put(c,
	    "INSERT INTO account (name, volume, root, password_hash, methods, "
	    "expires_s, disabled, read_only, symlinks, umask, file_group, "
	    "quota_bytes, quota_files, in_bytes_s, out_bytes_s, sessions_max) "
	    "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, "
	    "$14, $15, $16)",
	    v, N(v));
}

static int
put_keys(struct mftd_catalog *c, const struct mftd_account *a)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < a->n_keys; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(a->name), DB_INT(i),
			DB_TEXT(a->keys[i]) };

		r = mftd_rows_put(c,
		    "INSERT INTO account_key (account, position, line) "
		    "VALUES ($1, $2, $3)",
		    v, N(v));
	}
	return r;
}

static int
put_entries(
    struct mftd_catalog *c, const struct mftd_account *a, const struct kind *k)
{
	char *const *list = *(char **const *)((const char *)a + k->list);
	size_t i, n = *(const size_t *)((const char *)a + k->n);
	int r = 0;

	for (i = 0; r == 0 && i < n; i++) {
		const struct mftd_db_value v[] = { DB_TEXT(a->name),
			DB_TEXT(k->word), DB_INT(i), DB_TEXT(list[i]) };

		r = mftd_rows_put(c,
		    "INSERT INTO account_entry (account, kind, position, line) "
		    "VALUES ($1, $2, $3, $4)",
		    v, N(v));
	}
	return r;
}

static int
put_folders(struct mftd_catalog *c, const struct mftd_account *a)
{
	const struct mftd_account_folder *f;
	unsigned i;
	int r = 0;

	for (i = 0; r == 0 && i < a->n_folders; i++) {
		f = &a->folders[i];
		const struct mftd_db_value v[] = { DB_TEXT(a->name), DB_INT(i),
			DB_TEXT(f->name), DB_TEXT(f->path),
			DB_INT(f->read_only) };

		r = mftd_rows_put(c,
		    "INSERT INTO account_folder (account, position, name, "
		    "path, read_only) VALUES ($1, $2, $3, $4, $5)",
		    v, N(v));
	}
	return r;
}

int
mftd_account_put(struct mftd_catalog *c, const struct mftd_account *a)
{
	size_t i;
	int r = put_row(c, a);

	if (r == 0)
		r = put_keys(c, a);
	for (i = 0; r == 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		r = put_entries(c, a, &kinds[i]);
	return r == 0 ? put_folders(c, a) : r;
}

/* ---- out again */

static int
take_row(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_objects *o = data;
	struct mftd_account *a =
	    mftd_rows_grow(&o->accounts, &o->n_accounts, sizeof(*a));

	if (a == NULL || !mftd_rows_copy(&a->name, &row[0]) ||
	    !mftd_rows_copy(&a->volume, &row[1]) ||
	    !mftd_rows_copy(&a->root, &row[2]) ||
	    !mftd_rows_copy(&a->password_hash, &row[3]) ||
	    !mftd_rows_copy(&a->methods, &row[4]) ||
	    !mftd_rows_copy(&a->group, &row[10]))
		return -ENOMEM;
	a->expires_s = row[5].i;
	a->disabled = row[6].i != 0;
	a->read_only = row[7].i != 0;
	a->symlinks = row[8].i != 0;
	a->umask = (int)row[9].i;
	a->quota_bytes = (uint64_t)row[11].i;
	a->quota_files = (uint64_t)row[12].i;
	a->in_bytes_s = (uint64_t)row[13].i;
	a->out_bytes_s = (uint64_t)row[14].i;
	a->sessions_max = (int)row[15].i;
	return 0;
}

/* What belongs to accounts comes in the order of their names, as they did. */
struct belongings {
	struct mftd_objects *o;
	size_t at;
};

static struct mftd_account *
owner_of(struct belongings *b, const struct mftd_db_value *name)
{
	struct mftd_account *a = b->o->accounts;

	while (b->at < b->o->n_accounts && strcmp(a[b->at].name, name->p) != 0)
		b->at++;
	return b->at < b->o->n_accounts ? &a[b->at] : NULL;
}

static int
add_line(char ***list, size_t *n, const struct mftd_db_value *line)
{
	char **at = mftd_rows_grow(list, n, sizeof(*at));

	return at != NULL && mftd_rows_copy(at, line) ? 0 : -ENOMEM;
}

static int
take_key(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_account *a = owner_of(data, &row[0]);

	return a != NULL ? add_line(&a->keys, &a->n_keys, &row[1])
			 : -MFTD_E_CORRUPT;
}

static int
take_entry(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_account *a = owner_of(data, &row[0]);
	const struct kind *k;

	if (a == NULL)
		return -MFTD_E_CORRUPT;
	for (k = kinds; k < kinds + sizeof(kinds) / sizeof(kinds[0]); k++)
		if (strcmp(k->word, row[1].p) == 0)
			return add_line((char ***)((char *)a + k->list),
			    (size_t *)((char *)a + k->n), &row[2]);
	return -MFTD_E_CORRUPT;
}

static int
take_folder(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_account *a = owner_of(data, &row[0]);
	struct mftd_account_folder *f;
	size_t have;

	if (a == NULL)
		return -MFTD_E_CORRUPT;
	have = a->n_folders;
	f = mftd_rows_grow(&a->folders, &have, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	a->n_folders = (unsigned)have;
	f->read_only = row[3].i != 0;
	return mftd_rows_copy(&f->name, &row[1]) &&
		mftd_rows_copy(&f->path, &row[2])
	    ? 0
	    : -ENOMEM;
}

int
mftd_accounts_load(struct mftd_catalog *c, struct mftd_objects *o)
{
	struct belongings keys = { .o = o }, entries = { .o = o },
			  folders = { .o = o };
	const struct {
		const char *sql;
		mftd_db_row_fn take;
		void *data;
	} steps[] = {
		{ "SELECT name, volume, root, password_hash, methods, "
		  "expires_s, disabled, read_only, symlinks, umask, "
		  "file_group, quota_bytes, quota_files, in_bytes_s, "
		  "out_bytes_s, sessions_max FROM account ORDER BY name",
		    take_row, o },
		{ "SELECT account, line FROM account_key "
		  "ORDER BY account, position",
		    take_key, &keys },
		{ "SELECT account, kind, line FROM account_entry "
		  "ORDER BY account, kind, position",
		    take_entry, &entries },
		{ "SELECT account, name, path, read_only FROM account_folder "
		  "ORDER BY account, position",
		    take_folder, &folders },
	};
	size_t i;
	int r = 0;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]) && r >= 0; i++)
		r = mftd_db_run(
		    c, steps[i].sql, NULL, 0, steps[i].take, steps[i].data);
	return r < 0 ? r : 0;
}
