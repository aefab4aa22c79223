/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/outbound/batch.h"
#include "mftd/outbound/compare.h"
#include "mftd/outbound/traces.h"

/* ---- removing */

/* Asks for a removal; who does not get one stays, which harms nobody. */
static int
remove_temp(struct mftd_batch *b, struct mftd_item *it)
{
	memset(&it->removed, 0, sizeof(it->removed));
	return mftd_remote_remove(b->remote, it->temp, &it->removed);
}

/* And its trigger file, which nobody will rename. */
static int
remove_all(struct mftd_batch *b, struct mftd_item *it)
{
	int r = remove_temp(b, it);

	if (r == 0 && it->trigger_temp[0] != '\0')
		r = mftd_remote_remove(
		    b->remote, it->trigger_temp, &it->removed);
	return r;
}

static void
say_what_stays(const struct mftd_item *it)
{
	if (it->removed.err < 0 && it->removed.err != -ENOENT)
		log_warn(
		    "%s stays at the partner: %s", it->temp, it->removed.why);
}

void
mftd_batch_drop(struct mftd_batch *b)
{
	struct mftd_item *it, *end = b->items + b->n;
	int r = b->remote != NULL ? 0 : -MFTD_E_CLOSED;

	for (it = b->items; r == 0 && it < end; it++)
		if (!it->active && it->drop)
			r = remove_all(b, it);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	for (it = b->items; it < end; it++) {
		if (r == 0 && !it->active && it->drop)
			say_what_stays(it);
		if (!it->active)
			it->drop = false;
	}
	if (r < 0 && b->remote != NULL)
		mftd_batch_lost(b, r);
}

/* ---- looking */

static int
look_at_finals(struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it))
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && chosen(it))
		r = mftd_remote_lstat(
		    b->remote, it->final, &it->final_attrs, &it->looked);
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

/* Looks at both names of the chosen ones.  The temporary one first: a rename in
 * between then shows as both or as the final one, never as neither. */
static int
look(struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it))
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !chosen(it))
			continue;
		memset(&it->looked, 0, sizeof(it->looked));
		r = mftd_remote_lstat(
		    b->remote, it->temp, &it->temp_attrs, &it->looked);
	}
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	return r == 0 ? look_at_finals(b, chosen) : r;
}

/* Whether only its content can tell what it is: its size is right, and its
 * mtime does not prove that it is ours. */
static bool
needs_look(const struct mftd_item *it, const struct mftd_remote_attrs *a)
{
	bool dated = it->mtime != 0 && a->has_mtime;

	if (!a->exists || !a->has_size || a->size != it->d.size)
		return false;
	if (dated && a->mtime == (uint32_t)it->mtime)
		return false;
	return !dated || it->resumed ||
	    it->d.at.if_exists == MFTD_IF_EXISTS_SKIP;
}

/* What is known of it, but how the looking went. */
static struct mftd_evidence
evidence_of(const struct mftd_item *it)
{
	return (struct mftd_evidence) { .temp = it->temp_attrs,
		.final = it->final_attrs,
		.size = it->d.size,
		.mtime = it->mtime,
		.if_exists = (enum mftd_if_exists)it->d.at.if_exists,
		.resumed = it->resumed,
		.skipped = it->d.has.skipped != 0 };
}

/* Looks into what LSTAT did not tell enough of. */
static int
look_into(struct mftd_batch *b, struct mftd_item *it)
{
	enum mftd_verification how = it->d.has.verified;
	int r = 0;

	if (needs_look(it, &it->final_attrs))
		r = mftd_item_look_into(
		    b, it, it->final, &it->final_attrs, &how);
	if (it->final_attrs.content == MFTD_CONTENT_SAME)
		it->d.has.verified = how;
	return r;
}

/* Before a rename is asked for. */
static enum mftd_verdict
judge_fresh(const struct mftd_item *it)
{
	struct mftd_evidence e = evidence_of(it);

	/* it has just been written: what was seen of it before tells nothing */
	e.temp = (struct mftd_remote_attrs) {
		.exists = true, .has_size = true, .size = e.size
	};
	e.settled = true;
	return mftd_delivery_judge(&e);
}

/* Afterwards; refused: by the answer. */
static enum mftd_verdict
judge(struct mftd_item *it, bool refused)
{
	struct mftd_evidence e = evidence_of(it);

	e.unanswered = it->unanswered && !e.skipped;
	e.blind = it->blind;
	e.seen = it->seen;
	e.settled = it->settled;
	e.refused = refused;
	it->seen |= !e.skipped && mftd_delivery_is_final(&e);
	return mftd_delivery_judge(&e);
}

static void
conclude(struct mftd_item *it, enum mftd_delivery_event event, int err,
    const char *why)
{
	it->event = event;
	it->err = err;
	snprintf(it->why, sizeof(it->why), "%s", why);
	it->renaming = false;
}

/* Why a person is to look. */
static const char *
doubt_of(const struct mftd_item *it)
{
	if (it->temp_attrs.exists)
		return "its temporary file is still at the partner, but "
		       "nothing excludes that it was published too";
	return "what is at the partner neither proves nor excludes that it "
	       "arrived";
}

/* What the verdict means for its row. */
static void
act(struct mftd_item *it, enum mftd_verdict v)
{
	char why[MFTD_REASON_BYTES];

	log_info("delivery %s: the names at the partner say: %s", it->d.id,
	    mftd_delivery_verdict_name(v));
	it->drop = v == MFTD_VERDICT_REJECTED || v == MFTD_VERDICT_RESTART ||
	    v == MFTD_VERDICT_REFUSED;
	switch (v) {
	case MFTD_VERDICT_RENUMBER:
		it->taken = true; /* and then: */
	/* fall through */
	case MFTD_VERDICT_RENAME:
		it->evidence = false;
		it->d.has.skipped = 0;
		conclude(it, MFTD_EVENT_PUBLISH, 0, "");
		break;
	case MFTD_VERDICT_REMOVE_TEMP: /* removed already */
	case MFTD_VERDICT_DELIVERED:
		conclude(it, MFTD_EVENT_DELIVERED, 0, "");
		break;
	case MFTD_VERDICT_LOOK_AGAIN:
		conclude(it, MFTD_EVENT_RETRY, -EAGAIN,
		    "its temporary name is at the partner, whose server may "
		    "be at it");
		break;
	case MFTD_VERDICT_RESTART:
		conclude(it, MFTD_EVENT_REFUSED, -MFTD_E_PARTNER,
		    it->d.has.skipped
			? "what the partner had is no more the same"
			: "the temporary file at the partner is not whole");
		break;
	case MFTD_VERDICT_REFUSED:
		snprintf(why, sizeof(why), "rename%s: %.200s",
		    it->d.at.temp_directory[0] != '\0' ? " from temp_directory"
						       : "",
		    it->renamed.why);
		conclude(it, MFTD_EVENT_REFUSED, -MFTD_E_PARTNER, why);
		break;
	case MFTD_VERDICT_REJECTED:
		conclude(it, MFTD_EVENT_REJECTED, -EEXIST,
		    "the name exists at the partner");
		break;
	default:
		conclude(it, MFTD_EVENT_DOUBT, -MFTD_E_PARTNER, doubt_of(it));
	}
}

/* Whether nothing more is to come of its temporary file. */
static bool
is_over(enum mftd_verdict v)
{
	return v == MFTD_VERDICT_RESTART || v == MFTD_VERDICT_REFUSED ||
	    v == MFTD_VERDICT_REJECTED;
}

/*
 * A RENAME of an earlier connection may be under way yet: before a row says
 * that nothing was published, the file is taken from under it, and the final
 * name looked at again.  What cannot be taken away stays as open as it is.
 */
static int
withdraw(struct mftd_batch *b, struct mftd_item *it, enum mftd_verdict *v)
{
	struct mftd_evidence e;
	int r;

	memset(&it->removed, 0, sizeof(it->removed));
	memset(&it->looked, 0, sizeof(it->looked));
	r = mftd_remote_remove(b->remote, it->temp, &it->removed);
	if (r == 0)
		r = mftd_remote_lstat(
		    b->remote, it->final, &it->final_attrs, &it->looked);
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r == 0)
		r = look_into(b, it);
	if (r < 0)
		return r;
	e = evidence_of(it);
	if (it->removed.err < 0 || it->looked.err < 0)
		*v = it->settled ? MFTD_VERDICT_IN_DOUBT
				 : MFTD_VERDICT_LOOK_AGAIN;
	else if (mftd_delivery_is_final(&e))
		*v = MFTD_VERDICT_DELIVERED;
	return 0;
}

/* Looks at the chosen ones and says what that means. */
static int
examine(struct mftd_batch *b, bool (*chosen)(const struct mftd_item *it),
    bool refused)
{
	enum mftd_verdict v;
	struct mftd_item *it;
	int r = look(b, chosen);

	if (r == 0)
		r = mftd_batch_trace(b, chosen);
	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !chosen(it))
			continue;
		if (mftd_item_refused(it, &it->looked, "stat"))
			continue;
		r = look_into(b, it);
		if (r < 0)
			break;
		v = judge(it, refused);
		if (v == MFTD_VERDICT_REMOVE_TEMP)
			r = remove_temp(b, it);
		else if (is_over(v) && it->unanswered && !it->d.has.skipped)
			r = withdraw(b, it, &v);
		if (r < 0)
			break;
		act(it, v);
	}
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	return r == 0 ? mftd_batch_number(b) : r;
}

/* ---- before the rename */

void
mftd_item_start_over(struct mftd_item *it)
{
	struct mftd_progress *has = &it->d.has;

	*has = (struct mftd_progress) { .temp_try = has->temp_try,
		.number = has->may_be_there ? has->number : 0,
		.may_be_there = has->may_be_there };
}

/* Whether what has its name may be its own, of a try that was in doubt: of its
 * size, and of its mtime, where the server keeps those, which the new temporary
 * file shows; and not of other content. */
static bool
may_be_its(const struct mftd_item *it)
{
	const struct mftd_remote_attrs *a = &it->final_attrs;
	const struct mftd_remote_attrs *temp = &it->temp_attrs;
	bool kept = temp->has_mtime && temp->mtime == (uint32_t)it->d.mtime;

	if (!it->d.has.may_be_there || !a->exists ||
	    a->content == MFTD_CONTENT_OTHER ||
	    (a->has_size && a->size != it->d.size))
		return false;
	return !kept || !a->has_mtime || a->mtime == temp->mtime;
}

static bool
needs_content(const struct mftd_item *it)
{
	return it->d.at.if_exists == MFTD_IF_EXISTS_SKIP || may_be_its(it);
}

/* A name that exists is seen to before anything is at stake, also with servers
 * whose RENAME would replace it.  Only: it may be ours. */
static void
announce(struct mftd_item *it)
{
	enum mftd_verdict v = MFTD_VERDICT_RENAME;

	if (it->final_attrs.exists)
		v = judge_fresh(it);
	it->event = MFTD_EVENT_PUBLISH;
	if (v == MFTD_VERDICT_REMOVE_TEMP) {
		it->evidence = true;
		it->d.has.skipped =
		    it->final_attrs.content == MFTD_CONTENT_SAME;
	} else if (may_be_its(it)) {
		it->lasting = true;
		mftd_item_fail(it, -EEXIST, it->final,
		    "a file of its size has the name, and cannot be read: it "
		    "may have arrived before");
	} else if (v != MFTD_VERDICT_RENAME &&
	    it->d.at.if_exists == MFTD_IF_EXISTS_NUMBER) {
		it->taken = true;
	} else if (v != MFTD_VERDICT_RENAME) {
		it->lasting = true;
		mftd_item_fail(
		    it, -EEXIST, it->final, "the name exists at the partner");
	}
}

/* What the partner had: its row says so first, and then it is looked at once
 * more. */
static void
announce_skipped(struct mftd_item *it)
{
	it->evidence = true;
	it->event = MFTD_EVENT_PUBLISH;
}

static int
announce_all(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r < 0 || !mftd_item_is_fresh(it))
			continue;
		if (it->d.has.skipped)
			announce_skipped(it);
		else if (mftd_item_refused(it, &it->looked, "stat"))
			continue;
		else if (!needs_content(it) || (r = look_into(b, it)) == 0)
			announce(it);
	}
	return r == 0 ? mftd_batch_number(b) : r;
}

/* Nobody is about to rename. */
static void
unsay(struct mftd_batch *b)
{
	struct mftd_item *it;

	FOR_EACH_ACTIVE(it, b)
	if (it->event == MFTD_EVENT_PUBLISH)
		it->event = MFTD_EVENT_COUNT;
}

void
mftd_batch_announce(struct mftd_batch *b)
{
	int r;

	if (b->remote == NULL)
		return;
	r = look_at_finals(
	    b, mftd_item_is_fresh); /* the others were just seen */
	if (r == 0 && mftd_batch_may_go_on(b))
		r = announce_all(b);
	if (r < 0) {
		unsay(b);
		mftd_batch_lost(b, r);
	}
}

/* ---- in PUBLISHING */

static bool
is_open(const struct mftd_item *it)
{
	return mftd_item_goes_on(it) && it->evidence && !it->delivered;
}

void
mftd_batch_examine(struct mftd_batch *b)
{
	int r;

	if (b->remote == NULL)
		return;
	r = examine(b, is_open, false);
	if (r < 0)
		mftd_batch_lost(b, r);
}

static bool
is_refused(const struct mftd_item *it)
{
	return mftd_item_goes_on(it) && it->renaming && it->renamed.err < 0;
}

static bool
is_renamed(const struct mftd_item *it)
{
	return it->renaming && it->renamed.open == 0 && it->renamed.err == 0;
}

/* There are servers that answer OK and have done nothing.  Whoever took the
 * file away meanwhile did not take it by its temporary name. */
static int
look_at_renamed(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	if (r == 0 && is_renamed(it))
		r = mftd_remote_lstat(
		    b->remote, it->temp, &it->temp_attrs, &it->looked);
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

/* Takes what was answered, also before the connection broke. */
static void
take_renamed(struct mftd_item *it)
{
	if (!is_renamed(it))
		return;
	if (!it->temp_attrs.exists) {
		conclude(it, MFTD_EVENT_DELIVERED, 0, "");
		return;
	}
	it->renamed.err = -MFTD_E_PARTNER;
	snprintf(it->renamed.why, sizeof(it->renamed.why), "%s",
	    "said to be done, and the temporary name is still there");
}

void
mftd_batch_rename(struct mftd_batch *b)
{
	struct mftd_item *it;
	bool over;
	int r = 0;

	if (b->remote == NULL)
		mftd_batch_lost(b, -MFTD_E_CLOSED);
	if (b->remote == NULL || !mftd_batch_may_go_on(b))
		return;
	FOR_EACH_ACTIVE(it, b)
	{
		if (!it->renaming)
			continue;
		memset(&it->renamed, 0, sizeof(it->renamed));
		memset(&it->looked, 0, sizeof(it->looked));
		memset(&it->temp_attrs, 0, sizeof(it->temp_attrs));
		it->renamed.open = 1; /* ours, until it is on its way */
		over = it->d.at.if_exists == MFTD_IF_EXISTS_OVERWRITE;
		if (r == 0)
			r = (over ? mftd_remote_replace : mftd_remote_rename)(
			    b->remote, it->temp, it->final, &it->renamed);
		it->renamed.open -= r == 0;
	}
	if (r == 0)
		r = mftd_remote_drain(b->remote);
	if (r == 0)
		r = look_at_renamed(b);
	FOR_EACH_ACTIVE(it, b)
	take_renamed(it);
	if (r == 0)
		r = examine(b, is_refused, true);
	if (r < 0)
		mftd_batch_lost(b, r);
}
