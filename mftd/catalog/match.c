/* Part of mftd; see LICENSE. */
#include "mftd/catalog/match.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/limits.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/catalog/rows.h"
#include "mftd/catalog/targets.h"

#define N(v) ((int)(sizeof(v) / sizeof((v)[0])))
#define US_PER_S 1000000

struct receipt {
	char id[MFTD_ID_BYTES];
	char stream[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	char path[MFTD_PATH_BYTES]; /* as uploaded */
	char path_now[MFTD_PATH_BYTES];
	char replaced_by[MFTD_ID_BYTES]; /* "" */
	int64_t seq, time_us, size, inode;
	int64_t order_us, order_off_us;
	char order_by[MFTD_ID_BYTES];
	bool ready; /* known, published, and there is something to say */
	bool linked; /* in .mft/out */
	bool has_sha256, removed;
	uint8_t sha256[MFTD_SHA256_BYTES];
};

bool
mftd_match_excluded(const char *name)
{
	static const char *const patterns[] = { "*.filepart", "*.part",
		"*.partial", "*.tmp", ".fuse_hidden*", ".nfs*" };
	size_t i;

	for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		if (fnmatch(patterns[i], name, 0) == 0)
			return true;
	return false;
}

#define RECEIPT_COLUMNS                                                     \
	"known, outcome, has_routes, released, stream, seq, time_us, "      \
	"account, volume, path, size, inode, sha256, replaced_by, source, " \
	"coalesce(order_us, time_us), order_off_us, order_by, "             \
	"CASE WHEN matched = 1 OR pending = 1 OR EXISTS (SELECT 1 FROM "    \
	"route w WHERE w.account = receipt.account) THEN 1 ELSE 0 END"

static int
take_receipt(void *data, const struct mftd_db_value *row, int n)
{
	struct receipt *r = data;

	r->linked = row[2].i == 1;
	r->ready = row[0].i == 1 && strcmp(row[1].p, "PUBLISHED") == 0 &&
	    row[18].i == 1 && row[3].i == 0 &&
	    (row[14].len == 0 || strcmp(row[14].p, "WANTED") == 0);
	r->seq = row[5].i;
	r->time_us = row[6].i;
	r->size = row[10].i;
	r->inode = row[11].i;
	r->order_us = row[15].i;
	r->order_off_us = row[16].i;
	r->has_sha256 = row[12].len == MFTD_SHA256_BYTES;
	if (r->has_sha256)
		memcpy(r->sha256, row[12].p, MFTD_SHA256_BYTES);
	if (mftd_rows_get(&row[4], r->stream, sizeof(r->stream)) < 0 ||
	    mftd_rows_get(&row[7], r->account, sizeof(r->account)) < 0 ||
	    mftd_rows_get(&row[8], r->volume, sizeof(r->volume)) < 0 ||
	    mftd_rows_get(&row[9], r->path, sizeof(r->path)) < 0 ||
	    mftd_rows_get(&row[13], r->replaced_by, sizeof(r->replaced_by)) <
		0 ||
	    mftd_rows_get(&row[17], r->order_by, sizeof(r->order_by)) < 0)
		return -MFTD_E_CORRUPT;
	memcpy(r->path_now, r->path, sizeof(r->path_now));
	return 0;
}

static int
take_event(void *data, const struct mftd_db_value *row, int n)
{
	struct receipt *r = data;

	if (r->removed)
		return 0;
	if (strcmp(row[0].p, "REMOVE") == 0) {
		r->removed = true;
		return 0;
	}
	return mftd_rows_get(&row[1], r->path_now, sizeof(r->path_now));
}

/* What happened to the inode's name since.  The link in .mft/out pins the
 * inode, so later events are of this file: later in the order of order.h. */
static int
follow_name(struct mftd_catalog *c, struct receipt *r)
{
	const struct mftd_db_value v[] = { DB_TEXT(r->volume), DB_INT(r->inode),
		DB_TEXT(r->stream), DB_INT(r->seq), DB_INT(r->order_us) };

	return mftd_db_run(c,
	    "SELECT kind, to_path FROM name_event "
	    "WHERE volume = $1 AND inode = $2 AND "
	    "((stream = $3 AND seq > $4) OR (stream <> $3 AND "
	    "coalesce(order_us, time_us) > $5)) "
	    "ORDER BY coalesce(order_us, time_us), seq",
	    v, N(v), take_event, r);
}

static int
take_id(void *data, const struct mftd_db_value *row, int n)
{
	return mftd_rows_get(&row[0], data, MFTD_ID_BYTES);
}

/* Other receipts of the same upload (account, path, size, sha256): the client
 * repeated it after a cut.  The index has the beginning of paths only; with
 * "path = $2" SQLite would put $2 for path there too, and not use it. */
#define SAME                                                                 \
	"account = $1 AND NOT path <> $2 AND size = $3 AND sha256 = $4 AND " \
	"substr(path, 1, 512) = substr($2, 1, 512) AND "                     \
	"volume = $5 AND id <> $6 AND known = 1 AND "                        \
	"outcome = 'PUBLISHED' AND has_routes = 1 AND "
#define ORDER_US "coalesce(order_us, time_us)"

/* Finds a later repetition of r, and makes r that of the earlier ones. */
static int
compare_repetitions(struct mftd_catalog *c, struct receipt *r)
{
	const struct mftd_db_value v[] = { DB_TEXT(r->account),
		DB_BLOB(r->path, strlen(r->path)), DB_INT(r->size),
		DB_BLOB(r->sha256, MFTD_SHA256_BYTES), DB_TEXT(r->volume),
		DB_TEXT(r->id), DB_INT(r->order_us) };
	char earlier[MFTD_ID_BYTES];
	int e;

	if (!r->has_sha256)
		return 0;
	e = mftd_db_run(c,
	    "SELECT id FROM receipt WHERE " SAME "(" ORDER_US
	    " > $7 OR (" ORDER_US " = $7 AND id > $6)) "
	    "ORDER BY " ORDER_US ", id LIMIT 1",
	    v, N(v), take_id, r->replaced_by);
	while (e >= 0) {
		e = mftd_db_run(c,
		    "UPDATE receipt SET replaced_by = $6, pending = 0 "
		    "WHERE id = (SELECT id FROM receipt WHERE " SAME
		    "(" ORDER_US " < $7 OR (" ORDER_US
		    " = $7 AND id < $6)) AND "
		    "replaced_by IS NULL LIMIT 1) RETURNING id",
		    v, N(v), take_id, earlier);
		if (e <= 0)
			break;
		e = mftd_targets_cancel(
		    c, earlier, NULL, "replaced by a repeated upload");
	}
	return e;
}

static int
store(struct mftd_catalog *c, const struct receipt *r, bool pending)
{
	const struct mftd_db_value v[] = { DB_TEXT(r->id),
		DB_BLOB(r->path_now, strlen(r->path_now)), DB_INT(r->removed),
		DB_INT(pending),
		DB_TEXT(r->replaced_by[0] != '\0' ? r->replaced_by : NULL) };

	return mftd_db_run(c,
	    "UPDATE receipt SET path_now = $2, removed = $3, pending = $4, "
	    "replaced_by = $5, matched = CASE WHEN EXISTS (SELECT 1 FROM "
	    "delivery WHERE receipt = $1) THEN 1 ELSE 0 END WHERE id = $1",
	    v, N(v), NULL, NULL);
}

/* The deliveries of r as it is known now.  *waits: for another name. */
static int
bring_in_line(struct mftd_catalog *c, const struct receipt *r, bool *waits)
{
	const struct mftd_candidate f = { .receipt = r->id,
		.account = r->account,
		.volume = r->volume,
		.path = r->path_now,
		.time_us = r->time_us,
		.seq = r->seq,
		.order_us = r->order_us,
		.order_off_us = r->order_off_us,
		.order_by = r->order_by,
		.size = r->size,
		.lost = !r->linked,
		.sha256 = r->has_sha256 ? r->sha256 : NULL };

	*waits = false;
	if (r->removed)
		return mftd_targets_cancel(
		    c, r->id, NULL, "removed before it was sent");
	if (r->replaced_by[0] != '\0')
		return mftd_targets_cancel(
		    c, r->id, NULL, "replaced by a repeated upload");
	if (!mftd_match_excluded(mftd_path_base(r->path_now)))
		return mftd_targets_put(c, &f, waits);
	*waits = true;
	return mftd_targets_cancel(c, r->id, NULL, "its name is excluded");
}

/*
 * Some route takes from its account, and yet there is no link: it was published
 * when its node knew of no route at all.  Its deliveries have FAILED and say
 * so; nothing of them is to be released.
 */
static int
note_lost(struct mftd_catalog *c, const struct receipt *r)
{
	const struct mftd_db_value v[] = { DB_TEXT(r->id) };

	log_warn("receipt=%s account=%s: it was published before its node knew "
		 "of any route, and cannot be sent: it is to be uploaded again",
	    r->id, r->account);
	return mftd_db_run(c,
	    "UPDATE delivery SET released = 1 WHERE receipt = $1", v, N(v),
	    NULL, NULL);
}

static int
settle(struct mftd_catalog *c, struct receipt *r)
{
	const struct mftd_db_value v[] = { DB_TEXT(r->id) };
	bool waits;
	int e;

	e = mftd_db_run(c,
	    "SELECT " RECEIPT_COLUMNS " FROM receipt WHERE id = $1", v, N(v),
	    take_receipt, r);
	if (e <= 0)
		return e < 0 ? e : -ENOENT;
	if (!r->ready)
		return 0;
	if ((e = follow_name(c, r)) < 0 ||
	    (e = compare_repetitions(c, r)) < 0 ||
	    (e = bring_in_line(c, r, &waits)) < 0 ||
	    (e = r->linked ? 0 : note_lost(c, r)) < 0)
		return e;
	return store(c, r, waits);
}

int
mftd_match_settle(struct mftd_catalog *c, const char *receipt)
{
	struct receipt *r = calloc(1, sizeof(*r));
	int e;

	if (r == NULL)
		return -ENOMEM;
	snprintf(r->id, sizeof(r->id), "%s", receipt);
	e = settle(c, r);
	free(r);
	return e < 0 ? e : 0;
}
