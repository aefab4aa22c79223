/* Part of mftd; see LICENSE. */
#include "mftd/cluster/round.h"

#include <string.h>

void
mftd_round_change(struct mftd_round *r)
{
	r->begun = r->open = false;
	r->n_answers = 0;
}

bool
mftd_round_collect(struct mftd_round *r, const struct mftd_gm_collect *collect)
{
	if (r->open || (r->begun && !collect->again))
		return false;
	r->begun = r->open = true;
	r->id = collect->round;
	r->attempt = collect->attempt;
	r->n_answers = 0;
	return true;
}

void
mftd_round_hello(struct mftd_round *r, const struct mftd_gm_member *who,
    const struct mftd_gm_hello *h)
{
	size_t i;

	if (!r->open || !mftd_gm_same_round(&r->id, &h->round) ||
	    r->n_answers == MFTD_NODES_MAX || mftd_round_answer(r, who) != NULL)
		return;
	for (i = r->n_answers; i > 0; i--) {
		if (mftd_gm_member_cmp(&r->answers[i - 1].who, who) < 0)
			break;
		r->answers[i] = r->answers[i - 1];
	}
	r->answers[i].who = *who;
	r->answers[i].hello = *h;
	r->n_answers++;
}

const struct mftd_round_answer *
mftd_round_answer(const struct mftd_round *r, const struct mftd_gm_member *who)
{
	size_t i;

	for (i = 0; i < r->n_answers; i++)
		if (mftd_gm_same_member(&r->answers[i].who, who))
			return &r->answers[i];
	return NULL;
}

bool
mftd_round_complete(
    const struct mftd_round *r, const struct mftd_gm_member *members, size_t n)
{
	size_t i;

	if (!r->open)
		return false;
	for (i = 0; i < n; i++)
		if (mftd_round_answer(r, &members[i]) == NULL)
			return false;
	return true;
}

static bool
has(const struct mftd_round_answer *a, uint64_t history)
{
	return a->hello.synced && a->hello.history == history;
}

static size_t
owners(const struct mftd_round *r, uint64_t history)
{
	size_t i, n = 0;

	for (i = 0; i < r->n_answers; i++)
		if (has(&r->answers[i], history))
			n++;
	return n;
}

/* Answers are sorted by node id: of equals the first stays. */
static const struct mftd_round_answer *
best(const struct mftd_round *r)
{
	const struct mftd_round_answer *a, *found = NULL;
	size_t i;

	for (i = 0; i < r->n_answers; i++) {
		a = &r->answers[i];
		if (!a->hello.synced)
			continue;
		if (found == NULL ||
		    a->hello.generation > found->hello.generation ||
		    (a->hello.generation == found->hello.generation &&
			owners(r, a->hello.history) >
			    owners(r, found->hello.history)))
			found = a;
	}
	return found;
}

/* A donor that fails to send is passed over at the next attempt. */
static struct mftd_gm_member
choose_donor(const struct mftd_round *r, uint64_t history)
{
	size_t skip = r->attempt % owners(r, history), i;

	for (i = 0; !has(&r->answers[i], history) || skip-- > 0; i++)
		;
	return r->answers[i].who;
}

void
mftd_round_decide(struct mftd_round *r, struct mftd_round_result *result)
{
	const struct mftd_round_answer *a, *winner = best(r);
	size_t i;

	memset(result, 0, sizeof(*result));
	r->open = false;
	for (i = 0; i < r->n_answers; i++) {
		a = &r->answers[i];
		if (!a->hello.synced)
			result->joiners = true;
		if (a->hello.quorate &&
		    (winner == NULL || has(a, winner->hello.history)))
			result->quorate = true;
	}
	if (winner == NULL) {
		result->verdict =
		    result->quorate ? MFTD_ROUND_FOUND : MFTD_ROUND_WAIT;
		return;
	}
	result->verdict = MFTD_ROUND_FOLLOW;
	result->history = winner->hello.history;
	result->donor = choose_donor(r, result->history);
}
