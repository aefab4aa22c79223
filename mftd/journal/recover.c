/* Part of mftd; see LICENSE. */
#include "mftd/journal/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/id.h"
#include "mftd/base/log.h"
#include "mftd/journal/checkpoint.h"
#include "mftd/journal/damage.h"
#include "mftd/journal/decide.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/parts.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/taken.h"

#define DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DROP_ROUNDS 64
#define LEFT_MAX 65536 /* parts of the dead that can be gone on with */

static int
each_in_node(int journal_fd, const char *node, mftd_stream_fn fn, void *data)
{
	struct dirent *e;
	DIR *d;
	int fd, r = 0;

	fd = openat(journal_fd, node, DIR_FLAGS);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	d = fdopendir(fd);
	if (d == NULL) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r >= 0 && (errno = 0, e = readdir(d)) != NULL)
		if (mftd_id_valid(e->d_name))
			r = fn(data, node, e->d_name, fd);
	if (r >= 0 && errno != 0)
		r = -errno;
	closedir(d);
	return r < 0 ? r : 0;
}

int
mftd_streams_each(
    int journal_fd, const char *node, mftd_stream_fn fn, void *data)
{
	struct dirent *e;
	DIR *d;
	int fd, r = 0;

	if (node != NULL)
		return each_in_node(journal_fd, node, fn, data);
	fd = openat(journal_fd, ".", DIR_FLAGS);
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (d == NULL) {
		r = -errno;
		mftd_fd_close(&fd);
		return r;
	}
	while (r >= 0 && (errno = 0, e = readdir(d)) != NULL)
		if (mftd_id_valid(e->d_name))
			r = each_in_node(journal_fd, e->d_name, fn, data);
	if (r >= 0 && errno != 0)
		r = -errno;
	closedir(d);
	return r < 0 ? r : 0;
}

int
mftd_recovered_seq(int stream_dir, uint64_t *seq)
{
	char *text;
	size_t len;
	int r;

	r = mftd_file_read(stream_dir, MFTD_STREAM_RECOVERED, 256, &text, &len);
	if (r < 0)
		return r;
	r = sscanf(text, "%" SCNu64, seq) == 1 ? 0 : -MFTD_E_CORRUPT;
	free(text);
	return r;
}

/* The SEAL and the mark that this stream is done with. */
static int
seal(struct mftd_work *w, int dir, const char *stream,
    const struct mftd_reader *reader)
{
	struct mftd_rec_seal rec = { .seq = mftd_reader_seq(reader) };
	char text[128];
	int n, r;

	snprintf(rec.stream, sizeof(rec.stream), "%s", stream);
	memcpy(rec.hash, mftd_reader_hash(reader), sizeof(rec.hash));
	r = mftd_work_room(w, MFTD_OUTCOME_BYTES);
	if (r < 0)
		return r;
	mftd_work_seal(w, &rec);
	if (mftd_work_sync(w) < 0)
		return w->failed;
	/* the proofs in aside go after the mark */
	if (mftd_work_record(w) < 0)
		return w->failed;
	n = snprintf(text, sizeof(text), "%" PRIu64 " %s\n", rec.seq,
	    mftd_stream_id(w->stream));
	r = mftd_file_replace(
	    dir, MFTD_STREAM_RECOVERED, text, (size_t)n, 0640);
	if (r == -MFTD_E_SYNC)
		w->failed = r;
	return r < 0 ? r : mftd_work_commit(w);
}

static void
log_bad(const char *stream, const struct mftd_reader *reader)
{
	uint64_t segment, offset;

	mftd_reader_where(reader, &segment, &offset);
	log_warn("stream=%s ends with a bad record after seq %" PRIu64
		 " (segment %" PRIu64 ", byte %" PRIu64 ")",
	    stream, mftd_reader_seq(reader), segment, offset);
}

/* Damaged, or worse, a stream is not to be sealed as it is. */
static int
check_damage(int dir, const char *stream, const struct mftd_reader *reader)
{
	struct mftd_damage d;
	int r = mftd_damage_look(dir, stream, reader, &d);

	if (r == -MFTD_E_CORRUPT)
		log_error("stream=%s is damaged: %s (read up to seq %" PRIu64
			  ", written up to %" PRIu64 ")",
		    stream, d.what, mftd_reader_seq(reader), d.seq);
	return r;
}

static int
recover_locked(
    struct mftd_work *w, int dir, const char *stream, struct mftd_recovery *out)
{
	struct mftd_reader *reader = NULL;
	struct mftd_undecided *list = mftd_undecided_new();
	struct mftd_takens *taken = mftd_takens_new();
	struct mftd_entry e;
	int r = list != NULL && taken != NULL
	    ? mftd_checkpoint_open(dir, stream, &reader)
	    : -ENOMEM;

	while (r == 0 && (r = mftd_reader_next(reader, &e)) == 1) {
		r = mftd_undecided_take(list, &e);
		if (r == 0)
			r = mftd_takens_note(taken, &e);
	}
	if (r == -MFTD_E_CORRUPT) {
		log_bad(stream, reader);
		r = 0;
	}
	if (r == 0)
		r = check_damage(dir, stream, reader);
	if (r == 0)
		r = mftd_undecided_settle(w, list, out);
	if (r == 0)
		r = mftd_takens_settle(w, taken, stream);
	if (r == 0)
		r = seal(w, dir, stream, reader);
	if (r == 0)
		log_info("stream=%s recovered up to seq %" PRIu64
			 ": published=%u abandoned=%u",
		    stream, mftd_reader_seq(reader), out->published,
		    out->abandoned);
	if (r < 0)
		w->n_doomed = 0; /* undecided still: the proofs stay */
	mftd_reader_close(reader);
	mftd_undecided_free(list);
	mftd_takens_free(taken);
	return r;
}

static int
recover_in(struct mftd_work *w, int node_dir, const char *stream,
    struct mftd_recovery *out)
{
	uint64_t seq;
	int dir, lock = -1, r;

	dir = openat(node_dir, stream, DIR_FLAGS);
	if (dir < 0)
		return -errno;
	r = mftd_recovered_seq(dir, &seq);
	if (r == -ENOENT) {
		r = lock = mftd_stream_lock(dir, true);
		/* another recoverer may have come first */
		if (r >= 0)
			r = mftd_recovered_seq(dir, &seq);
		if (r == -ENOENT)
			r = recover_locked(w, dir, stream, out);
	}
	if (r == -EBUSY)
		out->held++;
	if (r == -MFTD_E_CORRUPT)
		out->damaged++;
	mftd_fd_close(&lock);
	close(dir);
	return r;
}

int
mftd_recover_stream(struct mftd_work *w, const char *node, const char *stream,
    struct mftd_recovery *out)
{
	int fd, r;

	fd = openat(w->vol->journal, node, DIR_FLAGS);
	if (fd < 0)
		return -errno;
	r = recover_in(w, fd, stream, out);
	close(fd);
	return r;
}

/* An id's incarnation: all before its last '-'. */
static void
incarnation_of(const char *id, char out[MFTD_ID_BYTES])
{
	const char *end = strrchr(id, '-');

	snprintf(
	    out, MFTD_ID_BYTES, "%.*s", end != NULL ? (int)(end - id) : 0, id);
}

/* The parts that lie there, and how much of each is durable: what their PART
 * records say, also those of a stream that was recovered before. */
struct left {
	struct mftd_work *w;
	mftd_part_match match;
	void *data;
	struct mftd_marks marks;
};

/* Notes each part that is to be laid down; sets none aside.  Sessions of our
 * own incarnation may still be there and write: theirs are not among them. */
static bool
note(void *data, int dir, const char *part)
{
	struct left *l = data;

	if (l->match(l->data, dir, part) &&
	    !mftd_id_of(part, l->w->incarnation))
		mftd_marks_set(&l->marks, LEFT_MAX, part, 0, 0);
	return false;
}

static int
read_marks(struct left *l, int dir, const char *stream)
{
	struct mftd_reader *reader = NULL;
	struct mftd_rec_part rec;
	struct mftd_entry e;
	struct mftd_buf *b;
	int r = mftd_checkpoint_open(dir, stream, &reader);

	while (r == 0 && (r = mftd_reader_next(reader, &e)) == 1) {
		r = 0;
		if (e.type != MFTD_RECORD_PART)
			continue;
		b = mftd_buf_from(e.payload, e.payload_bytes);
		if (b == NULL) {
			r = -ENOMEM;
		} else if (mftd_rec_part_get(b, &rec) == 0 &&
		    mftd_marks_find(&l->marks, rec.part) != NULL) {
			mftd_marks_set(&l->marks, LEFT_MAX, rec.part,
			    rec.durable, rec.base);
		}
		mftd_buf_free(b);
	}
	mftd_reader_close(reader);
	/* what cannot be read any more says nothing of its parts */
	return r == -MFTD_E_CORRUPT ? 0 : r;
}

static int
look_into(void *data, const char *node, const char *stream, int node_dir)
{
	struct left *l = data;
	char incarnation[MFTD_ID_BYTES];
	struct mftd_mark *k;
	int dir, r;

	(void)node;
	incarnation_of(stream, incarnation);
	LIST_FOREACH(k, &l->marks.list, link)
	if (mftd_id_of(k->part, incarnation))
		break;
	if (k == NULL)
		return 0;
	dir = openat(node_dir, stream, DIR_FLAGS);
	if (dir < 0)
		return -errno;
	r = read_marks(l, dir, stream);
	close(dir);
	return r;
}

/* Fills marks for the matching parts. */
static int
find_left(struct left *l)
{
	int r = mftd_parts_of_volume(l->w, NULL, note, l, "", NULL);

	if (r < 0 || l->marks.n == 0)
		return r;
	return mftd_streams_each(l->w->vol->journal, NULL, look_into, l);
}

/* Lays the matching parts down, or sets them aside, with all that was set aside
 * before. */
static int
sweep(struct mftd_work *w, mftd_part_match match, void *data)
{
	struct left left = { .w = w, .match = match, .data = data };
	int i, r;

	mftd_marks_init(&left.marks);
	r = find_left(&left);
	if (r < 0)
		log_warn("parts of those who are gone: %s", mftd_strerror(r));
	w->doom_all = true;
	r = mftd_parts_of_volume(
	    w, NULL, match, data, "its owner is gone", &left.marks);
	w->doom_all = false;
	mftd_marks_clear(&left.marks);
	for (i = 0; i < DROP_ROUNDS; i++) {
		if (mftd_work_sync(w) < 0 || mftd_work_commit(w) < 0)
			return w->failed;
		if (r <= 0 && i > 0)
			break;
		r = mftd_parts_drop_aside(w, match, data);
	}
	return r < 0 ? r : 0;
}

/* Our own streams, and the incarnations that could not be recovered. */
struct own {
	struct mftd_work *w;
	const char *node;
	bool started;
	struct mftd_recovery *out;
	char (*passed)[MFTD_ID_BYTES];
	size_t n_passed;
};

static int
pass_over(struct own *o, const char *stream)
{
	void *more = realloc(o->passed, (o->n_passed + 1) * MFTD_ID_BYTES);

	if (more == NULL)
		return -ENOMEM;
	o->passed = more;
	incarnation_of(stream, o->passed[o->n_passed++]);
	return 0;
}

static int
recover_own_stream(
    void *data, const char *node, const char *stream, int node_dir)
{
	struct own *o = data;
	int r;

	(void)node;
	if (strcmp(stream, mftd_stream_id(o->w->stream)) == 0)
		return 0;
	r = recover_in(o->w, node_dir, stream, o->out);
	if (r == 0)
		return 0;
	if (o->w->failed != 0 || r == -ENOSPC || r == -EDQUOT)
		return r;
	if (!o->started || r != -EBUSY) /* said once, looked at every second */
		log_warn("stream=%s not recovered yet: %s", stream,
		    mftd_strerror(r));
	return pass_over(o, stream);
}

/* Parts of this node's incarnations ("<node>-<16 hex digits>-…"). */
static bool
left_by_us(void *data, int dir, const char *part)
{
	const struct own *o = data;
	size_t i, len = strlen(o->node);
	uint64_t bytes;
	const char *rest = part + len + 1;

	if (strncmp(part, o->node, len) != 0 || part[len] != '-' ||
	    strspn(rest, "0123456789abcdef") != 16 || rest[16] != '-')
		return false;
	if (o->started && mftd_id_of(part, o->w->incarnation))
		return false;
	for (i = 0; i < o->n_passed; i++)
		if (mftd_id_of(part, o->passed[i]))
			return false;
	(void)dir;
	return !mftd_layout_is_dormant(part, &bytes);
}

int
mftd_recover_own(struct mftd_work *w, const char *node, bool started,
    struct mftd_recovery *out)
{
	struct own o = { .w = w, .node = node, .started = started, .out = out };
	int r;

	r = mftd_streams_each(w->vol->journal, node, recover_own_stream, &o);
	if (r == 0)
		r = sweep(w, left_by_us, &o);
	free(o.passed);
	return r;
}

struct one {
	struct mftd_work *w;
	const char *incarnation;
	struct mftd_recovery *out;
};

static int
recover_stream_of(
    void *data, const char *node, const char *stream, int node_dir)
{
	struct one *o = data;

	(void)node;
	if (!mftd_id_of(stream, o->incarnation))
		return 0;
	return recover_in(o->w, node_dir, stream, o->out);
}

int
mftd_recover_incarnation(
    struct mftd_work *w, const char *incarnation, struct mftd_recovery *out)
{
	struct one o = { w, incarnation, out };
	char copy[MFTD_ID_BYTES];
	int r;

	if (!mftd_id_valid(incarnation) ||
	    mftd_id_of(mftd_stream_id(w->stream), incarnation))
		return -EINVAL;
	r = mftd_streams_each(w->vol->journal, NULL, recover_stream_of, &o);
	if (r < 0)
		return r;
	snprintf(copy, sizeof(copy), "%s", incarnation);
	return sweep(w, mftd_parts_made_by, copy);
}
