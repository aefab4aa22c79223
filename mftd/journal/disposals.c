/* Part of mftd; see LICENSE. */
#include "mftd/journal/process.h"

#include <errno.h>

#include "mftd/base/err.h"
#include "mftd/ipc/soon.h"

/* What the catalog asks to be archived or deleted: collected while other
 * messages wait, and done as one group between the sessions' batches. */

static void
answer(struct mftd_journal *j, const struct mftd_disposal *d)
{
	mftd_worker_send(j->worker, j->catalog, MFTD_MSG_DISPOSED, d->ref,
	    &d->say, sizeof(d->say));
}

static void
run_disposals(void *data)
{
	struct mftd_journal *j = data;
	struct mftd_disposals list = STAILQ_HEAD_INITIALIZER(list);
	struct mftd_disposal *d;

	STAILQ_CONCAT(&list, &j->disposals);
	j->n_disposals = 0;
	if (mftd_lease_held(j->worker->lease))
		mftd_dispose_run(j->work, &list);
	else
		STAILQ_FOREACH(d, &list, link)
			d->say.err = -MFTD_E_NO_LEASE;
	mftd_journal_insist(j);
	while ((d = STAILQ_FIRST(&list)) != NULL) {
		STAILQ_REMOVE_HEAD(&list, link);
		answer(j, d);
		mftd_disposal_free(d);
	}
	mftd_journal_settle(j);
}

int
mftd_journal_on_dispose(void *data, struct mftd_chan *c, struct mftd_msg *m)
{
	struct mftd_journal *j = data;
	struct mftd_disposal *d;

	/* whoever asks for more than it may hears nothing, and asks again */
	if (j->stream == NULL || j->n_disposals == MFTD_DISPOSALS_MAX)
		return 0;
	d = mftd_disposal_new(m->ref, m->data);
	if (d == NULL)
		return -ENOMEM;
	STAILQ_INSERT_TAIL(&j->disposals, d, link);
	if (j->n_disposals++ == 0)
		mftd_soon(j->worker->loop, QB_LOOP_LOW, j, run_disposals, NULL);
	return 0;
}
