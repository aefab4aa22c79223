/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <jansson.h>

#include "mftd/base/err.h"
#include "mftd/journal/inspect.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/record.h"
#include "mftd/journal/recover.h"
#include "mftd/mftctl.h"

/* A journal's records for people and for programs. */

#define FOLLOW_MS 250 /* other nodes' writing is no event here */
#define TORN_MAX 8 /* a record may be half there while it is written */

static int
put_open(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_open r;
	int e = mftd_rec_open_get(b, &r);

	if (e < 0)
		return e;
	mftctl_put(o, "node", r.node);
	mftctl_put(o, "incarnation", r.incarnation);
	mftctl_put(o, "volume", r.volume);
	return 0;
}

static int
put_audit(json_t *o, struct mftd_buf *b)
{
	static struct mftd_rec_audit r;
	int e = mftd_rec_audit_get(b, &r);

	if (e < 0)
		return e;
	mftctl_put(o, "session", r.session);
	mftctl_put(o, "account", r.account);
	mftctl_put(o, "event", r.event);
	mftctl_put(o, "text", r.text);
	return 0;
}

static int
put_part(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_part r;
	int e = mftd_rec_part_get(b, &r);

	if (e < 0)
		return e;
	mftctl_put(o, "part", r.part);
	mftctl_put_number(o, "durable", r.durable);
	mftctl_put_number(o, "base", r.base);
	return 0;
}

static int
put_receipt(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_receipt r;
	int e = mftd_rec_receipt_get(b, &r);

	if (e < 0)
		return e;
	mftctl_put(o, "receipt", r.id);
	mftctl_put(o, "session", r.session);
	mftctl_put(o, "account", r.account);
	mftctl_put(o, "volume", r.volume);
	mftctl_put(o, "root", r.root);
	mftctl_put(o, "folder", r.folder);
	mftctl_put(o, "path", r.path);
	mftctl_put(o, "part", r.part);
	mftctl_put_number(o, "size", r.size);
	mftctl_put_number(o, "inode", r.inode);
	if (r.has_sha256)
		mftctl_put_hash(o, "sha256", r.sha256);
	json_object_set_new(o, "routes", json_boolean(r.has_routes));
	return 0;
}

static int
put_outcome(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_outcome r;
	int e = mftd_rec_outcome_get(b, &r);

	if (e < 0)
		return e;
	mftctl_put(o, "receipt", r.receipt);
	mftctl_put(o, "part", r.part);
	mftctl_put(o, "reason", r.reason);
	return 0;
}

static int
put_name(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_name r;
	int e = mftd_rec_name_get(b, &r);

	if (e < 0)
		return e;
	mftctl_put(o, "session", r.session);
	if (!r.found)
		mftctl_put(o, "account", r.account);
	mftctl_put(o, "volume", r.volume);
	mftctl_put(o, "path", r.path);
	mftctl_put(o, "to", r.to);
	mftctl_put_number(o, "inode", r.inode);
	mftctl_put(o, "cause", r.cause);
	return 0;
}

static int
put_seal(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_seal r;
	int e = mftd_rec_seal_get(b, &r);

	if (e < 0)
		return e;
	mftctl_put(o, "of", r.stream);
	mftctl_put_number(o, "at", r.seq);
	mftctl_put_hash(o, "hash", r.hash);
	return 0;
}

static int (*const putters[])(json_t *o, struct mftd_buf *b) = {
	[MFTD_RECORD_OPEN] = put_open,
	[MFTD_RECORD_AUDIT] = put_audit,
	[MFTD_RECORD_PART] = put_part,
	[MFTD_RECORD_RECEIPT] = put_receipt,
	[MFTD_RECORD_PUBLISHED] = put_outcome,
	[MFTD_RECORD_ABANDONED] = put_outcome,
	[MFTD_RECORD_RENAME] = put_name,
	[MFTD_RECORD_REMOVE] = put_name,
	[MFTD_RECORD_MKDIR] = put_name,
	[MFTD_RECORD_RMDIR] = put_name,
	[MFTD_RECORD_SETSTAT] = put_name,
	[MFTD_RECORD_SEAL] = put_seal,
	[MFTD_RECORD_LINK] = put_name,
	[MFTD_RECORD_SYMLINK] = put_name,
	[MFTD_RECORD_DISPOSE] = put_name,
};

static json_t *
record_json(const char *stream, const struct mftd_entry *e)
{
	struct mftd_buf *b = mftd_buf_from(e->payload, e->payload_bytes);
	json_t *o = json_object();

	mftctl_put(o, "stream", stream);
	mftctl_put_number(o, "seq", e->seq);
	mftctl_put_time(o, "time", e->time_us);
	mftctl_put(o, "type", mftd_record_name(e->type));
	if (b == NULL || e->type >= sizeof(putters) / sizeof(putters[0]) ||
	    putters[e->type] == NULL || putters[e->type](o, b) < 0)
		mftctl_put_number(o, "unknown_bytes", e->payload_bytes);
	mftd_buf_free(b);
	return o;
}

/* Whether text can stand for itself on a terminal's line. */
static bool
is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~' || *text == '"' ||
		    *text == '\\')
			return false;
	return true;
}

/* One line: the values of stream, sequence, time and type, then key=value. */
static void
print_text(json_t *o)
{
	const char *key;
	json_t *v;
	int i = 0;

	json_object_foreach(o, key, v)
	{
		const char *s = json_string_value(v);
		char *dump;

		printf(i++ > 0 ? " " : "");
		if (i > 4)
			printf("%s=", key);
		if (s != NULL && is_plain(s)) {
			printf("%s", s);
			continue;
		}
		dump = json_dumps(v, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
		printf("%s", dump != NULL ? dump : "?");
		free(dump);
	}
	printf("\n");
}

/* A stream that is being shown, as far as it was. */
struct shown {
	LIST_ENTRY(shown) link;
	char stream[MFTD_ID_BYTES];
	struct mftd_reader *reader;
	int torn; /* looks in a row that found what is no record */
};

struct showing {
	const struct ctl *ctl;
	uint64_t last; /* so many of each stream that is new; 0: all */
	LIST_HEAD(, shown) streams;
	bool follow, bad;
};

static void
print_record(
    const struct showing *s, const char *stream, const struct mftd_entry *e)
{
	json_t *o = record_json(stream, e);

	if (s->ctl->json) {
		mftctl_print_json(o, JSON_COMPACT);
	} else {
		print_text(o);
	}
	json_decref(o);
}

/* Has the reader, which begins, stand before the last n good records. */
static int
skip_to_last(
    const struct mftd_found *f, struct mftd_reader **reader, uint64_t n)
{
	uint64_t first = 0, seq;
	struct mftd_entry e;
	int r;

	while ((r = mftd_reader_next(*reader, &e)) == 1)
		if (first == 0)
			first = e.seq;
	seq = mftd_reader_seq(*reader);
	mftd_reader_close(*reader);
	*reader = NULL;
	if (r < 0 && r != -MFTD_E_CORRUPT)
		return r;
	r = mftd_reader_open(f->dir, f->stream, reader);
	if (r == 0 && first != 0 && seq - first >= n)
		r = mftd_reader_seek(*reader, seq - n);
	return r;
}

static struct shown *
find(const struct showing *s, const char *stream)
{
	struct shown *sh;

	LIST_FOREACH(sh, &s->streams, link)
	if (strcmp(sh->stream, stream) == 0)
		break;
	return sh;
}

static void
drop(struct shown *sh)
{
	LIST_REMOVE(sh, link);
	mftd_reader_close(sh->reader);
	free(sh);
}

static int
add(struct showing *s, const struct mftd_found *f, struct shown **out)
{
	struct shown *sh = calloc(1, sizeof(*sh));
	int r;

	if (sh == NULL)
		return -ENOMEM;
	snprintf(sh->stream, sizeof(sh->stream), "%s", f->stream);
	LIST_INSERT_HEAD(&s->streams, sh, link);
	r = mftd_reader_open(f->dir, f->stream, &sh->reader);
	if (r == 0 && s->last != 0)
		r = skip_to_last(f, &sh->reader, s->last);
	if (r < 0)
		drop(sh);
	else
		*out = sh;
	return r;
}

/* What its writer could not finish; recovery saw that it is the end. */
static bool
is_recovered(const struct mftd_found *f, const struct mftd_reader *reader)
{
	uint64_t seq;

	return mftd_recovered_seq(f->dir, &seq) == 0 &&
	    seq == mftd_reader_seq(reader);
}

static void
print_torn(const struct mftd_found *f, const struct mftd_reader *reader)
{
	uint64_t segment, offset;

	mftd_reader_where(reader, &segment, &offset);
	fprintf(stderr,
	    "mftctl: %s: no record at %08" PRIu64 ".seg, byte %" PRIu64
	    ", nor its end\n",
	    f->path, segment, offset);
}

/* Prints what a stream has that was not printed yet. */
static int
show_stream(void *data, const struct mftd_found *f)
{
	struct showing *s = data;
	struct shown *sh = find(s, f->stream);
	struct mftd_entry e;
	int r = 0;

	if (sh == NULL && (r = add(s, f, &sh)) < 0)
		return r;
	if (sh->torn == TORN_MAX)
		return 0;
	while ((r = mftd_reader_next(sh->reader, &e)) == 1)
		print_record(s, f->stream, &e);
	if (r != -MFTD_E_CORRUPT) {
		sh->torn = 0;
		return r;
	}
	sh->torn = s->follow ? sh->torn + 1 : TORN_MAX;
	if (sh->torn == TORN_MAX && !is_recovered(f, sh->reader)) {
		print_torn(f, sh->reader);
		s->bad = true;
	}
	return 0;
}

int
mftctl_show(const struct ctl *ctl, const char *path, uint64_t last, bool follow)
{
	struct showing s = { .ctl = ctl, .last = last, .follow = follow };
	int r;

	LIST_INIT(&s.streams);
	for (;;) {
		r = mftd_inspect_find(path, show_stream, &s);
		if (r < 0 || !follow || fflush(stdout) != 0)
			break;
		s.last = 0; /* a stream that comes now is new from its start */
		poll(NULL, 0, FOLLOW_MS);
	}
	while (!LIST_EMPTY(&s.streams))
		drop(LIST_FIRST(&s.streams));
	return r < 0 ? r : s.bad;
}
