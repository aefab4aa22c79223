/* Part of mftd; see LICENSE. */
#include "mftd/outbound/fetch_state.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/outbound/tidy.h"

#define STEPS_MAX 16 /* of one wish; more is a name that comes and goes */

/* One wish on its way. */
struct errand {
	struct mftd_msg_fetch_wish w;
	struct mftd_tidy t;
	bool fresh; /* we have begun it */
	bool sure; /* what is there was looked at twice */
	unsigned names; /* tried as target */
	char source[MFTD_FETCH_PATH_BYTES];
	char target[MFTD_FETCH_PATH_BYTES];
};

static int
tell(struct mftd_fetch_state *f, const struct errand *e,
    enum mftd_fetch_step step, int err, const char *text)
{
	struct mftd_msg_fetch_tidy tidy = { .step = step, .err = err };
	struct mftd_msg m;
	int r;

	memcpy(tidy.id, e->w.id, sizeof(tidy.id));
	memcpy(tidy.target, e->w.target, sizeof(tidy.target));
	snprintf(tidy.text, sizeof(tidy.text), "%s", text);
	r = mftd_fetch_ask(f, MFTD_MSG_FETCH_TIDY, &tidy, sizeof(tidy), NULL, 0,
	    MFTD_MSG_FETCH_ANSWER, &m);
	return r < 0 ? r
		     : ((const struct mftd_msg_fetch_answer *)m.data)->err[0];
}

static int
look_at(struct mftd_fetch_state *f, struct errand *e)
{
	struct mftd_remote_answer a = { 0 }, b = { 0 };
	int r = mftd_remote_lstat(f->remote, e->source, &e->t.source, &a);

	if (r == 0 && e->target[0] != '\0')
		r = mftd_remote_lstat(f->remote, e->target, &e->t.target, &b);
	if (r == 0)
		r = mftd_remote_drain(f->remote);
	r = mftd_fetch_result(f, r, &a, "stat");
	return r == 0 ? mftd_fetch_result(f, 0, &b, "stat of the target") : r;
}

static void
set_content(struct errand *e, const uint8_t *sum)
{
	e->t.source.content = memcmp(sum, e->w.sha256, MFTD_SHA256_BYTES) == 0
	    ? MFTD_CONTENT_SAME
	    : MFTD_CONTENT_OTHER;
}

/* The server's word for its bytes, where it has one. */
static int
look_into(struct mftd_fetch_state *f, struct errand *e)
{
	struct mftd_remote_sum sum;
	int r = mftd_fetch_remote_sum(f, e->source, e->w.file.size, &sum);

	if (r == 0 && sum.known)
		set_content(e, sum.sha256);
	return r;
}

static int
read_it(struct mftd_fetch_state *f, struct errand *e)
{
	uint8_t sum[MFTD_SHA256_BYTES];
	int r = mftd_fetch_read(
	    f, e->source, e->w.file.size, e->w.file.mtime, -1, sum);

	if (r == -ESTALE)
		e->t.source.content = MFTD_CONTENT_OTHER;
	else if (r == 0)
		set_content(e, sum);
	return r == -ESTALE ? 0 : r;
}

/* The next name that it might have. */
static int
name_target(struct mftd_fetch_state *f, struct errand *e)
{
	int r = mftd_tidy_name(e->w.move_to, e->w.file.name, e->w.id,
	    e->names++, e->w.target, sizeof(e->w.target));

	e->t.begun = e->fresh = false;
	if (r < 0)
		return mftd_fetch_fail(f, r == -ENOENT ? -EEXIST : r,
		    "its names in move_to are taken", "");
	snprintf(e->target, sizeof(e->target), "%s", e->w.target);
	return look_at(f, e);
}

static int
begin(struct mftd_fetch_state *f, struct errand *e)
{
	int r = tell(f, e, MFTD_FETCH_BEGIN, 0, "");

	e->t.begun = e->fresh = r == 0;
	return r;
}

/* That it is gone is not taken on the server's word: forgotten, but still
 * there, it would come once more. */
static int
check_gone(struct mftd_fetch_state *f, struct errand *e)
{
	int r = look_at(f, e);

	if (r < 0 || !e->t.source.exists)
		return r;
	e->t.source.content = MFTD_CONTENT_UNKNOWN;
	return e->t.source.has_size && e->t.source.has_mtime &&
		(e->t.source.size != e->t.size ||
		    (int64_t)e->t.source.mtime != e->t.mtime)
	    ? 0
	    : mftd_fetch_fail(f, -MFTD_E_PARTNER, "remove",
		  "the server says that it did, and it is there still");
}

/* By a plain RENAME, which replaces nothing.  Where a third one has the name
 * already, it stays where it is, and somebody is told. */
static int
put_back(struct mftd_fetch_state *f, const struct errand *e)
{
	struct mftd_remote_answer a = { 0 };
	int r = mftd_lease_held(f->j->lease) ? 0 : -MFTD_E_NO_LEASE;

	if (r == 0)
		r = mftd_remote_rename(f->remote, e->target, e->source, &a);
	if (r == 0)
		r = mftd_remote_drain(f->remote);
	if (r < 0)
		return mftd_fetch_result(f, r, &a, "rename back");
	if (a.err < 0)
		log_warn("%s is a new %s that came while the old one was "
			 "moved: it is not fetched: %s",
		    e->target, e->w.file.name, a.why);
	else
		log_info("a new %s came while the old one was moved: it is "
			 "back",
		    e->w.file.name);
	return 0;
}

/* Whether what was moved is another file: *other.  There are servers that give
 * a file another mtime with its name. */
static int
compare_moved(struct mftd_fetch_state *f, const struct errand *e, bool *other)
{
	const struct mftd_remote_attrs *a = &e->t.target;
	uint8_t sum[MFTD_SHA256_BYTES];
	int r;

	*other = a->exists && a->has_size && a->size != e->t.size;
	if (*other || !a->exists || !a->has_mtime ||
	    (int64_t)a->mtime == e->t.mtime)
		return 0;
	f->refused = false;
	r = mftd_fetch_read(f, e->target, e->t.size, a->mtime, -1, sum);
	if (r < 0)
		return r == -ESTALE || f->refused ? 0 : r;
	*other = memcmp(sum, e->w.sha256, sizeof(sum)) != 0;
	return 0;
}

/* In the last moment another file may have come to the name: that is no more
 * than out of its place. */
static int
check_moved(struct mftd_fetch_state *f, const struct errand *e)
{
	bool other;
	int r = compare_moved(f, e, &other);

	return r == 0 && other ? put_back(f, e) : r;
}

/* Another file may have got its name while the row was written, or it was read:
 * it is looked at once more, and the table asked again.  *same: with the same
 * answer. */
static int
look_last(struct mftd_fetch_state *f, struct errand *e,
    enum mftd_tidy_action action, bool *same)
{
	const struct mftd_remote_attrs was = e->t.source;
	int r = look_at(f, e);

	if (r == 0 && e->t.source.exists && e->t.source.size == was.size &&
	    e->t.source.mtime == was.mtime)
		e->t.source.content = was.content;
	*same = r == 0 && mftd_tidy_next(&e->t, e->fresh) == action;
	return r;
}

/* Between the look and the change there is but the network's round trip. */
static int
change(
    struct mftd_fetch_state *f, struct errand *e, enum mftd_tidy_action action)
{
	const bool rename = action == MFTD_TIDY_RENAME;
	struct mftd_remote_answer a = { 0 };
	bool same;
	int r = look_last(f, e, action, &same);

	e->fresh = false;
	if (r < 0 || !same)
		return r;
	if (!mftd_lease_held(f->j->lease))
		r = -MFTD_E_NO_LEASE;
	else if (rename)
		r = mftd_remote_rename(f->remote, e->source, e->target, &a);
	else
		r = mftd_remote_remove(f->remote, e->source, &a);
	if (r == 0)
		r = mftd_remote_drain(f->remote);
	r = mftd_fetch_result(f, r, &a, rename ? "rename" : "remove");
	if (r == 0)
		r = check_gone(f, e);
	return r == 0 && rename ? check_moved(f, e) : r;
}

/* Another file there than it was: once forgotten, the old one would be a new
 * one, so a second look is to say the same. */
static bool
is_to_be_sure(struct errand *e)
{
	bool again = e->t.source.exists && !e->sure;

	e->sure = true;
	return again;
}

/* Takes it to its end: 0, or an error with its words in f->why. */
static int
run_errand(struct mftd_fetch_state *f, struct errand *e)
{
	enum mftd_tidy_action next;
	int steps, r = look_at(f, e);

	if (r == 0 && e->t.source.exists)
		r = look_into(f, e);
	for (steps = 0; r == 0 && steps < STEPS_MAX; steps++) {
		next = mftd_tidy_next(&e->t, e->fresh);
		switch (next) {
		case MFTD_TIDY_BEGIN:
			r = begin(f, e);
			break;
		case MFTD_TIDY_READ:
			r = read_it(f, e);
			break;
		case MFTD_TIDY_REMOVE:
		case MFTD_TIDY_RENAME:
			r = change(f, e, next);
			break;
		case MFTD_TIDY_NAME:
			r = name_target(f, e);
			break;
		case MFTD_TIDY_UNSURE:
			r = mftd_fetch_fail(f, -MFTD_E_PARTNER, "stat",
			    "the server tells no size or no mtime");
			break;
		default:
			if (!is_to_be_sure(e))
				return 0;
			r = look_at(f, e);
			break;
		}
	}
	return r < 0 ? r : -EAGAIN;
}

static int
prepare(struct mftd_fetch_state *f, struct errand *e)
{
	const struct mftd_msg_fetch_wish *w = &e->w;

	e->t = (struct mftd_tidy) { .what = (enum mftd_fetched)w->what,
		.begun = w->begun != 0,
		.size = w->file.size,
		.mtime = w->file.mtime };
	if (w->what == MFTD_FETCHED_MOVE && !e->t.begun) {
		if (mftd_tidy_name(w->move_to, w->file.name, w->id, e->names++,
			e->w.target, sizeof(e->w.target)) < 0)
			return mftd_fetch_fail(
			    f, -ENAMETOOLONG, "its name in move_to", "");
	}
	snprintf(e->target, sizeof(e->target), "%s", e->w.target);
	return mftd_fetch_path(w->directory, w->file.name, e->source);
}

/* One wish; *more: there was one.  An error: the look is over. */
static int
do_next(struct mftd_fetch_state *f, bool *more)
{
	struct errand e = { .fresh = false };
	const struct mftd_msg_fetch_wish *w;
	struct mftd_msg m;
	int r;

	r = mftd_fetch_ask(f, MFTD_MSG_FETCH_NEXT,
	    &(struct mftd_msg_none) { 0 }, sizeof(struct mftd_msg_none), NULL,
	    0, MFTD_MSG_FETCH_WISH, &m);
	if (r < 0)
		return r;
	w = m.data;
	*more = w->what != MFTD_FETCHED_KEEP;
	if (!*more)
		return 0;
	e.w = *w;
	r = prepare(f, &e);
	if (r == 0)
		r = run_errand(f, &e);
	if (f->gone)
		return r;
	if (r < 0) {
		log_warn("%s stays at the partner: %s", e.w.file.name,
		    f->why[0] != '\0' ? f->why : mftd_strerror(r));
		tell(f, &e, MFTD_FETCH_LATER, r, f->why);
		/* the others may work, if we can still talk */
		return f->gone || mftd_remote_why(f->remote)[0] != '\0' ? r : 0;
	}
	/* what has its name from now on is new */
	mftd_listing_forget(&f->seen, e.w.file.name);
	return tell(f, &e, MFTD_FETCH_DONE, 0, "");
}

int
mftd_fetch_tidy(struct mftd_fetch_state *f)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more)
		r = do_next(f, &more);
	return r;
}
