/* Part of mftd; see LICENSE. */
#include "mftd/outbound/trigger.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mftd/base/err.h"
#include "mftd/outbound/compare.h"

/* ---- before */

static bool
is_to_write(const struct mftd_item *it)
{
	return it->active && it->event == MFTD_EVENT_PUBLISH &&
	    it->trigger_temp[0] != '\0';
}

/* With the final name's number, which may be new. */
static void
name_it(struct mftd_item *it)
{
	int r =
	    mftd_deliver_trigger_name(&it->d, it->trigger, sizeof(it->trigger));

	if (r < 0)
		mftd_item_fail(it, r, "trigger", mftd_strerror(r));
}

/* After OPEN: what it says, durable there if the server can, and CLOSE. */
static int
write_one(struct mftd_batch *b, struct mftd_item *it)
{
	char line[2 * MFTD_TRIGGER_BYTES];
	int e = mftd_deliver_trigger_line(&it->d, line, sizeof(line)), r = 0;

	if (e < 0)
		mftd_item_fail(it, e, "trigger_line", mftd_strerror(e));
	if (line[0] != '\0')
		r = mftd_remote_write(
		    b->remote, &it->file, 0, line, strlen(line), &it->wrote);
	if (r == 0)
		r = mftd_remote_sync(b->remote, &it->file, &it->synced);
	/* whatever the server's umask made of the one it was opened with */
	if (r == 0 && it->d.at.mode != 0)
		r = mftd_remote_set_mode(
		    b->remote, &it->file, it->d.at.mode, &it->allowed);
	return r == 0 ? mftd_remote_close(b->remote, &it->file, &it->wrote) : r;
}

static void
check_written(struct mftd_item *it)
{
	if (it->synced.err == -EOPNOTSUPP)
		it->synced.err = 0;
	if (is_to_write(it) &&
	    !mftd_item_refused(it, &it->wrote, it->trigger_temp) &&
	    !mftd_item_refused(it, &it->synced, "fsync"))
		mftd_item_refused(it, &it->allowed, "mode");
}

/* The next few, from *at on. */
static int
write_some(struct mftd_batch *b, uint32_t *at)
{
	struct mftd_item *some[MFTD_OPEN_MOST], *it;
	int i, n = 0, r = 0;

	for (; r == 0 && n < MFTD_OPEN_MOST && *at < b->n; ++*at) {
		it = &b->items[*at];
		if (is_to_write(it))
			name_it(it);
		if (!is_to_write(it))
			continue;
		some[n++] = it;
		memset(&it->opened, 0, sizeof(it->opened));
		memset(&it->wrote, 0, sizeof(it->wrote));
		memset(&it->synced, 0, sizeof(it->synced));
		memset(&it->allowed, 0, sizeof(it->allowed));
		r = mftd_remote_open_file(b->remote, it->trigger_temp,
		    MFTD_REMOTE_EMPTY, it->d.at.mode, &it->file, &it->opened);
	}
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	for (i = 0; r == 0 && i < n; i++)
		if (!mftd_item_refused(
			some[i], &some[i]->opened, some[i]->trigger_temp))
			r = write_one(b, some[i]);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	for (i = 0; r == 0 && i < n; i++)
		check_written(some[i]);
	return r;
}

void
mftd_batch_write_triggers(struct mftd_batch *b)
{
	struct mftd_item *it;
	uint32_t at = 0;
	int r = 0;

	while (b->remote != NULL && r == 0 && at < b->n)
		r = write_some(b, &at);
	if (r == 0)
		return;
	/* without a connection nobody is about to rename */
	FOR_EACH_ACTIVE(it, b)
	if (it->event == MFTD_EVENT_PUBLISH)
		it->event = MFTD_EVENT_COUNT;
	mftd_batch_lost(b, r);
}

/* ---- after */

static bool
is_due(const struct mftd_item *it)
{
	return mftd_item_goes_on(it) && it->delivered;
}

static bool
replaces(const struct mftd_item *it)
{
	return it->d.at.if_exists == MFTD_IF_EXISTS_OVERWRITE;
}

/* What is there is replaced only where it says the same, so that nothing is
 * lost whoever has put it there: a file of ours would be, and nobody knows all
 * of those, of other routes, and forgotten ones. */
static int
look_into(struct mftd_batch *b, struct mftd_item *it)
{
	struct mftd_remote_attrs *a = &it->final_attrs;
	char line[2 * MFTD_TRIGGER_BYTES];
	size_t len;
	bool same = false;
	int r = 0;

	if (!a->exists || !a->has_mode || !S_ISREG(a->mode) || !a->has_size ||
	    mftd_deliver_trigger_line(&it->d, line, sizeof(line)) < 0)
		return 0;
	len = strlen(line);
	if (a->size == len)
		r = mftd_batch_is_text(b, it->trigger, line, len, &same);
	if (same)
		a->content = MFTD_CONTENT_SAME;
	return r;
}

/* The rename of one step would replace what is there: looks first. */
static int
look_at_finals(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		memset(&it->final_attrs, 0, sizeof(it->final_attrs));
		memset(&it->looked, 0, sizeof(it->looked));
		if (r == 0 && is_due(it) && mftd_remote_can_replace(b->remote))
			r = mftd_remote_lstat(b->remote, it->trigger,
			    &it->final_attrs, &it->looked);
	}
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && is_due(it) && replaces(it))
		r = look_into(b, it);
	return r;
}

/* In one step wherever the server has it: a consumer mostly removes a trigger
 * unread, and of a rename by link and unlink that was cut in between nothing
 * would be left to see then. */
static int
rename_one(struct mftd_batch *b, struct mftd_item *it)
{
	bool whole = replaces(it) || mftd_remote_can_replace(b->remote);

	memset(&it->renamed, 0, sizeof(it->renamed));
	if (it->final_attrs.exists &&
	    it->final_attrs.content != MFTD_CONTENT_SAME) {
		it->renamed.err = -EEXIST;
		snprintf(it->renamed.why, sizeof(it->renamed.why), "%s",
		    "the name exists at the partner");
		return 0;
	}
	return (whole ? mftd_remote_replace : mftd_remote_rename)(
	    b->remote, it->trigger_temp, it->trigger, &it->renamed);
}

static int
rename_all(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r;

	FOR_EACH_ACTIVE(it, b)
	if (is_due(it))
		name_it(it);
	r = look_at_finals(b);
	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && is_due(it) && !mftd_item_refused(it, &it->looked, "stat"))
		r = rename_one(b, it);
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

static int
look(struct mftd_batch *b, struct mftd_item *it, const char *path,
    struct mftd_remote_attrs *a)
{
	int r = mftd_remote_lstat(b->remote, path, a, &it->looked);

	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

/* Refused: what stands there says why. */
static int
examine(struct mftd_batch *b, struct mftd_item *it)
{
	struct mftd_remote_attrs temp, trigger;
	int r;

	memset(&it->looked, 0, sizeof(it->looked));
	r = look(b, it, it->trigger_temp, &temp);
	if (r == 0)
		r = look(b, it, it->trigger, &trigger);
	if (r < 0 || mftd_item_refused(it, &it->looked, "stat"))
		return r;
	if (!temp.exists) {
		it->event = MFTD_EVENT_FINISH;
	} else if (trigger.exists && it->settled) {
		it->event = MFTD_EVENT_FINISH; /* one for both files, then */
		if (replaces(it))
			snprintf(it->why, sizeof(it->why),
			    "its trigger's name is at the partner with "
			    "something else, which was not replaced");
		r = mftd_remote_remove(
		    b->remote, it->trigger_temp, &it->removed);
	} else {
		mftd_item_fail(it, trigger.exists ? -EAGAIN : -MFTD_E_PARTNER,
		    it->trigger, it->renamed.why);
	}
	return r;
}

void
mftd_batch_trigger(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r;

	if (b->remote == NULL)
		mftd_batch_lost(b, -MFTD_E_CLOSED);
	if (b->remote == NULL || !mftd_batch_may_go_on(b))
		return;
	r = rename_all(b);
	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !is_due(it))
			continue;
		if (it->renamed.err < 0)
			r = examine(b, it);
		else
			it->event = MFTD_EVENT_FINISH;
	}
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r < 0)
		mftd_batch_lost(b, r);
}
