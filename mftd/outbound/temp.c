/* Part of mftd; see LICENSE. */
#include "mftd/outbound/temp.h"

#include <errno.h>
#include <string.h>

#include "mftd/outbound/compare.h"

static bool
is_concerned(const struct mftd_item *it)
{
	return mftd_item_is_fresh(it) && it->shared;
}

/* ---- the directory */

struct place {
	char path[MFTD_REMOTE_PATH_BYTES]; /* "" not known */
};

static void
take_place(void *data, const uint8_t *name, size_t len,
    const struct mftd_remote_attrs *a)
{
	struct place *place = data;

	(void)a;
	if (len >= sizeof(place->path))
		return;
	memcpy(place->path, name, len);
	place->path[len] = '\0';
}

/* Whether its two directories are one, which their words need not tell: one may
 * be absolute, or a link.  A server that does not say takes them for two. */
static int
compare_places(struct mftd_batch *b, const struct mftd_item *it, bool *one)
{
	struct place own = { "" }, temp = { "" };
	struct mftd_remote_names a = { .take = take_place, .data = &own };
	struct mftd_remote_names t = { .take = take_place, .data = &temp };
	struct mftd_remote_answer answer = { 0 };
	const char *directory = it->d.directory;
	int r;

	r = mftd_remote_realpath(
	    b->remote, directory[0] != '\0' ? directory : ".", &a, &answer);
	if (r == 0)
		r = mftd_remote_realpath(
		    b->remote, it->d.at.temp_directory, &t, &answer);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	*one = own.path[0] != '\0' && strcmp(own.path, temp.path) == 0;
	return r;
}

static bool
has_places_of(const struct mftd_item *it, const struct mftd_item *last)
{
	return last != NULL &&
	    strcmp(it->d.directory, last->d.directory) == 0 &&
	    strcmp(it->d.at.temp_directory, last->d.at.temp_directory) == 0;
}

/* Without a suffix the temporary name would be the final one. */
static int
check_places(struct mftd_batch *b)
{
	const struct mftd_item *last = NULL;
	struct mftd_item *it;
	bool one = false;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !is_concerned(it) ||
		    it->d.at.temp_suffix[0] != '\0')
			continue;
		if (!has_places_of(it, last))
			r = compare_places(b, it, &one);
		last = it;
		if (r < 0 || !one)
			continue;
		it->lasting = true;
		mftd_item_fail(it, -EINVAL,
		    "temp_directory: it is the directory itself at the "
		    "partner, and there is no temp_suffix",
		    "");
		it->drop = false;
	}
	return r;
}

/* ---- the names */

static int
look(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !is_concerned(it))
			continue;
		memset(&it->looked, 0, sizeof(it->looked));
		r = mftd_remote_lstat(
		    b->remote, it->temp, &it->temp_attrs, &it->looked);
	}
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

/* Out of doubt, by a person's word: its file had been whole there, and may have
 * been renamed since, so that another one can stand there.  Only the mtime that
 * no other file has tells it from that. */
static bool
is_left_in_doubt(const struct mftd_item *it)
{
	const struct mftd_remote_attrs *a = &it->temp_attrs;

	return a->size == it->d.size && a->has_mtime &&
	    a->mtime == (uint32_t)it->d.mtime && !it->d.at.preserve;
}

/* Its row, and what the server says of the file, let it be its own. */
static bool
may_be_own(const struct mftd_item *it)
{
	if (!it->begun || !it->temp_attrs.has_size)
		return false;
	return it->d.host[0] != '\0' || is_left_in_doubt(it);
}

/* Something stands there. */
static int
judge(struct mftd_batch *b, struct mftd_item *it)
{
	int r = 0;

	if (may_be_own(it))
		r = mftd_item_is_prefix(
		    b, it, it->temp, it->temp_attrs.size, &it->own);
	if (r < 0 || it->own)
		return r;
	mftd_item_fail(it, -EEXIST,
	    "what stands at its temporary name is not known to be its own",
	    it->temp);
	it->drop = false;
	it->let_go = true;
	return 0;
}

void
mftd_batch_look_at_shared(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r;

	if (b->remote == NULL)
		return;
	r = check_places(b);
	if (r == 0)
		r = look(b);
	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !is_concerned(it) ||
		    mftd_item_refused(it, &it->looked, "stat"))
			continue;
		if (it->temp_attrs.exists)
			r = judge(b, it);
	}
	if (r < 0)
		mftd_batch_lost(b, r);
}

void
mftd_item_opened_shared(struct mftd_item *it)
{
	bool removed = it->removed.err == 0 || it->removed.err == -ENOENT;

	if (it->opened.err == 0) {
		it->own = true;
	} else if (it->from == 0 && (removed || !it->own)) {
		it->own = false; /* somebody else was there first */
		it->let_go = true;
	}
}
