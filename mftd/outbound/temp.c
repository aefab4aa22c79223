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
static int
judge(struct mftd_batch *b, struct mftd_item *it)
{
	const struct mftd_remote_attrs *a = &it->temp_attrs;
	int r = 0;

	if (it->begun && a->has_size)
		r = mftd_item_is_prefix(b, it, it->temp, a->size, &it->own);
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
