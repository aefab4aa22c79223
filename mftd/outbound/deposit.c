/* Part of mftd; see LICENSE. */
#include "mftd/outbound/deposit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/catalog/outcome.h"
#include "mftd/outbound/batch.h"
#include "mftd/outbound/copy.h"
#include "mftd/outbound/folder.h"

struct deposit {
	struct mftd_batch b;
	struct mftd_folder_session folder;
	struct mftd_folder_part *parts; /* by item */
	int lost; /* why nothing more can be done, or 0 */
};

static struct mftd_folder_part *
part_of(const struct deposit *dp, const struct mftd_item *it)
{
	return &dp->parts[it - dp->b.items];
}

/* Notes a failure.  Once journal is gone nothing more can be asked of it. */
static void
fail(struct deposit *dp, struct mftd_item *it, int err, const char *what)
{
	if (err == -MFTD_E_CLOSED)
		dp->lost = err;
	mftd_item_fail(it, err, what,
	    err == -MFTD_E_CLOSED ? "its journal is gone" : mftd_strerror(err));
}

/* No watchdog here: what blocks is a file system, and an alarm would not wake
 * it. */
static int
tell(struct deposit *dp)
{
	int r = mftd_batch_tell(&dp->b);

	alarm(0);
	return r;
}

/* ---- the phases */

/* How it is called there, and its source.  One whose row is in PUBLISHING is
 * none of ours: outbound looks at the catalog for it. */
static void
prepare(struct deposit *dp, struct mftd_item *it)
{
	int r = mftd_deliver_final_name(&it->d, it->final, sizeof(it->final));

	part_of(dp, it)->fd = -1;
	it->publishing = it->evidence;
	if (it->evidence)
		r = -MFTD_E_PROTOCOL;
	if (r < 0)
		mftd_item_fail(it, r, "name", mftd_strerror(r));
	else
		mftd_item_open_source(dp->b.j->conf, it);
	it->drop = false;
}

static void
copy_one(struct deposit *dp, struct mftd_item *it)
{
	struct mftd_folder_part *p = part_of(dp, it);
	const struct mftd_delivery *d = &it->d;
	char id[MFTD_ID_BYTES];
	int r = dp->lost;

	if (r == 0)
		r = mftd_outcome_part(dp->folder.session, d->id, d->tries, id);
	if (r == 0)
		r = mftd_folder_make(&dp->folder, it->final, id, p);
	if (r < 0) {
		fail(dp, it, r, it->final);
		it->drop = false;
		return;
	}
	r = mftd_copy(it->source, p->fd, d->size, it->sum);
	mftd_fd_close(&it->source);
	it->summed = r == 0;
	if (r == 0 && d->has_sha256 &&
	    memcmp(d->sha256, it->sum, sizeof(it->sum)) != 0) {
		it->lasting = true;
		mftd_item_fail(it, -MFTD_E_CORRUPT, "source",
		    "its SHA-256 is not the receipt's");
		return;
	}
	/* others' entries may be in the same directory: a sync that failed is
	 * not tried again */
	if (r == 0)
		dp->lost = r = mftd_folder_settle(&dp->folder, p);
	if (r < 0)
		fail(dp, it, r, "copy");
}

static void
copy_all(struct deposit *dp)
{
	struct mftd_item *it;

	FOR_EACH_ACTIVE(it, &dp->b)
	if (mftd_item_is_fresh(it) && mftd_batch_may_go_on(&dp->b))
		copy_one(dp, it);
}

/* What journal refuses was not published: it says so only when that is sure. */
static void
take_answer(struct deposit *dp, struct mftd_item *it, int err)
{
	it->renaming = false;
	it->event = err == 0 ? MFTD_EVENT_DELIVERED : MFTD_EVENT_REFUSED;
	if (err == 0)
		return;
	fail(dp, it, err, it->final);
	it->event = MFTD_EVENT_REFUSED;
	it->drop = true;
}

/* The rows are in PUBLISHING: asks for all at once, so that one commit of
 * journal serves them.  How many were asked for. */
static uint32_t
ask_all(struct deposit *dp)
{
	struct mftd_item *it;
	uint32_t n = 0;
	int r;

	FOR_EACH_ACTIVE(it, &dp->b)
	{
		if (!it->renaming)
			continue;
		r = mftd_folder_supersede(
		    &dp->folder, part_of(dp, it), it->final);
		if (r < 0)
			take_answer(dp, it, r);
	}
	FOR_EACH_ACTIVE(it, &dp->b)
	{
		if (!it->renaming)
			continue;
		r = mftd_folder_ask(&dp->folder, part_of(dp, it), it->final,
		    it->d.size, it->sum, (uint64_t)(it - dp->b.items));
		if (r < 0)
			fail(dp, it, r, it->final);
		n += r == 0;
	}
	return n;
}

static void
publish_all(struct deposit *dp)
{
	struct mftd_item *it;
	uint32_t n = ask_all(dp);
	uint64_t ref = 0;
	int err = 0, r = 0;

	for (; n > 0 && r == 0; n--) {
		r = mftd_folder_answer(&dp->folder, &ref, &err);
		if (r == 0 && ref >= dp->b.n)
			r = -MFTD_E_PROTOCOL;
		if (r == 0)
			take_answer(dp, &dp->b.items[ref], err);
	}
	FOR_EACH_ACTIVE(it, &dp->b)
	if (it->renaming)
		fail(dp, it, r < 0 ? r : -MFTD_E_PROTOCOL, it->final);
}

/* Only once the rows say that they were not published. */
static void
drop_all(struct deposit *dp)
{
	struct mftd_item *it;

	for (it = dp->b.items; it < dp->b.items + dp->b.n; it++) {
		if (it->drop)
			mftd_folder_drop(&dp->folder, part_of(dp, it));
		mftd_fd_close(&part_of(dp, it)->fd);
		mftd_fd_close(&it->source);
	}
}

/* A row in PUBLISHING waits for journal's word of its part.  One that started
 * before the part was made has looked already what its predecessor left. */
static bool
may_ask(struct deposit *dp)
{
	struct mftd_item *it;

	if (mftd_folder_is_held(&dp->folder))
		return true;
	FOR_EACH_ACTIVE(it, &dp->b)
	if (mftd_item_is_fresh(it))
		fail(dp, it, -MFTD_E_CLOSED, it->final);
	return false;
}

/* As deliver's (deliver.c). */
static int
do_batch(struct deposit *dp)
{
	struct mftd_item *it;
	int r;

	FOR_EACH_ACTIVE(it, &dp->b)
	prepare(dp, it);
	mftd_batch_say(&dp->b, MFTD_EVENT_BEGIN);
	r = tell(dp);
	if (r == 0)
		copy_all(dp);
	if (r == 0 && mftd_batch_may_go_on(&dp->b) && may_ask(dp))
		mftd_batch_say(&dp->b, MFTD_EVENT_PUBLISH);
	if (r == 0)
		r = tell(dp);
	if (r == 0) {
		publish_all(dp);
		r = tell(dp);
	}
	if (r == 0)
		drop_all(dp);
	return r;
}

int
mftd_deposit_run(const struct mftd_deposit *j, struct mftd_chan *c,
    struct mftd_chan *journal)
{
	const struct mftd_deliver as = {
		.conf = j->conf, .lease = j->lease, .session = j->session
	};
	struct deposit dp = { .b = { .j = &as, .c = c },
		.folder = { .session = j->session,
		    .policy = j->policy,
		    .journal = journal,
		    .root = -1,
		    .parts = -1 } };
	int r = -ENOMEM;

	dp.b.items = calloc(MFTD_DELIVER_BATCH_MAX, sizeof(*dp.b.items));
	dp.parts = calloc(MFTD_DELIVER_BATCH_MAX, sizeof(*dp.parts));
	if (dp.b.items == NULL || dp.parts == NULL)
		goto out;
	dp.lost = mftd_folder_open(&dp.folder);
	do {
		r = mftd_batch_take(&dp.b);
		if (r == 0)
			r = do_batch(&dp);
	} while (r == 0 && dp.lost == 0);
out:
	mftd_folder_close(&dp.folder);
	free(dp.b.items);
	free(dp.parts);
	return r == -MFTD_E_CLOSED ? 0 : r;
}
