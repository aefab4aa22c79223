/* Part of mftd; see LICENSE. */
#include "mftd/catalog/disposer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/catalog/source.h"

struct mftd_disposer {
	struct mftd_worker *w;
	struct mftd_catalog *c;
	size_t waiting; /* for so many answers … */
	int64_t until_ms; /* … and until then */
	bool full; /* some journal was asked for as many as it takes */
	struct mftd_msg_dispose questions[MFTD_DISPOSALS_MAX];
};

struct mftd_disposer *
mftd_disposer_new(struct mftd_worker *w, struct mftd_catalog *c)
{
	struct mftd_disposer *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->w = w;
	d->c = c;
	return d;
}

void
mftd_disposer_free(struct mftd_disposer *d)
{
	free(d);
}

void
mftd_disposer_lost(struct mftd_disposer *d)
{
	d->waiting = 0;
}

/* Those of the journal's volume. */
static int
ask(struct mftd_disposer *d, struct mftd_chan *journal)
{
	int i, n;

	n = mftd_source_begin(d->c, mftd_chan_instance(journal), d->questions,
	    MFTD_DISPOSALS_MAX);
	for (i = 0; i < n; i++)
		if (mftd_worker_send(d->w, journal, MFTD_MSG_DISPOSE, 0,
			&d->questions[i], sizeof(d->questions[i])) < 0)
			break; /* it is gone: asked again when they are due */
	if (n > 0)
		d->waiting += (size_t)i;
	d->full |= n == MFTD_DISPOSALS_MAX;
	return n < 0 ? n : 0;
}

int
mftd_disposer_work(
    struct mftd_disposer *d, struct mftd_chan *const *journals, size_t n)
{
	int64_t now_ms = mftd_clock_ms();
	size_t i;
	int r = 0;

	if (d->waiting > 0 && now_ms < d->until_ms)
		return 0;
	d->waiting = 0;
	d->full = false;
	d->until_ms = now_ms + MFTD_DISPOSE_AGAIN_S * 1000;
	for (i = 0; i < n && r == 0; i++)
		r = ask(d, journals[i]);
	return r;
}

int
mftd_disposer_answered(
    struct mftd_disposer *d, const struct mftd_msg *m, int *failed)
{
	const struct mftd_msg_disposed *said = m->data;
	int r;

	*failed = 0;
	if (!mftd_id_valid(said->receipt))
		return -MFTD_E_PROTOCOL;
	if (said->err != 0)
		log_warn("receipt=%s: its source stays so far: %s",
		    said->receipt, mftd_strerror(said->err));
	else
		log_info("receipt=%s: its source is %s%s%s", said->receipt,
		    mftd_source_name(said->source),
		    said->source == MFTD_SOURCE_KEPT ? ": " : "",
		    said->source == MFTD_SOURCE_KEPT ? said->text : "");
	r = mftd_source_answered(d->c, said);
	if (r == -MFTD_E_PROTOCOL)
		return r;
	*failed = r;
	if (d->waiting > 0)
		d->waiting--;
	return r == 0 && d->waiting == 0 && d->full;
}
