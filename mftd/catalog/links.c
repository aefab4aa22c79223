/* Part of mftd; see LICENSE. */
#include "mftd/catalog/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/catalog/db.h"
#include "mftd/ipc/msg_journal.h"

#define RELEASE_BATCH 256
/* Several of the worker's rounds: one that is late costs no links, and who
 * hears nothing any more soon keeps them. */
#define NONE_MS 10000

int
mftd_links_tell(struct mftd_worker *w, struct mftd_catalog *c,
    struct mftd_chan *const *journals, size_t n)
{
	const int64_t until_ms = mftd_clock_ms() + NONE_MS; /* from before */
	struct mftd_msg_routes msg = { 0 };
	int64_t any = 0;
	size_t i;
	int r;

	r = mftd_db_run(c,
	    "SELECT count(*) FROM (SELECT 1 FROM route "
	    "WHERE account IS NOT NULL LIMIT 1) AS x",
	    NULL, 0, mftd_db_take_int, &any);
	if (r < 0)
		return r;
	if (any == 0)
		msg.none_until_ms = until_ms;
	for (i = 0; i < n; i++)
		mftd_worker_send(
		    w, journals[i], MFTD_MSG_ROUTES, 0, &msg, sizeof(msg));
	return 0;
}

int
mftd_links_release(struct mftd_worker *w, struct mftd_catalog *c,
    struct mftd_chan *const *journals, size_t n)
{
	char(*ids)[MFTD_ID_BYTES] = calloc(RELEASE_BATCH, sizeof(*ids));
	struct mftd_msg_release msg;
	int found, i, r = 0;
	size_t j;

	if (ids == NULL)
		return -ENOMEM;
	found = mftd_catalog_releasable(c, ids, RELEASE_BATCH);
	for (i = 0; i < found; i++) {
		memcpy(msg.receipt, ids[i], sizeof(msg.receipt));
		for (j = 0; j < n; j++)
			mftd_worker_send(w, journals[j], MFTD_MSG_RELEASE, 0,
			    &msg, sizeof(msg));
	}
	if (found > 0)
		r = mftd_catalog_released(
		    c, (const char(*)[MFTD_ID_BYTES])ids, (size_t)found);
	free(ids);
	return r < 0 ? r : found;
}
