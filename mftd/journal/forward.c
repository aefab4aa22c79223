/* Part of mftd; see LICENSE. */
#include "mftd/journal/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/soon.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/recover.h"
#include "mftd/journal/seqfile.h"

#define OFFERS_MAX 16 /* recovered streams offered at a time */
#define WANTS_MAX 64 /* catalog asks once per stream that was offered */
#define RECORDS_PER_TURN 64
#define FULL_WAIT_MS 10
#define LOOK_MS 20 /* others wait meanwhile: then the next call goes on */
#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

/* How far a stream is in the catalog. */
struct progress {
	uint64_t done; /* the last that it has, as far as we know */
	uint64_t noted; /* what the file "taken" says */
	uint64_t timed; /* the record that was written … */
	int64_t time_us; /* … then, or later; 0: that cannot be read */
	bool unreadable; /* the one behind done, when it was last tried */
	/* Where its last WANT ended.  To find that again takes reading half a
	 * segment, and the catalog asks for several streams in turn. */
	struct mftd_reader *reader;
};

/* A recovered stream that is not wholly forwarded. */
struct feed {
	LIST_ENTRY(feed) link;
	char stream[MFTD_ID_BYTES];
	char node[MFTD_ID_BYTES];
	uint64_t seq; /* its last */
	struct progress progress;
	bool offered; /* on this channel */
};

struct want {
	char stream[MFTD_ID_BYTES];
	uint64_t ref, after;
	uint32_t left;
};

struct mftd_forwarder {
	struct mftd_worker *w;
	const struct mftd_volume *vol;
	const struct mftd_stream *own;
	struct mftd_chan *c;
	uint64_t told; /* our own stream was offered up to here */
	struct progress progress; /* of it */
	LIST_HEAD(, feed) feeds;
	struct want wants[WANTS_MAX]; /* in order of arrival */
	size_t n_wants;
	bool due; /* a timer or a job for pump is in the loop */
};

struct mftd_forwarder *
mftd_forwarder_new(struct mftd_worker *w, const struct mftd_volume *vol,
    const struct mftd_stream *stream)
{
	struct mftd_forwarder *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->w = w;
	f->vol = vol;
	f->own = stream;
	LIST_INIT(&f->feeds);
	return f;
}

static void
drop_reader(struct progress *p)
{
	mftd_reader_close(p->reader);
	p->reader = NULL;
}

static void
drop_feed(struct feed *feed)
{
	drop_reader(&feed->progress);
	LIST_REMOVE(feed, link);
	free(feed);
}

void
mftd_forwarder_free(struct mftd_forwarder *f)
{
	if (f == NULL)
		return;
	drop_reader(&f->progress);
	while (!LIST_EMPTY(&f->feeds))
		drop_feed(LIST_FIRST(&f->feeds));
	free(f);
}

static struct feed *
find(struct mftd_forwarder *f, const char *stream)
{
	struct feed *feed;

	LIST_FOREACH(feed, &f->feeds, link)
	if (strcmp(feed->stream, stream) == 0)
		return feed;
	return NULL;
}

/* NULL: that is neither ours nor one that waits. */
static struct progress *
progress_of(struct mftd_forwarder *f, const char *stream)
{
	struct feed *feed;

	if (strcmp(stream, mftd_stream_id(f->own)) == 0)
		return &f->progress;
	feed = find(f, stream);
	return feed != NULL ? &feed->progress : NULL;
}

static void
offer(struct mftd_forwarder *f, const char *stream, uint64_t seq)
{
	struct mftd_msg_stream msg = { .seq = seq };

	snprintf(msg.stream, sizeof(msg.stream), "%s", stream);
	mftd_worker_send(f->w, f->c, MFTD_MSG_STREAM, 0, &msg, sizeof(msg));
}

void
mftd_forwarder_grown(struct mftd_forwarder *f)
{
	uint64_t seq = mftd_stream_committed(f->own);

	/* a channel that is full hears of it later: only the last counts */
	if (f->c == NULL || seq == f->told || mftd_chan_pending(f->c))
		return;
	f->told = seq;
	offer(f, mftd_stream_id(f->own), seq);
}

/* Offers some of the recovered streams; the others when those are forwarded. */
static void
offer_feeds(struct mftd_forwarder *f)
{
	struct feed *feed;
	int n = 0;

	if (f->c == NULL)
		return;
	LIST_FOREACH(feed, &f->feeds, link)
	n += feed->offered;
	LIST_FOREACH(feed, &f->feeds, link)
	{
		if (feed->offered || n >= OFFERS_MAX)
			continue;
		feed->offered = true;
		n++;
		offer(f, feed->stream, feed->seq);
	}
}

/* What an earlier journal, or another node's, knew of its way. */
static void
read_taken(struct feed *feed, int dir)
{
	uint64_t seq;

	if (mftd_seqfile_read(dir, MFTD_STREAM_TAKEN, &seq) == 0 &&
	    seq <= feed->seq)
		feed->progress.done = feed->progress.noted = seq;
}

static int
consider(void *data, const char *node, const char *stream, int node_dir)
{
	struct mftd_forwarder *f = data;
	struct feed *feed;
	struct stat st;
	uint64_t seq;
	int dir = openat(node_dir, stream, DIR_FLAGS);

	if (dir < 0)
		return 0;
	if (find(f, stream) == NULL && mftd_recovered_seq(dir, &seq) == 0 &&
	    seq > 0 && fstatat(dir, MFTD_STREAM_FORWARDED, &st, 0) < 0 &&
	    errno == ENOENT && (feed = calloc(1, sizeof(*feed))) != NULL) {
		snprintf(feed->stream, sizeof(feed->stream), "%s", stream);
		snprintf(feed->node, sizeof(feed->node), "%s", node);
		feed->seq = seq;
		read_taken(feed, dir);
		LIST_INSERT_HEAD(&f->feeds, feed, link);
	}
	close(dir);
	return 0;
}

void
mftd_forwarder_scan(struct mftd_forwarder *f)
{
	int r = mftd_streams_each(f->vol->journal, NULL, consider, f);

	if (r < 0)
		log_error("streams cannot be listed: %s", mftd_strerror(r));
	offer_feeds(f);
}

void
mftd_forwarder_channel(struct mftd_forwarder *f, struct mftd_chan *c)
{
	struct feed *feed;

	f->c = c;
	f->n_wants = 0;
	f->told = 0;
	if (c == NULL)
		return;
	LIST_FOREACH(feed, &f->feeds, link)
	feed->offered = false;
	offer_feeds(f);
	mftd_forwarder_grown(f);
}

/* The stream's directory and how far it may be read. */
static int
open_stream(struct mftd_forwarder *f, const char *stream, uint64_t *limit)
{
	char path[2 * MFTD_ID_BYTES];
	const struct feed *feed = find(f, stream);
	int fd;

	if (strcmp(stream, mftd_stream_id(f->own)) == 0) {
		*limit = mftd_stream_committed(f->own);
		snprintf(path, sizeof(path), "%s/%s", f->w->conf->node, stream);
	} else if (feed != NULL) {
		*limit = feed->seq;
		snprintf(path, sizeof(path), "%s/%s", feed->node, stream);
	} else
		return -ENOENT;
	fd = openat(f->vol->journal, path, DIR_FLAGS);
	return fd < 0 ? -errno : fd;
}

/* Has p's reader stand after seq of stream.  *limit: how far it may go. */
static int
position(struct mftd_forwarder *f, struct progress *p, const char *stream,
    uint64_t seq, uint64_t *limit)
{
	int dir, r = 0;

	dir = open_stream(f, stream, limit);
	if (dir < 0)
		return dir;
	if (p->reader == NULL || mftd_reader_seq(p->reader) != seq) {
		drop_reader(p);
		r = mftd_reader_open(dir, stream, &p->reader);
		if (r == 0)
			r = mftd_reader_seek(p->reader, seq);
	}
	close(dir);
	return r;
}

static void
send_record(struct mftd_forwarder *f, const struct want *want,
    const struct mftd_entry *e)
{
	struct mftd_msg_record msg = { .seq = want->after };

	memcpy(msg.stream, want->stream, sizeof(msg.stream));
	if (e != NULL) {
		msg.seq = e->seq;
		msg.time_us = e->time_us;
		msg.type = e->type;
		msg.payload_bytes = (uint32_t)e->payload_bytes;
	}
	mftd_worker_send_tail(f->w, f->c, MFTD_MSG_RECORD, want->ref, &msg,
	    sizeof(msg), e != NULL ? e->payload : NULL, msg.payload_bytes);
}

/* If it is the first that the catalog does not have: since then it lags. */
static void
note_time(struct progress *p, const struct mftd_entry *e)
{
	if (e->seq == p->done + 1) {
		p->timed = e->seq;
		p->time_us = e->time_us;
	}
}

/* One step of the first WANT.  Returns whether it is answered wholly. */
static bool
step(struct mftd_forwarder *f, struct want *want)
{
	struct progress *p = progress_of(f, want->stream);
	struct mftd_entry e;
	uint64_t limit = 0;
	int r = -ENOENT;

	if (p != NULL)
		r = position(f, p, want->stream, want->after, &limit);
	if (r == 0 && want->after < limit)
		r = mftd_reader_next(p->reader, &e);
	if (r == 1) {
		p->unreadable = false;
		note_time(p, &e);
		send_record(f, want, &e);
		want->after = e.seq;
		return --want->left == 0;
	}
	if (r < 0) {
		log_error("stream=%s cannot be read after seq %" PRIu64 ": %s",
		    want->stream, want->after, mftd_strerror(r));
		if (p != NULL) {
			drop_reader(p);
			p->unreadable = true;
		}
	}
	send_record(f, want, NULL);
	return true;
}

/* Answers as many as the channel takes, and lets others have their turn. */
static void
pump(void *data)
{
	struct mftd_forwarder *f = data;
	int i;

	f->due = false;
	for (i = 0; i < RECORDS_PER_TURN && f->n_wants > 0 && f->c != NULL &&
	     !mftd_chan_pending(f->c);
	     i++)
		if (step(f, &f->wants[0]) && f->n_wants > 0)
			memmove(&f->wants[0], &f->wants[1],
			    --f->n_wants * sizeof(f->wants[0]));
	if (f->c == NULL || f->n_wants == 0)
		return;
	f->due = true;
	if (mftd_chan_pending(f->c))
		mftd_worker_timer(f->w, FULL_WAIT_MS, pump, f);
	else
		mftd_soon(f->w->loop, QB_LOOP_LOW, f, pump, NULL);
}

int
mftd_forwarder_want(struct mftd_forwarder *f, const struct mftd_msg *m)
{
	const struct mftd_msg_want *msg = m->data;
	struct progress *p;
	struct want *want;

	if (f->n_wants == WANTS_MAX || msg->most == 0 ||
	    !mftd_id_valid(msg->stream))
		return -MFTD_E_PROTOCOL;
	p = progress_of(f, msg->stream);
	if (p != NULL) /* less than we thought, if it forgot some */
		p->done = msg->after;
	want = &f->wants[f->n_wants++];
	memcpy(want->stream, msg->stream, sizeof(want->stream));
	want->ref = m->ref;
	want->after = msg->after;
	want->left = msg->most;
	if (!f->due)
		pump(f);
	return 0;
}

static void
mark_forwarded(struct mftd_forwarder *f, const struct feed *feed)
{
	uint64_t limit;
	int r, dir = open_stream(f, feed->stream, &limit);

	if (dir < 0)
		return; /* it was dropped */
	r = mftd_seqfile_write(dir, MFTD_STREAM_FORWARDED, feed->seq);
	close(dir);
	if (r < 0) /* it is offered again at the next start */
		log_warn("stream=%s: %s", feed->stream, mftd_strerror(r));
}

void
mftd_forwarder_forwarded(struct mftd_forwarder *f, const struct mftd_msg *m)
{
	const struct mftd_msg_forwarded *msg = m->data;
	struct progress *p = progress_of(f, msg->stream);
	struct feed *feed = find(f, msg->stream);

	if (p != NULL)
		p->done = msg->seq;
	if (feed == NULL || msg->seq < feed->seq)
		return;
	mark_forwarded(f, feed);
	drop_feed(feed);
	offer_feeds(f);
}

uint64_t
mftd_forwarder_done(const struct mftd_forwarder *f)
{
	return f->progress.done;
}

/* ---- the lag */

static bool
waits(const struct progress *p, uint64_t last)
{
	return last > p->done;
}

bool
mftd_forwarder_lags(const struct mftd_forwarder *f)
{
	const struct feed *feed;

	LIST_FOREACH(feed, &f->feeds, link)
	if (waits(&feed->progress, feed->seq))
		return true;
	return waits(&f->progress, mftd_stream_committed(f->own));
}

bool
mftd_forwarder_stuck(const struct mftd_forwarder *f)
{
	const struct feed *feed;

	LIST_FOREACH(feed, &f->feeds, link)
	if (feed->progress.unreadable)
		return true;
	return f->progress.unreadable;
}

static void
add_lag(const struct progress *p, uint64_t last, uint64_t *records,
    int64_t *since_us)
{
	if (!waits(p, last))
		return;
	*records += last - p->done;
	if (p->timed == p->done + 1 && p->time_us > 0 &&
	    (*since_us == 0 || p->time_us < *since_us))
		*since_us = p->time_us;
}

void
mftd_forwarder_lag(
    const struct mftd_forwarder *f, uint64_t *records, int64_t *since_us)
{
	const struct feed *feed;

	*records = 0;
	*since_us = 0;
	add_lag(&f->progress, mftd_stream_committed(f->own), records, since_us);
	LIST_FOREACH(feed, &f->feeds, link)
	add_lag(&feed->progress, feed->seq, records, since_us);
}

/* Reads on up to the record seq, or the first that is left if that was dropped,
 * or the last before what cannot be read; *us is when that one was written. */
static int
read_time(struct mftd_reader *reader, uint64_t seq, int64_t *us)
{
	struct mftd_entry e;
	int r;

	while ((r = mftd_reader_next(reader, &e)) == 1) {
		*us = e.time_us;
		if (e.seq >= seq)
			break;
	}
	return r;
}

/* When the record was written, about.  1; 0 or an error when it cannot be read;
 * then *us is 0, or when one before it was written. */
static int
time_of(struct mftd_forwarder *f, const char *stream, uint64_t seq, int64_t *us)
{
	struct mftd_reader *reader = NULL;
	uint64_t limit;
	int r, dir = open_stream(f, stream, &limit);

	*us = 0;
	if (dir < 0)
		return dir;
	r = mftd_reader_open(dir, stream, &reader);
	if (r == 0)
		r = mftd_reader_seek(reader, seq > 2 ? seq - 2 : 0);
	if (r == -ENOENT || r == -MFTD_E_CORRUPT) {
		mftd_reader_close(reader);
		reader = NULL;
		r = mftd_reader_open(dir, stream, &reader);
	}
	if (r == 0)
		r = read_time(reader, seq, us);
	mftd_reader_close(reader);
	close(dir);
	return r;
}

static void
look_into(struct mftd_forwarder *f, const char *stream, uint64_t last,
    struct progress *p)
{
	if (!waits(p, last) || p->timed == p->done + 1)
		return;
	p->timed = p->done + 1;
	p->unreadable = time_of(f, stream, p->timed, &p->time_us) != 1;
}

void
mftd_forwarder_look(struct mftd_forwarder *f)
{
	int64_t end_ms = mftd_clock_ms() + LOOK_MS;
	struct feed *feed;

	LIST_FOREACH(feed, &f->feeds, link)
	{
		if (mftd_clock_ms() >= end_ms)
			break;
		look_into(f, feed->stream, feed->seq, &feed->progress);
	}
	look_into(f, mftd_stream_id(f->own), mftd_stream_committed(f->own),
	    &f->progress);
}

static bool
is_noted(const struct progress *p)
{
	return p->noted == p->done;
}

static void
note(int dir, const char *stream, struct progress *p)
{
	int r = mftd_seqfile_write(dir, MFTD_STREAM_TAKEN, p->done);

	if (r == 0)
		p->noted = p->done;
	else
		log_warn("stream=%s: how far it is forwarded: %s", stream,
		    mftd_strerror(r));
}

void
mftd_forwarder_note(struct mftd_forwarder *f)
{
	struct feed *feed;
	uint64_t limit;
	int dir;

	if (!is_noted(&f->progress))
		note(mftd_stream_dir(f->own), mftd_stream_id(f->own),
		    &f->progress);
	LIST_FOREACH(feed, &f->feeds, link)
	{
		if (is_noted(&feed->progress))
			continue;
		dir = open_stream(f, feed->stream, &limit);
		if (dir < 0)
			continue; /* it was dropped */
		note(dir, feed->stream, &feed->progress);
		close(dir);
	}
}
