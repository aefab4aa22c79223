/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "mftd/base/err.h"
#include "mftd/journal/inspect.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/record.h"
#include "mftd/mftctl.h"

#define TAIL_RECORDS 10
#define HEX_BYTES (2 * MFTD_SHA256_BYTES + 1)

static void
fail(const char *what, int err)
{
	fprintf(stderr, "mftctl: %s: %s\n", what,
	    err == -ENOENT ? "no journal is there" : mftd_strerror(err));
}

/* Calls fn for each path that is given, or for each configured volume.  The
 * worst exit code. */
static int
each_path(const struct ctl *ctl, int argc, char **argv,
    int (*fn)(const struct ctl *ctl, const char *path))
{
	int worst = 0, r;
	size_t i;

	for (; argc > 0; argc--, argv++) {
		r = fn(ctl, *argv);
		worst = r > worst ? r : worst;
		if (argc == 1)
			return worst;
	}
	if (ctl->conf == NULL) {
		fprintf(stderr,
		    "mftctl: no configuration: give the journal's "
		    "path\n");
		return 2;
	}
	for (i = 0; i < ctl->conf->n_volumes; i++) {
		r = fn(ctl, ctl->conf->volumes[i].path);
		worst = r > worst ? r : worst;
	}
	return worst;
}

/* ---- verify */

static json_t *
verified_json(const struct mftd_verified *v)
{
	json_t *o =
	    json_pack("{s:s, s:s, s:s, s:I, s:b}", "stream", v->stream, "path",
		v->path, "verdict", mftd_verdict_name(v->verdict), "records",
		(json_int_t)v->seq, "good", mftd_verdict_good(v->verdict));

	if (v->segment != 0) {
		json_object_set_new(
		    o, "segment", json_integer((json_int_t)v->segment));
		json_object_set_new(
		    o, "offset", json_integer((json_int_t)v->offset));
	}
	if (v->by[0] != '\0') {
		json_object_set_new(
		    o, "sealed_at", json_integer((json_int_t)v->sealed));
		json_object_set_new(o, "sealed_by", json_string(v->by));
	}
	return o;
}

static void
print_verified(const struct mftd_verified *v)
{
	printf("%-40s %8" PRIu64 "  %s", v->stream, v->seq,
	    mftd_verdict_name(v->verdict));
	if (v->verdict == MFTD_VERDICT_CUT)
		printf(": %" PRIu64 " records were sealed by %s", v->sealed,
		    v->by);
	else if (v->by[0] != '\0')
		printf(": at %" PRIu64 " by %s", v->sealed, v->by);
	if (v->segment != 0)
		printf("; what follows at %s/%08" PRIu64 ".seg, byte %" PRIu64
		       ", is no record",
		    v->path, v->segment, v->offset);
	printf("\n");
}

static int
verify(const struct ctl *ctl, const char *path)
{
	struct mftd_verified *list;
	bool good = true;
	size_t i, n;
	int r = mftd_inspect_verify(path, &list, &n);

	if (r < 0) {
		fail(path, r);
		return 1;
	}
	for (i = 0; i < n; i++) {
		good = good && mftd_verdict_good(list[i].verdict);
		if (ctl->json) {
			json_t *o = verified_json(&list[i]);

			json_dumpf(o, stdout, JSON_COMPACT);
			printf("\n");
			json_decref(o);
		} else {
			print_verified(&list[i]);
		}
	}
	mftd_inspect_free(list, n);
	return good ? 0 : 1;
}

/* ---- show and tail */

static void
put(json_t *o, const char *key, const char *text)
{
	/* a path need not be UTF-8: what is not stands as \u00xx */
	char safe[6 * MFTD_PATH_BYTES];
	json_t *s = json_string(text);
	size_t n = 0;

	if (s == NULL) {
		for (; *text != '\0' && n + 2 < sizeof(safe); text++) {
			uint8_t c = (uint8_t)*text;

			if (c < 0x80) {
				safe[n++] = (char)c;
			} else {
				safe[n++] = (char)(0xc0 | c >> 6);
				safe[n++] = (char)(0x80 | (c & 0x3f));
			}
		}
		s = json_stringn(safe, n);
	}
	if (text[0] != '\0' || n > 0)
		json_object_set_new(o, key, s);
	else
		json_decref(s);
}

static void
put_number(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void
put_hash(json_t *o, const char *key, const uint8_t hash[MFTD_SHA256_BYTES])
{
	char hex[HEX_BYTES];
	size_t i;

	for (i = 0; i < MFTD_SHA256_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	put(o, key, hex);
}

static int
put_open(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_open r;
	int e = mftd_rec_open_get(b, &r);

	if (e < 0)
		return e;
	put(o, "node", r.node);
	put(o, "incarnation", r.incarnation);
	put(o, "volume", r.volume);
	return 0;
}

static int
put_audit(json_t *o, struct mftd_buf *b)
{
	static struct mftd_rec_audit r;
	int e = mftd_rec_audit_get(b, &r);

	if (e < 0)
		return e;
	put(o, "session", r.session);
	put(o, "account", r.account);
	put(o, "event", r.event);
	put(o, "text", r.text);
	return 0;
}

static int
put_part(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_part r;
	int e = mftd_rec_part_get(b, &r);

	if (e < 0)
		return e;
	put(o, "part", r.part);
	put_number(o, "durable", r.durable);
	put_number(o, "base", r.base);
	return 0;
}

static int
put_receipt(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_receipt r;
	int e = mftd_rec_receipt_get(b, &r);

	if (e < 0)
		return e;
	put(o, "receipt", r.id);
	put(o, "session", r.session);
	put(o, "account", r.account);
	put(o, "volume", r.volume);
	put(o, "root", r.root);
	put(o, "folder", r.folder);
	put(o, "path", r.path);
	put(o, "part", r.part);
	put_number(o, "size", r.size);
	put_number(o, "inode", r.inode);
	if (r.has_sha256)
		put_hash(o, "sha256", r.sha256);
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
	put(o, "receipt", r.receipt);
	put(o, "part", r.part);
	put(o, "reason", r.reason);
	return 0;
}

static int
put_name(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_name r;
	int e = mftd_rec_name_get(b, &r);

	if (e < 0)
		return e;
	put(o, "session", r.session);
	put(o, "account", r.account);
	put(o, "volume", r.volume);
	put(o, "path", r.path);
	put(o, "to", r.to);
	put_number(o, "inode", r.inode);
	return 0;
}

static int
put_seal(json_t *o, struct mftd_buf *b)
{
	struct mftd_rec_seal r;
	int e = mftd_rec_seal_get(b, &r);

	if (e < 0)
		return e;
	put(o, "of", r.stream);
	put_number(o, "at", r.seq);
	put_hash(o, "hash", r.hash);
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
};

static json_t *
record_json(const char *stream, const struct mftd_entry *e)
{
	struct mftd_buf *b = mftd_buf_from(e->payload, e->payload_bytes);
	json_t *o = json_object();
	time_t s = (time_t)(e->time_us / 1000000);
	char text[64], when[96];
	struct tm tm;

	put(o, "stream", stream);
	put_number(o, "seq", e->seq);
	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(
	    when, sizeof(when), "%s.%06dZ", text, (int)(e->time_us % 1000000));
	put(o, "time", when);
	put(o, "type", mftd_record_name(e->type));
	if (b == NULL || e->type >= sizeof(putters) / sizeof(putters[0]) ||
	    putters[e->type] == NULL || putters[e->type](o, b) < 0)
		put_number(o, "unknown_bytes", e->payload_bytes);
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

struct showing {
	const struct ctl *ctl;
	uint64_t last; /* so many of each stream; 0: all */
	bool bad;
};

static void
print_record(
    const struct showing *s, const char *stream, const struct mftd_entry *e)
{
	json_t *o = record_json(stream, e);

	if (s->ctl->json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		printf("\n");
	} else {
		print_text(o);
	}
	json_decref(o);
}

/* How many good records it has. */
static int
count(const struct mftd_found *f, uint64_t *n)
{
	struct mftd_reader *reader;
	struct mftd_entry e;
	int r = mftd_reader_open(f->dir, f->stream, &reader);

	if (r < 0)
		return r;
	while ((r = mftd_reader_next(reader, &e)) == 1)
		continue;
	*n = mftd_reader_seq(reader);
	mftd_reader_close(reader);
	return r == -MFTD_E_CORRUPT ? 0 : r;
}

static int
show_stream(void *data, const struct mftd_found *f)
{
	struct showing *s = data;
	struct mftd_reader *reader;
	uint64_t n, segment, offset;
	struct mftd_entry e;
	int r = mftd_reader_open(f->dir, f->stream, &reader);

	if (r < 0)
		return r;
	if (s->last != 0 && (r = count(f, &n)) == 0 && n > s->last)
		r = mftd_reader_seek(reader, n - s->last);
	while (r == 0 && (r = mftd_reader_next(reader, &e)) == 1) {
		print_record(s, f->stream, &e);
		r = 0;
	}
	if (r == -MFTD_E_CORRUPT) {
		mftd_reader_where(reader, &segment, &offset);
		fprintf(stderr,
		    "mftctl: %s: no record at %08" PRIu64 ".seg, byte %" PRIu64
		    ", nor its end\n",
		    f->path, segment, offset);
		s->bad = true;
		r = 0;
	}
	mftd_reader_close(reader);
	return r;
}

static int
show_some(const struct ctl *ctl, const char *path, uint64_t last)
{
	struct showing s = { .ctl = ctl, .last = last };
	int r = mftd_inspect_find(path, show_stream, &s);

	if (r < 0)
		fail(path, r);
	return r < 0 || s.bad ? 1 : 0;
}

static int
show(const struct ctl *ctl, const char *path)
{
	return show_some(ctl, path, 0);
}

static int
tail(const struct ctl *ctl, const char *path)
{
	return show_some(ctl, path, TAIL_RECORDS);
}

int
mftctl_journal(const struct ctl *ctl, int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*fn)(const struct ctl *ctl, const char *path);
	} kinds[] = { { "verify", verify }, { "show", show },
		{ "tail", tail } };
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(argv[1], kinds[i].word) == 0)
			return each_path(ctl, argc - 2, argv + 2, kinds[i].fn);
	fprintf(stderr, "mftctl: journal: only verify, show and tail\n");
	return 2;
}
