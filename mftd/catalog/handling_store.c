/* Part of mftd; see LICENSE. */
#include "mftd/catalog/handling_store.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/handling.h"
#include "mftd/catalog/rows.h"

/* ---- values */

void
mftd_handling_put(struct mftd_db_value *v, const struct mftd_handling *at)
{
	v[0] = DB_TEXT(mftd_if_exists_words[at->if_exists]);
	v[1] = DB_TEXT(mftd_resume_words[at->resume]);
	v[2] = DB_TEXT(mftd_mtime_words[at->preserve]);
	v[3] = DB_INT(at->mode);
	v[4] = DB_TEXT(at->temp_suffix);
	v[5] = DB_TEXT(at->temp_directory);
	v[6] = DB_TEXT(at->trigger);
	v[7] = DB_TEXT(at->trigger_line);
}

void
mftd_progress_put(struct mftd_db_value *v, const struct mftd_progress *has)
{
	v[0] = DB_INT(has->temp_try);
	v[1] = DB_INT(has->number);
	v[2] = DB_TEXT(mftd_verified_name(has->verified));
	v[3] = DB_INT(has->skipped);
}

static bool
take_word(
    const struct mftd_db_value *v, const char *const *words, uint32_t *out)
{
	int i =
	    v->type == MFTD_DB_TEXT ? mftd_handling_word(words, v->p) : -EINVAL;

	if (i >= 0)
		*out = (uint32_t)i;
	return i >= 0;
}

static bool
take_text(const struct mftd_db_value *v, char *out, size_t size)
{
	if (v->type != MFTD_DB_TEXT || v->len >= size)
		return false;
	memcpy(out, v->p, v->len + 1);
	return true;
}

static bool
take_progress(const struct mftd_db_value *row, struct mftd_progress *has)
{
	*has = (struct mftd_progress) { .temp_try = (uint32_t)row[0].i,
		.number = (uint32_t)row[1].i,
		.skipped = row[3].i != 0 };
	return take_word(&row[2], mftd_verified_words, &has->verified);
}

int
mftd_handling_get(const struct mftd_db_value *row, struct mftd_handling *at,
    struct mftd_progress *has)
{
	memset(at, 0, sizeof(*at));
	at->mode = (uint32_t)row[3].i;
	if (!take_word(&row[0], mftd_if_exists_words, &at->if_exists) ||
	    !take_word(&row[1], mftd_resume_words, &at->resume) ||
	    !take_word(&row[2], mftd_mtime_words, &at->preserve) ||
	    !take_text(&row[4], at->temp_suffix, sizeof(at->temp_suffix)) ||
	    !take_text(
		&row[5], at->temp_directory, sizeof(at->temp_directory)) ||
	    !take_text(&row[6], at->trigger, sizeof(at->trigger)) ||
	    !take_text(&row[7], at->trigger_line, sizeof(at->trigger_line)))
		return -MFTD_E_CORRUPT;
	if (has != NULL && !take_progress(row + MFTD_DB_HANDLING_VALUES, has))
		return -MFTD_E_CORRUPT;
	return 0;
}

/* ---- routes */

int
mftd_route_handling_put(
    struct mftd_catalog *c, const char *route, const struct mftd_handling *at)
{
	static const struct mftd_handling nothing = { 0 };
	struct mftd_db_value v[MFTD_DB_HANDLING_VALUES + 1];

	if (memcmp(at, &nothing, sizeof(nothing)) == 0)
		return 0; /* the columns' defaults say so */
	mftd_handling_put(v, at);
	v[MFTD_DB_HANDLING_VALUES] = DB_TEXT(route);
	return mftd_rows_put(c,
	    "UPDATE route SET if_exists = $1, resume = $2, mtime_kind = $3, "
	    "mode = $4, temp_suffix = $5, temp_directory = $6, "
	    "trigger_name = $7, trigger_line = $8 WHERE name = $9",
	    v, MFTD_DB_HANDLING_VALUES + 1);
}

struct load {
	struct mftd_objects *o;
	size_t at;
};

static int
take_route(void *data, const struct mftd_db_value *row, int n)
{
	struct load *l = data;

	(void)n;
	if (l->at == l->o->n_routes)
		return -MFTD_E_CORRUPT;
	return mftd_handling_get(row, &l->o->routes[l->at++].at, NULL);
}

int
mftd_route_handlings_load(struct mftd_catalog *c, struct mftd_objects *o)
{
	struct load l = { .o = o };
	int r = mftd_db_run(c,
	    "SELECT " MFTD_DB_ROUTE_HANDLING_COLUMNS
	    " FROM route ORDER BY name",
	    NULL, 0, take_route, &l);

	return r < 0 ? r : 0;
}
