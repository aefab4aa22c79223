/* Part of mftd; see LICENSE. */
#include "mftd/outbound/temp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/outbound/compare.h"

#define MARK_FIRST UINT32_C(1893456000) /* 2030-01-01 */
#define MARK_SPREAD (UINT32_C(1) << 27) /* up to 2034 */
#define LEAD_SPREAD_S (7 * 86400)

/* ---- marks */

static uint32_t
hash_id(const struct mftd_delivery *d)
{
	const char *c;
	uint64_t h = 0xcbf29ce484222325;

	for (c = d->id; *c != '\0'; c++) /* FNV-1a */
		h = (h ^ (unsigned char)*c) * 0x100000001b3;
	return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

uint32_t
mftd_temp_mark(const struct mftd_delivery *d)
{
	return MARK_FIRST + hash_id(d) % MARK_SPREAD;
}

uint32_t
mftd_temp_atime(const struct mftd_delivery *d, uint32_t mtime)
{
	uint32_t atime = mftd_delivery_atime(mtime);
	uint32_t lead = hash_id(d) % LEAD_SPREAD_S;

	return mftd_deliver_is_shared(d) && atime > lead ? atime - lead : atime;
}

bool
mftd_temp_is_marked(
    const struct mftd_delivery *d, const struct mftd_remote_attrs *a)
{
	uint32_t mtime = (uint32_t)d->mtime;

	if (!a->exists || !a->has_mtime)
		return false;
	if (a->atime == mftd_temp_mark(d))
		return true;
	return d->mtime != 0 && a->mtime == mtime &&
	    (!d->at.preserve || a->atime == mftd_temp_atime(d, mtime));
}

/* Whether a name shows the same as before.  Who reads a file changes its
 * atime. */
static bool
is_same(const struct mftd_remote_attrs *a, const struct mftd_remote_attrs *b,
    bool read)
{
	return a->exists && b->exists && a->has_size && b->has_size &&
	    a->size == b->size && a->has_mtime && b->has_mtime &&
	    a->mtime == b->mtime && (read || a->atime == b->atime);
}

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

/* Something stands there. */
static void
judge(struct mftd_item *it)
{
	it->own = mftd_temp_is_marked(&it->d, &it->temp_attrs);
	if (it->own)
		return;
	mftd_item_fail(it, -EEXIST,
	    "what stands at its temporary name is not known to be its own",
	    it->temp);
	it->drop = false;
	it->let_go = true;
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
		/* so that its row has it when nothing else has */
		it->mtime = it->d.at.preserve ? 0 : it->d.mtime;
		if (it->temp_attrs.exists)
			judge(it);
	}
	if (r < 0)
		mftd_batch_lost(b, r);
}

/* ---- writing */

/* An earlier try's file may have been replaced since it was looked at. */
static int
look_by_handle(struct mftd_batch *b, struct mftd_item *it, bool *same)
{
	struct mftd_remote_answer answer = { 0 };
	struct mftd_remote_attrs a = { 0 };
	int r = mftd_remote_fstat(b->remote, &it->file, &a, &answer);

	if (r == 0)
		r = mftd_remote_await(b->remote, &answer);
	a.exists = answer.err == 0;
	*same = a.exists &&
	    (mftd_temp_is_marked(&it->d, &a) ||
		is_same(&a, &it->temp_attrs, it->reread));
	return r;
}

int
mftd_item_opened_shared(struct mftd_batch *b, struct mftd_item *it)
{
	bool same = true;
	int r = 0;

	it->held = it->opened.err == 0;
	if (!it->held) {
		/* somebody else was there first */
		it->let_go = it->from == 0 && !it->own;
		return 0;
	}
	if (it->from > 0)
		r = look_by_handle(b, it, &same);
	it->own = same;
	if (r == 0 && !same) {
		mftd_item_fail(it, -EEXIST,
		    "what stands at its temporary name is its own no more",
		    it->temp);
		it->drop = false;
		it->let_go = true;
	}
	return r == 0 && same
	    ? mftd_remote_set_times(b->remote, &it->file, (uint32_t)it->d.mtime,
		  mftd_temp_mark(&it->d), &it->dated)
	    : r;
}

/* One that has failed keeps the mark: it is not whole. */
static bool
is_written(const struct mftd_item *it)
{
	return it->held && mftd_item_goes_on(it) && it->wrote.err == 0 &&
	    (it->synced.err == 0 || it->synced.err == -EOPNOTSUPP) &&
	    it->allowed.err == 0;
}

/* The server reads for that: before the times are set. */
static int
ask_for_sums(struct mftd_batch *b, struct mftd_item *const *items, size_t n)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < n; i++)
		if (is_written(items[i]) &&
		    mftd_batch_may_sum(b, items[i]->d.size))
			r = mftd_remote_sum(b->remote, items[i]->temp, 0,
			    &items[i]->remote_sum, &items[i]->checked);
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

int
mftd_batch_finish_shared(
    struct mftd_batch *b, struct mftd_item *const *items, size_t n)
{
	struct mftd_item *it;
	uint32_t mtime;
	size_t i, held = 0;
	int r = 0;

	for (i = 0; i < n; i++)
		held += items[i]->held;
	if (held > 0)
		r = mftd_remote_drain(b->remote);
	if (r == 0 && held > 0)
		r = ask_for_sums(b, items, n);
	for (i = 0; r == 0 && i < n; i++) {
		it = items[i];
		mtime = (uint32_t)it->d.mtime;
		if (is_written(it))
			r = mftd_remote_set_times(b->remote, &it->file, mtime,
			    mftd_temp_atime(&it->d, mtime), &it->dated);
		if (r == 0 && it->held)
			r = mftd_remote_close(
			    b->remote, &it->file, &it->closed);
		it->held = false;
	}
	return r;
}

/* ---- proofs */

/* By the mark, or else, at a server that does not keep such times or where
 * somebody has touched it, by its content. */
static int
prove(struct mftd_batch *b, struct mftd_item *it, bool *own)
{
	enum mftd_verification how = MFTD_VERIFIED_NOT;
	struct mftd_remote_attrs *a = &it->temp_attrs;
	int r;

	*own = a->exists && a->has_size && a->size == it->d.size;
	if (mftd_temp_is_marked(&it->d, a)) {
		*own |= !it->publishing; /* check_temp says what it lacks */
		return 0;
	}
	if (!*own || a->content == MFTD_CONTENT_SAME)
		return 0;
	r = mftd_item_look_into(b, it, it->temp, a, &how);
	*own = a->content == MFTD_CONTENT_SAME;
	if (*own)
		it->d.has.verified = how;
	return r;
}

static void
fail_foreign(struct mftd_item *it)
{
	static const char why[] =
	    "what stands at its temporary name is not what was sent";

	it->own = false;
	if (it->publishing && !it->unanswered) {
		/* no rename was asked for, ever */
		it->event = MFTD_EVENT_REFUSED;
		it->err = -MFTD_E_PARTNER;
		snprintf(it->why, sizeof(it->why), "%s", why);
		it->renaming = false;
		log_warn("delivery %s: %s: %s", it->d.id, why, it->temp);
	} else {
		mftd_item_fail(it, -MFTD_E_PARTNER, why, it->temp);
	}
	it->drop = false;
	it->let_go = !it->publishing || !it->unanswered;
}

int
mftd_batch_prove_shared(
    struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it))
{
	struct mftd_item *it;
	bool own;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !it->shared || !chosen(it) ||
		    mftd_item_refused(it, &it->looked, "stat"))
			continue;
		r = prove(b, it, &own);
		if (r == 0 && !own && it->temp_attrs.exists)
			fail_foreign(it);
	}
	return r;
}

static bool
is_to_rename(const struct mftd_item *it)
{
	return it->active && it->renaming && it->shared;
}

/* What shows the same as before has the content that it had; read: it was read
 * in between. */
static int
look_again(struct mftd_batch *b, bool read)
{
	struct mftd_remote_attrs *now, *before;
	struct mftd_item *it;
	int r = 0;

	before = calloc(MFTD_DELIVER_BATCH_MAX, sizeof(*before));
	if (before == NULL)
		return -ENOMEM;
	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !is_to_rename(it))
			continue;
		now = &it->temp_attrs;
		before[it - b->items] = *now;
		memset(&it->looked, 0, sizeof(it->looked));
		r = mftd_remote_lstat(b->remote, it->temp, now, &it->looked);
	}
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	FOR_EACH_ACTIVE(it, b)
	if (is_to_rename(it) &&
	    is_same(&it->temp_attrs, &before[it - b->items], read))
		it->temp_attrs.content = before[it - b->items].content;
	free(before);
	return r;
}

/* Of several files one may have been read for long since it was looked at. */
static int
look_behind_reading(struct mftd_batch *b)
{
	struct mftd_item *it;
	bool any = false;
	int r;

	FOR_EACH_ACTIVE(it, b)
	any |=
	    is_to_rename(it) && !mftd_temp_is_marked(&it->d, &it->temp_attrs);
	if (!any)
		return 0;
	r = look_again(b, true);
	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && is_to_rename(it) &&
	    !mftd_item_refused(it, &it->looked, "stat") &&
	    it->temp_attrs.exists &&
	    it->temp_attrs.content != MFTD_CONTENT_SAME &&
	    !mftd_temp_is_marked(&it->d, &it->temp_attrs))
		fail_foreign(it);
	return r;
}

int
mftd_batch_prove_again(struct mftd_batch *b)
{
	int r = look_again(b, false);

	if (r == 0)
		r = mftd_batch_prove_shared(b, is_to_rename);
	return r == 0 ? look_behind_reading(b) : r;
}

/* ---- removing */

/* What it shows has the mark, or is what was read before, but for atime. */
static bool
is_own(const struct mftd_item *it, const struct mftd_remote_attrs *before)
{
	return mftd_temp_is_marked(&it->d, &it->temp_attrs) ||
	    (it->reread && is_same(&it->temp_attrs, before, true));
}

static int
remove_marked(struct mftd_batch *b, struct mftd_item *it)
{
	struct mftd_remote_attrs before = it->temp_attrs;
	int r;

	memset(&it->looked, 0, sizeof(it->looked));
	memset(&it->removed, 0, sizeof(it->removed));
	r = mftd_remote_lstat(
	    b->remote, it->temp, &it->temp_attrs, &it->looked);
	if (r == 0)
		r = mftd_remote_await(b->remote, &it->looked);
	if (r < 0 || it->looked.err < 0)
		return r;
	it->own = is_own(it, &before);
	if (it->temp_attrs.exists && !it->own)
		log_warn("delivery %s: %s at the partner is not known to be "
			 "its own, and stays",
		    it->d.id, it->temp);
	return it->own ? mftd_remote_remove(b->remote, it->temp, &it->removed)
		       : 0;
}

int
mftd_batch_remove_shared(
    struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it))
{
	struct mftd_item *it, *end = b->items + b->n;
	int r = 0;

	for (it = b->items; r == 0 && it < end; it++)
		if (it->shared && it->own && chosen(it))
			r = remove_marked(b, it);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	for (it = b->items; r == 0 && it < end; it++)
		if (it->shared && it->own && chosen(it))
			it->own =
			    it->removed.err < 0 && it->removed.err != -ENOENT;
	return r;
}

int
mftd_item_remove_seen(struct mftd_batch *b, struct mftd_item *it)
{
	struct mftd_remote_answer answer = { 0 };
	struct mftd_remote_attrs now;
	int r = mftd_remote_lstat(b->remote, it->temp, &now, &answer);

	if (r == 0)
		r = mftd_remote_await(b->remote, &answer);
	if (r < 0 || answer.err < 0 || !is_same(&now, &it->temp_attrs, true))
		return r;
	memset(&it->removed, 0, sizeof(it->removed));
	return mftd_remote_remove(b->remote, it->temp, &it->removed);
}

/* ---- reading leaves no trace */

int
mftd_item_restore_times(
    struct mftd_batch *b, const char *path, const struct mftd_remote_attrs *a)
{
	struct mftd_remote_answer answer = { 0 }, other = { 0 };
	struct mftd_remote_attrs now = { 0 };
	struct mftd_remote_file f;
	int r;

	if (!a->has_mtime)
		return 0;
	r = mftd_remote_open_file(
	    b->remote, path, MFTD_REMOTE_LOOK, 0, &f, &answer);
	if (r == 0)
		r = mftd_remote_await(b->remote, &answer);
	if (r < 0 || answer.err < 0)
		return r;
	r = mftd_remote_fstat(b->remote, &f, &now, &answer);
	if (r == 0)
		r = mftd_remote_await(b->remote, &answer);
	now.exists = answer.err == 0;
	if (r == 0 && is_same(&now, a, true))
		r = mftd_remote_set_times(
		    b->remote, &f, a->mtime, a->atime, &other);
	if (r == 0)
		r = mftd_remote_close(b->remote, &f, &other);
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}
