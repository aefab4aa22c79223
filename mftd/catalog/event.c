/* Part of mftd; see LICENSE. */
#include "mftd/catalog/event.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/db.h"
#include "mftd/catalog/numbered.h"
#include "mftd/catalog/rows.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))

int
mftd_event_wanted(struct mftd_catalog *c, bool *wanted)
{
	int64_t n = 0;
	int r = mftd_db_run(c,
	    "SELECT count(*) FROM hook_want WHERE event IN "
	    "('" MFTD_EVENT_RECEIVED "', '" MFTD_EVENT_FAILED "')",
	    NULL, 0, mftd_db_take_int, &n);

	*wanted = n > 0;
	return r < 0 ? r : 0;
}

int
mftd_event_receive(struct mftd_catalog *c, const char *receipt, int64_t time_us)
{
	const struct mftd_db_value v[] = { DB_TEXT(receipt), DB_INT(time_us) };

	return mftd_rows_put(c,
	    "INSERT INTO event (id, kind, time_us, receipt) "
	    "SELECT '" MFTD_EVENT_RECEIVED ".' || id, '" MFTD_EVENT_RECEIVED
	    "', CAST($2 AS BIGINT), id FROM receipt WHERE id = $1 AND "
	    "known = 1 AND outcome = 'PUBLISHED' AND EXISTS (SELECT 1 FROM "
	    "hook_want WHERE event = '" MFTD_EVENT_RECEIVED "') "
	    "ON CONFLICT (id) DO NOTHING",
	    v, N(v));
}

int
mftd_event_unmatched(
    struct mftd_catalog *c, const char *receipt, int64_t time_us)
{
	const struct mftd_db_value v[] = { DB_TEXT(receipt), DB_INT(time_us) };

	return mftd_rows_put(c,
	    "INSERT INTO event (id, kind, time_us, receipt, delivery, route, "
	    "error) SELECT '" MFTD_EVENT_FAILED ".' || d.id || '.0', "
	    "'" MFTD_EVENT_FAILED "', CAST($2 AS BIGINT), d.receipt, d.id, "
	    "d.route, d.error FROM delivery d WHERE d.receipt = $1 AND "
	    "d.state = 'FAILED' AND d.unmatched = 1 AND EXISTS (SELECT 1 FROM "
	    "hook_want WHERE event = '" MFTD_EVENT_FAILED "') "
	    "ON CONFLICT (id) DO NOTHING",
	    v, N(v));
}

/* ---- reading one */

/* What failed is nowhere; its number may be another after the next try. */
static int
take_name(const struct mftd_db_value *row, struct mftd_event *e)
{
	bool failed = strcmp(e->kind, MFTD_EVENT_FAILED) == 0;
	char name[MFTD_PATH_BYTES];

	if (mftd_rows_get(&row[16], name, sizeof(name)) < 0)
		return -MFTD_E_CORRUPT;
	return mftd_numbered(
	    name, failed ? 0 : (uint32_t)row[20].i, e->name, sizeof(e->name));
}

static int
take_event(void *data, const struct mftd_db_value *row, int n)
{
	struct mftd_event *e = data;

	if (mftd_rows_get(&row[0], e->id, sizeof(e->id)) < 0 ||
	    mftd_rows_get(&row[1], e->kind, sizeof(e->kind)) < 0 ||
	    mftd_rows_get(&row[3], e->receipt, sizeof(e->receipt)) < 0 ||
	    mftd_rows_get(&row[4], e->delivery, sizeof(e->delivery)) < 0 ||
	    mftd_rows_get(&row[5], e->route, sizeof(e->route)) < 0 ||
	    mftd_rows_get(&row[7], e->host, sizeof(e->host)) < 0 ||
	    mftd_rows_get(&row[8], e->error, sizeof(e->error)) < 0 ||
	    mftd_rows_get(&row[11], e->account, sizeof(e->account)) < 0 ||
	    mftd_rows_get(&row[12], e->partner, sizeof(e->partner)) < 0 ||
	    mftd_rows_get(&row[13], e->volume, sizeof(e->volume)) < 0 ||
	    mftd_rows_get(&row[14], e->path, sizeof(e->path)) < 0 ||
	    mftd_rows_get(&row[15], e->directory, sizeof(e->directory)) < 0 ||
	    take_name(row, e) < 0 ||
	    mftd_rows_get(&row[21], e->queue, sizeof(e->queue)) < 0 ||
	    mftd_rows_get(&row[22], e->fault, sizeof(e->fault)) < 0)
		return -MFTD_E_CORRUPT;
	e->time_us = row[2].i;
	e->tries = (uint32_t)row[6].i;
	e->since_us = row[9].i;
	e->until_us = row[10].i;
	e->size = (uint64_t)row[17].i;
	e->has_sha256 = row[18].len == MFTD_SHA256_BYTES;
	if (e->has_sha256)
		memcpy(e->sha256, row[18].p, MFTD_SHA256_BYTES);
	e->received_us = row[19].i;
	return 0;
}

/* A late one's account and partner are its route's, if that is still there. */
int
mftd_event_get(struct mftd_catalog *c, const char *id, struct mftd_event *out)
{
	const struct mftd_db_value v[] = { DB_TEXT(id) };
	int r;

	memset(out, 0, sizeof(*out));
	r = mftd_db_run(c,
	    "SELECT e.id, e.kind, e.time_us, e.receipt, e.delivery, e.route, "
	    "e.tries, e.host, e.error, e.since_us, e.until_us, "
	    "coalesce(r.account, w.account), coalesce(d.partner, w.partner, "
	    "e.partner), "
	    "r.volume, r.path, d.directory, d.name, r.size, "
	    "coalesce(d.sha256, r.sha256), coalesce(r.outcome_us, 0), "
	    "coalesce(d.number, 0), e.queue, e.fault "
	    "FROM event e LEFT JOIN receipt r ON r.id = e.receipt "
	    "LEFT JOIN delivery d ON d.id = e.delivery "
	    "LEFT JOIN route w ON w.name = e.route WHERE e.id = $1",
	    v, N(v), take_event, out);
	return r == 0 ? -ENOENT : r < 0 ? r : 0;
}
