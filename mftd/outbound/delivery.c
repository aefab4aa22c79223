/* Part of mftd; see LICENSE. */
#include "mftd/outbound/delivery.h"

#include <errno.h>
#include <stddef.h>

#define FIRST_MS 1500
#define STEP_MS 5000
#define MOST_MS (15 * 60 * 1000)
#define US_PER_HOUR (3600 * INT64_C(1000000))

struct row {
	enum mftd_delivery_state state;
	enum mftd_delivery_event event;
	enum mftd_delivery_state next;
	enum mftd_delivery_action action;
};

#define ROW(s, e, n, a)                                               \
	{                                                             \
		MFTD_DELIVERY_##s, MFTD_EVENT_##e, MFTD_DELIVERY_##n, \
		    MFTD_ACTION_##a                                   \
	}

/* What is not here cannot happen. */
static const struct row table[] = {
	ROW(QUEUED, CLAIM, CLAIMED, START),
	ROW(QUEUED, FAIL, FAILED, END),
	ROW(QUEUED, HOLD, HELD, END),
	ROW(QUEUED, CANCEL, CANCELLED, END),

	ROW(WAITING, CLAIM, CLAIMED, START),
	ROW(WAITING, REQUEUE, QUEUED, NONE),
	ROW(WAITING, FAIL, FAILED, END),
	ROW(WAITING, HOLD, HELD, END),
	ROW(WAITING, CANCEL, CANCELLED, END),

	ROW(CLAIMED, BEGIN, SENDING, GO_ON),
	ROW(CLAIMED, RETRY, WAITING, BACKOFF),
	ROW(CLAIMED, FAIL, FAILED, END),
	ROW(CLAIMED, PUT_BACK, WAITING, BACKOFF),
	ROW(CLAIMED, HOLD, HELD, END),
	ROW(CLAIMED, CANCEL, CANCELLED, END),

	/* BEGIN again: the next owner starts over */
	ROW(SENDING, BEGIN, SENDING, GO_ON),
	ROW(SENDING, SENT, SENT, GO_ON),
	/* SENT with it, where nothing came in between */
	ROW(SENDING, PUBLISH, PUBLISHING, GO_ON),
	ROW(SENDING, RETRY, WAITING, BACKOFF),
	ROW(SENDING, FAIL, FAILED, END),
	ROW(SENDING, PUT_BACK, WAITING, BACKOFF),
	ROW(SENDING, HOLD, HELD, END),
	ROW(SENDING, CANCEL, CANCELLED, END),

	ROW(SENT, BEGIN, SENDING, GO_ON),
	ROW(SENT, PUBLISH, PUBLISHING, GO_ON),
	ROW(SENT, RETRY, WAITING, BACKOFF),
	ROW(SENT, FAIL, FAILED, END),
	ROW(SENT, PUT_BACK, WAITING, BACKOFF),
	ROW(SENT, HOLD, HELD, END),
	ROW(SENT, CANCEL, CANCELLED, END),

	/* from here on a rename may have happened: nobody turns back without
	 * proof, and nobody holds or cancels */
	ROW(PUBLISHING, PUBLISH, PUBLISHING, GO_ON),
	ROW(PUBLISHING, DELIVERED, DELIVERED, FINISH),
	ROW(PUBLISHING, RETRY, PUBLISHING, EVIDENCE),
	ROW(PUBLISHING, REFUSED, WAITING, BACKOFF),
	ROW(PUBLISHING, REJECTED, FAILED, END),
	ROW(PUBLISHING, DOUBT, IN_DOUBT, END),

	ROW(DELIVERED, FINISH, DONE, END),
	/* what comes afterwards did not work */
	ROW(DELIVERED, RETRY, DELIVERED, EVIDENCE),
	ROW(DELIVERED, FAIL, FAILED, END),

	/* whoever has seen what the partner has knows more than the evidence */
	ROW(IN_DOUBT, ARRIVED, DELIVERED, FINISH),
	ROW(IN_DOUBT, RESEND, QUEUED, NONE),

	ROW(FAILED, REQUEUE, QUEUED, NONE),
	ROW(FAILED, CANCEL, CANCELLED, END),

	ROW(HELD, RELEASE, QUEUED, NONE),
	ROW(HELD, CANCEL, CANCELLED, END),
};

static const char *const event_names[MFTD_EVENT_COUNT] = {
	[MFTD_EVENT_CLAIM] = "CLAIM",
	[MFTD_EVENT_BEGIN] = "BEGIN",
	[MFTD_EVENT_SENT] = "SENT",
	[MFTD_EVENT_PUBLISH] = "PUBLISH",
	[MFTD_EVENT_DELIVERED] = "DELIVERED",
	[MFTD_EVENT_FINISH] = "FINISH",
	[MFTD_EVENT_RETRY] = "RETRY",
	[MFTD_EVENT_REFUSED] = "REFUSED",
	[MFTD_EVENT_REJECTED] = "REJECTED",
	[MFTD_EVENT_DOUBT] = "DOUBT",
	[MFTD_EVENT_FAIL] = "FAIL",
	[MFTD_EVENT_PUT_BACK] = "PUT_BACK",
	[MFTD_EVENT_HOLD] = "HOLD",
	[MFTD_EVENT_CANCEL] = "CANCEL",
	[MFTD_EVENT_REQUEUE] = "REQUEUE",
	[MFTD_EVENT_RELEASE] = "RELEASE",
	[MFTD_EVENT_ARRIVED] = "ARRIVED",
	[MFTD_EVENT_RESEND] = "RESEND",
};

static const char *const verdict_names[MFTD_VERDICT_COUNT] = {
	[MFTD_VERDICT_RENAME] = "rename",
	[MFTD_VERDICT_REMOVE_TEMP] = "remove the temporary name",
	[MFTD_VERDICT_LOOK_AGAIN] = "look again",
	[MFTD_VERDICT_DELIVERED] = "delivered",
	[MFTD_VERDICT_RESTART] = "restart",
	[MFTD_VERDICT_REFUSED] = "refused",
	[MFTD_VERDICT_REJECTED] = "rejected",
	[MFTD_VERDICT_RENUMBER] = "another name",
	[MFTD_VERDICT_IN_DOUBT] = "in doubt",
};

const char *
mftd_delivery_event_name(uint32_t event)
{
	return event < MFTD_EVENT_COUNT ? event_names[event] : "?";
}

const char *
mftd_delivery_verdict_name(enum mftd_verdict v)
{
	return v < MFTD_VERDICT_COUNT ? verdict_names[v] : "?";
}

bool
mftd_delivery_is_published(enum mftd_delivery_state s)
{
	return s == MFTD_DELIVERY_PUBLISHING || s == MFTD_DELIVERY_DELIVERED;
}

int
mftd_delivery_step(enum mftd_delivery_state state,
    enum mftd_delivery_event event, enum mftd_delivery_state *next,
    enum mftd_delivery_action *action)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].state != state || table[i].event != event)
			continue;
		*next = table[i].next;
		*action = table[i].action;
		return 0;
	}
	*next = state;
	*action = MFTD_ACTION_NONE;
	return -EINVAL;
}

/* ---- evidence */

static bool
size_is(const struct mftd_remote_attrs *a, uint64_t size)
{
	return a->has_size && a->size == size;
}

static bool
mtime_is(const struct mftd_evidence *e, const struct mftd_remote_attrs *a)
{
	return e->mtime != 0 && a->has_mtime && a->mtime == (uint32_t)e->mtime;
}

/* Whether what stands there is certainly this delivery's file. */
static bool
is_ours(const struct mftd_evidence *e, const struct mftd_remote_attrs *a)
{
	return a->exists && size_is(a, e->size) &&
	    a->content != MFTD_CONTENT_OTHER &&
	    (mtime_is(e, a) || a->content == MFTD_CONTENT_SAME);
}

/* Whether it is certainly not: what cannot be told is neither. */
static bool
is_foreign(const struct mftd_evidence *e, const struct mftd_remote_attrs *a)
{
	if ((a->has_size && a->size != e->size) ||
	    a->content == MFTD_CONTENT_OTHER)
		return true;
	return e->mtime != 0 && a->has_mtime && !mtime_is(e, a) &&
	    !e->resumed && a->content != MFTD_CONTENT_SAME;
}

enum temp { TEMP_GONE, TEMP_WHOLE, TEMP_BROKEN, TEMP_UNKNOWN };

/* Our temporary file: it needs no proof, its name is ours alone. */
static enum temp
temp_of(const struct mftd_evidence *e)
{
	const struct mftd_remote_attrs *a = &e->temp;

	if (!a->exists)
		return TEMP_GONE;
	if (!a->has_size)
		return TEMP_UNKNOWN;
	return size_is(a, e->size) ? TEMP_WHOLE : TEMP_BROKEN;
}

/* The final name is ours. */
static enum mftd_verdict
judge_ours(const struct mftd_evidence *e, enum temp temp)
{
	if (temp == TEMP_GONE)
		return MFTD_VERDICT_DELIVERED;
	return e->settled || e->skipped ? MFTD_VERDICT_REMOVE_TEMP
					: MFTD_VERDICT_LOOK_AGAIN;
}

/* Our temporary file is there, and nothing is in its way. */
static enum mftd_verdict
judge_free(const struct mftd_evidence *e, enum temp temp)
{
	if (temp == TEMP_BROKEN)
		return MFTD_VERDICT_RESTART;
	if (temp == TEMP_UNKNOWN)
		return MFTD_VERDICT_IN_DOUBT;
	return e->refused ? MFTD_VERDICT_REFUSED : MFTD_VERDICT_RENAME;
}

/* It is there, and the final name another's. */
static enum mftd_verdict
judge_taken(const struct mftd_evidence *e, enum temp temp)
{
	if (e->if_exists == MFTD_IF_EXISTS_OVERWRITE)
		return judge_free(e, temp);
	if (e->if_exists != MFTD_IF_EXISTS_NUMBER)
		return MFTD_VERDICT_REJECTED;
	if (temp != TEMP_WHOLE)
		return judge_free(e, temp);
	/* an earlier RENAME may be under way: to the name that is taken now */
	return e->refused || e->settled ? MFTD_VERDICT_RENUMBER
					: MFTD_VERDICT_LOOK_AGAIN;
}

static enum mftd_verdict
judge(const struct mftd_evidence *e, enum temp temp)
{
	if (is_ours(e, &e->final))
		return judge_ours(e, temp);
	if (temp == TEMP_GONE)
		return e->skipped ? MFTD_VERDICT_RESTART
				  : MFTD_VERDICT_IN_DOUBT;
	if (!e->final.exists)
		return judge_free(e, temp);
	if (is_foreign(e, &e->final))
		return judge_taken(e, temp);
	return e->if_exists == MFTD_IF_EXISTS_OVERWRITE ? judge_free(e, temp)
							: MFTD_VERDICT_IN_DOUBT;
}

/* Whether it says that nothing was published. */
static bool
is_denial(enum mftd_verdict v)
{
	return v == MFTD_VERDICT_RENAME || v == MFTD_VERDICT_RESTART ||
	    v == MFTD_VERDICT_REFUSED || v == MFTD_VERDICT_REJECTED ||
	    v == MFTD_VERDICT_RENUMBER;
}

/* Whether the temporary file is as it was left: nobody has linked it, and
 * nobody has read it. */
static bool
is_untouched(const struct mftd_evidence *e)
{
	const struct mftd_remote_attrs *a = &e->temp;
	uint32_t mtime = e->mtime != 0 ? (uint32_t)e->mtime : a->mtime;

	return !e->blind && a->links == 1 && a->has_mtime &&
	    a->atime == mftd_delivery_atime(mtime);
}

/* Whether half a rename may have published it. */
static bool
is_traced(const struct mftd_evidence *e)
{
	if (e->if_exists == MFTD_IF_EXISTS_OVERWRITE)
		return false; /* that has no halves */
	return e->seen || (e->unanswered && !is_untouched(e)) ||
	    (e->refused && e->temp.links > 1);
}

bool
mftd_delivery_is_final(const struct mftd_evidence *e)
{
	return is_ours(e, &e->final);
}

enum mftd_verdict
mftd_delivery_judge(const struct mftd_evidence *e)
{
	enum mftd_verdict v = judge(e, temp_of(e));

	if (is_denial(v) && is_traced(e))
		v = e->settled ? MFTD_VERDICT_IN_DOUBT
			       : MFTD_VERDICT_LOOK_AGAIN;
	return v;
}

uint32_t
mftd_delivery_atime(uint32_t mtime)
{
	return mtime > 0 ? mtime - 1 : 0;
}

bool
mftd_delivery_is_spent(const struct mftd_delivery *d, int64_t now_us)
{
	if (d->retry_tries > 0 && d->tries >= d->tries_before + d->retry_tries)
		return true;
	return mftd_delivery_is_late(d, now_us);
}

bool
mftd_delivery_is_late(const struct mftd_delivery *d, int64_t now_us)
{
	return d->retry_hours > 0 && d->first_us > 0 &&
	    now_us - d->first_us >= d->retry_hours * US_PER_HOUR;
}

bool
mftd_delivery_is_unseen(const struct mftd_unseen *u)
{
	if (u->unknown || u->gone >= MFTD_GONE_LOOKS)
		return true;
	return u->late && (u->away || u->looks >= MFTD_SETTLED_LOOKS);
}

static int64_t
jitter(int64_t ms, uint32_t random)
{
	return ms - ms / 4 + (int64_t)(random % (uint32_t)(ms / 2 + 1));
}

int64_t
mftd_delivery_backoff_ms(uint32_t tries, uint32_t random)
{
	int64_t ms = STEP_MS;

	if (tries <= 1)
		return jitter(FIRST_MS, random);
	while (--tries > 1 && ms < MOST_MS)
		ms *= 2;
	return jitter(ms < MOST_MS ? ms : MOST_MS, random);
}

int64_t
mftd_delivery_long_ms(uint32_t random)
{
	return jitter(MOST_MS, random);
}
