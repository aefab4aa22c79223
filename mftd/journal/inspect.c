/* Part of mftd; see LICENSE. */
#include "mftd/journal/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/record.h"
#include "mftd/journal/retain.h"
#include "mftd/journal/stream.h"

#define TORN_LOOKS 20
#define TORN_MS 50
#define DEPTH_MAX 2 /* .mft/journal, the node, the stream */

/* ---- finding */

static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int
is_id(const struct dirent *e)
{
	return mftd_id_valid(e->d_name);
}

static const char *
last_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static int
found(int dir, const char *path,
    int (*fn)(void *data, const struct mftd_found *f), void *data)
{
	struct mftd_found f = { .path = path, .dir = dir };

	if (!mftd_id_valid(last_name(path)))
		return 0;
	snprintf(f.stream, sizeof(f.stream), "%s", last_name(path));
	return fn(data, &f);
}

static int find_below(int dir, const char *path, int depth,
    int (*fn)(void *data, const struct mftd_found *f), void *data, int *n);

static int
find_in(int parent, const char *path, const char *name, int depth,
    int (*fn)(void *data, const struct mftd_found *f), void *data, int *n)
{
	char below[PATH_MAX];
	int r, dir;

	if (snprintf(below, sizeof(below), "%s/%s", path, name) >=
	    (int)sizeof(below))
		return -ENAMETOOLONG;
	dir = openat(
	    parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOTDIR || errno == ENOENT ? 0 : -errno;
	r = find_below(dir, below, depth, fn, data, n);
	mftd_fd_close(&dir);
	return r;
}

static int
find_below(int dir, const char *path, int depth,
    int (*fn)(void *data, const struct mftd_found *f), void *data, int *n)
{
	struct dirent **list;
	uint64_t first, last;
	int i, count, r = 0;

	if (mftd_segments_range(dir, &first, &last) == 0) {
		++*n;
		return found(dir, path, fn, data);
	}
	if (depth == DEPTH_MAX)
		return 0;
	count = scandirat(dir, ".", &list, is_id, by_name);
	if (count < 0)
		return -errno;
	for (i = 0; i < count; i++) {
		if (r == 0)
			r = find_in(
			    dir, path, list[i]->d_name, depth + 1, fn, data, n);
		free(list[i]);
	}
	free(list);
	return r;
}

int
mftd_inspect_find(const char *path,
    int (*fn)(void *data, const struct mftd_found *f), void *data)
{
	char top[PATH_MAX];
	int r, dir, n = 0;
	size_t len;

	snprintf(top, sizeof(top), "%s/" MFTD_LAYOUT_DIR "/journal", path);
	if (access(top, F_OK) < 0)
		snprintf(top, sizeof(top), "%s", path);
	len = strlen(top);
	while (len > 1 && top[len - 1] == '/')
		top[--len] = '\0';
	dir = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = find_below(dir, top, 0, fn, data, &n);
	mftd_fd_close(&dir);
	return r == 0 && n == 0 ? -ENOENT : r;
}

/* ---- verifying */

struct seal {
	struct mftd_rec_seal rec;
	int64_t time_us;
	char by[MFTD_ID_BYTES];
};

/* What was dropped, by audit records. */
struct dropped {
	char stream[MFTD_ID_BYTES];
	uint64_t seq; /* up to there */
};

struct work {
	struct mftd_expected expected;
	struct mftd_verified *list;
	size_t n;
	struct seal *seals;
	size_t n_seals;
	struct dropped *dropped;
	size_t n_dropped;
};

static int
add_seal(struct work *w, const char *by, const struct mftd_entry *e)
{
	struct mftd_buf *b = mftd_buf_from(e->payload, e->payload_bytes);
	struct mftd_rec_seal rec;
	struct seal *more;
	int r = b != NULL ? mftd_rec_seal_get(b, &rec) : -ENOMEM;

	mftd_buf_free(b);
	if (r < 0)
		return r;
	more = reallocarray(w->seals, w->n_seals + 1, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	w->seals = more;
	more[w->n_seals].rec = rec;
	more[w->n_seals].time_us = e->time_us;
	snprintf(more[w->n_seals++].by, sizeof(more->by), "%s", by);
	return 0;
}

static int
add_dropped(struct work *w, const struct mftd_entry *e)
{
	struct mftd_buf *b = mftd_buf_from(e->payload, e->payload_bytes);
	struct mftd_rec_audit rec;
	struct dropped d = { 0 }, *more;
	int r = b != NULL ? mftd_rec_audit_get(b, &rec) : -ENOMEM;

	mftd_buf_free(b);
	if (r < 0 || strcmp(rec.event, MFTD_AUDIT_DROPPED) != 0)
		return r;
	if (sscanf(rec.text, "%95s up to %" SCNu64, d.stream, &d.seq) != 2)
		return 0; /* it says nothing */
	more = reallocarray(w->dropped, w->n_dropped + 1, sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	w->dropped = more;
	more[w->n_dropped++] = d;
	return 0;
}

/* Keeps what a record says of other streams. */
static int
take_note(struct work *w, const char *by, const struct mftd_entry *e)
{
	if (e->type == MFTD_RECORD_SEAL)
		return add_seal(w, by, e);
	return e->type == MFTD_RECORD_AUDIT ? add_dropped(w, e) : 0;
}

/* Whether its writer is alive, on whichever node. */
static bool
is_live(int dir)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd =
	    openat(dir, MFTD_STREAM_LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool live;

	if (fd < 0)
		return false;
	live = fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
	mftd_fd_close(&fd);
	return live;
}

/* What the header of the segment being read says is signed. */
static bool
segment_holds(struct mftd_verified *v, const struct mftd_signed_head *before)
{
	if (!v->has_key)
		memcpy(v->key, before->key, sizeof(v->key));
	v->has_key = true;
	return memcmp(v->key, before->key, sizeof(v->key)) == 0 &&
	    mftd_head_holds(MFTD_HEAD_SEGMENT, before);
}

/* A stream's file head, as it was read; err: -ENOENT, -MFTD_E_CORRUPT. */
struct newest {
	int err;
	enum mftd_head_use use;
	struct mftd_signed_head signed_head;
};

/* Whether it is what it says, by itself. */
static bool
head_holds(const struct mftd_verified *v, const struct newest *n)
{
	const struct mftd_signed_head *h = &n->signed_head;

	return n->err == 0 && strcmp(h->head.stream, v->stream) == 0 &&
	    (!v->has_key || memcmp(h->key, v->key, sizeof(v->key)) == 0) &&
	    mftd_head_holds(n->use, h);
}

static bool
is_trusted(const struct mftd_expected *t, const struct mftd_verified *v)
{
	int i;

	for (i = 0; i < t->n_keys; i++)
		if (memcmp(t->keys[i], v->key, sizeof(v->key)) == 0)
			return true;
	return t->n_keys == 0;
}

/* The next one.  Of a stream that is being written it may be half there, for a
 * moment. */
static int
next_record(struct mftd_reader *reader, bool live, struct mftd_entry *e)
{
	int i, r = mftd_reader_next(reader, e);

	for (i = 0; live && r == -MFTD_E_CORRUPT && i < TORN_LOOKS; i++) {
		poll(NULL, 0, TORN_MS);
		r = mftd_reader_next(reader, e);
	}
	return r;
}

/* Reads all records; whether they are those that were signed.  A seal or an
 * error of reading ends it with *err. */
static bool
read_records(struct work *w, struct mftd_verified *v,
    struct mftd_reader *reader, const struct mftd_head *signed_head, bool live,
    int *err)
{
	uint64_t segment = 0, number, offset;
	bool holds = true;
	struct mftd_entry e;

	while ((*err = next_record(reader, live, &e)) == 1) {
		if (v->first == 0)
			v->first = e.seq;
		mftd_reader_where(reader, &number, &offset);
		if (number != segment)
			holds = segment_holds(v, mftd_reader_before(reader)) &&
			    holds;
		segment = number;
		if (e.seq == signed_head->seq &&
		    memcmp(e.hash, signed_head->hash, sizeof(e.hash)) != 0)
			holds = false;
		if ((*err = take_note(w, v->stream, &e)) < 0)
			break;
	}
	v->seq = mftd_reader_seq(reader);
	return holds;
}

/* Whether segments stand behind the one that was read last: one between them is
 * missing. */
static bool
has_gap(int dir, const struct mftd_reader *reader)
{
	uint64_t first, last, number, offset;

	mftd_reader_where(reader, &number, &offset);
	return mftd_segments_range(dir, &first, &last) == 0 &&
	    last > number + 1;
}

/* What its records and signatures say, without the other streams.  The newest
 * head was read before the records: those of a living stream may be more. */
static void
judge(struct work *w, struct mftd_verified *v, bool holds,
    const struct newest *newest)
{
	bool head = head_holds(v, newest);

	if (head) {
		v->signed_seq = newest->signed_head.head.seq;
		/* that of one that has no segment, or none that can be read */
		memcpy(v->key, newest->signed_head.key, sizeof(v->key));
		v->has_key = true;
	}
	if (v->signed_seq > v->seq)
		v->verdict = MFTD_VERDICT_CUT;
	else if (v->verdict == MFTD_VERDICT_BAD)
		return;
	else if (!holds || (newest->err == 0 && !head))
		v->verdict = MFTD_VERDICT_FORGED;
	else if (newest->err < 0)
		v->verdict = MFTD_VERDICT_UNSIGNED;
	else if (newest->use == MFTD_HEAD_LAST && v->seq > v->signed_seq)
		v->verdict = MFTD_VERDICT_BEHIND;
	else if (!is_trusted(&w->expected, v))
		v->verdict = MFTD_VERDICT_STRANGE;
}

static struct mftd_verified *
add_verified(struct work *w, const char *stream, const char *path)
{
	struct mftd_verified *v = reallocarray(w->list, w->n + 1, sizeof(*v));

	if (v == NULL)
		return NULL;
	w->list = v;
	v += w->n;
	memset(v, 0, sizeof(*v));
	v->path = strdup(path);
	if (v->path == NULL)
		return NULL;
	w->n++;
	snprintf(v->stream, sizeof(v->stream), "%s", stream);
	return v;
}

static int
read_stream(void *data, const struct mftd_found *f)
{
	struct work *w = data;
	struct mftd_verified *v = add_verified(w, f->stream, f->path);
	struct newest newest = { 0 };
	struct mftd_reader *reader;
	bool live = is_live(f->dir); /* before it is read */
	bool holds;
	int r;

	if (v == NULL)
		return -ENOMEM;
	newest.err = mftd_head_read(f->dir, &newest.use, &newest.signed_head);
	if (newest.err < 0 && newest.err != -ENOENT &&
	    newest.err != -MFTD_E_CORRUPT)
		return newest.err;
	r = mftd_reader_open(f->dir, f->stream, &reader);
	if (r < 0)
		return r;
	holds = read_records(w, v, reader, &newest.signed_head.head, live, &r);
	v->verdict = live ? MFTD_VERDICT_LIVE : MFTD_VERDICT_WHOLE;
	if (r == -MFTD_E_CORRUPT ||
	    (r == 0 && !live && has_gap(f->dir, reader))) {
		mftd_reader_where(reader, &v->segment, &v->offset);
		v->verdict = MFTD_VERDICT_BAD;
		r = 0;
	}
	mftd_reader_close(reader);
	judge(w, v, holds, &newest);
	return r;
}

/* The hash of the record seq of a stream that reaches that far. */
static int
hash_at(const struct mftd_verified *v, uint64_t seq, const uint8_t *want)
{
	struct mftd_reader *reader;
	int r, dir = open(v->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	r = mftd_reader_open(dir, v->stream, &reader);
	mftd_fd_close(&dir);
	if (r < 0)
		return r;
	r = mftd_reader_seek(reader, seq);
	if (r == 0)
		r = memcmp(mftd_reader_hash(reader), want, MFTD_SHA256_BYTES) ==
		    0;
	mftd_reader_close(reader);
	return r;
}

/* What lies behind a seal was never anything: the torn end that its writer left
 * is no fault. */
static int
compare(struct mftd_verified *v, const struct seal *s)
{
	int r;

	v->sealed = s->rec.seq;
	snprintf(v->by, sizeof(v->by), "%s", s->by);
	if (v->seq < s->rec.seq) {
		v->verdict = MFTD_VERDICT_CUT;
		return 0;
	}
	r = s->rec.seq == 0 ? 1 : hash_at(v, s->rec.seq, s->rec.hash);
	if (r < 0)
		return r;
	if (r == 0)
		v->verdict = MFTD_VERDICT_FORGED;
	else
		v->verdict = v->seq > s->rec.seq ? MFTD_VERDICT_BEHIND
						 : MFTD_VERDICT_SEALED;
	return 0;
}

static int
compare_all(struct work *w)
{
	size_t i, k;
	int r = 0;

	for (i = 0; i < w->n_seals; i++)
		for (k = 0; r == 0 && k < w->n; k++)
			if (strcmp(w->list[k].stream, w->seals[i].rec.stream) ==
				0 &&
			    w->list[k].verdict <= MFTD_VERDICT_BAD)
				r = compare(&w->list[k], &w->seals[i]);
	return r;
}

/* Whether it was written down that so much of a stream was dropped. */
static bool
was_dropped(const struct work *w, const char *stream, uint64_t seq)
{
	size_t i;

	for (i = 0; i < w->n_dropped; i++)
		if (strcmp(w->dropped[i].stream, stream) == 0 &&
		    w->dropped[i].seq >= seq)
			return true;
	return false;
}

/* Whether a stream is there, or was dropped. */
static bool
is_known(const struct work *w, const struct mftd_rec_seal *s)
{
	size_t i;

	for (i = 0; i < w->n; i++)
		if (strcmp(w->list[i].stream, s->stream) == 0)
			return true;
	return was_dropped(w, s->stream, s->seq);
}

/* A writer says in its own stream what it drops from the front of it. */
static void
find_cut_fronts(struct work *w)
{
	struct mftd_verified *v;

	for (v = w->list; v < w->list + w->n; v++)
		if (v->first > 1 && mftd_verdict_good(v->verdict) &&
		    !was_dropped(w, v->stream, v->first - 1))
			v->verdict = MFTD_VERDICT_BEHEADED;
}

static int
find_gone(struct work *w)
{
	const struct seal *s;
	struct mftd_verified *v;

	if (w->expected.since_us == 0)
		return 0;
	for (s = w->seals; s < w->seals + w->n_seals; s++) {
		if (s->time_us < w->expected.since_us || is_known(w, &s->rec))
			continue;
		v = add_verified(w, s->rec.stream, "");
		if (v == NULL)
			return -ENOMEM;
		v->verdict = MFTD_VERDICT_GONE;
		v->sealed = s->rec.seq;
		snprintf(v->by, sizeof(v->by), "%s", s->by);
	}
	return 0;
}

int
mftd_inspect_verify(const char *path, struct mftd_expected expected,
    struct mftd_verified **list, size_t *n)
{
	struct work w = { .expected = expected };
	int r = mftd_inspect_find(path, read_stream, &w);

	if (r == 0)
		r = compare_all(&w);
	if (r == 0)
		find_cut_fronts(&w);
	if (r == 0)
		r = find_gone(&w);
	free(w.seals);
	free(w.dropped);
	if (r < 0) {
		mftd_inspect_free(w.list, w.n);
		return r;
	}
	*list = w.list;
	*n = w.n;
	return 0;
}

void
mftd_inspect_free(struct mftd_verified *list, size_t n)
{
	while (n > 0)
		free(list[--n].path);
	free(list);
}

bool
mftd_verdict_good(enum mftd_verdict v)
{
	return v <= MFTD_VERDICT_LIVE;
}

const char *
mftd_verdict_name(enum mftd_verdict v)
{
	static const char *const names[] = { "whole", "sealed", "live", "BAD",
		"CUT", "FORGED", "BEHIND ITS END", "NOT SIGNED",
		"SIGNED BY ANOTHER KEY", "GONE", "WITHOUT ITS BEGINNING" };

	return names[v];
}
