/* Part of mftd; see LICENSE. */
#include "mftd/cluster/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "mftd/base/limits.h"

void
mftd_outbox_init(struct mftd_outbox *o)
{
	TAILQ_INIT(&o->queue);
	o->unsent = NULL;
	o->n = o->n_sent = 0;
	o->number = 0;
	o->progress_ms = 0;
}

static void
drop_first(struct mftd_outbox *o)
{
	struct mftd_saying *s = TAILQ_FIRST(&o->queue);

	if (o->unsent == s)
		o->unsent = TAILQ_NEXT(s, entry);
	else
		o->n_sent--;
	TAILQ_REMOVE(&o->queue, s, entry);
	free(s);
	o->n--;
}

void
mftd_outbox_clear(struct mftd_outbox *o)
{
	while (!TAILQ_EMPTY(&o->queue))
		drop_first(o);
}

int
mftd_outbox_put(struct mftd_outbox *o, const struct mftd_gm *m)
{
	struct mftd_saying *s;

	if (o->n == MFTD_GROUP_QUEUE_MAX)
		return -ENOBUFS;
	s = malloc(sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->m = *m;
	s->m.number = ++o->number;
	TAILQ_INSERT_TAIL(&o->queue, s, entry);
	if (o->unsent == NULL)
		o->unsent = s;
	o->n++;
	return 0;
}

const struct mftd_gm *
mftd_outbox_next(const struct mftd_outbox *o, bool all)
{
	if (o->unsent == NULL || (!all && o->n_sent >= MFTD_OUTBOX_WINDOW))
		return NULL;
	return &o->unsent->m;
}

void
mftd_outbox_sent(struct mftd_outbox *o, int64_t now_ms)
{
	if (o->n_sent == 0)
		o->progress_ms = now_ms;
	o->unsent = TAILQ_NEXT(o->unsent, entry);
	o->n_sent++;
}

void
mftd_outbox_delivered(struct mftd_outbox *o, uint64_t number, int64_t now_ms)
{
	struct mftd_saying *s = TAILQ_FIRST(&o->queue);

	if (s == NULL || s->m.number != number)
		return;
	drop_first(o);
	o->progress_ms = now_ms;
}

void
mftd_outbox_repeat(struct mftd_outbox *o, int64_t now_ms, int ms)
{
	if (o->n_sent == 0 || now_ms - o->progress_ms < ms)
		return;
	o->unsent = TAILQ_FIRST(&o->queue);
	o->n_sent = 0;
}
