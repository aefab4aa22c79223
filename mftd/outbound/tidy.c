/* Part of mftd; see LICENSE. */
#include "mftd/outbound/tidy.h"

#include <errno.h>
#include <stdio.h>

static bool
is_it(const struct mftd_tidy *t, const struct mftd_remote_attrs *a)
{
	return a->exists && a->has_size && a->has_mtime && a->size == t->size &&
	    (int64_t)a->mtime == t->mtime;
}

static bool
is_unsure(const struct mftd_remote_attrs *a)
{
	return a->exists && (!a->has_size || !a->has_mtime);
}

/* Whether the source is what was fetched, once that may have gone. */
static enum mftd_tidy_action
prove(const struct mftd_tidy *t, enum mftd_tidy_action then)
{
	if (t->source.content == MFTD_CONTENT_UNKNOWN)
		return MFTD_TIDY_READ;
	return t->source.content == MFTD_CONTENT_SAME ? then : MFTD_TIDY_DONE;
}

static enum mftd_tidy_action
next_move(const struct mftd_tidy *t, bool fresh)
{
	/* OpenSSH's RENAME is link and unlink: killed between them, both names
	 * are there */
	if (is_it(t, &t->target))
		return prove(t, MFTD_TIDY_REMOVE);
	if (t->target.exists)
		return MFTD_TIDY_NAME;
	return fresh ? MFTD_TIDY_RENAME : prove(t, MFTD_TIDY_RENAME);
}

enum mftd_tidy_action
mftd_tidy_next(const struct mftd_tidy *t, bool fresh)
{
	if (is_unsure(&t->source) || (t->begun && is_unsure(&t->target)))
		return MFTD_TIDY_UNSURE;
	if (!is_it(t, &t->source))
		return MFTD_TIDY_DONE;
	if (!t->begun && t->what == MFTD_FETCHED_MOVE && t->target.exists)
		return MFTD_TIDY_NAME;
	if (t->source.content == MFTD_CONTENT_OTHER)
		return MFTD_TIDY_DONE;
	if (!t->begun)
		return MFTD_TIDY_BEGIN;
	if (t->what == MFTD_FETCHED_MOVE)
		return next_move(t, fresh);
	return fresh ? MFTD_TIDY_REMOVE : prove(t, MFTD_TIDY_REMOVE);
}

int
mftd_tidy_name(const char *folder, const char *name, const char *id, unsigned n,
    char *out, size_t size)
{
	int len;

	if (n > 1)
		return -ENOENT;
	len = n == 0 ? snprintf(out, size, "%s/%s", folder, name)
		     : snprintf(out, size, "%s/%s.%s", folder, name, id);
	return len < (int)size ? 0 : -ENAMETOOLONG;
}
