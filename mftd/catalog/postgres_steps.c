/* Part of mftd; see LICENSE. */
#include "mftd/catalog/postgres_steps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/catalog/event.h"
#include "mftd/catalog/tries.h"
#include "mftd/catalog/versions.h"

/* "|| ''": the rows are to be found by their ids, not by the indexes for queue
 * and state, which a planner without statistics takes for narrower.  LIMIT: so
 * that it is asked for each that has ended, not for all that wait. */
#define STEPS                                                               \
	ROLE_ROW                                                            \
	"v AS (SELECT * FROM unnest($4::text[], $5::text[], $6::text[], "   \
	"$7::bigint[], $8::text[], $9::bigint[], $10::bigint[], "           \
	"$11::bytea[], $12::text[], $13::bigint[], $14::bigint[], "         \
	"$15::text[], $16::bigint[], $17::bigint[], $18::bigint[], "        \
	"$19::bigint[], $20::bigint[], $21::text[], $22::bigint[], "        \
	"$23::text[]) AS v (id, was, state, tries, host, mtime, due_us, "   \
	"sha256, error, temp_try, number, verified, skipped, first_us, "    \
	"slot, begin_us, end_us, try_host, bytes, outcome)), "              \
	"m AS (UPDATE delivery AS d SET state = v.state, "                  \
	"tries = v.tries, host = v.host, mtime = v.mtime, "                 \
	"due_us = v.due_us, sha256 = v.sha256, error = v.error, "           \
	"temp_try = v.temp_try, number = v.number, "                        \
	"verified = v.verified, skipped = v.skipped, "                      \
	"first_us = v.first_us FROM r, v WHERE d.id = v.id AND "            \
	"d.state || '' = v.was AND d.queue || '' = r.queue RETURNING v.*, " \
	"d.receipt, d.route), "                                             \
	"t AS (" MFTD_TRY_INTO                                              \
	"SELECT id, slot, tries, begin_us, end_us, try_host, bytes, "       \
	"outcome, error FROM m WHERE slot IS NOT NULL" MFTD_TRY_UPSERT      \
	"), g AS (UPDATE delivery AS d SET behind = '' FROM (SELECT w.id "  \
	"FROM m, LATERAL (SELECT id FROM delivery "                         \
	"WHERE " MFTD_VERSIONS_BEHIND(                                      \
	    "m.id") " LIMIT 16) AS w "                                      \
		    "WHERE m.state IN (" MFTD_VERSIONS_ENDED                \
		    ", " MFTD_VERSIONS_TURN ")) AS x "                      \
		    "WHERE d.id = x.id), u AS (SELECT id FROM m)"

const char mftd_postgres_steps[] = STEPS WITH_ROLE;

const char mftd_postgres_steps_events[] = STEPS
    ", ev AS (INSERT INTO event (id, kind, time_us, receipt, delivery, route, "
    "tries, host, error) SELECT k.event || '.' || m.id || '.' || "
    "(SELECT count(*) FROM delivery_wish w WHERE w.delivery = m.id), k.event, "
    "$24::bigint, m.receipt, m.id, m.route, m.tries, m.host, m.error "
    "FROM m JOIN (SELECT DISTINCT event, state FROM hook_want) AS k "
    "ON k.state = m.state ON CONFLICT (id) DO NOTHING)" WITH_ROLE;

bool
mftd_postgres_some_end(const struct mftd_db_value *v, int n)
{
	int at = MFTD_DB_ROLE_VALUES + 2; /* the state that it gets */

	for (; at < n; at += MFTD_DB_STEP_VALUES)
		if (mftd_event_ends(v[at].p))
			return true;
	return false;
}

char *
mftd_postgres_common(enum mftd_db_guarded which)
{
	char *sql = NULL;

	if (asprintf(&sql, ROLE_ROW "u AS (%s)" WITH_ROLE,
		mftd_db_common_sql[which]) < 0)
		return NULL;
	return sql;
}

/* An array's text as it grows.  Not a FILE: these are most of what the owner of
 * a queue has to write. */
struct text {
	char *p;
	size_t len, size;
	bool failed;
};

/* Room for so many more. */
static char *
room(struct text *t, size_t more)
{
	size_t size = 2 * (t->size + more);
	char *p;

	if (t->len + more > t->size && !t->failed) {
		p = realloc(t->p, size);
		t->failed = p == NULL;
		if (p != NULL) {
			t->p = p;
			t->size = size;
		}
	}
	return t->failed ? NULL : t->p + t->len;
}

static void
put(struct text *t, const char *s, size_t len)
{
	char *at = room(t, len);

	if (at == NULL)
		return;
	memcpy(at, s, len);
	t->len += len;
}

static void
put_text(struct text *t, const char *s)
{
	char *at = room(t, 2 * strlen(s) + 2), *from = at;

	if (at == NULL)
		return;
	*at++ = '"';
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			*at++ = '\\';
		*at++ = *s;
	}
	*at++ = '"';
	t->len += (size_t)(at - from);
}

static void
put_blob(struct text *t, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *at;
	size_t i;

	put(t, "\"\\\\x", 4);
	at = room(t, 2 * len);
	if (at == NULL)
		return;
	for (i = 0; i < len; i++) {
		*at++ = digits[p[i] >> 4];
		*at++ = digits[p[i] & 15];
	}
	t->len += 2 * len;
	put(t, "\"", 1);
}

static void
put_int(struct text *t, int64_t i)
{
	char digits[24];

	put(t, digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, i));
}

/* One element of an array's text (PostgreSQL's manual, "Array Input and Output
 * Syntax"). */
static void
put_value(struct text *t, const struct mftd_db_value *v)
{
	switch (v->type) {
	case MFTD_DB_INT:
		put_int(t, v->i);
		break;
	case MFTD_DB_TEXT:
		put_text(t, v->p);
		break;
	case MFTD_DB_BLOB:
		put_blob(t, v->p, v->len);
		break;
	default:
		put(t, "NULL", 4);
	}
}

/* Of the first step's value and those that are in its place in the others. */
static char *
make_array(const struct mftd_db_value *v, int n, int first)
{
	struct text t = { 0 };
	int at;

	put(&t, "{", 1);
	for (at = first; at < n; at += MFTD_DB_STEP_VALUES) {
		if (at > first)
			put(&t, ",", 1);
		put_value(&t, &v[at]);
	}
	put(&t, "}", 2); /* and its NUL */
	if (!t.failed)
		return t.p;
	free(t.p);
	return NULL;
}

int
mftd_postgres_arrays(const struct mftd_db_value *v, int n,
    struct mftd_db_value out[MFTD_POSTGRES_STEPS_VALUES])
{
	bool whole = true;
	int i;

	for (i = 0; i < MFTD_DB_ROLE_VALUES; i++)
		out[i] = v[i];
	for (; i < MFTD_POSTGRES_STEPS_VALUES; i++) {
		out[i] = DB_TEXT(make_array(v, n, i));
		whole = whole && out[i].p != NULL;
	}
	return whole ? 0 : -ENOMEM;
}

void
mftd_postgres_arrays_free(struct mftd_db_value out[MFTD_POSTGRES_STEPS_VALUES])
{
	int i;

	for (i = MFTD_DB_ROLE_VALUES; i < MFTD_POSTGRES_STEPS_VALUES; i++)
		free((void *)out[i].p);
}
