/* Part of mftd; see LICENSE. */
#include "mftd/inbound/held.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "mftd/base/err.h"

struct question {
	TAILQ_ENTRY(question) link;
	struct mftd_chan *chan;
	struct mftd_msg m; /* its data is ours */
	void *data;
};

struct mftd_held {
	TAILQ_HEAD(, question) questions;
};

struct mftd_held *
mftd_held_new(void)
{
	struct mftd_held *h = calloc(1, sizeof(*h));

	if (h != NULL)
		TAILQ_INIT(&h->questions);
	return h;
}

/* There may be a password in it. */
static void
wipe(struct question *q)
{
	explicit_bzero(q->data, q->m.len);
	free(q->data);
	free(q);
}

static void
forget(struct mftd_held *h, struct question *q)
{
	TAILQ_REMOVE(&h->questions, q, link);
	wipe(q);
}

void
mftd_held_free(struct mftd_held *h)
{
	struct question *q;

	while (h != NULL && (q = TAILQ_FIRST(&h->questions)) != NULL)
		forget(h, q);
	free(h);
}

static struct question *
find(struct mftd_held *h, const struct mftd_chan *c)
{
	struct question *q;

	TAILQ_FOREACH(q, &h->questions, link)
		if (q->chan == c)
			return q;
	return NULL;
}

int
mftd_held_add(
    struct mftd_held *h, struct mftd_chan *c, const struct mftd_msg *m)
{
	struct question *q;

	if (find(h, c) != NULL)
		return -MFTD_E_PROTOCOL;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	q->data = malloc(m->len + 1);
	if (q->data == NULL) {
		free(q);
		return -ENOMEM;
	}
	memcpy(q->data, m->data, m->len);
	q->chan = c;
	q->m = *m;
	q->m.data = q->data;
	TAILQ_INSERT_TAIL(&h->questions, q, link);
	return 0;
}

void
mftd_held_drop(struct mftd_held *h, struct mftd_chan *c)
{
	struct question *q = find(h, c);

	if (q != NULL)
		forget(h, q);
}

void
mftd_held_answer(struct mftd_held *h,
    void (*fn)(void *data, struct mftd_chan *c, struct mftd_msg *m), void *data)
{
	struct question *q;
	size_t n = 0;

	TAILQ_FOREACH(q, &h->questions, link)
		n++;
	/* off the list first: its channel may end meanwhile */
	while (n-- > 0 && (q = TAILQ_FIRST(&h->questions)) != NULL) {
		TAILQ_REMOVE(&h->questions, q, link);
		fn(data, q->chan, &q->m);
		wipe(q);
	}
}
