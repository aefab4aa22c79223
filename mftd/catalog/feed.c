/* Part of mftd; see LICENSE. */
#include "mftd/catalog/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_journal.h"

#define BATCH MFTD_FORWARD_MAX
#define FEEDS_MAX 4096 /* streams offered at once */
#define STUCK_MS 30000 /* until a stream that was refused is tried again */

struct feed {
	LIST_ENTRY(feed) link;
	struct mftd_chan *c; /* the journal that offers it */
	char stream[MFTD_ID_BYTES];
	uint64_t limit; /* offered up to here */
	uint64_t mark; /* in the catalog, if known */
	bool mark_known;
	bool busy; /* a WANT is out */
	uint64_t ref; /* its */
	int error; /* of the last batch: refused; 0 */
	int64_t not_before_ms; /* then */
	struct mftd_forward batch[BATCH]; /* payloads are ours */
	size_t n;
};

struct mftd_feeds {
	struct mftd_worker *w;
	struct mftd_catalog *c;
	uint64_t ref;
	size_t n;
	char stuck[MFTD_REASON_BYTES];
	LIST_HEAD(, feed) list;
};

struct mftd_feeds *
mftd_feeds_new(struct mftd_worker *w, struct mftd_catalog *c)
{
	struct mftd_feeds *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->w = w;
	f->c = c;
	LIST_INIT(&f->list);
	return f;
}

static void
empty_batch(struct feed *d)
{
	while (d->n > 0)
		free((void *)(uintptr_t)d->batch[--d->n].payload);
}

static void
drop(struct mftd_feeds *f, struct feed *d)
{
	empty_batch(d);
	LIST_REMOVE(d, link);
	f->n--;
	free(d);
}

void
mftd_feeds_free(struct mftd_feeds *f)
{
	if (f == NULL)
		return;
	while (!LIST_EMPTY(&f->list))
		drop(f, LIST_FIRST(&f->list));
	free(f);
}

void
mftd_feeds_drop(struct mftd_feeds *f, struct mftd_chan *c)
{
	struct feed *d = LIST_FIRST(&f->list), *next;

	for (; d != NULL; d = next) {
		next = LIST_NEXT(d, link);
		if (d->c == c)
			drop(f, d);
	}
}

static struct feed *
find(const struct mftd_feeds *f, const struct mftd_chan *c, const char *stream)
{
	struct feed *d;

	for (d = LIST_FIRST(&f->list); d != NULL; d = LIST_NEXT(d, link))
		if (d->c == c && strcmp(d->stream, stream) == 0)
			return d;
	return NULL;
}

bool
mftd_feeds_offered(const struct mftd_feeds *f, const struct mftd_chan *c)
{
	const struct feed *d;

	for (d = LIST_FIRST(&f->list); d != NULL; d = LIST_NEXT(d, link))
		if (d->c == c)
			return true;
	return false;
}

static void
acknowledge(struct mftd_feeds *f, struct feed *d)
{
	struct mftd_msg_forwarded msg = { .seq = d->mark };

	memcpy(msg.stream, d->stream, sizeof(msg.stream));
	mftd_worker_send(f->w, d->c, MFTD_MSG_FORWARDED, 0, &msg, sizeof(msg));
}

static void
want(struct mftd_feeds *f, struct feed *d)
{
	struct mftd_msg_want msg = { .after = d->mark, .most = BATCH };

	memcpy(msg.stream, d->stream, sizeof(msg.stream));
	d->ref = ++f->ref;
	d->busy = mftd_worker_send(f->w, d->c, MFTD_MSG_WANT, d->ref, &msg,
		      sizeof(msg)) == 0;
}

/* Goes on with a stream as far as that is possible without an answer. */
static int
pump(struct mftd_feeds *f, struct feed *d)
{
	int r;

	if (d->busy || (d->error < 0 && mftd_clock_ms() < d->not_before_ms))
		return 0;
	if (!d->mark_known) {
		r = mftd_catalog_mark(f->c, d->stream, &d->mark);
		if (r < 0)
			return r;
		d->mark_known = true;
		if (d->mark >= d->limit) /* forwarded in an earlier life */
			acknowledge(f, d);
	}
	if (d->mark < d->limit)
		want(f, d);
	return 0;
}

int
mftd_feeds_on_stream(
    struct mftd_feeds *f, struct mftd_chan *c, const struct mftd_msg *m)
{
	const struct mftd_msg_stream *msg = m->data;
	struct feed *d = find(f, c, msg->stream);

	if (!mftd_id_valid(msg->stream))
		return -MFTD_E_PROTOCOL;
	if (d == NULL) {
		if (f->n == FEEDS_MAX)
			return -MFTD_E_LIMIT;
		d = calloc(1, sizeof(*d));
		if (d == NULL)
			return -ENOMEM;
		d->c = c;
		memcpy(d->stream, msg->stream, sizeof(d->stream));
		LIST_INSERT_HEAD(&f->list, d, link);
		f->n++;
	}
	if (msg->seq > d->limit)
		d->limit = msg->seq;
	/* without its mark the stream waits for mftd_feeds_resume */
	return d->mark_known ? pump(f, d) : 0;
}

/* Adds a record to the batch; what the journal says of it must fit. */
static int
collect(struct feed *d, const struct mftd_msg_record *msg, size_t tail)
{
	struct mftd_forward *rec = &d->batch[d->n];
	uint8_t *payload;

	if (msg->payload_bytes != tail || tail > MFTD_RECORD_BYTES ||
	    msg->seq != d->mark + d->n + 1 || d->n == BATCH)
		return -MFTD_E_PROTOCOL;
	payload = malloc(tail + 1);
	if (payload == NULL)
		return -ENOMEM;
	memcpy(payload, msg + 1, tail);
	*rec = (struct mftd_forward) { .seq = msg->seq,
		.time_us = msg->time_us,
		.type = msg->type,
		.payload = payload,
		.payload_bytes = tail };
	d->n++;
	return 0;
}

/* The batch is whole: into the catalog with it. */
static int
flush(struct mftd_feeds *f, struct feed *d)
{
	uint64_t last = d->mark + d->n;
	int r;

	d->busy = false;
	if (d->n == 0)
		return -ENODATA;
	r = mftd_catalog_forward(f->c, d->stream, d->batch, d->n);
	empty_batch(d);
	if (r < 0) {
		d->mark_known = false; /* it may have been committed */
		return r;
	}
	d->mark = last;
	acknowledge(f, d);
	return pump(f, d);
}

/* A batch that the catalog refuses, or that the journal cannot read, will be
 * that again: said once, tried rarely.  The other streams go on. */
static void
note(struct mftd_feeds *f, struct feed *d, int err)
{
	if (err == -ENODATA)
		snprintf(f->stuck, sizeof(f->stuck),
		    "stream %s is stuck: it cannot be read on after seq "
		    "%" PRIu64,
		    d->stream, d->mark);
	else if (err < 0)
		snprintf(f->stuck, sizeof(f->stuck),
		    "stream %s is stuck: %s: %s", d->stream, mftd_strerror(err),
		    mftd_catalog_why(f->c));
	if (err < 0) {
		if (d->error != err)
			log_error("%s", f->stuck);
		d->not_before_ms = mftd_clock_ms() + STUCK_MS;
	}
	d->error = err;
}

int
mftd_feeds_on_record(struct mftd_feeds *f, struct mftd_chan *c,
    const struct mftd_msg *m, int *failed)
{
	const struct mftd_msg_record *msg = m->data;
	struct feed *d = find(f, c, msg->stream);
	int r;

	*failed = 0;
	if (d == NULL || !d->busy || d->ref != m->ref)
		return 0; /* an answer to what is no longer asked */
	if (msg->type != 0) {
		r = collect(d, msg, m->len - sizeof(*msg));
		if (r < 0 || d->n < BATCH)
			return r;
	}
	r = flush(f, d);
	if (r == -MFTD_E_CATALOG_AWAY)
		*failed = r;
	else
		note(f, d, r);
	return 0;
}

const char *
mftd_feeds_stuck(const struct mftd_feeds *f)
{
	const struct feed *d;

	for (d = LIST_FIRST(&f->list); d != NULL; d = LIST_NEXT(d, link))
		if (d->error < 0)
			return f->stuck;
	return "";
}

int
mftd_feeds_resume(struct mftd_feeds *f)
{
	struct feed *d;
	int r;

	for (d = LIST_FIRST(&f->list); d != NULL; d = LIST_NEXT(d, link)) {
		r = pump(f, d);
		if (r < 0)
			return r;
	}
	return 0;
}
