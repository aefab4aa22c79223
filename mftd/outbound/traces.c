/* Part of mftd; see LICENSE. */
#include "mftd/outbound/traces.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/limits.h"
#include "mftd/base/log.h"

/* ---- names */

/* A directory that is listed, and for whom. */
struct listing {
	struct mftd_batch *b;
	char directory[MFTD_REMOTE_PATH_BYTES];
	size_t wanted; /* names that have not come yet */
};

/* Where the name begins in a path. */
static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

static void
directory_of(const char *path, char *out, size_t size)
{
	size_t len = (size_t)(base_of(path) - path);

	snprintf(out, size, "%.*s", (int)(len > 1 ? len - 1 : len), path);
	if (len == 0)
		snprintf(out, size, ".");
}

static bool
is_in(const char *path, const char *directory)
{
	char own[MFTD_REMOTE_PATH_BYTES];

	directory_of(path, own, sizeof(own));
	return strcmp(own, directory) == 0;
}

static bool
is_called(const struct mftd_item *it, const uint8_t *name, size_t len)
{
	const char *base = base_of(it->temp);

	return strlen(base) == len && memcmp(base, name, len) == 0;
}

/* Both are of one moment then, where the server says both. */
static void
take_name(void *data, const uint8_t *name, size_t len,
    const struct mftd_remote_attrs *a)
{
	struct listing *l = data;
	struct mftd_item *it;

	FOR_EACH_ACTIVE(it, l->b)
	{
		if (!it->tracing || !is_called(it, name, len) ||
		    !is_in(it->temp, l->directory))
			continue;
		it->temp_attrs.links = a->links;
		if (a->has_mtime)
			it->temp_attrs.atime = a->atime;
		it->tracing = false;
		l->wanted--;
	}
}

static int
read_names(struct mftd_batch *b, const struct mftd_remote_file *f,
    struct listing *l, struct mftd_remote_answer *a)
{
	struct mftd_remote_names names = { .take = take_name, .data = l };
	uint32_t seen = 0;
	int r;

	do {
		r = mftd_remote_read_dir(b->remote, f, &names, a);
		if (r == 0)
			r = mftd_remote_drain(b->remote);
		seen += names.n;
	} while (r == 0 && a->err == 0 && l->wanted > 0 && names.n > 0 &&
	    seen < MFTD_TRACE_NAMES_MAX);
	return r;
}

static int
list(struct mftd_batch *b, struct listing *l)
{
	struct mftd_remote_answer a = { 0 }, closed = { 0 };
	struct mftd_remote_file f;
	int r = mftd_remote_open_dir(b->remote, l->directory, &f, &a);

	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r == 0 && a.err == 0) {
		r = read_names(b, &f, l, &a);
		if (r == 0)
			r = mftd_remote_close(b->remote, &f, &closed);
		if (r == 0)
			r = mftd_remote_drain(b->remote);
	}
	if (r == 0 && a.err < 0)
		log_warn("%s cannot be listed at the partner: %s", l->directory,
		    a.why);
	return r;
}

/* Whether half a rename may have been done of it. */
static bool
is_suspect(
    const struct mftd_item *it, bool (*chosen)(const struct mftd_item *it))
{
	return chosen(it) && it->temp_attrs.exists && it->d.has.skipped == 0 &&
	    it->d.at.if_exists != MFTD_IF_EXISTS_OVERWRITE;
}

static int
list_all(struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it))
{
	struct mftd_item *it, *other;
	struct listing l = { .b = b };
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	it->tracing = is_suspect(it, chosen);
	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !it->tracing)
			continue;
		directory_of(it->temp, l.directory, sizeof(l.directory));
		l.wanted = 0;
		FOR_EACH_ACTIVE(other, b)
		l.wanted += other->tracing && is_in(other->temp, l.directory);
		r = list(b, &l);
		/* who did not come is not looked for once more */
		FOR_EACH_ACTIVE(other, b)
		if (is_in(other->temp, l.directory))
			other->tracing = false;
	}
	return r;
}

/* ---- readers */

/* A file with those times, and nothing in it that matters. */
static int
make_witness(struct mftd_batch *b, const char *path, uint32_t mtime,
    struct mftd_remote_answer *a)
{
	struct mftd_remote_file f;
	int r = mftd_remote_open_file(
	    b->remote, path, MFTD_REMOTE_EMPTY, 0600, &f, a);

	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r < 0 || a->err < 0)
		return r;
	r = mftd_remote_write(b->remote, &f, 0, "\n", 1, a);
	if (r == 0)
		r = mftd_remote_set_times(
		    b->remote, &f, mtime, mftd_delivery_atime(mtime), a);
	if (r == 0)
		r = mftd_remote_close(b->remote, &f, a);
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

static int
read_witness(
    struct mftd_batch *b, const char *path, struct mftd_remote_answer *a)
{
	uint8_t byte;
	struct mftd_remote_data data = { .at = &byte, .size = 1 };
	struct mftd_remote_file f;
	int r =
	    mftd_remote_open_file(b->remote, path, MFTD_REMOTE_LOOK, 0, &f, a);

	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r < 0 || a->err < 0)
		return r;
	r = mftd_remote_read(b->remote, &f, 0, &data, a);
	if (r == 0)
		r = mftd_remote_close(b->remote, &f, a);
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

/* Whether who reads a file beside it changes its atime; *kept: for certain. */
static int
try_reading(struct mftd_batch *b, const struct mftd_item *it, bool *kept)
{
	struct mftd_remote_answer a = { 0 }, removed = { 0 };
	struct mftd_remote_attrs attrs = { 0 };
	uint32_t mtime = it->temp_attrs.mtime;
	char path[MFTD_REMOTE_PATH_BYTES];
	int r;

	*kept = false;
	if (mftd_deliver_witness_name(&it->d, path, sizeof(path)) < 0)
		return 0;
	r = make_witness(b, path, mtime, &a);
	if (r == 0 && a.err == 0)
		r = read_witness(b, path, &a);
	if (r == 0 && a.err == 0)
		r = mftd_remote_lstat(b->remote, path, &attrs, &a);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r == 0)
		r = mftd_remote_remove(b->remote, path, &removed);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	*kept = a.err == 0 && attrs.has_mtime && attrs.mtime == mtime &&
	    attrs.atime != mftd_delivery_atime(mtime);
	return r;
}

/* Only where it matters: of those that seem to be as they were left. */
static int
try_readers(struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it))
{
	char directory[MFTD_REMOTE_PATH_BYTES];
	struct mftd_item *it, *other;
	bool kept;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	it->tracing = is_suspect(it, chosen) && it->unanswered &&
	    it->temp_attrs.links == 1;
	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !it->tracing)
			continue;
		r = try_reading(b, it, &kept);
		directory_of(it->final, directory, sizeof(directory));
		if (r == 0 && !kept)
			log_warn(
			    "%s: access times are not kept there", directory);
		FOR_EACH_ACTIVE(other, b)
		{
			if (!other->tracing || !is_in(other->final, directory))
				continue;
			other->blind = !kept;
			other->tracing = false;
		}
	}
	return r;
}

int
mftd_batch_trace(
    struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it))
{
	int r = list_all(b, chosen);

	return r == 0 ? try_readers(b, chosen) : r;
}
